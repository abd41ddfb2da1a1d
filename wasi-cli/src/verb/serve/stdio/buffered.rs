//! Standard streams as std has them: preview1 cannot duplicate a descriptor, so there is no way around its
//! buffers without `unsafe`. They cost a second write per batch of replies.

use std::io::{self, Read, StdinLock, StdoutLock, Write};

use crate::verb::serve::blocking::Pipe;

pub(super) struct Streams {
    input: StdinLock<'static>,
    output: StdoutLock<'static>,
}

impl Streams {
    #[expect(clippy::unnecessary_wraps, reason = "other hosts can fail here")]
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { input: io::stdin().lock(), output: io::stdout().lock() })
    }
}

impl Pipe for Streams {
    fn receive(&mut self, buf: &mut [u8], _: bool) -> io::Result<usize> {
        self.input.read(buf)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.output.flush()
    }
}
