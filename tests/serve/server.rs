//! The server under test, on a port of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use virstor_tests::runtime::{PATIENCE, Runtime};

use crate::places::Place;

/// How long a server whose last client is leaving has before it is killed.
const SETTLING: Duration = Duration::from_millis(500);

/// A server that is running. It is gone when this is.
pub(crate) struct Server {
    child: Child,
    runtime: Runtime,
    /// Where its volume is.
    pub(crate) uri: String,
}

impl Server {
    /// Serves what is in `place`.
    pub(crate) fn start(runtime: Runtime, place: &Place, options: &[&str]) -> Result<Self, Failed> {
        let options = [&["serve", "--listen", "127.0.0.1:0"], options].concat();
        let mut command = runtime.command(place.path(), &place.arguments(&options));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let Some(uri) = line.trim().strip_prefix("listening on ").map(String::from) else {
            _ = child.kill();
            let (_, complaint) = ended(&mut child)?;
            return Err(format!("{command:?} said {line:?} and {complaint}").into());
        };
        Ok(Self { child, runtime, uri })
    }

    /// As [`start`](Self::start), for options with `--json`.
    pub(crate) fn start_json(runtime: Runtime, place: &Place, options: &[&str]) -> Result<Self, Failed> {
        let options = [&["serve", "--listen", "127.0.0.1:0"], options].concat();
        let mut command = runtime.command(place.path(), &place.arguments(&options));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let document: serde_json::Value = serde_json::from_str(&line)?;
        let uri = document["listening"][0].as_str().ok_or("a URI")?.to_string();
        Ok(Self { child, runtime, uri })
    }

    /// The URI of another of its exports.
    pub(crate) fn export(&self, name: &str) -> String {
        format!("{}/{name}", self.uri)
    }

    /// The program's process, or that of the runtime around it.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// A bare connection.
    pub(crate) fn connect(&self) -> Result<TcpStream, Failed> {
        let address = self.uri.strip_prefix("nbd://").expect("it listens on TCP");
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A connection whose client has chosen the default export in the shortest way there is
    /// (`NBD_OPT_EXPORT_NAME`), and the size it was told.
    pub(crate) fn choose(&self) -> Result<(TcpStream, u64), Failed> {
        let mut stream = self.connect()?;
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting)?;
        // Fixed newstyle, no zeros; then the option and an empty name.
        stream.write_all(&[0, 0, 0, 3])?;
        stream.write_all(b"IHAVEOPT\0\0\0\x01\0\0\0\0")?;
        let mut answer = [0; 10];
        stream.read_exact(&mut answer)?;
        Ok((stream, u64::from_be_bytes(*answer.first_chunk().expect("it has ten bytes"))))
    }

    /// Asks it to end, and waits until it has. In WebAssembly nobody hears signals, so there it is killed: with the
    /// last client it left everything in order.
    pub(crate) fn end(mut self) -> Result<(), Failed> {
        if self.runtime == Runtime::Native {
            Command::new("kill").arg(self.process().to_string()).status()?;
            let (status, said) = ended(&mut self.child)?;
            if status.code() != Some(0) {
                return Err(format!("it ended with {status} and said {said}").into());
            }
        } else {
            // No signal reaches a component, so it ends as in a crash. Once its last client has left it has settled all
            // there is to settle, and that is soon; a client that has ended may not be gone yet for the server.
            std::thread::sleep(SETTLING);
            self.child.kill()?;
            self.child.wait()?;
        }
        Ok(())
    }

    /// Waits for it to end by itself; gives how, and what it said on stderr.
    pub(crate) fn wait(mut self) -> Result<(ExitStatus, String), Failed> {
        ended(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Waits until `child` has ended, but not for ever.
pub(crate) fn ended(child: &mut Child) -> Result<(ExitStatus, String), Failed> {
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                _ = child.kill();
                return Err("it does not end".into());
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut complaint = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut complaint)?;
    }
    Ok((status, complaint))
}

/// The request that reads, as it is on the wire.
pub(crate) fn read_request(cookie: u64, offset: u64, len: u32) -> Vec<u8> {
    let head: [&[u8]; 3] =
        [&[0x25, 0x60, 0x95, 0x13, 0, 0, 0, 0], &cookie.to_be_bytes(), &offset.to_be_bytes()];
    [head.concat(), len.to_be_bytes().to_vec()].concat()
}
