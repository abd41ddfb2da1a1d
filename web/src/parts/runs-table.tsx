/** The map as a table: of all its rows, those that are in sight are there. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { engine, fail, generation, index, volume, volumeNumber } from '../app/store';
import { go, linked } from '../app/place';
import { formatCount, formatHex, formatSize } from '../model/size';
import { runsOf, stateOf, stateWords, type Run } from '../model/tables';

const HEIGHT = 28;
const SIGHT = 12;
/** Rows of a page: browsers draw nothing that is higher than some 16 million pixels. */
const PAGE = 200_000;

export function RunsTable({ labelledBy }: { labelledBy: string }) {
  const all = Number(index.value?.runs ?? 0n);
  const [page, setPage] = useState(0);
  const [top, setTop] = useState(0);
  const [rows, setRows] = useState<{ first: number; runs: Run[] }>({ first: 0, runs: [] });
  const holder = useRef<HTMLDivElement>(null);
  const pages = Math.max(1, Math.ceil(all / PAGE));
  const here = Math.min(page, pages - 1);
  const count = Math.min(PAGE, all - here * PAGE);
  const first = here * PAGE + Math.min(Math.max(0, top - SIGHT), Math.max(0, count - 1));
  const wanted = Math.min(3 * SIGHT, here * PAGE + count - first);
  const number = volumeNumber.value;
  const size = volume.value!.chunk_size;

  useEffect(() => {
    if (wanted <= 0) return setRows({ first: 0, runs: [] });
    let current = true;
    engine.call('runs', [number, BigInt(first), wanted]).then(
      (columns) => current && setRows({ first, runs: runsOf(columns) }),
      (error: unknown) => current && fail(error),
    );
    return () => {
      current = false;
    };
  }, [number, first, wanted, index.value?.done, generation.value]);

  // What is selected elsewhere is brought into sight here.
  const { virtual } = linked.value;
  useEffect(() => {
    if (virtual === null || holder.current?.contains(document.activeElement)) return;
    engine.call('runAt', [number, virtual]).then(
      (run) => {
        if (run === null || !holder.current) return;
        const [target, row] = [Math.floor(Number(run) / PAGE), Number(run) % PAGE];
        setPage(target);
        const { scrollTop } = holder.current;
        const seen = row * HEIGHT >= scrollTop && (row + 2) * HEIGHT <= scrollTop + SIGHT * HEIGHT;
        if (!seen || target !== here) holder.current.scrollTop = (row - SIGHT / 3) * HEIGHT;
      },
      () => {},
    );
  }, [virtual]);

  const before = rows.first - here * PAGE;
  return (
    <>
      <div
        class="table-scroll"
        ref={holder}
        tabIndex={0}
        role="region"
        aria-labelledby={labelledBy}
        onScroll={(event) => setTop(Math.floor(event.currentTarget.scrollTop / HEIGHT))}
      >
        <table class="rows" aria-rowcount={all + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <th scope="col">Start</th>
              <th scope="col">Length</th>
              <th scope="col">State</th>
              <th scope="col">Component</th>
              <th scope="col">Chunk there</th>
              <th scope="col">Offset there</th>
            </tr>
          </thead>
          <tbody>
            {before > 0 && <Spacer rows={before} />}
            {rows.runs.map((run, row) => (
              <Row key={rows.first + row} run={run} number={rows.first + row} size={size} virtual={virtual} />
            ))}
            {count - before - rows.runs.length > 0 && <Spacer rows={count - before - rows.runs.length} />}
          </tbody>
        </table>
      </div>
      <p class="note">
        {all === 0 ? 'No runs yet.' : `${formatCount(all)} ${all === 1 ? 'run' : 'runs'}: stretches that lie in one piece.`}
        {pages > 1 && (
          <span class="buttons">
            <button disabled={here === 0} onClick={() => setPage(here - 1)}>
              Previous {formatCount(PAGE)}
            </button>
            <button disabled={here + 1 >= pages} onClick={() => setPage(here + 1)}>
              Next {formatCount(PAGE)}
            </button>
          </span>
        )}
      </p>
    </>
  );
}

function Spacer({ rows }: { rows: number }) {
  return (
    <tr aria-hidden="true" class="spacer" style={{ height: `${rows * HEIGHT}px` }}>
      <td colSpan={6} />
    </tr>
  );
}

function Row({ run, number, size, virtual }: { run: Run; number: number; size: bigint; virtual: bigint | null }) {
  const here = virtual !== null && virtual >= run.start && virtual < run.start + run.length;
  return (
    <tr aria-rowindex={number + 2} class={here ? 'here' : undefined} aria-current={here || undefined}>
      <td>
        <button class="link" onClick={() => go({ space: 'volume', at: run.start })}>
          {formatHex(run.start)}
        </button>
      </td>
      <td title={`${formatCount(run.length)} bytes`}>{formatSize(run.length)}</td>
      <td>
        <i class={`swatch ${stateOf(run)}`} aria-hidden="true" /> {stateWords(run)}
      </td>
      <td>{run.component ?? '–'}</td>
      <td>{run.offset === null ? '–' : formatCount(run.offset / size)}</td>
      <td>{run.offset === null ? '–' : formatHex(run.offset)}</td>
    </tr>
  );
}
