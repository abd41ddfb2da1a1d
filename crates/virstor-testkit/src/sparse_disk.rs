//! A disk in memory that costs only the pages that are not zero.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use virstor::io::{IoError, ReadAt};

use crate::digest::hex;

/// The piece in which contents are kept, in bytes.
const PAGE: usize = 4096;
const PAGE_U64: u64 = PAGE as u64;

/// A simulated disk of up to 2^63 bytes.
///
/// A page of zeros is never kept, whoever wrote it. So a disk of holes costs nothing, and two disks are
/// equal (`==`, in time proportional to what is not zero) exactly when their sizes and contents are.
#[derive(Clone, PartialEq, Eq)]
pub struct SparseDisk {
    size: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl SparseDisk {
    /// A disk of `size` bytes, all zero.
    ///
    /// # Panics
    ///
    /// When `size` exceeds 2^63, the largest disk there is.
    #[must_use]
    pub fn new(size: u64) -> Self {
        assert!(size <= 1 << 63, "a disk has at most 2^63 bytes, not {size}");
        Self { size, pages: BTreeMap::new() }
    }

    /// A disk that holds exactly `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut disk = Self::new(bytes.len() as u64);
        disk.write_at(0, bytes).expect("the disk was made as large as the bytes");
        disk
    }

    /// Makes the `len` bytes from `offset` on zero, in time proportional to the pages that are kept.
    ///
    /// # Errors
    ///
    /// When they reach past the end; then nothing is changed.
    pub fn write_zeros(&mut self, offset: u64, len: u64) -> Result<(), IoError> {
        let Some(end) = offset.checked_add(len).filter(|end| *end <= self.size) else {
            return Err(IoError::writing(offset, usize::try_from(len).unwrap_or(usize::MAX), "past the end"));
        };
        let kept: Vec<u64> = self
            .pages
            .range(offset / PAGE_U64..end.div_ceil(PAGE_U64))
            .map(|(number, _)| number * PAGE_U64)
            .collect();
        for page in kept {
            let (from, until) = (page.max(offset), (page + PAGE_U64).min(end));
            self.write_at(from, &[0; PAGE][..shorter(PAGE, until - from)])?;
        }
        Ok(())
    }

    /// Puts `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// When not all of `bytes` fits; then nothing is written.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        if !self.holds(offset, bytes.len()) {
            return Err(IoError::writing(offset, bytes.len(), "past the end"));
        }
        let mut rest = bytes;
        let mut position = offset;
        while !rest.is_empty() {
            let within = within_page(position);
            let (piece, tail) = rest.split_at(rest.len().min(PAGE - within));
            self.write_page(position / PAGE_U64, within, piece);
            position += piece.len() as u64;
            rest = tail;
        }
        Ok(())
    }

    /// The `len` bytes from `offset` on.
    ///
    /// # Panics
    ///
    /// When they reach past the end.
    #[must_use]
    pub fn bytes(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.read_at(offset, &mut bytes).expect("the range is within the disk");
        bytes
    }

    /// Makes the disk larger (the new part is zero) or smaller (the rest is gone).
    ///
    /// # Panics
    ///
    /// When `size` exceeds 2^63.
    pub fn resize(&mut self, size: u64) {
        assert!(size <= 1 << 63, "a disk has at most 2^63 bytes, not {size}");
        self.pages.split_off(&size.div_ceil(PAGE_U64));
        if let Some(last) = self.pages.get_mut(&(size / PAGE_U64)) {
            last[within_page(size)..].fill(0);
            if is_zero(&last[..]) {
                self.pages.remove(&(size / PAGE_U64));
            }
        }
        self.size = size;
    }

    /// How many pages of 4 KiB are kept: those with a byte that is not zero.
    #[must_use]
    pub fn used_pages(&self) -> usize {
        self.pages.len()
    }

    /// What is kept, ascending: the offset in bytes of each page and its bytes. Everything between is zero.
    ///
    /// The last piece is shorter than a page when the disk ends within it.
    pub fn used(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pages.iter().map(|(&number, page)| {
            let offset = number * PAGE_U64;
            (offset, &page[..shorter(PAGE, self.size - offset)])
        })
    }

    /// The SHA-256 of the whole disk, as hexadecimal digits.
    ///
    /// Holes have to be hashed like everything else: about a second for 1 to 2 GiB where the processor helps,
    /// five where not. To compare two disks, use `==`.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        let mut position = 0;
        for (offset, bytes) in self.used() {
            hash_zeros(&mut hasher, offset - position);
            hasher.update(bytes);
            position = offset + bytes.len() as u64;
        }
        hash_zeros(&mut hasher, self.size - position);
        hex(&hasher.finalize())
    }

    fn write_page(&mut self, number: u64, within: usize, piece: &[u8]) {
        if is_zero(piece) && !self.pages.contains_key(&number) {
            return;
        }
        let page = self.pages.entry(number).or_insert_with(|| Box::new([0; PAGE]));
        page[within..within + piece.len()].copy_from_slice(piece);
        if is_zero(&page[..]) {
            self.pages.remove(&number);
        }
    }

    fn holds(&self, offset: u64, len: usize) -> bool {
        offset.checked_add(len as u64).is_some_and(|end| end <= self.size)
    }
}

