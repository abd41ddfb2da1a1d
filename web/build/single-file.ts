/** The page in one file: script and style inside, and a policy that lets exactly these run. */
import { createHash } from 'node:crypto';
import type { Plugin } from 'vite';

/** Puts the one script and the one style sheet of the build into the page. */
export function singleFile(): Plugin {
  return {
    name: 'single-file',
    enforce: 'post',
    generateBundle(_, bundle) {
      const page = bundle['index.html'];
      if (page?.type !== 'asset') throw new Error('there is no index.html in the bundle');
      let html = String(page.source);
      const hashes = { script: [] as string[], style: [] as string[] };
      for (const [name, file] of Object.entries(bundle)) {
        if (file === page) continue;
        const content = file.type === 'chunk' ? file.code : String(file.source);
        const tag = new RegExp(`\\s*<(script|link)[^>]*(src|href)="\\./${name.replaceAll('.', '\\.')}"[^>]*>(</script>)?`);
        if (!tag.test(html)) throw new Error(`${name} is not in the page, or more than one page needs it`);
        html = html.replace(tag, '');
        const kind = file.type === 'chunk' ? 'script' : 'style';
        // What the parser takes for the end of the script is written so that it does not.
        const safe = kind === 'script' ? content.replaceAll('</script', '<\\/script') : content;
        hashes[kind].push(`'sha256-${createHash('sha256').update(safe).digest('base64')}'`);
        const element = kind === 'script' ? `<script type="module">${safe}</script>` : `<style>${safe}</style>`;
        html = html.replace('</head>', () => `${element}\n</head>`);
        delete bundle[name];
      }
      const policy = singleFilePolicy(hashes.script, hashes.style);
      html = html.replace(/\s*<link rel="(manifest|icon)"[^>]*>/g, '');
      page.source = html.replace('<head>', () => `<head>\n<meta http-equiv="Content-Security-Policy" content="${policy}">`);
    },
  };
}

function singleFilePolicy(scripts: string[], styles: string[]): string {
  return [
    "default-src 'none'",
    `script-src ${scripts.join(' ')} 'wasm-unsafe-eval'`,
    `style-src ${styles.join(' ')}`,
    'worker-src blob:',
    'img-src blob: data:',
    "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

/** The policy of the hosted page: its own files, and nothing else. */
export const SITE_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "worker-src 'self' blob:",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
