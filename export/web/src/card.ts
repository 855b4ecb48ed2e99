/** The model card that every exported file carries. */

import { UserError } from "./errors";
import { readMetadata } from "./flatbuffer";

const NAME = "keras_mmdense_card";
const FORMAT = "keras_mmdense model 1";

/** What a graph from waveform to stems is, and how its windows join. Lengths are in samples. */
export interface Card {
  network: string[];
  stems: string[];
  sampleRate: number;
  channels: number;
  hop: number;
  window: number;
  context: number;
  /** Samples by which the stems are late, in a graph of steps that remembers the past. */
  delay: number;
  precision: string;
  license: string;
}

/**
 * Reads the model card in a `.tflite` file.
 *
 * @throws UserError If the file is damaged, or was not written by `keras-mmdense export tflite`.
 */
export function readCard(file: Uint8Array): Card {
  let json: Uint8Array | null;
  try {
    json = readMetadata(file, NAME);
  } catch {
    throw new UserError("The model file is damaged. Export the page again.");
  }
  if (!json) {
    throw new UserError("The model file has no model card. Export it with keras-mmdense.");
  }
  try {
    return parseCard(JSON.parse(new TextDecoder().decode(json)));
  } catch (error) {
    throw new UserError(`The model card in the model file is damaged: ${(error as Error).message}`);
  }
}

function parseCard(fields: Record<string, unknown>): Card {
  if (fields.format !== FORMAT) throw new Error(`expected the format "${FORMAT}"`);
  const count = (name: string, least = 1): number => {
    const value = fields[name];
    if (!Number.isInteger(value) || (value as number) < least)
      throw new Error(`${name} is ${value}`);
    return value as number;
  };
  const names = (name: string): string[] => {
    const value = fields[name];
    if (!Array.isArray(value) || !value.length) throw new Error(`${name} is ${value}`);
    return value.map(String);
  };
  return {
    network: names("network"),
    stems: names("stems"),
    sampleRate: count("sample_rate"),
    channels: count("channels"),
    hop: count("hop"),
    window: count("window"),
    context: count("context", 0),
    delay: fields.delay === undefined ? 0 : count("delay", 0),
    precision: String(fields.precision ?? "float32"),
    license: String(fields.license ?? fields.licence ?? "unknown"),
  };
}
