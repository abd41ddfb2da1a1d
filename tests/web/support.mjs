/** What the tests of the page share. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The folder that the golden sets were unpacked into, one folder each. */
const GOLDEN = process.env.VIRSTOR_GOLDEN;

/** The names of the golden sets. */
export function goldenSets() {
  return GOLDEN ? readdirSync(GOLDEN).sort() : [];
}

/** The folder of a golden set. */
export function goldenFolder(set) {
  return join(GOLDEN, set);
}

/** The files in `folder`, in the order in which the page asks FreeBSD about them. */
export function filesIn(folder) {
  const byName = new Intl.Collator('en', { numeric: true });
  return readdirSync(folder).sort(byName.compare);
}

/** Copies of a golden set's files, to be changed. */
export function copies(folder, set) {
  return filesIn(goldenFolder(set)).map((file) => {
    copyFileSync(join(goldenFolder(set), file), join(folder, file));
    return join(folder, file);
  });
}

/** What the program says: `{ status, out, err }`. */
export function virstor(folder, ...args) {
  return new Promise((resolve) => {
    const options = { cwd: folder, maxBuffer: 1 << 28 };
    execFile(process.env.VIRSTOR_NATIVE, args, options, (error, out, err) => {
      resolve({ status: error ? error.code : 0, out, err });
    });
  });
}

/** A folder that is gone when the test is over. */
export function scratch(test) {
  const folder = mkdtempSync(join(tmpdir(), 'virstor-web-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Loads the page, and waits until it can be used. */
export async function load(browser, url, options) {
  const page = await browser.page(options);
  await page.goto(url);
  await page.until(() => window.virstor !== undefined);
  return page;
}

/** Picks files in the page in place of what is open, and waits until they were checked or refused. */
export async function open(page, paths) {
  await page.evaluate(() => window.virstor.close());
  await page.setFiles('[data-pick=files]', paths);
  await settled(page);
}

/** Waits until what was opened was checked, or could not be. */
export function settled(page) {
  return page.until(() => {
    const { phase, checked, problem } = window.virstor;
    return phase.value === 'failed' || problem.value !== null || (phase.value === 'open' && checked.value !== null);
  });
}

/** Waits until the map of the chosen volume was read to its end. */
export function mapRead(page) {
  return page.until(() => {
    const { index } = window.virstor;
    // None of it is not all of it.
    return index.value !== null && index.value.done === index.value.chunks;
  });
}

/** Performs the command that `text` finds first. Keys that come before the list has the focus are shortcuts. */
export async function command(page, text) {
  await page.press('Control+k');
  await page.until(() => document.activeElement?.matches('dialog[open] [role=combobox]'));
  await page.type(text);
  await page.until((wanted) => document.activeElement?.value === wanted, text);
  // The list is drawn after what was typed.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  await page.press('Enter');
}
