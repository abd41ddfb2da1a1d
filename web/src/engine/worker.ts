/** The worker: owns the engine's session, answers one call after the other. */
import { Digest, type ImagePlan, type Picture as Cells, type Repair, type Runs as RunRows, Session, initSync } from './glue/virstor_wasm.js';
import { decode } from './cbor';
import { sentence } from './failures';
import { toJson } from './json';
import type { RepairPreview } from './documents';
import type { Call, Calls, Failure, ImageParts, IndexState, Method, Picture, Reply, Request, Runs, SearchState, Space } from './protocol';

declare const self: DedicatedWorkerGlobalScope;

/** Long work looks at its messages so often, in milliseconds. */
const PATIENCE = 30;

/**
 * The longest that a stream may give nothing before it counts as stuck, in milliseconds. Firefox on a busy machine was
 * seen to take more than ten seconds.
 */
const STALL = 30_000;

let session: Session;
/** The repair that was planned last. */
let planned: Repair | null = null;
const plans = new Map<number, ImagePlan>();
const hashes = new Map<number, Digest>();
/** Plans and hashes are numbered together. */
let lastPlan = 0;
const cancelled = new Set<number>();

/** Readers of streams: one that only a suspended function holds was seen to be collected, and never to answer. */
const readers = new Set<unknown>();

type Progress<M extends Method> = (progress: Calls[M]['progress']) => void;
type Handler<M extends Method> = (
  args: Calls[M]['args'],
  progress: Progress<M>,
  id: number,
) => Calls[M]['result'] | Promise<Calls[M]['result']>;

