/**
 * Exports: the engine plans which bytes of which file follow each other, the browser puts them together. No data
 * passes through memory but where its SHA-256 is taken.
 *
 * Two ways lead out. Everywhere, a `Blob` is composed of slices of the files, by reference, and downloaded. Where the
 * browser can write files (`showSaveFilePicker`), a sparse file is written, with no limit on the number of parts.
 */
import type { ExportDocument } from './documents';
import type { Engine } from './engine';
import { EngineError } from './failures';
import { changed } from './files';
import type { ImageParts, ImageRequest } from './protocol';

/** The most parts of a composed blob: each takes the browser about 20 kB and 0.3 ms. */
export const MOST_PARTS = 16_384;

/** Parts that are planned at once. */
const PAGE = 8192;

/** Bytes between two moments at which an export can be stopped. */
const PIECE = 64 << 20;

/** Zeros that blobs of them are made of: this much memory, whatever their number. */
const ZEROS = 8 << 20;

export interface ExportOptions {
  /** Name of the image. */
  name: string;
  /** Whether to take its SHA-256. Reads everything once. */
  sha256: boolean;
  signal?: AbortSignal;
  progress?: (progress: ExportProgress) => void;
}

export interface ExportProgress {
  what: 'planning' | 'hashing' | 'writing';
  /** Bytes of the image. */
  done: bigint;
  all: bigint;
  /** Bytes per second since the last but a few of these. */
  speed: number;
}

/** What an image is and what it came from: saved beside it as JSON. */
export interface Manifest {
  export: ExportDocument;
  /** Length of the image as a file, in bytes. */
  length: bigint;
  sha256: string | null;
  files: { file: string; size: number; last_modified: number }[];
  /** SHA-256 over the records and maps, the same before and after. */
  metadata_sha256: string;
}

/** Whether this browser can write sparse files. */
export function canWriteFiles(): boolean {
  return 'showSaveFilePicker' in globalThis;
}

/** The image as a blob, composed by reference. */
export async function composeImage(
  engine: Engine,
  request: ImageRequest,
  options: ExportOptions,
): Promise<{ blob: Blob; manifest: Manifest }> {
  const parts: BlobPart[] = [];
  const job = new Job(engine, request, options);
  const manifest = await job.perform(async (part) => {
    if (part.blob) parts.push(part.blob);
    else for (const zeros of zeroBlobs(part.zeros)) parts.push(zeros);
    if (parts.length > MOST_PARTS) throw tooFragmented();
  });
  return { blob: new Blob(parts, { type: 'application/octet-stream' }), manifest };
}

/**
 * Writes the image into `handle`, zeros as holes. What was there before stays until the end; when the export fails or
 * is stopped, for good.
 */
export async function writeImage(
  engine: Engine,
  request: ImageRequest,
  handle: FileSystemFileHandle,
  options: ExportOptions,
): Promise<Manifest> {
  const job = new Job(engine, request, options);
  const target = await handle.createWritable();
  let position = 0;
  try {
    const manifest = await job.perform(async (part) => {
      if (part.blob) {
        await target.write({ type: 'write', position, data: part.blob });
        position += part.blob.size;
      } else {
        position += Number(part.zeros);
      }
    });
    await target.truncate(position);
    await target.close();
    return manifest;
  } catch (error) {
    await target.abort().catch(() => {});
    throw asEngineError(error);
  }
}

