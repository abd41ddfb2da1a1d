//! How the engine sees a disk: a size and bytes at positions.
//!
//! The engine opens nothing. Whoever drives it (a program, a browser worker, a simulated disk) hands it
//! values that implement [`ReadAt`], and [`WriteAt`] where something is to be changed; offsets and lengths
//! are in bytes.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::counted::counted;

/// A disk, partition or image file that can be read at any position.
///
/// Reading takes `&self`: a block device has no cursor. The type has no way to write.
pub trait ReadAt {
    /// The size in bytes. It does not change while the engine uses the disk: a driver whose file shrinks
    /// under it answers reads with errors instead.
    fn size(&self) -> u64;

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`IoError`] when not all of `buf` could be filled, whatever the reason. What `buf` holds then is
    /// unspecified.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError>;

    /// The first stretch of `range` that is known not to be readable, without trying: a bad area of the disk
    /// that this is an image of. `None` where nothing is known, which most drivers leave it at.
    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        _ = range;
        None
    }

    /// The first byte from `offset` on that may not be zero, without reading: sparse files know their holes.
    /// `u64::MAX` when all the rest is zero, and `offset` where nothing is known, which most drivers leave it at.
    fn data_from(&self, offset: u64) -> u64 {
        offset
    }
}

/// A disk that can also be written to.
///
/// Writing takes `&self` as reading does, so that the map and the data of one component may be reached
/// through two handles of the same disk. What was written is seen by reads at once, and survives a loss of
/// power only after [`flush`](Self::flush).
pub trait WriteAt: ReadAt {
    /// Puts `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// [`IoError`] when not all of `bytes` could be written. What the range holds then is unspecified, byte
    /// by byte the old or the new.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError>;

    /// Makes all that was written before durable.
    ///
    /// # Errors
    ///
    /// [`IoError`] when that is not certain. The engine calls again, and a success then must cover the earlier
    /// writes, too: a driver whose system forgets them after an error goes on failing.
    fn flush(&self) -> Result<(), IoError>;

    /// Makes the `len` bytes from `offset` on zero. Drivers that can do so without writing them (a hole in a
    /// sparse file) put their own in this place.
    ///
    /// # Errors
    ///
    /// As [`write_at`](Self::write_at).
    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), IoError> {
        let mut done = 0;
        while done < len {
            let piece = usize::try_from(len - done).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
            self.write_at(offset + done, &ZEROS[..piece])?;
            done += piece as u64;
        }
        Ok(())
    }
}

/// What is written at once where zeros have to be written.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What the driver was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Operation {
    /// Give bytes.
    #[default]
    Read,
    /// Take bytes.
    Write,
    /// Make durable what it took.
    Flush,
}

/// What went wrong with a disk: where, and the driver's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoError {
    /// What failed.
    pub operation: Operation,
    /// First byte of the request that failed; 0 for a flush.
    pub offset: u64,
    /// Length of the request that failed, in bytes; 0 for a flush.
    pub len: u64,
    /// The driver's reason, for people ("permission denied").
    pub reason: String,
}

impl IoError {
    /// An error for reading `len` bytes at `offset`.
    #[must_use]
    pub fn new(offset: u64, len: usize, reason: impl Into<String>) -> Self {
        Self { operation: Operation::Read, offset, len: len as u64, reason: reason.into() }
    }

    /// An error for writing `len` bytes at `offset`.
    #[must_use]
    pub fn writing(offset: u64, len: usize, reason: impl Into<String>) -> Self {
        Self { operation: Operation::Write, ..Self::new(offset, len, reason) }
    }

    /// An error for making durable what was written.
    #[must_use]
    pub fn flushing(reason: impl Into<String>) -> Self {
        Self { operation: Operation::Flush, ..Self::new(0, 0, reason) }
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, offset, len, reason } = self;
        match operation {
            Operation::Read => {
                write!(f, "cannot read {} at offset {offset}: {reason}", counted(*len, "byte"))
            }
            Operation::Write => {
                write!(f, "cannot write {} at offset {offset}: {reason}", counted(*len, "byte"))
            }
            Operation::Flush => write!(f, "cannot make what was written durable: {reason}"),
        }
    }
}

impl core::error::Error for IoError {}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        (**self).read_at(offset, buf)
    }

    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        (**self).unreadable(range)
    }

    fn data_from(&self, offset: u64) -> u64 {
        (**self).data_from(offset)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        (**self).read_at(offset, buf)
    }

    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        (**self).unreadable(range)
    }

    fn data_from(&self, offset: u64) -> u64 {
        (**self).data_from(offset)
    }
}

impl<T: WriteAt + ?Sized> WriteAt for &T {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        (**self).write_at(offset, bytes)
    }

    fn flush(&self) -> Result<(), IoError> {
        (**self).flush()
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), IoError> {
        (**self).write_zeros(offset, len)
    }
}

impl<T: WriteAt + ?Sized> WriteAt for Arc<T> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        (**self).write_at(offset, bytes)
    }

    fn flush(&self) -> Result<(), IoError> {
        (**self).flush()
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), IoError> {
        (**self).write_zeros(offset, len)
    }
}

