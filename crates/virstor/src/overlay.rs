//! Disks as they will be: patches done to a view, and not to the disks.
//!
//! What is planned is proven on an overlay before a byte is written: whatever reads disks reads these. Only what
//! differs is kept; copied bytes are read from where they lie.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Bound;

use crate::geometry::ComponentIndex;
use crate::io::{IoError, ReadAt};
use crate::patch::Patch;

/// Disks with patches done to them. Clones share what they hold until one of them is changed.
#[derive(Debug)]
pub struct Overlay<D> {
    disks: Arc<Vec<D>>,
    pieces: Arc<Vec<Pieces>>,
}

/// What differs on one disk, by first byte. Pieces do not overlap.
type Pieces = BTreeMap<u64, Piece>;

#[derive(Debug, Clone)]
struct Piece {
    len: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Zeros,
    /// From this byte of these on.
    Bytes(Arc<[u8]>, u64),
    /// What the disk with this number holds from this byte on.
    Base(usize, u64),
}

impl Piece {
    /// What is left of it behind its first `skip` bytes, at most `len` bytes of it.
    fn part(&self, skip: u64, len: u64) -> Self {
        let what = match &self.what {
            What::Zeros => What::Zeros,
            What::Bytes(bytes, start) => What::Bytes(bytes.clone(), start + skip),
            What::Base(disk, start) => What::Base(*disk, start + skip),
        };
        Self { len: (self.len - skip).min(len), what }
    }

    /// Whether both begin with the same byte of the same thing, so that as far as both reach they are the same.
    fn is_same_start(&self, other: &Self) -> bool {
        match (&self.what, &other.what) {
            (What::Zeros, What::Zeros) => true,
            (What::Bytes(bytes, start), What::Bytes(others, other_start)) => {
                start == other_start && Arc::ptr_eq(bytes, others)
            }
            (What::Base(disk, start), What::Base(other_disk, other_start)) => {
                (disk, start) == (other_disk, other_start)
            }
            _ => false,
        }
    }
}

/// One disk of an [`Overlay`] as it was when it was asked for.
#[derive(Debug)]
pub struct OverlayDisk<D> {
    overlay: Overlay<D>,
    number: usize,
}

// Derived ones would want the disks to be clonable.
impl<D> Clone for Overlay<D> {
    fn clone(&self) -> Self {
        Self { disks: self.disks.clone(), pieces: self.pieces.clone() }
    }
}

impl<D> Clone for OverlayDisk<D> {
    fn clone(&self) -> Self {
        Self { overlay: self.overlay.clone(), number: self.number }
    }
}

impl<D: ReadAt> Overlay<D> {
    /// The disks as they are.
    #[must_use]
    pub fn new(disks: Vec<D>) -> Self {
        let pieces = vec![Pieces::new(); disks.len()];
        Self { disks: Arc::new(disks), pieces: Arc::new(pieces) }
    }

    /// Disk `number` as it is by now.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn disk(&self, number: usize) -> OverlayDisk<D> {
        assert!(number < self.disks.len(), "there is a disk {number}");
        OverlayDisk { overlay: self.clone(), number }
    }

    /// All disks as they are by now, in their order.
    #[must_use]
    pub fn disks(&self) -> Vec<OverlayDisk<D>> {
        (0..self.disks.len()).map(|number| self.disk(number)).collect()
    }

    /// The first of `len` bytes that are not known to be the same here from `at` on (which disk, and its first byte
    /// there) and in `other`, an overlay of the same disks, from `other_at` on; counted from the first. What both take
    /// from the same place of a disk is not read. The rest is, as long as `budget` lasts, which is how many bytes may
    /// be read of either; what cannot be read, or no more, is not known to be the same.
    ///
    /// # Panics
    ///
    /// When there is no such disk.
    #[must_use]
    pub fn first_difference(
        &self,
        at: (usize, u64),
        other: &Self,
        other_at: (usize, u64),
        len: u64,
        budget: &mut u64,
    ) -> Option<u64> {
        let pieces = |overlay: &Self, (disk, start): (usize, u64)| {
            look(&overlay.pieces[disk], disk, start, len).into_iter()
        };
        let (mut here, mut there) = (pieces(self, at), pieces(other, other_at));
        let (mut mine, mut theirs) = (here.next(), there.next());
        let mut done = 0;
        while let (Some(one), Some(two)) = (&mine, &theirs) {
            let len = one.len.min(two.len);
            if !one.is_same_start(two) {
                let (one, two) =
                    ((&self.disk(at.0), at.1 + done), (&other.disk(other_at.0), other_at.1 + done));
                if let Some(within) = first_unlike(one, two, len, budget) {
                    return Some(done + within);
                }
            }
            done += len;
            let rest = |piece: &Piece| (piece.len > len).then(|| piece.part(len, u64::MAX));
            (mine, theirs) = (rest(one).or_else(|| here.next()), rest(two).or_else(|| there.next()));
        }
        None
    }

    /// Does `patches`, which name the disks by their position; `place` says which disk that is, and where its
    /// first byte lies there.
    ///
    /// # Panics
    ///
    /// When a patch names a disk that is not there.
    pub fn apply(&mut self, patches: &[Patch], place: impl Fn(ComponentIndex) -> (usize, u64)) {
        let pieces = Arc::make_mut(&mut self.pieces);
        for patch in patches {
            match patch {
                Patch::Write { component, offset, bytes } => {
                    let (disk, start) = place(*component);
                    let what = What::Bytes(bytes.as_slice().into(), 0);
                    put(&mut pieces[disk], start + offset, Piece { len: bytes.len() as u64, what });
                }
                Patch::Zero { component, offset, len } => {
                    let (disk, start) = place(*component);
                    put(&mut pieces[disk], start + offset, Piece { len: *len, what: What::Zeros });
                }
                Patch::Copy { from, to, len } => {
                    let (from_disk, from_start) = place(from.0);
                    let (to_disk, to_start) = place(to.0);
                    let mut at = to_start + to.1;
                    for piece in look(&pieces[from_disk], from_disk, from_start + from.1, *len) {
                        let len = piece.len;
                        put(&mut pieces[to_disk], at, piece);
                        at += len;
                    }
                }
                Patch::Barrier => {}
            }
        }
    }
}