/** Hands a blob to the browser to save. */
export function download(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken hold of the blob by then; a minute is for those that ask the user first.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A stretch of an image. */
type Part = { blob: Blob; zeros?: undefined } | { blob?: undefined; zeros: bigint };

class Job {
  #done = 0n;
  #all = 0n;
  #marks: { at: number; done: bigint }[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly request: ImageRequest,
    private readonly options: ExportOptions,
  ) {}

  /** Plans the image and hands its parts to `take`, in order, while they are hashed. */
  async perform(take: (part: Part) => Promise<void>): Promise<Manifest> {
    const { engine, request, options } = this;
    const { signal } = options;
    await this.#unchanged();
    const before = await engine.fingerprint();
    await this.#sameRecords(before);
    const document = await engine.call('exportDocument', [request, options.name], { signal });
    this.#all = request.format === 'raw' ? document.size : document.data;
    const plan = await engine.call('imageBegin', [request], { signal });
    try {
      const hash = options.sha256 ? await engine.call('hashBegin', []) : null;
      for (;;) {
        const page = await engine.call('imageNext', [plan, PAGE], { signal });
        if (page.file.length === 0) break;
        for (const part of this.#parts(page)) {
          if (signal?.aborted) throw new EngineError({ code: 'cancelled', message: 'cancelled' });
          await Promise.all([take(part), hash === null ? null : this.#hash(hash, part)]);
          this.#tell(part.blob ? BigInt(part.blob.size) : part.zeros);
        }
      }
      const sha256 = hash === null ? null : await engine.call('hashEnd', [hash]);
      await this.#unchanged();
      await this.#sameRecords(before);
      return {
        export: document,
        length: this.#done,
        sha256,
        files: engine.files.map(({ label, size, lastModified }) => ({ file: label, size, last_modified: lastModified })),
        metadata_sha256: before,
      };
    } catch (error) {
      throw asEngineError(error);
    } finally {
      void engine.call('imageEnd', [plan]).catch(() => {});
    }
  }

  /** The parts of a page of the plan, none longer than a piece. */
  *#parts({ file, offset, length, bytes }: ImageParts): Generator<Part> {
    for (let row = 0; row < file.length; row += 1) {
      const len = length[row]!;
      if (file[row] === -1) {
        for (let rest = len; rest > 0n; ) {
          const zeros = rest < BigInt(PIECE) ? rest : BigInt(PIECE);
          yield { zeros: this.options.sha256 ? zeros : rest };
          rest -= this.options.sha256 ? zeros : rest;
        }
        continue;
      }
      const start = Number(offset[row]!);
      const end = start + Number(len);
      const source: Blob = file[row] === -2 ? new Blob([bytes.slice(start, end) as BlobPart]) : this.engine.files[file[row]!]!.file;
      const from = file[row] === -2 ? 0 : start;
      for (let at = from; at < from + end - start; at += PIECE) {
        yield { blob: source.slice(at, Math.min(at + PIECE, from + end - start)) };
      }
    }
  }

  async #hash(hash: number, part: Part): Promise<void> {
    const { signal } = this.options;
    if (part.blob) await this.engine.call('hashBlob', [hash, part.blob], { signal });
    else await this.engine.call('hashZeros', [hash, part.zeros], { signal });
  }

  #tell(bytes: bigint): void {
    this.#done += bytes;
    const now = performance.now();
    this.#marks.push({ at: now, done: this.#done });
    while (this.#marks.length > 16) this.#marks.shift();
    const first = this.#marks[0]!;
    const speed = now > first.at ? (Number(this.#done - first.done) * 1000) / (now - first.at) : 0;
    const all = this.#all > this.#done ? this.#all : this.#done;
    this.options.progress?.({ what: this.options.sha256 ? 'hashing' : 'writing', done: this.#done, all, speed });
  }

  /** The records and maps are read again: not every browser tells when a file changes. */
  async #sameRecords(before: string): Promise<void> {
    const now = await this.engine.call('fingerprint', [], { signal: this.options.signal });
    if (now === before) return;
    const message = 'the records or maps have changed since the files were opened; open them again';
    throw new EngineError({ code: 'changed', message });
  }

  async #unchanged(): Promise<void> {
    const [first] = await changed(this.engine.files);
    if (!first) return;
    const message = `${first.label} has changed since it was picked, or is gone; pick it again`;
    throw new EngineError({ code: 'changed', message, file: first.label });
  }
}

/**
 * Blobs of zeros, of sizes that are powers of two and kept: referring to a whole blob takes no memory, referring to a
 * part of one that is in memory was measured to copy it.
 */
function* zeroBlobs(count: bigint): Generator<Blob> {
  let rest = count;
  for (let size = ZEROS; rest > 0n; size /= 2) {
    for (; rest >= BigInt(size); rest -= BigInt(size)) {
      let zeros = kept.get(size);
      if (!zeros) kept.set(size, (zeros = new Blob([new Uint8Array(size)])));
      yield zeros;
    }
  }
}

const kept = new Map<number, Blob>();

function tooFragmented(): EngineError {
  const message = `the image has more than ${MOST_PARTS} parts; a browser that can write files, qcow2, or the program (virstor export) can do it`;
  return new EngineError({ code: 'too-fragmented', message, most: MOST_PARTS });
}

/** What the browser throws while it writes, in our words. */
function asEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const name = error instanceof DOMException || error instanceof Error ? error.name : String(error);
  if (name === 'AbortError') return new EngineError({ code: 'cancelled', message: 'cancelled' });
  if (name === 'NotReadableError' || name === 'NotFoundError') {
    return new EngineError({ code: 'changed', message: `a file has changed since it was picked, or is gone (${name})` });
  }
  const words = name === 'QuotaExceededError' ? 'there is no room for the image' : `the browser refused (${name})`;
  return new EngineError({ code: 'browser', message: words, reason: name });
}
