/**
 * The engine as the page sees it. Two workers hold the same files: one answers what is looked at, at once; the other
 * does what takes long (checking, searching, hashing, exporting), so that the page never waits for it.
 */
import { Channel, type Options } from './channel';
import { EngineError } from './failures';
import type { Calls, Method, Opened, WireFile } from './protocol';

/** Maps longer than this are not read before something is shown: 4 million chunks. */
const MAP_BUDGET = 32n << 20n;

/** All of a map. */
const WHOLE_MAP = 1n << 63n;

/** What takes long. */
const LONG: ReadonlySet<Method> = new Set<Method>([
  'status', 'check', 'json', 'search', 'fingerprint', 'exportDocument', 'imageBegin', 'imageNext', 'imageEnd',
  'hashBegin', 'hashBlob', 'hashZeros', 'hashEnd', 'totals',
]);

export class Engine {
  #files: WireFile[] = [];
  #front: Channel;
  #back: Channel;
  /** Settles when the worker for long work has the files. */
  #behind: Promise<Opened> | null = null;
  #opened: Promise<unknown> | null = null;
  #opening = false;

  /** `restarted` is called when a worker had to be replaced; the files are open again when it resolves. */
  constructor(private readonly restarted: (reason: string, reopened: Promise<unknown>) => void = () => {}) {
    this.#front = new Channel((reason) => {
      // Files that could not be opened, or were not to be, are not tried again.
      if (this.#opening) this.#files = [];
      this.#opened = this.#front.call('open', [this.#files, MAP_BUDGET]);
      this.restarted(reason, this.#opened);
    });
    this.#back = new Channel(() => {
      this.#behind = null;
    });
  }

  get files(): readonly WireFile[] {
    return this.#files;
  }

  /**
   * Opens files in place of those that were open. Resolves as soon as there is something to show; `whole` tells
   * whether the maps were read to their ends (see `everything`).
   */
  async open(files: WireFile[], options: Options<'open'> = {}): Promise<Opened> {
    this.#files = files;
    this.#back.stop();
    this.#behind = null;
    const opened = this.#front.call('open', [files, MAP_BUDGET], options);
    this.#opened = opened;
    this.#opening = true;
    try {
      return await opened;
    } finally {
      this.#opening = false;
    }
  }

  /** What `open` gives when it has read the maps of all volumes to their ends. */
  everything(options: Options<'open'> = {}): Promise<Opened> {
    if (!this.#behind) {
      this.#behind = this.#back.call('open', [this.#files, WHOLE_MAP], options);
      // Who asks for it again gets another try.
      this.#behind.catch(() => {
        this.#behind = null;
      });
    }
    return this.#behind;
  }

  /** Asks the engine. Long work waits for its own worker to have the files. */
  async call<M extends Method>(method: M, args: Calls[M]['args'], options: Options<M> = {}): Promise<Calls[M]['result']> {
    if (LONG.has(method)) {
      await this.everything();
      return this.#back.call(method, args, options);
    }
    // After a restart the files have to be there first.
    await this.#opened?.catch(() => {});
    return this.#front.call(method, args, options);
  }

  /** Ends a worker as if it had crashed: for tests. */
  kill(which: 'front' | 'back'): void {
    if (which === 'back') {
      this.#back.stop();
      this.#behind = null;
      return;
    }
    this.#front.stop();
    this.#opened = this.#front.call('open', [this.#files, MAP_BUDGET]);
    this.restarted('killed', this.#opened);
  }
}

export { EngineError };
