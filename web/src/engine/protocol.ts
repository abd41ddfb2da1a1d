/**
 * What the page and its workers say to each other. A call is answered once, with a result or an error; before
 * that there may be any number of progress messages.
 */
import type { Check, Collect, Dump, ExportDocument, Extent, Info, RecordInfo, RepairPreview, Status, Totals } from './documents';

/** A file as it was picked: size and time are those of that moment. */
export interface WireFile {
  file: File;
  /** How it is shown: its path within what was dropped. */
  label: string;
  /** What FreeBSD would call it. */
  provider: string;
  size: number;
  lastModified: number;
  sectorSize?: number;
  /** Goes first where several claim the same place. */
  preferred?: boolean;
}

/** A file that is looked through. */
export interface InputFile {
  label: string;
  size: bigint;
  /** Whether it comes from a specimen: then what the volume holds is not in it. */
  specimen: boolean;
}

/** What bytes are asked of. */
export type Space =
  | { kind: 'volume'; volume: number }
  | { kind: 'component'; volume: number; component: number }
  | { kind: 'file'; file: number };

/** What is known at once when files were opened. */
export interface Opened {
  info: Info;
  dump: Dump[];
  records: RecordInfo[];
  /** The files as they are looked through: for a specimen, those that it stands for. Engine calls number these. */
  inputs: InputFile[];
  /**
   * Whether maps were read, and files searched, to their ends; else counts in `info` are of a part of the map, and there
   * may be records that were not found. What replaces it comes later.
   */
  whole: boolean;
}

/** How far the index of a map is (chunks, runs) and what it has found (bytes). */
export interface IndexState {
  done: bigint;
  chunks: bigint;
  runs: bigint;
  data: bigint;
  hole: bigint;
  lost: bigint;
}

/**
 * Cells of a picture of the virtual device, shares in 255ths: 0 is none of it, 255 is all of it. Shorter than asked
 * for where the volume ends, or where the index has not got yet.
 */
export interface Picture {
  data: Uint8Array;
  lost: Uint8Array;
  /** The component that has the data of the cell, or most of it; 65535: no data. */
  component: Uint16Array;
}

/** Rows of the table of runs, as columns. */
export interface Runs {
  /** Number of the first row. */
  first: bigint;
  start: BigUint64Array;
  length: BigUint64Array;
  /** 0 hole, 1 data, 2 lost: missing component, 3 lost: bad entry, 4 lost: no map, 5 lost: past the end, 6 lost: bad area. */
  state: Uint8Array;
  /** 65535: none. */
  component: Uint16Array;
  /** Bytes from the start of the component; -1n: none. */
  offset: BigInt64Array;
}

export interface Bytes {
  bytes: Uint8Array;
  /** The lost ones among them, which are zeros: [start, length] each. */
  lost: [bigint, bigint][];
}

export interface SearchState {
  position: bigint;
  end: bigint;
  /** Offsets of all hits so far, at most as many as were asked for. */
  hits: bigint[];
  /** Whether the search ended because there were enough of them. */
  full: boolean;
}

export type ImageFormat = 'raw' | 'qcow2' | 'packed';

export interface ImageRequest {
  volume: number;
  start: bigint;
  end: bigint;
  format: ImageFormat;
  /** Whether lost bytes become zeros; else they are an error. */
  allowLost: boolean;
}

/** Parts of an image, as columns. */
export interface ImageParts {
  /** -1: zeros; -2: `bytes`; else the number of a file. */
  file: Int32Array;
  offset: BigUint64Array;
  length: BigUint64Array;
  bytes: Uint8Array;
}

/** Long work, as far as the engine tells: both numbers in bytes. */
export interface Stage {
  stage: 'searching' | 'reading-map' | 'reading-data' | 'hashing' | 'exporting';
  label: string;
  done: bigint;
  all: bigint;
}

/** What a repair may do beside what harms nobody. */
export interface Allowed {
  /** Give something up for good. */
  lossy: boolean;
  /** Make the map of a big-endian machine little-endian. */
  convertEndian: boolean;
}

