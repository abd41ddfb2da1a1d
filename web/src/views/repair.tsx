/** What a repair would do, byte by byte, and what would come of it. Nothing is written here: the program does that. */
import { useEffect, useState } from 'preact/hooks';
import { checked, engine, fail, files, generation, index, inputs, opened, volume, volumeNumber } from '../app/store';
import { go, virtual } from '../app/place';
import type { Finding, PlanPatch, PlanStep, RepairPreview, SavedPlan, Verdict } from '../engine/documents';
import type { Allowed } from '../engine/protocol';
import { commandLine, quote, volumeOption } from '../model/command';
import { formatCount, formatHex, formatShare, formatSize, plural } from '../model/size';
import { CommandLine } from '../parts/copy';
import { MapCanvas } from '../parts/map-canvas';
import { fileName, save } from '../parts/save';
import { Item, findingsHere } from './findings';
import { describeVirtual, ignored } from './map';
import { sentence } from './overview';

/** Patches of a step that are shown; the saved plan has all of them. */
const SHOWN = 50;

/** Bytes of a patch that are shown before and after. */
const BYTES = 32;

export function Repair() {
  const shown = volume.value;
  const [allowed, setAllowed] = useState<Allowed>({ lossy: false, convertEndian: false });
  const [preview, setPreview] = useState<RepairPreview | null>(null);
  const ready = checked.value !== null;
  const number = volumeNumber.value;
  useEffect(() => {
    setPreview(null);
    if (!shown || !ready) return;
    const abort = new AbortController();
    engine.call('repair', [number, allowed], { signal: abort.signal }).then(
      (found) => !abort.signal.aborted && setPreview(found),
      (error: unknown) => !abort.signal.aborted && fail(error),
    );
    return () => abort.abort();
  }, [number, allowed, ready, shown === null, generation.value]);
  if (!shown) return <p>There is no volume that could be repaired.</p>;
  return (
    <section aria-labelledby="repair-title">
      <h2 id="repair-title">Repair</h2>
      <p class="note">
        A plan, tried out in memory. A browser cannot write into a large file, and this page writes into none: save the plan, and let the
        program carry it out, which keeps an undo log.
      </p>
      <label class="line-label">
        <input type="checkbox" checked={allowed.lossy} onChange={() => setAllowed({ ...allowed, lossy: !allowed.lossy })} /> also what
        gives something up for good
      </label>
      {shown.map.byte_order === 'big' && (
        <label class="line-label" data-convert>
          <input
            type="checkbox"
            checked={allowed.convertEndian}
            onChange={() => setAllowed({ ...allowed, convertEndian: !allowed.convertEndian })}
          />{' '}
          make the map little-endian; machines like the one that wrote it start the volume no more
        </label>
      )}
      {preview ? <Plan preview={preview} allowed={allowed} /> : <p class="work">Planning …</p>}
    </section>
  );
}

function Plan({ preview, allowed }: { preview: RepairPreview; allowed: Allowed }) {
  const { plan, left, declined } = preview;
  const name = fileName(volume.value!.name, '-plan.json');
  const which = volumeOption(opened.value!.info.volumes, volumeNumber.value);
  const options = [...(allowed.lossy ? ['--lossy'] : []), ...(allowed.convertEndian ? ['--convert-endian'] : []), ...which];
  return (
    <>
      <Outcome preview={preview} />
      {plan.steps.length > 0 && <Maps preview={preview} />}
      {plan.steps.length === 0 ? (
        <p data-repair="nothing">{nothing(left)}</p>
      ) : (
        <>
          <h3>{plural(plan.steps.length, 'step')}</h3>
          <ol class="steps" data-repair="plan">
            {plan.steps.map((step) => (
              <Step key={String(step.number)} step={step} plan={plan} />
            ))}
          </ol>
          <p class="buttons">
            <button class="main" onClick={() => void savePlan(allowed, name)}>
              Save the plan
            </button>
          </p>
          <CommandLine line={commandLine('repair', files.value, ['--plan-out', name, ...options])} />
          <p class="note">To carry it out:</p>
          <CommandLine line={commandLine('repair', files.value, ['--apply-plan', name, ...which])} />
          <Sectors preview={preview} />
        </>
      )}
      {declined && (
        <p data-repair="declined">
          <b class="refused">No further step, for data would be lost:</b> {declined}.
        </p>
      )}
      {left.length > 0 && (
        <>
          <h3>What is left</h3>
          <ul class="findings">
            {left.map((finding, number) => (
              <Item key={number} finding={finding} places={false} />
            ))}
          </ul>
        </>
      )}
      <CommandLine line={commandLine('repair', files.value, options)} />
    </>
  );
}

