/** The runs of the volume, saved as text. */
import { engine, fail, files, index, opened, volume, volumeNumber, work } from '../app/store';
import { commandLine, runsAsCsv, volumeOption } from '../model/command';
import { CSV_HEAD, csvLine, jsonExtent, mapfileHead, mapfileLine, runsOf, stateOf, type Run } from '../model/tables';
import { announce } from './announce';
import { fileName, save } from './save';

export type MapForm = 'csv' | 'json' | 'mapfile';

/** The element that holds the picture. */
export const PICTURE = 'map-picture';

/** Rows that are asked for at once. */
const ROWS = 1 << 14;

const ENDINGS: Record<MapForm, string> = { csv: '-map.csv', json: '-map.json', mapfile: '.mapfile' };

/** Saves the runs of the shown volume: all of them, in pieces that are never joined in one string. */
export async function saveMap(form: MapForm): Promise<void> {
  const shown = volume.value;
  if (!shown) return;
  try {
    const pieces = await writers[form](shown.chunk_size, mapCommand(form));
    save(new Blob(pieces, { type: 'text/plain' }), fileName(shown.name, ENDINGS[form]));
    announce('The map was saved');
  } catch (error) {
    fail(error);
  } finally {
    work.value = null;
  }
}

/** What the program does for it; for the picture, what comes closest. */
export function mapCommand(form: MapForm | 'picture'): string {
  const options = volumeOption(opened.value?.info.volumes ?? [], volumeNumber.value);
  const line = (option: string) => commandLine('map', files.value, [option, ...options]);
  if (form === 'picture') return line('--picture');
  if (form === 'mapfile') return line('--ddrescue');
  return form === 'csv' ? runsAsCsv(line('--json'), CSV_HEAD) : line('--json');
}

/** The picture of the volume as it stands in the map's view. */
export function savePicture(): void {
  const canvas = document.querySelector<HTMLCanvasElement>(`#${PICTURE} canvas[role=slider]`);
  canvas?.toBlob((blob) => blob && save(blob, fileName(volume.value!.name, '-map.png')));
}

const writers: Record<MapForm, (chunkSize: bigint, command: string) => Promise<string[]>> = {
  async csv(chunkSize) {
    const pieces = [CSV_HEAD];
    await everyRun((runs) => pieces.push(runs.map((run) => csvLine(run, chunkSize)).join('')));
    return pieces;
  },
  async json(chunkSize) {
    const pieces = ['['];
    await everyRun((runs) => {
      if (pieces.length > 1) pieces.push(',\n');
      pieces.push(runs.map((run) => jsonExtent(run, chunkSize)).join(',\n'));
    });
    return [...pieces, ']\n'];
  },
  async mapfile(_, command) {
    const pieces: string[] = [];
    let finished = true;
    let open: { start: bigint; end: bigint; lost: boolean } | null = null;
    const flush = () => open && pieces.push(mapfileLine(open.start, open.end - open.start, open.lost));
    await everyRun((runs) => {
      for (const run of runs) {
        const lost = stateOf(run) === 'lost';
        finished &&= !lost;
        if (open && open.lost === lost) {
          open.end = run.start + run.length;
          continue;
        }
        flush();
        open = { start: run.start, end: run.start + run.length, lost };
      }
    });
    flush();
    return [mapfileHead(command, finished), ...pieces];
  },
};

async function everyRun(take: (runs: Run[]) => void): Promise<void> {
  const number = volumeNumber.value;
  const all = index.value?.runs ?? 0n;
  for (let first = 0n; first < all; ) {
    const columns = await engine.call('runs', [number, first, ROWS]);
    if (columns.start.length === 0) return;
    take(runsOf(columns));
    first += BigInt(columns.start.length);
    work.value = { stage: 'reading-map', label: volume.value?.name ?? '', done: first, all };
  }
}
