import { describe, expect, it } from "vitest";
import { wavFile, zipFile } from "../src/download";
import type { Card } from "../src/card";
import { outline } from "../src/levels";
import { Song } from "../src/song";
import { encodeSamples, readSamples, readWavInfo, wavHeader, type WavInfo } from "../src/wav";

const CARD = { stems: ["vocals", "drums"], hop: 2 } as Card;
const STEMS = { vocals: [0.5, -0.25, 0.125, 1.5, 0.0625], drums: [0.25, 0.5, -0.5, 0.25, -0.125] };
const MIXTURE = [1, 0.5, -0.5, 1.75, 0.25];

async function song(): Promise<Song> {
  const samples = Float32Array.from(MIXTURE);
  const file = new Blob([wavHeader(44100, 1, 5, "float32"), encodeSamples(samples, "float32")]);
  const made = new Song("a song", file, (await readWavInfo(file))!, CARD);
  for (const [start, frames] of [
    [0, 2],
    [2, 2],
    [4, 1],
  ] as const) {
    const stems = Object.values(STEMS).map((stem) => {
      const part = Float32Array.from(stem.slice(start, start + frames));
      return { blob: new Blob([part]), outline: outline(part, 1, CARD.hop) };
    });
    made.add({ kind: "part", start, frames, stems });
  }
  made.finish([1.5, 0.5, 1, 1]);
  return made;
}

async function samplesOf(file: Blob): Promise<number[]> {
  const info = (await readWavInfo(file)) as WavInfo;
  return [...(await readSamples(file, info, 0, info.samples))];
}

describe("song", () => {
  it("reads across the windows it was separated in", async () => {
    const [vocals] = (await song()).stems;
    expect([...(await vocals!.read(1, 3))]).toEqual(STEMS.vocals.slice(1, 4));
    expect([...vocals!.outline]).toEqual([-0.25, 0.5, 0, 1.5, 0, 0.0625]);
  });

  it("has an accompaniment and a residual that add up to the mixture", async () => {
    const made = await song();
    const rest = await made.accompaniment!.read(0, 5);
    const residual = await made.residual.read(0, 5);
    MIXTURE.forEach((x, i) => {
      expect(rest[i]! + STEMS.vocals[i]!).toBe(x);
      expect(residual[i]! + STEMS.vocals[i]! + STEMS.drums[i]!).toBe(x);
    });
  });

  it("makes no accompaniment where there are no vocals, or the network gives one", () => {
    const of = (stems: string[]) => new Song("", new Blob(), {} as WavInfo, { ...CARD, stems });
    expect(of(["drums", "remainder"]).accompaniment).toBeNull();
    expect(of(["vocals", "accompaniment"]).accompaniment).toBeNull();
  });
});

describe("download", () => {
  it("writes floats as they are", async () => {
    const made = await song();
    expect(await samplesOf(await wavFile(made, made.stems[0]!, "float32"))).toEqual(STEMS.vocals);
  });

  it("writes integers with one gain, so that none clips", async () => {
    const made = await song();
    expect(made.gain).toBeCloseTo(0.999 / 1.5);
    for (const [i, stem] of Object.values(STEMS).entries()) {
      const written = await samplesOf(await wavFile(made, made.stems[i]!, "int24"));
      stem.forEach((x, n) => expect(written[n]).toBeCloseTo((x * 0.999) / 1.5, 6));
    }
  });

  it("zips files as they are", async () => {
    const made = await song();
    const zip = new Uint8Array(await (await zipFile(made, made.stems, "float32")).arrayBuffer());
    const text = new TextDecoder("latin1").decode(zip);
    const wav = new Uint8Array(
      await (await wavFile(made, made.stems[1]!, "float32")).arrayBuffer(),
    );
    expect(text).toContain("a song/drums.wav");
    expect(text).toContain(new TextDecoder("latin1").decode(wav));
  });
});
