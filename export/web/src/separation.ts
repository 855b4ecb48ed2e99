/** Separating a song in a worker of its own, which ends with it: cancelling frees everything. */

import type { Decoded } from "./decode";
import type { EngineInfo } from "./engine";
import { UserError } from "./errors";
import type { Order, Part, Report } from "./messages";
import { type Model, RUNTIME } from "./model";
import { discard, hold } from "./shelf";

export interface Listener {
  ready(engine: EngineInfo): void;
  part(part: Part): void;
  done(peaks: number[]): void;
  failed(error: Error): void;
}

/** One song on its way through the network. */
export class Separation {
  private readonly worker: Worker;
  private readonly shelf = crypto.randomUUID();
  private readonly release = hold(this.shelf);

  /** Where this browser remembers which processor is faster for this network. */
  private readonly decision: string;

  constructor({ file, info }: Decoded, model: Model, listener: Listener) {
    this.decision = `accelerator ${model.url}`;
    this.worker = new Worker(new URL("./worker.ts", import.meta.url));
    this.worker.onmessage = ({ data }: MessageEvent<Report>) => this.take(data, listener);
    this.worker.onerror = () => {
      this.stop();
      listener.failed(
        new UserError("The browser stopped the separation, most likely for want of memory."),
      );
    };
    const order: Order = {
      song: file,
      info,
      model: model.file,
      runtime: RUNTIME,
      shelf: this.shelf,
      decided:
        (localStorage.getItem(this.decision) as EngineInfo["accelerator"] | null) ?? undefined,
    };
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
      localStorage.setItem(this.decision, report.engine.accelerator);
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
