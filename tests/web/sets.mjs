/** Large sets that take little room, labelled here: a third hand that writes the format. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SECTOR = 512;

/**
 * Makes a set of sparse components in `folder` and gives the paths of its files. `allocated` tells which virtual chunks
 * have a physical one; those are handed out from component 0 on, in order.
 *
 * @param {string} folder
 * @param {{ name: string, chunkSize: number, chunks: number, components: number[], allocated?: (chunk: number) => boolean }} set
 */
export function makeSet(folder, { name, chunkSize, chunks, components, allocated = () => false }) {
  const reserved = 2 * Math.ceil((chunks * 8) / chunkSize);
  const room = components.map((size) => Math.floor((size - SECTOR) / chunkSize));
  const next = room.map((_, index) => (index === 0 ? reserved : 0));
  const paths = components.map((_, index) => join(folder, `${name}${index}`));
  const first = openSync(paths[0], 'w');
  ftruncateSync(first, components[0]);
  let at = 0;
  const block = Buffer.alloc(1 << 22);
  for (let start = 0; start < chunks; start += block.length / 8) {
    block.fill(0);
    let some = false;
    for (let chunk = start; chunk < Math.min(chunks, start + block.length / 8); chunk += 1) {
      if (!allocated(chunk)) continue;
      while (next[at] === room[at]) at += 1;
      const place = (chunk - start) * 8;
      block.writeUInt16LE(1, place);
      block.writeUInt16LE(at, place + 2);
      block.writeUInt32LE(next[at], place + 4);
      next[at] += 1;
      some = true;
    }
    if (some) writeSync(first, block, 0, Math.min(block.length, (chunks - start) * 8), start * 8);
  }
  closeSync(first);
  components.forEach((size, index) => {
    const file = openSync(paths[index], index === 0 ? 'r+' : 'w');
    ftruncateSync(file, size);
    const record = Buffer.alloc(92);
    record.write('GEOM::VIRSTOR', 0);
    record.writeUInt32LE(1, 0x10);
    record.write(name, 0x14);
    record.writeBigUInt64LE(BigInt(chunks) * BigInt(chunkSize), 0x24);
    record.writeUInt32LE(chunkSize, 0x2c);
    record.writeUInt32LE(7, 0x30);
    record.writeUInt16LE(components.length, 0x34);
    record.writeUInt16LE(index, 0x46);
    record.writeBigUInt64LE(BigInt(size), 0x48);
    record.writeUInt32LE(room[index], 0x50);
    record.writeUInt32LE(next[index], 0x54);
    record.writeUInt16LE(index === 0 ? reserved : 0, 0x58);
    record.writeUInt16LE((next[index] > (index === 0 ? reserved : 0) ? 1 : 0) | (index === at ? 2 : 0), 0x5a);
    writeSync(file, record, 0, record.length, size - SECTOR);
    closeSync(file);
  });
  return paths;
}
