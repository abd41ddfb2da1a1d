//! Servers that are killed while they write.

use std::fs;

use virstor_tests::runtime::Runtime;

use crate::places::Place;
use crate::server::Server;
use crate::tools::Tool;
use crate::{Outcome, same};

/// Writes at random until the server is gone, which is killed by a thread beside. Prints how many flushes were
/// acknowledged, and keeps in files what the volume was at the last of them and what was asked for since. `argv`:
/// URI, seed, the server's process, file for the state, file for what followed.
const UNTIL_KILLED: &str = r#"
import json, nbd, os, random, signal, sys, threading, time
uri, seed, process, state, later = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
choose = random.Random(seed)
h = nbd.NBD()
h.connect_uri(uri)
size = h.get_size()
model, flushed, since, flushes = bytearray(size), bytes(size), [], 0
begun, enough, pause = 0, 1 + seed * 3, choose.uniform(0, 0.003)
def kill():
    while begun < enough:
        time.sleep(0.0002)
    time.sleep(pause)
    os.kill(process, signal.SIGKILL)
# A daemon, so that this program ends when the server was lost before its time.
killer = threading.Thread(target=kill, daemon=True)
killer.start()
try:
    while True:
        begun += 1
        what = choose.randrange(20)
        length = min(choose.choice([1, 512, 4096, 65536, 300000]), size)
        start = choose.randrange(size - length + 1)
        if what < 14:
            byte = 1 + choose.randrange(255)
            since.append((start, length, byte))
            h.pwrite(bytes([byte]) * length, start)
            model[start:start + length] = bytes([byte]) * length
        elif what < 16:
            since.append((start, length, 0))
            h.zero(length, start, choose.choice([0, nbd.CMD_FLAG_NO_HOLE]))
            model[start:start + length] = bytes(length)
        elif what < 18:
            byte = 1 + choose.randrange(255)
            since.append((start, length, byte))
            h.pwrite(bytes([byte]) * length, start, nbd.CMD_FLAG_FUA)
            model[start:start + length] = bytes([byte]) * length
            # What FUA makes durable includes what was written before: one writer, one flush.
            flushed, since, flushes = bytes(model), [], flushes + 1
        else:
            h.flush()
            flushed, since, flushes = bytes(model), [], flushes + 1
except nbd.Error:
    killer.join(10)
    assert not killer.is_alive(), "it was gone before it was killed"
open(state, "wb").write(flushed)
json.dump(since, open(later, "w"))
print(flushes)
"#;

/// Every byte is what was flushed, or what was asked for since.
const COMPARE: &str = r#"
import json, sys
state, since, found = open(sys.argv[1], "rb").read(), json.load(open(sys.argv[2])), open(sys.argv[3], "rb").read()
assert len(state) == len(found)
for position in range(0, len(state), 512):
    old, new = state[position:position + 512], found[position:position + 512]
    if old == new:
        continue
    near = [(s, l, b) for s, l, b in since if s < position + 512 and s + l > position]
    for offset in range(512):
        at = position + offset
        allowed = {old[offset]} | {b for s, l, b in near if s <= at < s + l}
        assert new[offset] in allowed, "byte %d is %d, not one of %s" % (at, new[offset], allowed)
"#;

/// What was flushed is there after `kill -9` at any moment; the set has no more than old cursors, `repair` mends
/// those and leaves every byte alone, and then it is clean. So is it when a server goes on without a repair.
pub(crate) fn while_writing(runtime: Runtime) -> Outcome {
    let seeds: u64 = if runtime == Runtime::Native { 50 } else { 6 };
    let mut flushes = 0;
    for seed in 0..seeds {
        let place = Place::fresh()?;
        let server = Server::start(runtime, &place, &["--write"])?;
        let (seed, process) = (seed.to_string(), server.process().to_string());
        let arguments = ["-c", UNTIL_KILLED, &server.uri, &seed, &process, "state", "later"];
        let said = Tool::Python.run(place.path(), &arguments)?;
        flushes += String::from_utf8(said)?.trim().parse::<u64>()?;
        drop(server);
        let after =
            |error: libtest_mimic::Failed| format!("seed {seed}: {}", error.message().unwrap_or_default());
        place.check(&["unclean-stop", "stale-cursor"]).map_err(after)?;
        let found = place.contents()?;
        Tool::Python.run(place.path(), &["-c", COMPARE, "state", "later", "exported.raw"]).map_err(after)?;

        let killed = place.components()?;
        place.virstor(&["repair", "--apply", "--quiet"]).map_err(after)?;
        place.check(&[]).map_err(after)?;
        same("repair changes what clients see", place.contents()? != found, false)?;

        killed.iter().try_for_each(|(name, bytes)| fs::write(place.path().join(name), bytes))?;
        go_on(runtime, &place).map_err(after)?;
    }
    same("flushes were acknowledged", flushes >= seeds, true)
}

/// The next session writes where nothing was, and leaves a clean set.
fn go_on(runtime: Runtime, place: &Place) -> Outcome {
    let server = Server::start(runtime, place, &["--write"])?;
    Tool::Python.run(place.path(), &["-c", WRITE_ONE, &server.uri])?;
    server.end()?;
    place.check(&[])
}

/// Takes a chunk that had none, perhaps.
const WRITE_ONE: &str = r#"
import nbd, sys
h = nbd.NBD()
h.connect_uri(sys.argv[1])
for offset in range(0, h.get_size(), 1 << 20):
    h.pwrite(b"again", offset, nbd.CMD_FLAG_FUA)
h.shutdown()
"#;
