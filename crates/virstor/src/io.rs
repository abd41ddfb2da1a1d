//! How the engine sees a disk: a size and bytes at positions.
//!
//! The engine opens nothing. Whoever drives it (a program, a browser worker, a simulated disk) hands it
//! values that implement [`ReadAt`]; offsets and lengths are in bytes.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

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
}

/// What went wrong with a disk: where, and the driver's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoError {
    /// First byte of the request that failed.
    pub offset: u64,
    /// Length of the request that failed, in bytes.
    pub len: u64,
    /// The driver's reason, for people ("permission denied").
    pub reason: String,
}

impl IoError {
    /// An error for the request of `len` bytes at `offset`.
    #[must_use]
    pub fn new(offset: u64, len: usize, reason: impl Into<String>) -> Self {
        Self { offset, len: len as u64, reason: reason.into() }
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {} bytes at offset {}: {}", self.len, self.offset, self.reason)
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
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        (**self).read_at(offset, buf)
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
        let fits = offset.checked_add(buf.len() as u64).is_some_and(|end| end <= self.len);
        if !fits {
            return Err(IoError::new(offset, buf.len(), "past the end"));
        }
        self.disk.read_at(self.start + offset, buf)
    }
}
