//! A running server is asked to change.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value;
use virstor_testkit::SetBuilder;
use virstor_tests::runtime::{PATIENCE, Run, Runtime};

use crate::places::Place;
use crate::server::{Server, read_request};
use crate::survival::reads;
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
    until_waiting(&place, 2)?;
    // What needs no room is done meanwhile.
    Tool::Python.run(place.path(), &["-c", FILL, &server.uri, "0", &chunk, "1"])?;

    let refused = ctl(runtime, place.path(), &["add", "c0"]);
    same("a component is none to add", refused.status, Some(8))?;
    let missing = ctl(runtime, place.path(), &["add", "nothing-here"]);
    same("nor is what is not there", missing.status, Some(8))?;
    same("its name is told", missing.stderr.contains("nothing-here"), true)?;
    let offered = "'virstor add --force' overwrites it when nobody serves the volume";
    same("there is a way out", refused.stderr.contains(offered), true)?;
    for files in [["new0", "nothing-here"], ["new0", "c0"], ["new0", "new0"]] {
        let refused = ctl(runtime, place.path(), &[&["add"], &files[..]].concat());
        same("not even one is added", refused.status, Some(8))?;
    }
    let before = status(&ctl(runtime, place.path(), &["status"]))?;
    same("components", before["components"].as_array().map(Vec::len), Some(3))?;
    for name in ["new0", "new1"] {
        status(&ctl(runtime, place.path(), &["add", name]))?;
    }
    for client in clients {
        client.join().map_err(|_| "a client panicked")?.map_err(Failed::from)?;
    }
    let used = ctl(runtime, place.path(), &["remove", "new0"]);
    same("a component in use stays", used.status, Some(8))?;
    status(&ctl(runtime, place.path(), &["add", "new2"]))?;
    // Who comes now finds those that were added, by their numbers.
    for (number, name) in [(3, "new0"), (5, "new2")] {
        let export = server.export(&format!("component/{number}"));
        Tool::Nbdcopy.run(place.path(), &[&export, "copy"])?;
        let (copy, file) = (fs::read(place.path().join("copy"))?, fs::read(place.path().join(name))?);
        same(name, copy == file, true)?;
    }
    let left = status(&ctl(runtime, place.path(), &["remove", "new2"]))?;
    same("components", left["components"].as_array().map(Vec::len), Some(5))?;
    same("nobody waits", &left["waiting"], &Value::from(0))?;
    let gone = Tool::Nbdinfo.run(place.path(), &["--size", &server.export("component/5")]);
    same("what was removed is not offered", gone.is_err(), true)?;

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

/// A file that was removed is free for others, whoever is connected: those who found it when they came are told.
pub(crate) fn removed_files_are_free(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let server =
        Server::start_json(runtime, &place, &["--write", "--control", "control", "--quiet", "--json"])?;
    File::create(place.path().join("new"))?.set_len(8 << 20)?;
    for _ in 0..2 {
        let added = status(&ctl(runtime, place.path(), &["add", "new"]))?;
        let last = added["components"].as_array().map_or(0, Vec::len) - 1;
        let (mut volume, _) = server.choose()?;
        let (mut component, _) = server.choose_named(&format!("component/{last}"))?;
        reads(&mut component)?;
        status(&ctl(runtime, place.path(), &["remove", "new"]))?;
        component.write_all(&read_request(7, 0, 512))?;
        let mut answer = [0; 16];
        component.read_exact(&mut answer)?;
        same("EIO", &answer[4..8], [0, 0, 0, 5].as_slice())?;
        reads(&mut volume)?;
        // Others may have it now, and give it back.
        let label = Runtime::Native
            .run(place.path(), &["label", "other", "new", "--chunk-size", "16K", "--size", "1M"]);
        same("label", label.status, Some(0)).map_err(|error| format!("{error:?}: {}", label.stderr))?;
        let clear = Runtime::Native.run(place.path(), &["clear", "new"]);
        same("clear", clear.status, Some(0))?;
    }
    status(&ctl(runtime, place.path(), &["stop"]))?;
    same("it ends", server.wait()?.0.code(), Some(0))?;
    place.check(&[])
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

/// Waits until as many clients wait for room.
fn until_waiting(place: &Place, count: u64) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = status(&ctl(Runtime::Native, place.path(), &["status"]))?;
        if now["waiting"] == count {
            return Ok(());
        }
        let line = format!("{} clients wait, and {count} should", now["waiting"]);
        same(&line, Instant::now() < deadline, true)?;
    }
}

/// How a client dies that waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// It closes its end, and nothing that it said is left.
    Quiet,
    /// It closes its end behind requests that nobody has looked at yet.
    InMidst,
    /// It does so behind more than the server takes from a client that waits, of which the host has room for the rest.
    InMidstOfMuch,
    /// It resets the connection.
    Reset,
    /// It does so behind more than the server takes from a client that waits.
    ResetBehindMuch,
}

