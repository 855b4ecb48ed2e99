import { describe, expect, it } from "vitest";
import { channelGroups, pickGroup, placeGroup, windowCount, WindowCutter } from "../src/windows";

/** Numbers that look random and are the same every time. */
function noise(count: number, seed: number): Float32Array {
  let state = seed + 1;
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647 - 0.5;
  });
}

/** A graph that looks as far as the context, either way. */
function graph(x: Float32Array, core: number, context: number, width: number): Float32Array {
  const reach = context * width;
  return Float32Array.from({ length: core * width }, (_, i) => {
    const here = i + reach;
    return x[here]! * 0.5 + x[here - reach]! - 0.25 * x[here + reach]!;
  });
}

function separate(
  song: Float32Array,
  core: number,
  context: number,
  width: number,
  block: number,
): Float32Array {
  const cutter = new WindowCutter(core, context, width);
  const found: number[] = [];
  let windows = 0;
  const take = (window: { samples: Float32Array; keep: number }) => {
    windows += 1;
    expect(window.samples.length).toBe((core + 2 * context) * width);
    found.push(...graph(window.samples, core, context, width).subarray(0, window.keep * width));
  };
  for (let start = 0; start < song.length; start += block * width) {
    for (const window of cutter.push(song.subarray(start, start + block * width))) take(window);
  }
  for (const window of cutter.finish()) take(window);
  expect(windows).toBe(windowCount(song.length / width, core));
  return Float32Array.from(found);
}

describe("windows", () => {
  const cases = [1, 2, 3, 5, 7].flatMap((core) =>
    [1, 2, 6].flatMap((context) =>
      [1, 4, 5, 13, 40].map((samples) => ({ core, context, samples })),
    ),
  );

  it.each(cases)("join without seams: $core, $context, $samples", ({ core, context, samples }) => {
    const width = 1 + (samples % 2);
    const song = noise(samples * width, samples);
    const padded = new Float32Array(song.length + 2 * context * width);
    padded.set(song, context * width);
    const expected = graph(padded, samples, context, width);
    for (const block of [1, 3, core, 100]) {
      expect(separate(song, core, context, width, block)).toEqual(expected);
    }
  });

  it("keep no sample of an empty signal", () => {
    expect([...new WindowCutter(4, 2, 1).finish()]).toEqual([]);
  });
});

describe("channels", () => {
  it("are grouped in pairs", () => {
    expect(channelGroups(1, 2)).toEqual([[0]]);
    expect(channelGroups(2, 2)).toEqual([[0, 1]]);
    expect(channelGroups(5, 2)).toEqual([[0, 1], [2, 3], [4]]);
    expect(channelGroups(2, 1)).toEqual([[0], [1]]);
  });

  it.each([1, 2, 3, 5, 6])("come back in their places: %i", (channels) => {
    const samples = noise(8 * channels, channels);
    const back = new Float32Array(samples.length);
    for (const group of channelGroups(channels, 2)) {
      placeGroup(back, channels, group, pickGroup(samples, channels, group, 2), 2);
    }
    expect(back).toEqual(samples);
  });

  it("average what was doubled", () => {
    const mono = new Float32Array(2);
    placeGroup(mono, 1, [0], Float32Array.of(1, 2, 3, 5), 2);
    expect([...mono]).toEqual([1.5, 4]);
  });
});
