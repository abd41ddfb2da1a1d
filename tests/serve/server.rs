//! The server under test, on a port of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use virstor_tests::runtime::{PATIENCE, Runtime};

use crate::Outcome;
use crate::places::Place;
use crate::process::Process;

/// A server that is running. It is gone when this is.
pub(crate) struct Server {
    process: Process,
    runtime: Runtime,
    /// Where its volume is.
    pub(crate) uri: String,
}

impl Server {
    /// Serves what is in `place`.
    pub(crate) fn start(runtime: Runtime, place: &Place, options: &[&str]) -> Result<Self, Failed> {
        let (process, line) = begin(runtime, place, options)?;
        let Some(uri) = line.trim().strip_prefix("listening on ").map(String::from) else {
            return Err(format!("{options:?}: it says {line:?}").into());
        };
        Ok(Self { process, runtime, uri })
    }

    /// As [`start`](Self::start), for options with `--json`.
    pub(crate) fn start_json(runtime: Runtime, place: &Place, options: &[&str]) -> Result<Self, Failed> {
        let (process, line) = begin(runtime, place, options)?;
        let document: serde_json::Value = serde_json::from_str(&line)?;
        let uri = document["listening"][0].as_str().ok_or("a URI")?.to_string();
        Ok(Self { process, runtime, uri })
    }

    /// The URI of another of its exports.
    pub(crate) fn export(&self, name: &str) -> String {
        format!("{}/{name}", self.uri)
    }

    /// The program's process, or that of the runtime around it.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// A bare connection.
    pub(crate) fn connect(&self) -> Result<TcpStream, Failed> {
        let address = self.uri.strip_prefix("nbd://").expect("it listens on TCP");
        let stream = TcpStream::connect_timeout(&address.parse()?, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A connection whose client has chosen the default export in the shortest way there is
    /// (`NBD_OPT_EXPORT_NAME`), and the size it was told.
    pub(crate) fn choose(&self) -> Result<(TcpStream, u64), Failed> {
        self.choose_named("")
    }

    /// As [`choose`](Self::choose), of an export by its name.
    pub(crate) fn choose_named(&self, name: &str) -> Result<(TcpStream, u64), Failed> {
        let mut stream = self.connect()?;
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting)?;
        // Fixed newstyle, no zeros; then the option and the name.
        stream.write_all(&[0, 0, 0, 3])?;
        stream.write_all(b"IHAVEOPT\0\0\0\x01")?;
        stream.write_all(&u32::try_from(name.len())?.to_be_bytes())?;
        stream.write_all(name.as_bytes())?;
        let mut answer = [0; 10];
        stream.read_exact(&mut answer)?;
        Ok((stream, u64::from_be_bytes(*answer.first_chunk().expect("it has ten bytes"))))
    }

    /// Asks it to end, and waits until it has. In WebAssembly nobody hears signals, so there it is killed: with the
    /// last client it left everything in order.
    pub(crate) fn end(self) -> Outcome {
        if self.runtime == Runtime::Native {
            Command::new("kill").arg(self.process().to_string()).status()?;
            let (status, said) = self.process.wait()?;
            if status.code() != Some(0) {
                return Err(format!("it ended with {status} and said {said}").into());
            }
        } else {
            self.has_seen_all_leave()?;
            self.process.kill();
        }
        Ok(())
    }

    /// Returns when the server has dealt with the end of every client that has gone: its one loop turns to those it
    /// has before it greets one that came later, and what is left to do for a client takes it two turns at most.
    fn has_seen_all_leave(&self) -> Outcome {
        (0..3).try_for_each(|_| persistently(|| Ok(self.connect()?.read_exact(&mut [0; 18])?)))
    }

    /// Waits for it to end by itself; gives how, and what it said on stderr.
    pub(crate) fn wait(self) -> Result<(ExitStatus, String), Failed> {
        self.process.wait()
    }
}

/// Starts a server on a port that nobody has, and gives the first line it prints.
fn begin(runtime: Runtime, place: &Place, options: &[&str]) -> Result<(Process, String), Failed> {
    let options = [&["serve", "--listen", "127.0.0.1:0"], options].concat();
    let mut command = runtime.command(place.path(), &place.arguments(&options));
    let process = Process::start(command.stdin(Stdio::null()))?;
    match process.line() {
        Ok(line) => Ok((process, line)),
        Err(error) => {
            process.kill();
            let (status, complaint) = process.wait()?;
            let why = error.message().unwrap_or_default();
            Err(format!("{command:?}: {why}; it ended with {status} and said {complaint}").into())
        }
    }
}

/// Does what may not be possible yet, until it is.
pub(crate) fn persistently(work: impl Fn() -> Outcome) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match work() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            outcome => return outcome,
        }
    }
}

/// The request that reads, as it is on the wire.
pub(crate) fn read_request(cookie: u64, offset: u64, len: u32) -> Vec<u8> {
    let head: [&[u8]; 3] =
        [&[0x25, 0x60, 0x95, 0x13, 0, 0, 0, 0], &cookie.to_be_bytes(), &offset.to_be_bytes()];
    [head.concat(), len.to_be_bytes().to_vec()].concat()
}
