/** Separating a song in a worker of its own, which ends with it: cancelling frees everything. */

import type { Decoded } from "./decode";
import type { EngineInfo } from "./engine";
import { UserError } from "./errors";
import type { Network, Order, Part, Report } from "./messages";
import { type Model, RUNTIME } from "./model";
import { discard, hold } from "./shelf";

export interface Listener {
  ready(engine: EngineInfo): void;
  part(part: Part): void;
  done(peaks: number[]): void;
  failed(error: Error): void;
}

/** A worker whose network is ready before there is a song. */
let prepared: Worker | null = null;

/** Makes a network ready for the first song. */
export function prepare(model: Model): void {
  prepared = startWorker(model);
  // One that died is of no use; a song then starts a worker that tells what is wrong.
  prepared.onerror = () => (prepared = null);
}

function startWorker(model: Model): Worker {
  const worker = new Worker(new URL("./worker.ts", import.meta.url));
  const network: Network = { model: model.file, runtime: RUNTIME, decided: recall(model) };
  worker.postMessage(network);
  return worker;
}

/** Which processor is faster for a network, if this browser remembers. */
function recall(model: Model): EngineInfo["accelerator"] | undefined {
  try {
    const decided = localStorage.getItem(`accelerator ${model.url}`);
    return (decided as EngineInfo["accelerator"] | null) ?? undefined;
  } catch {
    return undefined; // The browser blocks site data.
  }
}

function remember(model: Model, decided: EngineInfo["accelerator"]): void {
  try {
    localStorage.setItem(`accelerator ${model.url}`, decided);
  } catch {
    // Blocked or full: the trial is made again next time.
  }
}

/** One song on its way through the network. */
export class Separation {
  private readonly worker: Worker;
  private readonly shelf = crypto.randomUUID();
  private readonly release = hold(this.shelf);

  constructor(
    { file, info }: Decoded,
    private readonly model: Model,
    listener: Listener,
  ) {
    this.worker = prepared ?? startWorker(model);
    prepared = null;
    this.worker.onmessage = ({ data }: MessageEvent<Report>) => this.take(data, listener);
    this.worker.onerror = (event) => {
      this.stop();
      const reason =
        event instanceof ErrorEvent
          ? "The browser stopped the separation, most likely for want of memory."
          : "A part of this page cannot be loaded. Reload the page.";
      listener.failed(new UserError(reason));
    };
    const order: Order = { song: file, info, shelf: this.shelf };
    this.worker.postMessage(order);
  }

  /** Ends the work at once. Stems that are there can still be read. */
  stop(): void {
    this.worker.terminate();
  }

  /** Ends the work and removes the stems. */
  async discard(): Promise<void> {
    this.stop();
    await discard(this.shelf);
    this.release();
  }

  private take(report: Report, listener: Listener): void {
    if (report.kind === "ready") {
      remember(this.model, report.engine.accelerator);
      listener.ready(report.engine);
    }
    if (report.kind === "part") listener.part(report);
    if (report.kind === "done") {
      this.stop();
      listener.done(report.peaks);
    }
    if (report.kind === "failed") {
      this.stop();
      listener.failed(new UserError(report.message));
    }
  }
}
