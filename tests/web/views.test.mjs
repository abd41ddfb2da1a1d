/** The views: by keyboard alone, for people who see or hear them otherwise, and on a telephone. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { browsers, site } from './browsers.mjs';
import { makeSet } from './sets.mjs';
import { command, filesIn, goldenFolder, load, mapRead, open, scratch, settled, virstor } from './support.mjs';

const chromium = browsers.find(({ name }) => name === 'Chromium');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const pathsOf = (set) => filesIn(goldenFolder(set)).map((file) => join(goldenFolder(set), file));

/** What axe objects to: a line for each rule. */
async function objections(page) {
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  });
}

/** The views that are offered. */
const offered = () => Array.from(document.querySelectorAll('[data-view]'), (button) => button.dataset.view);

async function show(page, view) {
  await page.click(`[data-view=${view}]`);
  // What a view asks of the engine comes with the next messages.
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 150)));
}

describe('views', { skip: !site || !chromium }, () => {
  let browser;
  before(async () => {
    browser = await chromium.launch();
  });
  after(() => browser?.close());

  const looks = [
    ['light', { colorScheme: 'light' }, ['19-map-two-on-one', '07-foreign-id', '05-incomplete-set']],
    ['dark', { colorScheme: 'dark' }, ['15-map-provider-out-of-range']],
    ['forced colours', { forcedColors: 'active' }, ['19-map-two-on-one']],
    ['a telephone', { viewport: { width: 390, height: 844 }, hasTouch: true }, ['ufs2-little', '19-map-two-on-one']],
  ];
  for (const [look, options, sets] of looks) {
    for (const set of sets) {
      it(`of ${set} in ${look} can be used by everybody`, async () => {
        // Only the injection of axe needs the policy out of the way.
        const page = await load(browser, site, { ...options, bypassCSP: true });
        await page.page.evaluate(AXE);
        const found = [];
        const judge = async (what) => found.push(...(await objections(page)).map((line) => `${what}: ${line}`));
        await judge('before anything is open');
        await open(page, pathsOf(set));
        for (const view of await page.evaluate(offered)) {
          await show(page, view);
          if (view === 'map') await page.evaluate(() => (location.hash = 'map?at=0x20000'));
          await judge(view);
          if (view === 'repair') await page.until(() => !document.querySelector('main').innerText.includes('Planning'));
          await page.evaluate(() => document.querySelectorAll('details').forEach((each) => (each.open = true)));
          const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (wider > 0) found.push(`${view} is ${wider} pixels too wide`);
          const address = await page.evaluate(() => {
            scrollTo(0, document.documentElement.scrollHeight);
            const { top, bottom } = document.getElementById('address').getBoundingClientRect();
            scrollTo(0, 0);
            return top >= 0 && bottom <= innerHeight;
          });
          if (!address) found.push(`the address box is out of sight at the end of ${view}`);
          const beyond = await page.evaluate(() => Array.from(document.querySelectorAll('.menu > div'), (menu) => menu.getBoundingClientRect().left));
          if (beyond.some((left) => left < 0)) found.push(`a menu of ${view} begins beyond the edge`);
        }
        for (const key of ['?', 'Control+k']) {
          await page.page.keyboard.press(key);
          await page.until(() => document.querySelector('dialog[open]') !== null);
          await judge(`dialog of ${key}`);
          await page.page.keyboard.press('Escape');
          await page.until(() => document.querySelector('dialog[open]') === null);
        }
        assert.deepEqual(found, []);
        assert.deepEqual(page.errors, []);
        await page.close();
      });
    }
  }

  it('show one place: map, table, bytes, component', async () => {
    const page = await load(browser, site);
    await open(page, pathsOf('ufs2-little'));
    await show(page, 'map');
    await page.click('.rows tbody tr:nth-child(3) button');
    await page.until(() => document.querySelector('.rows tr.here') !== null);
    const place = await page.evaluate(() => location.hash);
    await page.until(() => document.querySelector('.lane canvas:not([aria-valuetext="nothing selected"])') !== null);
    await page.click('.place .buttons button:nth-child(2)');
    await page.until(() => location.hash.includes('in=c'));
    await page.until(() => Array.from(document.querySelectorAll('.place button'), (each) => each.textContent).includes('On the volume'));
    await page.evaluate(() => Array.from(document.querySelectorAll('.place button')).find((each) => each.textContent === 'On the volume').click());
    await page.until((wanted) => location.hash === wanted.replace('#map', '#hex'), place);
    await page.close();
  });

  it('come back by their link, and a wrong link does no harm', async () => {
    const page = await load(browser, `${site}#hex?in=c1&at=0x40`);
    await open(page, pathsOf('02-fresh-three'));
    await page.until(() => document.querySelector('.cells .here')?.dataset.at === '64');
    assert.equal(await page.evaluate(() => document.querySelector('.hex-view select').value), 'c1');
    for (const fragment of ['#hex?in=c999&at=0xffffffffffffffff&volume=77', '#nowhere?&&=%', '#map?at=-1']) {
      await page.evaluate((wanted) => (location.hash = wanted), fragment);
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
      assert.ok(await page.evaluate(() => document.querySelector('main').innerText.length > 50), fragment);
    }
    assert.deepEqual(page.errors, []);
    await page.close();
  });

  it('save the map as the program prints it', async () => {
    const page = await load(browser, site);
    for (const set of ['15-map-provider-out-of-range', 'ufs2-little']) {
      await open(page, pathsOf(set));
      await mapRead(page);
      const saved = page.page.waitForEvent('download');
      await command(page, 'save the map as json');
      const { out } = await virstor(goldenFolder(set), 'map', '--json', ...filesIn(goldenFolder(set)));
      assert.equal(readFileSync(await (await saved).path(), 'utf8'), out, set);
    }
    await page.close();
  });

  it('save the map as a mapfile as the program prints it, as a table, and as a picture', async () => {
    const page = await load(browser, site);
    await open(page, pathsOf('15-map-provider-out-of-range'));
    await mapRead(page);
    const folder = goldenFolder('15-map-provider-out-of-range');
    const files = filesIn(folder);
    const save = async (what) => {
      const saved = page.page.waitForEvent('download');
      await command(page, what);
      const download = await saved;
      return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
    };
    const lines = (text) => text.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => line.trim().split(/\s+/));
    const mapfile = await save('save a mapfile');
    const printed = await virstor(folder, 'map', '--ddrescue', ...files);
    assert.deepEqual(lines(mapfile.bytes.toString()), lines(printed.out));
    assert.ok(mapfile.bytes.includes(`virstor map --ddrescue ${files[0]}`), 'it says how else it is made');
    const table = (await save('save the map as csv')).bytes.toString().trim().split('\n');
    const extents = JSON.parse((await virstor(folder, 'map', '--json', ...files)).out);
    const [head, ...rows] = table.map((line) => line.split(','));
    for (const [row, extent] of extents.entries()) {
      assert.deepEqual(rows[row], head.map((name) => String(extent[name] ?? '')));
    }
    assert.equal(rows.length, extents.length);
    await show(page, 'map');
    const picture = await save('save the map as a picture');
    assert.equal(picture.name, 'dev-map.png');
    assert.equal(picture.bytes.subarray(1, 4).toString(), 'PNG');
    await page.close();
  });

  it('export a range as the program does, and the data alone', async (test) => {
    const folder = scratch(test);
    const files = pathsOf('ufs2-little');
    const page = await load(browser, site);
    await open(page, files);
    const hash = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
    const made = await page.evaluate(async () => {
      const { engine, composeImage } = window.virstor;
      const image = async (request) => (await composeImage(engine, { volume: 0, allowLost: false, ...request }, { name: 'x', sha256: true })).manifest;
      const range = await image({ start: 0x12345n, end: 0x234567n, format: 'raw' });
      const thin = await image({ start: 0x10000n, end: 0x230000n, format: 'qcow2' });
      const packed = await image({ start: 0n, end: 2n ** 25n, format: 'packed' });
      return { range: range.sha256, thin: thin.sha256, packed: packed.sha256, length: String(packed.length), data: String(packed.export.data) };
    });
    const program = async (...options) => {
      const { status, err } = await virstor(folder, 'export', '--quiet', '--force', '-o', 'image', ...options, ...files);
      assert.equal(status, 0, err);
      return hash(join(folder, 'image'));
    };
    assert.equal(made.range, await program('--range', `${0x12345}+${0x234567 - 0x12345}`));
    assert.equal(made.thin, await program('--format', 'qcow2', '--range', `${0x10000}+${0x220000}`));
    assert.equal(made.length, made.data);
    await program();
    const whole = readFileSync(join(folder, 'image'));
    const { out } = await virstor(folder, 'map', '--json', ...files);
    const data = JSON.parse(out).filter(({ state }) => state === 'data');
    const packed = Buffer.concat(data.map(({ start, length }) => whole.subarray(start, start + length)));
    assert.equal(made.packed, createHash('sha256').update(packed).digest('hex'));
    await page.close();
  });

  it('lead to the map and to a record in the bytes', async () => {
    const page = await load(browser, site);
    await open(page, pathsOf('02-fresh-three'));
    await show(page, 'hex');
    await page.page.selectOption('.hex-view .bar select', { label: 'the record of 1: c1' });
    await page.until(() => location.hash === '#hex?in=c1&at=0xffe00');
    await page.until(() => document.querySelector('.hex-view').innerText.includes('md_magic'));
    await page.page.selectOption('.hex-view .bar select', { label: 'the map' });
    await page.until(() => location.hash === '#hex?in=c0&at=0x0');
    await page.until(() => document.querySelector('.hex-view').innerText.includes('map entry 0'));
    assert.equal(await page.evaluate(() => document.querySelector('.hex-view .bar select').value), 'c0');
    assert.deepEqual(page.errors, []);
    await page.close();
  });

  it('stop a search when told to', async (test) => {
    const files = makeSet(scratch(test), { name: 'long', chunkSize: 2 ** 22, chunks: 2048, components: [2 ** 33 + 2 ** 26], allocated: () => true });
    const page = await load(browser, site);
    await open(page, files);
    await page.page.keyboard.press('/');
    await page.until(() => document.activeElement?.id === 'needle');
    await page.page.keyboard.type('nowhere');
    await page.page.keyboard.press('Enter');
    await page.until(() => document.querySelector('.search progress') !== null);
    await page.click('.search .bar button');
    await page.until(() => document.querySelector('.search .bar button').textContent === 'Find all');
    assert.match(await page.evaluate(() => document.querySelector('.search .note').innerText), /^0 places, looked up to 0x/);
    // What is looked at goes on.
    assert.equal(await page.evaluate(async () => (await window.virstor.engine.call('read', [{ kind: 'volume', volume: 0 }, 0n, 16])).bytes.length), 16);
    await page.close();
  });

  it('find bytes, and say what is none', async () => {
    const page = await load(browser, site);
    await open(page, pathsOf('ufs2-little'));
    await page.page.keyboard.press('/');
    await page.until(() => document.activeElement?.id === 'needle');
    await page.page.keyboard.type('dir1/dir2');
    await page.page.keyboard.press('Enter');
    await page.until(() => document.querySelector('.hits button') !== null);
    await page.click('.hits button');
    await page.until(() => document.querySelectorAll('.cells .on').length === 9);
    await page.page.selectOption('.search select', 'hex');
    await page.page.fill('#needle', 'abc');
    await page.page.keyboard.press('Enter');
    await page.until(() => document.querySelector('.search [role=alert]') !== null);
    await page.close();
  });

  it('compare with a raw image as the program does, and with another set', async (test) => {
    const folder = scratch(test);
    const files = pathsOf('ufs2-little');
    const image = join(folder, 'home.raw');
    await virstor(folder, 'export', '--quiet', '-o', image, ...files);
    const changed = readFileSync(image);
    for (const place of [5, 0x200000, 0x200001, 0x1fffffe]) changed[place] ^= 0xff;
    writeFileSync(image, changed);
    const page = await load(browser, site);
    await open(page, files);
    await show(page, 'compare');
    await page.setFiles('[data-pick=other]', [image]);
    await page.until(() => document.querySelector('[data-compare=bytes] button:not(:disabled)') !== null);
    await page.click('[data-compare=bytes] button');
    await page.until(() => /33,554,432/.test(document.querySelector('[data-different]')?.innerText ?? ''));
    const { out } = await virstor(folder, 'compare', '--json', ...files, '--with', image);
    const { different, first_difference } = JSON.parse(out);
    assert.equal(await page.evaluate(() => document.querySelector('[data-different]').dataset.different), String(different));
    const told = await page.evaluate(() => document.querySelector('[data-different]').innerText);
    assert.ok(told.includes(`0x${first_difference.toString(16)}`), told);

    await open(page, pathsOf('15-map-provider-out-of-range'));
    await page.setFiles('[data-pick=other]', pathsOf('19-map-two-on-one'));
    await page.until(() => document.querySelector('[data-compare=maps]') !== null);
    await page.until(() => document.querySelector('[data-compare=maps] tbody tr') !== null);
    const rows = await page.evaluate(() => Array.from(document.querySelectorAll('[data-compare=maps] tbody tr'), (row) => row.innerText));
    assert.deepEqual(rows.map((row) => row.split('\t')[0]), ['0xa0000', '0xe0000']);
    assert.deepEqual(page.errors, []);
    await page.close();
  });

  it('show what a repair would do, and save its plan', async () => {
    const page = await load(browser, site);
    await open(page, pathsOf('19-map-two-on-one'));
    await show(page, 'repair');
    await page.until(() => document.querySelector('[data-repair=plan]') !== null);
    assert.equal(await page.evaluate(() => document.querySelector('[data-repair-verdict]').dataset.repairVerdict), 'clean');
    const saved = page.page.waitForEvent('download');
    await page.click('section button.main');
    const plan = JSON.parse(readFileSync(await (await saved).path(), 'utf8'));
    assert.deepEqual([plan.format, plan.volume, plan.id], ['virstor-plan', 'dev', 7]);
    const steps = await page.evaluate(() => document.querySelectorAll('[data-repair=plan] > li').length);
    assert.equal(steps, plan.steps.length);

    await open(page, pathsOf('15-map-provider-out-of-range'));
    await page.until(() => document.querySelector('[data-repair=nothing]') !== null);
    await page.click('.line-label input');
    await page.until(() => document.querySelector('[data-repair-verdict=clean]') !== null);
    assert.ok(await page.evaluate(() => document.querySelector('.steps .lossy') !== null));

    // No set is known whose plan has a step that is found to lose something: such a plan is put in its place.
    assert.ok(await page.evaluate(() => document.querySelector('[data-repair=declined]') === null));
    const why = 'virtual chunk 7 could not be read after it: the entry is cleared';
    await page.evaluate((declined) => {
      const { engine } = window.virstor;
      const call = engine.call.bind(engine);
      engine.call = async (method, ...rest) => {
        const result = await call(method, ...rest);
        return method === 'repair' ? { ...result, declined } : result;
      };
    }, why);
    await page.click('.line-label input');
    await page.until(() => document.querySelector('[data-repair=declined]') !== null);
    const told = await page.evaluate(() => document.querySelector('[data-repair=declined]').innerText);
    assert.equal(told, `No further step, for data would be lost: ${why}.`);
    assert.deepEqual(page.errors, []);
    await page.close();
  });
});

