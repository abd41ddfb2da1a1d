/** What one looks at: the view, and a byte of the volume, a component or a file. All views share it. */
import { batch, computed, effect, signal } from '@preact/signals';
import type { Space } from '../engine/protocol';
import type { Ground } from '../model/address';
import { HOME, fromFragment, toFragment, type Route, type ViewName } from '../model/route';
import { chooseVolume, engine, generation, index, inputs, opened, volume, volumeNumber } from './store';

export const route = signal<Route>(fromFragment(location.hash));
export const view = computed(() => route.value.view);

/** What the selected byte is a byte of; what is not there is the volume. */
export const space = computed<Space>(() => {
  const number = Number(route.value.space.slice(1));
  const kind = route.value.space[0];
  const component = volume.value?.components.some(({ index }) => index === number);
  if (kind === 'c' && component) return { kind: 'component', volume: volumeNumber.value, component: number };
  if (kind === 'f' && inputs.value[number]) return { kind: 'file', file: number };
  if (!volume.value && inputs.value.length > 0) return { kind: 'file', file: 0 };
  return { kind: 'volume', volume: volumeNumber.value };
});

export const size = computed<bigint>(() => {
  const where = space.value;
  if (where.kind === 'file') return BigInt(inputs.value[where.file]?.size ?? 0);
  if (where.kind === 'volume') return volume.value?.virtual_size ?? 0n;
  return volume.value?.components.find(({ index }) => index === where.component)?.size ?? 0n;
});

/** The selected byte; the first one when none was chosen, or when it is behind the end. */
export const at = computed<bigint>(() => {
  const chosen = route.value.at ?? 0n;
  return chosen < size.value ? chosen : 0n;
});

export const chunkSize = computed<bigint>(() => volume.value?.chunk_size ?? 4096n);
export const ground = computed<Ground>(() => ({
  size: size.value,
  chunkSize: chunkSize.value,
  sectorSize: BigInt(volume.value?.sector_size ?? 512),
  current: at.value,
}));

/** The selected place on the volume and on its component, as far as it is on both. */
export interface Linked {
  /** Byte of the volume. */
  virtual: bigint | null;
  component: number | null;
  /** Byte of the component. */
  physical: bigint | null;
  /** As in the rows of a table of runs; `null`: not a byte of the volume. */
  state: number | null;
}

/** The selected byte of the volume: at once where it was chosen there, else when its owner is found. */
export const virtual = computed<bigint | null>(() =>
  space.value.kind === 'volume' && route.value.at !== null ? at.value : linked.value.virtual,
);

/** The selected byte of a component, likewise. */
export const physical = computed<{ component: number; offset: bigint } | null>(() => {
  const where = space.value;
  if (where.kind === 'component' && route.value.at !== null) return { component: where.component, offset: at.value };
  const { component, physical: offset } = linked.value;
  return component === null || offset === null ? null : { component, offset };
});

const NOWHERE: Linked = { virtual: null, component: null, physical: null, state: null };
export const linked = signal<Linked>(NOWHERE);

/** Goes to a byte, and to a view. */
export function go(change: Partial<Route>): void {
  route.value = { ...route.value, ...change };
}

export function show(name: ViewName): void {
  go({ view: name });
  // Who has scrolled down begins above; who has not stays there.
  const main = document.querySelector('main');
  if (main && main.getBoundingClientRect().top < 0) main.scrollIntoView();
}

/** The name of a space in a link. */
export function spaceName(where: Space): string {
  if (where.kind === 'volume') return 'volume';
  return where.kind === 'component' ? `c${where.component}` : `f${where.file}`;
}

/** What a space is called on the page. */
export function spaceTitle(where: Space): string {
  if (where.kind === 'volume') return `volume ${volume.value?.name ?? ''}`.trim();
  return where.kind === 'component' ? `component ${where.component}` : (inputs.value[where.file]?.label ?? 'file');
}

effect(() => {
  const fragment = `#${toFragment(route.value)}`;
  if (fragment !== location.hash) history.replaceState(null, '', fragment);
});

addEventListener('hashchange', () => {
  route.value = fromFragment(location.hash);
});

// A link names a volume; it can be shown once there is one.
effect(() => {
  const wanted = route.value.volume;
  const there = opened.value?.info.volumes.length ?? 0;
  if (wanted !== volumeNumber.peek() && wanted < there) chooseVolume(wanted);
});

export function pickVolume(number: number): void {
  batch(() => go({ volume: number, space: HOME.space, at: null }));
}

let asked = 0;
effect(() => {
  const [where, offset, shown] = [space.value, at.value, volume.value];
  // Owners are known once the index has got there, and again when the engine was started again.
  void index.value?.done;
  void generation.value;
  asked += 1;
  const mine = asked;
  const found = (result: Linked) => {
    if (mine === asked) linked.value = result;
  };
  // The bytes begin with the first one selected; the map begins without.
  const nowhere = route.value.at === null && route.value.view !== 'hex';
  if (!shown || nowhere || where.kind === 'file' || size.value === 0n) return found(NOWHERE);
  resolve(where, offset).then(found, () => found(NOWHERE));
});

async function resolve(where: Exclude<Space, { kind: 'file' }>, offset: bigint): Promise<Linked> {
  if (where.kind === 'volume') {
    const rows = await engine.call('extents', [where.volume, offset, offset + 1n, 1]);
    const component = rows.component[0] === 0xffff ? null : (rows.component[0] ?? null);
    const physical = rows.offset[0] === -1n ? null : (rows.offset[0] ?? null);
    return { virtual: offset, component, physical, state: rows.state[0] ?? null };
  }
  const chunk = offset / chunkSize.value;
  const owner = await engine.call('owner', [where.volume, where.component, chunk]);
  const virtual = owner === null ? null : owner * chunkSize.value + (offset % chunkSize.value);
  return { virtual, component: where.component, physical: offset, state: owner === null ? null : 1 };
}
