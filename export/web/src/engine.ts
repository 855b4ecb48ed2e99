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

/** A compiled graph. */
export class Engine {
  private constructor(
    private readonly model: CompiledModel,
    private readonly card: Card,
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
    let model: CompiledModel;
    try {
      model = await loadAndCompile(file, { accelerator });
    } catch (error) {
      if (/memory|alloc/i.test(String(error))) throw error;
      throw new UserError(`The model file cannot be run: ${(error as Error).message}`);
    }
    const [input] = model.getInputDetails();
    const shape = [1, card.window + 2 * card.context, card.channels];
    if (input?.name !== "waveform" || String([...input.shape]) !== String(shape)) {
      throw new UserError(
        `The model file takes ${input?.name} [${input?.shape}]; expected waveform [${shape}]. ` +
          "Export it without --network-only.",
      );
    }
    const used = model.options.accelerator === "webgpu" ? "webgpu" : "wasm";
    const threads = script.endsWith(SCRIPTS.threaded) ? navigator.hardwareConcurrency : 1;
    return new Engine(model, card, { accelerator: used, threads });
  }

  /** Runs a window (context + window + context, channels); gives (window, channels) by stem. */
  async run(window: Float32Array): Promise<Float32Array[]> {
    const { card } = this;
    const input = new Tensor(window, [1, card.window + 2 * card.context, card.channels]);
    const outputs = await this.model.run({ waveform: input });
    input.delete();
    const stems: Float32Array[] = [];
    for (const stem of card.stems) {
      const output = outputs[stem];
      if (!output) throw new UserError(`The model has no output ${stem}, which its card names.`);
      stems.push((await output.data()) as Float32Array);
    }
    for (const output of Object.values(outputs)) output.delete();
    return stems;
  }

  /** Frees the graph and lets the runtime go. */
  close(): void {
    this.model.delete();
    unloadLiteRt();
  }
}
