/** What a graph of steps remembers after silence; see keras_mmdense/separation/silence.py. */

import { UserError } from "./errors";
import { readMetadata } from "./flatbuffer";

const NAME = "keras_mmdense_silence";

export interface Memory {
  shape: number[];
  data: Float32Array;
}

/**
 * Reads the memories in which a song begins.
 *
 * @param shapes Shapes of the graph's memories by name.
 * @throws UserError If the file has none that fit.
 */
export function readSilence(
  file: Uint8Array,
  shapes: Record<string, number[]>,
): Record<string, Memory> {
  try {
    return unpack(readMetadata(file, NAME)!, shapes);
  } catch {
    throw new UserError("The model file is damaged. Export the page again.");
  }
}

function unpack(content: Uint8Array, shapes: Record<string, number[]>): Record<string, Memory> {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  let place = 4 + view.getUint32(0, true);
  const header = new TextDecoder().decode(content.subarray(4, place));
  const stored = JSON.parse(header) as Record<string, number[]>;
  const memories: Record<string, Memory> = {};
  if (String(Object.keys(stored).sort()) !== String(Object.keys(shapes).sort())) {
    throw new RangeError("other memories than those of the graph");
  }
  for (const [name, part] of Object.entries(stored)) {
    const shape = shapes[name]!;
    const size = 4 * product(part);
    if (place + size > content.length) throw new RangeError("the memories end early");
    const data = new Float32Array(content.slice(place, place + size).buffer);
    memories[name] = { shape, data: repeat(data, part, shape) };
    place += size;
  }
  return memories;
}

/** Repeats an array along the axis where it is too short, so that its end stays the end. */
function repeat(data: Float32Array, stored: number[], shape: number[]): Float32Array {
  const axis = stored.findIndex((size, i) => size !== shape[i]);
  if (axis < 0) return data;
  const [have, want] = [stored[axis]!, shape[axis]!];
  const inner = product(shape.slice(axis + 1));
  const outer = product(shape.slice(0, axis));
  if (product(stored) !== outer * have * inner) throw new RangeError("a memory does not fit");
  const whole = new Float32Array(outer * want * inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < want; i++) {
      const from = (o * have + ((((i - want) % have) + have) % have)) * inner;
      whole.set(data.subarray(from, from + inner), (o * want + i) * inner);
    }
  }
  return whole;
}

function product(sizes: number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}
