/** Rows of a hex dump, selections in it, and what people type when they search. */

/** The row that a byte is in, and how far the view may go down. */
export function rowOf(offset: bigint, width: number): bigint {
  return offset / BigInt(width);
}

/** The first row to show so that `row` is within sight: a step moves as little as possible, a leap shows what is around. */
export function revealed(first: bigint, row: bigint, visible: number): bigint {
  const page = BigInt(visible);
  if (row < first - page || row > first + 2n * page) return row - page / 3n;
  if (row < first) return row;
  const last = first + BigInt(visible) - 1n;
  return row > last ? row - BigInt(visible) + 1n : first;
}

/** `first` held within what there is. */
export function clampRow(first: bigint, size: bigint, width: number, visible: number): bigint {
  const rows = (size + BigInt(width) - 1n) / BigInt(width);
  const last = rows > BigInt(visible) ? rows - BigInt(visible) : 0n;
  return first < 0n ? 0n : first > last ? last : first;
}

/** How many hexadecimal digits every address below `size` has, at least 8. */
export function addressDigits(size: bigint): number {
  const last = size > 0n ? size - 1n : 0n;
  return Math.max(8, Math.ceil(last.toString(16).length / 2) * 2);
}

export function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** The character of a byte, where ASCII has one that is seen. */
export function asciiByte(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·';
}

/** Where a selection starts and ends (first byte, first byte behind), whichever end was set first. */
export function span(anchor: bigint, focus: bigint): [bigint, bigint] {
  return anchor <= focus ? [anchor, focus + 1n] : [focus, anchor + 1n];
}

export type CopyForm = 'hex' | 'text' | 'dump' | 'rust';

/** The bytes in a form to paste; `start` is the address of the first. */
export function copied(bytes: Uint8Array, start: bigint, form: CopyForm): string {
  const hex = Array.from(bytes, hexByte);
  if (form === 'hex') return hex.join(' ');
  if (form === 'text') return Array.from(bytes, asciiByte).join('');
  if (form === 'rust') return `[${hex.map((byte) => `0x${byte}`).join(', ')}]`;
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const address = (start + BigInt(at)).toString(16).padStart(8, '0');
    const cells = Array.from(row, hexByte).join(' ').padEnd(47);
    lines.push(`${address}  ${cells}  |${Array.from(row, asciiByte).join('')}|`);
  }
  return lines.join('\n');
}

/** What is searched for: `"text"` or text as UTF-8, or bytes as `hex`; `null` when the bytes are no bytes. */
export function needle(text: string, kind: 'text' | 'hex'): Uint8Array<ArrayBuffer> | null {
  if (kind === 'text') return text === '' ? null : new TextEncoder().encode(text);
  const digits = text.replace(/0x|[\s,:]/gi, '');
  if (digits === '' || digits.length % 2 === 1 || /[^0-9a-f]/i.test(digits)) return null;
  return Uint8Array.from(digits.match(/../g)!, (pair) => parseInt(pair, 16));
}

/** Numbers that start at a byte, both byte orders: what a reader of a dump wants to know. */
export function readings(bytes: Uint8Array): { label: string; value: string }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows: { label: string; value: string }[] = [];
  const add = (label: string, value: bigint | number) => rows.push({ label, value: value.toString() });
  if (bytes.length >= 1) add('u8', view.getUint8(0));
  if (bytes.length >= 2) add('u16 le', view.getUint16(0, true));
  if (bytes.length >= 4) add('u32 le', view.getUint32(0, true));
  if (bytes.length >= 8) add('u64 le', view.getBigUint64(0, true));
  if (bytes.length >= 2) add('u16 be', view.getUint16(0, false));
  if (bytes.length >= 4) add('u32 be', view.getUint32(0, false));
  if (bytes.length >= 8) add('u64 be', view.getBigUint64(0, false));
  return rows;
}
