/** The findings and what was found, as Markdown for people. */
import type { Check, Finding, Info, VolumeInfo } from '../engine/documents';
import { formatCount, formatShare, formatSize } from './size';

/** The report about a set; `files` are the labels in the order in which FreeBSD is asked about them. */
export function markdown(info: Info, check: Check | null, files: readonly string[]): string {
  const verdict = check ? `Verdict: **${check.verdict}**.` : 'The check has not ended yet.';
  const parts = ['# virstor report', verdict, ...info.volumes.flatMap((volume) => volumePart(volume))];
  if (info.volumes.length === 0) parts.push('There is no virstor volume in these files.');
  if (check) parts.push('## Findings', ...findingsPart(check));
  if (info.other_files.length > 0) {
    parts.push('## Other files', list(info.other_files.map(({ file, message }) => `${code(file)}: ${text(message)}`)));
  }
  parts.push('## Files, in the order given', list(files.map(code)));
  return `${parts.join('\n\n')}\n`;
}

function volumePart(volume: VolumeInfo): string[] {
  const { kernel } = volume;
  const facts = [
    `Virtual size: ${formatCount(volume.virtual_size)} bytes (${formatSize(volume.virtual_size)})`,
    `Chunk size: ${formatSize(volume.chunk_size)}; sector size: ${volume.sector_size} bytes`,
    `Allocated: ${formatCount(volume.allocated_chunks)} of ${formatCount(volume.virtual_chunks)} chunks (${formatShare(volume.allocated_chunks, volume.virtual_chunks)})`,
    `Components: ${volume.components.length} of ${volume.component_count}${volume.complete ? '' : `; missing: ${volume.missing.join(', ')}`}`,
    `FreeBSD: ${kernel.taste}${kernel.device ? ` as ${code(`/dev/${kernel.device}`)}` : ''}; configuration: ${kernel.confxml}${kernel.reason ? `; ${text(kernel.reason)}` : ''}`,
    ...volume.problems.map(({ code: name, message }) => `Problem ${code(name)}: ${text(message)}`),
  ];
  const head = '| No. | File | Found as | Size | Chunks | Used | Next | Flags |\n|---|---|---|---|---|---|---|---|';
  const rows = volume.components.map((component) => {
    const { index, file, place, size, chunk_count, used_chunks, chunk_next, flags } = component;
    const cells = [index, code(file), place, formatCount(size), chunk_count, used_chunks, chunk_next, flags.join(', ')];
    return `| ${cells.join(' | ')} |`;
  });
  return [`## Volume ${code(volume.name)}, id ${volume.id}`, list(facts), [head, ...rows].join('\n')];
}

function findingsPart(check: Check): string[] {
  if (check.findings.length === 0) return ['Nothing was found.'];
  const more = check.unlisted.map(({ code: name, count }) => `${formatCount(count)} more of the kind ${code(name)}`);
  return [list([...check.findings.map(findingLine), ...more])];
}

function findingLine(finding: Finding): string {
  const { severity, code: name, hazard, message, freebsd, repair } = finding;
  const consequence = freebsd ? ` FreeBSD: ${text(freebsd)}` : '';
  return `**${severity}** ${code(name)}${hazard ? ` (${hazard})` : ''}: ${text(message)}${consequence} Repair: ${repair}.`;
}

function list(items: string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}

/** Names come from hostile disks: none of their characters may become markup. */
function text(words: string): string {
  return words.replace(/[\\`*_[\]<>|#]/g, '\\$&').replace(/\s+/g, ' ');
}

function code(words: string): string {
  const clean = words.replace(/\s+/g, ' ').replaceAll('|', '\\|');
  const ticks = '`'.repeat(Math.max(0, ...(clean.match(/`+/g) ?? []).map((run) => run.length)) + 1);
  return ticks.length > 1 || clean === '' ? `${ticks} ${clean} ${ticks}` : `${ticks}${clean}${ticks}`;
}
