/** What people do with the page, and what happens to files while it looks at them. */
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync, copyFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { browsers, site } from './browsers.mjs';
import { makeSet } from './sets.mjs';
import { copies, filesIn, goldenFolder, load, mapRead, open, scratch, settled, virstor } from './support.mjs';

/** A file that has `size` bytes and takes no room. */
function sparse(path, size) {
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  closeSync(file);
  return path;
}

/** Numbers from 0 to 1 that are the same in every run. */
function lehmer(seed) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** Serves what `origin` serves, until it is stopped: a page's host that goes away. */
async function relay(origin) {
  const server = createServer(async ({ url }, response) => {
    const found = await fetch(new URL(url, origin));
    response.writeHead(found.status, { 'Content-Type': found.headers.get('Content-Type') ?? '', 'Cache-Control': 'no-cache' });
    response.end(Buffer.from(await found.arrayBuffer()));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, stop };
}

const shown = () => {
  const { phase, problem, opened, checked } = window.virstor;
  return {
    phase: phase.value,
    problem: problem.value?.failure ?? null,
    verdict: checked.value?.verdict ?? null,
    volumes: opened.value?.info.volumes.map(({ name, complete, missing }) => ({ name, complete, missing })) ?? [],
    others: opened.value?.info.other_files ?? [],
    text: document.body.innerText.length,
  };
};

/**
 * Picks a file that was written to since it was picked, and waits until what is open now was checked. Nothing else tells when
 * that begins: until then the page shows what it found before, and a file that is whole again is not stale.
 */
async function pickAgain(page, path) {
  await page.setFiles('[data-pick=files]', [path]);
  const time = Math.floor(statSync(path).mtimeMs);
  await page.until((now) => window.virstor.files.value.some(({ lastModified }) => lastModified === now), time);
  await settled(page);
}

for (const { name, launch } of browsers) {
  describe(`the page in ${name}`, { skip: !site }, () => {
    let browser;
    let page;
    before(async () => {
      browser = await launch();
      page = await load(browser, site);
    });
    after(() => browser?.close());

    it('shows the sample without asking the network for anything', async () => {
      const fresh = await load(browser, site);
      await fresh.until(() => document.querySelector('[data-sample]') !== null);
      // The engine is loaded with the page, and so is what the page keeps for when there is no network.
      await fresh.evaluate(() => window.virstor.engine.call('figures', []));
      await fresh.evaluate(() => navigator.serviceWorker?.ready.then(() => null));
      const before = fresh.requests.length;
      await fresh.click('[data-sample]');
      await settled(fresh);
      assert.equal((await fresh.evaluate(shown)).verdict, 'clean');
      assert.deepEqual(fresh.requests.slice(before).filter((url) => !/^(blob|data):/.test(url)), []);
      assert.deepEqual(fresh.errors, []);
      await fresh.close();
    });

    it('works without a server once it was loaded', async () => {
      const host = await relay(site);
      const fresh = await load(browser, host.url);
      await fresh.evaluate(() => navigator.serviceWorker.ready.then(() => null));
      await host.stop();
      assert.equal(await fetch(host.url).then(() => 'served', () => 'gone'), 'gone');
      for (const url of [host.url, `${host.url}#map`]) {
        await fresh.goto('about:blank');
        await fresh.goto(url);
        await fresh.until(() => window.virstor !== undefined && document.querySelector('[data-sample]') !== null);
        await fresh.click('[data-sample]');
        await settled(fresh);
        assert.equal((await fresh.evaluate(shown)).verdict, 'clean', url);
      }
      assert.deepEqual(fresh.errors, []);
      await fresh.close();
    });

    it('works as one file', async () => {
      const single = await load(browser, pathToFileURL(process.env.VIRSTOR_SINGLE_FILE).href);
      assert.equal(await single.evaluate(() => location.protocol), 'file:');
      await single.click('[data-sample]');
      await settled(single);
      assert.equal((await single.evaluate(shown)).verdict, 'clean');
      const sha256 = await single.evaluate(async () => {
        const { engine, composeImage } = window.virstor;
        const request = { volume: 0, start: 0n, end: 2n ** 25n, format: 'raw', allowLost: false };
        return (await composeImage(engine, request, { name: 'x', sha256: true })).manifest.sha256;
      });
      assert.equal(sha256, '3db41d200c4f1c66b888ba74eefa175dc4dcb36bab3128192d5a381f9b40bc1d');
      assert.deepEqual(single.requests.filter((url) => !/^(blob|data|file):/.test(url)), []);
      assert.deepEqual(single.errors, []);
      await single.close();
    });

    it('takes what is dropped', async (test) => {
      await page.evaluate(() => window.virstor.close());
      // A drop as a page sees it, for a driver moves no files; that of a hand is tested where the driver can.
      await page.evaluate(() => {
        const input = document.createElement('input');
        Object.assign(input, { type: 'file', multiple: true, id: 'to-drop' });
        document.body.append(input);
      });
      await page.setFiles('#to-drop', copies(scratch(test), '04-full').reverse());
      await page.evaluate(() => {
        const input = document.getElementById('to-drop');
        const dataTransfer = new DataTransfer();
        for (const file of input.files) dataTransfer.items.add(file);
        input.remove();
        const target = document.querySelector('[data-drop]');
        for (const type of ['dragenter', 'dragover', 'drop']) {
          target.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
        }
      });
      await page.until(() => window.virstor.files.value.length > 0);
      await settled(page);
      assert.deepEqual((await page.evaluate(shown)).volumes.map(({ complete }) => complete), [true]);
    });

    it('is not allowed to reach the network', async () => {
      const fresh = await load(browser, site);
      const reached = await fresh.evaluate(() => fetch('https://example.org/').then(() => true, () => false));
      assert.equal(reached, false);
      await fresh.close();
    });

    it('names what is missing', async (test) => {
      const [first, , third] = copies(scratch(test), '02-fresh-three');
      await open(page, [first, third]);
      const { volumes, verdict } = await page.evaluate(shown);
      assert.deepEqual(volumes, [{ name: 'dev', complete: false, missing: [1] }]);
      assert.equal(verdict, 'unusable');
    });

    it('takes files that come later beside those that are open', async (test) => {
      const [first, second, third] = copies(scratch(test), '02-fresh-three');
      await open(page, [first, third]);
      await page.setFiles('[data-pick=files]', [second]);
      await page.until(() => window.virstor.opened.value?.info.volumes[0]?.complete === true);
      await settled(page);
      assert.equal((await page.evaluate(shown)).verdict, 'clean');
    });

    it('finds a component inside the image of a disk, in a partition', async (test) => {
      const folder = scratch(test);
      const [first] = copies(folder, '01-fresh-single');
      const component = readFileSync(first);
      const sector = Buffer.alloc(512);
      // A partition of FreeBSD's from sector 63 on.
      sector[0x1be + 4] = 0xa5;
      sector.writeUInt32LE(63, 0x1be + 8);
      sector.writeUInt32LE(component.length / 512, 0x1be + 12);
      sector.writeUInt16LE(0xaa55, 510);
      renameSync(first, join(folder, 'alone'));
      writeFileSync(join(folder, 'disk.img'), Buffer.concat([sector, Buffer.alloc(62 * 512), component, Buffer.alloc(1 << 20)]));
      await open(page, [join(folder, 'disk.img')]);
      const [found] = await page.evaluate(() => window.virstor.opened.value.info.volumes[0].components.map(({ file, place, offset }) => ({ file, place, offset: String(offset) })));
      assert.deepEqual(found, { file: 'disk.img', place: 'partition', offset: String(63 * 512) });
      const info = await virstor(folder, 'info', '--json', 'disk.img');
      assert.equal(await page.evaluate(() => window.virstor.engine.call('json', ['info'])), info.out);
    });

    it('lets one of two rivals be preferred', async (test) => {
      const folder = scratch(test);
      const files = copies(folder, '02-fresh-three');
      const [, taken] = filesIn(folder);
      const rival = join(folder, 'z-other');
      copyFileSync(files[1], rival);
      await open(page, [...files, rival]);
      const holder = () => window.virstor.opened.value.info.volumes[0].components.find(({ index }) => index === 1).file;
      assert.equal(await page.evaluate(holder), taken);
      await page.evaluate(() => (location.hash = 'overview'));
      await page.until(() => document.querySelector('[data-prefer="z-other"]') !== null);
      await page.click('[data-prefer="z-other"]');
      await page.until(() => window.virstor.opened.value?.info.volumes[0].components.find(({ index }) => index === 1).file === 'z-other');
      const info = await virstor(folder, 'info', '--json', '--prefer', 'z-other', ...filesIn(folder));
      await settled(page);
      assert.equal(await page.evaluate(() => window.virstor.engine.call('json', ['info'])), info.out);
    });

    it('exports a volume beside a specimen of another', async (test) => {
      const folder = scratch(test);
      copies(folder, '02-fresh-three');
      const { status, err } = await virstor(folder, 'collect', '--quiet', '-o', 'a.specimen', ...filesIn(folder));
      assert.equal(status, 0, err);
      const real = join(folder, 'real');
      mkdirSync(real);
      await open(page, [join(folder, 'a.specimen'), ...copies(real, 'ufs2-little')]);
      const outcome = await page.evaluate(async () => {
        const { engine, composeImage, opened } = window.virstor;
        const image = (volume) => {
          const request = { volume, start: 0n, end: opened.value.info.volumes[volume].virtual_size, format: 'raw', allowLost: false };
          return composeImage(engine, request, { name: 'x', sha256: true }).then(({ manifest }) => manifest.sha256, (error) => error.code);
        };
        return [await image(0), await image(1)];
      });
      assert.deepEqual(outcome, ['specimen', '3db41d200c4f1c66b888ba74eefa175dc4dcb36bab3128192d5a381f9b40bc1d']);
    });

    it('says what is no component, and why', async (test) => {
      const folder = scratch(test);
      const empty = join(folder, 'empty');
      writeFileSync(empty, '');
      const tiny = join(folder, 'tiny');
      writeFileSync(tiny, 'x');
      await open(page, [empty, tiny]);
      const { phase, others, verdict, text } = await page.evaluate(shown);
      assert.equal(phase, 'open');
      assert.deepEqual(others.map(({ file, reason }) => [file, reason]), [['empty', 'empty'], ['tiny', 'not_virstor']]);
      assert.equal(verdict, 'unusable');
      assert.ok(text > 100, 'the page is not blank');
    });

    it('keeps its head over hostile records', async (test) => {
      const folder = scratch(test);
      const random = lehmer(2026);
      let files;
      for (let round = 0; round < 6; round += 1) {
        files = copies(folder, '04-full');
        for (const path of files) {
          const file = openSync(path, 'r+');
          // Numbers of the record: sizes, counts, indexes. Some become enormous, some nothing.
          const place = statSync(path).size - 512 + 0x24 + Math.floor(random() * 56);
          const bytes = Buffer.from(Array.from({ length: 4 }, () => [0, 1, 0x7f, 0xff][Math.floor(random() * 4)]));
          writeSync(file, bytes, 0, bytes.length, place);
          closeSync(file);
        }
        await open(page, files);
        const { phase, problem, text } = await page.evaluate(shown);
        assert.equal(phase, 'open', `round ${round}: ${JSON.stringify(problem)}`);
        assert.ok(text > 100, `round ${round}: the page is not blank`);
      }
      const info = await virstor(folder, 'info', '--json', ...filesIn(folder));
      assert.equal(await page.evaluate(() => window.virstor.engine.call('json', ['info'])), info.out);
    });

    it('stays alive over a text of two gigabytes', async (test) => {
      const text = sparse(join(scratch(test), 'log.txt'), 2 ** 31);
      await page.evaluate(() => {
        window.gaps = [];
        let last = performance.now();
        const beat = (now) => {
          window.gaps.push(now - last);
          last = now;
          window.beat = requestAnimationFrame(beat);
        };
        window.beat = requestAnimationFrame(beat);
      });
      await open(page, [text]);
      const gap = await page.evaluate(() => {
        cancelAnimationFrame(window.beat);
        return Math.max(...window.gaps);
      });
      const { others } = await page.evaluate(shown);
      assert.deepEqual(others.map(({ reason }) => reason), ['not_virstor']);
      assert.ok(gap < 1000, `the page stood still for ${gap} ms`);
    });

    it('can be told to stop', async (test) => {
      const folder = scratch(test);
      const files = [0, 1, 2, 3].map((number) => sparse(join(folder, `big${number}`), 2 ** 31));
      await page.evaluate(() => window.virstor.close());
      // By the page itself: the driver may look only when all is open.
      await page.evaluate(() => {
        const { cancelOpening, phase } = window.virstor;
        const forget = phase.subscribe((now) => {
          if (now !== 'opening') return;
          setTimeout(() => {
            forget();
            window.stoppedWhile = phase.value;
            cancelOpening();
          }, 5);
        });
      });
      await page.setFiles('[data-pick=files]', files);
      await page.until(() => window.stoppedWhile !== undefined);
      assert.equal(await page.evaluate(() => window.stoppedWhile), 'opening');
      assert.equal((await page.evaluate(shown)).phase, 'empty');
      await open(page, copies(folder, '02-fresh-three'));
      assert.equal((await page.evaluate(shown)).verdict, 'clean');
    });

    it('opens a set of ten tebibytes', async (test) => {
      const folder = scratch(test);
      const sizes = Array(3).fill(4 * 2 ** 40);
      const files = makeSet(folder, { name: 'big', chunkSize: 2 ** 22, chunks: 2.5 * 2 ** 20, components: sizes, allocated: (chunk) => chunk % 1000 === 1 });
      await open(page, files);
      await mapRead(page);
      const info = await virstor(folder, 'info', '--json', 'big0', 'big1', 'big2');
      assert.equal(await page.evaluate(() => window.virstor.engine.call('json', ['info'])), info.out);
      const { length, last } = await page.evaluate(async () => {
        const { engine } = window.virstor;
        const picture = await engine.call('picture', [0, 0n, 2, 1 << 20]);
        const read = await engine.call('read', [{ kind: 'volume', volume: 0 }, 10n * 2n ** 40n - 16n, 16]);
        return { length: picture.data.length, last: Array.from(read.bytes) };
      });
      assert.equal(length, (2.5 * 2 ** 20) / 4);
      assert.deepEqual(last, Array(16).fill(0));
    });

    it('goes on when its worker is killed', async (test) => {
      await open(page, copies(scratch(test), '04-full'));
      const before = await page.evaluate(() => window.virstor.engine.call('json', ['info']));
      await page.evaluate(() => window.virstor.engine.kill('front'));
      await page.evaluate(() => window.virstor.engine.kill('back'));
      await mapRead(page);
      const picture = await page.evaluate(async () => (await window.virstor.engine.call('picture', [0, 0n, 0, 9])).data.length);
      assert.equal(picture, 9);
      assert.equal(await page.evaluate(() => window.virstor.engine.call('json', ['info'])), before);
      assert.notEqual((await page.evaluate(shown)).volumes.length, 0);
    });

    it('notices a file that is cut during an export', async (test) => {
      const files = copies(scratch(test), '55-full-fill-constant');
      await open(page, files);
      const outcome = page.evaluate(async () => {
        const { engine, composeImage, opened } = window.virstor;
        const request = { volume: 0, start: 0n, end: opened.value.info.volumes[0].virtual_size, format: 'raw', allowLost: true };
        [window.planned, window.cut] = [false, false];
        try {
          // Held from when all is planned until the file was cut.
          const call = engine.call.bind(engine);
          engine.call = async (method, args, options) => {
            if (method === 'hashBlob') window.planned = true;
            while (window.planned && !window.cut) await new Promise((resolve) => setTimeout(resolve, 20));
            return call(method, args, options);
          };
          await composeImage(engine, request, { name: 'x', sha256: true });
          return 'exported';
        } catch (error) {
          return error.code;
        } finally {
          delete engine.call;
        }
      });
      await page.until(() => window.planned === true);
      truncateSync(files[0], 1000);
      await page.evaluate(() => (window.cut = true));
      assert.ok(['changed', 'io'].includes(await outcome), await outcome);
    });

    const accidents = {
      shrinks: (path) => truncateSync(path, 1000),
      vanishes: (path) => renameSync(path, `${path}.elsewhere`),
      // Firefox reads what is there now, and tells nobody.
      ...(name === 'Chromium' && { 'is written to': (path) => writeFileSync(path, Buffer.alloc(statSync(path).size)) }),
    };
    for (const [accident, befall] of Object.entries(accidents)) {
      it(`says that a file ${accident} while nothing is done with it`, async (test) => {
        const files = copies(scratch(test), '02-fresh-three');
        await open(page, files);
        assert.ok(await page.evaluate(() => document.querySelector('[data-stale]') === null));
        befall(files[1]);
        await page.evaluate(() => dispatchEvent(new Event('focus')));
        await page.until(() => document.querySelector('[data-stale]')?.innerText.startsWith('c1 has changed'));
        // What changed is left out when files are added, so that the same one can be picked again.
        copyFileSync(join(goldenFolder('02-fresh-three'), 'c1'), files[1]);
        await pickAgain(page, files[1]);
        assert.equal((await page.evaluate(shown)).verdict, 'clean');
        assert.ok(await page.evaluate(() => document.querySelector('[data-stale]') === null));
      });
    }

    it('takes a file again that was written to since', async (test) => {
      const files = copies(scratch(test), '02-fresh-three');
      await open(page, files);
      copyFileSync(join(goldenFolder('02-fresh-three'), 'c1'), files[1]);
      await pickAgain(page, files[1]);
      assert.equal(await page.evaluate(() => window.virstor.files.value.length), 3);
      assert.equal((await page.evaluate(shown)).verdict, 'clean');
    });

    it('notices records that changed behind its back', async (test) => {
      const files = copies(scratch(test), '02-fresh-three');
      await open(page, files);
      await page.evaluate(() => window.virstor.engine.fingerprint());
      const file = openSync(files[0], 'r+');
      writeSync(file, Buffer.from([0xff]), 0, 1, 40);
      closeSync(file);
      const code = await page.evaluate(async () => {
        const { engine, composeImage, opened } = window.virstor;
        const request = { volume: 0, start: 0n, end: opened.value.info.volumes[0].virtual_size, format: 'raw', allowLost: true };
        try {
          await composeImage(engine, request, { name: 'x', sha256: true });
          return 'exported';
        } catch (error) {
          return error.code;
        }
      });
      assert.equal(code, 'changed');
    });

    it('notices files that are gone', async (test) => {
      const folder = scratch(test);
      const files = copies(folder, '02-fresh-three');
      await open(page, files);
      renameSync(files[1], join(folder, 'elsewhere'));
      const code = await page.evaluate(async () => {
        const { engine, composeImage, opened } = window.virstor;
        const request = { volume: 0, start: 0n, end: opened.value.info.volumes[0].virtual_size, format: 'raw', allowLost: true };
        return composeImage(engine, request, { name: 'x', sha256: true }).then(() => 'exported', (error) => error.code);
      });
      assert.equal(code, 'changed');
    });

    it('lets nothing uncaught pass', () => assert.deepEqual(page.errors, []));
  });
}

const chromium = browsers.find(({ name }) => name === 'Chromium');

describe('dropping in Chromium', { skip: !site || !chromium }, () => {
  let browser;
  let page;
  before(async () => {
    browser = await chromium.launch();
    page = await load(browser, site);
  });
  after(() => browser?.close());

  /** Drops files as a hand does: through the browser's own drag and drop. */
  async function drop(paths, until = () => window.virstor.files.value.length > 0) {
    const session = await page.page.context().newCDPSession(page.page);
    const data = { items: [], files: paths, dragOperationsMask: 1 };
    const { x, y } = await page.page.locator('[data-drop]').boundingBox();
    for (const type of ['dragEnter', 'dragOver', 'drop']) {
      await session.send('Input.dispatchDragEvent', { type, x: x + 5, y: y + 5, data });
    }
    await page.until(until);
    await settled(page);
  }

  it('takes files', async (test) => {
    await page.evaluate(() => window.virstor.close());
    await drop(copies(scratch(test), '04-full').reverse());
    assert.deepEqual((await page.evaluate(shown)).volumes.map(({ complete }) => complete), [true]);
  });

  it('takes a folder in a folder', async (test) => {
    const folder = scratch(test);
    mkdirSync(join(folder, 'outer/inner'), { recursive: true });
    copies(join(folder, 'outer/inner'), '02-fresh-three');
    await page.evaluate(() => window.virstor.close());
    await drop([join(folder, 'outer')]);
    const files = await page.evaluate(() => window.virstor.opened.value.info.volumes[0].components.map(({ file }) => file));
    assert.deepEqual(files, ['outer/inner/c0', 'outer/inner/c1', 'outer/inner/c2']);
  });

  it('says when there is nothing in a folder', async (test) => {
    const folder = scratch(test);
    mkdirSync(join(folder, 'nothing'));
    await page.evaluate(() => window.virstor.close());
    await drop([join(folder, 'nothing')], () => window.virstor.problem.value !== null);
    assert.equal((await page.evaluate(shown)).problem.code, 'nothing-picked');
  });

  it('saves an export that is the volume', async (test) => {
    const { createHash } = await import('node:crypto');
    await open(page, copies(scratch(test), 'ufs2-little'));
    const saved = page.page.waitForEvent('download');
    const sha256 = await page.evaluate(async () => {
      const { engine, composeImage, download } = window.virstor;
      const request = { volume: 0, start: 0n, end: 2n ** 25n, format: 'raw', allowLost: false };
      const { blob, manifest } = await composeImage(engine, request, { name: 'home.raw', sha256: true });
      download(blob, 'home.raw');
      return manifest.sha256;
    });
    const file = await (await saved).path();
    assert.equal(createHash('sha256').update(readFileSync(file)).digest('hex'), sha256);
    assert.equal(sha256, '3db41d200c4f1c66b888ba74eefa175dc4dcb36bab3128192d5a381f9b40bc1d');
  });

  it('writes a sparse file and a qcow2 image that hold the same', async (test) => {
    const folder = scratch(test);
    const files = copies(folder, 'ufs2-little');
    await open(page, files);
    const { sparse, qcow2 } = await page.evaluate(async () => {
      const { engine, composeImage, writeImage } = window.virstor;
      const request = { volume: 0, start: 0n, end: 2n ** 25n, format: 'raw', allowLost: false };
      const root = await navigator.storage.getDirectory();
      const handle = await root.getFileHandle('sparse.raw', { create: true });
      const manifest = await writeImage(engine, request, handle, { name: 'sparse.raw', sha256: true });
      const written = await (await handle.getFile()).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', written));
      const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
      const { blob } = await composeImage(engine, { ...request, format: 'qcow2' }, { name: 'x.qcow2', sha256: true });
      const image = new Uint8Array(await blob.arrayBuffer());
      const text = Array.from(image, (byte) => String.fromCharCode(byte)).join('');
      return { sparse: { hex, sha256: manifest.sha256 }, qcow2: btoa(text) };
    });
    assert.equal(sparse.hex, sparse.sha256);
    assert.equal(sparse.hex, '3db41d200c4f1c66b888ba74eefa175dc4dcb36bab3128192d5a381f9b40bc1d');
    const ours = Buffer.from(qcow2, 'base64');
    const made = await virstor(folder, 'export', '--quiet', '-o', 'x.qcow2', ...filesIn(folder));
    assert.equal(made.status, 0, made.err);
    assert.ok(ours.equals(readFileSync(join(folder, 'x.qcow2'))), 'the page and the program make the same image');
  });
});

/** The cells of a picture, a chunk each. */
async function drawn(method, which) {
  const { data, lost, component } = await window.virstor.engine.call(method, [...which, 0n, 0, 1 << 16]);
  return [data, lost, component].map((column) => Array.from(column));
}

for (const { name, launch } of browsers) {
  describe(`a repair planned in ${name}`, { skip: !site }, () => {
    let browser;
    let page;
    before(async () => {
      browser = await launch();
      page = await load(browser, site);
    });
    after(() => browser?.close());

    it('is done by dd with the sectors that are saved, where nothing else changes', async (test) => {
      const folder = scratch(test);
      const files = copies(folder, '24-torn-closing-metadata');
      await open(page, files);
      const sectors = await page.evaluate(async () => {
        const { sectors } = await window.virstor.engine.call('repair', [0, { lossy: false, convertEndian: false }]);
        return sectors.map(({ file, offset, after }) => ({ file, offset: Number(offset), after: Array.from(after) }));
      });
      assert.ok(sectors.length > 0);
      for (const { file, offset, after } of sectors) {
        const disk = openSync(join(folder, file), 'r+');
        writeSync(disk, Buffer.from(after), 0, after.length, offset);
        closeSync(disk);
      }
      const { out } = await virstor(folder, 'check', '--json', ...filesIn(folder));
      assert.equal(JSON.parse(out).verdict, 'clean');
    });

    // With the exit status of planning and of doing it: mended, the second by copying a chunk; nothing to mend; nothing
    // that could be without a loss.
    const sets = [['24-torn-closing-metadata', 4, 1], ['19-map-two-on-one', 4, 1], ['22-torn-data-without-map', 0, 0], ['16-map-chunk-out-of-range', 4, 4]];
    for (const [set, whenPlanned, whenDone] of sets) {
      it(`is the one that the program plans for ${set}`, async (test) => {
        const folder = scratch(test);
        const files = copies(folder, set);
        await open(page, files);
        const names = filesIn(folder);
        const plan = await page.evaluate(async () => window.virstor.engine.call('repairPlan', [0, { lossy: false, convertEndian: false }]));
        await page.evaluate(async () => void (await window.virstor.engine.call('repair', [0, { lossy: false, convertEndian: false }])));
        const foreseen = await page.evaluate(drawn, 'repairPicture', []);
        const planned = await virstor(folder, 'repair', '--plan-out', 'plan.json', ...names);
        assert.equal(planned.status, whenPlanned, planned.err);
        const saved = JSON.parse(readFileSync(join(folder, 'plan.json'), 'utf8'));
        assert.deepEqual(JSON.parse(plan), saved);
        const applied = await virstor(folder, 'repair', '--quiet', '--apply-plan', 'plan.json', ...names);
        assert.equal(applied.status, whenDone, applied.err);
        await open(page, files);
        await mapRead(page);
        assert.deepEqual(foreseen, await page.evaluate(drawn, 'picture', [0]), 'the map after is drawn as it comes out');
      });
    }
  });
}
