/** The volume, or a part of it, as an image. */
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { engine, fail, files, index, opened, volume, volumeNumber } from '../app/store';
import { at, ground } from '../app/place';
import { canWriteFiles, composeImage, download, writeImage, type ExportProgress, type Manifest } from '../engine/export';
import { toJson } from '../engine/json';
import type { ImageFormat, ImageRequest } from '../engine/protocol';
import { explain, parseAddress } from '../model/address';
import { commandLine, range, volumeOption } from '../model/command';
import { formatCount, formatHex, formatSeconds, formatShare, formatSize } from '../model/size';
import { CommandLine, Copy } from '../parts/copy';
import { fileName, save } from '../parts/save';

const running = signal<ExportProgress | null>(null);
const done = signal<{ name: string; manifest: Manifest } | null>(null);
let abort = new AbortController();

const FORMATS: { format: ImageFormat; title: string; about: string; ending: string }[] = [
  { format: 'raw', title: 'raw', about: 'every byte at its place; mount it, dd it', ending: '.raw' },
  { format: 'qcow2', title: 'qcow2', about: 'thin: holes take no room; for QEMU, bhyve tools', ending: '.qcow2' },
  { format: 'packed', title: 'allocated only', about: 'the data alone, piece after piece; not an image', ending: '.packed' },
];