/** Why a plan has no step. */
function nothing(left: Finding[]): string {
  if (left.length === 0) return 'There is nothing to repair.';
  const could = left.some(({ repair }) => repair !== 'none');
  return could ? 'There is nothing that is repaired unless it is chosen above.' : 'There is nothing that can be repaired.';
}

/** Reading the chunks that are copied may take long, so the plan is bound to them only when it is saved. */
async function savePlan(allowed: Allowed, name: string): Promise<void> {
  try {
    save(await engine.call('repairPlan', [volumeNumber.value, allowed]), name, 'application/json');
  } catch (error) {
    fail(error);
  }
}

const WORDS: Record<Verdict, string> = { clean: '✔ clean', damaged: '▲ damaged', unusable: '✖ unusable' };

/** Before and after, side by side. */
function Outcome({ preview }: { preview: RepairPreview }) {
  const [now, after] = [volume.value!, preview.info_after.volumes[0]];
  if (!after) return null;
  const use = ({ allocated_chunks, virtual_chunks }: typeof now) =>
    `${formatCount(allocated_chunks)} of ${plural(virtual_chunks, 'chunk')}, ${formatShare(allocated_chunks, virtual_chunks)}`;
  const kernel = ({ kernel: { taste, confxml } }: typeof now) => `${taste}${confxml === 'panics' ? ', listing panics' : ''}`;
  const lost = ({ map }: typeof now) => formatCount(map.bad_entries + map.unreadable_entries);
  const rows: [string, string, string][] = [
    ['Verdict', WORDS[preview.verdict], WORDS[preview.verdict_after]],
    ['FreeBSD', kernel(now), kernel(after)],
    ['Findings', formatCount(checked.value?.findings.length ?? 0), formatCount(preview.left.length)],
    ['Allocated', use(now), use(after)],
    ['Map entries that name what cannot be', lost(now), lost(after)],
    ['Components', `${now.components.length} of ${now.component_count}`, `${after.components.length} of ${after.component_count}`],
  ];
  return (
    <div class="table-wide" tabIndex={0} role="region" aria-label="Before and after">
      <table class="outcome" data-repair-verdict={preview.verdict_after}>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Now</th>
            <th scope="col">After the repair</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([what, before, then]) => (
            <tr key={what}>
              <th scope="row">{what}</th>
              <td>{before}</td>
              <td>{before === then ? then : <b>{then}</b>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The map before and after, cell above cell. */
function Maps({ preview }: { preview: RepairPreview }) {
  const [now, after] = [volume.value!, preview.info_after.volumes[0]];
  const number = volumeNumber.value;
  if (!after || now.virtual_chunks === 0n) return null;
  const chunks = Number(now.virtual_chunks);
  const selected = virtual.value === null ? null : Number(virtual.value / now.chunk_size);
  const select = (chunk: number) => go({ space: 'volume', at: BigInt(chunk) * now.chunk_size });
  const common = {
    layout: 'rows' as const, maxHeight: 160, scaleFor: chunks, selected, describe: describeVirtual, onSelect: select,
    onOpen: (chunk: number) => go({ view: 'hex', space: 'volume', at: BigInt(chunk) * now.chunk_size }),
  };
  const marks = [...new Set(findingsHere.value.flatMap(({ virtual_chunk }) => (virtual_chunk === null ? [] : [Number(virtual_chunk)])))];
  return (
    <div class="before-after" data-repair="maps">
      <div>
        <h3>Map now</h3>
        <MapCanvas
          {...common}
          label="Map now"
          chunks={chunks}
          version={`${index.value?.done} ${generation.value}`}
          marks={marks}
          load={(first, bits, cells) => engine.call('picture', [number, first, bits, cells]).catch(ignored)}
        />
      </div>
      <div>
        <h3>Map after the repair</h3>
        <MapCanvas
          {...common}
          label="Map after the repair"
          chunks={Number(after.virtual_chunks)}
          version={preview}
          load={(first, bits, cells) => engine.call('repairPicture', [first, bits, cells]).catch(ignored)}
        />
      </div>
    </div>
  );
}

function Step({ step, plan }: { step: PlanStep; plan: SavedPlan }) {
  const patches = step.patches.filter(({ kind }) => kind !== 'barrier');
  return (
    <li class={step.lossy ? 'lossy' : undefined}>
      <p>
        <b>{sentence(step.action)}</b> {step.lossy && <span class="tag damaged">gives something up</span>}
      </p>
      <dl class="facts">
        {step.codes.length > 0 && (
          <div>
            <dt>Answers</dt>
            <dd>
              {step.codes.map((code) => (
                <code key={code}>{code} </code>
              ))}
            </dd>
          </div>
        )}
        <div>
          <dt>{step.lossy ? 'Given up' : 'Safe because'}</dt>
          <dd>{sentence(step.why)}</dd>
        </div>
        <div>
          <dt>FreeBSD then</dt>
          <dd>{step.freebsd}</dd>
        </div>
      </dl>
      <details>
        <summary>
          {plural(patches.length, 'change')}, {formatSize(step.bytes)}
        </summary>
        <div class="table-wide" tabIndex={0} role="region" aria-label={`Changes of step ${step.number}`}>
          <table class="patches">
            <thead>
              <tr>
                <th scope="col">Where</th>
                <th scope="col">Length</th>
                <th scope="col">Now</th>
                <th scope="col">Then</th>
              </tr>
            </thead>
            <tbody>
              {patches.slice(0, SHOWN).map((patch, number) => (
                <Patch key={number} patch={patch} plan={plan} />
              ))}
            </tbody>
          </table>
        </div>
        {patches.length > SHOWN && <p class="note">{plural(patches.length - SHOWN, 'more change')} in the saved plan.</p>}
      </details>
    </li>
  );
}

function Patch({ patch, plan }: { patch: PlanPatch; plan: SavedPlan }) {
  const { disk, offset, length, kind, from_disk, from_offset, before, after } = patch;
  const where = place(plan, disk, offset);
  const source = place(plan, from_disk, from_offset);
  return (
    <tr>
      <td>{where && <Where {...where} />}</td>
      <td>{formatSize(length ?? 0n)}</td>
      <td>
        {before !== undefined ? <Changed hex={before} other={after} /> : <small>{kind === 'zero' ? 'anything' : 'free'}</small>}
      </td>
      <td>
        {after !== undefined && <Changed hex={after} other={before} />}
        {kind === 'zero' && 'zeros'}
        {source && (
          <>
            copy of <Where {...source} />
          </>
        )}
      </td>
    </tr>
  );
}

/** The bytes in hexadecimal; those that change stand out. */
function Changed({ hex, other }: { hex: string; other: string | undefined }) {
  const bytes = (hex.match(/../g) ?? []).map((byte, at) => ({ byte, changed: other?.slice(2 * at, 2 * at + 2) !== byte }));
  const first = Math.max(0, bytes.findIndex(({ changed }) => changed));
  const last = Math.min(first + BYTES, bytes.findLastIndex(({ changed }) => changed) + 1);
  const shown = bytes.slice(first, last);
  return (
    <code class="bytes">
      {first > 0 && `+${first}: `}
      {shown.map(({ byte, changed }, at) => (changed ? <b key={at}>{byte} </b> : `${byte} `))}
      {last < bytes.length && '…'}
    </code>
  );
}

interface Place {
  file: string;
  at: bigint;
}

/** A byte of a disk of the plan, in its file. */
function place(plan: SavedPlan, disk: number | undefined, offset: bigint | undefined): Place | null {
  const entry = disk === undefined ? undefined : plan.disks[disk];
  return entry && offset !== undefined ? { file: entry.file, at: entry.start + offset } : null;
}

function Where({ file, at }: Place) {
  const number = inputs.value.findIndex(({ label }) => label === file);
  return (
    <button class="link" onClick={() => go({ view: 'hex', space: `f${number}`, at })}>
      {file} {formatHex(at)}
    </button>
  );
}

/** The sectors of the records, for those who want to write them by hand. */
function Sectors({ preview }: { preview: RepairPreview }) {
  if (preview.sectors.length === 0) return null;
  return (
    <details>
      <summary>The sectors of the records alone, for dd</summary>
      <p class="note">
        These are the last sectors of the components as they would be. They are only a part of the plan where it changes entries of the map or
        moves chunks: the program does all of it, and in an order that survives a power cut.
      </p>
      <ul class="sectors">
        {preview.sectors.map(({ file, offset, after }) => {
          const name = fileName(file, `-${formatHex(offset)}.bin`);
          const sector = BigInt(after.length);
          const line = `dd if=${quote(name)} of=${quote(file)} bs=${sector} seek=${offset / sector} conv=notrunc`;
          return (
            <li key={file}>
              <button onClick={() => save(new Blob([after as BlobPart]), name)}>Save {name}</button>
              <CommandLine line={line} />
            </li>
          );
        })}
      </ul>
    </details>
  );
}