impl ReadAt for SparseDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        if !self.holds(offset, buf.len()) {
            return Err(IoError::new(offset, buf.len(), "past the end"));
        }
        buf.fill(0);
        let end = offset + buf.len() as u64;
        for (&number, page) in self.pages.range(offset / PAGE_U64..end.div_ceil(PAGE_U64)) {
            let start = number * PAGE_U64;
            let from = start.max(offset);
            let until = (start + PAGE_U64).min(end);
            let part = &page[shorter(PAGE, from - start)..shorter(PAGE, until - start)];
            let place = shorter(buf.len(), from - offset);
            buf[place..place + part.len()].copy_from_slice(part);
        }
        Ok(())
    }
}

/// A disk is too long to be printed.
impl std::fmt::Debug for SparseDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SparseDisk")
            .field("size", &self.size)
            .field("used_pages", &self.used_pages())
            .finish_non_exhaustive()
    }
}

fn within_page(position: u64) -> usize {
    usize::try_from(position % PAGE_U64).expect("a remainder of 4096 fits")
}

/// The smaller of the two, which fits because `bound` does.
fn shorter(bound: usize, len: u64) -> usize {
    usize::try_from(len).map_or(bound, |len| len.min(bound))
}

/// Whether all bytes are zero; compares whole pieces, which is as fast as memory.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; PAGE] = [0; PAGE];
    bytes.chunks(PAGE).all(|piece| piece == &ZEROS[..piece.len()])
}

fn hash_zeros(hasher: &mut Sha256, len: u64) {
    static ZEROS: [u8; 16 * PAGE] = [0; 16 * PAGE];
    let mut left = len;
    while left > 0 {
        let piece = &ZEROS[..shorter(ZEROS.len(), left)];
        hasher.update(piece);
        left -= piece.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{for_each_seed, sha256_hex};

    #[test]
    fn behaves_like_a_vector_of_bytes() {
        for_each_seed(0..50, |random| {
            let size = usize::try_from(random.below(40_000)).unwrap();
            let mut model = vec![0; size];
            let mut disk = SparseDisk::new(size as u64);
            for _ in 0..40 {
                let start = usize::try_from(random.below(size as u64 + 1)).unwrap();
                let len = usize::try_from(random.below((size - start) as u64 + 1)).unwrap();
                let mut bytes = vec![0; len];
                if random.below(3) > 0 {
                    random.fill(&mut bytes);
                }
                model[start..start + len].copy_from_slice(&bytes);
                disk.write_at(start as u64, &bytes).unwrap();

                let start = usize::try_from(random.below(size as u64 + 1)).unwrap();
                let len = usize::try_from(random.below((size - start) as u64 / 4 + 1)).unwrap();
                model[start..start + len].fill(0);
                disk.write_zeros(start as u64, len as u64).unwrap();

                let start = usize::try_from(random.below(size as u64 + 1)).unwrap();
                let len = usize::try_from(random.below((size - start) as u64 + 1)).unwrap();
                assert_eq!(disk.bytes(start as u64, len), model[start..start + len]);
            }
            assert_eq!(disk.sha256(), sha256_hex(&model));
            assert_eq!(disk, SparseDisk::from_bytes(&model));
        });
    }

    #[test]
    fn the_largest_disk_costs_only_what_is_written() {
        let mut disk = SparseDisk::new(1 << 63);
        disk.write_at((1 << 63) - 3, b"end").unwrap();
        disk.write_at(0, b"begin").unwrap();
        assert_eq!(disk.used_pages(), 2);
        assert_eq!(disk.bytes((1 << 63) - 5, 5), b"\0\0end");
    }

    #[test]
    fn zeros_take_no_page_and_give_one_back() {
        let mut disk = SparseDisk::new(1 << 20);
        disk.write_at(0, &[0; 1 << 20]).unwrap();
        assert_eq!(disk.used_pages(), 0);
        disk.write_at(4095, b"ab").unwrap();
        assert_eq!(disk.used_pages(), 2);
        disk.write_at(4096, &[0]).unwrap();
        assert_eq!(disk.used_pages(), 1);
    }

    #[test]
    fn a_request_past_the_end_is_refused_whole() {
        let mut disk = SparseDisk::new(10);
        let before = disk.clone();
        assert_eq!(disk.write_at(8, b"abc"), Err(IoError::writing(8, 3, "past the end")));
        assert_eq!(disk, before);
        assert_eq!(disk.read_at(11, &mut []), Err(IoError::new(11, 0, "past the end")));
        assert_eq!(disk.read_at(u64::MAX, &mut [0]), Err(IoError::new(u64::MAX, 1, "past the end")));
        assert_eq!(disk.read_at(10, &mut []), Ok(()));
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut disk = SparseDisk::from_bytes(&[7; 10_000]);
        disk.resize(5000);
        disk.resize(10_000);
        let mut expected = vec![7; 5000];
        expected.resize(10_000, 0);
        assert_eq!(disk, SparseDisk::from_bytes(&expected));
        disk.resize(4096);
        assert_eq!(disk.used().collect::<Vec<_>>(), [(0, &[7; 4096][..])]);
    }
}