/// Puts `piece` at byte `at`, over what is there.
fn put(pieces: &mut Pieces, at: u64, piece: Piece) {
    let end = at + piece.len;
    if piece.len == 0 {
        return;
    }
    // The piece that reaches into the range from before it is split, and so is the one that reaches out.
    let before = pieces.range(..at).next_back().map(|(start, piece)| (*start, piece.clone()));
    if let Some((start, old)) = before.filter(|(start, old)| start + old.len > at) {
        if start + old.len > end {
            pieces.insert(end, old.part(end - start, u64::MAX));
        }
        pieces.insert(start, old.part(0, at - start));
    }
    while let Some((start, old)) = pieces.range(at..end).next().map(|(start, old)| (*start, old.clone())) {
        pieces.remove(&start);
        if start + old.len > end {
            pieces.insert(end, old.part(end - start, u64::MAX));
        }
    }
    pieces.insert(at, piece);
}

/// So many bytes are compared at once.
const COMPARED: u64 = 64 << 10;

/// The first of `len` bytes of two disks, each from a byte of its own on, that differ or cannot be read; or where
/// `budget`, the bytes that may be read, comes to its end.
fn first_unlike(
    (one, start): (&impl ReadAt, u64),
    (two, other_start): (&impl ReadAt, u64),
    len: u64,
    budget: &mut u64,
) -> Option<u64> {
    let mut done = 0;
    while done < len {
        let piece = (len - done).min(COMPARED).min(*budget);
        if piece == 0 {
            return Some(done);
        }
        *budget -= piece;
        let mut bytes = vec![0; usize::try_from(piece).expect("at most 64 KiB")];
        let mut others = bytes.clone();
        let read = one.read_at(start + done, &mut bytes).and(two.read_at(other_start + done, &mut others));
        if read.is_err() {
            return Some(done);
        }
        if let Some(within) = bytes.iter().zip(&others).position(|(byte, other)| byte != other) {
            return Some(done + within as u64);
        }
        done += piece;
    }
    None
}

/// What the `len` bytes of a disk from `start` on are, piece by piece.
fn look(pieces: &Pieces, disk: usize, start: u64, len: u64) -> Vec<Piece> {
    let end = start + len;
    let mut found = Vec::new();
    let mut at = start;
    let reaching_in = pieces.range(..=start).next_back().filter(|(first, piece)| *first + piece.len > start);
    let later = pieces.range((Bound::Excluded(start), Bound::Excluded(end.max(start + 1))));
    for (first, piece) in reaching_in.into_iter().chain(later) {
        if *first > at {
            found.push(Piece { len: first - at, what: What::Base(disk, at) });
            at = *first;
        }
        let part = piece.part(at - first, end - at);
        at += part.len;
        found.push(part);
    }
    if at < end {
        found.push(Piece { len: end - at, what: What::Base(disk, at) });
    }
    found
}

