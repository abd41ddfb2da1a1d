//! How a server begins, ends, and what it says of it.

use std::process::{Command, Stdio};

use serde_json::Value;
use virstor_tests::runtime::Runtime;

use crate::places::Place;
use crate::process::Process;
use crate::server::Server;
use crate::tools::Tool;
use crate::{Outcome, same};

pub(crate) fn after_last(runtime: Runtime) -> Outcome {
    let place = Place::of("01-fresh-single")?;
    let server = Server::start(runtime, &place, &["--exit-after-last"])?;
    // One that does not choose anything is none that counts.
    drop(server.connect()?);
    Tool::Nbdinfo.run(place.path(), &["--size", &server.uri])?;
    same("status", server.wait()?.0.code(), Some(0))
}

/// `--log` and `--stats` tell about every request.
pub(crate) fn record(runtime: Runtime) -> Outcome {
    let place = Place::degraded()?;
    let options = ["--quiet", "--exit-after-last", "--log", "jsonl", "--stats", "json", "--json"];
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], &options[..]].concat();
    let mut command = runtime.command(place.path(), &place.arguments(&arguments));
    let server = Process::start(command.stdin(Stdio::null()))?;
    let document: Value = serde_json::from_str(&server.line()?)?;
    same("first export", &document["exports"][0]["name"], &Value::from("dev"))?;
    let uri = document["listening"][0].as_str().ok_or("a URI")?;
    let copied = Tool::Nbdcopy.run(place.path(), &["--connections=1", uri, "null:"]);
    same("the copy fails", copied.is_err(), true)?;
    let (status, said) = server.wait()?;
    same("status", status.code(), Some(0))?;

    let lines: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (sums, events) = lines.split_last().ok_or("it said nothing")?;
    let requests = |command: &str| {
        let events = events.iter().filter(|it| it["event"] == "request" && it["command"] == command);
        u64::try_from(events.count()).ok()
    };
    let faults = events.iter().filter(|it| it["error"] == "EIO").count();
    same("reads", sums["reads"].as_u64(), requests("read"))?;
    same("block statuses", sums["block_statuses"].as_u64(), requests("block_status"))?;
    same("faults", sums["faults"].as_u64(), u64::try_from(faults).ok())?;
    same("some failed", faults > 0, true)?;
    let arrived = events.iter().filter(|it| it["event"] == "arrived").count();
    same("everyone who came has left", events.iter().filter(|it| it["event"] == "left").count(), arrived)
}

/// A server that cannot listen says on what, in one line.
pub(crate) fn address(runtime: Runtime) -> Outcome {
    let place = Place::of("01-fresh-single")?;
    let first = Server::start(runtime, &place, &[])?;
    let address = first.uri.trim_start_matches("nbd://");
    let second = runtime.run(place.path(), &place.arguments(&["serve", "--listen", address]));
    same("status", second.status, Some(8))?;
    let expected = format!("virstor: cannot listen on {address}: ");
    same("complaint", second.stderr.starts_with(&expected), true)?;
    same("lines", second.stderr.lines().count(), 1)
}

pub(crate) fn no_sockets() -> Outcome {
    let place = Place::of("01-fresh-single")?;
    let run = Runtime::Module.run(place.path(), &place.arguments(&["serve"]));
    same("status", run.status, Some(16))?;
    same("complaint", run.stderr.contains("--stdio"), true)
}

/// SIGTERM: who is there gets what it is owed, the sums are printed, the status is 0.
pub(crate) fn signal() -> Outcome {
    let place = Place::of("01-fresh-single")?;
    for signal in ["TERM", "INT"] {
        let server = Server::start(Runtime::Native, &place, &["--stats", "json"])?;
        let (client, _) = server.choose()?;
        Command::new("kill").args(["-s", signal, &server.process().to_string()]).status()?;
        let (status, said) = server.wait()?;
        drop(client);
        same("status", status.code(), Some(0))?;
        let sums: Value = serde_json::from_str(&said)?;
        same("clients", &sums["clients"], &Value::from(1))?;
    }
    Ok(())
}

pub(crate) fn unix_socket() -> Outcome {
    let place = Place::of("38-shuffled")?;
    let options = ["serve", "--unix", "my socket", "--exit-after-last"];
    // What a server that was killed leaves behind is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(place.path().join("my socket"))?);
    let mut command = Runtime::Native.command(place.path(), &place.arguments(&options));
    let server = Process::start(command.stdin(Stdio::null()))?;
    let line = server.line()?;
    let uri = line.trim().trim_start_matches("listening on ");
    same("URI", uri, "nbd+unix:///?socket=my%20socket")?;
    let copy = Tool::Nbdcopy.run(place.path(), &[uri, "-"])?;
    same("bytes", copy.len(), 8 << 20)?;
    let (status, _) = server.wait()?;
    same("status", status.code(), Some(0))?;
    same("the socket is there", place.path().join("my socket").exists(), false)
}

/// systemd's way of handing over a socket, which libnbd's clients speak too.
pub(crate) fn activation() -> Outcome {
    let place = Place::of("38-shuffled")?;
    let server = Runtime::Native.command(place.path(), &place.arguments(&["serve"]));
    let mut words = vec!["--size", "[", server.get_program().to_str().ok_or("a path in UTF-8")?];
    words.extend(server.get_args().filter_map(|word| word.to_str()));
    words.push("]");
    let size = Tool::Nbdinfo.run(place.path(), &words)?;
    same("size", size.trim_ascii(), b"8388608".as_slice())
}
