/** What is needed to reproduce an error, and nothing more: no data, no names of files. */
import { checked, engine, files, index, notices, opened, problem } from '../app/store';

/** The document. Files are numbered instead of named; messages that may name them are left out. */
export async function specimen(): Promise<unknown> {
  const { info, records } = opened.value!;
  const number = (file: string | null) => {
    const place = files.value.findIndex(({ label }) => label === file);
    return place < 0 ? null : place;
  };
  return {
    specimen: 1,
    browser: navigator.userAgent,
    files: files.value.map(({ size }) => ({ size })),
    records: records.map(({ file, offset, fields }) => ({
      file: number(file),
      offset,
      // The names within: whoever labelled the volume chose them.
      fields: fields.map(({ name, hex, agrees }) => ({ name, hex: /name|provider/.test(name) ? null : hex, agrees })),
    })),
    volumes: info.volumes.map(({ components, problems, name: _, kernel, ...volume }) => ({
      ...volume,
      kernel: { taste: kernel.taste, confxml: kernel.confxml },
      problems: problems.map(({ code }) => code),
      components: components.map(({ file, hardcoded, partition: __, ...component }) => ({
        ...component,
        file: number(file),
        hardcoded: hardcoded !== null,
      })),
    })),
    other_files: info.other_files.map(({ file, reason }) => ({ file: number(file), reason })),
    findings: checked.value?.findings.map(({ message: _, freebsd: __, file, ...finding }) => ({ ...finding, file: number(file) })),
    map: index.value,
    figures: await engine.call('figures', []),
    failure: problem.value ? { code: problem.value.code } : null,
    restarts: notices.value.length,
  };
}
