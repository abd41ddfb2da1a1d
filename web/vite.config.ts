import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
import { sample } from './build/sample.ts';
import { serviceWorker } from './build/service-worker.ts';
import { SITE_POLICY, singleFile } from './build/single-file.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Where `cargo xtask` has unpacked the sample volume. */
const SAMPLE = process.env['VIRSTOR_SAMPLE'] ?? here('../target/sample');

/** Adds the hosted page's policy; development needs a connection to Vite. */
function policy(): Plugin {
  const meta = `<head>\n<meta http-equiv="Content-Security-Policy" content="${SITE_POLICY}">`;
  return { name: 'policy', apply: 'build', transformIndexHtml: (html) => html.replace('<head>', () => meta) };
}

/** Two builds: `--mode site` for hosts, `--mode single` for one file that works from `file://`. */
export default defineConfig(({ mode }) => {
  const single = mode === 'single';
  return {
    root: here('.'),
    base: './',
    publicDir: single ? false : here('public'),
    plugins: [sample(SAMPLE), ...(single ? [singleFile()] : [policy(), serviceWorker()])],
    define: { SINGLE_FILE: JSON.stringify(single) },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    // From `file://` browsers start no module worker.
    worker: { format: single ? 'iife' : 'es' },
    build: {
      outDir: here(single ? '../dist/single' : '../dist/web'),
      emptyOutDir: true,
      target: ['chrome120', 'firefox121', 'safari17'],
      modulePreload: false,
      assetsInlineLimit: single ? Number.MAX_SAFE_INTEGER : 0,
      cssCodeSplit: false,
      reportCompressedSize: false,
      rolldownOptions: {
        input: single ? { page: here('index.html') } : { page: here('index.html'), 'service-worker': here('src/service-worker.ts') },
        output: {
          entryFileNames: (chunk) => (chunk.name === 'service-worker' ? 'service-worker.js' : '[name]-[hash].js'),
          chunkFileNames: '[name]-[hash].js',
          assetFileNames: '[name]-[hash][extname]',
        },
      },
    },
  };
});
