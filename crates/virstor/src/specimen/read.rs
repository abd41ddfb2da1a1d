//! Reading a specimen as the files it stands for.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::Hasher;

use twox_hash::XxHash64;

use super::words::{expand, measure};
use super::{
    BLOCK, BLOCK_PART, END, FILE, FileInfo, LONGEST_CONTENT, LONGEST_NAME, MAGIC, Purpose, SpecimenError,
    VERSION, take_varint,
};
use crate::format::{ByteOrder, SECTOR_SIZES};
use crate::io::{IoError, ReadAt};

/// A specimen that was found whole.
#[derive(Debug)]
pub struct Specimen<S> {
    source: S,
    purpose: Purpose,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    info: FileInfo,
    blocks: Vec<Block>,
}

/// A stretch of a file.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: u64,
    len: u64,
    content: Content,
    /// Where its content lies in the specimen, and how long it is there.
    at: u64,
    encoded: u64,
}

#[derive(Debug, Clone, Copy)]
enum Content {
    Zeros,
    Bytes,
    Entries(ByteOrder),
}

/// A file that a specimen stands for, as a disk. What is not in the specimen cannot be read.
#[derive(Debug)]
pub struct SpecimenDisk<S> {
    specimen: Arc<Specimen<S>>,
    file: usize,
}

impl<S> Clone for SpecimenDisk<S> {
    fn clone(&self) -> Self {
        Self { specimen: Arc::clone(&self.specimen), file: self.file }
    }
}

impl<S: ReadAt> Specimen<S> {
    /// Whether `source` starts like a specimen.
    pub fn is_one(source: &S) -> bool {
        let mut magic = [0; MAGIC.len()];
        source.size() >= magic.len() as u64 && source.read_at(0, &mut magic).is_ok() && &magic == MAGIC
    }

    /// Reads `source` once, from front to back, and keeps where its blocks are: some 40 bytes for each.
    ///
    /// # Errors
    ///
    /// [`SpecimenError`] unless every byte is as it was written.
    pub fn open(source: S) -> Result<Self, SpecimenError> {
        let mut input = Input::new(&source);
        let mut magic = [0; MAGIC.len()];
        if input.fill(&mut magic).is_err() || &magic != MAGIC {
            return Err(SpecimenError::NotASpecimen);
        }
        let version = input.u32()?;
        if version != VERSION {
            return Err(SpecimenError::Version(version));
        }
        let purpose =
            if input.u32()? == Purpose::Backup.number() { Purpose::Backup } else { Purpose::Collected };
        let mut files: Vec<File> = Vec::new();
        loop {
            let offset = input.position;
            let malformed = |what| SpecimenError::Malformed { offset, what };
            let computed = input.hash.finish();
            let (number, len) = (input.byte()?, input.varint()?);
            match number {
                END => {
                    let recorded = u64::from(input.u32()?) | u64::from(input.u32()?) << 32;
                    if recorded != computed {
                        return Err(SpecimenError::Checksum { recorded, computed });
                    }
                    if len != 8 || input.position != source.size() {
                        return Err(malformed("an end that is not the end"));
                    }
                    return Ok(Self { source, purpose, files });
                }
                FILE => {
                    let content = input.content(len, 2 * LONGEST_NAME + 32)?;
                    let info = file_info(&content).ok_or(malformed("a file that cannot be"))?;
                    files.push(File { info, blocks: Vec::new() });
                }
                BLOCK_PART => {
                    let content = input.content(len, LONGEST_CONTENT + 32)?;
                    let file = files.last_mut().ok_or(malformed("a block of no file"))?;
                    let end = input.position;
                    let block = block(&content, end, file).ok_or(malformed("a block that cannot be"))?;
                    file.blocks.push(block);
                }
                _ => return Err(malformed("an unknown part")),
            }
        }
    }

    /// What it was made for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The files it stands for.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &FileInfo> {
        self.files.iter().map(|file| &file.info)
    }

    /// One of them as a disk.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    pub fn disk(self: &Arc<Self>, file: usize) -> SpecimenDisk<S> {
        assert!(file < self.files.len(), "the specimen has this file");
        SpecimenDisk { specimen: Arc::clone(self), file }
    }
}

impl<S: ReadAt> ReadAt for SpecimenDisk<S> {
    fn size(&self) -> u64 {
        self.specimen.files[self.file].info.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let wanted = buf.len();
        let error = |reason: &str| IoError::new(offset, wanted, reason);
        let end = offset.checked_add(wanted as u64).filter(|end| *end <= self.size());
        let end = end.ok_or_else(|| error("past the end"))?;
        let blocks = &self.specimen.files[self.file].blocks;
        let mut position = offset;
        let mut next = blocks.partition_point(|block| block.start + block.len <= offset);
        while position < end {
            let block = blocks.get(next).filter(|block| block.start <= position);
            let block = block.ok_or_else(|| error("a specimen does not hold the data of the volume"))?;
            let until = end.min(block.start + block.len);
            let place = |at: u64| usize::try_from(at - offset).expect("within the buffer");
            self.specimen.read_block(block, position, &mut buf[place(position)..place(until)])?;
            (position, next) = (until, next + 1);
        }
        Ok(())
    }
}