/// A client that waits and dies does not keep the others waiting behind it.
pub(crate) fn waiting_clients_die(runtime: Runtime) -> Outcome {
    let disks = SetBuilder::new("dev").components([1 << 20; 2]).virtual_chunks(64).build();
    let mut place = Place::built(&disks)?;
    let options = ["--write", "--when-full", "wait", "--control", "control", "--quiet", "--json"];
    let server = Server::start_json(runtime, &place, &options)?;
    File::create(place.path().join("new"))?.set_len(3 << 20)?;
    let write = |chunk: u64| {
        let mut request = read_request(chunk, chunk * (128 << 10), 512);
        request[7] = 1;
        request.extend([0x5a; 512]);
        request
    };
    // More than there is room for; the last chunks are left to be asked for.
    let (mut first, _) = server.choose()?;
    first.write_all(&(0..40).flat_map(write).collect::<Vec<_>>())?;
    until_waiting(&place, 1)?;
    drop(first);
    until_waiting(&place, 0)?;
    // Nothing in WebAssembly shows an end that is not read to.
    let much = (runtime == Runtime::Native && cfg!(target_os = "linux")).then_some(Death::InMidstOfMuch);
    for death in [Death::Quiet, Death::InMidst, Death::Reset, Death::ResetBehindMuch].into_iter().chain(much)
    {
        let (mut dying, _) = server.choose()?;
        let behind = match death {
            Death::Quiet => 0,
            Death::InMidst => 20,
            Death::InMidstOfMuch | Death::Reset | Death::ResetBehindMuch => 60,
        };
        // The reply to the first one, which needs no room, is not read by who is to reset.
        dying.write_all(&[write(0), write(50)].concat())?;
        until_waiting(&place, 1)?;
        let much = match death {
            Death::ResetBehindMuch => 8,
            Death::InMidstOfMuch => 3,
            Death::Quiet | Death::InMidst | Death::Reset => 1,
        };
        dying.write_all(&(0..behind * much).flat_map(|_| write(51)).collect::<Vec<_>>())?;
        if matches!(death, Death::Quiet | Death::InMidst | Death::InMidstOfMuch) {
            dying.read_exact(&mut [0; 16])?;
        }
        drop(dying);
        until_waiting(&place, 0)
            .map_err(|error| format!("{death:?}: {}", error.message().unwrap_or_default()))?;
    }
    // Somebody who lives waits behind one who does not, and is served when there is room.
    let (mut dying, _) = server.choose()?;
    dying.write_all(&write(50))?;
    until_waiting(&place, 1)?;
    let (mut living, _) = server.choose()?;
    living.write_all(&write(60))?;
    until_waiting(&place, 2)?;
    drop(dying);
    until_waiting(&place, 1)?;
    status(&ctl(Runtime::Native, place.path(), &["add", "new"]))?;
    let mut reply = [0; 16];
    living.read_exact(&mut reply)?;
    same("reply", &reply[..8], b"\x67\x44\x66\x98\0\0\0\0".as_slice())?;
    drop(living);
    status(&ctl(Runtime::Native, place.path(), &["stop"]))?;
    same("it ends", server.wait()?.0.code(), Some(0))?;
    place.files.push("new".into());
    place.check(&[])
}

/// Who asks where no server is, or none any more, is told so long before an answer would be given up.
pub(crate) fn nobody(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let folder = place.path().join("control");
    let refused = |reason: &str| {
        let started = Instant::now();
        let run = ctl(runtime, place.path(), &["status"]);
        same("status", run.status, Some(8))?;
        same(&run.stderr, run.stderr.starts_with("virstor: control: ") && run.stderr.contains(reason), true)?;
        same("it took long", started.elapsed() > Duration::from_secs(20), false)
    };
    refused("")?;
    fs::create_dir(&folder)?;
    refused("no server takes requests there")?;
    let server = Server::start(runtime, &place, &["--control", "control"])?;
    status(&ctl(runtime, place.path(), &["status"]))?;
    if runtime == Runtime::Native {
        let second = runtime.run(
            place.path(),
            &place.arguments(&["serve", "--control", "control", "--listen", "127.0.0.1:0"]),
        );
        same("status", second.status, Some(8))?;
        same("reason", second.stderr.contains("another server takes requests there"), true)?;
    }
    // It is killed, and what it left behind does not speak for it.
    drop(server);
    same("its mark", folder.join("server.json").exists(), true)?;
    refused(if runtime == Runtime::Native {
        "no server takes requests there"
    } else {
        "nobody took the request"
    })?;
    same("nothing else is left", fs::read_dir(&folder)?.count(), 1)?;
    // The next one takes the place, and clears it when it ends in order.
    let server = Server::start(runtime, &place, &["--control", "control"])?;
    status(&ctl(runtime, place.path(), &["stop"]))?;
    same("it ends", server.wait()?.0.code(), Some(0))?;
    same("what is left", fs::read_dir(&folder)?.count(), 0)
}
