/** Cutting a signal of any length, that arrives in blocks, into windows of one size. */

/** A window and the samples to keep of it, from `context` on. */
export interface Window {
  samples: Float32Array;
  keep: number;
}

/**
 * Cuts windows that overlap by their context and are joined without cross-fades.
 *
 * Window i keeps samples [i * core, (i + 1) * core) and sees `context` more on either side, which
 * are computed and discarded. Outside the signal it sees zeros. Samples are frames of `width`
 * interleaved channels.
 */
export class WindowCutter {
  private readonly buffer: Float32Array;
  private buffered: number;
  private received = 0;
  private kept = 0;

  constructor(
    private readonly core: number,
    context: number,
    private readonly width: number,
  ) {
    this.buffer = new Float32Array((core + 2 * context) * width);
    this.buffered = context * width;
  }

  /** Takes the next samples and yields every window that is complete. */
  *push(block: Float32Array): Generator<Window> {
    this.received += block.length / this.width;
    yield* this.take(block);
  }

  /** Yields the windows that the end of the signal leaves. */
  *finish(): Generator<Window> {
    while (this.kept < this.received) {
      yield* this.take(new Float32Array(this.buffer.length - this.buffered));
    }
  }

  private *take(block: Float32Array): Generator<Window> {
    let used = 0;
    while (used < block.length) {
      const part = block.subarray(used, used + this.buffer.length - this.buffered);
      this.buffer.set(part, this.buffered);
      this.buffered += part.length;
      used += part.length;
      if (this.buffered < this.buffer.length) return;
      const keep = Math.min(this.core, this.received - this.kept);
      this.kept += keep;
      yield { samples: this.buffer.slice(), keep };
      this.buffer.copyWithin(0, this.core * this.width);
      this.buffered -= this.core * this.width;
    }
  }
}

/** Number of windows of a signal. */
export function windowCount(samples: number, core: number): number {
  return Math.ceil(samples / core);
}

/**
 * Groups channels for a graph of `width` channels: first and second, third and fourth, and so on.
 * An odd last channel stands alone.
 */
export function channelGroups(channels: number, width: number): number[][] {
  const groups: number[][] = [];
  for (let first = 0; first < channels; first += width) {
    const size = Math.min(width, channels - first);
    groups.push(Array.from({ length: size }, (_, i) => first + i));
  }
  return groups;
}

/** Takes one group's channels out of interleaved samples, unless it is all; doubles a lone one. */
export function pickGroup(
  samples: Float32Array,
  channels: number,
  group: number[],
  width: number,
): Float32Array {
  if (group.length === channels && channels === width) return samples;
  const frames = samples.length / channels;
  const picked = new Float32Array(frames * width);
  for (let i = 0; i < width; i++) {
    const channel = group[Math.min(i, group.length - 1)]!;
    for (let n = 0; n < frames; n++) picked[n * width + i] = samples[n * channels + channel]!;
  }
  return picked;
}

/** Puts a graph's output for one group into interleaved samples; averages what was doubled. */
export function placeGroup(
  target: Float32Array,
  channels: number,
  group: number[],
  output: Float32Array,
  width: number,
): void {
  const frames = target.length / channels;
  for (let n = 0; n < frames; n++) {
    if (group.length === width) {
      for (let i = 0; i < width; i++) target[n * channels + group[i]!] = output[n * width + i]!;
    } else {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += output[n * width + i]!;
      target[n * channels + group[0]!] = sum / width;
    }
  }
}
