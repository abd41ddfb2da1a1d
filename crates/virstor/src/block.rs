//! Memory that bytes of disks are read into.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// What a block begins at a multiple of: the length of a line of the processor's cache.
const ALIGNMENT: usize = 64;

/// Bytes, zeros at first, at an address that they are copied to fast.
///
/// An allocator begins what is large 16 bytes behind the start of a page. What a kernel holds of a file begins at the
/// start of one, and to copy that to there takes three times as long as to any multiple of 64: a processor first looks
/// at the lower 12 bits of addresses only when it asks whether it has to wait for what was stored just now.
#[derive(Debug)]
pub struct Block {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Block {
    /// `len` zeros.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let bytes = vec![0; len + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { bytes, start, len }
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_line_of_the_cache_and_is_as_long_as_asked_for() {
        for len in [0, 1, 511, 4096, 1 << 20] {
            let mut block = Block::new(len);
            assert_eq!(block.as_ptr().align_offset(ALIGNMENT), 0);
            assert_eq!(block.len(), len);
            block.fill(7);
            assert!(block.iter().all(|byte| *byte == 7));
        }
    }
}
