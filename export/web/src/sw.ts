/**
 * The service worker: the page works offline after one load, and is cross-origin isolated (threads)
 * also on hosts that set no headers.
 */

declare const __FILES__: string[];
declare const __VERSION__: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
// Caches belong to the origin, where other pages may be.
const PREFIX = `keras-mmdense-${new URL("./", location.href).pathname}-`;
const CACHE = PREFIX + __VERSION__;
/** What the page names once it is open: model and runtime. */
const NAMED = /\.tflite$|\/model\.json$|\/runtime\//;
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
  const answer = (text: string) => event.ports[0]?.postMessage(text);
  event.waitUntil(
    keep(event.data as string[]).then(
      () => answer("kept"),
      (error) => answer(String(error)),
    ),
  );
});

async function install(): Promise<void> {
  await (
    await caches.open(CACHE)
  ).addAll(__FILES__.map((file) => new Request(file, { cache: "no-cache" })));
  await worker.skipWaiting();
}

/** Takes over what older versions kept. */
async function activate(): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const name of await others()) {
    const old = await caches.open(name);
    for (const request of await old.keys()) {
      const response = NAMED.test(request.url) && (await old.match(request));
      if (response && !(await cache.match(request))) await cache.put(request, response);
    }
  }
  await tidy(await others());
  await worker.clients.claim();
}

/** Caches of other versions. */
async function others(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
}

/** Removes older versions, unless another tab may still need their scripts. */
async function tidy(versions: string[]): Promise<void> {
  const tabs = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (tabs.length > 1) return;
  for (const name of versions) await caches.delete(name);
}

/** Whether a newer version may be filling its cache. */
function updating(): boolean {
  const { installing, waiting } = worker.registration;
  return Boolean(installing || waiting) || worker.serviceWorker?.state === "redundant";
}

async function keep(urls: string[]): Promise<void> {
  const versions = await others(); // Before the question: an update begun later is not among them.
  if (!updating()) await tidy(versions);
  const cache = await caches.open(CACHE);
  for (const request of await cache.keys()) {
    if (NAMED.test(request.url) && !urls.includes(request.url)) await cache.delete(request);
  }
  for (const url of urls) {
    if (!(await cache.match(url))) await cache.add(url);
  }
}

/** The page itself and the name of its model come from the network where there is one. */
async function respond(request: Request): Promise<Response> {
  const changes = request.mode === "navigate" || request.url.endsWith("/model.json");
  if (!changes) {
    const cached = await kept(request);
    if (cached) return isolated(cached);
  }
  try {
    const fetched = await fetch(request);
    if (fetched.type === "opaqueredirect") return fetched;
    if (fetched.ok && changes) await (await caches.open(CACHE)).put(request, fetched.clone());
    return isolated(fetched);
  } catch (error) {
    const cached = changes && (await kept(request));
    if (cached) return isolated(cached);
    throw error;
  }
}

/** A copy of this version, or of another: a newer one may just have removed this one's. */
async function kept(request: Request): Promise<Response | undefined> {
  const options = { ignoreSearch: true };
  const own = await caches.match(request, { ...options, cacheName: CACHE });
  return own ?? (await caches.match(request, options));
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
