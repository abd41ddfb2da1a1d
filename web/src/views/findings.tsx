/** What is wrong with the set, what FreeBSD does about it, and where. */
import { computed, signal } from '@preact/signals';
import { checked, files, inputs, opened, volume } from '../app/store';
import { go, type Linked } from '../app/place';
import type { Finding, Severity } from '../engine/documents';
import { commandLine } from '../model/command';
import { formatCount, plural } from '../model/size';
import { CommandLine } from '../parts/copy';
import { VerdictLine, sentence } from './overview';

export const SEVERITIES: readonly Severity[] = ['fatal', 'error', 'warning', 'notice'];

/** What each severity is, beside a word: a shape. */
export const SHAPES: Record<Severity, string> = { fatal: '✖', error: '▲', warning: '◆', notice: '●' };

/** The findings about the shown volume. */
export const findingsHere = computed<Finding[]>(() => {
  const [check, shown] = [checked.value, volume.value];
  if (!check || !shown) return [];
  const place = check.volumes.findIndex(({ name, id }) => name === shown.name && id === shown.id);
  return check.findings.filter((finding) => finding.volume !== null && Number(finding.volume) === place);
});

/** Those about the chunk that a place is in. */
export function findingsAt({ virtual, component, physical }: Linked): Finding[] {
  const size = volume.value?.chunk_size ?? 1n;
  return findingsHere.value.filter(
    (finding) =>
      (virtual !== null && finding.virtual_chunk === virtual / size) ||
      (physical !== null &&
        component !== null &&
        finding.component === component &&
        finding.physical_chunk === physical / size),
  );
}

const hidden = signal<ReadonlySet<Severity>>(new Set());

export function Findings() {
  const check = checked.value;
  if (!check) return <p class="note">Checking …</p>;
  const list = check.findings.filter(({ severity }) => !hidden.value.has(severity));
  list.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
  const toggle = (severity: Severity) => {
    const next = new Set(hidden.value);
    if (!next.delete(severity)) next.add(severity);
    hidden.value = next;
  };
  return (
    <section aria-labelledby="findings-title">
      <h2 id="findings-title">Findings</h2>
      <VerdictLine link={false} />
      {new Set(check.findings.map(({ severity }) => severity)).size > 1 && (
        <fieldset class="filter">
          <legend class="unseen">Show</legend>
          {SEVERITIES.map((severity) => {
            const count = check.findings.filter((finding) => finding.severity === severity).length;
            if (count === 0) return null;
            return (
              <label key={severity} class={severity}>
                <input type="checkbox" checked={!hidden.value.has(severity)} onChange={() => toggle(severity)} />
                <span aria-hidden="true">{SHAPES[severity]}</span> {severity} {formatCount(count)}
              </label>
            );
          })}
        </fieldset>
      )}
      {check.findings.length === 0 && check.volumes.length > 0 && <p>Nothing was found.</p>}
      <ul class="findings">
        {list.map((finding, number) => (
          <Item key={`${finding.code} ${number}`} finding={finding} />
        ))}
      </ul>
      {check.unlisted.map(({ code, count }) => (
        <p class="note" key={code}>
          {plural(count, 'more finding')} of the kind {code}.
        </p>
      ))}
      <CommandLine line={commandLine('check', files.value)} />
    </section>
  );
}

const REPAIRS = {
  safe: 'Can be repaired without giving anything up.',
  lossy: 'Can be repaired, but something is given up for good.',
  none: 'There is no repair for it.',
};

/** A finding; `places` are those of the set that is open, and mean nothing to another. */
export function Item({ finding, places = true }: { finding: Finding; places?: boolean }) {
  const place = places && mapPlace(finding);
  const bytes = places && bytesPlace(finding);
  return (
    <li class={finding.severity} data-code={finding.code}>
      <p class="head">
        <span class="badge">
          <span aria-hidden="true">{SHAPES[finding.severity]}</span> {finding.severity}
        </span>
        <code>{finding.code}</code>
        {finding.hazard && <small>hazard {finding.hazard}</small>}
        {finding.invariant && <small>breaks {finding.invariant}</small>}
      </p>
      <p>{sentence(finding.message)}</p>
      <dl class="facts">
        <Fact name="FreeBSD" value={finding.freebsd} />
        <Fact name="Repair" value={REPAIRS[finding.repair]} />
        <Fact name="Where" value={whereWords(finding)} />
      </dl>
      <p class="buttons">
        {place && <button onClick={() => go({ ...place, view: 'map' })}>Show on the map</button>}
        {bytes && <button onClick={() => go({ ...bytes, view: 'hex' })}>Show the bytes</button>}
        {places && finding.component !== null && <button onClick={() => go({ view: 'records' })}>Show the records</button>}
      </p>
    </li>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  if (!value) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function whereWords({ file, component, physical_chunk, virtual_chunk }: Finding): string {
  const parts = [];
  if (virtual_chunk !== null) parts.push(`virtual chunk ${formatCount(virtual_chunk)}`);
  if (component !== null) parts.push(`component ${component}`);
  if (physical_chunk !== null) parts.push(`its chunk ${formatCount(physical_chunk)}`);
  if (file !== null) parts.push(`file ${file}`);
  return parts.join(', ');
}

/** The volume of a finding, by its place among those that are open. */
function volumeOf(finding: Finding): number | null {
  const about = finding.volume === null ? null : checked.value?.volumes[Number(finding.volume)];
  const place = opened.value?.info.volumes.findIndex(({ name, id }) => name === about?.name && id === about?.id) ?? -1;
  return place < 0 ? null : place;
}

/** Where on the map it is: a chunk of the volume, or one of a component. */
function mapPlace(finding: Finding) {
  const number = volumeOf(finding);
  if (number === null) return null;
  const size = opened.value!.info.volumes[number]!.chunk_size;
  const { virtual_chunk, physical_chunk, component } = finding;
  if (virtual_chunk !== null) return { volume: number, space: 'volume', at: virtual_chunk * size };
  if (physical_chunk === null || component === null) return null;
  return { volume: number, space: `c${component}`, at: physical_chunk * size };
}

/** Where its bytes are: the chunk on the component, else the component's record. */
function bytesPlace(finding: Finding) {
  const number = volumeOf(finding);
  if (number === null) return filePlace(finding);
  const shown = opened.value!.info.volumes[number]!;
  const component = shown.components.find(({ index }) => index === finding.component);
  if (!component) return mapPlace(finding) ?? filePlace(finding);
  const chunk = finding.physical_chunk;
  const record = component.size - BigInt(component.sector_size);
  const at = chunk === null ? record : chunk * shown.chunk_size;
  // A chunk may be said to lie where the component has ended.
  return { volume: number, space: `c${component.index}`, at: at < component.size ? at : record };
}

function filePlace(finding: Finding) {
  const number = inputs.value.findIndex(({ label }) => label === finding.file);
  if (number < 0) return null;
  const record = opened.value?.records.find(({ file }) => file === finding.file);
  return { space: `f${number}`, at: record?.offset ?? 0n };
}
