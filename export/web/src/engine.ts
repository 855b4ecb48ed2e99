/** LiteRT.js around one `.tflite` file: a window in, stems out. Runs in a classic worker. */

import {
  type CompiledModel,
  loadAndCompile,
  loadLiteRt,
  supportsFeature,
  Tensor,
  unloadLiteRt,
} from "@litertjs/core";
import type { Card } from "./card";
import { UserError } from "./errors";
import { type Memory, readSilence } from "./silence";

export type Accelerator = "wasm" | "webgpu";

/** What runs the graph, for the line that says so. */
export interface EngineInfo {
  accelerator: Accelerator;
  threads: number;
}

const SCRIPTS = {
  threaded: "litert_wasm_threaded_internal.js",
  single: "litert_wasm_internal.js",
  compat: "litert_wasm_compat_internal.js",
  jspi: "litert_wasm_jspi_internal.js",
};

/** Chooses the build of the runtime that this browser can run. */
export async function runtimeScript(accelerator: Accelerator): Promise<string> {
  if (!(await supportsFeature("relaxedSimd"))) return SCRIPTS.compat;
  if (accelerator === "webgpu") return SCRIPTS.jspi;
  return globalThis.crossOriginIsolated ? SCRIPTS.threaded : SCRIPTS.single;
}

/** Takes a signal's windows in order: (context + window + context, channels) each. */
export type Run = (window: Float32Array) => Promise<Float32Array[]>;

/** A compiled graph. */
export class Engine {
  private constructor(
    private readonly model: CompiledModel,
    private readonly card: Card,
    private readonly silence: Record<string, Memory>,
    readonly info: EngineInfo,
  ) {}

  /**
   * Loads the runtime and the graph.
   *
   * @param runtime Address of the folder that holds the runtime's files.
   * @param file The `.tflite` file.
   * @throws UserError If the file cannot be run, or is not what its card says.
   */
  static async open(
    runtime: string,
    file: Uint8Array,
    card: Card,
    accelerator: Accelerator,
  ): Promise<Engine> {
    const script = new URL(await runtimeScript(accelerator), runtime).href;
    // In a worker the runtime would take the worker's own script for the one its threads run.
    Object.assign(self, {
      Module: {
        mainScriptUrlOrBlob: script,
        locateFile: (name: string) => new URL(name, runtime).href,
      },
    });
    await loadLiteRt(script);
    try {
      return await Engine.compile(file, card, accelerator, script);
    } catch (error) {
      unloadLiteRt(); // Else no other engine could be opened.
      throw error;
    }
  }

  private static async compile(
    file: Uint8Array,
    card: Card,
    accelerator: Accelerator,
    script: string,
  ): Promise<Engine> {
    let model: CompiledModel;
    try {
      model = await loadAndCompile(file, { accelerator });
    } catch (error) {
      if (/memory|alloc/i.test(String(error))) throw error;
      throw new UserError(`The model file cannot be run: ${(error as Error).message}`);
    }
    const shapes = Object.fromEntries(model.getInputDetails().map((x) => [x.name, [...x.shape]]));
    const { waveform, ...memory } = shapes;
    const shape = [1, card.window + 2 * card.context, card.channels];
    if (String(waveform) !== String(shape)) {
      throw new UserError(
        `The model file takes ${JSON.stringify(shapes)}; expected waveform [${shape}]. ` +
          "Export it without --network-only.",
      );
    }
    const silence = card.delay ? readSilence(file, memory) : {};
    const used = model.options.accelerator === "webgpu" ? "webgpu" : "wasm";
    const threads = script.endsWith(SCRIPTS.threaded) ? navigator.hardwareConcurrency : 1;
    return new Engine(model, card, silence, { accelerator: used, threads });
  }

  /**
   * Begins a signal.
   *
   * @returns What runs its windows and gives (window, channels) by stem.
   */
  start(): Run {
    const { card, silence } = this;
    let memory: Record<string, Tensor> = {};
    for (const [name, { data, shape }] of Object.entries(silence)) {
      memory[name] = new Tensor(data.slice(), shape);
    }
    return async (window) => {
      const waveform = new Tensor(window, [1, card.window + 2 * card.context, card.channels]);
      const outputs = await this.model.run({ waveform, ...memory });
      for (const input of [waveform, ...Object.values(memory)]) input.delete();
      const stems: Float32Array[] = [];
      memory = {};
      for (const stem of card.stems) {
        if (!outputs[stem]) throw new UserError(`The model has no output ${stem}, which its card names.`);
        stems.push((await outputs[stem].data()) as Float32Array);
      }
      for (const [name, output] of Object.entries(outputs)) {
        if (name in silence) memory[name] = output;
        else output.delete();
      }
      return stems;
    };
  }

  /** Frees the graph and lets the runtime go. */
  close(): void {
    this.model.delete();
    unloadLiteRt();
  }
}
