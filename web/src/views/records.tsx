/** The records of the components: every field, and whether it agrees with its siblings. */
import { useState } from 'preact/hooks';
import { files, inputs, opened, volume } from '../app/store';
import { go } from '../app/place';
import type { Field, RecordInfo } from '../engine/documents';
import { commandLine } from '../model/command';
import { formatHex } from '../model/size';
import { CommandLine } from '../parts/copy';

/** More columns than this are no help to the eye. */
const SIBLINGS = 8;

export function Records() {
  const { records } = opened.value!;
  const [chosen, setChosen] = useState(0);
  const shown = records[Math.min(chosen, records.length - 1)];
  if (!shown) return <p>There is no record in these files.</p>;
  return (
    <section aria-labelledby="records-title">
      <h2 id="records-title">Records</h2>
      {records.length > 1 && <Siblings records={records.slice(0, SIBLINGS)} chosen={chosen} choose={setChosen} />}
      <div class="bar">
        <h3>
          {shown.file} <small>at {formatHex(shown.offset)}</small>
        </h3>
        {records.length > 1 && (
          <select aria-label="Record" value={chosen} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
            {records.slice(0, 1000).map((record, number) => (
              <option key={number} value={number}>
                {record.file}
                {record.component === null ? '' : `, component ${record.component}`}
              </option>
            ))}
          </select>
        )}
      </div>
      <Fields record={shown} />
      <CommandLine line={commandLine('dump', files.value)} />
    </section>
  );
}

/** All records side by side. */
function Siblings({ records, chosen, choose }: { records: RecordInfo[]; chosen: number; choose(record: number): void }) {
  const names = records[0]!.fields.map(({ name }) => name);
  return (
    <div class="table-wide" tabIndex={0} role="region" aria-label="All records side by side">
      <table class="siblings">
        <thead>
          <tr>
            <th scope="col">Field</th>
            {records.map((record, number) => (
              <th scope="col" key={number} class={number === chosen ? 'chosen' : undefined}>
                <button class="link" aria-pressed={number === chosen} onClick={() => choose(number)}>
                  {record.file.split('/').pop()}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((name, row) => (
            <tr key={name}>
              <th scope="row">
                <code>{name}</code>
              </th>
              {records.map((record, number) => {
                const field = record.fields[row]!;
                return (
                  <td key={number} class={field.agrees === false ? 'wrong' : undefined} title={field.expected ?? undefined}>
                    {field.agrees === false && <b aria-label="disagrees">≠ </b>}
                    {field.value || '–'}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Fields({ record }: { record: RecordInfo }) {
  return (
    <div class="table-wide" tabIndex={0} role="region" aria-label={`Fields of the record of ${record.file}`}>
      <table class="fields">
        <thead>
          <tr>
            <th scope="col">Offset</th>
            <th scope="col">Field</th>
            <th scope="col">Bytes</th>
            <th scope="col">Value</th>
            <th scope="col">Agrees</th>
            <th scope="col">Meaning</th>
          </tr>
        </thead>
        <tbody>
          {record.fields.map((field) => (
            <FieldRow key={field.name} field={field} record={record} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FieldRow({ field, record }: { field: Field; record: RecordInfo }) {
  return (
    <tr class={field.agrees === false ? 'wrong' : undefined}>
      <td>
        <button class="link" title="Show the bytes" onClick={() => showField(field, record)}>
          {formatHex(field.offset)}
        </button>
      </td>
      <th scope="row">
        <code>{field.name}</code>
      </th>
      <td>
        <code class="bytes">{field.hex.replace(/..(?=.)/g, '$& ')}</code>
      </td>
      <td class="value">{field.value || '–'}</td>
      <td>{agreement(field)}</td>
      <td>{field.meaning}</td>
    </tr>
  );
}

function agreement({ agrees, expected }: Field) {
  if (agrees === null) {
    return (
      <span title="There is nothing else that knows">
        <span aria-hidden="true">–</span>
        <span class="unseen">nothing to compare with</span>
      </span>
    );
  }
  return agrees ? '✔ yes' : <b>≠ should be {expected}</b>;
}

/** In the component where it makes one, so that its fields are marked there. */
function showField(field: Field, record: RecordInfo): void {
  const component = volume.value?.components.find(({ index, file }) => index === record.component && file === record.file);
  if (component) return go({ view: 'hex', space: `c${component.index}`, at: field.offset - component.offset });
  const number = inputs.value.findIndex(({ label }) => label === record.file);
  go({ view: 'hex', space: `f${number}`, at: field.offset });
}
