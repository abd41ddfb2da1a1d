/** Two maps held against each other, and two stretches of bytes. */
import type { Run } from './tables';

/** `added`: only the second has data there; `removed`: only the first; `moved`: both, elsewhere; `lost`: in one of them. */
export type Kind = 'added' | 'removed' | 'moved' | 'lost' | 'longer';

export interface Difference {
  start: bigint;
  length: bigint;
  kind: Kind;
}

/** Where two maps differ, in order; neighbours of one kind are one. `longer` is what only one of the two has at its end. */
export async function* differences(left: AsyncIterator<Run>, right: AsyncIterator<Run>): AsyncGenerator<Difference> {
  let [a, b] = await Promise.all([take(left), take(right)]);
  let open: Difference | null = null;
  while (a || b) {
    const start = (a ?? b)!.start;
    const ends = [a, b].flatMap((run) => (run ? [run.start + run.length] : []));
    const end = ends.reduce((first, second) => (first < second ? first : second));
    const kind = a && b ? kindOf(a, b) : 'longer';
    if (kind && open && open.kind === kind && open.start + open.length === start) {
      open.length += end - start;
    } else {
      if (open) yield open;
      open = kind && { start, length: end - start, kind };
    }
    [a, b] = await Promise.all([a && (rest(a, end) ?? take(left)), b && (rest(b, end) ?? take(right))]);
  }
  if (open) yield open;
}

async function take(runs: AsyncIterator<Run>): Promise<Run | null> {
  const next = await runs.next();
  return next.done ? null : next.value;
}

/** What is left of a run behind `end`. */
function rest(run: Run, end: bigint): Run | null {
  const length = run.start + run.length - end;
  if (length === 0n) return null;
  return { ...run, start: end, length, offset: run.offset === null ? null : run.offset + (end - run.start) };
}

/** Two runs that begin at the same byte. */
function kindOf(a: Run, b: Run): Kind | null {
  if (a.state > 1 || b.state > 1) return a.state === b.state ? null : 'lost';
  if (a.state !== b.state) return b.state === 1 ? 'added' : 'removed';
  return a.component === b.component && a.offset === b.offset ? null : 'moved';
}

/** How many bytes differ, and which is the first. Both have the same length. */
export function differing(a: Uint8Array, b: Uint8Array): { count: number; first: number | null } {
  let [count, first] = [0, null as number | null];
  const words = wordsOf(a, b);
  let at = 0;
  while (at < a.length) {
    if (words && at % 4 === 0) {
      // Most words are the same: those are passed in fours.
      while (at + 4 <= a.length && words[0][at / 4] === words[1][at / 4]) at += 4;
      if (at >= a.length) break;
    }
    if (a[at] !== b[at]) {
      count += 1;
      first ??= at;
    }
    at += 1;
  }
  return { count, first };
}

function wordsOf(a: Uint8Array, b: Uint8Array): [Uint32Array, Uint32Array] | null {
  if (a.byteOffset % 4 !== 0 || b.byteOffset % 4 !== 0) return null;
  const words = Math.floor(a.length / 4);
  return [new Uint32Array(a.buffer, a.byteOffset, words), new Uint32Array(b.buffer, b.byteOffset, words)];
}
