/**
 * The engine as the page sees it. Two workers hold the same files: one answers what is looked at, at once; the other
 * does what takes long (checking, searching, hashing, exporting), so that the page never waits for it.
 */
import { Channel, type Options } from './channel';
import { EngineError } from './failures';
import type { Calls, Method, Opened, WireFile } from './protocol';

/** So much of a file without a record, and of a map, is read before something is shown. */
const GLANCE: [search: bigint, map: bigint] = [32n << 20n, 1n << 20n];

/** All of it. */
const WHOLE: [search: bigint, map: bigint] = [1n << 63n, 1n << 63n];

/** What takes long. */
const LONG: ReadonlySet<Method> = new Set<Method>([
  'status', 'check', 'json', 'reportText', 'collect', 'repair', 'repairPlan', 'repairPicture', 'search', 'fingerprint', 'exportDocument', 'imageBegin', 'imageNext', 'imageEnd',
  'hashBegin', 'hashBlob', 'hashZeros', 'hashEnd', 'totals',
]);

export class Engine {
  #files: WireFile[] = [];
  #front: Channel;
  #back: Channel;
  /** Settles when the worker for long work has the files. */
  #behind: Promise<Opened> | null = null;
  #fingerprint: Promise<string> | null = null;
  #opened: Promise<unknown> | null = null;
  /** Counts what was opened; `#settled` is the last that came to an end. */
  #turn = 0;
  #settled = 0;

  /** `restarted` is called when a worker had to be replaced; the files are open again when it resolves. */
  constructor(private readonly restarted: (reason: string, reopened: Promise<unknown>) => void = () => {}) {
    this.#front = new Channel((reason) => {
      // Files that could not be opened, or were not to be, are not tried again.
      if (this.#settled < this.#turn) this.#files = [];
      this.#reopen(reason, GLANCE);
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
   * whether that is all (see `everything`).
   */
  async open(files: WireFile[], options: Options<'open'> = {}): Promise<Opened> {
    this.#files = files;
    this.#turn += 1;
    const turn = this.#turn;
    // What is under way is about files that nobody asks for any more.
    for (const channel of [this.#front, this.#back]) {
      if (channel.busy) channel.stop({ code: 'cancelled', message: 'other files were opened' });
    }
    [this.#behind, this.#fingerprint] = [null, null];
    const opened = this.#front.call('open', [files, ...GLANCE], options);
    this.#opened = opened;
    try {
      return await opened;
    } finally {
      this.#settled = Math.max(this.#settled, turn);
    }
  }

  /** What `open` gives when it has read all maps, and searched all files, to their ends. */
  everything(options: Options<'open'> = {}): Promise<Opened> {
    if (!this.#behind) {
      const behind = this.#back.call('open', [this.#files, ...WHOLE], options);
      this.#behind = behind;
      this.#fingerprint ??= behind.then(() => this.#back.call('fingerprint', []));
      // Who asks for it hears of it.
      this.#fingerprint.catch(() => {});
      behind.catch(() => {
        // Who asks for it again gets another try.
        if (this.#behind === behind) this.#behind = null;
      });
    }
    return this.#behind;
  }

  /** What `fingerprint` was when the files were opened: with another one the set has changed since. */
  async fingerprint(): Promise<string> {
    await this.everything();
    return this.#fingerprint!;
  }

  /** Lets what is looked at catch up with `everything`, which has found components that a glance did not. */
  async lookAgain(): Promise<void> {
    await this.#front.call('open', [this.#files, ...WHOLE]);
  }

  #reopen(reason: string, budget: typeof GLANCE): void {
    this.#opened = this.#front.call('open', [this.#files, ...budget]);
    this.restarted(reason, this.#opened);
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
    } else {
      this.#front.stop();
      this.#reopen('killed', GLANCE);
    }
  }
}

export { EngineError };
