/** Packs the sample volume into the page: see src/engine/sample.ts for the other half. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** Matches shorter than this are left to gzip. */
const SHORTEST = 64;

/** The module `virtual:sample`, with the files of `folder`. */
export function sample(folder: string): Plugin {
  const id = 'virtual:sample';
  return {
    name: 'sample',
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    load: (loaded) => (loaded === `\0${id}` ? `export default ${JSON.stringify(pack(folder))};` : undefined),
  };
}

function pack(folder: string) {
  const names = readdirSync(folder).sort();
  const contents = names.map((name) => readFileSync(join(folder, name)));
  const bytes = Buffer.concat(contents);
  const files = names.map((name, index) => ({ name, size: contents[index]!.length }));
  return { files, length: bytes.length, base64: gzipSync(deduplicate(bytes), { level: 9 }).toString('base64') };
}

function deduplicate(bytes: Buffer): Buffer {
  const seen = new Map<string, number>();
  const parts: Buffer[] = [];
  let literal = 0;
  let at = 0;
  const emit = (copy: number, distance: number) => {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(at - literal);
    const tail = Buffer.alloc(8);
    tail.writeUInt32LE(copy);
    tail.writeUInt32LE(distance, 4);
    parts.push(head, bytes.subarray(literal, at), tail);
    at += copy;
    literal = at;
  };
  let indexed = 0;
  while (at + SHORTEST <= bytes.length) {
    // Every window behind us that starts at a multiple of its length can be copied from.
    for (; indexed + SHORTEST <= at; indexed += SHORTEST) {
      const window = bytes.toString('latin1', indexed, indexed + SHORTEST);
      if (!seen.has(window)) seen.set(window, indexed);
    }
    const from = seen.get(bytes.toString('latin1', at, at + SHORTEST));
    if (from === undefined) {
      at += 1;
      continue;
    }
    let length = SHORTEST;
    while (at + length < bytes.length && bytes[at + length] === bytes[from + length]) length += 1;
    emit(length, at - from);
  }
  at = bytes.length;
  emit(0, 1);
  return Buffer.concat(parts);
}
