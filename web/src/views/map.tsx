/** Which bytes of the volume lie where: as pictures, and as a table of runs. */
import { computed } from '@preact/signals';
import { Fragment } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { checked, engine, fail, files, generation, index, opened, volume, volumeNumber } from '../app/store';
import { chunkSize, go, physical, route, virtual } from '../app/place';
import type { Cells } from '../canvas/paint';
import { commandLine, range, volumeOption } from '../model/command';
import { formatCount, formatHex, formatShare, formatSize, plural } from '../model/size';
import { CommandLine } from '../parts/copy';
import { MapCanvas } from '../parts/map-canvas';
import { Place } from '../parts/place';
import { RunsTable } from '../parts/runs-table';
import { PICTURE, mapCommand, saveMap, savePicture, type MapForm } from '../parts/save-map';
import { findingsHere } from './findings';

/** Lanes that are drawn at once. */
const LANES = 16;

/** Chunks that findings are about: of the volume, and of each component. */
const marks = computed(() => {
  const virtual = new Set<number>();
  const physical = new Map<number, Set<number>>();
  for (const { virtual_chunk, physical_chunk, component } of findingsHere.value) {
    if (virtual_chunk !== null) virtual.add(Number(virtual_chunk));
    if (physical_chunk === null || component === null) continue;
    if (!physical.has(component)) physical.set(component, new Set());
    physical.get(component)!.add(Number(physical_chunk));
  }
  return { virtual: [...virtual], physical: new Map([...physical].map(([number, set]) => [number, [...set]])) };
});

export function MapView() {
  const shown = volume.value;
  if (!shown) return <p>There is no volume whose map could be shown.</p>;
  const chunks = Number(shown.virtual_chunks);
  const { layout } = route.value;
  const selected = virtual.value === null ? null : Number(virtual.value / chunkSize.value);
  const select = (chunk: number, view = route.value.view) =>
    go({ space: 'volume', at: BigInt(chunk) * shown.chunk_size, view });
  const number = volumeNumber.value;
  const tall = Math.max(220, Math.min(520, innerHeight * 0.55));
  return (
    <section class="map-view" aria-labelledby="map-title">
      <div class="bar">
        <h2 id="map-title">Map</h2>
        <fieldset class="segmented">
          <legend class="unseen">Layout</legend>
          {(['rows', 'hilbert'] as const).map((name) => (
            <label key={name}>
              <input type="radio" name="layout" checked={layout === name} onChange={() => go({ layout: name })} />
              {name === 'rows' ? 'Rows' : 'Hilbert'}
            </label>
          ))}
        </fieldset>
        <SaveMenu />
      </div>
      <Legend />
      <div class="map-columns">
        <div id={PICTURE}>
          <h3>
            Virtual device <small>{plural(shown.virtual_chunks, 'chunk')} of {formatSize(shown.chunk_size)}</small>
          </h3>
          <MapCanvas
            key={`${number} ${layout}`}
            label={`Map of volume ${shown.name}`}
            chunks={chunks}
            layout={layout}
            maxHeight={tall}
            version={`${index.value?.done} ${generation.value}`}
            marks={marks.value.virtual}
            selected={selected}
            load={(first, bits, cells) => engine.call('picture', [number, first, bits, cells]).catch(ignored)}
            describe={describeVirtual}
            onSelect={select}
            onOpen={(chunk) => select(chunk, 'hex')}
          />
          <Lanes />
        </div>
        <Place />
      </div>
      <h3 id="runs-title">Runs</h3>
      <RunsTable labelledBy="runs-title" />
      <Lines />
    </section>
  );
}

/** The table, and what there is to know of the selected chunk. */
function Lines() {
  const { virtual_size, chunk_size } = volume.value!;
  const options = volumeOption(opened.value?.info.volumes ?? [], volumeNumber.value);
  const line = (...more: string[]) => <CommandLine line={commandLine('map', files.value, [...more, ...options])} />;
  const start = virtual.value === null ? null : virtual.value - (virtual.value % chunk_size);
  const end = start === null || start + chunk_size > virtual_size ? virtual_size : start + chunk_size;
  return (
    <>
      {line()}
      {start !== null && line(...range(start, end, virtual_size))}
      {physical.value !== null && line('--reverse')}
    </>
  );
}

/** Chunks of the volume, in words. */
export function describeVirtual(first: number, count: number, cell: { data: number; lost: number; component: number } | null): string {
  const size = chunkSize.value;
  const where = `${chunkWords(first, count)} at ${formatHex(BigInt(first) * size)}`;
  if (!cell) return `${where}: not read yet`;
  return `${where}: ${stateWords(cell, count)}`;
}

function stateWords({ data, lost, component }: { data: number; lost: number; component: number }, count: number): string {
  if (count === 1) {
    if (lost > 0) return 'lost';
    return data > 0 ? `data on component ${component}` : 'hole';
  }
  const parts = [];
  if (data > 0) parts.push(`${formatShare(BigInt(data), 255n)} data, mostly on component ${component}`);
  if (lost > 0) parts.push(`${formatShare(BigInt(lost), 255n)} lost`);
  return parts.join(', ') || 'hole';
}

function chunkWords(first: number, count: number): string {
  const number = (value: number) => formatCount(value);
  return count === 1 ? `chunk ${number(first)}` : `chunks ${number(first)} to ${number(first + count - 1)}`;
}

/** No picture, for now or for a reason that is shown. */
export function ignored(error: unknown): null {
  // A picture that is asked for while the files are opened again comes with the next one.
  if (!/engine-stopped|nothing-open|no-such-volume|cancelled/.test((error as { code?: string }).code ?? '')) fail(error);
  return null;
}