impl<D: ReadAt> ReadAt for OverlayDisk<D> {
    fn size(&self) -> u64 {
        self.overlay.disks[self.number].size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let len = buf.len() as u64;
        if offset.checked_add(len).is_none_or(|end| end > self.size()) {
            return Err(IoError::new(offset, buf.len(), "past the end"));
        }
        let mut rest = buf;
        for piece in look(&self.overlay.pieces[self.number], self.number, offset, len) {
            let (buf, tail) = rest.split_at_mut(usize::try_from(piece.len).expect("a part of the buffer"));
            match piece.what {
                What::Zeros => buf.fill(0),
                What::Bytes(bytes, start) => {
                    let start = usize::try_from(start).expect("within the bytes");
                    buf.copy_from_slice(&bytes[start..start + buf.len()]);
                }
                What::Base(disk, start) => self.overlay.disks[disk].read_at(start, buf)?,
            }
            rest = tail;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::perform;

    /// Random enough for places: a linear congruence.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    #[test]
    fn reads_what_the_disks_would_hold_were_the_patches_performed() {
        let mut numbers = Numbers(1);
        for _ in 0..200 {
            let disks: Vec<Vec<u8>> =
                (1..=2).map(|disk| (0..64).map(|byte| disk * 64 + byte).collect()).collect();
            let mut overlay = Overlay::new(disks.clone());
            let real: Vec<Memory> = disks.into_iter().map(Memory::new).collect();
            for _ in 0..12 {
                let mut place = || {
                    let number = u16::try_from(numbers.below(2)).expect("small");
                    (ComponentIndex(number), numbers.below(48))
                };
                let ((component, offset), from) = (place(), place());
                let len = numbers.below(16);
                let patch = match numbers.below(3) {
                    0 => Patch::Zero { component, offset, len },
                    1 if from.0 != component => Patch::Copy { from, to: (component, offset), len },
                    _ => Patch::Write {
                        component,
                        offset,
                        bytes: (0..len).map(|_| numbers.below(256).to_le_bytes()[0]).collect(),
                    },
                };
                let patches = [patch, Patch::Barrier];
                overlay.apply(&patches, |component| (component.as_usize(), 0));
                perform(&patches, &real).expect("memory");
                for (number, real) in real.iter().enumerate() {
                    let mut bytes = [0; 64];
                    overlay.disk(number).read_at(0, &mut bytes).expect("memory");
                    assert_eq!(bytes[..], real.bytes()[..]);
                }
            }
        }
    }

    #[test]
    fn a_disk_stays_what_it_was_when_it_was_asked_for() {
        let mut overlay = Overlay::new(vec![vec![7_u8; 4]]);
        let before = overlay.disk(0);
        overlay.apply(&[Patch::Zero { component: ComponentIndex(0), offset: 1, len: 2 }], |_| (0, 0));
        let mut bytes = [0; 4];
        before.read_at(0, &mut bytes).expect("memory");
        assert_eq!(bytes, [7; 4]);
        overlay.disk(0).read_at(0, &mut bytes).expect("memory");
        assert_eq!(bytes, [7, 0, 0, 7]);
        assert!(overlay.disk(0).read_at(1, &mut bytes).is_err());
    }

    #[test]
    fn bytes_from_the_same_place_are_the_same_unread_and_others_are_compared() {
        let copy =
            |from, to| Patch::Copy { from: (ComponentIndex(0), from), to: (ComponentIndex(1), to), len: 4 };
        let write =
            |offset, bytes: &[u8]| Patch::Write { component: ComponentIndex(1), offset, bytes: bytes.into() };
        let before = Overlay::new(vec![vec![1_u8, 2, 3, 4, 5, 6, 7, 8], vec![9_u8; 8]]);
        let differs = |patches: &[Patch], at, other_at, len, mut budget| {
            let mut after = before.clone();
            after.apply(patches, |component| (component.as_usize(), 0));
            before.first_difference(at, &after, other_at, len, &mut budget)
        };
        assert_eq!(differs(&[], (0, 0), (0, 0), 8, 0), None, "nothing is read");
        assert_eq!(
            differs(&[copy(2, 3)], (0, 2), (1, 3), 4, 0),
            None,
            "a copy is known by where it comes from"
        );
        assert_eq!(differs(&[copy(2, 3)], (0, 2), (1, 3), 5, 9), Some(4), "what is behind it is not");
        assert_eq!(differs(&[write(2, &[9, 9])], (1, 0), (1, 0), 8, 2), None, "the same bytes written again");
        assert_eq!(differs(&[write(2, &[9, 9])], (1, 0), (1, 0), 8, 1), Some(3), "no more may be read");
        assert_eq!(differs(&[write(2, &[9, 8])], (1, 0), (1, 0), 8, 9), Some(3));
        assert_eq!(differs(&[], (0, 4), (1, 4), 8, 9), Some(0));
    }

    struct Memory(core::cell::RefCell<Vec<u8>>);

    impl Memory {
        fn new(bytes: Vec<u8>) -> Self {
            Self(core::cell::RefCell::new(bytes))
        }

        fn bytes(&self) -> Vec<u8> {
            self.0.borrow().clone()
        }
    }

    impl ReadAt for Memory {
        fn size(&self) -> u64 {
            self.0.borrow().size()
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
            self.0.borrow().read_at(offset, buf)
        }
    }

    impl crate::io::WriteAt for Memory {
        fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
            let start = usize::try_from(offset).expect("small");
            self.0.borrow_mut()[start..start + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn flush(&self) -> Result<(), IoError> {
            Ok(())
        }
    }
}
