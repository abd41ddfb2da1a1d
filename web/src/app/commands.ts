/** Everything that can be done by a key or by its name. */
import { ADDRESS_BOX } from '../parts/address-box';
import { saveMap, savePicture } from '../parts/save-map';
import { views } from '../views';
import { chosen, type Theme } from './look';
import { go, linked, pickVolume, show, view } from './place';
import { close, index, opened, openSample, volume } from './store';

export interface Command {
  title: string;
  /** A key that does it from anywhere but a text field. */
  key?: string;
  run(): void;
}

const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

export function nextTheme(): void {
  chosen.value = NEXT[chosen.value];
}

/** Opens the dialogs; they are part of the shell. */
export const dialogs = { palette: () => {}, shortcuts: () => {}, pick: () => {}, folder: () => {} };

/** What can be done now. */
export function commands(): Command[] {
  const always: Command[] = [
    { title: opened.value ? 'Add files' : 'Choose files', key: 'o', run: () => dialogs.pick() },
    { title: 'Choose a folder', run: () => dialogs.folder() },
    { title: 'Show the sample volume', run: () => void openSample() },
    { title: 'Keyboard shortcuts', key: '?', run: () => dialogs.shortcuts() },
    { title: 'Light, dark, as the system', run: nextTheme },
  ];
  if (!opened.value) return always;
  const places = views.map(({ name, title }, number) => ({ title, key: String(number + 1), run: () => show(name) }));
  const volumes = opened.value.info.volumes.map(({ name, id }, number) => ({
    title: `Volume ${name} (id ${id})`,
    run: () => pickVolume(number),
  }));
  return [
    ...places,
    { title: 'Go to an address', key: 'g', run: () => document.getElementById(ADDRESS_BOX)?.focus() },
    { title: 'Find bytes or text', key: '/', run: find },
    ...atPlace(),
    ...(volumes.length > 1 ? volumes : []),
    ...maps(),
    ...always,
    { title: 'Close all files', run: close },
  ];
}

function find(): void {
  show('hex');
  requestAnimationFrame(() => document.getElementById('needle')?.focus());
}

function atPlace(): Command[] {
  const { virtual, component, physical } = linked.value;
  const list: Command[] = [];
  if (virtual !== null) list.push({ title: 'Show the selected bytes on the volume', run: () => go({ view: 'hex', space: 'volume', at: virtual }) });
  if (component !== null && physical !== null) {
    list.push({ title: `Show the selected bytes on component ${component}`, run: () => go({ view: 'hex', space: `c${component}`, at: physical }) });
  }
  return list;
}

function maps(): Command[] {
  if (!volume.value || !index.value) return [];
  return [
    { title: 'Map in rows', run: () => go({ view: 'map', layout: 'rows' }) },
    { title: "Map on Hilbert's curve", run: () => go({ view: 'map', layout: 'hilbert' }) },
    ...(view.value === 'map' ? [{ title: 'Save the map as a picture', run: savePicture }] : []),
    { title: 'Save the map as CSV', run: () => void saveMap('csv') },
    { title: 'Save the map as JSON', run: () => void saveMap('json') },
    { title: 'Save a mapfile for ddrescue', run: () => void saveMap('mapfile') },
  ];
}

/** Keys that are pressed anywhere but where text is written. */
export function onKey(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    return dialogs.palette();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  // What has the focus in a dialog keeps it for a moment when that is closed.
  const target = event.target as HTMLElement;
  if (target.closest('input:not([type=radio], [type=checkbox], [type=range]), textarea, select, dialog[open]')) return;
  const command = commands().find(({ key }) => key === event.key);
  if (!command) return;
  event.preventDefault();
  command.run();
}
