/** The line of the command line that does what the page does. */

/** A file as the program is told of it. */
export interface NamedFile {
  label: string;
  preferred?: boolean;
  sectorSize?: number;
}

/** `virstor VERB ...OPTIONS... FILE...`, quoted for a shell. At most `most` files are written out. */
export function commandLine(
  verb: string,
  files: readonly NamedFile[],
  options: readonly string[] = [],
  most = 12,
): string {
  const preferred = files.filter((file) => file.preferred).flatMap((file) => ['--prefer', path(file.label)]);
  const names = files.slice(0, most).map(argument);
  const rest = files.length > most ? ' …' : '';
  return ['virstor', verb, ...[...options, ...preferred, ...names].map(quote)].join(' ') + rest;
}

function argument(file: NamedFile): string {
  return file.sectorSize ? `${path(file.label)}@${file.sectorSize}` : path(file.label);
}

/** A name that begins like an option is written as a path. */
export function path(label: string): string {
  return label.startsWith('-') ? `./${label}` : label;
}

/** A stretch of a file: what a component is. */
export interface FileStretch {
  label: string;
  start: bigint;
  size: bigint;
  /** Whether it is all of the file. */
  whole: boolean;
}

/** Bytes of what comes by a pipe, in hexadecimal and as text. Every system that may have a virstor volume has it. */
const HEXDUMP = 'hexdump -Cv';

/** The bytes that `exported`, a line that writes to its standard output, gives. */
export function dumpOfExport(exported: string): string {
  return `${exported} | ${HEXDUMP}`;
}

/** Bytes of a stretch of a file. */
export function dumpOfFile({ label, start }: FileStretch, from: bigint, to: bigint): string {
  return `${HEXDUMP} -s ${start + from} -n ${to - from} ${quote(path(label))}`;
}

/**
 * Prints where `needle` is in what comes by a pipe, a line each, the number of the byte first. The program does not search:
 * grep does, in lines. NULs are made their ends, for a hole without one would be a line too long for it. So what is looked
 * for cannot have a NUL, nor the end of a line, which takes the NUL's place: `null`.
 */
function grep(needle: Uint8Array): string | null {
  if (needle.length === 0 || needle.includes(0) || needle.includes(0x0a)) return null;
  return `LC_ALL=C tr '\\0\\n' '\\n\\0' | LC_ALL=C grep -obaF -e ${quoteBytes(needle)}`;
}

/** Where bytes are in what `exported` writes to its standard output. */
export function searchOfExport(exported: string, needle: Uint8Array): string | null {
  const search = grep(needle);
  return search && `${exported} | ${search}`;
}

/** Where bytes are in a stretch of a file. */
export function searchOfFile({ label, start, size, whole }: FileStretch, needle: Uint8Array): string | null {
  const search = grep(needle);
  const file = quote(path(label));
  const stretch = whole ? `cat ${file}` : `tail -c +${start + 1n} ${file} | head -c ${size}`;
  return search && `${stretch} | ${search}`;
}

/** Bytes as a word for a shell. */
function quoteBytes(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) return quote(String.fromCharCode(...bytes));
  return `$'${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'`;
}

/** The runs as the page saves them in CSV: the program prints JSON. */
export function runsAsCsv(printed: string, head: string): string {
  const names = JSON.stringify(head.trim().split(','));
  return `${printed} | jq -r '${names} as $names | $names, (.[] | [.[$names[]]]) | map(. // "") | join(",")'`;
}

/** `--range START+LENGTH`, or nothing for everything. */
export function range(start: bigint, end: bigint, size: bigint): string[] {
  return start === 0n && end === size ? [] : ['--range', `${start}+${end - start}`];
}

/** `--volume NAME/ID` where there are several. */
export function volumeOption(volumes: readonly { name: string; id: number }[], index: number): string[] {
  const volume = volumes[index];
  return volumes.length > 1 && volume ? ['--volume', `${volume.name}/${volume.id}`] : [];
}

/** A word for a POSIX shell. */
export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
