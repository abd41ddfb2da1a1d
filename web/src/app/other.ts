/** A second set, held against the first: with an engine of its own, which is started when it is needed. */
import { signal } from '@preact/signals';
import { Engine } from '../engine/engine';
import type { Picked } from '../engine/files';
import type { Opened, Space, WireFile } from '../engine/protocol';
import { differences, differing, type Difference, type Kind } from '../model/compare';
import { runsOf, type Run } from '../model/tables';
import { engine, fail, index, opened, volume, volumeNumber } from './store';

export interface Other {
  label: string;
  files: readonly WireFile[];
  opened: Opened;
  /** What of it is held against the volume: its volume, or, where it has none, its first file as a raw image. */
  space: Space;
  size: bigint;
}

export interface MapComparison {
  totals: Record<Kind, bigint>;
  list: Difference[];
  /** Whether there are more than those in the list. */
  more: boolean;
}

export interface ByteComparison {
  compared: bigint;
  different: bigint;
  first: bigint | null;
  /** Bytes of either side that are not to be had. */
  lost: bigint;
  whole: boolean;
}

export const other = signal<Other | null>(null);
export const busy = signal<{ what: string; done: bigint; all: bigint } | null>(null);
export const maps = signal<MapComparison | null>(null);
export const bytes = signal<ByteComparison | null>(null);

/** Differences that are listed. */
const LISTED = 1000;
const ROWS = 1 << 14;
/** Bytes that are compared at once. */
const PIECE = 4n << 20n;

let second: Engine | null = null;
let abort = new AbortController();

export function stop(): void {
  abort.abort();
}

export function forget(): void {
  stop();
  [other.value, maps.value, bytes.value, busy.value] = [null, null, null, null];
  void second?.open([]);
}

// What was found out is about files that are open.
opened.subscribe((now) => {
  if (!now) forget();
});

/** Opens the second set, and compares the maps. */
export async function openOther(picked: Picked): Promise<void> {
  if (picked.files.length === 0) return;
  await work('Opening', async () => {
    [other.value, maps.value, bytes.value] = [null, null, null];
    second ??= new Engine();
    const result = await second.open(picked.files, { signal: abort.signal });
    const first = volume.value;
    const same = result.info.volumes.findIndex(({ name, id }) => name === first?.name && id === first?.id);
    const number = Math.max(0, same);
    const found = result.info.volumes[number];
    const label = picked.files.length === 1 ? picked.files[0]!.label : `${picked.files.length} files`;
    const space: Space = found ? { kind: 'volume', volume: number } : { kind: 'file', file: 0 };
    other.value = { label, files: picked.files, opened: result, space, size: found?.virtual_size ?? BigInt(picked.files[0]!.size) };
    if (found) maps.value = await compareMaps(number);
  });
}

async function compareMaps(number: number): Promise<MapComparison> {
  const all = index.value?.runs ?? 0n;
  const state = await second!.call('index', [number], { signal: abort.signal });
  const totals: Record<Kind, bigint> = { added: 0n, removed: 0n, moved: 0n, lost: 0n, longer: 0n };
  const result: MapComparison = { totals, list: [], more: false };
  const told = (done: bigint) => (busy.value = { what: 'Comparing the maps', done, all });
  const left = runs(engine, volumeNumber.value, all, told);
  const right = runs(second!, number, state.runs);
  for await (const difference of differences(left, right)) {
    abort.signal.throwIfAborted();
    totals[difference.kind] += difference.length;
    if (result.list.length < LISTED) result.list.push(difference);
    else result.more = true;
  }
  return result;
}

async function* runs(of: Engine, number: number, all: bigint, told?: (done: bigint) => void): AsyncGenerator<Run> {
  for (let first = 0n; first < all; ) {
    const page = await of.call('runs', [number, first, ROWS], { signal: abort.signal });
    if (page.start.length === 0) return;
    yield* runsOf(page);
    first += BigInt(page.start.length);
    told?.(first);
  }
}

/** Compares all bytes that both have. Where both have holes, there is nothing to read. */
export async function compareBytes(): Promise<void> {
  const there = other.value;
  const size = volume.value?.virtual_size;
  if (!there || size === undefined) return;
  const all = size < there.size ? size : there.size;
  const result: ByteComparison = { compared: 0n, different: 0n, first: null, lost: 0n, whole: false };
  const here: Space = { kind: 'volume', volume: volumeNumber.value };
  await work('Comparing the bytes', async () => {
    for (let at = 0n; at < all; ) {
      const skip = await holes(here, there.space, at, all);
      if (skip > 0n) {
        at += skip;
        result.compared += skip;
      } else {
        const length = all - at < PIECE ? all - at : PIECE;
        await comparePiece(here, there.space, at, Number(length), result);
        at += length;
        result.compared += length;
      }
      abort.signal.throwIfAborted();
      busy.value = { what: 'Comparing the bytes', done: at, all };
      bytes.value = { ...result };
    }
    bytes.value = { ...result, whole: true };
  });
}

/** How many bytes from `at` on are holes on both sides. */
async function holes(here: Space, there: Space, at: bigint, all: bigint): Promise<bigint> {
  if (here.kind !== 'volume' || there.kind !== 'volume') return 0n;
  const [a, b] = await Promise.all([
    engine.call('extents', [here.volume, at, all, 1]),
    second!.call('extents', [there.volume, at, all, 1]),
  ]);
  if (a.state[0] !== 0 || b.state[0] !== 0) return 0n;
  return a.length[0]! < b.length[0]! ? a.length[0]! : b.length[0]!;
}

async function comparePiece(here: Space, there: Space, at: bigint, length: number, result: ByteComparison): Promise<void> {
  const [a, b] = await Promise.all([engine.call('read', [here, at, length]), second!.call('read', [there, at, length])]);
  const lost = [...a.lost, ...b.lost];
  // What is lost on one side is compared with nothing.
  for (const [start, count] of lost) {
    const [from, to] = [Number(start - at), Number(start - at + count)];
    result.lost += BigInt(to - from);
    a.bytes.fill(0, from, to);
    b.bytes.fill(0, from, to);
  }
  const { count, first } = differing(a.bytes, b.bytes);
  result.different += BigInt(count);
  if (first !== null) result.first ??= at + BigInt(first);
}

async function work(what: string, job: () => Promise<void>): Promise<void> {
  abort.abort();
  abort = new AbortController();
  const { signal: mine } = abort;
  busy.value = { what, done: 0n, all: 0n };
  try {
    await job();
  } catch (error) {
    if (!mine.aborted) fail(error);
  } finally {
    if (abort.signal === mine) busy.value = null;
  }
}
