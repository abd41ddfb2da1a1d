/** The command lines that the page shows: run as they stand, each gives what the page shows or saves. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { browsers, site } from './browsers.mjs';
import { copies, filesIn, goldenFolder, load, mapRead, open, scratch } from './support.mjs';

const chromium = browsers.find(({ name }) => name === 'Chromium');

const NATIVE = process.env.VIRSTOR_NATIVE ?? 'virstor';
const PATH = [dirname(NATIVE), process.env.PATH].join(delimiter);

/** What a shell makes of a line: `{ status, out, err }`, `out` in bytes. */
function shell(folder, line) {
  assert.equal(basename(NATIVE), 'virstor', 'lines name the program');
  const options = { cwd: folder, maxBuffer: 1 << 28, encoding: 'buffer', env: { ...process.env, PATH } };
  return new Promise((resolve) => {
    execFile('bash', ['-o', 'pipefail', '-c', line], options, (error, out, err) => resolve({ status: error ? error.code : 0, out, err: err.toString() }));
  });
}

/** The same, of a line that must not fail: gives what it prints. */
async function printed(folder, line, ...fine) {
  const { status, out, err } = await shell(folder, line);
  assert.ok([0, ...fine].includes(status), `${line}: ${status}, ${err}`);
  return out;
}

/** Whether a program that is no part of the project is there. */
const there = async (program) => (await shell('.', `command -v ${program}`)).status === 0;

/** The lines that are shown, opened menus and details included. */
function lines(page, within = 'main') {
  return page.evaluate(
    (selector) => {
      document.querySelectorAll('details').forEach((each) => (each.open = true));
      return Array.from(document.querySelectorAll(`${selector} .command code`), (code) => code.textContent);
    },
    within,
  );
}

/** Waits for the line with these words, and gives it. */
async function line(page, ...words) {
  await page.until((wanted) => {
    document.querySelectorAll('details').forEach((each) => (each.open = true));
    return Array.from(document.querySelectorAll('main .command code')).some(({ textContent }) => wanted.every((word) => textContent.includes(word)));
  }, words);
  return (await lines(page)).find((shown) => words.every((word) => shown.includes(word)));
}

async function show(page, fragment) {
  // The page hears of it later, and may show the view that is wanted already.
  await page.evaluate(
    (wanted) =>
      new Promise((resolve) => {
        if (location.hash === wanted) return resolve();
        addEventListener('hashchange', () => setTimeout(resolve), { once: true });
        location.hash = wanted;
      }),
    `#${fragment}`,
  );
  await page.until((wanted) => document.querySelector('nav [aria-current=page]')?.dataset.view === wanted, fragment.split('?')[0]);
}

