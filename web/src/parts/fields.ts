/** What bytes are: fields of a record, entries of a map. */
import { engine, opened, volume } from '../app/store';
import type { Space } from '../engine/protocol';
import { formatCount, formatHex } from '../model/size';

/** A stretch of bytes that means something. Offsets are those of the space. */
export interface Shape {
  start: bigint;
  end: bigint;
  name: string;
  value: string;
  meaning: string;
  agrees: boolean | null;
  expected: string | null;
  /** Neighbours take turns, so that they can be told apart. */
  odd: boolean;
}

/** Bytes of an entry of the map. */
export const ENTRY = 8n;

/** The shapes that begin or go on in a stretch. */
export async function shapesIn(space: Space, start: bigint, length: number): Promise<Shape[]> {
  const end = start + BigInt(length);
  const shapes = fieldsOf(space).filter((shape) => shape.start < end && shape.end > start);
  const entries = mapEnd(space);
  if (start < entries) shapes.push(...entryShapes(start, end < entries ? end : entries));
  return shapes;
}

/** The field or entry that a byte is in. */
export async function fieldAt(space: Space, offset: bigint): Promise<Shape | null> {
  if (offset < mapEnd(space)) return entryAt(offset / ENTRY);
  return fieldsOf(space).find(({ start, end }) => offset >= start && offset < end) ?? null;
}

/** Where a space lies in a file. */
function place(space: Space): { file: string; start: bigint } | null {
  if (space.kind !== 'component') return null;
  const component = volume.value?.components.find(({ index }) => index === space.component);
  return component ? { file: component.file, start: component.offset } : null;
}

function fieldsOf(space: Space): Shape[] {
  const here = place(space);
  if (!here) return [];
  const records = opened.value?.records.filter(({ file }) => file === here.file) ?? [];
  return records.flatMap(({ fields }) =>
    fields.map((field, index) => ({
      start: field.offset - here.start,
      end: field.offset - here.start + field.length,
      name: field.name,
      value: field.value,
      meaning: field.meaning,
      agrees: field.agrees,
      expected: field.expected,
      odd: index % 2 === 1,
    })),
  );
}

/** The map stands at the start of component 0. */
function mapEnd(space: Space): bigint {
  if (space.kind !== 'component' || space.component !== 0) return 0n;
  return (volume.value?.map.entries ?? 0n) * ENTRY;
}

function entryShapes(start: bigint, end: bigint): Shape[] {
  const shapes = [];
  for (let entry = start / ENTRY; entry * ENTRY < end; entry += 1n) shapes.push(entryShape(entry, '', null));
  return shapes;
}

function entryShape(entry: bigint, value: string, agrees: boolean | null): Shape {
  return {
    start: entry * ENTRY,
    end: (entry + 1n) * ENTRY,
    name: `map entry ${formatCount(entry)}`,
    value,
    meaning: `Where virtual chunk ${formatCount(entry)} lies: flags, component, chunk.`,
    agrees,
    expected: agrees === false ? 'a component and a chunk that exist' : null,
    odd: entry % 2n === 1n,
  };
}

async function entryAt(entry: bigint): Promise<Shape | null> {
  const shown = volume.value;
  if (!shown) return null;
  const start = entry * shown.chunk_size;
  const number = opened.value!.info.volumes.indexOf(shown);
  const rows = await engine.call('extents', [number, start, start + shown.chunk_size, 1]);
  const offset = rows.offset[0] ?? -1n;
  const words: Record<number, string> = {
    0: 'not allocated',
    1: `component ${rows.component[0]}, chunk ${formatCount(offset / shown.chunk_size)} (${formatHex(offset < 0n ? 0n : offset)})`,
    2: `component ${rows.component[0]}, which is missing`,
    3: 'names what cannot be',
    4: 'cannot be read',
    5: `component ${rows.component[0]}, behind its end`,
    6: `component ${rows.component[0]}, where its disk could not be read`,
  };
  const state = rows.state[0] ?? 0;
  return entryShape(entry, words[state] ?? '', state === 3 ? false : null);
}
