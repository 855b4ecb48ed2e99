/** What the page and the worker that separates tell each other. */

import type { EngineInfo } from "./engine";
import type { WavInfo } from "./wav";

/** A network to make ready. */
export interface Network {
  model: Uint8Array;
  /** Address of the folder of the runtime. */
  runtime: string;
  /** What an earlier song found to be faster. */
  decided?: EngineInfo["accelerator"] | undefined;
}

/** A song to separate with the network. */
export interface Order {
  song: Blob;
  info: WavInfo;
  /** Name of the song's shelf. */
  shelf: string;
}

/** A separated window: samples [start, start + frames) of every stem. */
export interface Part {
  kind: "part";
  start: number;
  frames: number;
  stems: { blob: Blob; outline: Float32Array }[];
}

export type Report =
  | { kind: "ready"; engine: EngineInfo }
  | Part
  /** Peaks of the stems, then those of everything but vocals and of the residual. */
  | { kind: "done"; peaks: number[] }
  | { kind: "failed"; message: string };
