//! What clients write goes to an overlay, and from there where the user wants it.

use libtest_mimic::Failed;
use serde_json::Value;
use virstor_tests::runtime::Runtime;

use crate::places::Place;
use crate::server::Server;
use crate::tools::Tool;
use crate::{Outcome, same};

/// Writes all kinds of things. `argv`: URI, seed, file with what is there before; it is brought up to date.
const WRITE: &str = r#"
import nbd, random, sys
uri, seed, image = sys.argv[1], int(sys.argv[2]), sys.argv[3]
choose = random.Random(seed)
h = nbd.NBD()
h.connect_uri(uri)
size = h.get_size()
model = bytearray(open(image, "rb").read())
assert h.pread(size // 2, 0) + h.pread(size - size // 2, size // 2) == model, "it goes on where it was left"
for number in range(150):
    length = min(choose.choice([1, 511, 4096, 10000, 65536, 1 << 20]), size)
    start = choose.randrange(size - length + 1)
    what = choose.randrange(8)
    if what < 4:
        byte = bytes([1 + choose.randrange(255)])
        h.pwrite(byte * length, start)
        model[start:start + length] = byte * length
    elif what < 6:
        h.zero(length, start, choose.choice([0, nbd.CMD_FLAG_NO_HOLE]))
        model[start:start + length] = bytes(length)
    else:
        assert h.pread(length, start) == model[start:start + length], "at %d" % start
h.flush()
assert h.pread(size // 2, 0) + h.pread(size - size // 2, size // 2) == model
h.shutdown()
open(image, "wb").write(model)
"#;

fn session(runtime: Runtime, place: &Place, seed: &str) -> Outcome {
    let server = Server::start(runtime, place, &["--overlay", "overlay"])?;
    Tool::Python.run(place.path(), &["-c", WRITE, &server.uri, seed, "model"])?;
    server.end()
}

/// The verb, with the overlay before the files.
fn overlay(runtime: Runtime, place: &Place, action: &str) -> Result<Value, Failed> {
    let files: &[String] = if action == "drop" { &[] } else { &place.files };
    let mut arguments = vec!["overlay", action, "--json", "overlay"];
    arguments.extend(files.iter().map(String::as_str));
    let run = runtime.run(place.path(), &arguments);
    match run.status {
        Some(0) => Ok(serde_json::from_slice(&run.stdout)?),
        _ => Err(format!("{arguments:?}: {run:?}").into()),
    }
}

/// The files of the set stay as they are over several sessions, each of which goes on where the one before ended;
/// a commit brings everything over, and an undo takes it back.
pub(crate) fn committed(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    std::fs::write(place.path().join("model"), place.contents()?)?;
    let before = place.components()?;
    for seed in ["1", "2", "3"] {
        session(runtime, &place, seed)?;
        same("the files are as they were", place.components()? == before, true)?;
    }
    let held = overlay(runtime, &place, "diff")?;
    same("something is held", held["bytes"].as_u64() > Some(1 << 20), true)?;
    let parts =
        |part: &str| held["changes"].as_array().is_some_and(|it| it.iter().any(|it| it["part"] == part));
    same("map, records and chunks", parts("map") && parts("record") && parts("chunks"), true)?;
    same("diff changes nothing", place.components()? == before, true)?;

    let said = runtime.run(place.path(), &place.arguments(&["overlay", "commit", "--dry-run", "overlay"]));
    same("status", said.status, Some(0))?;
    same("said", String::from_utf8_lossy(&said.stdout).starts_with("would be committed: "), true)?;
    same("a dry run changes nothing", place.components()? == before, true)?;

    let done = overlay(runtime, &place, "commit")?;
    same("outcome", &done["outcome"], &Value::from("committed"))?;
    same("the overlay is gone", place.path().join("overlay").exists(), false)?;
    place.check(&[])?;
    let model = std::fs::read(place.path().join("model"))?;
    same("contents", place.contents()? == model, true)?;

    let run = runtime.run(place.path(), &place.arguments(&["undo", "virstor-undo-dev-1.log"]));
    same("undo", run.status, Some(0))?;
    same("everything is as it was", place.components()? == before, true)
}

/// What was given up leaves nothing behind.
pub(crate) fn dropped(runtime: Runtime) -> Outcome {
    let place = Place::of("38-shuffled")?;
    std::fs::write(place.path().join("model"), place.contents()?)?;
    let before = place.components()?;
    // A full volume is no failure of the overlay's, so little is written.
    let server = Server::start(runtime, &place, &["--overlay", "overlay"])?;
    let write =
        "import nbd, sys; h = nbd.NBD(); h.connect_uri(sys.argv[1]); h.pwrite(b'new', 0); h.shutdown()";
    Tool::Python.run(place.path(), &["-c", write, &server.uri])?;
    server.end()?;
    let done = overlay(runtime, &place, "drop")?;
    same("outcome", &done["outcome"], &Value::from("dropped"))?;
    same("the overlay is gone", place.path().join("overlay").exists(), false)?;
    same("the files are as they were", place.components()? == before, true)
}

/// An overlay belongs to one set in one state, and to one program at a time.
pub(crate) fn refused(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    std::fs::write(place.path().join("model"), place.contents()?)?;
    session(runtime, &place, "5")?;
    let refused = |place: &Place, arguments: &[&str], reason: &str| -> Outcome {
        let run = runtime.run(place.path(), arguments);
        same("status", run.status, Some(8))?;
        let said = run.stderr.lines().last().unwrap_or_default().to_string();
        if said.starts_with("virstor: overlay: ") && said.contains(reason) {
            return Ok(());
        }
        Err(format!("{arguments:?}: {reason} is not in {said}").into())
    };
    let serve = ["serve", "--listen", "127.0.0.1:0", "--overlay", "overlay"];

    let other = Place::of("38-shuffled")?;
    std::fs::copy(place.path().join("overlay"), other.path().join("overlay"))?;
    refused(&other, &other.arguments(&serve), "is the overlay of another set")?;

    // The set is written to otherwise, and what the overlay copied is not what there is.
    let server = Server::start(runtime, &place, &["--write"])?;
    let write =
        "import nbd, sys; h = nbd.NBD(); h.connect_uri(sys.argv[1]); h.pwrite(b'new', 0); h.shutdown()";
    Tool::Python.run(place.path(), &["-c", write, &server.uri])?;
    server.end()?;
    refused(&place, &place.arguments(&serve), "was changed since the overlay was begun")?;
    refused(&place, &place.arguments(&["overlay", "commit", "overlay"]), "was changed since")?;

    std::fs::write(place.path().join("overlay"), vec![0; 8192])?;
    refused(&place, &place.arguments(&serve), "is no overlay")?;
    refused(&place, &["overlay", "drop", "overlay"], "is no overlay")
}

/// Two servers do not share an overlay.
pub(crate) fn locked() -> Outcome {
    let place = Place::fresh()?;
    let server = Server::start(Runtime::Native, &place, &["--overlay", "overlay"])?;
    let serve = ["serve", "--listen", "127.0.0.1:0", "--overlay", "overlay"];
    let second = Runtime::Native.run(place.path(), &place.arguments(&serve));
    same("status", second.status, Some(8))?;
    same("reason", second.stderr.contains("is in use by another program"), true)?;
    server.end()
}

/// What an overlay lies over is written to by nobody else, and an overlay is laid over nothing that somebody writes to;
/// two overlays are in nobody's way.
pub(crate) fn originals_locked() -> Outcome {
    let place = Place::fresh()?;
    let refused = |options: &[&str]| -> Outcome {
        let serve = [&["serve", "--listen", "127.0.0.1:0"], options].concat();
        let run = Runtime::Native.run(place.path(), &place.arguments(&serve));
        same("status", run.status, Some(8))?;
        let expected = format!("virstor: {}: is locked by another program\n", place.files[0]);
        same("reason", run.stderr, expected)
    };
    let server = Server::start(Runtime::Native, &place, &["--overlay", "overlay"])?;
    refused(&["--write"])?;
    Server::start(Runtime::Native, &place, &["--overlay", "other"])?.end()?;
    server.end()?;
    let writer = Server::start(Runtime::Native, &place, &["--write"])?;
    refused(&["--overlay", "third"])?;
    same("nothing was begun", place.path().join("third").exists(), false)?;
    writer.end()
}

/// An overlay whose last flush was cut off holds what was flushed before, and sessions go on from there.
pub(crate) fn cut(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let start = "import nbd, sys; h = nbd.NBD(); h.connect_uri(sys.argv[1])\n";
    let first = format!("{start}h.pwrite(b'a' * 9000, 5000); h.flush(); h.shutdown()");
    let second = format!("{start}h.pwrite(b'b' * 9000, 3 << 20); h.flush(); h.shutdown()");
    let look =
        format!("{start}assert h.pread(9000, 5000) == b'a' * 9000; h.pwrite(b'c', 9 << 20); h.flush()");
    let run = |script: &str| -> Outcome {
        let server = Server::start(runtime, &place, &["--overlay", "overlay"])?;
        Tool::Python.run(place.path(), &["-c", script, &server.uri])?;
        server.end()
    };
    run(&first)?;
    let path = place.path().join("overlay");
    let kept = std::fs::metadata(&path)?.len();
    run(&second)?;
    let whole = std::fs::read(&path)?;
    let kept = usize::try_from(kept)?;
    // The next index was to come where the file ended; data that it names is behind it.
    for len in [kept, kept + 1, kept + 2000, kept + 4096, kept + 10_000, whole.len()] {
        let mut torn = whole[..len.min(whole.len())].to_vec();
        torn[kept..].iter_mut().take(100).for_each(|byte| *byte = 0);
        std::fs::write(&path, &torn)?;
        run(&look)?;
    }
    // Nobody loses data that an index names without learning of it.
    std::fs::write(&path, &whole[..kept - 4096])?;
    let files: Vec<&str> = place.files.iter().map(String::as_str).collect();
    let refused = runtime.run(place.path(), &[&["overlay", "diff", "overlay"], &files[..]].concat());
    same("status", refused.status, Some(8))?;
    same("reason", refused.stderr.contains("names what cannot be"), true)?;
    std::fs::write(&path, &whole)?;
    overlay(runtime, &place, "commit")?;
    place.check(&[])?;
    let contents = place.contents()?;
    same("what was flushed", contents[5000..14_000].iter().all(|byte| *byte == b'a'), true)
}
