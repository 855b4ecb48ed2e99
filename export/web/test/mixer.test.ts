import { describe, expect, it } from "vitest";
import { Mixer } from "../src/mixer";

const RATE = 4096;

/** Two mono stems: one counts up, the other down. */
function chunk(start: number, frames: number, epoch = 0) {
  const up = Float32Array.from({ length: frames }, (_, i) => start + i + 1);
  return { epoch, start, stems: [up, up.map((x) => -x)] };
}

function play(mixer: Mixer, frames: number): number[] {
  const heard: number[] = [];
  while (heard.length < frames) {
    const output = [new Float32Array(128)];
    mixer.process(output);
    heard.push(...output[0]!);
  }
  return heard;
}

function started(): Mixer {
  const mixer = new Mixer(2, 1);
  mixer.playing = true;
  return mixer;
}

describe("mixer", () => {
  it("plays stems in sync: opposite ones cancel, sample by sample, over chunks of any length", () => {
    const mixer = started();
    let start = 0;
    for (const frames of [1, 100, 333, 2, 588]) {
      mixer.push(chunk(start, frames));
      start += frames;
    }
    expect(play(mixer, 1024).every((x) => x === 0)).toBe(true);
    expect(mixer.position).toBe(1024);
  });

  it("plays every sample once, in order", () => {
    const mixer = started();
    mixer.setGain(1, 0);
    for (const [start, frames] of [
      [0, 700],
      [700, 1348],
    ] as const)
      mixer.push(chunk(start, frames));
    const heard = play(mixer, 2048).slice(1024); // once the gain has come down
    expect(heard).toEqual(Array.from({ length: 1024 }, (_, i) => 1025 + i));
  });

  it("changes a gain without a step", () => {
    const mixer = new Mixer(1, 1);
    mixer.playing = true;
    mixer.push({ epoch: 0, start: 0, stems: [new Float32Array(RATE).fill(1)] });
    mixer.setGain(0, 0);
    const heard = play(mixer, 1024);
    const steps = heard.slice(1).map((x, i) => Math.abs(x - heard[i]!));
    expect(Math.max(...steps)).toBeLessThan(0.003);
    expect(heard.at(-1)).toBe(0);
  });

  it("is silent and keeps its place while samples are missing", () => {
    const mixer = started();
    mixer.setGain(1, 0);
    mixer.push(chunk(0, 200));
    expect(play(mixer, 256).slice(200)).toEqual(new Array(56).fill(0));
    expect(mixer.position).toBe(200);
    expect(mixer.starved).toBe(true);
    mixer.push(chunk(200, 800));
    expect(play(mixer, 128)[0]).not.toBe(0);
    expect(mixer.starved).toBe(false);
  });

  it("drops what was read before a seek", () => {
    const mixer = started();
    mixer.push(chunk(0, 500));
    mixer.seek(1000, 1);
    mixer.push(chunk(500, 500, 0));
    expect(play(mixer, 128)).toEqual(new Array(128).fill(0));
    mixer.push(chunk(1000, 128, 1));
    play(mixer, 128);
    expect(mixer.position).toBe(1128);
  });

  it("plays nothing while paused", () => {
    const mixer = new Mixer(2, 1);
    mixer.push(chunk(0, 500));
    expect(play(mixer, 128)).toEqual(new Array(128).fill(0));
    expect(mixer.position).toBe(0);
  });

  it("keeps channels apart", () => {
    const mixer = new Mixer(1, 2);
    mixer.playing = true;
    mixer.push({
      epoch: 0,
      start: 0,
      stems: [Float32Array.from({ length: 256 }, (_, i) => (i % 2 ? -2 : 1))],
    });
    const output = [new Float32Array(128), new Float32Array(128)];
    mixer.process(output);
    expect([output[0]![5], output[1]![5]]).toEqual([1, -2]);
  });
});
