//! Standard streams of a component, without std's buffers around them.

use std::io;

use wasi::io::streams::{InputStream, OutputStream, StreamError};

use crate::verb::serve::blocking::Pipe;

pub(super) struct Streams {
    input: InputStream,
    output: OutputStream,
}

impl Streams {
    #[expect(clippy::unnecessary_wraps, reason = "other hosts can fail here")]
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { input: wasi::cli::stdin::get_stdin(), output: wasi::cli::stdout::get_stdout() })
    }
}

impl Pipe for Streams {
    fn receive(&mut self, buf: &mut [u8], _: bool) -> io::Result<usize> {
        match self.input.blocking_read(buf.len() as u64) {
            Ok(bytes) => {
                buf[..bytes.len()].copy_from_slice(&bytes);
                // Nothing is the end to the caller, and only "not yet" to the host.
                if bytes.is_empty() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(bytes.len()) }
            }
            Err(StreamError::Closed) => Ok(0),
            Err(StreamError::LastOperationFailed(error)) => Err(io::Error::other(error.to_debug_string())),
        }
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
