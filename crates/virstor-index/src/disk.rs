//! Disks whose kind is not part of the type.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use virstor::io::{IoError, ReadAt};
use virstor::overlay::OverlayDisk;
use virstor::plan::{Segment, Segments, VolumeReader};

/// A disk, whatever it is: a file, a file as a specimen has it, or as it would be after a repair; or a component in one
/// of them. The code above is there once for all.
#[derive(Clone)]
pub struct AnyDisk(Rc<dyn ReadAt>);

impl AnyDisk {
    /// `disk`, whatever it is.
    pub fn new(disk: impl ReadAt + 'static) -> Self {
        Self(Rc::new(disk))
    }
}

impl fmt::Debug for AnyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyDisk({} bytes)", self.0.size())
    }
}

impl From<OverlayDisk<AnyDisk>> for AnyDisk {
    fn from(disk: OverlayDisk<AnyDisk>) -> Self {
        Self::new(disk)
    }
}

impl ReadAt for AnyDisk {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.0.read_at(offset, buf)
    }

    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        self.0.unreadable(range)
    }
}

/// A reader of a volume on such disks.
pub type Reader = VolumeReader<AnyDisk>;

/// The segments of `range` (bytes of the volume), in order and without gaps.
///
/// # Panics
///
/// When the range is not within the volume.
pub fn segments(reader: &mut Reader, range: Range<u64>) -> Walk<'_> {
    Walk { segments: reader.segments(range) }
}

/// The segments of a range: see [`segments`].
#[derive(Debug)]
pub struct Walk<'a> {
    segments: Segments<'a, AnyDisk>,
}

impl Iterator for Walk<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        self.segments.next()
    }
}
