/** How long the page takes: medians of some rounds, as a table. Run by `npm run bench -- --web`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browsers, site } from './browsers.mjs';
import { makeSet } from './sets.mjs';
import { load } from './support.mjs';

const ROUNDS = 5;
const folder = mkdtempSync(join(process.env.VIRSTOR_SCRATCH ?? tmpdir(), 'virstor-bench-'));

const third = (chunk) => chunk % 3 !== 0;
const sets = {
  tenTebibytes: makeSet(folder, { name: 'ten', chunkSize: 2 ** 22, chunks: 2_621_440, components: [2 ** 42, 2 ** 42, 2 ** 42], allocated: third }),
  manyChunks: makeSet(folder, { name: 'many', chunkSize: 2 ** 16, chunks: 100_000_000, components: [2 ** 42, 2 ** 42], allocated: (chunk) => chunk % 64 < 40 }),
  twoGibibytes: makeSet(folder, { name: 'two', chunkSize: 2 ** 22, chunks: 512, components: [2 ** 31 + 2 ** 26], allocated: (chunk) => chunk % 8 !== 5 }),
};

/** Opens again what is open; the milliseconds until there is a summary, a picture, the whole map. */
async function opening(bits) {
  const { close, engine, files, index, open, opened } = window.virstor;
  const until = async (holds) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve));
  };
  const list = files.value;
  close();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const begun = performance.now();
  void open(list);
  await until(() => opened.value !== null);
  const summary = performance.now() - begun;
  await until(() => (index.value?.done ?? 0n) > 0n);
  await engine.call('picture', [0, 0n, bits, 1 << 20]);
  const picture = performance.now() - begun;
  await until(() => index.value?.done === index.value?.chunks);
  await engine.call('picture', [0, 0n, bits, 1 << 20]);
  const whole = performance.now() - begun;
  const { memory } = await engine.call('figures', []);
  return { summary, picture, whole, memory: Number(memory) / 2 ** 20 };
}

/** Milliseconds from an address to its bytes, the slowest of twenty but one. */
async function jumping() {
  const { engine, opened } = window.virstor;
  const size = opened.value.info.volumes[0].virtual_size;
  const times = [];
  for (let jump = 1n; jump <= 20n; jump += 1n) {
    const begun = performance.now();
    await engine.call('read', [{ kind: 'volume', volume: 0 }, ((size / 21n) * jump) & ~511n, 4096]);
    times.push(performance.now() - begun);
  }
  return { jump: times.sort((a, b) => a - b)[18] };
}

/** Seconds to compose an image of two gibibytes, and with its SHA-256. */
async function exporting() {
  const { engine, composeImage } = window.virstor;
  const request = { volume: 0, start: 0n, end: 2n ** 31n, format: 'raw', allowLost: false };
  const timed = async (sha256) => {
    const begun = performance.now();
    await composeImage(engine, request, { name: 'two.raw', sha256 });
    return performance.now() - begun;
  };
  return { compose: await timed(false), hash: await timed(true) };
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/**
 * The medians of what `work` finds in some rounds, in a browser of its own: what the work before has left in memory is
 * not to decide whether the next one comes to an end.
 */
async function rounds(launch, paths, work, ...args) {
  const browser = await launch();
  try {
    const page = await load(browser, site);
    await page.setFiles('[data-pick=files]', paths);
    await page.until(() => window.virstor.opened.value !== null);
    const all = [];
    for (let round = 0; round < ROUNDS; round += 1) all.push(await page.evaluate(work, ...args));
    return Object.fromEntries(Object.keys(all[0]).map((key) => [key, median(all.map((row) => row[key]))]));
  } finally {
    await browser.close();
  }
}

/** Rows are told as soon as they are there: the next ones may take minutes. */
const tell = (...rows) => rows.forEach((row) => process.stdout.write(`| ${row.join(' | ')} |\n`));

const ms = (time) => `${time.toFixed(0)} ms`;

async function measure({ name, launch }) {
  const ten = await rounds(launch, sets.tenTebibytes, opening, 2);
  tell(
    [name, '10 TiB, 2.6 million chunks: summary', ms(ten.summary), '150 ms'],
    [name, '10 TiB: whole map as a picture', ms(ten.whole), '500 ms'],
    [name, '10 TiB: memory of the engine', `${ten.memory.toFixed(0)} MiB`, '89 MiB'],
  );
  const jump = await rounds(launch, sets.tenTebibytes, jumping);
  tell([name, '10 TiB: jump to an address (95 %)', ms(jump.jump), '20 ms']);
  const many = await rounds(launch, sets.manyChunks, opening, 7);
  tell(
    [name, '100 million chunks: first picture', ms(many.picture), '500 ms'],
    [name, '100 million chunks: whole map', ms(many.whole), ''],
    [name, '100 million chunks: memory of the engine', `${many.memory.toFixed(0)} MiB`, '512 MiB'],
  );
  const two = await rounds(launch, sets.twoGibibytes, exporting);
  tell(
    [name, 'compose an image of 2 GiB', ms(two.compose), ''],
    [name, 'the same with its SHA-256', `${ms(two.hash)} (${(2 ** 31 / two.hash / 1000).toFixed(0)} MB/s)`, ''],
  );
}

try {
  tell(['browser', 'what', 'median', 'goal'], ['---', '---', '---:', '---:']);
  for (const browser of browsers) {
    try {
      await measure(browser);
    } catch (error) {
      // One browser that fails does not keep the figures of the other from being there.
      tell([browser.name, `failed: ${error.message}`, '', '']);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
