//! A running server is asked to change.

use std::fs::File;
use std::path::Path;

use libtest_mimic::Failed;
use serde_json::Value;
use virstor_testkit::SetBuilder;
use virstor_tests::runtime::{PATIENCE, Run, Runtime};

use crate::places::Place;
use crate::server::Server;
use crate::tools::Tool;
use crate::{Outcome, same};

/// `ctl` in the same runtime as the server: it needs no more than the folder.
fn ctl(runtime: Runtime, folder: &Path, words: &[&str]) -> Run {
    let arguments = [&["ctl", words[0], "--json", "--control", "control"], &words[1..]].concat();
    runtime.run(folder, &arguments)
}

fn status(run: &Run) -> Result<Value, Failed> {
    match run.status {
        Some(0) => Ok(serde_json::from_slice(&run.stdout)?),
        _ => Err(format!("{run:?}").into()),
    }
}

/// Fills the volume, more than there is room for. `argv`: URI, first byte, number of bytes, byte.
const FILL: &str = r#"
import nbd, sys
uri, start, length, byte = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
h = nbd.NBD()
h.connect_uri(uri)
step = 128 << 10
for offset in range(start, start + length, step):
    h.pwrite(bytes([byte]) * step, offset)
    assert h.pread(step, offset) == bytes([byte]) * step
h.flush()
h.shutdown()
"#;

/// Two clients write more than there is room for, and wait, while a third reads and overwrites; components come one
/// after the other, under load, until all is written. What holds nothing goes again, and what holds something stays.
pub(crate) fn full_volumes_grow(runtime: Runtime) -> Outcome {
    let mut place =
        Place::built(&SetBuilder::new("dev").components([1 << 20; 3]).virtual_chunks(64).build())?;
    let options = ["--write", "--when-full", "wait", "--control", "control", "--quiet", "--json"];
    let server = Server::start_json(runtime, &place, &options)?;
    for name in ["new0", "new1", "new2"] {
        File::create(place.path().join(name))?.set_len(3 << 20)?;
    }
    let (uri, folder) = (server.uri.clone(), place.path().to_path_buf());
    let fill = move |start: &str, byte: &'static str| {
        let (uri, folder, start) = (uri.clone(), folder.clone(), start.to_string());
        std::thread::spawn(move || {
            let length = (4 << 20).to_string();
            Tool::Python
                .run(&folder, &["-c", FILL, &uri, &start, &length, byte])
                .map_err(|it| format!("{it:?}"))
        })
    };
    // The first chunk is there before anyone competes for room, whoever of the two comes late.
    let chunk = (128 << 10).to_string();
    Tool::Python.run(place.path(), &["-c", FILL, &server.uri, "0", &chunk, "1"])?;
    let clients = [fill("0", "1"), fill(&(4 << 20).to_string(), "2")];
    let deadline = std::time::Instant::now() + PATIENCE;
    while status(&ctl(runtime, place.path(), &["status"]))?["waiting"] != 2 {
        same("both wait in time", std::time::Instant::now() < deadline, true)?;
    }
    // What needs no room is done meanwhile.
    Tool::Python.run(place.path(), &["-c", FILL, &server.uri, "0", &chunk, "1"])?;

    let refused = ctl(runtime, place.path(), &["add", "c0"]);
    same("a component is none to add", refused.status, Some(8))?;
    let missing = ctl(runtime, place.path(), &["add", "nothing-here"]);
    same("nor is what is not there", missing.status, Some(8))?;
    same("its name is told", missing.stderr.contains("nothing-here"), true)?;
    for name in ["new0", "new1"] {
        status(&ctl(runtime, place.path(), &["add", name]))?;
    }
    for client in clients {
        client.join().map_err(|_| "a client panicked")?.map_err(Failed::from)?;
    }
    let used = ctl(runtime, place.path(), &["remove", "new0"]);
    same("a component in use stays", used.status, Some(8))?;
    status(&ctl(runtime, place.path(), &["add", "new2"]))?;
    let left = status(&ctl(runtime, place.path(), &["remove", "new2"]))?;
    same("components", left["components"].as_array().map(Vec::len), Some(5))?;
    same("nobody waits", &left["waiting"], &Value::from(0))?;

    status(&ctl(runtime, place.path(), &["stop"]))?;
    same("it ends", server.wait()?.0.code(), Some(0))?;
    place.files.extend(["new0".into(), "new1".into()]);
    place.check(&[])?;
    let contents = place.contents()?;
    let (lower, upper) = contents.split_at(4 << 20);
    same("what was written", lower.iter().all(|it| *it == 1) && upper.iter().all(|it| *it == 2), true)?;
    let gone = Runtime::Native.run(place.path(), &["info", "new2"]);
    same("what was removed is nobody's", gone.status, Some(4))
}

/// A writer under load does not notice that components come and go.
pub(crate) fn changes_are_atomic(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let server =
        Server::start_json(runtime, &place, &["--write", "--control", "control", "--quiet", "--json"])?;
    for round in 0..6 {
        File::create(place.path().join(format!("new{round}")))?.set_len(3 << 20)?;
    }
    std::thread::scope(|scope| -> Outcome {
        let load = scope.spawn(|| {
            let length = (20 << 20).to_string();
            (0..3).try_for_each(|round| {
                let byte = (7 + round).to_string();
                Tool::Python.run(place.path(), &["-c", FILL, &server.uri, "0", &length, &byte]).map(drop)
            })
        });
        for round in 0..6 {
            let name = format!("new{round}");
            status(&ctl(runtime, place.path(), &["add", &name]))?;
            status(&ctl(runtime, place.path(), &["remove", &name]))?;
        }
        load.join().map_err(|_| Failed::from("the load panicked"))?
    })?;
    status(&ctl(runtime, place.path(), &["stop"]))?;
    same("it ends", server.wait()?.0.code(), Some(0))?;
    place.check(&[])?;
    same("contents", place.contents()?[..20 << 20].iter().all(|byte| *byte == 9), true)
}

/// Nobody answers where there is no server.
pub(crate) fn nobody() -> Outcome {
    let place = Place::fresh()?;
    let run = ctl(Runtime::Native, place.path(), &["status"]);
    same("status", run.status, Some(8))?;
    same("reason", run.stderr.starts_with("virstor: control: "), true)
}
