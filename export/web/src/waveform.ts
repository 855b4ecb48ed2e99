/** Drawing a stem's outline, up to where it is separated. */

/** A column of pixels, as parts of the height from the middle: [low, high], in [-1, 1]. */
export type Column = [low: number, high: number];

/**
 * Brings an outline to a number of columns, keeping the extremes.
 *
 * @param outline [low, high] of every bin.
 * @param known Bins that are there already.
 * @param columns Columns of the whole song; those that are not there yet are left out.
 */
export function toColumns(outline: Float32Array, known: number, columns: number): Column[] {
  const bins = outline.length / 2;
  const ready = Math.floor((known / bins) * columns);
  return Array.from({ length: ready }, (_, i) => {
    const first = Math.floor((i * bins) / columns);
    const last = Math.max(first + 1, Math.floor(((i + 1) * bins) / columns));
    let low = 0;
    let high = 0;
    for (let b = first; b < Math.min(last, known); b++) {
      low = Math.min(low, outline[2 * b]!);
      high = Math.max(high, outline[2 * b + 1]!);
    }
    return [low, high];
  });
}

/**
 * Draws an outline over the whole canvas, in the canvas' text color.
 *
 * @param loudest The sample that is drawn as tall as the canvas.
 */
export function drawOutline(
  canvas: HTMLCanvasElement,
  outline: Float32Array,
  known: number,
  loudest: number,
): void {
  const ratio = window.devicePixelRatio;
  const width = (canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio)));
  const height = (canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio)));
  const context = canvas.getContext("2d")!;
  const step = Math.max(1, Math.round(ratio));
  context.fillStyle = getComputedStyle(canvas).color;
  const middle = height / 2;
  toColumns(outline, known, Math.floor(width / step)).forEach(([low, high], i) => {
    const top = middle - shown(high / loudest) * middle;
    const bottom = middle - shown(low / loudest) * middle;
    context.fillRect(i * step, top, step, Math.max(ratio, bottom - top));
  });
}

/** Quiet parts are drawn taller than they are, so that they can be seen. */
function shown(x: number): number {
  return Math.sign(x) * Math.min(1, Math.abs(x)) ** 0.7;
}