const handlers: { [M in Method]: Handler<M> } = {
  open([files, search, map], progress) {
    session.free();
    planned?.free();
    planned = null;
    session = new Session();
    plans.clear();
    for (const { file, size, label, provider, sectorSize, preferred } of files) {
      session.addFile(file, BigInt(size), label, provider, sectorSize, preferred ?? false);
    }
    session.look(search, map, stages('open', progress));
    return {
      info: document(session.info()),
      dump: document(session.dump()),
      records: document(session.records()),
      inputs: document(session.inputs()),
      whole: session.isWhole(),
    };
  },
  status: () => document(session.status()),
  check: (_, progress) => document(session.check(stages('check', progress))),
  json: ([verb], progress) => {
    const long = verb === 'check' || verb === 'report';
    return `${toJson(decode(long ? session[verb](stages('json', progress)) : session[verb]()))}\n`;
  },
  reportText: (_, progress) => session.reportText(stages('reportText', progress)),
  collect(_, progress) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const made = session.collect((piece: Uint8Array<ArrayBuffer>) => parts.push(piece), stages('collect', progress));
    return { document: document(made), blob: new Blob(parts, { type: 'application/octet-stream' }) };
  },
  repair([volume, { lossy, convertEndian }], progress) {
    planned?.free();
    planned = null;
    const repair = session.repair(volume, lossy, convertEndian, stages('repair', progress));
    planned = repair;
    const sectors = Array.from({ length: repair.sectors() }, (_, number) => ({
      file: repair.sectorFile(number),
      offset: repair.sectorOffset(number),
      before: repair.sectorBefore(number),
      after: repair.sectorAfter(number),
    }));
    const preview = document<Preview>(repair.preview());
    return { ...preview, sectors };
  },
  repairPlan: ([volume, { lossy, convertEndian }], progress) =>
    `${toJson(decode(session.repairPlan(volume, lossy, convertEndian, stages('repairPlan', progress))))}\n`,
  repairPicture: ([first, bits, cells]) => planned && pictureOf(planned.picture(first, bits, cells)),
  async index([volume], progress, id) {
    // Small steps at first, so that the first picture comes soon; each about as long as our patience.
    let step = 1n << 16n;
    for (;;) {
      const begun = performance.now();
      const state = indexState(session.indexStep(volume, step));
      const took = performance.now() - begun;
      if (state.done >= state.chunks) return state;
      progress(state);
      if (took < PATIENCE / 2 && step < 1n << 24n) step *= 2n;
      if (took > PATIENCE * 2 && step > 1n << 12n) step /= 2n;
      await breathe(id);
    }
  },
  indexState: ([volume]) => indexState(session.indexState(volume)),
  picture: ([volume, first, bits, cells]) => pictureOf(session.picture(volume, first, bits, cells)),
  lane: ([volume, component, first, bits, cells]) => session.lane(volume, component, first, bits, cells),
  owner: ([volume, component, chunk]) => session.owner(volume, component, chunk) ?? null,
  runs: ([volume, first, count]) => columns(first, session.runs(volume, first, count)),
  runAt: ([volume, position]) => session.runAt(volume, position) ?? null,
  extents: ([volume, start, end, count]) => columns(0n, session.extents(volume, start, end, count)),
  extentObjects: ([volume, start, end, count]) => document(session.extentObjects(volume, start, end, count)),
  totals: ([volume, start, end]) => document(session.totals(volume, start, end)),
  sizeOf: ([space]) => session.sizeOf(...where(space)),
  read([space, offset, length]) {
    const read = session.read(...where(space), offset, length);
    const pairs = read.lost();
    const lost: [bigint, bigint][] = [];
    for (let at = 0; at < pairs.length; at += 2) lost.push([pairs[at]!, pairs[at + 1]!]);
    const bytes = read.bytes();
    read.free();
    return { bytes, lost };
  },
  async search([space, start, end, needle, most], progress, id) {
    const search = session.search(...where(space), start, end, needle);
    const state: SearchState = { position: start, end, hits: [], full: false };
    try {
      let shown = performance.now();
      while (!search.isDone() && !state.full) {
        const hits = search.step();
        for (const hit of hits) {
          if (state.hits.length < most) state.hits.push(hit);
          else state.full = true;
        }
        state.position = search.position();
        if (performance.now() - shown > PATIENCE) {
          progress(state);
          await breathe(id);
          shown = performance.now();
        }
      }
      return state;
    } finally {
      search.free();
    }
  },
  fingerprint: () => session.fingerprint(64n << 20n),
  exportDocument: ([{ volume, start, end, format }, output]) =>
    document(session.exportDocument(volume, start, end, format, output)),
  imageBegin([{ volume, start, end, format, allowLost }]) {
    lastPlan += 1;
    plans.set(lastPlan, session.image(volume, start, end, format, allowLost));
    return lastPlan;
  },
  imageNext([number, count]): ImageParts {
    const plan = plans.get(number);
    if (!plan) throw failure('not-a-plan', 'the plan was forgotten when the files were opened again');
    const parts = plan.next(count);
    const columns = { file: parts.file(), offset: parts.offset(), length: parts.length(), bytes: parts.bytes() };
    parts.free();
    return columns;
  },
  imageEnd([number]) {
    plans.get(number)?.free();
    plans.delete(number);
    return null;
  },
  hashBegin() {
    lastPlan += 1;
    hashes.set(lastPlan, new Digest());
    return lastPlan;
  },
  async hashBlob([number, blob], progress, id) {
    let done = 0;
    let shown = performance.now();
    for await (const bytes of stream(blob)) {
      hash(number).update(bytes);
      done += bytes.length;
      if (performance.now() - shown > 100) {
        progress(done);
        shown = performance.now();
        await breathe(id);
      }
    }
    if (done !== blob.size) throw failure('changed', `${done} of ${blob.size} bytes came: a file has become shorter`);
    return null;
  },
  hashZeros([number, count]) {
    hash(number).zeros(count);
    return null;
  },
  hashEnd([number]) {
    const digest = hash(number);
    hashes.delete(number);
    const hex = digest.hex();
    digest.free();
    return hex;
  },
  figures: () => document(session.figures()),
};

type Preview = Omit<RepairPreview, 'json' | 'sectors'>;

/** A document of the engine; what is in it, its type says. */
function document<T>(bytes: Uint8Array): T {
  return decode(bytes) as T;
}

function hash(number: number): Digest {
  const digest = hashes.get(number);
  if (!digest) throw failure('not-a-plan', 'the hash was forgotten when the engine was started again');
  return digest;
}

