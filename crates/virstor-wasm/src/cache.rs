//! Blocks of files that were read, in bounded memory.
//!
//! A call of `FileReaderSync` costs about a millisecond whatever its size, so small reads are served from
//! blocks of 256 KiB, and where one block follows the other several are read at once, up to 4 MiB. What is
//! read in larger pieces than that is bulk, and goes past the cache.

use std::cell::RefCell;
use std::rc::Rc;

use virstor::io::{IoError, ReadAt};

/// Bytes of a block.
pub const BLOCK: u64 = 256 << 10;

/// The most blocks that one call fetches: 4 MiB.
const READ_AHEAD: u64 = 16;

/// Reads of so many bytes are bulk.
const BULK: usize = 2 << 20;

/// What gives the bytes of a file.
pub trait Fetch {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// A reason for people when not all of it could be filled.
    fn fetch(&self, offset: u64, buf: &mut [u8]) -> Result<(), String>;
}

/// Blocks of several files; the one unused for the longest gives way.
#[derive(Debug)]
pub struct Cache<F> {
    files: Vec<File<F>>,
    /// In the order of their keys.
    blocks: Vec<Block>,
    capacity: usize,
    clock: u64,
    fetches: u64,
}

#[derive(Debug)]
struct File<F> {
    fetch: F,
    /// The block behind the last fetch, its first one, and how many blocks it had.
    next: u64,
    first: u64,
    ahead: u64,
}

#[derive(Debug)]
struct Block {
    /// The file, and the number of the block in it.
    key: (usize, u64),
    bytes: Vec<u8>,
    last_use: u64,
}

impl<F: Fetch> Cache<F> {
    /// An empty cache of at most `memory` bytes, but at least what one call fetches.
    #[must_use]
    pub fn new(memory: u64) -> Rc<RefCell<Self>> {
        let capacity = usize::try_from((memory / BLOCK).max(READ_AHEAD)).unwrap_or(usize::MAX);
        Rc::new(RefCell::new(Self { files: Vec::new(), blocks: Vec::new(), capacity, clock: 0, fetches: 0 }))
    }

    /// How often a file was asked for bytes.
    pub fn fetches(&self) -> u64 {
        self.fetches
    }

    /// Forgets all blocks.
    pub fn clear(&mut self) {
        self.blocks.clear();
    }

    fn read(&mut self, file: usize, offset: u64, buf: &mut [u8]) -> Result<(), String> {
        if buf.len() >= BULK {
            self.fetches += 1;
            return self.files[file].fetch.fetch(offset, buf);
        }
        let mut done = 0;
        while done < buf.len() {
            let position = offset + done as u64;
            let (number, within) = (position / BLOCK, to_usize(position % BLOCK));
            let wanted = (within + buf.len() - done).div_ceil(to_usize(BLOCK)) as u64;
            let bytes = self.block(file, number, wanted)?;
            let len = (bytes.len() - within).min(buf.len() - done);
            buf[done..done + len].copy_from_slice(&bytes[within..within + len]);
            done += len;
        }
        Ok(())
    }

    fn block(&mut self, file: usize, number: u64, wanted: u64) -> Result<&[u8], String> {
        if self.place_of((file, number)).is_err() {
            self.load(file, number, wanted)?;
        }
        self.clock += 1;
        let place = self.place_of((file, number)).expect("it was loaded");
        let block = &mut self.blocks[place];
        block.last_use = self.clock;
        Ok(&block.bytes)
    }

    /// Where a block is, or where it would be.
    fn place_of(&self, key: (usize, u64)) -> Result<usize, usize> {
        self.blocks.binary_search_by_key(&key, |block| block.key)
    }

    /// Fetches a block, those behind it that are wanted too, and more where reading goes on from fetch to fetch, in
    /// either direction.
    fn load(&mut self, file: usize, number: u64, wanted: u64) -> Result<(), String> {
        let blocks = self.files[file].fetch.size().div_ceil(BLOCK);
        let File { next, first, ahead, .. } = self.files[file];
        let wanted = wanted.min(READ_AHEAD).min(blocks - number);
        let more = (ahead * 2).clamp(wanted, READ_AHEAD);
        let (start, count) = if next == number {
            (number, more.min(blocks - number))
        } else if first == number + wanted {
            (first.saturating_sub(more), more.min(first))
        } else {
            (number, wanted)
        };
        let fetched = if self.fetch(file, start, count).is_ok() {
            (start, count)
        } else {
            // One of the others may be to blame.
            self.fetch(file, number, 1)?;
            (number, 1)
        };
        let file = &mut self.files[file];
        (file.first, file.ahead, file.next) = (fetched.0, fetched.1, fetched.0 + fetched.1);
        Ok(())
    }

    fn fetch(&mut self, file: usize, number: u64, count: u64) -> Result<(), String> {
        let fetch = &self.files[file].fetch;
        let start = number * BLOCK;
        let mut bytes = vec![0; to_usize((count * BLOCK).min(fetch.size() - start))];
        self.fetches += 1;
        fetch.fetch(start, &mut bytes)?;
        for (block, bytes) in (number..).zip(bytes.chunks(to_usize(BLOCK))) {
            self.make_room();
            self.clock += 1;
            let block = Block { key: (file, block), bytes: bytes.to_vec(), last_use: self.clock };
            match self.place_of(block.key) {
                Ok(place) => self.blocks[place] = block,
                Err(place) => self.blocks.insert(place, block),
            }
        }
        Ok(())
    }

