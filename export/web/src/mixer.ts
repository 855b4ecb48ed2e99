/** Stems played in sample-accurate sync: one clock, one queue, a gain a stem. Runs in a worklet. */

/** The same samples of all stems, each interleaved; `epoch` counts the seeks. */
export interface Chunk {
  epoch: number;
  start: number;
  stems: Float32Array[];
}

/** Samples over which a gain reaches its new value, so that nothing clicks. */
const RAMP = 512;

export class Mixer {
  private queue: Chunk[] = [];
  private epoch = 0;
  private readonly gains: number[];
  private readonly targets: number[];
  /** Next sample that is played. */
  position = 0;
  playing = false;
  /** Whether playing waits for samples. */
  starved = false;

  constructor(
    stems: number,
    private readonly channels: number,
  ) {
    this.gains = new Array<number>(stems).fill(1);
    this.targets = new Array<number>(stems).fill(1);
  }

  /** Continues at a sample; chunks of earlier epochs are dropped. */
  seek(position: number, epoch: number): void {
    this.position = position;
    this.epoch = epoch;
    this.queue = [];
  }

  push(chunk: Chunk): void {
    if (chunk.epoch === this.epoch) this.queue.push(chunk);
  }

  /** Sets the gain that a stem moves to. */
  setGain(stem: number, gain: number): void {
    this.targets[stem] = gain;
  }

  /** Fills one array a channel with the next samples; silence where there are none. */
  process(output: Float32Array[]): void {
    const frames = output[0]!.length;
    for (const channel of output) channel.fill(0);
    let done = 0;
    while (this.playing && done < frames) {
      const chunk = this.queue[0];
      if (!chunk) break;
      const from = this.position - chunk.start;
      const length = chunk.stems[0]!.length / this.channels;
      const count = Math.min(frames - done, length - from);
      if (count > 0) {
        chunk.stems.forEach((samples, stem) => this.mix(output, done, samples, from, count, stem));
        this.position += count;
        done += count;
      }
      if (from + count >= length) this.queue.shift();
    }
    this.starved = this.playing && done < frames;
  }

  private mix(
    output: Float32Array[],
    at: number,
    samples: Float32Array,
    from: number,
    count: number,
    stem: number,
  ): void {
    const target = this.targets[stem]!;
    const step = Math.sign(target - this.gains[stem]!) / RAMP;
    let gain = this.gains[stem]!;
    for (let n = 0; n < count; n++) {
      gain = step > 0 ? Math.min(target, gain + step) : Math.max(target, gain + step);
      for (const [c, channel] of output.entries()) {
        if (c < this.channels) channel[at + n]! += gain * samples[(from + n) * this.channels + c]!;
      }
    }
    this.gains[stem] = gain;
  }
}
