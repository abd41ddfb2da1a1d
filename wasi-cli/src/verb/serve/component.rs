//! A component as a disk: its raw bytes, map and record included.
#![cfg_attr(target_env = "p1", allow(dead_code, reason = "without sockets nobody can control a server"))]

use std::ops::Range;
use std::sync::Arc;

use nbd_proto::ReadReply;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, Operation, ReadAt, WriteAt};
use virstor_inspect::heap::ComponentDisk;

use super::backend::{Backend, Extent, Fault, State};
use super::writing::WritableComponent;
use crate::disk::Disk;

/// A component that is there.
#[derive(Clone)]
pub(crate) struct Component {
    pub(crate) index: ComponentIndex,
    pub(crate) disk: Bytes,
    /// What the user calls the file it lies in.
    pub(crate) file: String,
    /// Whether its record disagrees with the rest of the set.
    pub(crate) suspect: bool,
}

/// Where the bytes of a component are.
#[derive(Clone)]
pub(crate) enum Bytes {
    /// Nobody writes to it here.
    ReadOnly(ComponentDisk<Disk>),
    /// Writers of the volume do.
    Writable(WritableComponent),
}

impl Component {
    /// Fills `buf` with the component's bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`Fault::Component`], with the place in the file.
    pub(crate) fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        let read = match &self.disk {
            Bytes::ReadOnly(disk) => disk.read_at(offset, buf),
            Bytes::Writable(disk) => disk.read_at(offset, buf),
        };
        read.map_err(|error| self.fault(error))
    }

    /// Puts `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// [`Fault::Component`]; [`Fault::ReadOnly`] where nobody writes to it.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.writable()?.write_at(offset, bytes).map_err(|error| self.fault(error))
    }

    /// Makes the `len` bytes from `offset` on zero.
    ///
    /// # Errors
    ///
    /// As [`write_at`](Self::write_at).
    pub(crate) fn write_zeros(&self, offset: u64, len: u64) -> Result<(), Fault> {
        self.writable()?.write_zeros(offset, len).map_err(|error| self.fault(error))
    }

    /// The `len` bytes from `offset` on are of no use any more.
    ///
    /// # Errors
    ///
    /// As [`write_at`](Self::write_at).
    pub(crate) fn discard(&self, offset: u64, len: u64) -> Result<(), Fault> {
        let disk = self.writable()?;
        disk.disk().discard(disk.start() + offset, len).map_err(|error| self.fault(error))
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    ///
    /// As [`write_at`](Self::write_at).
    pub(crate) fn flush(&self) -> Result<(), Fault> {
        self.writable()?.flush().map_err(|error| self.fault(error))
    }

    /// Leaves its disk to others, unless one of `others` lies on it, too.
    pub(crate) fn give_up(&self, others: &[Arc<Component>]) {
        let medium = |component: &Self| component.writable().map(|disk| Arc::clone(disk.disk())).ok();
        let Some(mine) = medium(self) else { return };
        if !others.iter().filter_map(|other| medium(other)).any(|other| Arc::ptr_eq(&mine, &other)) {
            mine.give_up();
        }
    }

    fn writable(&self) -> Result<&WritableComponent, Fault> {
        match &self.disk {
            Bytes::Writable(disk) => Ok(disk),
            Bytes::ReadOnly(_) => Err(Fault::ReadOnly),
        }
    }

    /// An error of its disk, with the place in the file.
    pub(crate) fn fault(&self, error: IoError) -> Fault {
        let start = match &self.disk {
            Bytes::ReadOnly(disk) => disk.start(),
            Bytes::Writable(disk) => disk.start(),
        };
        let error = match error.operation {
            Operation::Flush => error,
            Operation::Read | Operation::Write => IoError { offset: error.offset + start, ..error },
        };
        Fault::Component { file: self.file.clone(), error }
    }

    /// What its bytes are, wherever they are seen.
    pub(crate) fn state(&self) -> State {
        State::Data { component: self.index, suspect: self.suspect }
    }
}

impl Backend for Component {
    fn size(&self) -> u64 {
        match &self.disk {
            Bytes::ReadOnly(disk) => disk.size(),
            Bytes::Writable(disk) => disk.size(),
        }
    }

    fn read(&self, offset: u64, reply: &mut ReadReply<'_>) -> Result<(), Fault> {
        let len = usize::try_from(reply.remaining()).expect("a request fits memory");
        self.read_at(offset, reply.data(len))
    }

    fn extents(&self, range: Range<u64>, visit: &mut dyn FnMut(Extent) -> bool) {
        visit(Extent { len: range.end - range.start, state: self.state() });
    }
}