    fn make_room(&mut self) {
        while self.blocks.len() >= self.capacity {
            let oldest = (0..self.blocks.len()).min_by_key(|place| self.blocks[*place].last_use);
            self.blocks.remove(oldest.expect("there is room for some"));
        }
    }
}

/// A file that is read through a cache.
#[derive(Debug)]
pub struct Cached<F> {
    cache: Rc<RefCell<Cache<F>>>,
    file: usize,
    size: u64,
}

impl<F> Clone for Cached<F> {
    fn clone(&self) -> Self {
        Self { cache: Rc::clone(&self.cache), file: self.file, size: self.size }
    }
}

impl<F: Fetch> Cached<F> {
    /// Puts a file behind `cache`.
    pub fn new(cache: &Rc<RefCell<Cache<F>>>, fetch: F) -> Self {
        let size = fetch.size();
        let mut inner = cache.borrow_mut();
        inner.files.push(File { fetch, next: u64::MAX, first: u64::MAX, ahead: 1 });
        Self { cache: Rc::clone(cache), file: inner.files.len() - 1, size }
    }
}

impl<F: Fetch> ReadAt for Cached<F> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(IoError::new(offset, buf.len(), "past the end"));
        }
        let read = self.cache.borrow_mut().read(self.file, offset, buf);
        read.map_err(|reason| IoError::new(offset, buf.len(), reason))
    }
}

fn to_usize(at_most_a_fetch: u64) -> usize {
    usize::try_from(at_most_a_fetch).expect("a fetch is small")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte n of the file is n in its lowest 8 bits, but a block may be bad.
    struct Numbers {
        size: u64,
        bad: Option<u64>,
    }

    impl Fetch for Numbers {
        fn size(&self) -> u64 {
            self.size
        }

        fn fetch(&self, offset: u64, buf: &mut [u8]) -> Result<(), String> {
            let blocks = offset / BLOCK..(offset + buf.len() as u64).div_ceil(BLOCK);
            if self.bad.is_some_and(|bad| blocks.contains(&bad)) {
                return Err("bad".into());
            }
            for (at, byte) in (offset..).zip(buf) {
                *byte = at.to_le_bytes()[0] ^ at.to_le_bytes()[2];
            }
            Ok(())
        }
    }

    fn check(disk: &Cached<Numbers>, offset: u64, len: usize) {
        let mut found = vec![0; len];
        let mut wanted = vec![0; len];
        disk.read_at(offset, &mut found).expect("it is there");
        Numbers { size: disk.size, bad: None }.fetch(offset, &mut wanted).expect("numbers");
        assert!(found == wanted, "{len} bytes at {offset}");
    }

    #[test]
    fn every_byte_is_the_files_own() {
        let cache = Cache::new(0);
        let disk = Cached::new(&cache, Numbers { size: 9 * BLOCK + 1000, bad: None });
        for offset in [0, 1, BLOCK - 1, 3 * BLOCK, 9 * BLOCK + 900] {
            for len in [0, 1, 100, 70_000, 300_000] {
                check(&disk, offset, len.min(to_usize(disk.size() - offset)));
            }
        }
        check(&disk, 77, BULK);
        assert!(disk.read_at(9 * BLOCK, &mut [0; 1001]).is_err());
    }

    #[test]
    fn reading_on_and_on_takes_few_calls() {
        let cache = Cache::new(1 << 30);
        let disk = Cached::new(&cache, Numbers { size: 20 << 20, bad: None });
        for piece in 0..320 {
            check(&disk, piece << 16, 1 << 16);
        }
        assert!(cache.borrow().fetches() < 12, "{} fetches", cache.borrow().fetches());
    }

    #[test]
    fn so_does_reading_from_the_end_to_the_start() {
        let cache = Cache::new(1 << 30);
        let disk = Cached::new(&cache, Numbers { size: (20 << 20) - 77, bad: None });
        for piece in (0..19).rev() {
            check(&disk, piece << 20, 1 << 20);
        }
        assert!(cache.borrow().fetches() < 12, "{} fetches", cache.borrow().fetches());
    }

    #[test]
    fn memory_is_bounded_by_the_number_of_blocks() {
        let cache = Cache::new(8 << 20);
        let disk = Cached::new(&cache, Numbers { size: 64 << 20, bad: None });
        for piece in (0..1024).rev() {
            check(&disk, piece << 16, 1 << 16);
        }
        assert_eq!(cache.borrow().blocks.len(), 32);
    }

    #[test]
    fn a_bad_block_spoils_no_other() {
        let cache = Cache::new(8 << 20);
        let disk = Cached::new(&cache, Numbers { size: 8 * BLOCK, bad: Some(5) });
        for block in (0..8).filter(|block| *block != 5) {
            check(&disk, block * BLOCK, 512);
        }
        assert!(disk.read_at(5 * BLOCK, &mut [0; 1]).is_err());
    }
}
