/** One worker, seen from the page: calls with answers, progress and cancellation; started again when it dies. */
import { EngineError } from './failures';
import { engineModule } from './module';
import type { Calls, Failure, Method, Reply, Request } from './protocol';
// Inside the page: a worker can be started again without asking the network.
import EngineWorker from './worker?worker&inline';

interface Pending {
  resolve(result: unknown): void;
  reject(error: EngineError): void;
  progress?: (progress: never) => void;
}

/** What a call takes beside its arguments. */
export interface Options<M extends Method> {
  progress?: (progress: Calls[M]['progress']) => void;
  /** Cancels the call. Work that cannot be interrupted is ended with its worker. */
  signal?: AbortSignal;
}

/** How long a cancelled call has to end by itself, in milliseconds. */
const GRACE = 300;

export class Channel {
  #worker: Worker | null = null;
  #pending = new Map<number, Pending>();
  #last = 0;
  #deaths = 0;
  #ready = false;
  /** Settles when the worker was sent the module. */
  #begun: Promise<void> = Promise.resolve();

  /** Whether a call is under way. */
  get busy(): boolean {
    return this.#pending.size > 0;
  }

  /** `restart` is called when a worker has taken the place of one that died: it has no files yet. */
  constructor(private readonly restart: (reason: string) => void) {}

  /** Ends the worker; calls under way fail with `engine-stopped`. The next call starts another. */
  stop(failure: Failure = { code: 'engine-stopped', message: 'the engine was stopped' }): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = false;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const call of pending) call.reject(new EngineError(failure));
  }

  call<M extends Method>(method: M, args: Calls[M]['args'], options: Options<M> = {}): Promise<Calls[M]['result']> {
    const { progress, signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(cancelled());
      this.#last += 1;
      const id = this.#last;
      this.#worker ??= this.#start();
      this.#pending.set(id, {
        resolve: (result) => resolve(result as Calls[M]['result']),
        reject,
        progress: progress as Pending['progress'],
      });
      signal?.addEventListener('abort', () => this.#cancel(id), { once: true });
      void this.#post({ id, method, args } as Request, this.#worker);
    });
  }

  #cancel(id: number): void {
    if (!this.#pending.has(id)) return;
    if (this.#worker) void this.#post({ cancel: id }, this.#worker);
    setTimeout(() => {
      const call = this.#pending.get(id);
      if (!call) return;
      this.#pending.delete(id);
      call.reject(cancelled());
      this.#replace('cancelled');
    }, GRACE);
  }

  /** Messages wait for the module; their order stays. */
  async #post(message: Request, worker: Worker): Promise<void> {
    await this.#begun.catch(() => {});
    worker.postMessage(message);
  }

  #start(): Worker {
    const worker = new EngineWorker({ name: 'virstor' });
    this.#begun = engineModule().then((module) => worker.postMessage({ module } satisfies Request));
    this.#begun.catch((error: unknown) => this.#died(String(error)));
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#hear(data);
    worker.onmessageerror = () => this.#died('a message could not be read');
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(event.message || 'the worker stopped');
    };
    return worker;
  }

  #hear(reply: Reply): void {
    if ('ready' in reply) {
      this.#ready = true;
    } else if ('trap' in reply) {
      this.#died(reply.trap);
    } else if ('progress' in reply) {
      this.#pending.get(reply.id)?.progress?.(reply.progress as never);
    } else {
      const call = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      if ('error' in reply) call?.reject(new EngineError(reply.error));
      else call?.resolve(reply.result);
      this.#deaths = 0;
    }
  }

  #died(reason: string): void {
    // A worker that never got ready will not do so the next time; one that dies again and again has a cause.
    if (!this.#ready) {
      this.stop({ code: 'engine-missing', message: `the engine cannot be started: ${reason}`, reason });
      return;
    }
    this.#deaths += 1;
    const message = `the engine stopped (${reason}) and was started again`;
    this.stop({ code: 'engine-stopped', message, reason });
    if (this.#deaths <= 3) this.restart(reason);
  }

  #replace(reason: string): void {
    this.stop();
    this.restart(reason);
  }
}

function cancelled(): EngineError {
  return new EngineError({ code: 'cancelled', message: 'cancelled' });
}
