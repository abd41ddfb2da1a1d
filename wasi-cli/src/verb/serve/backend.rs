//! What is behind an export: something that can be read, perhaps written, and that knows what of it is there.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use nbd_proto::{Errno, ReadReply};
use virstor::counted::{agreeing, counted};
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

    /// Whether it can be written.
    fn is_writable(&self) -> bool {
        false
    }

    /// Puts `data` at `offset`: every read that follows sees it, and the next flush makes it durable. What takes more
    /// room is done only where it `may_grow`.
    ///
    /// # Errors
    ///
    /// [`Fault::Full`] when there is no room for all of it, and then none is written; [`Fault::Component`] when
    /// part of it may be.
    fn write(&self, offset: u64, data: &[u8], may_grow: bool) -> Result<(), Fault> {
        _ = (offset, data, may_grow);
        Err(Fault::ReadOnly)
    }

    /// Makes `range` zero.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write), and [`Fault::Slow`] where `how` does not let it take its time.
    fn write_zeros(&self, range: Range<u64>, how: Zeros) -> Result<(), Fault> {
        _ = (range, how);
        Err(Fault::ReadOnly)
    }

    /// The bytes of `range` are of no use any more: some may be zero afterwards, and others as they were.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    fn trim(&self, range: Range<u64>) -> Result<(), Fault> {
        _ = range;
        Err(Fault::ReadOnly)
    }

    /// Makes durable what was written, by whichever client.
    ///
    /// # Errors
    ///
    /// [`Fault::Component`].
    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Leaves everything as it should be found when nobody goes on writing. Somebody may.
    ///
    /// # Errors
    ///
    /// [`Fault::Component`].
    fn settle(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// How zeros are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Zeros {
    /// So that writing there later takes no more room.
    pub(crate) provided: bool,
    /// Faster than other bytes, or not at all.
    pub(crate) fast: bool,
    /// Even where that takes more room.
    pub(crate) may_grow: bool,
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
    /// The volume has no room for it.
    Full {
        /// How many chunks it takes.
        needed: u64,
        /// How many there are.
        free: u64,
    },
    /// It would take as long as writing other bytes.
    Slow,
    /// It cannot be written.
    ReadOnly,
}

impl Fault {
    /// What the client is told in a number.
    pub(crate) fn errno(&self) -> Errno {
        match self {
            Self::Lost { .. } | Self::Component { .. } => Errno::EIO,
            Self::Full { .. } => Errno::ENOSPC,
            Self::Slow => Errno::ENOTSUP,
            Self::ReadOnly => Errno::EPERM,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { start, why } => {
                write!(f, "byte {start} of the volume is lost: {}", lost(*why).0.replace('_', " "))
            }
            Self::Component { file, error } => write!(f, "{file}: {error}"),
            Self::Full { needed, free } => {
                let (needed, are) = (counted(*needed, "more chunk"), agreeing(*free, "is", "are"));
                write!(f, "the volume is full: it takes {needed}, and {free} {are} free")
            }
            Self::Slow => f.write_str("it would take as long as writing other bytes"),
            Self::ReadOnly => f.write_str("the export is read-only"),
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

impl Part {
    fn on_whole(&self, range: Range<u64>) -> Range<u64> {
        self.start + range.start..self.start + range.end
    }
}

impl Backend for Part {
    fn size(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, reply: &mut ReadReply<'_>) -> Result<(), Fault> {
        self.whole.read(self.start + offset, reply)
    }

    fn extents(&self, range: Range<u64>, visit: &mut dyn FnMut(Extent) -> bool) {
        self.whole.extents(self.on_whole(range), visit);
    }

    fn is_writable(&self) -> bool {
        self.whole.is_writable()
    }

    fn write(&self, offset: u64, data: &[u8], may_grow: bool) -> Result<(), Fault> {
        self.whole.write(self.start + offset, data, may_grow)
    }

    fn write_zeros(&self, range: Range<u64>, how: Zeros) -> Result<(), Fault> {
        self.whole.write_zeros(self.on_whole(range), how)
    }

    fn trim(&self, range: Range<u64>) -> Result<(), Fault> {
        self.whole.trim(self.on_whole(range))
    }

    fn flush(&self) -> Result<(), Fault> {
        self.whole.flush()
    }
}
