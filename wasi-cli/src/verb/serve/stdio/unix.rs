//! Standard streams as the plain files they are: what std wraps around them would cut replies at line feeds.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::verb::serve::blocking::Pipe;
use crate::verb::serve::busy_poll::{BusyPoll, Way};

pub(super) struct Streams {
    input: File,
    output: File,
    busy_poll: BusyPoll,
}

impl Streams {
    pub(super) fn open() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?.into();
        let output = io::stdout().as_fd().try_clone_to_owned()?.into();
        Ok(Self { input, output, busy_poll: BusyPoll::default() })
    }
}

impl Pipe for Streams {
    fn receive(&mut self, buf: &mut [u8], _: bool) -> io::Result<usize> {
        let input = &mut self.input;
        self.busy_poll.wait(|way| match way {
            Way::Look if !is_ready(input)? => Ok(None),
            _ => input.read(buf).map(Some),
        })
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)
    }

    fn overhear(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || !is_ready(&self.input)? {
            return Ok(0);
        }
        match self.input.read(buf)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }
}

/// Whether reading does not wait: there is something, or the end.
fn is_ready(input: &File) -> io::Result<bool> {
    Ok(poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&Timespec::default()))? > 0)
}
