/** What was opened: a verdict, the volumes, their components, and what FreeBSD would do. */
import { checked, files, open, opened, volumeNumber } from '../app/store';
import { go, pickVolume } from '../app/place';
import type { ComponentInfo, OtherFile, Verdict, VolumeInfo } from '../engine/documents';
import { commandLine } from '../model/command';
import { formatCount, formatShare, formatSize, plural } from '../model/size';
import { CommandLine, Copy } from '../parts/copy';

const VERDICTS: Record<Verdict, { shape: string; words: string }> = {
  clean: { shape: '✔', words: 'Clean: nothing is wrong with this set.' },
  damaged: { shape: '▲', words: 'Damaged: something is wrong, or about to be.' },
  unusable: { shape: '✖', words: 'Unusable as it is: FreeBSD would not bring this volume up.' },
};

/** The verdict, in a line. */
export function VerdictLine({ link = true }: { link?: boolean }) {
  const check = checked.value;
  const none = opened.value?.info.volumes.length === 0;
  if (!check) {
    return (
      <p class="verdict waiting" role="status">
        Checking …
      </p>
    );
  }
  const { shape, words } = none ? { shape: '○', words: 'There is no virstor volume in these files.' } : VERDICTS[check.verdict];
  const count = check.findings.length;
  return (
    <p class={`verdict ${check.verdict}`} data-verdict={check.verdict} role="status">
      <span aria-hidden="true">{shape}</span> {words}{' '}
      {link && count > 0 && (
        <button class="link" onClick={() => go({ view: 'findings' })}>
          {plural(count, 'finding')}
        </button>
      )}
    </p>
  );
}

export function Overview() {
  const { info } = opened.value!;
  const rivals = info.volumes.length > 1;
  return (
    <section aria-labelledby="overview-title">
      <h2 id="overview-title" class="unseen">
        Overview
      </h2>
      <VerdictLine />
      {rivals && (
        <p class="note">
          These files hold {info.volumes.length} volumes. All views show one of them: choose which.
        </p>
      )}
      {info.volumes.length === 0 && (
        <p>
          A component carries its record in its last sector. Were the files cut when they were copied, or are they compressed, or
          encrypted? Add the others of the set: each is found by itself, also inside the image of a whole disk.
        </p>
      )}
      {info.volumes.map((volume, number) => (
        <Volume key={number} volume={volume} number={number} choose={rivals} />
      ))}
      <Others list={info.other_files} />
      <CommandLine line={commandLine('info', files.value)} />
    </section>
  );
}

function Volume({ volume, number, choose }: { volume: VolumeInfo; number: number; choose: boolean }) {
  const verdict = checked.value?.volumes.find(({ name, id }) => name === volume.name && id === volume.id)?.verdict;
  const shown = volumeNumber.value === number;
  return (
    <article class={`volume${choose && shown ? ' chosen' : ''}`}>
      <div class="bar">
        <h3>{volume.name || '(without a name)'}</h3>
        <small>
          id {volume.id} <Copy text={String(volume.id)} what="id" />
        </small>
        {choose && verdict && <small class={`tag ${verdict}`}>{verdict}</small>}
        {choose && (
          <label class="choice">
            <input type="radio" name="volume" checked={shown} onChange={() => pickVolume(number)} /> show this one
          </label>
        )}
      </div>
      <dl class="figures">
        <Figure name="Virtual size" value={formatSize(volume.virtual_size)} note={`${formatCount(volume.virtual_size)} bytes`} />
        <Figure
          name="Allocated"
          value={opened.value?.whole ? formatSize(volume.allocated_chunks * volume.chunk_size) : 'counting …'}
          note={`${opened.value?.whole ? `${formatShare(volume.allocated_chunks, volume.virtual_chunks)} of ` : ''}${plural(volume.virtual_chunks, 'chunk')}`}
        />
        <Figure
          name="Physical room"
          value={formatSize(volume.physical_chunks * volume.chunk_size)}
          note={plural(volume.physical_chunks, 'chunk')}
        />
        <Figure name="Chunk" value={formatSize(volume.chunk_size)} note={`sectors of ${volume.sector_size} bytes${volume.map.byte_order === 'big' ? ', big-endian map' : ''}`} />
        <Figure
          name="Components"
          value={`${volume.components.length} of ${volume.component_count}`}
          note={volume.complete ? 'all there' : `missing: ${numbers(volume.missing)}`}
        />
      </dl>
      <Kernel kernel={volume.kernel} />
      {volume.problems.length > 0 && (
        <ul class="problems">
          {volume.problems.map(({ code, message, file }, place) => (
            <li key={place} data-code={code}>
              {message} {file !== null && <Prefer file={file} />}
            </li>
          ))}
        </ul>
      )}
      <Components volume={volume} number={number} />
    </article>
  );
}

function Figure({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value} <small>{note}</small>
      </dd>
    </div>
  );
}

const TASTES = { starts: 'FreeBSD starts it', refuses: 'FreeBSD does not start it', panics: 'FreeBSD panics on it' };

