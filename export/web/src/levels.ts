/** What is left of a mixture, levels of stems, and outlines to draw. All interleaved samples. */

/** The mixture minus some stems. */
export function minus(mixture: Float32Array, stems: Float32Array[]): Float32Array<ArrayBuffer> {
  const rest = mixture.slice() as Float32Array<ArrayBuffer>;
  for (let i = 0; i < rest.length; i++) {
    let sum = 0;
    for (const stem of stems) sum = Math.fround(sum + stem[i]!);
    rest[i]! -= sum;
  }
  return rest;
}

/** Largest absolute sample. */
export function peak(samples: Float32Array): number {
  let most = 0;
  for (let i = 0; i < samples.length; i++) most = Math.max(most, Math.abs(samples[i]!));
  return most;
}

/** Lowest and highest sample of every `bin` frames, over all channels: [low, high, low, ...]. */
export function outline(
  samples: Float32Array,
  channels: number,
  bin: number,
): Float32Array<ArrayBuffer> {
  const size = bin * channels;
  const bounds = new Float32Array(2 * Math.ceil(samples.length / size));
  for (let b = 0; 2 * b < bounds.length; b++) {
    let low = 0;
    let high = 0;
    for (let i = b * size; i < Math.min(samples.length, (b + 1) * size); i++) {
      const x = samples[i]!;
      if (x < low) low = x;
      if (x > high) high = x;
    }
    bounds[2 * b] = low;
    bounds[2 * b + 1] = high;
  }
  return bounds;
}

/** Gain that keeps the loudest of several peaks from clipping in an integer format, as the command. */
export function safeGain(peaks: number[]): number {
  const most = Math.max(0, ...peaks);
  return most > 1 ? 0.999 / most : 1;
}
