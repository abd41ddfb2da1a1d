//! A disk that counts what is read from it.

use std::sync::atomic::{AtomicU64, Ordering};

use virstor::io::{IoError, ReadAt};

/// Passes every read on, and counts requests and bytes: for tests that bound what opening a volume costs.
///
/// A read that fails counts like one that succeeds; both kept the disk busy.
#[derive(Debug, Default)]
pub struct Counting<D> {
    disk: D,
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl<D> Counting<D> {
    /// Counts reads of `disk` from zero on.
    pub fn new(disk: D) -> Self {
        Self { disk, reads: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Requests since the start or the last [`reset`](Self::reset).
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Bytes asked for since the start or the last [`reset`](Self::reset).
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Starts again from zero.
    pub fn reset(&self) {
        self.reads.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// The disk itself.
    pub fn into_inner(self) -> D {
        self.disk
    }
}

impl<D: ReadAt> ReadAt for Counting<D> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.disk.read_at(offset, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_requests_and_bytes_failed_ones_too() {
        let disk = Counting::new(vec![1; 100]);
        disk.read_at(0, &mut [0; 30]).unwrap();
        disk.read_at(90, &mut [0; 30]).unwrap_err();
        assert_eq!((disk.reads(), disk.bytes()), (2, 60));
        disk.reset();
        assert_eq!((disk.reads(), disk.bytes()), (0, 0));
        assert_eq!(disk.size(), 100);
    }
}