/// A disk in memory, for tests and small specimens.
impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buf.len())?))
            .ok_or_else(|| IoError::new(offset, buf.len(), "past the end"))?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// A part of a disk that is looked at as a disk of its own: a partition, or an image inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<D> {
    disk: D,
    start: u64,
    len: u64,
}

impl<D: ReadAt> Window<D> {
    /// The `len` bytes of `disk` from `start` on; `None` when they reach past its end.
    pub fn new(disk: D, start: u64, len: u64) -> Option<Self> {
        let end = start.checked_add(len)?;
        (end <= disk.size()).then_some(Self { disk, start, len })
    }

    /// The disk it is a part of.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Its first byte on that disk.
    pub fn start(&self) -> u64 {
        self.start
    }
}

impl<D: ReadAt> ReadAt for Window<D> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        if !self.holds(offset, buf.len() as u64) {
            return Err(IoError::new(offset, buf.len(), "past the end"));
        }
        self.disk.read_at(self.start + offset, buf).map_err(|error| self.seen_from_here(error))
    }

    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        let found = self.disk.unreadable(self.start + range.start..self.start + range.end)?;
        Some(found.start - self.start..found.end - self.start)
    }
}

impl<D: WriteAt> WriteAt for Window<D> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        if !self.holds(offset, bytes.len() as u64) {
            return Err(IoError::writing(offset, bytes.len(), "past the end"));
        }
        self.disk.write_at(self.start + offset, bytes).map_err(|error| self.seen_from_here(error))
    }

    fn flush(&self) -> Result<(), IoError> {
        self.disk.flush()
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), IoError> {
        if !self.holds(offset, len) {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            return Err(IoError::writing(offset, len, "past the end"));
        }
        self.disk.write_zeros(self.start + offset, len).map_err(|error| self.seen_from_here(error))
    }
}

impl<D> Window<D> {
    /// An error of the disk behind, with the place in the window: whoever reads a disk adds where it begins.
    fn seen_from_here(&self, error: IoError) -> IoError {
        match error.operation {
            Operation::Flush => error,
            Operation::Read | Operation::Write => {
                IoError { offset: error.offset.saturating_sub(self.start), ..error }
            }
        }
    }

    fn holds(&self, offset: u64, len: u64) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.len)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;
    use core::cell::RefCell;

    use super::*;

    struct Memory(RefCell<Vec<u8>>);

    impl ReadAt for Memory {
        fn size(&self) -> u64 {
            self.0.borrow().size()
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
            self.0.borrow().read_at(offset, buf)
        }
    }

    impl WriteAt for Memory {
        fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
            let start = usize::try_from(offset).expect("small");
            self.0.borrow_mut()[start..start + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn flush(&self) -> Result<(), IoError> {
            Err(IoError::flushing("no power"))
        }
    }

    #[test]
    fn zeros_are_written_in_pieces_up_to_the_last_byte() {
        let disk = Memory(RefCell::new(vec![7; 200_000]));
        disk.write_zeros(3, 199_990).expect("within");
        let bytes = disk.0.into_inner();
        assert_eq!((&bytes[..3], &bytes[199_993..]), (&[7; 3][..], &[7; 7][..]));
        assert!(bytes[3..199_993].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_window_does_not_write_past_its_end() {
        let disk = Memory(RefCell::new(vec![7; 100]));
        let window = Window::new(&disk, 10, 20).expect("within");
        assert_eq!(window.write_at(18, &[1; 3]), Err(IoError::writing(18, 3, "past the end")));
        assert_eq!(window.write_zeros(u64::MAX, 2), Err(IoError::writing(u64::MAX, 2, "past the end")));
        window.write_at(17, &[1; 3]).expect("within");
        assert_eq!(disk.0.borrow()[26..31], [7, 1, 1, 1, 7]);
    }

    #[test]
    fn a_window_tells_of_errors_where_it_was_asked() {
        struct Broken;
        impl ReadAt for Broken {
            fn size(&self) -> u64 {
                100
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
                Err(IoError::new(offset, buf.len(), "broken"))
            }
        }
        impl WriteAt for Broken {
            fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
                Err(IoError::writing(offset, bytes.len(), "broken"))
            }
            fn flush(&self) -> Result<(), IoError> {
                Err(IoError::flushing("broken"))
            }
        }
        let window = Window::new(Broken, 10, 20).expect("within");
        assert_eq!(window.read_at(3, &mut [0; 2]), Err(IoError::new(3, 2, "broken")));
        assert_eq!(window.write_at(3, &[0; 2]), Err(IoError::writing(3, 2, "broken")));
        assert_eq!(window.write_zeros(3, 2), Err(IoError::writing(3, 2, "broken")));
        assert_eq!(window.flush(), Err(IoError::flushing("broken")));
        // A window in a window: each takes off its own start.
        let inner = Window::new(&window, 5, 10).expect("within");
        assert_eq!(inner.read_at(3, &mut [0; 2]), Err(IoError::new(3, 2, "broken")));
    }

    #[test]
    fn an_error_says_what_failed() {
        assert_eq!(IoError::new(1, 2, "x").to_string(), "cannot read 2 bytes at offset 1: x");
        assert_eq!(IoError::writing(1, 2, "x").to_string(), "cannot write 2 bytes at offset 1: x");
        assert_eq!(IoError::flushing("x").to_string(), "cannot make what was written durable: x");
    }
}