impl<S: ReadAt> Specimen<S> {
    /// Fills `buf` from `position` of the file on, which is in the block to its end.
    fn read_block(&self, block: &Block, position: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let within = position - block.start;
        match block.content {
            Content::Zeros => buf.fill(0),
            Content::Bytes => self.source.read_at(block.at + within, buf)?,
            Content::Entries(order) => {
                let mut tokens = vec![0; usize::try_from(block.encoded).expect("a block was short enough")];
                self.source.read_at(block.at, &mut tokens)?;
                // The file may have changed since it was opened.
                if measure(&tokens, block.len).is_none() {
                    return Err(IoError::new(position, buf.len(), "the specimen changed while it was used"));
                }
                expand(&tokens, order, within..within + buf.len() as u64, buf);
            }
        }
        Ok(())
    }
}

fn file_info(mut content: &[u8]) -> Option<FileInfo> {
    let (size, rest) = content.split_first_chunk()?;
    let (sector_size, rest) = rest.split_first_chunk()?;
    let (size, sector_size) = (u64::from_le_bytes(*size), u32::from_le_bytes(*sector_size));
    content = rest;
    let mut name = || {
        let len = take_varint(&mut content).filter(|len| *len <= LONGEST_NAME)?;
        let (name, rest) = content.split_at_checked(usize::try_from(len).ok()?)?;
        content = rest;
        Some(name.to_vec())
    };
    let (label, provider) = (name()?, name()?);
    let sector_size = match sector_size {
        0 => None,
        size => Some(size).filter(|size| SECTOR_SIZES.contains(size)).map(Some)?,
    };
    // No file has more, and the sum of an offset and a length must not overflow.
    let fits = size <= 1 << 63 && content.is_empty();
    fits.then(|| FileInfo {
        size,
        sector_size,
        label: String::from_utf8_lossy(&label).into_owned(),
        provider,
    })
}

/// The block of `file` that `content` describes, which ends at byte `end` of the specimen.
fn block(content: &[u8], end: u64, file: &File) -> Option<Block> {
    let mut rest = content;
    let (start, len) = (take_varint(&mut rest)?, take_varint(&mut rest)?);
    let (kind, rest) = rest.split_first()?;
    let encoded = rest.len() as u64;
    let from = file.blocks.last().map_or(0, |last| last.start + last.len);
    if len == 0 || start < from || start.checked_add(len)? > file.info.size {
        return None;
    }
    let content = match kind {
        0 if encoded == 0 => Content::Zeros,
        1 if encoded == len => Content::Bytes,
        2 => Content::Entries(ByteOrder::Little),
        3 => Content::Entries(ByteOrder::Big),
        _ => return None,
    };
    if matches!(content, Content::Entries(_)) && (measure(rest, len)? != 1 && len > BLOCK) {
        return None;
    }
    Some(Block { start, len, content, at: end - encoded, encoded })
}

/// Bytes read at once.
const READ: usize = 64 << 10;

/// A specimen as it is read from front to back.
struct Input<'a, S> {
    source: &'a S,
    /// What was read ahead, and how much of it was used.
    ahead: Vec<u8>,
    used: usize,
    position: u64,
    hash: XxHash64,
}

impl<'a, S: ReadAt> Input<'a, S> {
    fn new(source: &'a S) -> Self {
        Self { source, ahead: Vec::new(), used: 0, position: 0, hash: XxHash64::with_seed(0) }
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<(), SpecimenError> {
        let size = self.source.size();
        let mut rest = &mut buf[..];
        while !rest.is_empty() {
            if self.used == self.ahead.len() {
                let left = size.saturating_sub(self.position);
                if left == 0 {
                    return Err(SpecimenError::CutOff { size });
                }
                self.ahead.resize(usize::try_from(left).map_or(READ, |left| left.min(READ)), 0);
                self.source.read_at(self.position, &mut self.ahead)?;
                self.used = 0;
            }
            let len = rest.len().min(self.ahead.len() - self.used);
            let (head, tail) = rest.split_at_mut(len);
            head.copy_from_slice(&self.ahead[self.used..self.used + len]);
            rest = tail;
            self.used += len;
            self.position += len as u64;
        }
        self.hash.write(buf);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, SpecimenError> {
        let mut byte = [0];
        self.fill(&mut byte)?;
        Ok(byte[0])
    }

    fn u32(&mut self) -> Result<u32, SpecimenError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn varint(&mut self) -> Result<u64, SpecimenError> {
        let offset = self.position;
        let mut bytes = Vec::new();
        loop {
            bytes.push(self.byte()?);
            if let Some(number) = take_varint(&mut &bytes[..]) {
                return Ok(number);
            }
            if bytes.len() >= 10 {
                return Err(SpecimenError::Malformed { offset, what: "a number of more than 64 bits" });
            }
        }
    }

    fn content(&mut self, len: u64, longest: u64) -> Result<Vec<u8>, SpecimenError> {
        if len > longest {
            return Err(SpecimenError::Malformed { offset: self.position, what: "a part that is too long" });
        }
        let mut content = vec![0; usize::try_from(len).expect("a part is short")];
        self.fill(&mut content)?;
        Ok(content)
    }
}