/** The bytes of a blob, in pieces that are good until the next one is asked for. */
async function* stream(blob: Blob): AsyncGenerator<Uint8Array> {
  let reader: ReadableStreamBYOBReader | ReadableStreamDefaultReader<Uint8Array>;
  let byob = true;
  try {
    reader = blob.stream().getReader({ mode: 'byob' });
  } catch {
    reader = blob.stream().getReader();
    byob = false;
  }
  readers.add(reader);
  let buffer = new ArrayBuffer(1 << 20);
  try {
    for (;;) {
      const read: Promise<ReadableStreamReadResult<Uint8Array>> = byob
        ? ((reader as ReadableStreamBYOBReader).read(new Uint8Array(buffer)) as Promise<ReadableStreamReadResult<Uint8Array>>)
        : (reader as ReadableStreamDefaultReader<Uint8Array>).read();
      const { done, value } = await inTime(read);
      if (done) return;
      yield value;
      buffer = value.buffer as ArrayBuffer;
    }
  } finally {
    readers.delete(reader);
    // Nobody waits for what is left.
    reader.cancel().catch(() => {});
  }
}

function inTime<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stuck = () => reject(failure('browser', `the browser gave no bytes for ${STALL / 1000} seconds`));
    const timer = setTimeout(stuck, STALL);
    const settle = () => clearTimeout(timer);
    promise.then(resolve, (error: unknown) => reject(readFailure(error))).finally(settle);
  });
}

/** A failed stream: browsers have several words for a file that has changed. */
function readFailure(error: unknown): Failure {
  const name = error instanceof Error ? error.name : String(error);
  return failure('changed', `a file has changed since it was picked, or cannot be read (${name})`);
}

function stages<M extends 'open' | 'check' | 'json' | 'reportText' | 'collect' | 'repair' | 'repairPlan'>(_: M, progress: Progress<M>) {
  let shown = 0;
  return (stage: 'searching' | 'reading-map' | 'reading-data', label: string, done: bigint, all: bigint) => {
    const now = performance.now();
    if (now - shown < 50) return;
    shown = now;
    progress({ stage, label, done, all });
  };
}

function pictureOf(cells: Cells): Picture {
  const columns = { data: cells.data(), lost: cells.lost(), component: cells.component() };
  cells.free();
  return columns;
}

function indexState(state: IndexState & { free(): void }): IndexState {
  const { done, chunks, runs, data, hole, lost } = state;
  state.free();
  return { done, chunks, runs, data, hole, lost };
}

function columns(first: bigint, runs: RunRows): Runs {
  const table = {
    first,
    start: runs.start(),
    length: runs.length(),
    state: runs.state(),
    component: runs.component(),
    offset: runs.offset(),
  };
  runs.free();
  return table;
}

/** The space as the engine takes it. */
function where(space: Space): [kind: string, number: number, component: number] {
  if (space.kind === 'file') return ['file', space.file, 0];
  return [space.kind, space.volume, space.kind === 'component' ? space.component : 0];
}

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

/** Lets messages in; ends the call with an error when one of them has cancelled it. */
async function breathe(id: number): Promise<void> {
  // Not a timer: those wait for 4 ms when they follow each other.
  await new Promise<void>((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
  if (cancelled.delete(id)) throw failure('cancelled', 'cancelled');
}

function failure(code: string, message: string): Failure {
  return { code, message };
}

function reply(message: Reply): void {
  self.postMessage(message);
}

/** Whether the engine is broken for good: WebAssembly stops where it panics, and what it held is in no known state. */
function isTrap(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError || (error instanceof Error && /recursive use of an object/.test(error.message));
}

async function answer({ id, method, args }: Call): Promise<void> {
  try {
    const handler = handlers[method] as Handler<Method>;
    const result = await handler(args as never, (progress: unknown) => reply({ id, progress }), id);
    reply({ id, result });
  } catch (error) {
    if (isTrap(error)) reply({ trap: String(error) });
    else reply({ id, error: asFailure(error) });
  } finally {
    cancelled.delete(id);
  }
}

/** Refusals of the engine are documents with a code; anything else is the browser's. */
function asFailure(thrown: unknown): Failure {
  const error = thrown instanceof Uint8Array ? decode(thrown) : thrown;
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    const refusal = error as Failure;
    return { ...refusal, message: refusal.message ?? sentence(refusal) };
  }
  return failure('browser', error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}

self.onmessage = ({ data }: MessageEvent<Request>) => {
  if ('module' in data) begin(data.module);
  else if ('cancel' in data) cancelled.add(data.cancel);
  else void answer(data);
};

function begin(module: WebAssembly.Module): void {
  initSync({ module });
  session = new Session();
  reply({ ready: true });
}
