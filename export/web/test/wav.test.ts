import { describe, expect, it } from "vitest";
import { UserError } from "../src/errors";
import {
  encodeSamples,
  type Format,
  readSamples,
  readWavInfo,
  wavHeader,
  type WavInfo,
} from "../src/wav";

function chunk(name: string, body: Uint8Array): Uint8Array[] {
  const head = new DataView(new ArrayBuffer(8));
  [...name].forEach((letter, i) => head.setUint8(i, letter.charCodeAt(0)));
  head.setUint32(4, body.length, true);
  return [new Uint8Array(head.buffer), body, new Uint8Array(body.length % 2)];
}

function wav(
  kind: number,
  channels: number,
  bits: number,
  data: number[],
  dataSize = data.length,
): Blob {
  const format = new DataView(new ArrayBuffer(16));
  format.setUint16(0, kind, true);
  format.setUint16(2, channels, true);
  format.setUint32(4, 48000, true);
  format.setUint16(14, bits, true);
  const [head, ...rest] = chunk("data", Uint8Array.from(data));
  new DataView(head!.buffer).setUint32(4, dataSize, true);
  const riff = [Uint8Array.from([..."RIFF\0\0\0\0WAVE"].map((c) => c.charCodeAt(0)))];
  const odd = chunk("LIST", Uint8Array.from([1, 2, 3]));
  const parts = [...riff, ...odd, ...chunk("fmt ", new Uint8Array(format.buffer)), head!, ...rest];
  return new Blob(parts as BlobPart[]);
}

async function read(file: Blob): Promise<number[]> {
  const info = (await readWavInfo(file))!;
  return [...(await readSamples(file, info, 0, info.samples))];
}

describe("reading", () => {
  it("reads integers of all widths, with their signs", async () => {
    expect(await read(wav(1, 1, 8, [0, 128, 255]))).toEqual([-1, 0, 127 / 128]);
    expect(await read(wav(1, 1, 16, [0, 0x80, 1, 0, 0xff, 0x7f]))).toEqual([
      -1,
      1 / 32768,
      32767 / 32768,
    ]);
    const wide = [0, 0, 0x80, 1, 0, 0, 0xff, 0xff, 0xff];
    expect(await read(wav(1, 1, 24, wide))).toEqual([-1, 2 ** -23, -(2 ** -23)]);
    expect(await read(wav(1, 1, 32, [0, 0, 0, 0x80, 0, 0, 0, 0x40]))).toEqual([-1, 0.5]);
  });

  it("reads floats", async () => {
    const single = [...new Uint8Array(Float32Array.of(0.25, -1.5).buffer)];
    expect(await read(wav(3, 1, 32, single))).toEqual([0.25, -1.5]);
    const double = [...new Uint8Array(Float64Array.of(0.25, -1.5).buffer)];
    expect(await read(wav(3, 1, 64, double))).toEqual([0.25, -1.5]);
  });

  it("reads any part of all channels", async () => {
    const file = wav(1, 2, 16, [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]);
    const info = (await readWavInfo(file))!;
    expect(info).toMatchObject({ rate: 48000, channels: 2, samples: 3 });
    expect([...(await readSamples(file, info, 1, 9))].map((x) => x * 32768)).toEqual([3, 4, 5, 6]);
  });

  it("takes a stream's unknown size for the rest of the file", async () => {
    expect(await read(wav(1, 1, 16, [0, 0x40], 0xffffffff))).toEqual([0.5]);
  });

  it("leaves what is no WAV file of numbers to the browser", async () => {
    expect(await readWavInfo(new Blob(["a text, not a song"]))).toBeNull();
    expect(await readWavInfo(new Blob(["RIFF"]))).toBeNull();
    expect(await readWavInfo(wav(2, 1, 4, [1, 2]))).toBeNull();
  });

  it("refuses a file that ends early", async () => {
    await expect(readWavInfo(wav(1, 1, 16, [0, 0], 100))).rejects.toThrow(UserError);
  });
});

describe("writing", () => {
  const samples = Float32Array.of(0, 0.5, -0.5, 1 / 3, -1, 0.999);

  it.each<[Format, number]>([
    ["int16", 2 ** -16],
    ["int24", 2 ** -24],
    ["float32", 0],
  ])("writes %s that reads back within half a step", async (format, tolerance) => {
    const file = new Blob([wavHeader(44100, 2, 3, format), encodeSamples(samples, format)]);
    const info = (await readWavInfo(file)) as WavInfo;
    expect(info).toMatchObject({
      rate: 44100,
      channels: 2,
      samples: 3,
      float: format === "float32",
    });
    const back = await readSamples(file, info, 0, 3);
    back.forEach((x, i) => expect(Math.abs(x - samples[i]!)).toBeLessThanOrEqual(tolerance));
  });

  it("clips what lies outside, instead of wrapping", () => {
    expect([...new Int16Array(encodeSamples(Float32Array.of(1.5, -1.5), "int16"))]).toEqual([
      32767, -32768,
    ]);
  });

  it("tells sizes over 4 GB in an RF64 header", async () => {
    const samples = 2 ** 31;
    const header = wavHeader(44100, 2, samples, "float32");
    const file = new Blob([header]);
    Object.defineProperty(file, "size", { value: header.byteLength + samples * 8 });
    expect(await readWavInfo(file)).toMatchObject({ samples, offset: header.byteLength });
  });
});
