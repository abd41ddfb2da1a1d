//! Bytes taken as a list of decisions.

use crate::Decisions;

/// Reads decisions off a string of bytes. When it has ended, every decision is 0.
#[derive(Debug, Clone)]
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    /// The decisions that `bytes` are.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// A number in `0..bound`, from one byte where that is enough, else from two or eight.
    ///
    /// # Panics
    ///
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let raw = match bound {
            0..=0x100 => u64::from(self.array::<1>()[0]),
            0x101..=0x1_0000 => u64::from(u16::from_le_bytes(self.array())),
            _ => u64::from_le_bytes(self.array()),
        };
        raw % bound
    }

    /// Yes or no; no when there is nothing left.
    pub fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// One of `items`, the first when there is nothing left.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn pick<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        self.choose(items)
    }

    /// A number that is likely to hurt: 0, 1, the largest of a width, one beside a power of two, or any.
    pub fn number(&mut self) -> u64 {
        let kind = self.below(8);
        let power = 1 << self.below(64);
        match kind {
            0 => self.below(256),
            1 => *self.pick(&[0, 1, 0xffff, 0xffff_ffff, u64::MAX, 1 << 63, 1 << 31, 1 << 32]),
            2 => power,
            3 => power - 1,
            4 => power + 1,
            5 => self.below(0x1_0000),
            _ => u64::from_le_bytes(self.array()),
        }
    }

    /// Whether all that is left to decide is 0.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `len` bytes, or as many as there are.
    pub fn take(&mut self, len: u64) -> &'a [u8] {
        let len = usize::try_from(len).map_or(self.bytes.len(), |len| len.min(self.bytes.len()));
        let (taken, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        taken
    }

    /// The next `N` bytes, filled up with zeros.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N as u64);
        array[..taken.len()].copy_from_slice(taken);
        array
    }
}

impl Decisions for Choices<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        Self::below(self, bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_counts_as_zero() {
        let mut choices = Choices::new(&[3, 0x34, 0x12]);
        assert_eq!(choices.below(10), 3);
        assert_eq!(choices.below(0x1_0000), 0x1234);
        assert_eq!((choices.below(10), choices.flag(), choices.number()), (0, false, 0));
        assert_eq!(choices.pick(&["first", "second"]), &"first");
        assert_eq!(Choices::new(&[7]).array(), [7, 0, 0]);
    }
}
