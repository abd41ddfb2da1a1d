/** From what people drop or pick to files for the engine. */
import type { WireFile } from './protocol';

/** More files than this are a wrong folder rather than a volume: a volume has at most 65,535 components. */
const MOST_FILES = 65_536;

/** What was picked, and what of it could not be had. */
export interface Picked {
  files: WireFile[];
  /** Folders that could not be read, and the like: a sentence each. */
  problems: string[];
}

/** A file as the engine takes it; `path` is how it is shown. */
export function wireFile(file: File, path: string = file.name): WireFile {
  return { file, label: path, provider: file.name, size: file.size, lastModified: file.lastModified };
}

/** Files of an `<input type=file>`, with or without `webkitdirectory`. */
export function fromInput(list: FileList): Picked {
  const files = Array.from(list, (file) => wireFile(file, file.webkitRelativePath || file.name));
  return limit({ files: sorted(files), problems: [] });
}

/** What was dropped: files, and the files in folders. Must be called while the event is handled. */
export function fromDrop(transfer: DataTransfer): Promise<Picked> {
  // The list of items is emptied when the event is over, so everything is taken out of it at once.
  const items = Array.from(transfer.items).filter((item) => item.kind === 'file');
  const entries = items.map((item) => ({ entry: item.webkitGetAsEntry?.() ?? null, file: item.getAsFile() }));
  return collect(entries);
}

async function collect(entries: { entry: FileSystemEntry | null; file: File | null }[]): Promise<Picked> {
  const picked: Picked = { files: [], problems: [] };
  for (const { entry, file } of entries) {
    if (entry?.isDirectory) await walk(entry as FileSystemDirectoryEntry, picked);
    else if (file) picked.files.push(wireFile(file));
  }
  picked.files = sorted(picked.files);
  return limit(picked);
}

async function walk(folder: FileSystemDirectoryEntry, picked: Picked): Promise<void> {
  const reader = folder.createReader();
  try {
    for (;;) {
      // A reader gives a hundred at a time, and none at the end.
      const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (entries.length === 0 || picked.files.length > MOST_FILES) return;
      for (const entry of entries) {
        if (entry.isDirectory) await walk(entry as FileSystemDirectoryEntry, picked);
        else picked.files.push(await entryFile(entry as FileSystemFileEntry));
      }
    }
  } catch (error) {
    picked.problems.push(`the folder ${folder.fullPath} cannot be read (${error instanceof Error ? error.name : error})`);
  }
}

async function entryFile(entry: FileSystemFileEntry): Promise<WireFile> {
  const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
  return wireFile(file, entry.fullPath.replace(/^\//, ''));
}

/** By label, numbers by their value: FreeBSD is asked in this order. */
function sorted(files: WireFile[]): WireFile[] {
  const byName = new Intl.Collator('en', { numeric: true });
  return files.sort((a, b) => byName.compare(a.label, b.label));
}

function limit(picked: Picked): Picked {
  if (picked.files.length <= MOST_FILES) return picked;
  const problem = `${picked.files.length} files are more than a volume can have; the first ${MOST_FILES} are looked at`;
  return { files: picked.files.slice(0, MOST_FILES), problems: [...picked.problems, problem] };
}

/**
 * Files that were added later: those picked before stay, except where one of the same label, size and time comes
 * again.
 */
export function merged(before: readonly WireFile[], added: readonly WireFile[]): WireFile[] {
  const key = ({ label, size, lastModified }: WireFile) => `${label}\n${size}\n${lastModified}`;
  const again = new Set(added.map(key));
  return sorted([...before.filter((file) => !again.has(key(file))), ...added]);
}

/** Which of the files are not what they were when they were picked, as far as the browser tells. */
export async function changed(files: readonly WireFile[]): Promise<WireFile[]> {
  const looked = await Promise.all(
    files.map(async ({ file, size }) => {
      if (file.size !== size) return false;
      if (size === 0) return true;
      try {
        // The last byte: a file that shrank has none there, and Chromium refuses to read one that changed at all.
        return (await file.slice(size - 1).arrayBuffer()).byteLength === 1;
      } catch {
        return false;
      }
    }),
  );
  return files.filter((_, index) => !looked[index]);
}

/** Bytes at either end of a file that tell it from another: the last ones hold the record, the first ones the map. */
const ENDS = 4096;

/**
 * Labels of those that were picked before and come again, written to since: Firefox reads the new bytes through the old
 * file, which would be a rival of itself then.
 */
export async function again(before: readonly WireFile[], added: readonly WireFile[]): Promise<string[]> {
  const fresh = new Map(added.map((file) => [file.label, file]));
  const looked = await Promise.all(
    before.map(async (old) => {
      const now = fresh.get(old.label);
      if (!now || now.size !== old.size || now.lastModified === old.lastModified) return null;
      const [was, is] = await Promise.all([ends(old.file), ends(now.file)]).catch(() => [null, undefined]);
      return was === is ? old.label : null;
    }),
  );
  return looked.filter((label) => label !== null);
}

async function ends(file: File): Promise<string> {
  const bytes = new Blob([file.slice(0, ENDS), file.slice(Math.max(0, file.size - ENDS))]);
  return String.fromCharCode(...new Uint8Array(await bytes.arrayBuffer()));
}
