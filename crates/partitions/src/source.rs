//! Bounded reading that goes on after a bad sector.

use virstor::io::{IoError, ReadAt};

/// Where all kinds of table but the GPT's backup begin. FreeBSD calls it `BBSIZE`.
const BOOT_AREA: u64 = 8192;

/// The size that all boot sectors and disklabels have, whatever the disk's sectors.
pub(crate) const RECORD: usize = 512;

/// The disk, and what went wrong with it at a place where that matters.
pub(crate) struct Source<'a> {
    disk: &'a dyn ReadAt,
    pub(crate) size: u64,
    /// The first error in the boot area.
    pub(crate) boot_area_error: Option<IoError>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(disk: &'a dyn ReadAt) -> Self {
        Self { disk, size: disk.size(), boot_area_error: None }
    }

    /// Fills `buf` from `offset` on; `None` when that is not on the disk or cannot be read.
    pub(crate) fn read(&mut self, offset: u64, buf: &mut [u8]) -> Option<()> {
        let end = offset.checked_add(buf.len() as u64)?;
        if end > self.size {
            return None;
        }
        match self.disk.read_at(offset, buf) {
            Ok(()) => Some(()),
            Err(error) => {
                if offset < BOOT_AREA && self.boot_area_error.is_none() {
                    self.boot_area_error = Some(error);
                }
                None
            }
        }
    }

    /// The 512 bytes at `offset`.
    pub(crate) fn sector(&mut self, offset: u64) -> Option<[u8; RECORD]> {
        let mut bytes = [0; RECORD];
        self.read(offset, &mut bytes)?;
        Some(bytes)
    }
}

/// The little-endian number at `at`; `bytes` is a whole record, so it is always there.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

/// As [`u16_at`].
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// As [`u16_at`].
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// The `N` bytes at `at`.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}
