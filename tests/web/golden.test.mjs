/** Every golden set, picked as files and as a specimen: the page says what the program says, and saves what it saves. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
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
    const specimen = join(out, `${set}.specimen`);
    const collected = await virstor(folder, 'collect', '--quiet', '--force', '-o', specimen, ...files);
    // A set without a volume has none, and says so.
    assert.ok(collected.status === 0 || (collected.status === 4 && !existsSync(specimen)), collected.err);
    const said = await documents(folder, files);
    const ofSpecimen = collected.status === 0 ? await documents(out, [`${set}.specimen`]) : null;
    const exported = await virstor(folder, 'export', '--quiet', '--force', '-o', image, ...files);
    const sha256 = exported.status === 0 ? await digest(image) : null;
    const specimen256 = ofSpecimen ? await digest(specimen) : null;
    expected.set(set, { said, exported, sha256, specimen, specimen256, ofSpecimen });
  }
  return expected.get(set);
}

/** What the program prints about files. */
async function documents(folder, files) {
  const verbs = [['info', '--json'], ['check', '--json'], ['dump', '--json'], ['status', '--json'], ['report', '--json'], ['report']];
  const runs = await Promise.all(verbs.map((verb) => virstor(folder, ...verb, ...files)));
  return Object.fromEntries(runs.map(({ out }, number) => [verbs[number].join(' '), out]));
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
  const said = {};
  for (const verb of ['info', 'check', 'dump', 'status', 'report']) said[`${verb} --json`] = await engine.call('json', [verb]);
  said.report = await engine.call('reportText', []);
  const { blob: specimen } = await engine.call('collect', []);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await specimen.arrayBuffer()));
  const specimen256 = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (volume < 0) return { said, specimen256, sha256: null, refused: null };
  const request = { volume, start: 0n, end: volumes[volume].virtual_size, format: 'raw', allowLost: false };
  try {
    const { blob, manifest } = await composeImage(engine, request, { name: 'x.raw', sha256: true });
    return { said, specimen256, sha256: manifest.sha256, size: blob.size, refused: null };
  } catch (error) {
    return { said, specimen256, sha256: null, refused: error.code };
  }
}

/** For images and specimens: all browsers are held against the same. */
const out = scratch({ after });

for (const { name, launch } of browsers) {
  describe(`golden sets in ${name}`, { skip: !site }, () => {
    let browser;
    let page;
    before(async () => {
      browser = await launch();
      page = await load(browser, site);
    });
    after(() => browser?.close());

    for (const set of sets) {
      it(set, async () => {
        const { said, exported, sha256, specimen, specimen256, ofSpecimen } = await expect(set, out);
        const folder = goldenFolder(set);
        await open(page, filesIn(folder).map((file) => join(folder, file)));
        const found = await page.evaluate(asked);
        for (const verb of Object.keys(said)) assert.equal(found.said[verb], said[verb], verb);
        if (ofSpecimen) assert.equal(found.specimen256, specimen256, 'the specimen');
        if (found.sha256 !== null || found.refused !== null) {
          assert.equal(found.refused, exported.status === 8 ? 'lost' : null, exported.err);
          assert.equal(found.sha256, sha256);
        }
        if (ofSpecimen) {
          await open(page, [specimen]);
          const opened = await page.evaluate(asked);
          for (const verb of Object.keys(ofSpecimen)) assert.equal(opened.said[verb], ofSpecimen[verb], `specimen, ${verb}`);
          assert.ok(opened.sha256 === null, 'there is no data to be exported');
          assert.equal(opened.specimen256, specimen256, 'a specimen of a specimen is the same');
        }
        assert.deepEqual(page.errors, []);
      });
    }
  });
}
