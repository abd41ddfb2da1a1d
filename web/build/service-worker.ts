/** Tells the service worker what the page consists of. */
import { createHash } from 'node:crypto';
import type { Plugin } from 'vite';

/** Replaces `__FILES__` and `__VERSION__` in `service-worker.js` by the files of the build and their digest. */
export function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
    enforce: 'post',
    generateBundle(_, bundle) {
      const worker = bundle['service-worker.js'];
      if (worker?.type !== 'chunk') throw new Error('there is no service worker in the bundle');
      const digest = createHash('sha256');
      const files = ['./', 'manifest.webmanifest', 'icon.svg'];
      for (const [name, file] of Object.entries(bundle)) {
        if (file === worker) continue;
        digest.update(file.type === 'chunk' ? file.code : file.source);
        if (name !== 'index.html') files.push(name);
      }
      worker.code = worker.code
        .replace('__FILES__', JSON.stringify(files))
        .replace('__VERSION__', digest.digest('hex').slice(0, 16));
    },
  };
}
