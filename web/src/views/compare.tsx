/** The open set against another one, an earlier state of itself, or a raw image of the volume. */
import { useRef } from 'preact/hooks';
import { files, opened, volume, volumeNumber } from '../app/store';
import { busy, bytes, compareBytes, forget, maps, openOther, other, stop, type Other } from '../app/other';
import { go } from '../app/place';
import { fromInput } from '../engine/files';
import type { RecordInfo, VolumeInfo } from '../engine/documents';
import type { WireFile } from '../engine/protocol';
import type { Kind } from '../model/compare';
import { commandLine, path, volumeOption } from '../model/command';
import { formatCount, formatHex, formatSize, plural } from '../model/size';
import { CommandLine } from '../parts/copy';
import { fileName } from '../parts/save';

export function Compare() {
  const picker = useRef<HTMLInputElement>(null);
  const shown = volume.value;
  if (!shown) return <p>There is no volume that could be compared.</p>;
  const pick = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.files?.length) void openOther(fromInput(input.files));
    input.value = '';
  };
  const there = other.value;
  return (
    <section aria-labelledby="compare-title">
      <h2 id="compare-title">Compare</h2>
      <p class="note">
        Choose the files of another set, of an earlier copy of this one, or a raw image of the volume. Nothing of what is open changes.
      </p>
      <input ref={picker} type="file" multiple hidden data-pick="other" aria-label="Files to compare with" onChange={pick} />
      <p class="buttons">
        <button class={there ? '' : 'main'} onClick={() => picker.current?.click()}>
          {there ? 'Compare with other files' : 'Choose files to compare with'}
        </button>
        {there && <button onClick={forget}>End the comparison</button>}
      </p>
      <Busy />
      {there && <Result there={there} shown={shown} />}
      <Lines there={there} />
    </section>
  );
}

/** The program compares with raw images alone. */
function Lines({ there }: { there: Other | null }) {
  const which = volumeOption(opened.value!.info.volumes, volumeNumber.value);
  const compare = (image: string) => <CommandLine line={commandLine('compare', files.value, ['--with', path(image), ...which])} />;
  if (there?.space.kind !== 'volume') return compare(there?.label ?? 'IMAGE');
  const { volumes } = there.opened.info;
  const image = fileName(volumes[there.space.volume]!.name, '-other.raw');
  const options = ['-o', image, '--missing', 'zero', ...volumeOption(volumes, there.space.volume)];
  return (
    <>
      <p class="note">The program compares with raw images, so the other volume is made one:</p>
      <CommandLine line={commandLine('export', elsewhere(there.files), options)} />
      {compare(image)}
    </>
  );
}

/** A page knows no folders: a file of the same name as one that is open comes from somewhere else. */
function elsewhere(list: readonly WireFile[]): WireFile[] {
  const here = new Set(files.value.map(({ label }) => label));
  const folder = list.some(({ label }) => here.has(label)) ? 'OTHER/' : '';
  return list.map((file) => ({ ...file, label: folder + file.label }));
}

function Busy() {
  const now = busy.value;
  if (!now) return null;
  return (
    <p class="work" role="status">
      <progress value={now.all > 0n ? Number((now.done * 1000n) / now.all) / 1000 : undefined} aria-label={now.what} /> {now.what}{' '}
      <button class="small" onClick={stop}>
        Stop
      </button>
    </p>
  );
}

function Result({ there, shown }: { there: Other; shown: VolumeInfo }) {
  const found = there.space.kind === 'volume' ? there.opened.info.volumes[there.space.volume]! : null;
  return (
    <>
      <h3>
        {found ? `Volume ${found.name} (id ${found.id})` : 'A raw image'} <small>{there.label}</small>
      </h3>
      {found ? (
        <Facts shown={shown} found={found} there={there} />
      ) : (
        <p>
          The image has {formatSize(there.size)} ({formatCount(there.size)} bytes), the volume {formatSize(shown.virtual_size)} (
          {formatCount(shown.virtual_size)} bytes).
        </p>
      )}
      {found && <Maps />}
      <BytesCompared />
    </>
  );
}

