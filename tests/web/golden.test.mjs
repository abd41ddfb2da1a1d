/** Every golden set, picked as files: the page says what the program says, and exports what it exports. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { browsers, site } from './browsers.mjs';
import { filesIn, goldenFolder, goldenSets, load, open, scratch, virstor } from './support.mjs';

const sets = goldenSets();

/** What the program says of a set, asked once for all browsers. */
const expected = new Map();

async function expect(set, out) {
  if (!expected.has(set)) {
    const folder = goldenFolder(set);
    const files = filesIn(folder);
    const image = join(out, `${set}.raw`);
    const [info, check] = await Promise.all(['info', 'check'].map((verb) => virstor(folder, verb, '--json', ...files)));
    const exported = await virstor(folder, 'export', '--quiet', '--force', '-o', image, ...files);
    const sha256 = exported.status === 0 ? await digest(image) : null;
    expected.set(set, { info, check, exported, sha256 });
  }
  return expected.get(set);
}

async function digest(path) {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest('hex');
}

/** The documents, and the digest of an export of the volume that the program would take. */
async function asked() {
  const { engine, composeImage, opened } = window.virstor;
  const { volumes } = opened.value.info;
  const complete = volumes.findIndex((volume) => volume.complete);
  const volume = volumes.length === 1 ? 0 : complete;
  const [info, check] = [await engine.call('json', ['info']), await engine.call('json', ['check'])];
  if (volume < 0) return { info, check, sha256: null, refused: null };
  const request = { volume, start: 0n, end: volumes[volume].virtual_size, format: 'raw', allowLost: false };
  try {
    const { blob, manifest } = await composeImage(engine, request, { name: 'x.raw', sha256: true });
    return { info, check, sha256: manifest.sha256, size: blob.size, refused: null };
  } catch (error) {
    return { info, check, sha256: null, refused: error.code };
  }
}

for (const { name, launch } of browsers) {
  describe(`golden sets in ${name}`, { skip: !site }, () => {
    let browser;
    let page;
    const out = scratch({ after });
    before(async () => {
      browser = await launch();
      page = await load(browser, site);
    });
    after(() => browser?.close());

    for (const set of sets) {
      it(set, async () => {
        const { info, check, exported, sha256 } = await expect(set, out);
        const folder = goldenFolder(set);
        await open(page, filesIn(folder).map((file) => join(folder, file)));
        const found = await page.evaluate(asked);
        assert.equal(found.info, info.out);
        assert.equal(found.check, check.out);
        if (found.sha256 !== null || found.refused !== null) {
          assert.equal(found.refused, exported.status === 8 ? 'lost' : null, exported.err);
          assert.equal(found.sha256, sha256);
        }
        assert.deepEqual(page.errors, []);
      });
    }
  });
}
