/** Keeps all that the page needs for use without a network. */

import { runtimeScript } from "./engine";
import { RUNTIME } from "./model";

const RELOADED = `reloaded for isolation: ${new URL("./", document.baseURI).pathname}`;

/**
 * Registers the service worker and has it keep model and runtime.
 *
 * @param busy Whether a reload would lose something. A host without isolation headers needs one
 *     reload, after which the service worker sets them and the runtime may use threads.
 * @returns Whether the page now works offline.
 */
export async function keepOffline(model: string, busy: () => boolean): Promise<boolean> {
  if (!("serviceWorker" in navigator)) return false;
  try {
    await navigator.serviceWorker.register(new URL("sw.js", document.baseURI));
    const { active } = await navigator.serviceWorker.ready;
    if (!crossOriginIsolated && !sessionStorage.getItem(RELOADED) && !busy()) {
      sessionStorage.setItem(RELOADED, "yes");
      location.reload();
    }
    await tell(active!, [
      model,
      new URL("model.json", document.baseURI).href,
      ...(await runtimeFiles()),
    ]);
    return true;
  } catch {
    return false; // Private windows may refuse; the page works all the same.
  }
}

async function runtimeFiles(): Promise<string[]> {
  const script = await runtimeScript("wasm");
  return [script, script.replace(/js$/, "wasm")].map((name) => new URL(name, RUNTIME).href);
}

function tell(worker: ServiceWorker, urls: string[]): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve, reject) => {
    port1.onmessage = ({ data }) => (data === "kept" ? resolve() : reject(new Error(data)));
    worker.postMessage(urls, [port2]);
  });
}