function Kernel({ kernel }: { kernel: VolumeInfo['kernel'] }) {
  return (
    <p class={`kernel ${kernel.taste}`}>
      <b>
        {TASTES[kernel.taste]}
        {kernel.device && (
          <>
            {' as '}
            <code>/dev/{kernel.device}</code>
          </>
        )}
        .
      </b>{' '}
      {kernel.reason && `${sentence(kernel.reason)} `}
      {kernel.confxml === 'panics' && kernel.taste !== 'panics' && (
        <b>Asking for its configuration (gvirstor list, gpart show) panics the machine.</b>
      )}
    </p>
  );
}

function Components({ volume, number }: { volume: VolumeInfo; number: number }) {
  const wide = volume.components.slice(0, 200);
  const missing = volume.missing.slice(0, 20);
  const place = (row: ComponentInfo | number) => (typeof row === 'number' ? row : row.index);
  const rows = [...wide, ...missing].sort((a, b) => place(a) - place(b));
  return (
    <div class="table-wide" tabIndex={0} role="region" aria-label={`Components of ${volume.name}, id ${volume.id}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">No.</th>
            <th scope="col">File</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">Chunks used</th>
            <th scope="col" class="number">
              Next
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) =>
            typeof row === 'number' ? (
              <MissingRow key={row} index={row} />
            ) : (
              <ComponentRow key={row.index} component={row} number={number} />
            ),
          )}
        </tbody>
      </table>
      {volume.components.length > wide.length && (
        <p class="note">{plural(volume.components.length - wide.length, 'more component')}.</p>
      )}
      {volume.missing.length > missing.length && (
        <p class="note">{plural(volume.missing.length - missing.length, 'more component')} missing.</p>
      )}
    </div>
  );
}

function MissingRow({ index }: { index: number }) {
  return (
    <tr class="missing">
      <td>{index}</td>
      <td colSpan={5}>
        <i class="swatch lost" aria-hidden="true" />
        missing: add the file that holds it
      </td>
    </tr>
  );
}

const PLACES: Record<ComponentInfo['place'], string> = {
  whole: 'whole file',
  partition: 'partition',
  grown: 'in a file that has grown',
  cut: 'in a file that was cut',
  inside: 'inside the file',
};

function ComponentRow({ component, number }: { component: ComponentInfo; number: number }) {
  const { index, file, place, partition, offset, size, chunk_count, used_chunks, chunk_reserved, flags } = component;
  const taken = used_chunks + BigInt(chunk_reserved);
  return (
    <tr>
      <td>
        <button
          class="link"
          title="Show its bytes"
          onClick={() => go({ view: 'hex', volume: number, space: `c${index}`, at: 0n })}
        >
          {index}
        </button>
      </td>
      <td class="file">{file}</td>
      <td>
        {place === 'partition' ? `partition ${partition}` : PLACES[place]}
        {offset > 0n && ` at ${formatCount(offset)}`}
        {component.hardcoded !== null && `, only as ${component.hardcoded}`}
        {flags.includes('current') && ', allocating'}
        {!component.kernel_takes && <b class="refused"> not taken by FreeBSD</b>}
      </td>
      <td class="number" title={`${formatCount(size)} bytes`}>
        {formatSize(size)}
      </td>
      <td>
        <meter min={0} max={Math.max(1, chunk_count)} value={Number(taken)} aria-label="Chunks in use, reserved ones included" />{' '}
        {formatCount(used_chunks)} + {chunk_reserved} of {formatCount(chunk_count)}
      </td>
      <td class="number">{formatCount(component.chunk_next)}</td>
    </tr>
  );
}

/** Where two files claim the same place, the user may choose. */
function Prefer({ file }: { file: string }) {
  const there = files.value.find(({ label }) => label === file);
  if (!there || there.preferred) return null;
  const prefer = () => {
    const list = files.value.map((other) => ({ ...other, preferred: other === there || other.preferred === true }));
    void open(list);
  };
  return (
    <button class="small" data-prefer={file} onClick={prefer}>
      Prefer {file}
    </button>
  );
}

const REASONS: Record<OtherFile['reason'], string> = {
  not_virstor: 'no component',
  empty: 'empty',
  unreadable: 'cannot be read',
  unknown_version: 'unknown version',
  nonsensical_record: 'nonsense in its record',
};

function Others({ list }: { list: OtherFile[] }) {
  if (list.length === 0) return null;
  return (
    <details class="others" open={list.length < 8}>
      <summary>{plural(list.length, 'other file')}</summary>
      <ul>
        {list.slice(0, 200).map(({ file, reason, message }) => (
          <li key={file} data-other={file}>
            <b>{file}</b> <small>{REASONS[reason]}</small> {sentence(message)}
          </li>
        ))}
      </ul>
    </details>
  );
}

function numbers(list: number[]): string {
  const first = list.slice(0, 8).join(', ');
  return list.length > 8 ? `${first} …` : first;
}

/** The engine's words as a sentence. The name of a file stays as it is. */
export function sentence(words: string): string {
  const named = files.value.some(({ label }) => words.startsWith(label));
  const text = named ? words : words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}
