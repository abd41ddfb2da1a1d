//! What is behind an export: something that can be read, and that knows what of it is there.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use nbd_proto::{Errno, ReadReply};
use virstor::geometry::ComponentIndex;
use virstor::io::IoError;
use virstor::plan::Lost;
use virstor_inspect::document::map::lost;

/// The disk of an export. All clients of the export share it, natively from many threads.
///
/// Ranges are in bytes and within the disk: the protocol has checked them.
pub(crate) trait Backend: Send + Sync {
    /// The size in bytes.
    fn size(&self) -> u64;

    /// Gives `reply` the bytes from `offset` on that it still wants, holes as holes.
    ///
    /// # Errors
    ///
    /// The first fault. What `reply` was given before stands.
    fn read(&self, offset: u64, reply: &mut ReadReply<'_>) -> Result<(), Fault>;

    /// Tells `visit` what is known of `range`, from its start on and without gaps, until `visit` has heard
    /// enough or so much was looked up that others should have their turn.
    fn extents(&self, range: Range<u64>, visit: &mut dyn FnMut(Extent) -> bool);
}

/// A stretch of a disk, of which all is alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// In bytes; never zero.
    pub(crate) len: u64,
    /// What it is.
    pub(crate) state: State,
}

/// What a stretch of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Never written.
    Hole,
    /// Bytes on a component.
    Data {
        /// Which.
        component: ComponentIndex,
        /// Whether there is reason to doubt them.
        suspect: bool,
    },
    /// Bytes that are not to be had.
    Lost {
        /// The component they lie on, where the map says so much.
        component: Option<ComponentIndex>,
        /// Whether zeros are served in their place, rather than errors.
        zero: bool,
    },
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It touches bytes that are not to be had.
    Lost {
        /// The first such byte of the volume.
        start: u64,
        /// Why.
        why: Lost,
    },
    /// A component failed.
    Component {
        /// Its file.
        file: String,
        /// Where in the file, and what the host said.
        error: IoError,
    },
}

impl Fault {
    /// What the client is told in a number.
    pub(crate) fn errno(&self) -> Errno {
        Errno::EIO
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { start, why } => {
                write!(f, "byte {start} of the volume is lost: {}", lost(*why).0.replace('_', " "))
            }
            Self::Component { file, error } => write!(f, "{file}: {error}"),
        }
    }
}

/// A part of another disk: a partition.
pub(crate) struct Part {
    pub(crate) whole: Arc<dyn Backend>,
    /// Its first byte on the whole.
    pub(crate) start: u64,
    pub(crate) len: u64,
}

impl Backend for Part {
    fn size(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, reply: &mut ReadReply<'_>) -> Result<(), Fault> {
        self.whole.read(self.start + offset, reply)
    }

    fn extents(&self, range: Range<u64>, visit: &mut dyn FnMut(Extent) -> bool) {
        self.whole.extents(self.start + range.start..self.start + range.end, visit);
    }
}
