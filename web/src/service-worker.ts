/** Keeps the page for when there is no network. It has nothing to do with the files that are looked at. */

export {};

declare const self: ServiceWorkerGlobalScope;
// Both names are filled in by build/service-worker.ts.
declare const __FILES__: string[];
declare const __VERSION__: string;

const NAME = 'virstor-__VERSION__';
const FILES: string[] = __FILES__;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const old = (names: string[]) => names.filter((name) => name.startsWith('virstor-') && name !== NAME);
  event.waitUntil(
    caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()),
  );
});

self.addEventListener('fetch', (event) => {
  // A link into a view has a hash or a query, and is the same page.
  const page = event.request.mode === 'navigate';
  event.respondWith(
    caches.match(event.request, { ignoreSearch: page }).then((kept) => kept ?? fetch(event.request)),
  );
});