export function Export() {
  const shown = volume.value;
  const [format, setFormat] = useState<ImageFormat>('raw');
  const [zero, setZero] = useState(false);
  const [sha256, setSha256] = useState(true);
  const [sparse, setSparse] = useState(canWriteFiles());
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  if (!shown) return <p>There is no volume that could be exported.</p>;
  const bounds = rangeOf(from, to, shown.virtual_size);
  const lost = index.value?.lost ?? 0n;
  const { ending } = FORMATS.find((other) => other.format === format)!;
  const named = (as: string) => fileName(shown.name, bounds.whole ? '' : `-${formatHex(bounds.start)}`, as);
  const name = named(ending);
  const packed = format === 'packed';
  const start = (event: Event) => {
    event.preventDefault();
    if (bounds.trouble || running.value) return;
    const request = { volume: volumeNumber.value, start: bounds.start, end: bounds.end, format, allowLost: zero };
    void perform(request, { name, sha256, sparse });
  };
  const options = [
    '-o',
    packed ? named('.raw') : name,
    ...(format === 'qcow2' ? ['--format', 'qcow2'] : []),
    ...(zero ? ['--missing', 'zero'] : []),
    ...range(bounds.start, bounds.end, shown.virtual_size),
    ...volumeOption(opened.value?.info.volumes ?? [], volumeNumber.value),
  ];
  return (
    <section aria-labelledby="export-title">
      <h2 id="export-title">Export</h2>
      <form class="export" onSubmit={start}>
        <fieldset>
          <legend>Form</legend>
          {FORMATS.map(({ format: each, title, about }) => (
            <label key={each}>
              <input type="radio" name="format" checked={format === each} onChange={() => setFormat(each)} />
              <span>
                <b>{title}</b> <small>{about}</small>
              </span>
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend>Range</legend>
          <div class="bar">
            <label>
              from <input value={from} placeholder="0" spellcheck={false} onInput={(event) => setFrom(event.currentTarget.value)} />
            </label>
            <label>
              to <input value={to} placeholder="end" spellcheck={false} onInput={(event) => setTo(event.currentTarget.value)} />
            </label>
            <small>{bounds.whole ? `everything: ${formatSize(shown.virtual_size)}` : formatSize(bounds.end - bounds.start)}</small>
          </div>
          {bounds.trouble && <p role="alert">{bounds.trouble}</p>}
        </fieldset>
        <fieldset>
          <legend>Lost bytes</legend>
          <p>
            {lost === 0n ? 'Nothing of this volume is lost.' : `${formatCount(lost)} bytes of this volume are lost (${formatShare(lost, shown.virtual_size)}).`}
          </p>
          <label>
            <input type="radio" name="lost" checked={!zero} onChange={() => setZero(false)} />
            <span>stop the export</span>
          </label>
          <label>
            <input type="radio" name="lost" checked={zero} onChange={() => setZero(true)} />
            <span>become zeros</span>
          </label>
        </fieldset>
        <fieldset>
          <legend>Along with it</legend>
          <label>
            <input type="checkbox" checked={sha256} onChange={() => setSha256(!sha256)} />
            <span>
              SHA-256 <small>reads everything once</small>
            </span>
          </label>
          {canWriteFiles() && (
            <label>
              <input type="checkbox" checked={sparse} onChange={() => setSparse(!sparse)} />
              <span>
                sparse file <small>holes take no room on the disk</small>
              </span>
            </label>
          )}
        </fieldset>
        <p class="buttons">
          <button class="main" disabled={running.value !== null || bounds.trouble !== ''}>
            Export {name}
          </button>
          {running.value && (
            <button type="button" onClick={() => abort.abort()}>
              Cancel
            </button>
          )}
        </p>
      </form>
      <Running />
      <Done />
      {packed && <p class="note">The program has no such form. It writes raw images sparse, which take as much room:</p>}
      <CommandLine line={commandLine('export', files.value, options) + (sha256 && !packed ? `; sha256sum ${name}` : '')} />
    </section>
  );
}

interface Bounds {
  start: bigint;
  end: bigint;
  whole: boolean;
  trouble: string;
}

/** What was typed, as a range; both ends are addresses of the volume. */
function rangeOf(from: string, to: string, size: bigint): Bounds {
  // The end may be the first byte that is not there.
  const volumeGround = { ...ground.value, size: size + 1n, current: at.value };
  const first = from.trim() === '' ? { offset: 0n } : parseAddress(from, volumeGround);
  const isEnd = to.trim() === '' || to.trim() === 'end';
  const last = isEnd ? { offset: size } : parseAddress(to, volumeGround);
  if ('error' in first) return { start: 0n, end: size, whole: false, trouble: explain(first) };
  if ('error' in last) return { start: 0n, end: size, whole: false, trouble: explain(last) };
  const [start, end] = [first.offset, last.offset];
  const trouble = start >= end ? `The range is empty: it ends at ${formatHex(end)}.` : '';
  return { start, end, whole: start === 0n && end === size, trouble };
}

interface Wish {
  name: string;
  sha256: boolean;
  sparse: boolean;
}

async function perform(request: ImageRequest, { name, sha256, sparse }: Wish): Promise<void> {
  abort = new AbortController();
  const options = { name, sha256, signal: abort.signal, progress: (now: ExportProgress) => (running.value = now) };
  try {
    done.value = null;
    const handle = sparse ? await pickTarget(name) : null;
    running.value = { what: 'planning', done: 0n, all: 0n, speed: 0 };
    if (handle) {
      done.value = { name, manifest: await writeImage(engine, request, handle, options) };
      return;
    }
    const { blob, manifest } = await composeImage(engine, request, options);
    download(blob, name);
    done.value = { name, manifest };
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) fail(error);
  } finally {
    running.value = null;
  }
}

type Picker = (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;

/** Where the user wants it. Must be the first thing after a press: browsers insist on that. */
function pickTarget(name: string): Promise<FileSystemFileHandle> {
  return (window as unknown as { showSaveFilePicker: Picker }).showSaveFilePicker({ suggestedName: name });
}

const WHATS = { planning: 'Planning', hashing: 'Reading and hashing', writing: 'Writing' };

function Running() {
  const now = running.value;
  if (!now) return null;
  const rest = now.speed > 0 ? Number(now.all - now.done) / now.speed : null;
  return (
    <p class="work" role="status" data-export="running">
      <progress value={now.all > 0n ? Number((now.done * 1000n) / now.all) / 1000 : 0} aria-label={WHATS[now.what]} />{' '}
      {WHATS[now.what]}: {formatSize(now.done)} of {formatSize(now.all)}
      {now.speed > 0 && `, ${formatSize(BigInt(Math.round(now.speed)))}/s`}
      {rest !== null && rest > 1 && `, ${formatSeconds(rest)} left`}
    </p>
  );
}

function Done() {
  const result = done.value;
  if (!result) return null;
  const { name, manifest } = result;
  const { data, hole, lost } = manifest.export;
  return (
    <article class="done" data-export="done" aria-label="Exported">
      <h3>
        {name} <small>{formatSize(manifest.length)}</small>
      </h3>
      <dl class="facts">
        {manifest.sha256 && (
          <div>
            <dt>SHA-256</dt>
            <dd>
              <code class="bytes" data-sha256>
                {manifest.sha256}
              </code>
              <Copy text={manifest.sha256} what="SHA-256" />
            </dd>
          </div>
        )}
        <div>
          <dt>Of the range</dt>
          <dd>
            {formatSize(data)} data, {formatSize(hole)} holes, {formatSize(lost)} lost
          </dd>
        </div>
      </dl>
      <p>The records and maps were the same before and after.</p>
      <p class="buttons">
        <button onClick={() => save(`${toJson(manifest)}\n`, `${name}.json`, 'application/json')}>Save the manifest</button>
      </p>
    </article>
  );
}
