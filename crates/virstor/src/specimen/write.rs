//! Making a specimen.

use alloc::vec::Vec;
use core::hash::Hasher;

use twox_hash::XxHash64;

use super::words::{Run, WORD, number_of};
use super::{BLOCK, BLOCK_PART, END, FILE, FileInfo, MAGIC, Purpose, VERSION, put_varint};
use crate::format::ByteOrder;

/// Makes a specimen, part by part. What it is made of goes to a sink, in pieces of some 100 KiB at most.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    hash: XxHash64,
    /// Where the next block of this file may start.
    from: u64,
    size: u64,
    entries: Option<Entries>,
}

/// Entries on their way into blocks.
#[derive(Debug)]
struct Entries {
    order: ByteOrder,
    /// Where the block starts.
    start: u64,
    /// Entries in `tokens`.
    len: u64,
    tokens: Vec<u8>,
    expected: u64,
    run: Option<Run>,
}

impl<E, S: FnMut(&[u8]) -> Result<(), E>> Writer<S> {
    /// Starts a specimen.
    ///
    /// # Errors
    ///
    /// As the sink, here and below.
    pub fn new(purpose: Purpose, sink: S) -> Result<Self, E> {
        let mut writer = Self { sink, hash: XxHash64::with_seed(0), from: 0, size: 0, entries: None };
        writer.emit(MAGIC)?;
        writer.emit(&VERSION.to_le_bytes())?;
        writer.emit(&purpose.number().to_le_bytes())?;
        Ok(writer)
    }

    /// Goes on to the next file.
    pub fn file(&mut self, file: &FileInfo) -> Result<(), E> {
        self.close_entries()?;
        (self.from, self.size) = (0, file.size);
        let mut content = file.size.to_le_bytes().to_vec();
        content.extend(file.sector_size.unwrap_or(0).to_le_bytes());
        for name in [file.label.as_bytes(), &file.provider] {
            put_varint(name.len() as u64, &mut content);
            content.extend_from_slice(name);
        }
        self.part(FILE, &content)
    }

    /// The file has zeros, or what does not matter, in the `len` bytes from `offset` on.
    ///
    /// # Panics
    ///
    /// When that is before a block that was given already, or not in the file; so for the others.
    pub fn zeros(&mut self, offset: u64, len: u64) -> Result<(), E> {
        self.close_entries()?;
        self.block(offset, len, 0, &[])
    }

    /// The file has `bytes` from `offset` on.
    pub fn bytes(&mut self, offset: u64, bytes: &[u8]) -> Result<(), E> {
        self.close_entries()?;
        let piece = usize::try_from(BLOCK).expect("a block is small");
        for (number, piece) in (0_u64..).zip(bytes.chunks(piece)) {
            self.block(offset + number * BLOCK, piece.len() as u64, 1, piece)?;
        }
        Ok(())
    }

    /// The file has entries of a map from `offset` on. What follows the entries given before goes on with them.
    pub fn entries(&mut self, offset: u64, entries: &[[u8; 8]], order: ByteOrder) -> Result<(), E> {
        self.begin_entries(offset, order)?;
        for entry in entries {
            let number = number_of(*entry, order);
            self.add(Run::start(number), |run| run.and(number))?;
        }
        Ok(())
    }

    /// The file has `count` entries that are zero from `offset` on.
    pub fn zero_entries(&mut self, offset: u64, count: u64, order: ByteOrder) -> Result<(), E> {
        self.begin_entries(offset, order)?;
        let longer = |run| match run {
            Run::Zeros(len) => Some(Run::Zeros(len + count)),
            Run::Row(..) => None,
        };
        if count > 0 { self.add(Run::Zeros(count), longer) } else { Ok(()) }
    }

    /// Ends the specimen.
    pub fn finish(mut self) -> Result<(), E> {
        self.close_entries()?;
        let hash = self.hash.finish();
        self.part(END, &hash.to_le_bytes())
    }

    fn begin_entries(&mut self, offset: u64, order: ByteOrder) -> Result<(), E> {
        let goes_on = |entries: &Entries| {
            let run = entries.run.map_or(0, Run::len);
            entries.order == order && entries.start + (entries.len + run) * WORD == offset
        };
        if self.entries.as_ref().is_some_and(goes_on) {
            return Ok(());
        }
        self.close_entries()?;
        self.entries =
            Some(Entries { order, start: offset, len: 0, tokens: Vec::new(), expected: 0, run: None });
        Ok(())
    }

    /// Makes the last run longer, or begins `run`.
    fn add(&mut self, run: Run, longer: impl FnOnce(Run) -> Option<Run>) -> Result<(), E> {
        let entries = self.entries.as_mut().expect("entries were begun");
        match entries.run.map(|last| longer(last).ok_or(last)) {
            Some(Ok(longer)) => entries.run = Some(longer),
            Some(Err(last)) => {
                entries.run = Some(run);
                self.put_run(last)?;
            }
            None => entries.run = Some(run),
        }
        Ok(())
    }

    /// Puts a run that has ended into the block, or into the next one.
    fn put_run(&mut self, run: Run) -> Result<(), E> {
        let entries = self.entries.as_mut().expect("entries were begun");
        if entries.len > 0 && (entries.len + run.len()) * WORD > BLOCK {
            let (start, len, order) = (entries.start, entries.len, entries.order);
            let tokens = core::mem::take(&mut entries.tokens);
            (entries.start, entries.len, entries.expected) = (start + len * WORD, 0, 0);
            self.block(start, len * WORD, kind(order), &tokens)?;
        }
        let entries = self.entries.as_mut().expect("entries were begun");
        run.put(&mut entries.expected, &mut entries.tokens);
        entries.len += run.len();
        Ok(())
    }

    fn close_entries(&mut self) -> Result<(), E> {
        if let Some(run) = self.entries.as_mut().and_then(|entries| entries.run.take()) {
            self.put_run(run)?;
        }
        match self.entries.take() {
            Some(last) if last.len > 0 => {
                self.block(last.start, last.len * WORD, kind(last.order), &last.tokens)
            }
            _ => Ok(()),
        }
    }

    fn block(&mut self, offset: u64, len: u64, kind: u8, content: &[u8]) -> Result<(), E> {
        assert!(offset >= self.from, "blocks are given in order");
        assert!(len <= self.size - offset, "blocks are within their file");
        if len == 0 {
            return Ok(());
        }
        self.from = offset + len;
        let mut head = Vec::new();
        put_varint(offset, &mut head);
        put_varint(len, &mut head);
        head.push(kind);
        head.extend_from_slice(content);
        self.part(BLOCK_PART, &head)
    }

    fn part(&mut self, number: u8, content: &[u8]) -> Result<(), E> {
        let mut head = Vec::from([number]);
        put_varint(content.len() as u64, &mut head);
        self.emit(&head)?;
        self.emit(content)
    }

    fn emit(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.hash.write(bytes);
        (self.sink)(bytes)
    }
}

fn kind(order: ByteOrder) -> u8 {
    match order {
        ByteOrder::Little => 2,
        ByteOrder::Big => 3,
    }
}
