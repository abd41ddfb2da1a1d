//! One client over standard streams, in every runtime.

use std::io::Write;
use std::process::Stdio;

use virstor_testkit::GoldenSet;
use virstor_tests::runtime::Runtime;

use crate::places::Place;
use crate::process::Process;
use crate::tools::Tool;
use crate::{Outcome, same};

/// Starts the server itself, as nbdsh and nbdfuse do, and prints the digest of all it reads, in requests of
/// several sizes and with many in flight.
const READ_ALL: &str = r#"
import hashlib, nbd, sys
h = nbd.NBD()
h.connect_command(sys.argv[1:])
size = h.get_size()
digest = hashlib.sha256()
position, step = 0, 1
while position < size:
    batch = []
    while position < size and len(batch) < 16:
        length = min(step, size - position)
        buffer = nbd.Buffer(length)
        batch.append((buffer, h.aio_pread(buffer, position)))
        position += length
        step = step * 3 % 1000003
    for buffer, cookie in batch:
        while not h.aio_command_completed(cookie):
            h.poll(-1)
        digest.update(buffer.to_bytearray())
h.shutdown()
print(digest.hexdigest())
"#;

pub(crate) fn reads(runtime: Runtime) -> Outcome {
    let set = GoldenSet::load("38-shuffled");
    let place = Place::golden(&set)?;
    let server = runtime.command(place.path(), &place.arguments(&["serve", "--stdio"]));
    let mut words = vec![server.get_program().to_str().ok_or("a path in UTF-8")?];
    words.extend(server.get_args().filter_map(|word| word.to_str()));
    let digest = Tool::Python.run(place.path(), &[&["-c", READ_ALL], &words[..]].concat())?;
    let digest = String::from_utf8(digest)?;
    same("SHA-256", Some(digest.trim()), set.device_sha256())
}

/// A client that goes without a word is no error, whatever it was in the middle of.
pub(crate) fn end_of_input(runtime: Runtime) -> Outcome {
    let place = Place::of("01-fresh-single")?;
    for said in [&[][..], &[0, 0, 0, 3], b"\0\0\0\x03IHAVEOPT\0\0"] {
        let mut command = runtime.command(place.path(), &place.arguments(&["serve", "--stdio"]));
        let server = Process::start(command.stdin(Stdio::piped()))?;
        server.input().expect("it is piped").write_all(said)?;
        let (status, complaint) = server.wait()?;
        same("status and stderr", (status.code(), complaint.as_str()), (Some(0), ""))?;
    }
    Ok(())
}
