/** Bytes: of the volume, of a component, of a file; at any offset. */
import { computed, signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { engine, fail, files, generation, index, inputs, opened, volume, volumeNumber } from '../app/store';
import { at, chunkSize, go, ground, linked, size, space, spaceName, spaceTitle } from '../app/place';
import type { Bytes, SearchState, Space } from '../engine/protocol';
import { everyUnit } from '../model/address';
import { commandLine, dumpOfExport, dumpOfFile, range, searchOfExport, searchOfFile, volumeOption, type FileStretch } from '../model/command';
import { addressDigits, asciiByte, clampRow, copied, hexByte, needle, readings, revealed, rowOf, span, type CopyForm } from '../model/hex';
import { formatCount, formatHex, formatShare, plural } from '../model/size';
import { announce } from '../parts/announce';
import { CommandLine, Copy } from '../parts/copy';
import { fieldAt, shapesIn, type Shape } from '../parts/fields';

const ROW = 22;

/** The most bytes that are copied at once. */
const MOST_COPIED = 1n << 20n;

/** A selection from `anchor` to the byte `to`, and what it was made in. */
interface Selection {
  anchor: bigint;
  to: bigint;
  where: string;
  set: readonly unknown[];
}

const selection = signal<Selection | null>(null);

/** The other end of the selection, which begins at the selected byte. Another way of getting somewhere ends it. */
const anchor = computed<bigint | null>(() => {
  const made = selection.value;
  const holds = made && made.to === at.value && made.where === placeName() && made.set === files.value;
  return holds ? made.anchor : null;
});

/** Goes to a byte, with a selection that reaches from `from` to it. */
function selectTo(to: bigint, from: bigint | null): void {
  selection.value = from === null ? null : { anchor: from, to, where: placeName(), set: files.value };
  go({ space: spaceName(space.value), at: to });
}

/** The space, of which volume. */
function placeName(): string {
  return `${spaceName(space.value)} ${volumeNumber.value}`;
}

/** The bytes that are in sight: the first, and the first behind. */
const sight = signal<[bigint, bigint] | null>(null);

/** What is looked for. */
const sought = signal<Uint8Array<ArrayBuffer> | null>(null);

export function Hex() {
  return (
    <section class="hex-view" aria-labelledby="hex-title">
      <div class="bar">
        <h2 id="hex-title">Bytes</h2>
        <Spaces />
      </div>
      <div class="hex-columns">
        <Dump key={placeName()} />
        <Inspector />
      </div>
      <Search />
      <Lines />
    </section>
  );
}

/** What is selected, or else what is in sight; and the search. */
function Lines() {
  const where = space.value;
  if (sight.value === null) return null;
  const [from, to] = anchor.value === null ? sight.value : span(anchor.value, at.value);
  if (where.kind === 'volume') {
    const options = [
      ...(index.value?.lost ? ['--missing', 'zero'] : []),
      ...volumeOption(opened.value!.info.volumes, where.volume),
    ];
    const exported = (...more: string[]) => commandLine('export', files.value, ['-o', '-', ...more, ...options]);
    return (
      <>
        <CommandLine line={dumpOfExport(exported(...range(from, to, size.value)))} />
        {sought.value && <SearchLine line={searchOfExport(exported(), sought.value)} />}
      </>
    );
  }
  const file = fileStretch(where);
  if (!file) return null;
  return (
    <>
      <CommandLine line={dumpOfFile(file, from, to)} />
      {sought.value && <SearchLine line={searchOfFile(file, sought.value)} />}
    </>
  );
}

function SearchLine({ line }: { line: string | null }) {
  if (line === null) return <p class="note">No command line can look for bytes 00 and 0a: grep takes them for ends of lines.</p>;
  return <CommandLine line={line} />;
}

/** Where a component, or a file, lies; `null` for what only a specimen tells of. */
function fileStretch(where: Exclude<Space, { kind: 'volume' }>): FileStretch | null {
  const component = where.kind === 'component' ? volume.value?.components.find(({ index }) => index === where.component) : null;
  const label = where.kind === 'file' ? inputs.value[where.file]?.label : component?.file;
  const file = files.value.find((other) => other.label === label);
  if (!file) return null;
  const [start, length] = [component?.offset ?? 0n, size.value];
  return { label: file.label, start, size: length, whole: start === 0n && length === BigInt(file.size) };
}

/** The places that are looked at most: the map and the records, as places of components. */
function landmarks(): { value: string; title: string }[] {
  const there = volume.value?.components.slice(0, 500) ?? [];
  const map = there.some(({ index }) => index === 0) ? [{ value: 'c0@0', title: 'the map' }] : [];
  const records = there.flatMap(({ index, file, offset, size }) => {
    const record = opened.value?.records.find((one) => one.component === index && one.file === file && one.volume === BigInt(volumeNumber.value));
    const at = record ? record.offset - offset : -1n;
    return at >= 0n && at < size ? [{ value: `c${index}@${at}`, title: `the record of ${index}: ${file}` }] : [];
  });
  return [...map, ...records];
}

function Spaces() {
  const shown = volume.value;
  const choose = (event: Event & { currentTarget: HTMLSelectElement }) => {
    const [chosen, offset = '0'] = event.currentTarget.value.split('@');
    go({ space: chosen!, at: BigInt(offset) });
    // A landmark is a place of the component that is shown then.
    event.currentTarget.value = chosen!;
  };
  return (
    <label>
      of{' '}
      <select value={spaceName(space.value)} onChange={choose}>
        {shown && <option value="volume">volume {shown.name}</option>}
        {shown && (
          <optgroup label="Components">
            {shown.components.slice(0, 500).map(({ index, file }) => (
              <option key={index} value={`c${index}`}>
                {index}: {file}
              </option>
            ))}
          </optgroup>
        )}
        {shown && (
          <optgroup label="Places">
            {landmarks().map(({ value, title }) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </optgroup>
        )}
        <optgroup label="Files">
          {inputs.value.slice(0, 500).map(({ label }, number) => (
            <option key={number} value={`f${number}`}>
              {label}
            </option>
          ))}
        </optgroup>
      </select>
    </label>
  );
}

interface Page {
  start: bigint;
  bytes: Uint8Array;
  lost: Bytes['lost'];
  shapes: Shape[];
}

/** Rows of bytes, with a way to any of 2^60 of them. */
function Dump() {
  const pane = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState({ width: 16, rows: 24 });
  const { width, rows } = room;
  const here = at.value;
  const [first, setFirst] = useState(() => rowOf(here, 16));
  const [page, setPage] = useState<Page | null>(null);
  const [trouble, setTrouble] = useState('');
  const all = size.value;
  const top = clampRow(first, all, width, rows);
  const start = top * BigInt(width);
  const count = Number(bigMin(BigInt(width * rows), all - start));
  const where = space.value;

  useLayoutEffect(() => {
    const measure = () => {
      const wide = pane.current!.closest('section')!.clientWidth;
      const tall = Math.max(8, Math.min(40, Math.floor((innerHeight * 0.6) / ROW)));
      setRoom({ width: wide < 640 ? 8 : 16, rows: tall });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(pane.current!.closest('section')!);
    return () => observer.disconnect();
  }, []);

  useEffect(() => setFirst((now) => revealed(clampRow(now, all, width, rows), rowOf(here, width), rows)), [here, width, rows]);

  useEffect(() => {
    let current = true;
    if (count <= 0) {
      sight.value = null;
      return setPage(null);
    }
    void Promise.all([engine.call('read', [where, start, count]), shapesIn(where, start, count)]).then(
      ([{ bytes, lost }, shapes]) => {
        if (!current) return;
        setPage({ start, bytes, lost, shapes });
        setTrouble('');
        sight.value = [start, start + BigInt(bytes.length)];
      },
      (error: unknown) => {
        if (!current) return;
        setPage(null);
        sight.value = null;
        setTrouble(error instanceof Error ? error.message : String(error));
      },
    );
    return () => {
      current = false;
    };
  }, [start, count, generation.value, index.value?.done]);

  const move = (to: bigint, extend: boolean) => {
    const offset = to < 0n ? 0n : to >= all ? all - 1n : to;
    selectTo(offset, extend ? (anchor.value ?? here) : null);
  };
  const keyDown = (event: KeyboardEvent) => {
    const line = BigInt(width);
    const steps: Record<string, bigint> = {
      ArrowLeft: here - 1n,
      ArrowRight: here + 1n,
      ArrowUp: here - line,
      ArrowDown: here + line,
      PageUp: here - line * BigInt(rows),
      PageDown: here + line * BigInt(rows),
      Home: event.ctrlKey ? 0n : here - (here % line),
      End: event.ctrlKey ? all - 1n : here - (here % line) + line - 1n,
    };
    const to = steps[event.key];
    if (event.key === 'c' && (event.ctrlKey || event.metaKey) && !getSelection()?.toString()) {
      event.preventDefault();
      void copySelection('hex');
    } else if (to !== undefined && !event.metaKey && !event.altKey) {
      event.preventDefault();
      move(to, event.shiftKey);
    }
  };
  const wheel = useRef(0);
  useEffect(() => {
    const scroll = (event: WheelEvent) => {
      if (event.ctrlKey) return;
      event.preventDefault();
      wheel.current += event.deltaMode === 1 ? event.deltaY * ROW : event.deltaY;
      const lines = Math.trunc(wheel.current / ROW);
      wheel.current -= lines * ROW;
      if (lines !== 0) setFirst((now) => clampRow(now + BigInt(lines), all, width, rows));
    };
    const element = pane.current!;
    element.addEventListener('wheel', scroll, { passive: false });
    return () => element.removeEventListener('wheel', scroll);
  }, [all, width, rows]);
  const drag = useRef<number | null>(null);
  const byteAt = (event: PointerEvent) => {
    const cell = (event.target as HTMLElement).closest<HTMLElement>('[data-at]');
    return cell ? BigInt(cell.dataset['at']!) : null;
  };
  const rowsInAll = (all + BigInt(width) - 1n) / BigInt(width);
  const lastTop = rowsInAll > BigInt(rows) ? rowsInAll - BigInt(rows) : 0n;
  return (
    <div class="dump">
      <div
        class="dump-rows"
        ref={pane}
        tabIndex={0}
        role="group"
        aria-label={`Bytes of ${spaceTitle(where)}; arrow keys move, shift selects`}
        aria-describedby="byte-told"
        onKeyDown={keyDown}
        onPointerDown={(event) => {
          if (event.pointerType === 'touch') drag.current = event.clientY;
          const byte = byteAt(event);
          if (byte !== null && event.button === 0 && event.pointerType !== 'touch') move(byte, event.shiftKey);
        }}
        onPointerMove={(event) => {
          if (event.buttons !== 1) return;
          if (event.pointerType === 'touch' && drag.current !== null) {
            const lines = Math.trunc((drag.current - event.clientY) / ROW);
            if (lines === 0) return;
            drag.current -= lines * ROW;
            return setFirst((now) => clampRow(now + BigInt(lines), all, width, rows));
          }
          const byte = byteAt(event);
          if (byte !== null && byte !== here) move(byte, true);
        }}
        onClick={(event) => {
          const byte = byteAt(event as unknown as PointerEvent);
          if ((event as unknown as PointerEvent).pointerType === 'touch' && byte !== null) move(byte, false);
        }}
      >
        {trouble && <p class="problem">{trouble}</p>}
        {all === 0n && <p class="note">There are no bytes.</p>}
        {page && page.start === start && <Rows page={page} width={width} />}
      </div>
      <input
        type="range"
        class="dump-scroll"
        aria-label="Position"
        aria-valuetext={formatShare(top, lastTop)}
        min={0}
        max={10000}
        value={lastTop === 0n ? 0 : Number((top * 10000n) / lastTop)}
        disabled={lastTop === 0n}
        onInput={(event) => setFirst((lastTop * BigInt(event.currentTarget.value)) / 10000n)}
      />
    </div>
  );
}

function Rows({ page, width }: { page: Page; width: number }) {
  const digits = addressDigits(size.value);
  const [from, to] = anchor.value === null ? [at.value, at.value + 1n] : span(anchor.value, at.value);
  const lines = [];
  for (let row = 0; row * width < page.bytes.length; row += 1) {
    const start = page.start + BigInt(row * width);
    lines.push(
      <Line
        key={row}
        start={start}
        digits={digits}
        width={width}
        bytes={page.bytes.subarray(row * width, (row + 1) * width)}
        looks={looks(page, start, width, from, to)}
      />,
    );
  }
  return <>{lines}</>;
}

/** The classes of each byte of a row. */
function looks({ lost, shapes }: Page, start: bigint, width: number, from: bigint, to: bigint): string[] {
  return Array.from({ length: width }, (_, column) => {
    const offset = start + BigInt(column);
    const names = [];
    if (offset >= from && offset < to) names.push('on');
    if (offset === at.value) names.push('here');
    if (lost.some(([first, length]) => offset >= first && offset < first + length)) names.push('lost');
    const shape = shapes.findIndex(({ start, end }) => offset >= start && offset < end);
    if (shape >= 0) names.push(shapes[shape]!.odd ? 'shape-odd' : 'shape-even', shapes[shape]!.agrees === false ? 'wrong' : '');
    return names.join(' ');
  });
}

function Line({ start, digits, width, bytes, looks }: { start: bigint; digits: number; width: number; bytes: Uint8Array; looks: string[] }) {
  const cell = (byte: number, column: number, show: (byte: number) => string) => (
    <span key={column} class={looks[column] || (byte === 0 ? 'zero' : undefined)} data-at={start + BigInt(column)}>
      {show(byte)}
    </span>
  );
  return (
    <div class="line">
      <span class="where">{start.toString(16).padStart(digits, '0')}</span>
      <span class={`cells w${width}`}>{Array.from(bytes, (byte, column) => cell(byte, column, hexByte))}</span>
      <span class="text" aria-hidden="true">
        {Array.from(bytes, (byte, column) => cell(byte, column, asciiByte))}
      </span>
    </div>
  );
}

async function copySelection(form: CopyForm): Promise<void> {
  const [from, to] = anchor.value === null ? [at.value, at.value + 1n] : span(anchor.value, at.value);
  if (to - from > MOST_COPIED) return announce('That is more than 1 MiB: export the range instead');
  try {
    const { bytes } = await engine.call('read', [space.value, from, Number(to - from)]);
    await navigator.clipboard.writeText(copied(bytes, from, form));
    announce(`${plural(to - from, 'byte')} copied`);
  } catch (error) {
    fail(error);
  }
}

/** What the selected byte is: its address, its field, the numbers that start there. */
function Inspector() {
  const [bytes, setBytes] = useState<Uint8Array>(new Uint8Array());
  const [shape, setShape] = useState<Shape | null>(null);
  const here = at.value;
  const where = space.value;
  const all = size.value;
  const key = `${spaceName(where)} ${volumeNumber.value} ${here} ${all}`;
  useEffect(() => {
    let current = true;
    if (here >= all) return;
    const wanted = Number(bigMin(8n, all - here));
    void engine.call('read', [where, here, wanted]).then(
      (read) => current && setBytes(read.bytes),
      () => current && setBytes(new Uint8Array()),
    );
    void fieldAt(where, here).then((found) => current && setShape(found), () => {});
    return () => {
      current = false;
    };
  }, [key, generation.value]);
  const { virtual, component, physical } = linked.value;
  const [from, to] = anchor.value === null ? [here, here + 1n] : span(anchor.value, here);
  const many = to - from > 1n;
  return (
    <aside class="place" aria-label="Selected byte">
      <h3 id="byte-told">
        {many ? plural(to - from, 'byte') : `Byte ${formatHex(here)}`}
      </h3>
      {shape && (
        <div class={`field${shape.agrees === false ? ' wrong' : ''}`}>
          <p>
            <code>{shape.name}</code> <b>{shape.value}</b>
          </p>
          <p>
            {shape.meaning} {shape.agrees === false && <b>It should say {shape.expected}.</b>}
          </p>
        </div>
      )}
      <dl class="facts">
        {everyUnit(here, ground.value).map(({ label, value, copied, what }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <code>{value}</code>
              <Copy text={copied} what={what} />
            </dd>
          </div>
        ))}
        {readings(bytes).map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <code>{value}</code>
            </dd>
          </div>
        ))}
      </dl>
      <p class="buttons">
        {where.kind === 'volume' && component !== null && physical !== null && (
          <button onClick={() => go({ space: `c${component}`, at: physical })}>On component {component}</button>
        )}
        {where.kind === 'component' && virtual !== null && (
          <button onClick={() => go({ space: 'volume', at: virtual })}>On the volume</button>
        )}
        {where.kind !== 'file' && <button onClick={() => go({ view: 'map', at: here })}>On the map</button>}
      </p>
      <p class="buttons" role="group" aria-label="Copy the selection">
        Copy
        {(['hex', 'text', 'dump', 'rust'] as const).map((form) => (
          <button key={form} class="small" onClick={() => void copySelection(form)}>
            {form}
          </button>
        ))}
      </p>
    </aside>
  );
}

/** Looking for bytes, as long as it takes. */
function Search() {
  const [text, setText] = useState('');
  const [kind, setKind] = useState<'text' | 'hex'>('text');
  const [state, setState] = useState<SearchState | null>(null);
  const [trouble, setTrouble] = useState('');
  const abort = useRef<AbortController | null>(null);
  const [running, setRunning] = useState(false);
  const where = space.value;
  useEffect(() => () => abort.current?.abort(), []);
  useEffect(() => {
    sought.value = needle(text, kind);
  }, [text, kind]);
  const submit = async (event: Event) => {
    event.preventDefault();
    const bytes = needle(text, kind);
    if (!bytes) return setTrouble(kind === 'hex' ? 'Write pairs of hexadecimal digits: 47 45 4f 4d.' : 'Write what to look for.');
    setTrouble('');
    abort.current?.abort();
    const mine = new AbortController();
    abort.current = mine;
    setRunning(true);
    try {
      const args: [Space, bigint, bigint, Uint8Array, number] = [where, 0n, size.value, bytes, 500];
      const found = await engine.call('search', args, { signal: mine.signal, progress: (now) => setState(copyOf(now)) });
      if (!mine.signal.aborted) setState(found);
    } catch (error) {
      if (!mine.signal.aborted) fail(error);
    } finally {
      if (abort.current === mine) setRunning(false);
    }
  };
  return (
    <form class="search" aria-label="Search" onSubmit={(event) => void submit(event)}>
      <div class="bar">
        <label for="needle">Find</label>
        <input id="needle" value={text} spellcheck={false} autocomplete="off" onInput={(event) => setText(event.currentTarget.value)} />
        <select aria-label="As" value={kind} onChange={(event) => setKind(event.currentTarget.value as 'text' | 'hex')}>
          <option value="text">text</option>
          <option value="hex">bytes</option>
        </select>
        {running ? (
          <button type="button" onClick={() => abort.current?.abort()}>
            Stop
          </button>
        ) : (
          <button>Find all</button>
        )}
        {running && state && (
          <progress value={Number(state.position)} max={Number(state.end)} aria-label="Searching" />
        )}
      </div>
      {trouble && <p role="alert">{trouble}</p>}
      {state && (
        <p class="note" role="status">
          {state.full ? `The first ${formatCount(state.hits.length)} places` : plural(state.hits.length, 'place')}
          {running ? ` up to ${formatHex(state.position)}` : state.position < state.end && !state.full ? `, looked up to ${formatHex(state.position)}` : ''}
        </p>
      )}
      {state && state.hits.length > 0 && (
        <ul class="hits">
          {state.hits.map((hit) => (
            <li key={hit}>
              <button
                type="button"
                class="link"
                onClick={() => {
                  const length = BigInt(needle(text, kind)?.length ?? 1);
                  go({ space: spaceName(where) });
                  selectTo(hit, hit + length - 1n);
                }}
              >
                {formatHex(hit)}
              </button>{' '}
              <small>chunk {formatCount(hit / chunkSize.value)}</small>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}

function copyOf(state: SearchState): SearchState {
  return { ...state, hits: [...state.hits] };
}

function bigMin(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
