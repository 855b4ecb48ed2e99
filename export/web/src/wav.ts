/** Reading and writing WAV files. Samples are Float32Arrays of interleaved channels, in [-1, 1]. */

import { UserError } from "./errors";

/** Sample formats that stems are written in. */
export type Format = "int16" | "int24" | "float32";

const BITS: Record<Format, number> = { int16: 16, int24: 24, float32: 32 };
const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
const UNKNOWN_SIZE = 0xffffffff;
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** What a WAV file holds and where its samples begin. */
export interface WavInfo {
  rate: number;
  channels: number;
  samples: number;
  bits: number;
  float: boolean;
  offset: number;
}

/**
 * Reads a WAV file's header.
 *
 * @returns null if it is no WAV file of integers or floats; a browser may still decode it.
 * @throws UserError If the file ends early before its end.
 */
export async function readWavInfo(file: Blob): Promise<WavInfo | null> {
  const view = (start: number, size: number) =>
    file
      .slice(start, start + size)
      .arrayBuffer()
      .then((bytes) => new DataView(bytes));
  const head = await view(0, 12);
  if (head.byteLength < 12 || !["RIFF", "RF64"].includes(tag(head, 0)) || tag(head, 8) !== "WAVE") {
    return null;
  }
  let fields: Omit<WavInfo, "samples" | "offset"> | null = null;
  let longSize = 0;
  for (let place = 12; place + 8 <= file.size;) {
    const chunk = await view(place, 8 + 40);
    const name = tag(chunk, 0);
    const size = chunk.getUint32(4, true);
    if (name === "ds64") longSize = Number(chunk.getBigUint64(16, true));
    if (name === "fmt ") fields = readFormat(chunk, size);
    if (name === "data") {
      if (!fields) return null;
      const left = file.size - place - 8;
      const known = size === UNKNOWN_SIZE ? longSize || left : size;
      if (known > left) throw new UserError("This WAV file ends early before its end.");
      const samples = Math.floor(known / (fields.channels * (fields.bits / 8)));
      return { ...fields, samples, offset: place + 8 };
    }
    place += 8 + size + (size % 2);
  }
  return null;
}

function readFormat(chunk: DataView, size: number): Omit<WavInfo, "samples" | "offset"> | null {
  if (size < 16 || chunk.byteLength < 24) return null;
  let kind = chunk.getUint16(8, true);
  const channels = chunk.getUint16(10, true);
  const bits = chunk.getUint16(22, true);
  if (kind === EXTENSIBLE && chunk.byteLength >= 34) kind = chunk.getUint16(32, true);
  const known =
    kind === PCM ? [8, 16, 24, 32].includes(bits) : kind === FLOAT && [32, 64].includes(bits);
  return known && channels
    ? { rate: chunk.getUint32(12, true), channels, bits, float: kind === FLOAT }
    : null;
}

/** Reads `frames` samples of all channels from `start` on; fewer at the end. */
export async function readSamples(
  file: Blob,
  info: WavInfo,
  start: number,
  frames: number,
): Promise<Float32Array> {
  const size = info.channels * (info.bits / 8);
  const last = Math.min(start + frames, info.samples);
  const bytes = await file
    .slice(info.offset + start * size, info.offset + last * size)
    .arrayBuffer();
  return decodeSamples(bytes, info);
}

function decodeSamples(bytes: ArrayBuffer, info: WavInfo): Float32Array {
  if (info.float && info.bits === 32 && LITTLE_ENDIAN) return new Float32Array(bytes);
  const view = new DataView(bytes);
  const samples = new Float32Array(bytes.byteLength / (info.bits / 8));
  const at: Record<string, (i: number) => number> = {
    int8: (i) => (view.getUint8(i) - 128) / 2 ** 7,
    int16: (i) => view.getInt16(2 * i, true) / 2 ** 15,
    int24: (i) => ((view.getInt8(3 * i + 2) << 16) | view.getUint16(3 * i, true)) / 2 ** 23,
    int32: (i) => view.getInt32(4 * i, true) / 2 ** 31,
    float32: (i) => view.getFloat32(4 * i, true),
    float64: (i) => view.getFloat64(8 * i, true),
  };
  const value = at[`${info.float ? "float" : "int"}${info.bits}`]!;
  for (let i = 0; i < samples.length; i++) samples[i] = value(i);
  return samples;
}

/**
 * The bytes before the samples of a WAV file; RF64 where 32 bits cannot tell its size.
 *
 * @param samples Samples of one channel.
 */
export function wavHeader(
  rate: number,
  channels: number,
  samples: number,
  format: Format,
): ArrayBuffer {
  const bytes = BITS[format] / 8;
  const data = samples * channels * bytes;
  const header = new DataView(new ArrayBuffer(94));
  const total = 94 + data + (data % 2) - 8;
  const large = total > UNKNOWN_SIZE - 1;
  let place = 0;
  const word = (name: string) =>
    [...name].forEach((letter) => header.setUint8(place++, letter.charCodeAt(0)));
  const uint32 = (value: number) => void header.setUint32((place += 4) - 4, value, true);
  const uint16 = (value: number) => void header.setUint16((place += 2) - 2, value, true);
  const uint64 = (value: number) => void header.setBigUint64((place += 8) - 8, BigInt(value), true);
  word(large ? "RF64" : "RIFF");
  uint32(large ? UNKNOWN_SIZE : total);
  word("WAVE");
  word(large ? "ds64" : "JUNK");
  uint32(28);
  uint64(large ? total : 0);
  uint64(large ? data : 0);
  uint64(large ? samples : 0);
  uint32(0);
  word("fmt ");
  uint32(18);
  uint16(format === "float32" ? FLOAT : PCM);
  uint16(channels);
  uint32(rate);
  uint32(rate * channels * bytes);
  uint16(channels * bytes);
  uint16(8 * bytes);
  uint16(0);
  word("fact");
  uint32(4);
  uint32(Math.min(samples, UNKNOWN_SIZE));
  word("data");
  uint32(large ? UNKNOWN_SIZE : data);
  return header.buffer.slice(0, place);
}

/** Samples as a WAV file's bytes, little-endian. Integers round to nearest; the caller has scaled. */
export function encodeSamples(samples: Float32Array, format: Format): ArrayBuffer {
  const bytes = BITS[format] / 8;
  const view = new DataView(new ArrayBuffer(samples.length * bytes));
  const full = 2 ** (8 * bytes - 1);
  for (let i = 0; i < samples.length; i++) {
    if (format === "float32") {
      view.setFloat32(4 * i, samples[i]!, true);
      continue;
    }
    const value = Math.max(-full, Math.min(full - 1, Math.round(samples[i]! * full)));
    view.setInt16(bytes * i + bytes - 2, value >> (8 * (bytes - 2)), true);
    if (bytes === 3) view.setUint8(3 * i, value & 0xff);
  }
  return view.buffer;
}

function tag(view: DataView, place: number): string {
  return String.fromCharCode(...Array.from({ length: 4 }, (_, i) => view.getUint8(place + i)));
}
