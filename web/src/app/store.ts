/** What the page knows: signals that views read. Views change them through the functions here only. */
import { computed, signal } from '@preact/signals';
import type { Check, Info, VolumeInfo } from '../engine/documents';
import { Engine, EngineError } from '../engine/engine';
import { composeImage, download, writeImage } from '../engine/export';
import { merged, type Picked } from '../engine/files';
import type { Calls, IndexState, Method, Opened, Stage, WireFile } from '../engine/protocol';
import type { Options } from '../engine/channel';
import { sample } from '../engine/sample';

/** `empty`: nothing is open; `opening`; `open`; `failed`: `problem` says why. */
export const phase = signal<'empty' | 'opening' | 'open' | 'failed'>('empty');
/** The files that are open, in the order in which FreeBSD is asked about them. */
export const files = signal<readonly WireFile[]>([]);
/** The documents about them. Counts are replaced when maps were read to their ends. */
export const opened = signal<Opened | null>(null);
/** The files as the engine numbers them: where one is a specimen, those that it stands for. */
export const inputs = computed<readonly { label: string; size: number | bigint }[]>(() => opened.value?.inputs ?? files.value);
/** What is wrong with them; `null` while that is being found out. */
export const checked = signal<Check | null>(null);
/** Which volume the views show, by its place in `opened.info.volumes`. */
export const volumeNumber = signal(0);
export const volume = computed<VolumeInfo | null>(() => opened.value?.info.volumes[volumeNumber.value] ?? null);
/** How far the picture and the runs of that volume are. */
export const index = signal<IndexState | null>(null);
/** What takes long at the moment. */
export const work = signal<Stage | null>(null);
/** What failed last, until it is dismissed. */
export const problem = signal<EngineError | null>(null);
/** Sentences worth telling: folders that could not be read, an engine that was started again. */
export const notices = signal<string[]>([]);
/** Counts the engines: what was asked of an earlier one may be asked again. */
export const generation = signal(0);

export const engine = new Engine((reason, reopened) => {
  [generation.value, index.value] = [generation.value + 1, null];
  if (reason !== 'cancelled') notices.value = [...notices.value, 'The engine had stopped and was started again.'];
  reopened.then(
    () => readMap(),
    (error: unknown) => fail(error),
  );
});

// The engine is loaded with the page: from here on the network is not needed.
engine.call('figures', []).catch(fail);

let opening = new AbortController();
let indexing = new AbortController();

/** Opens what was picked; with `add`, beside what is open. */
export async function openPicked(picked: Picked, add = false): Promise<void> {
  notices.value = picked.problems;
  if (picked.files.length === 0) {
    return fail(new EngineError({ code: 'nothing-picked', message: 'there are no files in what was picked' }));
  }
  await open(add ? merged(files.value, picked.files) : picked.files);
}

/** Opens the sample volume. */
export async function openSample(): Promise<void> {
  notices.value = [];
  await open(await sample());
}

/** So long, in milliseconds, the picture of a map is drawn before the check begins. */
const HEAD_START = 500;

const pause = (time: number) => new Promise((resolve) => setTimeout(resolve, time));

/** Opens these files in place of all others. */
export async function open(list: WireFile[]): Promise<void> {
  opening.abort();
  opening = new AbortController();
  const { signal } = opening;
  [files.value, opened.value, checked.value, index.value] = [list, null, null, null];
  [problem.value, volumeNumber.value, phase.value] = [null, 0, 'opening'];
  try {
    const result = await engine.open(list, { signal, progress: (stage) => (work.value = stage) });
    if (signal.aborted) return;
    [opened.value, phase.value, work.value] = [result, 'open', null];
    tellOfSpecimens(result);
    // The picture first: on two processors the check would take one of them, and the files, from it.
    await Promise.race([readMap(), pause(HEAD_START)]);
    if (signal.aborted) return;
    await check(signal).catch((error: unknown) => {
      const again = error instanceof EngineError && error.code === 'engine-stopped' && !signal.aborted;
      return again ? check(signal) : Promise.reject(error);
    });
  } catch (error) {
    if (signal.aborted) return;
    phase.value = opened.value ? 'open' : 'failed';
    // Also when the engine has stopped: it does so again when it is asked again.
    if (error instanceof EngineError && error.code === 'engine-stopped') problem.value = error;
    else fail(error);
  } finally {
    if (!signal.aborted) work.value = null;
  }
}

/** Stops opening. */
export function cancelOpening(): void {
  opening.abort();
  [phase.value, work.value] = [opened.value ? 'open' : 'empty', null];
}

/** Forgets all files. */
export function close(): void {
  opening.abort();
  indexing.abort();
  opening = new AbortController();
  [files.value, opened.value, checked.value, index.value] = [[], null, null, null];
  [problem.value, work.value, phase.value, notices.value] = [null, null, 'empty', []];
  engine.open([]).catch(fail);
}

/** Shows another volume. */
export function chooseVolume(number: number): void {
  volumeNumber.value = number;
  void readMap();
}

/** Asks the engine; a failure is shown to the user, and `null`. For what must tell failures apart: `engine.call`. */
export async function ask<M extends Method>(
  method: M,
  args: Calls[M]['args'],
  options: Options<M> = {},
): Promise<Calls[M]['result'] | null> {
  try {
    return await engine.call(method, args, options);
  } catch (error) {
    fail(error);
    return null;
  }
}

/** Shows a failure to the user, unless it is a wish of theirs. */
export function fail(error: unknown): void {
  const known = error instanceof EngineError ? error : new EngineError({ code: 'browser', message: String(error) });
  // An engine that was started again is a notice.
  if (known.code !== 'cancelled' && known.code !== 'engine-stopped') problem.value = known;
}

/** What is not to be expected of what was opened. */
function tellOfSpecimens({ inputs }: Opened): void {
  const count = inputs.filter(({ specimen }) => specimen).length;
  if (count === 0) return;
  const these = count === 1 ? 'A file comes from a specimen' : `${count} files come from a specimen`;
  notices.value = [...notices.value, `${these}: what the volume holds is not in it.`];
}

/** All of the maps and files first: what is found there corrects what was shown at once. */
async function check(signal: AbortSignal): Promise<void> {
  const progress = (stage: Stage) => (work.value = stage);
  const everything = await engine.everything({ signal, progress });
  if (signal.aborted) return;
  // What a glance cannot know: components that are found late, and the byte order of a map that begins with zeros.
  const basis = ({ volumes }: Info) => volumes.map(({ components, map }) => `${components.length} ${map.byte_order}`).join();
  if (opened.value && basis(opened.value.info) !== basis(everything.info)) {
    await engine.lookAgain();
    void readMap();
  }
  opened.value = everything;
  const result = await engine.call('check', [], { signal, progress });
  if (!signal.aborted) checked.value = result;
}

/** Reads the map of the chosen volume, so that it can be drawn; `index` tells how far that is. */
async function readMap(): Promise<void> {
  indexing.abort();
  indexing = new AbortController();
  const { signal } = indexing;
  index.value = null;
  if (!volume.value) return;
  try {
    const progress = (state: IndexState) => {
      if (!signal.aborted) index.value = state;
    };
    const state = await engine.call('index', [volumeNumber.value], { signal, progress });
    if (!signal.aborted) index.value = state;
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
}

/** For tests: what is otherwise seen only after waiting, and a way to break things. */
declare global {
  interface Window {
    virstor?: unknown;
  }
}
window.virstor = {
  engine, phase, opened, checked, index, files, problem, open, close, cancelOpening, composeImage, writeImage, download,
};
