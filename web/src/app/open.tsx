/** Picking and dropping files. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { fromDrop, fromInput } from '../engine/files';
import { close, openPicked, openSample, phase } from './store';

const over = signal(false);

export function Open() {
  const picker = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  useEffect(acceptDrops, []);
  const pick = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.files?.length) void openPicked(fromInput(input.files), phase.value === 'open');
    // The same files may be picked again.
    input.value = '';
  };
  return (
    <div class={`open${over.value ? ' over' : ''}`} data-drop>
      <p>Drop the components of a volume here, in any order, or a folder of them.</p>
      <input ref={picker} type="file" multiple hidden data-pick="files" aria-label="Files" onChange={pick} />
      <input ref={folder} type="file" {...{ webkitdirectory: true }} hidden data-pick="folder" aria-label="Folder" onChange={pick} />
      <button onClick={() => picker.current?.click()}>{phase.value === 'open' ? 'Add files' : 'Choose files'}</button>
      <button onClick={() => folder.current?.click()}>Choose a folder</button>
      <button data-sample onClick={() => void openSample()}>
        Show the sample volume
      </button>
      {phase.value !== 'empty' && (
        <button data-close onClick={close}>
          Close
        </button>
      )}
    </div>
  );
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
    const add = phase.value === 'open';
    if (event.dataTransfer?.items.length) void fromDrop(event.dataTransfer).then((picked) => openPicked(picked, add));
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
