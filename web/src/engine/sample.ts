/**
 * The sample volume: a UFS2 file system on three components, made by FreeBSD's own code. It is part of the page, so
 * that looking at it takes no network.
 */
import packed from 'virtual:sample';
import type { WireFile } from './protocol';
import { wireFile } from './files';

/** The components. */
export async function sample(): Promise<WireFile[]> {
  const compressed = Uint8Array.from(atob(packed.base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream('gzip'));
  const bytes = unpack(new Uint8Array(await new Response(stream).arrayBuffer()), packed.length);
  let start = 0;
  return packed.files.map(({ name, size }) => {
    start += size;
    const file = new File([bytes.slice(start - size, start)], name, { lastModified: 0 });
    return wireFile(file, `sample/${name}`);
  });
}

/**
 * Literal bytes and copies of what came before, in turn: [length, bytes, length, distance], numbers little-endian with
 * 32 bits. Gzip cannot see back as far as this content repeats.
 */
function unpack(packedBytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(packedBytes.buffer, packedBytes.byteOffset);
  const out = new Uint8Array(length);
  let from = 0;
  let to = 0;
  while (to < length) {
    const literal = view.getUint32(from, true);
    out.set(packedBytes.subarray(from + 4, from + 4 + literal), to);
    from += 4 + literal;
    to += literal;
    const copy = view.getUint32(from, true);
    const distance = view.getUint32(from + 4, true);
    from += 8;
    for (const end = to + copy; to < end; to += 1) out[to] = out[to - distance]!;
  }
  return out;
}
