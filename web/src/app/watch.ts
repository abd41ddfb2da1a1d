/** Notices when files change while one looks at them. Some browsers would go on showing the old, some a mixture. */
import { signal } from '@preact/signals';
import { again, changed } from '../engine/files';
import type { WireFile } from '../engine/protocol';
import { files, phase } from './store';

/** Labels of the files that are not what they were. */
export const stale = signal<string[]>([]);

/** Between two looks, in milliseconds; while nobody looks at the page, nothing is looked at. */
const PAUSE = 10_000;

/** A look costs a read for each file. */
const MOST = 64;

let looking = false;

export async function look(): Promise<void> {
  if (looking || document.hidden || phase.value !== 'open') return;
  looking = true;
  const list = files.value;
  const found = await changedOf(list);
  looking = false;
  // What was opened in the meantime is looked at the next time.
  if (list === files.value) stale.value = found;
}

async function changedOf(list: readonly WireFile[]): Promise<string[]> {
  return (await changed(list.slice(0, MOST))).map(({ label }) => label);
}

/**
 * Leaves out what has changed: it is picked again, and its old self cannot be read, or reads like the new one. What is
 * shown about it stays until the new one takes its place.
 */
export async function leaveOutStale(added: readonly WireFile[]): Promise<void> {
  const list = files.value;
  const known = stale.value;
  const gone = new Set([...known, ...(await changedOf(list)), ...(await again(list, added))]);
  if (gone.size > 0) files.value = files.value.filter(({ label }) => !gone.has(label));
}

export function watch(): () => void {
  const now = () => void look();
  const timer = setInterval(now, PAUSE);
  addEventListener('focus', now);
  document.addEventListener('visibilitychange', now);
  const forget = files.subscribe(() => (stale.value = []));
  return () => {
    clearInterval(timer);
    removeEventListener('focus', now);
    document.removeEventListener('visibilitychange', now);
    forget();
  };
}
