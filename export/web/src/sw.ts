/**
 * The service worker: the page works offline after one load, and is cross-origin isolated (threads)
 * also on hosts that set no headers.
 */

declare const __FILES__: string[];
declare const __VERSION__: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const PREFIX = "keras-mmdense-";
const CACHE = PREFIX + __VERSION__;
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

worker.addEventListener("install", (event) => {
  event.waitUntil(install());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && new URL(request.url).origin === location.origin) {
    event.respondWith(respond(request));
  }
});

// The page names the files it needs beside its own: the model and one build of the runtime.
worker.addEventListener("message", (event) => {
  event.waitUntil(keep(event.data as string[]).then(() => event.ports[0]?.postMessage("kept")));
});

async function install(): Promise<void> {
  await (
    await caches.open(CACHE)
  ).addAll(__FILES__.map((file) => new Request(file, { cache: "no-cache" })));
  await worker.skipWaiting();
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
  await worker.clients.claim();
}

async function keep(urls: string[]): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const request of await cache.keys()) {
    if (request.url.endsWith(".tflite") && !urls.includes(request.url)) await cache.delete(request);
  }
  for (const url of urls) {
    if (!(await cache.match(url))) await cache.add(url);
  }
}

/** The page itself and the name of its model come from the network where there is one. */
async function respond(request: Request): Promise<Response> {
  const changes = request.mode === "navigate" || request.url.endsWith("/model.json");
  const cache = await caches.open(CACHE);
  const cached = await cache.match(request, { ignoreSearch: true });
  if (cached && !changes) return isolated(cached);
  try {
    const fetched = await fetch(request);
    if (fetched.ok && changes) await cache.put(request, fetched.clone());
    return isolated(fetched);
  } catch (error) {
    if (cached) return isolated(cached);
    throw error;
  }
}

function isolated(response: Response): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(response.body, {
    status: response.status,
    statusText: response.statusText,
    headers,
  });
}
