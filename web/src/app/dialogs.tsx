/** The command palette and the sheet of shortcuts. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ranked } from '../model/match';
import { commands, dialogs, type Command } from './commands';

/** Commands by name: type a few letters, Enter. */
export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [query, setQuery] = useState('');
  const [chosen, setChosen] = useState(0);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    dialogs.palette = () => {
      setQuery('');
      setChosen(0);
      setOpen(true);
      if (!dialog.current!.open) dialog.current!.showModal();
    };
  }, []);
  const list = open ? ranked(query, commands(), ({ title }) => title) : [];
  const current = Math.min(chosen, Math.max(0, list.length - 1));
  const perform = (command: Command | undefined) => {
    dialog.current!.close();
    command?.run();
  };
  const keyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const next = (current + step + list.length) % Math.max(1, list.length);
      setChosen(next);
      document.getElementById(`command-${next}`)?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      perform(list[current]);
    }
  };
  return (
    <dialog class="palette" ref={dialog} aria-label="Commands" onClose={() => setOpen(false)} onClick={closeOutside}>
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls="command-list"
        aria-activedescendant={list.length > 0 ? `command-${current}` : undefined}
        aria-label="Command"
        placeholder="What do you want to do?"
        autocomplete="off"
        spellcheck={false}
        value={query}
        onInput={(event) => {
          setQuery(event.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={keyDown}
      />
      <ul id="command-list" role="listbox" aria-label="Commands">
        {list.map((command, number) => (
          <li
            key={command.title}
            id={`command-${number}`}
            role="option"
            aria-selected={number === current}
            onPointerMove={() => setChosen(number)}
            onClick={() => perform(command)}
          >
            {command.title}
            {command.key && <kbd>{command.key}</kbd>}
          </li>
        ))}
      </ul>
      {list.length === 0 && <p class="note">No command has these letters.</p>}
    </dialog>
  );
}

const KEYS: [where: string, rows: [keys: string, does: string][]][] = [
  [
    'On the map',
    [
      ['← → ↑ ↓', 'next chunk, next row'],
      ['Page Up, Page Down', 'a window back, on'],
      ['Home, End', 'first, last chunk'],
      ['+ −', 'closer, further away'],
      ['0', 'all chunks'],
      ['Enter', 'the bytes of the chunk'],
    ],
  ],
  [
    'In the bytes',
    [
      ['← → ↑ ↓', 'next byte, next row'],
      ['Shift and arrows', 'select'],
      ['Page Up, Page Down', 'a page back, on'],
      ['Ctrl Home, Ctrl End', 'first, last byte'],
      ['Ctrl C', 'copy the selection'],
    ],
  ],
];

export function Shortcuts() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    dialogs.shortcuts = () => {
      setOpen(true);
      if (!dialog.current!.open) dialog.current!.showModal();
    };
  }, []);
  const anywhere = (open ? commands() : []).filter(({ key }) => key).map(({ key, title }): [string, string] => [key!, title]);
  const groups: typeof KEYS = [['Anywhere', [['Ctrl K', 'commands'], ...anywhere]], ...KEYS];
  return (
    <dialog class="shortcuts" ref={dialog} aria-labelledby="shortcuts-title" onClose={() => setOpen(false)} onClick={closeOutside}>
      <div class="bar">
        <h2 id="shortcuts-title">Keyboard shortcuts</h2>
        <form method="dialog">
          <button>Close</button>
        </form>
      </div>
      <div class="key-groups">
        {groups.map(([where, rows]) => (
          <section key={where}>
            <h3>{where}</h3>
            <dl>
              {rows.map(([keys, does]) => (
                <div key={keys}>
                  <dt>
                    <kbd>{keys}</kbd>
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}

/** A press beside a dialog closes it, as everywhere. */
function closeOutside(event: MouseEvent): void {
  const dialog = event.currentTarget as HTMLDialogElement;
  if (event.target === dialog) dialog.close();
}
