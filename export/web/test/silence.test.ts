import { Builder } from "flatbuffers";
import { describe, expect, it } from "vitest";
import { readSilence } from "../src/silence";

/** A TFLite file with one entry of metadata. */
function file(content: Uint8Array): Uint8Array {
  const builder = new Builder();
  const table = (size: number, fields: (() => void)[]) => {
    builder.startObject(size);
    for (const field of fields) field();
    return builder.endObject();
  };
  const vector = (offset: number) => {
    builder.startVector(4, 1, 4);
    builder.addOffset(offset);
    return builder.endVector();
  };
  const data = builder.createByteVector(content);
  const buffers = vector(table(1, [() => builder.addFieldOffset(0, data, 0)]));
  const text = builder.createString("keras_mmdense_silence");
  const entries = vector(table(2, [() => builder.addFieldOffset(0, text, 0)]));
  const model = table(8, [
    () => builder.addFieldOffset(4, buffers, 0),
    () => builder.addFieldOffset(6, entries, 0),
  ]);
  builder.finish(model, "TFL3");
  return builder.asUint8Array();
}

/** What keras_mmdense.separation.silence.pack writes. */
function pack(shapes: Record<string, number[]>, data: number[]): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify(shapes));
  const spaces = (4 - (header.length % 4)) % 4;
  const content = new Uint8Array(4 + header.length + spaces + 4 * data.length);
  content.fill(32);
  new DataView(content.buffer).setUint32(0, header.length + spaces, true);
  content.set(header, 4);
  content.set(new Uint8Array(Float32Array.from(data).buffer), content.length - 4 * data.length);
  return content;
}

describe("silence", () => {
  const stored = { state_00: [1, 2, 2], state_01: [1, 3] };
  const packed = file(pack(stored, [1, 2, 3, 4, 5, 6, 7]));

  it("repeats a period so that its end stays the end", () => {
    const found = readSilence(packed, { state_01: [1, 3], state_00: [1, 5, 2] });
    expect([...found.state_00!.data]).toEqual([3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
    expect([...found.state_01!.data]).toEqual([5, 6, 7]);
    expect(found.state_00!.shape).toEqual([1, 5, 2]);
  });

  it.each([
    ["another shape", { state_00: [1, 5, 3], state_01: [1, 3] }],
    ["another name", { state_02: [1, 2, 2] }],
  ])("is refused for %s", (_, shapes) => {
    expect(() => readSilence(packed, shapes)).toThrow("The model file is damaged");
  });

  it("is refused where it ends early", () => {
    const cut = file(pack(stored, [1, 2, 3]));
    expect(() => readSilence(cut, stored)).toThrow("The model file is damaged");
  });
});
