/** The map as text: CSV, JSON as `virstor map --json` prints it, and a mapfile of GNU ddrescue. */

/** A run of the volume: what the engine's columns say about one row. */
export interface Run {
  start: bigint;
  length: bigint;
  /** 0 hole, 1 data, 2 lost: missing component, 3 lost: bad entry, 4 lost: no map, 5 lost: past the end, 6 lost: bad area. */
  state: number;
  component: number | null;
  /** First byte on the component. */
  offset: bigint | null;
}

/** Columns as the engine gives them. */
export interface Columns {
  start: BigUint64Array;
  length: BigUint64Array;
  state: Uint8Array;
  component: Uint16Array;
  offset: BigInt64Array;
}

const REASONS = ['', '', 'missing_component', 'bad_entry', 'no_map', 'past_end', 'bad_area'];
const WORDS = ['hole', 'data', 'lost: component missing', 'lost: bad map entry', 'lost: no map', 'lost: past the end', 'lost: bad area'];

export function runsOf(columns: Columns): Run[] {
  return Array.from(columns.start, (start, row) => ({
    start,
    length: columns.length[row]!,
    state: columns.state[row]!,
    component: columns.component[row] === 0xffff ? null : columns.component[row]!,
    offset: columns.offset[row] === -1n ? null : columns.offset[row]!,
  }));
}

export function stateOf(run: Run): 'hole' | 'data' | 'lost' {
  return run.state === 0 ? 'hole' : run.state === 1 ? 'data' : 'lost';
}

/** What a run is, for people. */
export function stateWords(run: Run): string {
  return WORDS[run.state] ?? 'unknown';
}

export const CSV_HEAD = 'start,length,state,component,physical_chunk,offset,reason\n';

export function csvLine(run: Run, chunkSize: bigint): string {
  const chunk = run.offset === null ? '' : run.offset / chunkSize;
  const cells = [run.start, run.length, stateOf(run), run.component ?? '', chunk, run.offset ?? '', REASONS[run.state]];
  return `${cells.join(',')}\n`;
}

/** An extent of `map --json`, with the same names in the same order. */
export function jsonExtent(run: Run, chunkSize: bigint): string {
  const parts = [`"start":${run.start}`, `"length":${run.length}`, `"state":"${stateOf(run)}"`];
  if (run.component !== null) parts.push(`"component":${run.component}`);
  if (run.offset !== null) parts.push(`"physical_chunk":${run.offset / chunkSize}`, `"offset":${run.offset}`);
  if (run.state > 1) parts.push(`"reason":"${REASONS[run.state]}"`);
  return `{${parts.join(',')}}`;
}

/** With `finished` when nothing is lost. */
export function mapfileHead(command: string, finished: boolean): string {
  const status = finished ? '+' : '?';
  return `# Mapfile. Made by the virstor inspector; the same set: ${command}\n# current_pos  current_status  current_pass\n0x00000000     ${status}               1\n#      pos        size  status\n`;
}

/** Lost ranges are bad sectors (`-`), data and holes are finished (`+`). */
export function mapfileLine(start: bigint, length: bigint, lost: boolean): string {
  return `0x${hex(start)}  0x${hex(length)}  ${lost ? '-' : '+'}\n`;
}

function hex(value: bigint): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}