/** What is saved by it, as bytes. */
async function download(page, work) {
  const saved = page.page.waitForEvent('download');
  await work();
  const file = await saved;
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

/** The bytes in a dump of `hexdump -C`. */
function bytesIn(dump) {
  const rows = dump.toString().split('\n').map((row) => /^[0-9a-f]{8,}  ((?:[0-9a-f]{2} {1,2})+)/.exec(row)?.[1].trim());
  return rows.filter(Boolean).join(' ').split(/\s+/).join(' ');
}

/** The bytes that the page shows. */
const cells = () => Array.from(document.querySelectorAll('.cells span'), (cell) => cell.textContent).join(' ');

/** A disk with a partition of FreeBSD's from sector 63 on. */
function disk(component) {
  const table = Buffer.alloc(63 * 512);
  table[0x1be + 4] = 0xa5;
  table.writeUInt32LE(63, 0x1be + 8);
  table.writeUInt32LE(component.length / 512, 0x1be + 12);
  table.writeUInt16LE(0xaa55, 510);
  return Buffer.concat([table, component, Buffer.alloc(1 << 20)]);
}

describe('command lines', { skip: !site || !chromium }, () => {
  let browser;
  let page;
  before(async () => {
    browser = await chromium.launch();
    page = await load(browser, site);
    // Where an export goes is asked in a window of the system, which no test can reach.
    await page.evaluate(() => delete Window.prototype.showSaveFilePicker && delete window.showSaveFilePicker);
  });
  after(async () => {
    assert.deepEqual(page?.errors ?? [], []);
    await browser?.close();
  });

  it('dump the bytes that are in sight, or selected', async (test) => {
    const folder = scratch(test);
    const [first, ...rest] = copies(folder, '02-fresh-three');
    writeFileSync(join(folder, 'a disk.img'), disk(readFileSync(first)));
    renameSync(first, join(folder, 'gone'));
    await open(page, [join(folder, 'a disk.img'), ...rest]);
    for (const fragment of ['hex?at=0x10000', 'hex?in=c0&at=0x0', 'hex?in=c0&at=0xffe08', 'hex?in=c2&at=0xfffff', 'hex?in=f0&at=0x1c0']) {
      await show(page, fragment);
      await page.until((at) => document.querySelector('.cells .here')?.dataset.at === at, String(Number(/at=(0x\w+)/.exec(fragment)[1])));
      const dump = await line(page, 'hexdump');
      assert.ok(bytesIn(await printed(folder, dump)) === (await page.evaluate(cells)), `${fragment}: ${dump}`);
    }
    await show(page, 'hex?in=c0&at=0x40');
    await page.until(() => document.querySelector('.cells .here')?.dataset.at === '64');
    await page.click('.dump-rows [data-at="64"]');
    await page.page.click('.dump-rows [data-at="71"]', { modifiers: ['Shift'] });
    const dump = await line(page, 'hexdump', '-n 8 ');
    assert.equal(dump, `hexdump -Cv -s ${63 * 512 + 64} -n 8 'a disk.img'`);
    assert.equal(bytesIn(await printed(folder, dump)).length, 23);
  });

  it('dump bytes where some are lost, and of one of two volumes', async (test) => {
    const folder = scratch(test);
    await open(page, copies(folder, '07-foreign-id'));
    await show(page, 'hex?volume=1&at=0x20000');
    await page.until(() => document.querySelector('.cells .here.lost') !== null);
    await page.until(() => window.virstor.index.value?.lost > 0n);
    const dump = await line(page, 'hexdump', '--volume dev/99', '--missing zero');
    assert.ok(bytesIn(await printed(folder, dump, 4)) === (await page.evaluate(cells)), dump);
  });

  it('find what the page finds', async (test) => {
    const folder = scratch(test);
    const files = copies(folder, 'ufs2-little');
    writeFileSync(join(folder, 'disk.img'), disk(readFileSync(files[0])));
    renameSync(files[0], join(folder, 'gone'));
    await open(page, [join(folder, 'disk.img'), ...files.slice(1)]);
    const find = async (fragment, needle, kind, found) => {
      await show(page, fragment);
      await page.page.selectOption('.search select', kind);
      await page.page.fill('#needle', needle);
      await page.page.press('#needle', 'Enter');
      await page.until(() => document.querySelector('.search .bar button').textContent === 'Find all' && document.querySelector('.search .note') !== null);
      await page.until((wanted) => new RegExp(`^${wanted} `).test(document.querySelector('.search .note').textContent), found);
      const hits = await page.evaluate(() => Array.from(document.querySelectorAll('.hits button'), (hit) => String(Number(hit.textContent))));
      // Grep finds nothing, tail writes more than is wanted.
      const out = await printed(folder, await line(page, 'grep'), ...(found === 0 ? [1] : []), 141);
      assert.deepEqual(out.toString('latin1').split('\n').filter(Boolean).map((row) => row.split(':')[0]), hits);
      assert.equal(hits.length, found);
    };
    await find('hex', 'dir1/dir2', 'text', 1);
    await find('hex?in=c0', 'GEOM::VIRSTOR', 'text', 1);
    await find('hex?in=c0', '47 45 4f 4d 3a', 'hex', 1);
    await find('hex?in=c1', "it's 'nowhere'", 'text', 0);
    await page.page.selectOption('.search select', 'hex');
    await page.page.fill('#needle', 'ff fe 80');
    assert.match(await line(page, 'grep'), /\$'\\xff\\xfe\\x80'/);
    await page.page.fill('#needle', '00 0a');
    await page.until(() => !document.body.innerText.includes('LC_ALL') && document.body.innerText.includes('No command line'));
  });

  it('save the map as the page saves it', async (test) => {
    const folder = scratch(test);
    const json = (text) => JSON.parse(text);
    const rows = (text) => text.toString().split('\n').filter((row) => row && !row.startsWith('#')).map((row) => row.trim().split(/\s+/));
    const forms = [['Runs as CSV', / jq /, String], ['Runs as JSON', /--json [^|]*$/, json], ['Mapfile', /--ddrescue/, rows]];
    for (const [set, fragment] of [['15-map-provider-out-of-range', 'map'], ['07-foreign-id', 'map?volume=1']]) {
      const inside = join(folder, set);
      mkdirSync(inside);
      await open(page, copies(inside, set));
      await show(page, fragment);
      await mapRead(page);
      for (const [title, word, read] of forms) {
        const shown = (await lines(page, '.menu')).find((each) => word.test(each));
        const { bytes } = await download(page, () =>
          page.evaluate((wanted) => Array.from(document.querySelectorAll('.menu button')).find(({ textContent }) => textContent.startsWith(wanted)).click(), title),
        );
        if (title.endsWith('CSV') && !(await there('jq'))) continue;
        assert.deepEqual(read(await printed(inside, shown, 4)), read(bytes), shown);
      }
      await printed(inside, await line(page, '--picture'));
    }
  });

  it('tell of the selected chunk, on the volume and on its component', async (test) => {
    const folder = scratch(test);
    await open(page, copies(folder, 'ufs2-little'));
    await show(page, 'map?at=0x20100');
    const map = await printed(folder, await line(page, 'map', `--range ${0x20000}+${0x20000}`));
    const place = await page.evaluate(() => document.querySelector('.place').innerText);
    const [, there] = /there\s+chunk [\d,]+, (0x[0-9a-f]+)/.exec(place);
    const [component, offset] = map.toString().trim().split('\n').at(-1).trim().split(/\s+/).slice(-2).map(Number);
    assert.equal(offset, Number(there) - 0x100);
    const reverse = (await printed(folder, await line(page, '--reverse'))).toString().split('\n').map((row) => row.trim().split(/\s+/).map(Number));
    assert.ok(reverse.some(([on, start, length]) => on === component && offset >= start && offset < start + length));
  });

  it('export what the page exports', async (test) => {
    const cases = [
      ['ufs2-little', { form: 'raw' }],
      ['ufs2-little', { form: 'raw', from: 's8', to: '0x34567' }],
      ['ufs2-little', { form: 'qcow2' }],
      ['05-incomplete-set', { form: 'raw', lost: 'become zeros' }, 4],
      ['33-unterminated-name', { form: 'raw' }],
      ['56-empty-name', { form: 'raw' }],
    ];
    for (const [set, { form, from = '', to = '', lost = 'stop' }, ...fine] of cases) {
      const folder = scratch(test);
      await open(page, copies(folder, set));
      await show(page, 'overview');
      await show(page, 'export');
      const choose = (label) => page.page.click(`.export label:has-text("${label}") input`);
      await choose(form);
      await choose(lost);
      await page.page.fill('.export label:has(input[placeholder="0"]) input', from);
      await page.page.fill('.export label:has(input[placeholder="end"]) input', to);
      const { name, bytes } = await download(page, () => page.click('.export button.main'));
      await page.until((wanted) => document.querySelector('[data-export=done]')?.innerText.startsWith(wanted), name);
      const shown = await line(page, 'virstor export', name);
      const out = (await printed(folder, shown, ...fine)).toString();
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      assert.equal(createHash('sha256').update(readFileSync(join(folder, name))).digest('hex'), sha256, shown);
      assert.ok(out.includes(`${sha256}  ${name}`), `${shown}: ${out}`);
      assert.equal(await page.evaluate(() => document.querySelector('[data-sha256]').textContent.trim()), sha256);
    }
  });

  it('plan, carry out and write by dd what the page plans', async (test) => {
    const folder = scratch(test);
    await open(page, copies(folder, '24-torn-closing-metadata'));
    await show(page, 'repair');
    await page.until(() => document.querySelector('[data-repair=plan]') !== null);
    const plan = await download(page, () => page.click('section > .buttons button.main'));
    const planned = await line(page, '--plan-out');
    await printed(folder, planned, 4);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, plan.name), 'utf8')), JSON.parse(plan.bytes));
    assert.ok((await lines(page)).includes(`virstor repair ${filesIn(goldenFolder('24-torn-closing-metadata')).join(' ')}`), 'the plan, to be read');
    const bydd = join(folder, 'dd');
    mkdirSync(bydd);
    const names = copies(bydd, '24-torn-closing-metadata').map((path) => basename(path));
    const writes = (await lines(page, '.sectors'));
    assert.ok(writes.length > 0);
    for (const [row, dd] of writes.entries()) {
      const { name, bytes } = await download(page, () => page.click(`.sectors li:nth-child(${row + 1}) > button`));
      writeFileSync(join(bydd, name), bytes);
      await printed(bydd, dd);
    }
    await printed(bydd, `virstor check ${names.join(' ')}`);
    await printed(folder, await line(page, '--apply-plan'), 1);
    await printed(folder, `virstor check ${names.join(' ')}`);
  });

  it('plan the map of a big-endian machine for the others', async (test) => {
    const folder = scratch(test);
    const files = copies(folder, 'ufs2-little');
    const disk = readFileSync(files[0]);
    for (let entry = 0; entry < 256 * 8; entry += 8) {
      disk.subarray(entry, entry + 4).swap16();
      disk.subarray(entry + 4, entry + 8).swap32();
    }
    writeFileSync(files[0], disk);
    await open(page, files);
    await show(page, 'overview');
    await page.until(() => document.querySelector('.figures').innerText.includes('big-endian map'));
    await show(page, 'repair');
    await page.until(() => document.querySelector('[data-repair=nothing]') !== null);
    await page.click('[data-convert] input');
    await page.until(() => document.querySelector('[data-repair-verdict=clean]') !== null);
    const plan = await download(page, () => page.click('section > .buttons button.main'));
    await printed(folder, await line(page, '--plan-out', '--convert-endian'), 4);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, plan.name), 'utf8')), JSON.parse(plan.bytes));
    await printed(folder, await line(page, '--apply-plan'), 1);
    assert.ok(readFileSync(files[0]).equals(readFileSync(join(goldenFolder('ufs2-little'), basename(files[0])))));
  });

  it('report as the page reports', async (test) => {
    const folder = scratch(test);
    await open(page, copies(folder, '15-map-provider-out-of-range'));
    await show(page, 'report');
    const kinds = await page.evaluate(() => Array.from(document.querySelectorAll('[name=report]'), (_, number) => number));
    assert.equal(kinds.length, 7);
    for (const kind of kinds) {
      await page.click(`.segmented label:nth-of-type(${kind + 1})`);
      await page.until(() => /^Save /.test(document.querySelector('section > .bar .buttons > button:last-child')?.textContent ?? ''));
      const [shown] = await lines(page);
      const { name, bytes } = await download(page, () => page.click('section > .bar .buttons > button:last-child'));
      const out = await printed(folder, shown, 4);
      assert.ok((shown.includes('collect') ? readFileSync(join(folder, name)) : out).equals(bytes), shown);
    }
  });

  it('compare with an image, and with a set that has the same names', async (test) => {
    const folder = scratch(test);
    const files = copies(folder, 'ufs2-little');
    await open(page, files);
    await show(page, 'compare');
    const image = join(folder, '-an image');
    await printed(folder, `virstor export -o ./'-an image' ${filesIn(goldenFolder('ufs2-little')).join(' ')}`);
    await page.setFiles('[data-pick=other]', [image]);
    await printed(folder, await line(page, '--with', 'an image'));
    const bytes = readFileSync(image);
    bytes[77] ^= 1;
    writeFileSync(image, bytes);
    assert.equal((await shell(folder, await line(page, '--with', 'an image'))).status, 4);

    const other = join(folder, 'OTHER');
    mkdirSync(other);
    const theirs = copies(other, 'ufs2-little');
    await page.setFiles('[data-pick=other]', theirs);
    await printed(folder, await line(page, 'export', 'OTHER/'));
    await printed(folder, await line(page, 'compare', '-other.raw'));
  });

  it('choose the rival that was chosen, whatever it is called', async (test) => {
    const folder = scratch(test);
    const files = copies(folder, '02-fresh-three');
    const rival = join(folder, '-z');
    copyFileSync(files[1], rival);
    await open(page, [...files, rival]);
    await show(page, 'overview');
    await page.until(() => document.querySelector('[data-prefer]') !== null);
    const [used, chosen] = await page.evaluate(() => {
      const { file } = window.virstor.opened.value.info.volumes[0].components.find(({ index }) => index === 1);
      return [file, document.querySelector('[data-prefer]').dataset.prefer];
    });
    assert.notEqual(used, chosen);
    await page.click('[data-prefer]');
    const info = await line(page, 'virstor info', '--prefer');
    const out = await printed(folder, `${info} --json`);
    const { file } = JSON.parse(out).volumes[0].components.find(({ index }) => index === 1);
    assert.equal(basename(file), chosen);
  });

  it('are understood in every view, of sets that are not whole, too', async (test) => {
    for (const set of ['05-incomplete-set', '07-foreign-id', '36-stale-component', '56-empty-name', '13-version-2']) {
      const folder = scratch(test);
      await open(page, copies(folder, set));
      const views = await page.evaluate(() => Array.from(document.querySelectorAll('[data-view]'), ({ dataset }) => dataset.view));
      for (const view of views) {
        await show(page, `${view}?at=0x100`);
        await page.until(() => !/Planning …|Working …|Checking …/.test(document.querySelector('main').innerText));
        for (const shown of await lines(page)) {
          if (shown.includes('IMAGE') || shown.startsWith('dd ')) continue;
          const { status, err } = await shell(folder, shown);
          // What is lost is not exported, here as there.
          const refused = shown.startsWith('virstor export') && (await page.evaluate(() => window.virstor.index.value?.lost > 0n));
          assert.ok([0, 1, 4].includes(status) || refused, `${set}, ${view}: ${shown}: ${status}, ${err}`);
          assert.doesNotMatch(err, /virstor help/, shown);
        }
      }
    }
  });
});
