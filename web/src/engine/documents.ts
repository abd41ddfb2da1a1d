/**
 * The documents of the engine: those of the program's `--json`, field by field (the schemas are in
 * `wasi-cli/schemas`). Numbers of 64 bits are `bigint`, the others `number`; what is absent is `null`.
 */

export interface Info {
  /** The volumes, in the order in which their first component was given. */
  volumes: VolumeInfo[];
  /** Files that are no component of any of them. */
  other_files: OtherFile[];
}

export interface VolumeInfo {
  name: string;
  id: number;
  /** Size of the virtual device in bytes. */
  virtual_size: bigint;
  chunk_size: bigint;
  sector_size: number;
  component_count: number;
  complete: boolean;
  /** Numbers of the components that are not there. */
  missing: number[];
  virtual_chunks: bigint;
  allocated_chunks: bigint;
  physical_chunks: bigint;
  map: { byte_order: 'little' | 'big'; entries: bigint; bad_entries: bigint; unreadable_entries: bigint };
  components: ComponentInfo[];
  problems: { code: string; message: string; file: string | null }[];
  kernel: {
    taste: 'starts' | 'refuses' | 'panics';
    confxml: 'ok' | 'panics';
    reason: string;
    /** The device that appears, without `/dev/`. */
    device: string | null;
  };
}

export interface ComponentInfo {
  index: number;
  file: string;
  place: 'whole' | 'partition' | 'grown' | 'cut' | 'inside';
  partition: string | null;
  /** Its first byte in the file. */
  offset: bigint;
  size: bigint;
  sector_size: number;
  chunk_count: number;
  chunk_next: number;
  chunk_reserved: number;
  used_chunks: bigint;
  flags: string[];
  hardcoded: string | null;
  kernel_takes: boolean;
}

export interface OtherFile {
  file: string;
  reason: 'not_virstor' | 'empty' | 'unreadable' | 'unknown_version' | 'nonsensical_record';
  message: string;
}

export type Verdict = 'clean' | 'damaged' | 'unusable';
export type Severity = 'notice' | 'warning' | 'error' | 'fatal';

export interface Check {
  verdict: Verdict;
  findings: Finding[];
  unlisted: { code: string; count: bigint; volume: bigint | null }[];
  volumes: { name: string; id: number; verdict: Verdict }[];
}

export interface Finding {
  code: string;
  severity: Severity;
  hazard: string | null;
  invariant: string | null;
  message: string;
  freebsd: string;
  /** The volume by its place in `Check.volumes`, which may differ from its place in `Info.volumes`. */
  volume: bigint | null;
  file: string | null;
  component: number | null;
  physical_chunk: bigint | null;
  virtual_chunk: bigint | null;
  repair: 'safe' | 'lossy' | 'none';
}

export interface Dump {
  file: string;
  component_offset: bigint;
  record_offset: bigint;
  found: string | null;
  sector_size: number;
  size: bigint;
  magic: string;
  version: number;
  name: string;
  name_hex: string;
  virtual_size: bigint;
  chunk_size: number;
  id: number;
  component_count: number;
  hardcoded: string;
  hardcoded_hex: string;
  index: number;
  provsize: bigint;
  chunk_count: number;
  chunk_next: number;
  chunk_reserved: number;
  flags: number;
}

/** A record, field by field; one for each record found, in the order of `Dump`. */
export interface RecordInfo {
  file: string;
  /** Where the record stands in the file, in bytes. */
  offset: bigint;
  /** The volume it belongs to, by its place in `Info.volumes`. */
  volume: bigint | null;
  /** The number of the component it makes, if it makes one. */
  component: number | null;
  fields: Field[];
}

export interface Field {
  /** The kernel's name of it. */
  name: string;
  /** Where it stands in the file, in bytes. */
  offset: bigint;
  length: bigint;
  hex: string;
  value: string;
  meaning: string;
  /** Whether it says what it should; `null` where nothing else knows. */
  agrees: boolean | null;
  /** What it should say and by whom, where it does not. */
  expected: string | null;
}

export interface Status {
  xml: string;
  notes: { volume: string; provider: string; element: string; printed: string; meant: string }[];
  panic: string | null;
}

export interface Extent {
  start: bigint;
  length: bigint;
  state: 'data' | 'hole' | 'lost';
  component?: number;
  physical_chunk?: bigint;
  offset?: bigint;
  reason?: 'missing_component' | 'bad_entry' | 'no_map' | 'past_end' | 'bad_area';
}

export interface Totals {
  size: bigint;
  data: bigint;
  hole: bigint;
  lost: bigint;
  extents: bigint;
  components: { component: number; data: bigint }[];
}

export interface ExportDocument {
  output: string;
  format: 'raw' | 'qcow2' | 'packed';
  volume: string;
  id: number;
  start: bigint;
  size: bigint;
  data: bigint;
  hole: bigint;
  lost: bigint;
  lost_ranges: { start: bigint; length: bigint; reason: string; component: number | null }[];
}

/** A repair that was planned, and what would come of it. Nothing was written. */
export interface RepairPreview {
  verdict: Verdict;
  verdict_after: Verdict;
  plan: SavedPlan;
  /** Why planning ended early, if it did: what the steps that would come next would lose. */
  declined: string | null;
  /** The findings that are left. */
  left: Finding[];
  /** The set after. */
  info_after: Info;
  /** The last sectors of components that change, whole. */
  sectors: { file: string; offset: bigint; before: Uint8Array; after: Uint8Array }[];
}

export interface SavedPlan {
  format: string;
  version: number;
  verb: string;
  volume: string;
  name: string;
  id: number;
  disks: {
    file: string;
    file_size: bigint;
    start: bigint;
    length: bigint;
    guards: { offset: bigint; length: bigint; hash: string }[];
  }[];
  steps: PlanStep[];
}

export interface PlanStep {
  number: bigint;
  /** The codes of the findings it answers. */
  codes: string[];
  action: string;
  lossy: boolean;
  why: string;
  freebsd: string;
  bytes: bigint;
  patches: PlanPatch[];
}

export interface PlanPatch {
  kind: 'write' | 'zero' | 'copy' | 'barrier';
  /** The disk by its place in `disks`; offsets count from its first byte. */
  disk?: number;
  offset?: bigint;
  length?: bigint;
  from_disk?: number;
  from_offset?: bigint;
  /** In hexadecimal. */
  before?: string;
  after?: string;
}

/** What went into a specimen (`virstor collect --json`). */
export interface Collect {
  output: string;
  files: bigint;
  described: bigint;
  entries: bigint;
  unreadable: bigint;
  size: bigint;
}
