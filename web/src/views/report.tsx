/** Reports to keep or to send: the program's own documents, Markdown, and a specimen for whoever mends the program. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { checked, engine, fail, files, opened, volume } from '../app/store';
import { toJson } from '../engine/json';
import { commandLine } from '../model/command';
import { markdown } from '../model/report';
import { CommandLine, Copy } from '../parts/copy';
import { specimen } from '../parts/specimen';
import { fileName, save } from '../parts/save';

type Kind = 'markdown' | 'info' | 'check' | 'dump' | 'status' | 'specimen';

const KINDS: { kind: Kind; title: string; about: string; ending: string }[] = [
  { kind: 'markdown', title: 'Markdown', about: 'To read, or to put into a mail or an issue.', ending: '-report.md' },
  { kind: 'info', title: 'info', about: 'Byte for byte what virstor info --json prints.', ending: '-info.json' },
  { kind: 'check', title: 'check', about: 'Byte for byte what virstor check --json prints.', ending: '-check.json' },
  { kind: 'dump', title: 'dump', about: 'Byte for byte what virstor dump --json prints.', ending: '-dump.json' },
  { kind: 'status', title: 'status', about: 'Byte for byte what virstor status --json prints: the XML of the kernel.', ending: '-status.json' },
  {
    kind: 'specimen',
    title: 'Specimen',
    about: 'For reporting an error of this program: the records and findings, no byte of the data, no name of a file.',
    ending: '-specimen.json',
  },
];

const chosen = signal<Kind>('markdown');

export function Report() {
  const [content, setContent] = useState<string | null>(null);
  const kind = chosen.value;
  const { about, ending } = KINDS.find((other) => other.kind === kind)!;
  const ready = checked.value !== null;
  useEffect(() => {
    let current = true;
    setContent(null);
    make(kind).then(
      (text) => current && setContent(text),
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
            <Copy text={content} what="report" />
            <button onClick={() => save(content, name)}>Save {name}</button>
          </span>
        )}
      </div>
      <pre class="report" tabIndex={0} aria-label="The report" data-report={kind}>
        {content === null ? 'Working …' : content.length > 200_000 ? `${content.slice(0, 200_000)}\n… (the rest is in the saved file)` : content}
      </pre>
      {kind !== 'markdown' && kind !== 'specimen' && <CommandLine line={commandLine(kind, files.value, ['--json'])} />}
    </section>
  );
}

async function make(kind: Kind): Promise<string> {
  const { info } = opened.value!;
  if (kind === 'markdown') return markdown(info, checked.value, files.value.map(({ label }) => label));
  if (kind === 'specimen') return `${toJson(await specimen())}\n`;
  return engine.call('json', [kind]);
}
