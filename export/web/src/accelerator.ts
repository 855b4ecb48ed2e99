/** Whether the graphics processor separates this graph as the processor does, and faster. */

import type { Card } from "./card";
import { Engine } from "./engine";

/** Largest difference of a sample that counts as agreement. */
export const AGREEMENT = 1e-3;

/** What matters here of a WebGPU adapter: a fallback one is software, and far slower. */
interface Adapter {
  info: { isFallbackAdapter?: boolean };
}

/** A window's result and how long it took. */
interface Trial {
  stems: Float32Array[];
  seconds: number;
}

/** Opens the engine to use if no trial is needed to choose it, else nothing. */
export async function openKnown(
  runtime: string,
  file: Uint8Array,
  card: Card,
  decided?: "wasm" | "webgpu",
): Promise<Engine | null> {
  if (decided === "wasm" || !(await hasWebGpu())) return Engine.open(runtime, file, card, "wasm");
  if (!decided) return null;
  // What was faster once may fail today: another driver, or no network for its build of the runtime.
  return Engine.open(runtime, file, card, decided).catch(() =>
    Engine.open(runtime, file, card, "wasm"),
  );
}

/**
 * Opens the engine that a trial chooses.
 *
 * Where WebGPU is there, one window runs on both: WebGPU is used only if every sample agrees with
 * the processor's within `AGREEMENT`, and it took less time.
 *
 * @param window A window of the song.
 */
export async function openFastest(
  runtime: string,
  file: Uint8Array,
  card: Card,
  window: Float32Array,
): Promise<Engine> {
  const graphics = await tryWebGpu(runtime, file, card, window);
  const engine = await Engine.open(runtime, file, card, "wasm");
  if (!graphics) return engine;
  const processor = await trial(engine, window);
  if (graphics.seconds >= processor.seconds || !agree(graphics.stems, processor.stems))
    return engine;
  engine.close();
  return Engine.open(runtime, file, card, "webgpu");
}

/** Whether all samples of all stems agree within `AGREEMENT`; NaN agrees with nothing. */
export function agree(some: Float32Array[], others: Float32Array[]): boolean {
  return some.every((stem, s) => {
    const other = others[s]!;
    return (
      stem.length === other.length && stem.every((x, i) => Math.abs(x - other[i]!) <= AGREEMENT)
    );
  });
}

async function hasWebGpu(): Promise<boolean> {
  if (!("Suspending" in WebAssembly) || !("gpu" in navigator)) return false;
  const gpu = navigator.gpu as { requestAdapter(): Promise<Adapter | null> };
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter !== null && !adapter.info.isFallbackAdapter;
}

async function tryWebGpu(
  runtime: string,
  file: Uint8Array,
  card: Card,
  window: Float32Array,
): Promise<Trial | null> {
  let engine: Engine | null = null;
  try {
    engine = await Engine.open(runtime, file, card, "webgpu");
    if (engine.info.accelerator !== "webgpu") return null;
    await engine.start()(window); // The first run compiles shaders.
    return await trial(engine, window);
  } catch {
    return null;
  } finally {
    engine?.close();
  }
}

async function trial(engine: Engine, window: Float32Array): Promise<Trial> {
  const start = performance.now();
  const stems = await engine.start()(window);
  return { stems, seconds: (performance.now() - start) / 1000 };
}
