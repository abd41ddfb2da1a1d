/** What the page reckons without a browser: layouts of the map, addresses, sizes, links, command lines, tables. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, test } from 'node:test';
import { createServer } from 'vite';

const vite = await createServer({
  root: fileURLToPath(new URL('../../web', import.meta.url)),
  configFile: false,
  appType: 'custom',
  logLevel: 'error',
  optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
});
after(() => vite.close());

const model = (name) => vite.ssrLoadModule(`/src/model/${name}.ts`);
const { explain, everyUnit, parseAddress } = await model('address');
const { differences, differing } = await model('compare');
const { commandLine, dumpOfFile, quote, range, searchOfExport, searchOfFile, volumeOption } = await model('command');
const { addressDigits, clampRow, copied, needle, readings, revealed, span } = await model('hex');
const { cellOf, indexOf } = await model('hilbert');
const layout = await model('layout');
const { ranked, score } = await model('match');
const { HOME, fromFragment, toFragment } = await model('route');
const { formatCount, formatHex, formatSeconds, formatShare, formatSize, plural } = await model('size');
const { csvLine, jsonExtent, mapfileLine, runsOf } = await model('tables');
const { decode } = await vite.ssrLoadModule('/src/engine/cbor.ts');

const GIB = 1n << 30n;

test('sizes are cut, never rounded up', () => {
  const rows = [
    [0n, '0 bytes'],
    [1n, '1 byte'],
    [1023n, '1023 bytes'],
    [1024n, '1 KiB'],
    [1536n, '1.50 KiB'],
    [GIB - 1n, '1023 MiB'],
    [10n * (GIB << 10n), '10 TiB'],
    [(1n << 64n) - 1n, '15.9 EiB'],
  ];
  for (const [bytes, text] of rows) assert.equal(formatSize(bytes), text);
});

test('a share is 0 or 100 only where it is', () => {
  assert.equal(formatShare(0n, 10n), '0 %');
  assert.equal(formatShare(1n, 1n << 40n), '< 0.1 %');
  assert.equal(formatShare((1n << 40n) - 1n, 1n << 40n), '99.9 %');
  assert.equal(formatShare(5n, 5n), '100 %');
  assert.equal(formatShare(0n, 0n), '0 %');
});

test('counts, hexadecimal numbers and times', () => {
  assert.equal(formatCount(8388608n), '8,388,608');
  assert.equal(formatCount(999), '999');
  assert.equal(plural(1n, 'chunk'), '1 chunk');
  assert.equal(plural(2000, 'entry', 'entries'), '2,000 entries');
  assert.equal(formatHex(31n, 4), '0x001f');
  assert.deepEqual([0, 59.7, 125, 7300].map(formatSeconds), ['0 s', '1 min 0 s', '2 min 5 s', '2 h 1 min']);
});

const ground = { size: 64n * 131072n, chunkSize: 131072n, sectorSize: 512n, current: 0x1000n };

test('an address is read in every form that people write', () => {
  const rows = [
    ['0x1F00', 0x1f00n],
    ['1f00h', 0x1f00n],
    ['4096', 4096n],
    ['4,096', 4096n],
    ['2M', 2n << 20n],
    ['2 MiB', 2n << 20n],
    ['s8', 4096n],
    ['8s', 4096n],
    ['c3', 393216n],
    ['#3', 393216n],
    ['3C', 393216n],
    ['50%', 4194304n],
    ['12.5%', 1048576n],
    ['100%', 8388607n],
    ['end', 8388607n],
    ['+0x10', 0x1010n],
    ['-1K', 0xc00n],
    ['+1c', 0x21000n],
  ];
  for (const [text, offset] of rows) assert.deepEqual(parseAddress(text, ground), { offset }, text);
});

test('what is no address, or is outside, says so', () => {
  for (const text of ['x', '0x', '1z', '--1', '1.5', '0xfffffffffffffffff', '%', '1e3', '+']) {
    assert.deepEqual(parseAddress(text, ground), { error: 'not-an-address' }, text);
  }
  assert.deepEqual(parseAddress(' ', ground), { error: 'empty' });
  assert.deepEqual(parseAddress('8M', ground), { error: 'outside', offset: 8388608n, last: 8388607n });
  assert.deepEqual(parseAddress('-8K', ground), { error: 'outside', offset: -4096n, last: 8388607n });
  assert.match(explain(parseAddress('8M', ground)), /8388608.*8388607/);
});

test('a place is told in every unit', () => {
  const values = everyUnit(131584n, ground).map((unit) => unit.value);
  assert.deepEqual(values, ['0x20200', '131584', '257', '1 + 512', '1.568603%']);
  const copied = everyUnit(131584n, ground).map((unit) => unit.copied);
  assert.deepEqual(copied, ['0x20200', '131584', '257', '1', '1.568603%'], 'what other programs take');
  const share = (offset, size) => everyUnit(offset, { ...ground, size }).at(-1).value;
  assert.deepEqual([share(0n, 0n), share(4n, 8n), share(2n ** 60n - 1n, 2n ** 60n)], ['0%', '50%', '99.999999%']);
});

test("neighbours on Hilbert's curve are neighbours in the square", () => {
  for (let order = 1; order <= 5; order += 1) {
    let [x, y] = cellOf(order, 0);
    const seen = new Set([`${x},${y}`]);
    for (let index = 1; index < 4 ** order; index += 1) {
      const [nextX, nextY] = cellOf(order, index);
      assert.equal(Math.abs(nextX - x) + Math.abs(nextY - y), 1);
      assert.equal(indexOf(order, nextX, nextY), index);
      [x, y] = [nextX, nextY];
      seen.add(`${x},${y}`);
    }
    assert.equal(seen.size, 4 ** order);
  }
});

for (const name of ['rows', 'hilbert']) {
  test(`in ${name}, cells and chunks lead to each other`, () => {
    for (const chunks of [1, 64, 1000, 2_621_440, 2 ** 32]) {
      const zoom = layout.fit(name, 900, 500, chunks);
      let picture = layout.frame(name, 900, 500, zoom, chunks);
      for (let step = 0; step < 4; step += 1) {
        const cells = layout.shown(picture);
        assert.ok(cells > 0);
        for (const cell of [0, Math.floor(cells / 3), cells - 1]) {
          const [column, row] = layout.placeOf(picture, cell);
          assert.equal(layout.cellAt(picture, column, row), cell);
          const [first, count] = layout.chunksOf(picture, cell);
          assert.ok(count > 0 && first + count <= chunks);
          assert.equal(layout.cellOfChunk(picture, first), cell);
          assert.equal(layout.cellOfChunk(picture, first + count - 1), cell);
        }
        const closer = layout.zoomed(picture, 1, zoom);
        picture = layout.frame(name, 900, 500, closer, chunks, Math.floor(chunks / 2), 0);
      }
    }
  });

  test(`in ${name}, all chunks are in sight at first, and zooming out ends there`, () => {
    for (const chunks of [1, 64, 100_000, 2 ** 32]) {
      const zoom = layout.fit(name, 360, 300, chunks);
      const picture = layout.frame(name, 360, 300, zoom, chunks);
      assert.equal(layout.shown(picture), Math.ceil(chunks / 2 ** zoom.bits));
      assert.deepEqual(layout.zoomed(zoom, -1, zoom), zoom);
      let near = zoom;
      for (let step = 0; step < 60; step += 1) near = layout.zoomed(near, 1, zoom);
      assert.deepEqual(near, { bits: 0, pixels: 32 });
      for (let step = 0; step < 60; step += 1) near = layout.zoomed(near, -1, zoom);
      assert.deepEqual(near, zoom);
    }
  });

  test(`in ${name}, panning stays inside and first chunks are aligned`, () => {
    const zoom = { bits: 3, pixels: 8 };
    const picture = layout.frame(name, 400, 300, zoom, 1_000_003);
    for (const cell of [-5, 0, 77, 60_000, 1e9]) {
      const moved = layout.moved(picture, cell);
      assert.equal(moved.first % 8, 0);
      assert.ok(layout.shown(moved) > 0);
    }
    const last = layout.moved(picture, 1e9);
    assert.notEqual(layout.cellOfChunk(last, 1_000_002), null);
  });

  test(`in ${name}, arrow keys stay among the chunks`, () => {
    const picture = layout.frame(name, 320, 320, { bits: 0, pixels: 32 }, 70);
    const keys = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'PageUp', 'PageDown', 'Home', 'End'];
    for (let chunk = 0; chunk < 70; chunk += 1) {
      for (const key of keys) {
        const next = layout.stepped(picture, chunk, key);
        assert.ok(next >= 0 && next < 70, `${key} from ${chunk} leads to ${next}`);
      }
    }
    assert.equal(layout.stepped(picture, 5, 'x'), null);
  });
}

test('a command is found by its letters, best first', () => {
  const commands = ['Go to address', 'Go to overview', 'Export', 'Show the map'];
  assert.deepEqual(ranked('', commands, String), commands);
  assert.equal(ranked('gta', commands, String)[0], 'Go to address');
  assert.equal(ranked('map', commands, String)[0], 'Show the map');
  assert.deepEqual(ranked('zzz', commands, String), []);
  assert.equal(score('pam', 'map'), null);
});

test('a route survives its fragment, and a bad fragment is home', () => {
  const route = { view: 'hex', volume: 2, at: 0x1f00n, space: 'c1', layout: 'hilbert' };
  assert.deepEqual(fromFragment(toFragment(route)), route);
  assert.equal(toFragment(HOME), 'overview');
  for (const bad of ['', '#x', '#hex?at=-1&volume=99999&in=../..&layout=3', '#%%%?&&=']) {
    assert.deepEqual({ ...fromFragment(bad), view: 'overview' }, HOME, bad);
  }
});

test('rows of a dump are kept in sight and inside', () => {
  assert.equal(revealed(10n, 5n, 20), 5n);
  assert.equal(revealed(10n, 29n, 20), 10n);
  assert.equal(revealed(10n, 30n, 20), 11n);
  assert.equal(revealed(10n, 900n, 20), 894n);
  assert.equal(revealed(900n, 4n, 20), -2n);
  assert.equal(clampRow(-4n, 100n, 16, 3), 0n);
  assert.equal(clampRow(99n, 100n, 16, 3), 4n);
  assert.equal(clampRow(99n, 0n, 16, 3), 0n);
  assert.equal(addressDigits(1n << 40n), 10);
  assert.equal(addressDigits(0n), 8);
  assert.deepEqual(span(9n, 4n), [4n, 10n]);
});

test('bytes are copied in every form', () => {
  const bytes = new TextEncoder().encode('GEOM::VIRSTOR\0\0\0x');
  assert.equal(copied(bytes.subarray(0, 3), 0n, 'hex'), '47 45 4f');
  assert.equal(copied(bytes.subarray(0, 2), 0n, 'rust'), '[0x47, 0x45]');
  assert.equal(copied(bytes.subarray(12, 14), 0n, 'text'), 'R·');
  const lines = copied(bytes, 0x200n, 'dump').split('\n');
  assert.equal(lines[0], '00000200  47 45 4f 4d 3a 3a 56 49 52 53 54 4f 52 00 00 00  |GEOM::VIRSTOR···|');
  assert.equal(lines[1], `00000210  78${' '.repeat(45)}  |x|`);
});

test('a needle is text or pairs of digits', () => {
  assert.deepEqual([...needle('é', 'text')], [0xc3, 0xa9]);
  assert.deepEqual([...needle('0x47 45,4F', 'hex')], [0x47, 0x45, 0x4f]);
  for (const bad of ['', '4', 'zz', '474']) assert.equal(needle(bad, 'hex'), null);
});

test('numbers are read in both byte orders, as far as there are bytes', () => {
  const labels = readings(Uint8Array.of(1, 2)).map((row) => `${row.label}=${row.value}`);
  assert.deepEqual(labels, ['u8=1', 'u16 le=513', 'u16 be=258']);
  assert.equal(readings(new Uint8Array(8)).length, 7);
});

test('a command line is quoted for a shell', () => {
  const files = [{ label: "it's.img", preferred: true }, { label: 'disk 2.img', sectorSize: 4096 }];
  assert.equal(
    commandLine('map', files, range(4096n, 8192n, 1n << 20n)),
    `virstor map --range 4096+4096 --prefer 'it'\\''s.img' 'it'\\''s.img' 'disk 2.img@4096'`,
  );
  assert.equal(quote('-x'), '-x');
  assert.equal(commandLine('info', [{ label: '-x' }]), 'virstor info ./-x');
  assert.equal(commandLine('info', [{ label: '-x', preferred: true }]), 'virstor info --prefer ./-x ./-x');
  assert.deepEqual(range(0n, 10n, 10n), []);
  assert.deepEqual(volumeOption([{ name: 'a', id: 1 }], 0), []);
  assert.deepEqual(volumeOption([{ name: 'a', id: 1 }, { name: 'b', id: 2 }], 1), ['--volume', 'b/2']);
  assert.ok(commandLine('info', Array(40).fill({ label: 'x' })).endsWith(' …'));
});

test('bytes and places of bytes have a line, but for those that grep takes for ends of lines', () => {
  const file = { label: 'a disk', start: 2n ** 60n, size: 4096n, whole: false };
  assert.equal(dumpOfFile(file, 16n, 32n), `hexdump -Cv -s ${2n ** 60n + 16n} -n 16 'a disk'`);
  const text = (bytes) => searchOfExport('virstor export -o - x', Uint8Array.of(...bytes));
  assert.match(text([0x69, 0x74, 0x27, 0x73]), /^virstor export -o - x \| .* -e 'it'\\''s'$/);
  assert.match(text([0xff, 0x09]), / -e \$'\\xff\\x09'$/);
  for (const none of [[], [0], [0x41, 0x0a]]) assert.equal(text(none), null);
  assert.match(searchOfFile(file, Uint8Array.of(0x78)), /^tail -c \+1152921504606846977 'a disk' \| head -c 4096 \| /);
  assert.match(searchOfFile({ ...file, whole: true }, Uint8Array.of(0x78)), /^cat 'a disk' \| /);
});

test('runs become lines', () => {
  const runs = runsOf({
    start: BigUint64Array.of(0n, 4096n, 8192n),
    length: BigUint64Array.of(4096n, 4096n, 4096n),
    state: Uint8Array.of(1, 0, 2),
    component: Uint16Array.of(1, 0xffff, 2),
    offset: BigInt64Array.of(12288n, -1n, -1n),
  });
  assert.deepEqual(runs.map((run) => csvLine(run, 4096n)), [
    '0,4096,data,1,3,12288,\n',
    '4096,4096,hole,,,,\n',
    '8192,4096,lost,2,,,missing_component\n',
  ]);
  assert.deepEqual(runs.map((run) => JSON.parse(jsonExtent(run, 4096n))), [
    { start: 0, length: 4096, state: 'data', component: 1, physical_chunk: 3, offset: 12288 },
    { start: 4096, length: 4096, state: 'hole' },
    { start: 8192, length: 4096, state: 'lost', component: 2, reason: 'missing_component' },
  ]);
  assert.equal(mapfileLine(8192n, 4096n, true), '0x00002000  0x00001000  -\n');
});

async function* each(...runs) {
  for (const [start, length, state, component = null, offset = null] of runs) yield { start, length, state, component, offset };
}

async function listed(left, right) {
  const found = [];
  for await (const { start, length, kind } of differences(left, right)) found.push([start, length, kind]);
  return found;
}

test('two maps differ where they differ, however their runs are cut', async () => {
  const same = [[0n, 100n, 1, 0, 500n], [100n, 50n, 0]];
  assert.deepEqual(await listed(each(...same), each(...same)), []);
  assert.deepEqual(await listed(each([0n, 100n, 1, 0, 500n]), each([0n, 40n, 1, 0, 500n], [40n, 60n, 1, 0, 540n])), []);
  const left = each([0n, 30n, 1, 0, 0n], [30n, 30n, 0], [60n, 20n, 1, 1, 0n], [80n, 20n, 2, 2], [100n, 10n, 0]);
  const right = each([0n, 10n, 1, 0, 0n], [10n, 10n, 0], [20n, 20n, 1, 1, 40n], [40n, 20n, 0], [60n, 40n, 1, 1, 0n]);
  assert.deepEqual(await listed(left, right), [
    [10n, 10n, 'removed'],
    [20n, 10n, 'moved'],
    [30n, 10n, 'added'],
    [80n, 20n, 'lost'],
    [100n, 10n, 'longer'],
  ]);
});

test('bytes that differ are counted, and the first is found, at any place and alignment', () => {
  for (const shift of [0, 1, 4]) {
    const [a, b] = [new Uint8Array(64), new Uint8Array(64)].map((bytes) => bytes.subarray(shift, shift + 41));
    assert.deepEqual(differing(a, b), { count: 0, first: null });
    for (const place of [40, 17, 16, 3]) {
      b[place] = 1;
      assert.equal(differing(a, b).first, place);
    }
    assert.equal(differing(a, b).count, 4);
  }
});

test('documents come as CBOR: the examples of RFC 8949, and 64 bits as a bigint however small', () => {
  const rows = [
    ['17', 23],
    ['1818', 24],
    ['1903e8', 1000],
    ['1a000f4240', 1_000_000],
    ['1b000000e8d4a51000', 1_000_000_000_000n],
    ['1b0000000000000007', 7n],
    ['3903e7', -1000],
    ['3b0000000000000000', -1n],
    ['fbc010666666666666', -4.1],
    ['63e6b0b4', '\u6c34'],
    ['63efbbbf', '\ufeff'],
    ['f6', null],
    ['9ff5f4ff', [true, false]],
    ['bf6161016162bfffff', { a: 1, b: {} }],
  ];
  for (const [hex, value] of rows) assert.deepEqual(decode(Buffer.from(hex, 'hex')), value, hex);
  for (const hex of ['', '9f', 'c0', '1f', '42ffff', '63e6']) assert.throws(() => decode(Buffer.from(hex, 'hex')), hex);
});
