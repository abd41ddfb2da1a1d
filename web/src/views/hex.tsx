/** Bytes: of the volume, of a component, of a file; at any offset. */
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { engine, fail, generation, index, inputs, volume, volumeNumber } from '../app/store';
import { at, chunkSize, go, ground, linked, size, space, spaceName, spaceTitle } from '../app/place';
import type { Bytes, SearchState, Space } from '../engine/protocol';
import { everyUnit } from '../model/address';
import { addressDigits, asciiByte, clampRow, copied, hexByte, needle, readings, revealed, rowOf, span, type CopyForm } from '../model/hex';
import { formatCount, formatHex, formatShare, plural } from '../model/size';
import { announce } from '../parts/announce';
import { Copy } from '../parts/copy';
import { fieldAt, shapesIn, type Shape } from '../parts/fields';

const ROW = 22;

/** The most bytes that are copied at once. */
const MOST_COPIED = 1n << 20n;

/** The other end of the selection, which begins at the selected byte. */
const anchor = signal<bigint | null>(null);

export function Hex() {
  return (
    <section class="hex-view" aria-labelledby="hex-title">
      <div class="bar">
        <h2 id="hex-title">Bytes</h2>
        <Spaces />
      </div>
      <div class="hex-columns">
        <Dump key={`${spaceName(space.value)} ${volumeNumber.value}`} />
        <Inspector />
      </div>
      <Search />
    </section>
  );
}

function Spaces() {
  const shown = volume.value;
  return (
    <label>
      of{' '}
      <select value={spaceName(space.value)} onChange={(event) => go({ space: event.currentTarget.value, at: 0n })}>
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
    if (count <= 0) return setPage(null);
    void Promise.all([engine.call('read', [where, start, count]), shapesIn(where, start, count)]).then(
      ([{ bytes, lost }, shapes]) => {
        if (!current) return;
        setPage({ start, bytes, lost, shapes });
        setTrouble('');
      },
      (error: unknown) => {
        if (!current) return;
        setPage(null);
        setTrouble(error instanceof Error ? error.message : String(error));
      },
    );
    return () => {
      current = false;
    };
  }, [start, count, generation.value, index.value?.done]);

  const move = (to: bigint, extend: boolean) => {
    const offset = to < 0n ? 0n : to >= all ? all - 1n : to;
    anchor.value = extend ? (anchor.value ?? here) : null;
    go({ at: offset });
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
        {everyUnit(here, ground.value).map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <code>{value}</code>
              <Copy text={value} what={`${label} address`} />
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
                  anchor.value = hit + length - 1n;
                  go({ space: spaceName(where), at: hit });
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

// The selection belongs to the place: another way of getting somewhere ends it.
export function forgetSelection(): void {
  anchor.value = null;
}