/** Every call that a worker answers: its arguments, its result, its progress. */
export interface Calls {
  open: { args: [files: WireFile[], search: bigint, map: bigint]; result: Opened; progress: Stage };
  status: { args: []; result: Status; progress: never };
  check: { args: []; result: Check; progress: Stage };
  json: { args: [verb: 'info' | 'dump' | 'status' | 'check' | 'report']; result: string; progress: Stage };
  /** What `virstor report` prints. */
  reportText: { args: []; result: string; progress: Stage };
  /** The specimen that `virstor collect` makes, and the document about it. */
  collect: { args: []; result: { document: Collect; blob: Blob }; progress: Stage };
  /** Plans a repair. */
  repair: { args: [volume: number, allowed: Allowed]; result: RepairPreview; progress: Stage };
  /** The same plan as `virstor repair --plan-out` saves it, for `--apply-plan`: bound to the chunks that it copies, too. */
  repairPlan: { args: [volume: number, allowed: Allowed]; result: string; progress: Stage };
  /** A picture of the volume as the last plan would make it; empty when there is none. */
  repairPicture: { args: [first: bigint, bits: number, cells: number]; result: Picture | null; progress: never };
  index: { args: [volume: number]; result: IndexState; progress: IndexState };
  indexState: { args: [volume: number]; result: IndexState; progress: never };
  picture: { args: [volume: number, first: bigint, bits: number, cells: number]; result: Picture; progress: never };
  lane: {
    args: [volume: number, component: number, first: bigint, bits: number, cells: number];
    result: Uint8Array;
    progress: never;
  };
  owner: { args: [volume: number, component: number, chunk: bigint]; result: bigint | null; progress: never };
  runs: { args: [volume: number, first: bigint, count: number]; result: Runs; progress: never };
  runAt: { args: [volume: number, position: bigint]; result: bigint | null; progress: never };
  extents: { args: [volume: number, start: bigint, end: bigint, count: number]; result: Runs; progress: never };
  extentObjects: { args: [volume: number, start: bigint, end: bigint, count: number]; result: Extent[]; progress: never };
  totals: { args: [volume: number, start: bigint, end: bigint]; result: Totals; progress: never };
  sizeOf: { args: [space: Space]; result: bigint; progress: never };
  read: { args: [space: Space, offset: bigint, length: number]; result: Bytes; progress: never };
  search: {
    args: [space: Space, start: bigint, end: bigint, needle: Uint8Array, most: number];
    result: SearchState;
    progress: SearchState;
  };
  fingerprint: { args: []; result: string; progress: never };
  exportDocument: { args: [request: ImageRequest, output: string]; result: ExportDocument; progress: never };
  imageBegin: { args: [request: ImageRequest]; result: number; progress: never };
  imageNext: { args: [plan: number, count: number]; result: ImageParts; progress: never };
  imageEnd: { args: [plan: number]; result: null; progress: never };
  /** Begins a SHA-256; blobs and zeros follow in order, as often as there are any. Gives its number. */
  hashBegin: { args: []; result: number; progress: never };
  /** Progress: bytes of this blob that are done. */
  hashBlob: { args: [hash: number, blob: Blob]; result: null; progress: number };
  hashZeros: { args: [hash: number, count: bigint]; result: null; progress: never };
  /** The digest in hexadecimal. */
  hashEnd: { args: [hash: number]; result: string; progress: never };
  figures: { args: []; result: { memory: bigint; fetches: bigint }; progress: never };
}

export type Method = keyof Calls;

export type Call = { [M in Method]: { id: number; method: M; args: Calls[M]['args'] } }[Method];

/** From the page. The module comes first. */
export type Request = { module: WebAssembly.Module } | Call | { cancel: number };

/** From a worker. */
export type Reply =
  | { id: number; result: unknown }
  | { id: number; error: Failure }
  | { id: number; progress: unknown }
  | { ready: true }
  | { trap: string };

/**
 * Why a call gave nothing. `code` tells the kinds apart: those of the engine (`crates/virstor-wasm/src/error.rs`:
 * `io`, `out-of-range`, `no-such-volume`, `lost`, `format` ...), and
 * - `cancelled`: as asked for;
 * - `engine-stopped`: the engine trapped or its worker died; it was started again, the call may be repeated;
 * - `engine-missing`: the engine cannot be started at all in this browser;
 * - `changed`: a file has changed since it was picked (`file`);
 * - `too-fragmented`: the image has too many parts to be composed by reference (`most`);
 * - `nothing-picked`: there was no file in what was picked or dropped;
 * - `browser`: the browser refused something (`reason`).
 */
export interface Failure {
  code: string;
  /** A sentence for people. */
  message: string;
  file?: string;
  offset?: bigint;
  len?: bigint;
  reason?: string;
  [detail: string]: unknown;
}
