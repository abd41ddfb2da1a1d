/** Reports to keep or to send: the program's own documents, Markdown, and a specimen for a second opinion. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { checked, engine, fail, files, opened, volume } from '../app/store';
import { commandLine } from '../model/command';
import { formatCount, formatSize, plural } from '../model/size';
import { CommandLine, Copy } from '../parts/copy';
import { fileName, save } from '../parts/save';

type Kind = 'markdown' | 'report' | 'info' | 'check' | 'dump' | 'status' | 'specimen';

const KINDS: { kind: Kind; title: string; about: string; ending: string }[] = [
  { kind: 'markdown', title: 'Markdown', about: 'To read, or to put into a mail or an issue: byte for byte what virstor report prints.', ending: '-report.md' },
  { kind: 'report', title: 'report', about: 'The same as JSON: the documents of info, check and map --totals in one.', ending: '-report.json' },
  { kind: 'info', title: 'info', about: 'Byte for byte what virstor info --json prints.', ending: '-info.json' },
  { kind: 'check', title: 'check', about: 'Byte for byte what virstor check --json prints.', ending: '-check.json' },
  { kind: 'dump', title: 'dump', about: 'Byte for byte what virstor dump --json prints.', ending: '-dump.json' },
  { kind: 'status', title: 'status', about: 'Byte for byte what virstor status --json prints: the XML of the kernel.', ending: '-status.json' },
  {
    kind: 'specimen',
    title: 'Specimen',
    about: 'For a second opinion, or for reporting an error of this program: it stands for the files without what the volume holds.',
    ending: '.specimen',
  },
];

/** What a report is: what is shown of it, and what is saved. */
interface Content {
  kind: Kind;
  text: string;
  saved: string | Blob;
}

const chosen = signal<Kind>('markdown');

export function Report() {
  const [made, setMade] = useState<Content | null>(null);
  const kind = chosen.value;
  // What was made of another kind is not saved under the name of this one.
  const content = made?.kind === kind ? made : null;
  const { about, ending } = KINDS.find((other) => other.kind === kind)!;
  const ready = checked.value !== null;
  useEffect(() => {
    let current = true;
    setMade(null);
    make(kind).then(
      (content) => current && setMade(content),
      (error: unknown) => current && fail(error),
    );
    return () => {
      current = false;
    };
  }, [kind, ready, opened.value]);
  const name = fileName(volume.value?.name ?? 'virstor', ending);
  return (
    <section aria-labelledby="report-title">
      <h2 id="report-title">Report</h2>
      <fieldset class="segmented">
        <legend class="unseen">Form</legend>
        {KINDS.map(({ kind: each, title }) => (
          <label key={each}>
            <input type="radio" name="report" checked={kind === each} onChange={() => (chosen.value = each)} />
            {title}
          </label>
        ))}
      </fieldset>
      <div class="bar">
        <p class="note">{about}</p>
        {content !== null && (
          <span class="buttons">
            {typeof content.saved === 'string' && <Copy text={content.saved} what="report" />}
            <button onClick={() => save(content.saved, name)}>Save {name}</button>
          </span>
        )}
      </div>
      <pre class="report" tabIndex={0} aria-label="The report" data-report={kind}>
        {content === null ? 'Working …' : shortened(content.text)}
      </pre>
      <CommandLine line={command(kind, name)} />
    </section>
  );
}

function command(kind: Kind, name: string): string {
  if (kind === 'markdown') return commandLine('report', files.value);
  if (kind === 'specimen') return commandLine('collect', files.value, ['-o', name]);
  return commandLine(kind, files.value, ['--json']);
}

/** A page of several megabytes of text would be slow, and nobody reads it. */
function shortened(text: string): string {
  const most = 200_000;
  return text.length > most ? `${text.slice(0, most)}\n… (the rest is in the saved file)` : text;
}

async function make(kind: Kind): Promise<Content> {
  if (kind === 'specimen') return specimen();
  const text = kind === 'markdown' ? await engine.call('reportText', []) : await engine.call('json', [kind]);
  return { kind, text, saved: text };
}

async function specimen(): Promise<Content> {
  const { document, blob } = await engine.call('collect', []);
  const { files: count, described, entries, unreadable, size } = document;
  const lines = [
    `A specimen of ${formatSize(size)}, for ${plural(count, 'file')} of ${formatSize(described)} in all.`,
    '',
    `In it:      records, ${formatCount(entries)} map entries, sectors of partition tables;`,
    '            names of volumes, files and partitions.',
    'Not in it:  what the volume holds.',
    '',
    'virstor info, check and map read it like the files themselves, and so does this page.',
  ];
  if (unreadable > 0n) lines.push('', `${formatCount(unreadable)} map entries cannot be read, and are missing in it.`);
  return { kind: 'specimen', text: `${lines.join('\n')}\n`, saved: blob };
}
