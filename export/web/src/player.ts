/** Plays a song's stems, also while later ones are still being separated. */

import type { Song } from "./song";
import type { FromWorklet, ToWorklet } from "./worklet";
import workletUrl from "./worklet?worker&url";

/** Seconds that are read at a time, and that lie ready ahead of what is heard. */
const CHUNK = 0.5;
const AHEAD = 2;

export class Player {
  position = 0;
  playing = false;
  private node: AudioWorkletNode | null = null;
  private context: AudioContext | null = null;
  private opening: Promise<void> | null = null;
  private epoch = 0;
  private queued = 0;
  private reading = false;
  private readonly gains: number[];

  /** @param changed Called when position or state changed. */
  constructor(
    private readonly song: Song,
    private readonly changed: () => void,
  ) {
    this.gains = song.stems.map(() => 1);
  }

  async play(): Promise<void> {
    if (this.position >= this.song.info.samples) this.seek(0);
    this.playing = true;
    this.changed();
    try {
      await (this.opening ??= this.open());
    } catch (error) {
      this.opening = null;
      await this.close();
      this.changed();
      throw error;
    }
    await this.context!.resume();
    this.send({ kind: "play", playing: this.playing });
    void this.fill();
  }

  pause(): void {
    this.playing = false;
    this.send({ kind: "play", playing: false });
    this.changed();
  }

  seek(sample: number): void {
    this.position = this.queued = Math.max(0, Math.min(this.song.info.samples, Math.round(sample)));
    this.epoch += 1;
    this.send({ kind: "seek", position: this.position, epoch: this.epoch });
    void this.fill();
    this.changed();
  }

  setGain(stem: number, gain: number): void {
    this.gains[stem] = gain;
    this.send({ kind: "gain", stem, gain });
  }

  /** Reads ahead; to be called when more of the song is available. */
  async fill(): Promise<void> {
    if (this.reading || !this.node) return;
    this.reading = true;
    try {
      await this.readAhead();
    } finally {
      this.reading = false;
    }
  }

  private async readAhead(): Promise<void> {
    const { rate } = this.song.info;
    while (this.node && this.queued < Math.min(this.song.available, this.position + AHEAD * rate)) {
      const { epoch, queued: start } = this;
      const frames = Math.min(Math.round(CHUNK * rate), this.song.available - start);
      const stems = await Promise.all(this.song.stems.map((stem) => stem.read(start, frames)));
      if (epoch !== this.epoch) continue;
      this.queued = start + frames;
      this.send(
        { kind: "chunk", chunk: { epoch, start, stems } },
        stems.map((stem) => stem.buffer),
      );
    }
  }

  async close(): Promise<void> {
    this.playing = false;
    const { context } = this;
    this.context = this.node = null;
    if (context?.state !== "closed") await context?.close();
  }

  private async open(): Promise<void> {
    const { channels, rate } = this.song.info;
    this.context = new AudioContext({ sampleRate: rate });
    await this.context.audioWorklet.addModule(workletUrl);
    const node = new AudioWorkletNode(this.context, "mixer", {
      numberOfInputs: 0,
      outputChannelCount: [channels],
      processorOptions: { stems: this.song.stems.length, channels },
    });
    node.port.onmessage = ({ data }: MessageEvent<FromWorklet>) => this.hear(data);
    node.connect(this.context.destination);
    this.node = node;
    this.gains.forEach((gain, stem) => this.send({ kind: "gain", stem, gain }));
    this.send({ kind: "seek", position: this.position, epoch: this.epoch });
    this.queued = this.position;
  }

  private hear({ position, epoch }: FromWorklet): void {
    if (epoch !== this.epoch || !this.playing) return;
    this.position = position;
    if (position >= this.song.info.samples) this.pause();
    void this.fill();
    this.changed();
  }

  private send(message: ToWorklet, transfer: Transferable[] = []): void {
    this.node?.port.postMessage(message, transfer);
  }
}
