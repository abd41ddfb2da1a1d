//! Indexes, counts and sizes as types of their own, so that a chunk number cannot be taken for an offset.

use core::fmt;
use core::num::NonZeroU32;

/// Which component of a volume: `no` in its record, `provider_no` in a map entry. Counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ComponentIndex(pub u16);

impl ComponentIndex {
    /// As an index into a slice of components.
    #[inline]
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ComponentIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A chunk of the virtual device: the index of its map entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualChunk(pub u64);

/// A chunk of a component, counted from its first byte (reserved ones included).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysicalChunk(pub u32);

/// The size of every chunk of a volume, in bytes. Never zero; on disk nothing more is promised: it need not be
/// a power of two, nor a multiple of today's MAXPHYS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkSize(NonZeroU32);

impl ChunkSize {
    /// `None` for zero.
    #[must_use]
    pub fn new(bytes: u32) -> Option<Self> {
        NonZeroU32::new(bytes).map(Self)
    }

    /// In bytes.
    #[inline]
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0.get())
    }

    /// Where `chunk` starts on its component, in bytes. Cannot overflow: both factors have 32 bits.
    #[inline]
    #[must_use]
    pub fn offset_of(self, chunk: PhysicalChunk) -> u64 {
        u64::from(chunk.0) * self.bytes()
    }

    /// The virtual chunk that holds the virtual byte `position`, and where in that chunk it lies.
    #[inline]
    #[must_use]
    pub fn split(self, position: u64) -> (VirtualChunk, u64) {
        let bytes = self.bytes();
        // Almost all are powers of two, and a division is the slowest that is done to a run of entries.
        let chunk =
            if bytes.is_power_of_two() { position >> bytes.trailing_zeros() } else { position / bytes };
        (VirtualChunk(chunk), position - chunk * bytes)
    }

    /// How many chunks `len` bytes from the first of one on touch.
    #[inline]
    #[must_use]
    pub fn chunks_in(self, len: u64) -> u64 {
        let (whole, rest) = self.split(len);
        whole.0 + u64::from(rest > 0)
    }
}
