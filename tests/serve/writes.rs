//! What clients write is in the volume, and nothing else is.

use std::fs::OpenOptions;

use libtest_mimic::Failed;
use virstor_testkit::{GoldenSet, SetBuilder};
use virstor_tests::runtime::Runtime;

use crate::places::Place;
use crate::server::Server;
use crate::tools::Tool;
use crate::{Outcome, same};

/// Random requests of three clients, beside the simplest disk there is: a string of zeros. `argv`: URI, seed, file
/// for what should be there.
const LIKE_ZEROS: &str = r#"
import nbd, random, sys
uri, seed, image = sys.argv[1:]
choose = random.Random(int(seed))
def connect():
    h = nbd.NBD()
    h.connect_uri(uri)
    return h
clients = [connect() for _ in range(3)]
h = clients[0]
size = h.get_size()
model = bytearray(size)
assert not h.is_read_only() and h.can_flush() and h.can_fua() and h.can_trim() and h.can_zero()
assert h.can_multi_conn() and h.can_fast_zero() and h.can_cache()
def extent():
    length = min(choose.choice([1, 7, 512, 4096, 65536, 200001, 3 << 20]), size)
    start = choose.randrange(size - length + 1)
    return start, length
for number in range(400):
    h = choose.choice(clients)
    start, length = extent()
    fua = nbd.CMD_FLAG_FUA if choose.random() < 0.1 else 0
    what = choose.randrange(12)
    if what < 4:
        data = bytes([1 + choose.randrange(255)]) * length
        h.pwrite(data, start, fua)
        model[start:start + length] = data
    elif what == 4:
        h.zero(length, start, fua)
        model[start:start + length] = bytes(length)
    elif what == 5:
        h.zero(length, start, fua | nbd.CMD_FLAG_NO_HOLE)
        model[start:start + length] = bytes(length)
    elif what == 6:
        try:
            h.zero(length, start, nbd.CMD_FLAG_FAST_ZERO)
            model[start:start + length] = bytes(length)
        except nbd.Error as error:
            assert error.errno == "ENOTSUP", str(error)
    elif what == 7:
        before = bytes(model[start:start + length])
        h.trim(length, start, fua)
        after = h.pread(length, start)
        assert all(b in (0, a) for a, b in zip(before, after)), "trimmed bytes are others"
        model[start:start + length] = after
    elif what == 8:
        h.flush()
    else:
        # Whoever wrote it, everyone sees it.
        got = h.pread(length, start)
        assert got == model[start:start + length], "request %d read other bytes at %d" % (number, start)
