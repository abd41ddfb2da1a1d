//! Standard streams of a component, without std's buffers around them.

use std::io;

use wasi::io::streams::{InputStream, OutputStream, StreamError};

use crate::verb::serve::blocking::Pipe;
use crate::verb::serve::busy_poll::{BusyPoll, Way};

pub(super) struct Streams {
    input: InputStream,
    output: OutputStream,
    busy_poll: BusyPoll,
}

impl Streams {
    #[expect(clippy::unnecessary_wraps, reason = "other hosts can fail here")]
    pub(super) fn open() -> io::Result<Self> {
        let (input, output) = (wasi::cli::stdin::get_stdin(), wasi::cli::stdout::get_stdout());
        Ok(Self { input, output, busy_poll: BusyPoll::default() })
    }
}

impl Pipe for Streams {
    fn receive(&mut self, buf: &mut [u8], _: bool) -> io::Result<usize> {
        let (input, most) = (&self.input, buf.len() as u64);
        self.busy_poll.wait(|way| {
            let read = match way {
                Way::Look => input.read(most),
                Way::Sleep => input.blocking_read(most),
            };
            match read {
                // Nothing is the end to the caller, and only "not yet" to the host.
                Ok(bytes) if bytes.is_empty() => Ok(None),
                Ok(bytes) => {
                    buf[..bytes.len()].copy_from_slice(&bytes);
                    Ok(Some(bytes.len()))
                }
                Err(StreamError::Closed) => Ok(Some(0)),
                Err(StreamError::LastOperationFailed(error)) => {
                    Err(io::Error::other(error.to_debug_string()))
                }
            }
        })
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let failed = |error| match error {
            StreamError::Closed => io::ErrorKind::BrokenPipe.into(),
            StreamError::LastOperationFailed(error) => io::Error::other(error.to_debug_string()),
        };
        let ready = self.output.subscribe();
        while !bytes.is_empty() {
            let room = self.output.check_write().map_err(failed)?;
            let (now, later) = bytes.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
            if now.is_empty() {
                ready.block();
                continue;
            }
            self.output.write(now).map_err(failed)?;
            bytes = later;
        }
        self.output.blocking_flush().map_err(failed)
    }
}