/** One map for each component, in the order of its own chunks. */
function Lanes() {
  const shown = volume.value!;
  const [page, setPage] = useState(0);
  const lanes = shown.components.slice(page * LANES, (page + 1) * LANES);
  const pages = Math.ceil(shown.components.length / LANES);
  const number = volumeNumber.value;
  const longest = Math.max(...lanes.map(({ chunk_count }) => chunk_count));
  return (
    <>
      <h3>
        Components <small>each in the order of its own chunks</small>
      </h3>
      {page === 0 && shown.missing.length > 0 && (
        <p class="lane-missing">
          <i class="swatch lost" aria-hidden="true" />
          missing: {shown.missing.slice(0, LANES).join(', ')}
          {shown.missing.length > LANES && ` and ${formatCount(shown.missing.length - LANES)} more`}
        </p>
      )}
      {lanes.map((lane) => {
        const load = async (first: bigint, bits: number, cells: number): Promise<Cells | null> => {
          const data = await engine.call('lane', [number, lane.index, first, bits, cells]).catch(ignored);
          return data && { data };
        };
        const select = (chunk: number, view = route.value.view) =>
          go({ space: `c${lane.index}`, at: BigInt(chunk) * shown.chunk_size, view });
        return (
          <div class="lane" key={`${number} ${lane.index}`}>
            <p class="lane-name">
              <b>{lane.index}</b> {lane.file}
              <small>
                {formatCount(lane.used_chunks)} of {plural(lane.chunk_count, 'chunk')} used
              </small>
            </p>
            {lane.chunk_count > 0 && (
              <MapCanvas
                label={`Map of component ${lane.index}, ${lane.file}`}
                chunks={lane.chunk_count}
                layout="rows"
                maxHeight={64}
                scaleFor={longest}
                version={`${index.value?.done} ${generation.value}`}
                reserved={lane.chunk_reserved}
                marks={marks.value.physical.get(lane.index) ?? []}
                selected={physical.value?.component === lane.index ? Number(physical.value.offset / shown.chunk_size) : null}
                load={load}
                describe={(first, count, cell) => describeLane(lane, first, count, cell)}
                onSelect={select}
                onOpen={(chunk) => select(chunk, 'hex')}
              />
            )}
          </div>
        );
      })}
      {pages > 1 && (
        <p class="buttons">
          <button disabled={page === 0} onClick={() => setPage(page - 1)}>
            Previous components
          </button>
          <button disabled={page + 1 >= pages} onClick={() => setPage(page + 1)}>
            Next components
          </button>
        </p>
      )}
    </>
  );
}

function describeLane(
  { index, chunk_reserved }: { index: number; chunk_reserved: number },
  first: number,
  count: number,
  cell: { data: number } | null,
): string {
  const where = `component ${index}, ${chunkWords(first, count)} at ${formatHex(BigInt(first) * chunkSize.value)}`;
  if (first + count <= chunk_reserved) return `${where}: ${index === 0 ? 'reserved, holds the map' : 'reserved'}`;
  if (!cell) return `${where}: not read yet`;
  if (count === 1) return `${where}: ${cell.data > 0 ? 'used' : 'free'}`;
  return `${where}: ${formatShare(BigInt(cell.data), 255n)} used`;
}

/** What the colours and patterns mean, and how much there is of each. */
function Legend() {
  const state = index.value;
  const shown = volume.value!;
  const all = shown.virtual_size;
  const row = (kind: string, name: string, bytes: bigint | undefined) => (
    <li>
      <i class={`swatch ${kind}`} aria-hidden="true" />
      {name}
      {bytes !== undefined && (
        <small>
          {plural(bytes / shown.chunk_size, 'chunk')}, {formatShare(bytes, all)}
        </small>
      )}
    </li>
  );
  const reading = state && state.done < state.chunks;
  return (
    <ul class="legend" aria-label="Legend">
      {row('data', 'data', state?.data)}
      {row('hole', 'hole', state?.hole)}
      {row('lost', 'lost', state?.lost)}
      {row('reserved', 'reserved', undefined)}
      <li>
        <i class="swatch mark" aria-hidden="true" />
        finding
        <small>{checked.value ? formatCount(findingsHere.value.length) : 'checking'}</small>
      </li>
      {reading && (
        <li>
          <progress value={Number(state.done) / Number(state.chunks)} aria-label="Reading the map" /> reading the map
        </li>
      )}
    </ul>
  );
}

const FORMS: { form: MapForm; title: string }[] = [
  { form: 'csv', title: 'Runs as CSV' },
  { form: 'json', title: 'Runs as JSON' },
  { form: 'mapfile', title: 'Mapfile for ddrescue (lost ranges are bad)' },
];

function SaveMenu() {
  const details = useRef<HTMLDetailsElement>(null);
  const picture = () => {
    details.current!.open = false;
    savePicture();
  };
  const table = (form: MapForm) => {
    details.current!.open = false;
    void saveMap(form);
  };
  return (
    <details class="menu" ref={details} onKeyDown={(event) => event.key === 'Escape' && (details.current!.open = false)}>
      <summary>Save</summary>
      <div>
        {FORMS.map(({ form, title }) => (
          <Fragment key={form}>
            <button onClick={() => table(form)}>{title}</button>
            <CommandLine line={mapCommand(form)} />
          </Fragment>
        ))}
        <button onClick={picture}>Picture as PNG</button>
        <p class="note">The program makes no PNG. It draws the components as lines of letters:</p>
        <CommandLine line={mapCommand('picture')} />
      </div>
    </details>
  );
}
