/**
 * Separates one song in windows, away from the page's thread. A song, a worker.
 *
 * The network comes first, the song later: then everything is loaded and has run once.
 */

import { openFastest, openKnown } from "./accelerator";
import { type Card, readCard } from "./card";
import type { Engine, Run } from "./engine";
import { plainWords, UserError } from "./errors";
import { minus, outline, peak } from "./levels";
import type { Network, Order, Report } from "./messages";
import { Shelf } from "./shelf";
import { readSamples } from "./wav";
import { channelGroups, pickGroup, placeGroup, type Window, WindowCutter } from "./windows";

/** Most bytes of stems that are kept in memory where there is no disk. */
const IN_MEMORY = 1e9;

let network: Network;
let opened: Promise<Engine | null>;

self.onmessage = async ({ data }: MessageEvent<Network | Order>) => {
  if ("model" in data) {
    network = data;
    opened = open();
    opened.catch(() => {}); // the song will tell
    return;
  }
  try {
    await separate(data);
  } catch (error) {
    report({ kind: "failed", message: plainWords(error) });
  }
};

function report(message: Report): void {
  self.postMessage(message);
}

async function open(): Promise<Engine | null> {
  const { runtime, model, decided } = network;
  const card = readCard(model);
  const engine = await openKnown(runtime, model, card, decided);
  await engine?.start()(new Float32Array((card.window + 2 * card.context) * card.channels));
  return engine;
}

async function separate(order: Order): Promise<void> {
  const { info } = order;
  const { runtime, model } = network;
  const card = readCard(model);
  const shelf = await Shelf.open(order.shelf);
  await checkSpace(info.samples * info.channels * 4 * card.stems.length, shelf);
  const groups = channelGroups(info.channels, card.channels);
  const peaks = new Array<number>(card.stems.length + 2).fill(0);
  let runs: Run[] = [];
  let start = 0;
  let late = card.delay;
  for await (const window of windows(order, card)) {
    if (!runs.length) {
      const first = pickGroup(window.samples, info.channels, groups[0]!, card.channels);
      const engine = (await opened) ?? (await openFastest(runtime, model, card, first));
      report({ kind: "ready", engine: engine.info });
      runs = groups.map(() => engine.start());
    }
    const skip = Math.min(late, window.keep);
    const frames = window.keep - skip;
    const whole = await separateWindow(runs, card, window, info.channels, groups);
    late -= skip;
    if (!frames) continue;
    const stems = whole.map((stem) => stem.subarray(skip * info.channels));
    const mixture = await readSamples(order.song, info, start, frames);
    const vocals = stems.filter((_, i) => card.stems[i] === "vocals");
    const all = [...stems, minus(mixture, vocals), minus(mixture, stems)];
    all.forEach((samples, i) => (peaks[i] = Math.max(peaks[i]!, peak(samples))));
    const keep = async (samples: Float32Array<ArrayBuffer>, i: number) => ({
      blob: await shelf.keep(`${i}-${start}.f32`, samples),
      outline: outline(samples, info.channels, card.hop),
    });
    report({ kind: "part", start, frames, stems: await Promise.all(stems.map(keep)) });
    start += frames;
  }
  report({ kind: "done", peaks });
}

async function* windows({ song, info }: Order, card: Card): AsyncGenerator<Window> {
  const cutter = new WindowCutter(card.window, card.context, info.channels);
  for (let start = 0; start < info.samples; start += card.window) {
    const block = await readSamples(song, info, start, card.window);
    const bad = block.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) {
      throw new UserError(
        `Sample ${start + Math.floor(bad / info.channels)} of this song is not a finite number.`,
      );
    }
    yield* cutter.push(block);
  }
  yield* cutter.push(new Float32Array(card.delay * info.channels));
  yield* cutter.finish();
}

/** Stems of a window's core, each (keep, channels). */
async function separateWindow(
  runs: Run[],
  card: Card,
  { samples, keep }: Window,
  channels: number,
  groups: number[][],
): Promise<Float32Array<ArrayBuffer>[]> {
  if (channels === card.channels) {
    const outputs = await runs[0]!(samples);
    return outputs.map((x) => x.subarray(0, keep * channels) as Float32Array<ArrayBuffer>);
  }
  const stems = card.stems.map(() => new Float32Array(keep * channels));
  for (const [i, group] of groups.entries()) {
    const outputs = await runs[i]!(pickGroup(samples, channels, group, card.channels));
    stems.forEach((stem, s) => placeGroup(stem, channels, group, outputs[s]!, card.channels));
  }
  return stems;
}

async function checkSpace(bytes: number, shelf: Shelf): Promise<void> {
  const gigabytes = (size: number) => `${(size / 1e9).toFixed(1)} GB`;
  if (!shelf.onDisk) {
    if (bytes <= IN_MEMORY) return;
    throw new UserError(
      `This song is too long for this device's memory: its stems need ${gigabytes(bytes)}, and this ` +
        "browser window keeps no files. Try a window that is not private, or a shorter song.",
    );
  }
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  if (bytes > quota - usage) {
    throw new UserError(
      `The stems of this song need ${gigabytes(bytes)} of disk, and this browser gives the page ` +
        `${gigabytes(quota - usage)}. Free some space, or try a shorter song.`,
    );
  }
}
