//! A component as a disk: its raw bytes, map and record included.

use std::ops::Range;

use nbd_proto::ReadReply;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor_inspect::heap::ComponentDisk;

use super::backend::{Backend, Extent, Fault, State};
use crate::disk::Disk;

/// A component that is there.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) index: ComponentIndex,
    pub(crate) disk: ComponentDisk<Disk>,
    /// What the user calls the file it lies in.
    pub(crate) file: String,
    /// Whether its record disagrees with the rest of the set.
    pub(crate) suspect: bool,
}

impl Component {
    /// Fills `buf` with the component's bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`Fault::Component`], with the place in the file.
    pub(crate) fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Fault> {
        self.disk.read_at(offset, buf).map_err(|error| {
            let error = IoError { offset: error.offset + self.disk.start(), ..error };
            Fault::Component { file: self.file.clone(), error }
        })
    }

    /// What its bytes are, wherever they are seen.
    pub(crate) fn state(&self) -> State {
        State::Data { component: self.index, suspect: self.suspect }
    }
}

impl Backend for Component {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read(&self, offset: u64, reply: &mut ReadReply<'_>) -> Result<(), Fault> {
        let len = usize::try_from(reply.remaining()).expect("a request fits memory");
        self.read_at(offset, reply.data(len))
    }

    fn extents(&self, range: Range<u64>, visit: &mut dyn FnMut(Extent) -> bool) {
        visit(Extent { len: range.end - range.start, state: self.state() });
    }
}
