/** A song and its stems, as they come: random access to samples that lie in Blobs. */

import type { Card } from "./card";
import { minus, safeGain } from "./levels";
import type { Part } from "./messages";
import { readSamples, type WavInfo } from "./wav";

/** Something that is heard or downloaded. */
export interface Source {
  name: string;
  read(start: number, frames: number): Promise<Float32Array<ArrayBuffer>>;
}

/** One stem: the Blobs of its windows. */
class Stem implements Source {
  private readonly parts: { blob: Blob; start: number; frames: number }[] = [];
  /** Lowest and highest sample of every `bin` frames. */
  readonly outline: Float32Array;
  /** Bins that are there already. */
  outlined = 0;

  constructor(
    readonly name: string,
    private readonly channels: number,
    samples: number,
    readonly bin: number,
  ) {
    this.outline = new Float32Array(2 * Math.ceil(samples / bin));
  }

  add(blob: Blob, start: number, frames: number, outline: Float32Array): void {
    this.parts.push({ blob, start, frames });
    this.outline.set(outline, 2 * this.outlined);
    this.outlined += outline.length / 2;
  }

  async read(start: number, frames: number): Promise<Float32Array<ArrayBuffer>> {
    const samples = new Float32Array(frames * this.channels);
    const size = 4 * this.channels;
    for (const part of this.parts) {
      const first = Math.max(start, part.start);
      const last = Math.min(start + frames, part.start + part.frames);
      if (first >= last) continue;
      const bytes = part.blob.slice((first - part.start) * size, (last - part.start) * size);
      samples.set(new Float32Array(await bytes.arrayBuffer()), (first - start) * this.channels);
    }
    return samples;
  }
}

/** A song that is being separated, or is separated. */
export class Song {
  readonly stems: Stem[];
  /** Samples that all stems have by now. */
  available = 0;
  private peaks: number[] = [];

  constructor(
    readonly name: string,
    private readonly file: Blob,
    readonly info: WavInfo,
    card: Card,
  ) {
    this.stems = card.stems.map((stem) => new Stem(stem, info.channels, info.samples, card.hop));
  }

  get complete(): boolean {
    return this.available === this.info.samples;
  }

  get seconds(): number {
    return this.info.samples / this.info.rate;
  }

  add(part: Part): void {
    part.stems.forEach(({ blob, outline }, i) =>
      this.stems[i]!.add(blob, part.start, part.frames, outline),
    );
    this.available = part.start + part.frames;
  }

  /** Takes the peaks of all that can be downloaded, once the song is complete. */
  finish(peaks: number[]): void {
    this.peaks = peaks;
  }

  /** One gain for all downloads in an integer format, so that none clips and they still add up. */
  get gain(): number {
    return safeGain(this.peaks);
  }

  /** Everything but the vocals; null where there are none, or the network gives it as a stem. */
  get accompaniment(): Source | null {
    const vocals = this.stems.filter((stem) => stem.name === "vocals");
    if (!vocals.length || this.stems.some((stem) => stem.name === "accompaniment")) return null;
    return this.mixtureWithout("accompaniment", vocals);
  }

  /** What the stems together leave of the mixture. */
  get residual(): Source {
    return this.mixtureWithout("residual", this.stems);
  }

  private mixtureWithout(name: string, stems: Stem[]): Source {
    return {
      name,
      read: async (start, frames) => {
        const mixture = await readSamples(this.file, this.info, start, frames);
        return minus(mixture, await Promise.all(stems.map((stem) => stem.read(start, frames))));
      },
    };
  }
}