for (const { name, launch } of browsers) {
  describe(`the views in ${name}`, { skip: !site }, () => {
    let browser;
    before(async () => {
      browser = await launch();
    });
    after(() => browser?.close());

    it('can be used by keyboard alone', async () => {
      const page = await load(browser, site);
      const { press, type } = page;
      const tabTo = async (selector) => {
        // A view that is on its way has nothing to lead to yet.
        await page.until((wanted) => document.querySelector(wanted)?.matches(':enabled, :not(button)'), selector);
        for (let step = 0; step < 60; step += 1) {
          if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
          await press('Tab');
        }
        assert.fail(`Tab does not lead to ${selector}`);
      };
      const hash = () => page.evaluate(() => location.hash);
      const reached = (fragment) => page.until((wanted) => location.hash === wanted, fragment);

      await tabTo('[data-sample]');
      await press('Enter');
      await settled(page);
      await press('2');
      await reached('#map');
      await tabTo('canvas[role=slider]');
      await press('ArrowRight', 'ArrowRight');
      await reached('#map?at=0x20000');
      const told = () => page.evaluate(() => document.activeElement.getAttribute('aria-valuetext'));
      await page.until(() => document.activeElement.getAttribute('aria-valuetext').includes('component'));
      assert.match(await told(), /^chunk 1 at 0x20000: data on component \d$/);
      await press('End');
      await reached('#map?at=0x1fe0000');
      await press('Enter');
      await reached('#hex?at=0x1fe0000');
      await press('g');
      await page.until(() => document.activeElement?.id === 'address');
      await type('c16');
      await press('Enter');
      await reached('#hex?at=0x200000');
      await press('Escape');
      await tabTo('.dump-rows');
      await press('ArrowDown', 'Shift+ArrowRight');
      await reached('#hex?at=0x200011');
      await page.until(() => document.querySelectorAll('.cells .on').length === 2);
      await command(page, 'hilb');
      await page.until(() => location.hash.startsWith('#map?layout=hilbert'));
      await press('?');
      await page.until(() => document.querySelector('dialog[open] h2')?.textContent === 'Keyboard shortcuts');
      await press('Escape');
      await page.until(() => document.querySelector('dialog[open]') === null);
      await press('6');
      await tabTo('.export button.main');
      // Where to is asked in a window of the system, which no test can reach; what is saved is another test's.
      await page.evaluate(() => delete window.showSaveFilePicker && delete Window.prototype.showSaveFilePicker);
      await page.evaluate(() => void (HTMLAnchorElement.prototype.click = () => {}));
      await press('1', '6');
      await tabTo('.export button.main');
      await press('Enter');
      await page.until(() => document.querySelector('[data-sha256]') !== null);
      const sha256 = await page.evaluate(() => document.querySelector('[data-sha256]').textContent.trim());
      assert.equal(sha256, '3db41d200c4f1c66b888ba74eefa175dc4dcb36bab3128192d5a381f9b40bc1d');
      assert.match(await hash(), /^#export/);
      assert.deepEqual(page.errors, []);
      await page.close();
    });
  });
}
