//! Map entries as tokens. What was written in one go names chunks in a row, and what was never written is zero,
//! so most maps become a few bytes.
//!
//! An entry is taken as a number whose low half is the chunk: entries in a row count up. A token is a varint, `2n`
//! for `n` zero entries, `2n + 1` for `n` in a row; the latter is followed by how far the first is from where the
//! row before ended (from 0 at first), as a varint whose lowest bit is the sign.

use alloc::vec::Vec;
use core::ops::Range;

use super::{put_varint, take_varint};
use crate::format::ByteOrder;

/// Length of an entry in bytes.
pub(super) const WORD: u64 = 8;

/// The number that an entry is taken as.
pub(super) fn number_of(bytes: [u8; 8], order: ByteOrder) -> u64 {
    match order {
        ByteOrder::Little => u64::from_le_bytes(bytes).rotate_left(32),
        ByteOrder::Big => u64::from_be_bytes(bytes),
    }
}

/// The entry that is taken as `number`.
pub(super) fn entry_of(number: u64, order: ByteOrder) -> [u8; 8] {
    match order {
        ByteOrder::Little => number.rotate_left(32).to_le_bytes(),
        ByteOrder::Big => number.to_be_bytes(),
    }
}

/// Entries that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    Zeros(u64),
    /// The first, and how many there are.
    Row(u64, u64),
}

impl Run {
    pub(super) fn start(number: u64) -> Self {
        if number == 0 { Self::Zeros(1) } else { Self::Row(number, 1) }
    }

    pub(super) fn len(self) -> u64 {
        match self {
            Self::Zeros(len) | Self::Row(_, len) => len,
        }
    }

    /// The run with `number` at its end, if that is the next.
    pub(super) fn and(self, number: u64) -> Option<Self> {
        match self {
            Self::Zeros(len) if number == 0 => Some(Self::Zeros(len + 1)),
            Self::Row(first, len) if number != 0 && first.wrapping_add(len) == number => {
                Some(Self::Row(first, len + 1))
            }
            _ => None,
        }
    }

    /// Appends the token; `expected` is where the row before ended.
    pub(super) fn put(self, expected: &mut u64, out: &mut Vec<u8>) {
        match self {
            Self::Zeros(len) => put_varint(len << 1, out),
            Self::Row(first, len) => {
                put_varint(len << 1 | 1, out);
                let distance = first.wrapping_sub(*expected).cast_signed();
                put_varint((distance << 1 ^ distance >> 63).cast_unsigned(), out);
                *expected = first.wrapping_add(len);
            }
        }
    }

    fn take(tokens: &mut &[u8], expected: &mut u64) -> Option<Self> {
        let token = take_varint(tokens)?;
        let len = token >> 1;
        if token & 1 == 0 {
            return Some(Self::Zeros(len));
        }
        let distance = take_varint(tokens)?;
        let distance = distance >> 1 ^ (distance & 1).wrapping_neg();
        let first = expected.wrapping_add(distance);
        *expected = first.wrapping_add(len);
        Some(Self::Row(first, len))
    }
}

/// Whether `tokens` stand for exactly `len` bytes, and how many there are.
pub(super) fn measure(mut tokens: &[u8], len: u64) -> Option<u64> {
    let (mut words, mut count, mut expected) = (0_u64, 0, 0);
    while !tokens.is_empty() {
        words = words.checked_add(Run::take(&mut tokens, &mut expected)?.len())?;
        count += 1;
    }
    (words.checked_mul(WORD) == Some(len)).then_some(count)
}

/// Fills `buf` with the bytes in `range` of those that `tokens` stand for; they were [measured](measure).
pub(super) fn expand(mut tokens: &[u8], order: ByteOrder, range: Range<u64>, buf: &mut [u8]) {
    let (mut position, mut expected) = (0, 0);
    while position < range.end {
        let run = Run::take(&mut tokens, &mut expected).expect("the tokens were measured");
        let end = position + run.len() * WORD;
        let wanted = position.max(range.start)..end.min(range.end);
        if !wanted.is_empty() {
            let place = |at: u64| usize::try_from(at - range.start).expect("within the buffer");
            let part = &mut buf[place(wanted.start)..place(wanted.end)];
            fill(run, order, wanted.start - position, part);
        }
        position = end;
    }
}

/// Fills `part` with the bytes of a run from its byte `within` on.
fn fill(run: Run, order: ByteOrder, within: u64, part: &mut [u8]) {
    let Run::Row(first, _) = run else { return part.fill(0) };
    let mut at = within;
    let mut rest = part;
    while !rest.is_empty() {
        let entry = entry_of(first.wrapping_add(at / WORD), order);
        let start = usize::try_from(at % WORD).expect("below eight");
        let len = rest.len().min(entry.len() - start);
        let (head, tail) = rest.split_at_mut(len);
        head.copy_from_slice(&entry[start..start + len]);
        at += len as u64;
        rest = tail;
    }
}
