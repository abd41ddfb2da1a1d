/** What the page may cost: bytes to load, and memory. Times are for the benchmark, not for tests. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { browsers, site } from './browsers.mjs';
import { makeSet } from './sets.mjs';
import { load, mapRead, open, scratch } from './support.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;

async function compressed(path) {
  const answer = await fetch(new URL(path, site));
  assert.equal(answer.status, 200, path);
  return gzipSync(Buffer.from(await answer.arrayBuffer()), { level: 9 }).length;
}

describe('the page', { skip: !site }, () => {
  it('is small', async (test) => {
    const page = await (await fetch(site)).text();
    const named = [...page.matchAll(/"\.\/([^"]+\.(?:js|css))"/g)].map(([, name]) => name);
    const script = await (await fetch(new URL(named.find((name) => name.endsWith('.js')), site))).text();
    const [wasm] = script.match(/[\w./-]+\.wasm/);
    const engine = await compressed(wasm);
    let all = engine + gzipSync(page).length;
    for (const name of named) all += await compressed(name);
    test.diagnostic(`engine ${(engine / KIB).toFixed(1)} KiB, all to first use ${(all / KIB).toFixed(1)} KiB (gzip)`);
    assert.ok(engine <= 250 * KIB, `the engine has ${engine} bytes`);
    assert.ok(all <= 350 * KIB, `the page has ${all} bytes`);
  });
});

const chromium = browsers.find(({ name }) => name === 'Chromium');

describe('memory in Chromium', { skip: !site || !chromium }, () => {
  const mark = `virstor-budget-${process.pid}`;
  let browser;
  let page;
  before(async () => {
    browser = await chromium.launch([`--${mark}`]);
    page = await load(browser, site);
  });
  after(() => browser?.close());

  const engineMemory = () => page.evaluate(async () => Number((await window.virstor.engine.call('figures', [])).memory));

  it('is bounded for the map of a volume of ten tebibytes', async (test) => {
    const chunks = 2_621_440;
    const allocated = (chunk) => chunk % 3 !== 0 && chunk < 600_000;
    const files = makeSet(scratch(test), { name: 'big', chunkSize: 4 * MIB, chunks, components: [2 ** 41, 2 ** 41], allocated });
    await open(page, files);
    await mapRead(page);
    const runs = await page.evaluate(async () => (await window.virstor.engine.call('runs', [0, 300_000n, 50])).start.length);
    assert.equal(runs, 50);
    const memory = await engineMemory();
    test.diagnostic(`${(memory / MIB).toFixed(1)} MiB`);
    assert.ok(memory <= 64 * MIB + 10 * chunks, `${memory} bytes`);
  });

  it('does not grow with an export of two gibibytes', async (test) => {
    const chunks = 512;
    const files = makeSet(scratch(test), { name: 'two', chunkSize: 4 * MIB, chunks, components: [2 ** 31 + 2 ** 26], allocated: (chunk) => chunk % 8 !== 5 });
    await open(page, files);
    const before = residentMemory(mark);
    const size = await page.evaluate(async () => {
      const { engine, composeImage } = window.virstor;
      const request = { volume: 0, start: 0n, end: 2n ** 31n, format: 'raw', allowLost: false };
      const { blob } = await composeImage(engine, request, { name: 'two.raw', sha256: false });
      window.kept = blob;
      // Its bytes are to be had, from wherever.
      return (await blob.slice(2 ** 31 - 4096).arrayBuffer()).byteLength + blob.size;
    });
    const grown = residentMemory(mark) - before;
    test.diagnostic(`${(grown / MIB).toFixed(1)} MiB`);
    assert.equal(size, 2 ** 31 + 4096);
    assert.ok(grown <= 64 * MIB, `${grown} bytes`);
  });
});

/** Bytes of memory that a browser and all its processes have to themselves, shared ones in parts. */
function residentMemory(mark) {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const read = (pid, file) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      return '';
    }
  };
  const parents = new Map(processes.map((pid) => [pid, read(pid, 'stat').replace(/^.*\) \S /, '').split(' ')[0]]));
  const root = processes.find((pid) => read(pid, 'cmdline').includes(`--${mark}`) && !read(pid, 'cmdline').includes('--type='));
  const belongs = (pid) => pid === root || (parents.has(pid) && belongs(parents.get(pid)));
  const sizes = processes.filter(belongs).map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))?.[1] ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0) * KIB;
}