for h in clients:
    h.flush()
    assert h.pread(size // 2, 0) + h.pread(size - size // 2, size // 2) == model
    h.shutdown()
open(image, "wb").write(model)
"#;

/// Clients see what any of them wrote, `export` sees it afterwards, and the set is clean.
pub(crate) fn like_zeros(runtime: Runtime) -> Outcome {
    for seed in ["1", "2", "3"] {
        let place = Place::fresh()?;
        let server = Server::start(runtime, &place, &["--write"])?;
        Tool::Python.run(place.path(), &["-c", LIKE_ZEROS, &server.uri, seed, "model"])?;
        // The last client is gone, so the set is in order while the server runs.
        eventually_clean(&place)?;
        server.end()?;
        place.check(&[])?;
        same("export", place.contents()? == std::fs::read(place.path().join("model"))?, true)?;
    }
    Ok(())
}

/// A server learns of its client's end a little later than the client.
fn eventually_clean(place: &Place) -> Outcome {
    let deadline = std::time::Instant::now() + virstor_tests::runtime::PATIENCE;
    loop {
        match place.check(&[]) {
            Err(_) if std::time::Instant::now() < deadline => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

/// Fills the volume chunk by chunk. `argv`: URI.
const FILL: &str = r#"
import nbd, sys
h = nbd.NBD()
h.set_strict_mode(0)
h.connect_uri(sys.argv[1])
size, chunk = h.get_size(), 128 << 10
def refused(expected, work, *arguments):
    try:
        work(*arguments)
    except nbd.Error as error:
        assert error.errno == expected, str(error)
        return
    raise AssertionError("it was not refused: " + expected)
written = 0
try:
    while True:
        h.pwrite(b"x" * chunk, written)
        written += chunk
except nbd.Error as error:
    assert error.errno == "ENOSPC", str(error)
assert written == int(sys.argv[2]) * chunk, str(written)
# What does not fit is refused whole: the chunk that has room is as it was.
refused("ENOSPC", h.pwrite, b"y" * (2 * chunk), written - chunk)
assert h.pread(chunk, written - chunk) == b"x" * chunk
# Zeros take no room, unless they are to have some; what has room is written as ever.
h.zero(size - written, written)
h.zero(size - written, written, nbd.CMD_FLAG_FAST_ZERO)
refused("ENOSPC", h.zero, size - written, written, nbd.CMD_FLAG_NO_HOLE)
refused("ENOTSUP", h.zero, chunk, 0, nbd.CMD_FLAG_FAST_ZERO)
h.pwrite(b"z" * chunk, 0, nbd.CMD_FLAG_FUA)
refused("ENOSPC", h.pwrite, b"past the end", size - 1)
refused("ENOSPC", h.zero, 2, size - 1)
refused("EINVAL", h.trim, 2, size - 1)
h.flush()
h.shutdown()
"#;

/// A full volume answers ENOSPC, and goes on with everything that needs no room.
pub(crate) fn full(runtime: Runtime) -> Outcome {
    let set = SetBuilder::new("dev").components([1 << 20, 1 << 20]).virtual_chunks(64);
    let place = Place::built(&set.build())?;
    let server = Server::start(runtime, &place, &["--write"])?;
    // Eight chunks each, less the last ones, which the records are in, and what the map takes of the first.
    let taken: u64 = reserved_chunks(&place)?;
    let room = (14 - taken).to_string();
    Tool::Python.run(place.path(), &["-c", FILL, &server.uri, &room])?;
    server.end()?;
    place.check(&[])?;
    let contents = place.contents()?;
    let (chunk, written) = (128 << 10, (14 - usize::try_from(taken)?) * (128 << 10));
    same("first chunk", contents[..chunk].iter().all(|byte| *byte == b'z'), true)?;
    same("others", contents[chunk..written].iter().all(|byte| *byte == b'x'), true)?;
    same("rest", contents[written..].iter().all(|byte| *byte == 0), true)
}

fn reserved_chunks(place: &Place) -> Result<u64, Failed> {
    let info: serde_json::Value = serde_json::from_slice(&place.virstor(&["info", "--json"])?)?;
    let reserved = info["volumes"][0]["components"][0]["chunk_reserved"].as_u64();
    Ok(reserved.ok_or("a number")?)
}

/// A set in which writing would do harm is refused, by the name of what is wrong with it.
pub(crate) fn unsound(runtime: Runtime) -> Outcome {
    for (set, code) in [
        ("05-incomplete-set", "component-missing"),
        ("19-map-two-on-one", "chunk-shared"),
        ("41-leak-recount-before", "chunk-reuse-ahead"),
    ] {
        let place = Place::of(set)?;
        let before = files(&place)?;
        let run =
            runtime.run(place.path(), &place.arguments(&["serve", "--write", "--listen", "127.0.0.1:0"]));
        same("status", run.status, Some(8))?;
        let line = run.stderr.lines().last().unwrap_or_default().to_string();
        let all = [code, "'virstor check'", "'virstor repair'", "virstor: "];
        if let Some(missing) = all.iter().find(|part| !line.contains(**part)) {
            return Err(format!("{set}: {missing} is not in {line}").into());
        }
        same("the files are as they were", files(&place)? == before, true)?;
    }
    Ok(())
}

fn files(place: &Place) -> Result<Vec<Vec<u8>>, Failed> {
    let mut names: Vec<_> = std::fs::read_dir(place.path())?.collect::<Result<_, _>>()?;
    names.sort_by_key(std::fs::DirEntry::file_name);
    Ok(names.iter().map(|name| std::fs::read(name.path())).collect::<Result<_, _>>()?)
}

/// Two programs do not write to one set, nor one to what another serves; who serves what another writes to says so.
pub(crate) fn locked() -> Outcome {
    let place = Place::fresh()?;
    let server = Server::start(Runtime::Native, &place, &["--write"])?;
    let second =
        Runtime::Native.run(place.path(), &place.arguments(&["serve", "--write", "--listen", "127.0.0.1:0"]));
    same("status", second.status, Some(8))?;
    same("reason", second.stderr.contains("is locked by another program"), true)?;
    let reader = Server::start(Runtime::Native, &place, &["--exit-after-last"])?;
    drop(reader.choose()?);
    let (_, said) = reader.wait()?;
    same("a note", said.contains("is locked by another program, which writes to it"), true)?;
    server.end()?;

    let reader = Server::start(Runtime::Native, &place, &[])?;
    let writer =
        Runtime::Native.run(place.path(), &place.arguments(&["serve", "--write", "--listen", "127.0.0.1:0"]));
    same("status", writer.status, Some(8))?;
    same("reason", writer.stderr.contains("is locked by another program"), true)?;
    Server::start(Runtime::Native, &place, &[])?.end()?;
    reader.end()?;
    Server::start(Runtime::Native, &place, &["--write"])?.end()
}

/// Writes through a partition and looks at the whole; tries a component.
const PARTITION: &str = r#"
import nbd, sys
uri, start = sys.argv[1], int(sys.argv[2])
def connect(name):
    h = nbd.NBD()
    h.set_strict_mode(0)
    h.set_export_name(name)
    h.connect_uri(uri + "/" + name)
    return h
part, whole, component = connect("s1"), connect(""), connect("component/0")
assert not part.is_read_only() and component.is_read_only()
before = whole.pread(start, 0)
part.pwrite(b"p" * 70000, 1000)
part.flush()
assert whole.pread(70000, start + 1000) == b"p" * 70000
whole.pwrite(b"w" * 512, start)
assert part.pread(512, 0) == b"w" * 512
part.zero(600, 1000)
part.trim(4096, 8192)
assert whole.pread(700, start + 1000) == bytes(600) + b"p" * 100
assert whole.pread(start, 0) == before
# The last byte of the window is the last.
try:
    part.pwrite(b"xx", part.get_size() - 1)
    raise AssertionError("past the end of the partition")
except nbd.Error as error:
    assert error.errno == "ENOSPC", str(error)
try:
    component.pwrite(b"x", 0)
    raise AssertionError("a component was written to")
except nbd.Error as error:
    assert error.errno == "EPERM", str(error)
for h in (part, whole, component):
    h.shutdown()
"#;

/// A partition is a window of the volume, for writers too; components are only read.
pub(crate) fn partition(runtime: Runtime) -> Outcome {
    let (place, start) = Place::partitioned()?;
    let server = Server::start(runtime, &place, &["--write"])?;
    Tool::Python.run(place.path(), &["-c", PARTITION, &server.uri, &start.to_string()])?;
    server.end()?;
    place.check(&[])
}

/// Writes to all components; then one goes away, and the others do not mind. `argv`: URI, file of the component
/// that goes, where its bytes begin and end on the volume, file for what should be there.
const GOES_AWAY: &str = r#"
import nbd, os, sys
uri, victim, start, end, image = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
h = nbd.NBD()
h.connect_uri(uri)
size = h.get_size()
model = bytearray(size)
def write(byte, offset, length):
    h.pwrite(byte * length, offset)
    model[offset:offset + length] = byte * length
for offset in range(0, size, 1 << 20):
    write(b"a", offset, 1 << 20)
h.flush()
length = os.stat(victim).st_size
os.rename(victim, victim + ".kept")
with open(victim + ".kept", "rb") as kept, open(victim, "wb") as copy:
    copy.write(kept.read())
# What the server has open is cut to nothing; what it held is in the copy.
os.truncate(victim + ".kept", 0)
def fails(work, *arguments):
    try:
        work(*arguments)
    except nbd.Error as error:
        assert error.errno == "EIO", str(error)
        return
    raise AssertionError("there was no error")
for _ in range(3):
    fails(h.pread, 4096, start)
    fails(h.pwrite, b"b" * 4096, start + 8192)
    fails(h.pread, 2, end - 1)
assert os.stat(victim + ".kept").st_size == 0, "it was made long again"
write(b"c", 0, 4096)
write(b"d", size - 4096, 4096)
h.flush()
assert h.pread(start, 0) == model[:start]
assert h.pread(size - end, end) == model[end:]
h.shutdown()
open(image, "wb").write(model)
"#;

/// A component that vanishes costs its own ranges, and nothing that was acknowledged: when it is back, all is there.
pub(crate) fn component_vanishes(runtime: Runtime) -> Outcome {
    let place = Place::built(&SetBuilder::new("dev").components([3 << 20; 3]).virtual_chunks(64).build())?;
    // The first component holds 21 chunks, the second 23 behind those.
    let (start, end) = (21 * (128 << 10), 44 * (128 << 10));
    let server = Server::start(runtime, &place, &["--write"])?;
    let (start, end) = (start.to_string(), end.to_string());
    let arguments = ["-c", GOES_AWAY, &server.uri, &place.files[1], &start, &end, "model"];
    Tool::Python.run(place.path(), &arguments)?;
    drop(server);
    place.check(&["unclean-stop", "stale-cursor"])?;
    same("export", place.contents()? == std::fs::read(place.path().join("model"))?, true)
}

/// A volume that is served for writing and not written to stays as it is, to the bit.
pub(crate) fn untouched(runtime: Runtime) -> Outcome {
    for set in ["38-shuffled", "04-full", "24-torn-closing-metadata"] {
        let place = Place::golden(&GoldenSet::load(set))?;
        let before = files(&place)?;
        let server = Server::start(runtime, &place, &["--write"])?;
        Tool::Nbdcopy.run(place.path(), &[&server.uri, "null:"])?;
        server.end()?;
        same(set, files(&place)? == before, true)?;
    }
    Ok(())
}

/// A file that may only be read is named.
pub(crate) fn read_only_file() -> Outcome {
    let place = Place::fresh()?;
    let path = place.path().join(&place.files[1]);
    let mut permissions = std::fs::metadata(&path)?.permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions)?;
    if OpenOptions::new().write(true).open(&path).is_ok() {
        // Root may write to everything.
        return Ok(());
    }
    let run =
        Runtime::Native.run(place.path(), &place.arguments(&["serve", "--write", "--listen", "127.0.0.1:0"]));
    same("status", run.status, Some(8))?;
    let expected = format!("virstor: {}: permission denied\n", place.files[1]);
    same("complaint", run.stderr, expected)
}
