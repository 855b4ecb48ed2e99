import { Builder } from "flatbuffers";
import { describe, expect, it } from "vitest";
import { readCard } from "../src/card";
import { readMetadata } from "../src/flatbuffer";

const CARD = {
  format: "keras_mmdense model 1",
  network: ["tiny"],
  stems: ["vocals", "drums"],
  sample_rate: 44100,
  channels: 2,
  n_fft: 2048,
  hop: 1024,
  window: 2048,
  context: 1024,
  precision: "float32",
  license: "CC0",
};

/** A TFLite file of buffers and metadata alone. */
function file(metadata: Record<string, string>): Uint8Array {
  const builder = new Builder();
  const vector = (offsets: number[]) => {
    builder.startVector(4, offsets.length, 4);
    for (const offset of offsets.reverse()) builder.addOffset(offset);
    return builder.endVector();
  };
  const table = (size: number, fields: (() => void)[]) => {
    builder.startObject(size);
    for (const field of fields) field();
    return builder.endObject();
  };
  const buffers = ["", ...Object.values(metadata)].map((content) => {
    const data = builder.createByteVector(new TextEncoder().encode(content));
    return table(1, content ? [() => builder.addFieldOffset(0, data, 0)] : []);
  });
  const entries = Object.keys(metadata).map((name, i) => {
    const text = builder.createString(name);
    return table(2, [
      () => builder.addFieldOffset(0, text, 0),
      () => builder.addFieldInt32(1, i + 1, 0),
    ]);
  });
  const [places, named] = [vector(buffers), vector(entries)];
  const model = table(8, [
    () => builder.addFieldOffset(4, places, 0),
    () => builder.addFieldOffset(6, named, 0),
  ]);
  builder.finish(model, "TFL3");
  return builder.asUint8Array();
}

describe("metadata", () => {
  it("is found by name", () => {
    const both = file({ other: "first", keras_mmdense_card: "second" });
    expect(new TextDecoder().decode(readMetadata(both, "other")!)).toBe("first");
    expect(new TextDecoder().decode(readMetadata(both, "keras_mmdense_card")!)).toBe("second");
    expect(readMetadata(both, "third")).toBeNull();
  });

  it("of a file that was cut anywhere is refused, never misread", () => {
    const whole = file({ keras_mmdense_card: JSON.stringify(CARD) });
    for (let size = 0; size < whole.length; size += 7) {
      let card;
      try {
        card = readCard(whole.slice(0, size));
      } catch (error) {
        expect(error).toHaveProperty("name", "UserError");
        continue;
      }
      expect(card).toEqual(readCard(whole)); // only what nothing needs was cut
    }
  });
});

describe("card", () => {
  it("is read", () => {
    expect(readCard(file({ keras_mmdense_card: JSON.stringify(CARD) }))).toEqual({
      network: ["tiny"],
      stems: ["vocals", "drums"],
      sampleRate: 44100,
      channels: 2,
      hop: 1024,
      window: 2048,
      context: 1024,
      delay: 0,
      precision: "float32",
      license: "CC0",
    });
  });

  it("may be of a graph of steps", () => {
    const card = { ...CARD, context: 0, delay: 5120 };
    const found = readCard(file({ keras_mmdense_card: JSON.stringify(card) }));
    expect([found.context, found.delay]).toEqual([0, 5120]);
  });

  it.each([
    ["another format", { ...CARD, format: "2" }],
    ["no stems", { ...CARD, stems: [] }],
    ["half a sample", { ...CARD, window: 0.5 }],
    ["no rate", { ...CARD, sample_rate: undefined }],
  ])("with %s is refused", (_, card) => {
    expect(() => readCard(file({ keras_mmdense_card: JSON.stringify(card) }))).toThrow(
      "card in the model file",
    );
  });

  it("is missed in a foreign file", () => {
    expect(() => readCard(file({ min_runtime_version: "1.5" }))).toThrow("no model card");
    expect(() => readCard(new TextEncoder().encode("not a model at all"))).toThrow("damaged");
  });
});
