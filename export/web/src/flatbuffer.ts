/** Reads named metadata from a TFLite flatbuffer; see the schema of TensorFlow Lite, version 3. */

const IDENTIFIER = "TFL3";
const MODEL_BUFFERS = 4;
const MODEL_METADATA = 6;
const BUFFER_DATA = 0;
const METADATA_NAME = 0;
const METADATA_BUFFER = 1;

/** A table's fields; every access is checked against the end of the file by DataView. */
class Table {
  private readonly vtable: number;

  constructor(
    private readonly view: DataView,
    private readonly position: number,
  ) {
    this.vtable = position - view.getInt32(position, true);
  }

  /** Position of a field's value, or null where it has its default. */
  field(index: number): number | null {
    const entry = 4 + 2 * index;
    if (entry >= this.view.getUint16(this.vtable, true)) return null;
    const offset = this.view.getUint16(this.vtable + entry, true);
    return offset ? this.position + offset : null;
  }

  uint32(index: number): number {
    const field = this.field(index);
    return field === null ? 0 : this.view.getUint32(field, true);
  }

  tables(index: number): Table[] {
    const vector = this.vector(index, 4);
    return Array.from({ length: vector.length }, (_, i) => {
      const place = vector.start + 4 * i;
      return new Table(this.view, place + this.view.getUint32(place, true));
    });
  }

  bytes(index: number): Uint8Array {
    const { start, length } = this.vector(index, 1);
    return new Uint8Array(this.view.buffer, this.view.byteOffset + start, length);
  }

  private vector(index: number, size: number): { start: number; length: number } {
    const field = this.field(index);
    if (field === null) return { start: 0, length: 0 };
    const head = field + this.view.getUint32(field, true);
    const length = this.view.getUint32(head, true);
    if (head + 4 + length * size > this.view.byteLength)
      throw new RangeError("a vector ends early");
    return { start: head + 4, length };
  }
}

/**
 * Finds an entry of a file's metadata.
 *
 * @param file The whole `.tflite` file.
 * @param name Name of the entry.
 * @returns Its bytes, or null if there is no such entry.
 * @throws RangeError If the file is not a whole TFLite flatbuffer.
 */
export function readMetadata(file: Uint8Array, name: string): Uint8Array | null {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 8 || text(file.subarray(4, 8)) !== IDENTIFIER) {
    throw new RangeError("not a TFLite file");
  }
  const model = new Table(view, view.getUint32(0, true));
  const buffers = model.tables(MODEL_BUFFERS);
  // All weights lie in buffers: reading every one finds a file that was cut short.
  for (const buffer of buffers) buffer.bytes(BUFFER_DATA);
  for (const entry of model.tables(MODEL_METADATA)) {
    if (text(entry.bytes(METADATA_NAME)) === name) {
      const buffer = buffers[entry.uint32(METADATA_BUFFER)];
      if (!buffer) throw new RangeError("metadata without a buffer");
      return buffer.bytes(BUFFER_DATA);
    }
  }
  return null;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
