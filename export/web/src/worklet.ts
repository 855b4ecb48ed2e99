/** The mixer in the audio thread. */

import { type Chunk, Mixer } from "./mixer";

export type ToWorklet =
  | { kind: "chunk"; chunk: Chunk }
  | { kind: "seek"; position: number; epoch: number }
  | { kind: "play"; playing: boolean }
  | { kind: "gain"; stem: number; gain: number };

export interface FromWorklet {
  position: number;
  epoch: number;
  starved: boolean;
}

declare const AudioWorkletProcessor: { new (): { port: MessagePort } };
declare function registerProcessor(name: string, processor: unknown): void;

/** Blocks of 128 samples between two reports of the position. */
const REPORT_EVERY = 8;

class MixerProcessor extends AudioWorkletProcessor {
  private readonly mixer: Mixer;
  private epoch = 0;
  private blocks = 0;

  constructor({ processorOptions }: { processorOptions: { stems: number; channels: number } }) {
    super();
    this.mixer = new Mixer(processorOptions.stems, processorOptions.channels);
    this.port.onmessage = ({ data }: MessageEvent<ToWorklet>) => this.take(data);
  }

  process(_inputs: Float32Array[][], [output]: Float32Array[][]): boolean {
    this.mixer.process(output!);
    if (this.mixer.playing && this.blocks++ % REPORT_EVERY === 0) this.tell();
    return true;
  }

  private take(message: ToWorklet): void {
    if (message.kind === "chunk") this.mixer.push(message.chunk);
    if (message.kind === "gain") this.mixer.setGain(message.stem, message.gain);
    if (message.kind === "play") this.mixer.playing = message.playing;
    if (message.kind === "seek") {
      this.epoch = message.epoch;
      this.mixer.seek(message.position, message.epoch);
    }
  }

  private tell(): void {
    const { position, starved } = this.mixer;
    this.port.postMessage({ position, starved, epoch: this.epoch } satisfies FromWorklet);
  }
}

registerProcessor("mixer", MixerProcessor);
