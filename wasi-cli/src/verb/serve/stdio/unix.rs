//! Standard streams as the plain files they are: what std wraps around them would cut replies at line feeds.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use crate::verb::serve::blocking::Pipe;

pub(super) struct Streams {
    input: File,
    output: File,
}

impl Streams {
    pub(super) fn open() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?.into();
        let output = io::stdout().as_fd().try_clone_to_owned()?.into();
        Ok(Self { input, output })
    }
}

impl Pipe for Streams {
    fn receive(&mut self, buf: &mut [u8], _: bool) -> io::Result<usize> {
        self.input.read(buf)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)
    }
}
