/** Picking and dropping files. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { fromDrop, fromInput, type Picked } from '../engine/files';
import { dialogs } from './commands';
import { opened, openPicked, openSample, phase } from './store';
import { leaveOutStale } from './watch';

const over = signal(false);

export function Open() {
  const picker = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  useEffect(acceptDrops, []);
  useEffect(() => {
    dialogs.pick = () => picker.current?.click();
    dialogs.folder = () => folder.current?.click();
  }, []);
  const open = opened.value !== null;
  const pick = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.files?.length) void add(fromInput(input.files));
    // The same files may be picked again.
    input.value = '';
  };
  return (
    <div class={`open${over.value ? ' over' : ''}`} data-drop>
      {!open && <p>Drop the components of a volume here, in any order, or a folder of them.</p>}
      <input ref={picker} type="file" multiple hidden data-pick="files" aria-label="Files" onChange={pick} />
      <input ref={folder} type="file" {...{ webkitdirectory: true }} hidden data-pick="folder" aria-label="Folder" onChange={pick} />
      <span class="buttons">
        <button class={open ? 'quiet' : 'main'} onClick={() => picker.current?.click()}>
          {open ? 'Add files' : 'Choose files'}
        </button>
        <button class={open ? 'quiet folder' : ''} onClick={() => folder.current?.click()}>
          {open ? 'Add a folder' : 'Choose a folder'}
        </button>
        <button class={open ? 'quiet' : ''} data-sample onClick={() => void openSample()}>
          {open ? 'Sample' : 'Show the sample volume'}
        </button>
      </span>
    </div>
  );
}

/** Opens what was picked, beside what is open. */
async function add(picked: Picked): Promise<void> {
  const beside = phase.value === 'open';
  if (beside) await leaveOutStale(picked.files);
  await openPicked(picked, beside);
}

/** Files may be dropped anywhere on the page: elsewhere the browser would leave it for the file. */
function acceptDrops() {
  const drag = (event: DragEvent) => {
    event.preventDefault();
    over.value = event.type === 'dragover';
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    over.value = false;
    if (event.dataTransfer?.items.length) void fromDrop(event.dataTransfer).then(add);
  };
  addEventListener('dragover', drag);
  addEventListener('dragleave', drag);
  addEventListener('drop', drop);
  return () => {
    removeEventListener('dragover', drag);
    removeEventListener('dragleave', drag);
    removeEventListener('drop', drop);
  };
}