/** What the volumes and the records say differently. */
function Facts({ shown, found, there }: { shown: VolumeInfo; found: VolumeInfo; there: Other }) {
  const rows = [...volumeRows(shown, found), ...recordRows(opened.value!.records, there)];
  if (rows.length === 0) return <p data-compare="records">All records say the same.</p>;
  return (
    <div class="table-wide" tabIndex={0} role="region" aria-label="What the records say differently" data-compare="records">
      <table>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Open</th>
            <th scope="col">Other</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ what, ours, theirs }) => (
            <tr key={what}>
              <th scope="row">{what}</th>
              <td>{ours}</td>
              <td>{theirs}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Row {
  what: string;
  ours: string;
  theirs: string;
}

function volumeRows(a: VolumeInfo, b: VolumeInfo): Row[] {
  const facts: [string, (volume: VolumeInfo) => string][] = [
    ['name', ({ name }) => name],
    ['id', ({ id }) => String(id)],
    ['virtual size', ({ virtual_size }) => formatCount(virtual_size)],
    ['chunk size', ({ chunk_size }) => formatCount(chunk_size)],
    ['components', ({ components, component_count }) => `${components.length} of ${component_count}`],
    ['allocated chunks', ({ allocated_chunks }) => formatCount(allocated_chunks)],
    ['FreeBSD', ({ kernel }) => `${kernel.taste} ${kernel.reason}`.trim()],
  ];
  return facts.map(([what, of]) => ({ what, ours: of(a), theirs: of(b) })).filter(({ ours, theirs }) => ours !== theirs);
}

/** Fields of components with the same number. */
function recordRows(records: RecordInfo[], there: Other): Row[] {
  const [left, right] = [byComponent(records, volumeNumber.value), byComponent(there.opened.records, volumeOf(there))];
  const rows: Row[] = [];
  for (const [component, record] of left) {
    const sibling = right.get(component);
    record.fields.forEach(({ name, value, hex }, place) => {
      const theirs = sibling?.fields[place];
      if (theirs && theirs.hex !== hex) rows.push({ what: `component ${component}: ${name}`, ours: value, theirs: theirs.value });
    });
  }
  return rows;
}

function byComponent(records: RecordInfo[], number: number): Map<number, RecordInfo> {
  const ours = records.filter(({ volume, component }) => volume !== null && Number(volume) === number && component !== null);
  return new Map(ours.map((record) => [record.component!, record]));
}

function volumeOf({ space }: Other): number {
  return space.kind === 'volume' ? space.volume : -1;
}

const KINDS: Record<Kind, string> = {
  added: 'only the other has data',
  removed: 'only the open one has data',
  moved: 'data lies elsewhere',
  lost: 'lost in one of them',
  longer: 'only one of them is so long',
};

function Maps() {
  const found = maps.value;
  if (!found) return null;
  const kinds = (Object.keys(KINDS) as Kind[]).filter((kind) => found.totals[kind] > 0n);
  return (
    <div data-compare="maps">
      <h3>Maps</h3>
      {kinds.length === 0 ? (
        <p>The maps are the same.</p>
      ) : (
        <ul class="legend">
          {kinds.map((kind) => (
            <li key={kind}>
              {KINDS[kind]} <small>{formatSize(found.totals[kind])}</small>
            </li>
          ))}
        </ul>
      )}
      {found.list.length > 0 && (
        <div class="table-scroll" tabIndex={0} role="region" aria-label="Where the maps differ">
          <table class="rows">
            <thead>
              <tr>
                <th scope="col">Start</th>
                <th scope="col">Length</th>
                <th scope="col">Difference</th>
              </tr>
            </thead>
            <tbody>
              {found.list.map(({ start, length, kind }) => (
                <tr key={start}>
                  <td>
                    <button class="link" onClick={() => go({ view: 'map', space: 'volume', at: start })}>
                      {formatHex(start)}
                    </button>
                  </td>
                  <td>{formatSize(length)}</td>
                  <td>{KINDS[kind]}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {found.more && <p class="note">There are more; these are the first {formatCount(found.list.length)}.</p>}
    </div>
  );
}

function BytesCompared() {
  const found = bytes.value;
  return (
    <div data-compare="bytes">
      <h3>Bytes</h3>
      {found && (
        <p class={found.whole && found.different === 0n ? 'verdict clean' : 'verdict'} data-different={String(found.different)}>
          {found.different === 0n
            ? `${found.whole ? 'All' : 'So far all'} ${plural(found.compared, 'byte')} are the same.`
            : `${plural(found.different, 'byte')} of ${formatCount(found.compared)} differ.`}
          {found.first !== null && (
            <>
              {' '}
              The first is at{' '}
              <button class="link" onClick={() => go({ view: 'hex', space: 'volume', at: found.first })}>
                {formatHex(found.first)}
              </button>
              .
            </>
          )}
          {found.lost > 0n && ` ${plural(found.lost, 'lost byte')} left out.`}
        </p>
      )}
      {!found && (
        <p>
          <button disabled={busy.value !== null} onClick={() => void compareBytes()}>
            Compare all bytes
          </button>
        </p>
      )}
    </div>
  );
}
