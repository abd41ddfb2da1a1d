//! Looking for bytes in a disk or a volume, piece by piece.

use memchr::memmem::Finder;

/// Bytes that are searched at once. Past the cache: see [`crate::cache`].
const PIECE: u64 = 4 << 20;

/// A search that goes on from call to call.
#[derive(Debug)]
pub struct Hunt {
    finder: Finder<'static>,
    next: u64,
    end: u64,
    /// The bytes before `next` that a hit may begin in; fewer than the needle has.
    carry: Vec<u8>,
    buffer: Vec<u8>,
}

/// A stretch of what is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// These many bytes may be read.
    Bytes(u64),
    /// These many are not there, or are zeros that nobody wrote.
    Nothing(u64),
}

impl Hunt {
    /// Looks for `needle` from `start` to `end`. A needle has at least one byte.
    #[must_use]
    pub fn new(needle: &[u8], start: u64, end: u64) -> Self {
        assert!(!needle.is_empty());
        let finder = Finder::new(needle).into_owned();
        Self { finder, next: start, end, carry: Vec::new(), buffer: Vec::new() }
    }

    /// First byte that was not looked at.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether all was looked at.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.next >= self.end
    }

    /// Goes on by one piece, or over one stretch of nothing; gives where hits begin.
    ///
    /// # Errors
    ///
    /// What `read` says.
    pub fn step<E>(
        &mut self,
        stretch: Stretch,
        read: impl FnOnce(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<Vec<u64>, E> {
        let rest = self.end - self.next;
        let len = match stretch {
            Stretch::Nothing(len) => {
                self.carry.clear();
                self.next += len.min(rest);
                return Ok(Vec::new());
            }
            Stretch::Bytes(len) => len.min(rest).min(PIECE),
        };
        let carried = self.carry.len();
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.carry);
        self.buffer.resize(carried + usize::try_from(len).expect("at most a piece"), 0);
        read(self.next, &mut self.buffer[carried..])?;
        let first = self.next - carried as u64;
        let hits = self.finder.find_iter(&self.buffer).map(|hit| first + hit as u64).collect();
        let keep = (self.finder.needle().len() - 1).min(self.buffer.len());
        self.carry.clear();
        self.carry.extend_from_slice(&self.buffer[self.buffer.len() - keep..]);
        self.next += len;
        Ok(hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunt(text: &[u8], needle: &[u8], stretches: &[Stretch]) -> Vec<u64> {
        let mut hunt = Hunt::new(needle, 0, text.len() as u64);
        let mut hits = Vec::new();
        for stretch in stretches {
            let read = |offset: u64, buf: &mut [u8]| {
                let start = usize::try_from(offset).expect("small");
                buf.copy_from_slice(&text[start..start + buf.len()]);
                Ok::<(), ()>(())
            };
            hits.extend(hunt.step(*stretch, read).expect("memory"));
        }
        assert!(hunt.is_done());
        hits
    }

    #[test]
    fn a_hit_across_pieces_is_found_once_and_not_across_a_hole() {
        use Stretch::{Bytes, Nothing};
        let text = b"..abc..abcabc";
        for cut in 1..13 {
            assert_eq!(hunt(text, b"abc", &[Bytes(cut), Bytes(13 - cut)]), [2, 7, 10], "cut at {cut}");
        }
        assert_eq!(hunt(text, b"abc", &[Bytes(3), Nothing(1), Bytes(9)]), [7, 10]);
        assert_eq!(hunt(b"aaaa", b"a", &[Bytes(2), Bytes(2)]), [0, 1, 2, 3]);
    }
}
