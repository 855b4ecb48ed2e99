import { describe, expect, it } from "vitest";
import { AGREEMENT, agree } from "../src/accelerator";
import { clock, sentence, tickStep, timeLeft } from "../src/dom";
import { plainWords, UserError } from "../src/errors";
import { minus, outline, peak, safeGain } from "../src/levels";
import { Estimate } from "../src/progress";
import { gains } from "../src/tracks";
import { toColumns } from "../src/waveform";

describe("words", () => {
  it("tell times", () => {
    expect([0, 59.9, 61, 3727].map(clock)).toEqual(["0:00", "0:59", "1:01", "1:02:07"]);
    expect([3, 32, 58, 150].map(timeLeft)).toEqual([
      "a few seconds left",
      "about 30 seconds left",
      "about 1 minute left",
      "about 3 minutes left",
    ]);
    expect(sentence(["a", "b", "c"])).toBe("a, b and c");
  });

  it("tell errors plainly", () => {
    expect(plainWords(new UserError("Not audio."))).toBe("Not audio.");
    expect(plainWords(new RangeError("Array buffer allocation failed"))).toContain("too long");
    expect(plainWords(new DOMException("no", "QuotaExceededError"))).toContain("free space");
    expect(plainWords(new Error("odd"))).toContain("odd");
  });
});

describe("levels", () => {
  it("leave of a mixture what the stems do not hold", () => {
    const rest = minus(Float32Array.of(1, 2), [Float32Array.of(0.25, 1), Float32Array.of(0.25, 2)]);
    expect([...rest]).toEqual([0.5, -1]);
  });

  it("are outlined by lowest and highest sample", () => {
    const samples = Float32Array.of(0.5, -0.5, 0.25, 0.75, -1, 0);
    expect([...outline(samples, 2, 2)]).toEqual([-0.5, 0.75, -1, 0]);
    expect(peak(samples)).toBe(1);
  });

  it("are lowered only where an integer format would clip", () => {
    expect(safeGain([0.5, 1])).toBe(1);
    expect(safeGain([0.5, 2])).toBeCloseTo(0.4995);
  });
});

describe("waveform", () => {
  const bounds = Float32Array.of(-0.1, 0.1, -0.9, 0.2, -0.3, 0.8, -0.4, 0.4);

  it("keeps the extremes of every column", () => {
    const expected = [
      [-0.9, 0.2],
      [-0.4, 0.8],
    ].map((column) => column.map(Math.fround));
    expect(toColumns(bounds, 4, 2)).toEqual(expected);
  });

  it("ends where the song is separated", () => {
    expect(toColumns(bounds, 2, 4)).toHaveLength(2);
    expect(toColumns(bounds, 0, 4)).toHaveLength(0);
    expect(toColumns(bounds, 4, 100)).toHaveLength(100);
  });

  it("has labels that do not touch", () => {
    for (const seconds of [3, 20, 200, 4000]) {
      for (const width of [280, 700]) {
        const step = tickStep(seconds, width);
        expect((width * step) / seconds).toBeGreaterThanOrEqual(80);
      }
    }
  });
});

describe("gains", () => {
  const row = { mute: false, solo: false, volume: 1 };

  it("silence muted stems and all but soloed ones", () => {
    expect(gains([row, { ...row, mute: true }])).toEqual([1, 0]);
    expect(gains([row, { ...row, solo: true }, row])).toEqual([0, 1, 0]);
    expect(gains([{ ...row, mute: true, solo: true }, row])).toEqual([0, 0]);
    expect(gains([{ ...row, volume: 0.5 }])).toEqual([0.25]);
  });
});

describe("progress", () => {
  it("tells the time left by the latest windows", () => {
    const estimate = new Estimate(10, 100);
    expect(estimate.left(103)).toBeNull();
    estimate.step(105);
    expect(estimate.left(105)).toBeCloseTo(45);
    for (const time of [107, 109, 111]) estimate.step(time);
    expect(estimate.fraction).toBe(0.4);
    expect(estimate.left(111)).toBeCloseTo(12);
    expect(estimate.left(112)).toBeCloseTo(11);
    expect(estimate.text(111)).toBe("40% separated, about 10 seconds left");
  });
});

describe("agreement of processors", () => {
  it("holds within the tolerance, for every sample", () => {
    const one = [Float32Array.of(0, 0.5), Float32Array.of(1, -1)];
    const shifted = (by: number) => one.map((stem) => stem.map((x, i) => (i ? x + by : x)));
    expect(agree(one, shifted(AGREEMENT / 2))).toBe(true);
    expect(agree(one, shifted(AGREEMENT * 2))).toBe(false);
    expect(agree(one, shifted(NaN))).toBe(false);
    expect(
      agree(
        one,
        one.map((stem) => stem.slice(1)),
      ),
    ).toBe(false);
  });
});
