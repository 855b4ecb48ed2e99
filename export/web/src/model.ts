/** The network that this page was made for. */

import { type Card, readCard } from "./card";
import { UserError } from "./errors";

declare const __RUNTIME__: string;

/** Address of the folder of the runtime. */
export const RUNTIME = new URL(__RUNTIME__, document.baseURI).href;

export interface Model {
  url: string;
  file: Uint8Array;
  card: Card;
}

/**
 * Loads the `.tflite` file that `model.json` names.
 *
 * @throws UserError If it is missing or damaged.
 */
export async function loadModel(): Promise<Model> {
  const { model } = JSON.parse(new TextDecoder().decode(await load("model.json"))) as {
    model: string;
  };
  const file = await load(model);
  return { url: new URL(model, document.baseURI).href, file, card: readCard(file) };
}

async function load(name: string): Promise<Uint8Array> {
  const response = await fetch(new URL(name, document.baseURI)).catch(() => null);
  if (!response?.ok)
    throw new UserError(`The file ${name} of this page cannot be loaded. Reload the page.`);
  return new Uint8Array(await response.arrayBuffer());
}
