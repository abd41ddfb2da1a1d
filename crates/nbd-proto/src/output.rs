//! What is to be sent to a client.

use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// Bytes that are to be sent to a client, in the order in which they were appended.
///
/// Room that it had before is not cleared when it is used again, as that of a `Vec<u8>` would be: the bytes of a large
/// read are written once, by the disk. One who gives the same output to several clients, one after the other, has to
/// fill what [`ReadReply::data`](crate::ReadReply::data) hands out, or to fail.
#[derive(Clone, Default)]
pub struct Output {
    /// What is behind `len` is left over from before.
    bytes: Vec<u8>,
    len: usize,
}

impl Output {
    /// An empty one, without any room.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes it has room for without asking for memory.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes everything out and keeps the room.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes out the first `count` bytes and moves up what is behind them.
    ///
    /// # Panics
    ///
    /// When there are fewer.
    pub fn remove_front(&mut self, count: usize) {
        self.bytes.copy_within(count..self.len, 0);
        self.len -= count;
    }

    /// Appends `bytes`.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let there = bytes.len().min(self.bytes.len() - self.len);
        let (over, behind) = bytes.split_at(there);
        self.bytes[self.len..][..there].copy_from_slice(over);
        self.bytes.extend_from_slice(behind);
        self.len += bytes.len();
    }

    /// Appends `count` bytes, whatever they are, and gives them to be filled.
    pub(crate) fn extend_to_fill(&mut self, count: usize) -> &mut [u8] {
        let start = self.len;
        self.len += count;
        if self.bytes.len() < self.len {
            self.bytes.resize(self.len, 0);
        }
        &mut self.bytes[start..self.len]
    }

    /// Takes out what is behind the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl Deref for Output {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl DerefMut for Output {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("len", &self.len).field("capacity", &self.capacity()).finish()
    }
}

impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Output {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_shows_only_where_it_is_to_be_filled() {
        let mut out = Output::new();
        out.extend_from_slice(b"earlier words");
        out.clear();
        assert!(out.is_empty());
        out.extend_from_slice(b"new ");
        assert_eq!(out.extend_to_fill(4), b"ier ");
        out.extend_from_slice(b"longer than it ever was");
        assert_eq!(&*out, b"new ier longer than it ever was");
        out.truncate(4);
        assert_eq!(&*out, b"new ");
        out.truncate(9);
        assert_eq!(out.len(), 4);
    }

    #[test]
    fn what_has_been_sent_makes_room_for_more() {
        let mut out = Output::new();
        out.extend_from_slice(b"sent kept");
        out.remove_front(5);
        assert_eq!(&*out, b"kept");
        out.extend_from_slice(b" and more");
        assert_eq!(&*out, b"kept and more");
        out.remove_front(13);
        assert!(out.is_empty());
    }

    #[test]
    fn new_room_is_zero_and_old_room_is_kept() {
        let mut out = Output::new();
        assert_eq!(out.extend_to_fill(3), [0; 3]);
        out[1] = 7;
        out.clear();
        let room = out.capacity();
        assert_eq!(out.extend_to_fill(3), [0, 7, 0]);
        assert_eq!(out.capacity(), room);
    }
}
