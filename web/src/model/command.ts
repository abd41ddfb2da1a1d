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
  const preferred = files.filter((file) => file.preferred).flatMap((file) => ['--prefer', file.label]);
  const names = files.slice(0, most).map(argument);
  const rest = files.length > most ? ' …' : '';
  return ['virstor', verb, ...[...options, ...preferred, ...names].map(quote)].join(' ') + rest;
}

/** A name that begins like an option is written as a path. */
function argument(file: NamedFile): string {
  const path = file.label.startsWith('-') ? `./${file.label}` : file.label;
  return file.sectorSize ? `${path}@${file.sectorSize}` : path;
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
