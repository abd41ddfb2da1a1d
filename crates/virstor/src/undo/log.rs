//! Reading a log, proving that a set is what the log knows, and putting everything back.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::Hasher;

use twox_hash::XxHash64;

use super::frame::{self, Kind, Reader};
use super::header::Head;
use super::perform::{AFTER_BYTES, AFTER_HASHES, AFTER_ZEROS, BEFORE_BYTES, BEFORE_ZEROS};
use super::{BLOCK, DiskHeader, Header, cells, hash};
use crate::block::Block;
use crate::geometry::ComponentIndex;
use crate::io::{IoError, ReadAt, WriteAt};
use crate::patch::{PatchError, on};

/// A log that was read.
#[derive(Debug)]
pub struct UndoLog<L> {
    log: L,
    header: Header,
    /// Where the frames of each group that was performed, or may have been, start and end.
    groups: Vec<(u64, u64)>,
    end: u64,
    complete: bool,
}

/// Why a log cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogError {
    /// It does not begin as logs do, or what it begins with is damaged.
    NotALog,
    /// A version that this program does not know.
    Version(u32),
    /// A frame says what cannot be, or is not whole although others were written when it was.
    Damaged {
        /// Where it starts in the log.
        offset: u64,
    },
    /// It breaks off before it says on which disks something was changed. Where a crash cut it nothing was: it says so
    /// first.
    Torn {
        /// Where the first frame starts that is not whole.
        offset: u64,
    },
    /// It cannot be read.
    Io(IoError),
}

impl From<IoError> for LogError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

/// Why a disk is not what a log knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// It differs.
    Differs(Difference),
    /// It cannot be read.
    Disk(IoError),
    /// The log cannot be read.
    Log(LogError),
}

impl From<LogError> for Mismatch {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

/// Where a disk differs from what a log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It has another size.
    Size {
        /// The size it should have, in bytes.
        expected: u64,
        /// The size it has.
        found: u64,
    },
    /// A sector that was changed holds neither what was there before nor what was put there.
    Sector {
        /// Its first byte.
        offset: u64,
    },
    /// A range that was not to be changed, or not there, was changed since.
    Range {
        /// Its first byte.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
}

/// Why undoing stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoError {
    /// Nothing was written: the set is not what the log knows.
    Mismatch {
        /// The number of the disk.
        disk: usize,
        /// How.
        mismatch: Mismatch,
    },
    /// The log could not be read on. Undoing again is safe.
    Log(LogError),
    /// A disk failed. Undoing again is safe.
    Disk(PatchError),
}

impl From<LogError> for UndoError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

/// So many sectors at most may hold what another group than the one looked at knows. It bounds memory: they are
/// sectors that were changed more than once.
const MOST_SUSPECTS: usize = 1 << 20;

impl<L: ReadAt> UndoLog<L> {
    /// Reads `log`: its head, and where its groups are.
    ///
    /// # Errors
    ///
    /// When it is no log, cannot be read, or does not say what it is about. A torn end behind that is no error, as long as
    /// nothing shows that it was whole once.
    pub fn open(log: L) -> Result<Self, LogError> {
        let head = frame::read(&log, 0)?.filter(|frame| frame.kind == Kind::Head).ok_or(LogError::NotALog)?;
        let (header, disks) = match Header::decode_head(&head.payload).ok_or(LogError::NotALog)? {
            Head::Header(header, disks) => (header, disks),
            Head::OtherVersion(version) => return Err(LogError::Version(version)),
        };
        let mut undo = Self { log, header, groups: Vec::new(), end: head.end, complete: false };
        for _ in 0..disks {
            let offset = undo.end;
            let frame = frame::read(&undo.log, offset)?.filter(|frame| frame.kind == Kind::Disk);
            let Some(frame) = frame else {
                let whole_once = undo.goes_on(offset)?;
                return Err(if whole_once {
                    LogError::Damaged { offset }
                } else {
                    LogError::Torn { offset }
                });
            };
            let disk = DiskHeader::decode(&frame.payload);
            undo.header.disks.push(disk.ok_or(LogError::Damaged { offset: undo.end })?);
            undo.end = frame.end;
        }
        undo.find_groups()?;
        Ok(undo)
    }

    /// Whose log it is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many groups of changes it can undo.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Whether the change it belongs to was done to its end.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Calls `look` with the disk, the first byte and the length of everything that will be put back.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn for_each_place(&self, mut look: impl FnMut(usize, u64, usize)) -> Result<(), LogError> {
        for group in &self.groups {
            self.pieces(*group, |piece, _| {
                look(piece.disk, piece.offset, piece.len);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Proves that `disk`, number `number` of the log, is what the change or an undo of it left, whenever it was
    /// cut off, and will be what it was.
    ///
    /// # Errors
    ///
    /// [`Mismatch::Differs`] when it is not; what is read may fail.
    ///
    /// # Panics
    ///
    /// When the log has no such disk.
    pub fn verify(&self, number: usize, disk: &(impl ReadAt + ?Sized)) -> Result<(), Mismatch> {
        let known = &self.header.disks[number];
        if disk.size() != known.size {
            return differs(Difference::Size { expected: known.size, found: disk.size() });
        }
        let mut suspects = BTreeSet::new();
        self.compare(number, disk, &mut |cell, fits| {
            if !fits && suspects.len() <= MOST_SUSPECTS {
                suspects.insert(cell);
            }
        })?;
        if !suspects.is_empty() && suspects.len() <= MOST_SUSPECTS {
            // What one group does not know another may: sectors that were changed more than once.
            self.compare(number, disk, &mut |cell, fits| {
                if fits {
                    suspects.remove(&cell);
                }
            })?;
        }
        match suspects.first() {
            Some((offset, _)) => differs(Difference::Sector { offset: *offset }),
            None => self.verify_guards(number, disk),
        }
    }

    /// Puts everything back, after proving that nothing else would be lost. It is durable when it returns.
    /// `progress` hears how many of how many groups are undone.
    ///
    /// # Errors
    ///
    /// [`UndoError`]; unless it is a mismatch, undoing again is safe.
    ///
    /// # Panics
    ///
    /// When there are not as many disks as the log has.
    pub fn undo<D: WriteAt>(&self, disks: &[D], progress: &mut dyn FnMut(u64, u64)) -> Result<(), UndoError> {
        assert_eq!(disks.len(), self.header.disks.len(), "there is a disk for each in the log");
        for (number, disk) in disks.iter().enumerate() {
            let verified = self.verify(number, disk);
            verified.map_err(|mismatch| UndoError::Mismatch { disk: number, mismatch })?;
        }
        let total = self.groups.len() as u64;
        for (done, group) in (1..).zip(self.groups.iter().rev()) {
            self.undo_group(*group, disks)?;
            progress(done, total);
        }
        Ok(())
    }

    fn undo_group<D: WriteAt>(&self, group: (u64, u64), disks: &[D]) -> Result<(), UndoError> {
        let mut changed = BTreeSet::new();
        let mut failed = None;
        self.pieces(group, |piece, _| {
            let result = piece.put_back(&disks[piece.disk]);
            match on(piece.component(), result) {
                Ok(wrote) => _ = wrote.then(|| changed.insert(piece.disk)),
                Err(error) if failed.is_none() => failed = Some(error),
                Err(_) => {}
            }
            Ok(())
        })?;
        if let Some(error) = failed {
            return Err(UndoError::Disk(error));
        }
        for number in changed {
            on(component(number), disks[number].flush()).map_err(UndoError::Disk)?;
        }
        Ok(())
    }

    fn find_groups(&mut self) -> Result<(), LogError> {
        let (mut start, mut pieces) = (self.end, 0);
        let mut at = self.end;
        while let Some(frame) = frame::read(&self.log, at)? {
            match frame.kind {
                Kind::Piece => pieces += 1,
                Kind::Ready => {
                    let mut reader = Reader(&frame.payload);
                    let expected = (Some(self.groups.len() as u64), Some(pieces));
                    if (reader.u64(), reader.u64()) != expected {
                        return Err(LogError::Damaged { offset: at });
                    }
                    self.groups.push((start, at));
                    (start, pieces) = (frame.end, 0);
                    self.end = frame.end;
                }
                Kind::Done if pieces == 0 => {
                    self.complete = true;
                    self.end = frame.end;
                    break;
                }
                Kind::Head | Kind::Disk | Kind::Done => return Err(LogError::Damaged { offset: at }),
            }
            at = frame.end;
        }
        if !self.complete && self.goes_on(at)? {
            return Err(LogError::Damaged { offset: at });
        }
        Ok(())
    }

    /// Whether behind byte `at`, where no whole frame stands, one does that was written when what stood there was durable:
    /// another than those of the next group. A crash leaves no such log.
    fn goes_on(&self, at: u64) -> Result<bool, IoError> {
        let mut next = frame::next(&self.log, at)?;
        while let Some(frame) = next {
            let group = Reader(&frame.payload).u64();
            match frame.kind {
                Kind::Done => return Ok(true),
                Kind::Ready if group > Some(self.groups.len() as u64) => return Ok(true),
                _ => next = frame::read(&self.log, frame.end)?,
            }
        }
        Ok(false)
    }

    /// Calls `take` with each piece of a group, and where it lies in the log.
    fn pieces(
        &self,
        (start, end): (u64, u64),
        mut take: impl FnMut(&Piece<'_>, u64) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let mut at = start;
        while at < end {
            let damaged = || LogError::Damaged { offset: at };
            let frame = frame::read(&self.log, at)?.ok_or_else(damaged)?;
            let piece = Piece::decode(&frame.payload, &self.header.disks).ok_or_else(damaged)?;
            take(&piece, at)?;
            at = frame.end;
        }
        Ok(())
    }

    /// Tells `look` of each sector, or part of one, that a group changed whether it holds what that group found or
    /// left there.
    fn compare(
        &self,
        number: usize,
        disk: &(impl ReadAt + ?Sized),
        look: &mut dyn FnMut((u64, usize), bool),
    ) -> Result<(), Mismatch> {
        let mut error = None;
        for (position, group) in self.groups.iter().enumerate() {
            let in_flight = !self.complete && position + 1 == self.groups.len();
            self.pieces(*group, |piece, _| {
                if piece.disk == number && error.is_none() {
                    error = piece.compare(disk, in_flight, look).err();
                }
                Ok(())
            })?;
        }
        error.map_or(Ok(()), |error| Err(Mismatch::Disk(error)))
    }

    /// Whether the guarded ranges will be what they were when everything is put back.
    fn verify_guards(&self, number: usize, disk: &(impl ReadAt + ?Sized)) -> Result<(), Mismatch> {
        let guards = &self.header.disks[number].guards;
        let guarded = |piece: &Piece<'_>| {
            guards.iter().any(|guard| {
                piece.offset < guard.offset.saturating_add(guard.len)
                    && guard.offset < piece.offset + piece.len as u64
            })
        };
        let mut places: Vec<(u64, usize, u64)> = Vec::new();
        for group in &self.groups {
            self.pieces(*group, |piece, at| {
                if piece.disk == number && guarded(piece) {
                    places.push((piece.offset, piece.len, at));
                }
                Ok(())
            })?;
        }
        for guard in guards {
            let hash = self.hash_undone(number, disk, &places, guard.offset, guard.len)?;
            if hash != Some(guard.hash) {
                return differs(Difference::Range { offset: guard.offset, len: guard.len });
            }
        }
        Ok(())
    }

    /// The hash of a range as it will be; `None` when the disk does not reach so far. `places` are the pieces that
    /// touch it, in the order of the log.
    fn hash_undone(
        &self,
        number: usize,
        disk: &(impl ReadAt + ?Sized),
        places: &[(u64, usize, u64)],
        offset: u64,
        len: u64,
    ) -> Result<Option<u64>, Mismatch> {
        let Some(end) = offset.checked_add(len).filter(|end| *end <= disk.size()) else { return Ok(None) };
        let mut block = Block::new(usize::try_from(len).map_or(BLOCK, |len| len.min(BLOCK)));
        let mut hasher = XxHash64::with_seed(0);
        let mut start = offset;
        while start < end {
            let bytes = usize::try_from(end - start).map_or(BLOCK, |rest| rest.min(BLOCK));
            let block = &mut block[..bytes];
            disk.read_at(start, block).map_err(Mismatch::Disk)?;
            // Last first, so that what the first group found has the last word.
            for (piece_offset, piece_len, at) in places.iter().rev() {
                if *piece_offset < start + bytes as u64 && start < piece_offset + *piece_len as u64 {
                    let damaged = || LogError::Damaged { offset: *at };
                    let frame = frame::read(&self.log, *at).map_err(LogError::Io)?.ok_or_else(damaged)?;
                    let piece = Piece::decode(&frame.payload, &self.header.disks);
                    piece.filter(|piece| piece.disk == number).ok_or_else(damaged)?.put_into(block, start);
                }
            }
            hasher.write(block);
            start += bytes as u64;
        }
        Ok(Some(hasher.finish()))
    }
}

fn differs(difference: Difference) -> Result<(), Mismatch> {
    Err(Mismatch::Differs(difference))
}

fn component(disk: usize) -> ComponentIndex {
    ComponentIndex(u16::try_from(disk).expect("patches number disks with 16 bits"))
}

/// A piece of a disk that was changed.
struct Piece<'a> {
    disk: usize,
    offset: u64,
    len: usize,
    /// What was there; `None` for zeros.
    before: Option<&'a [u8]>,
    after: After<'a>,
}

/// What was put there.
enum After<'a> {
    Zeros,
    Bytes(&'a [u8]),
    /// Hashes of it, by sector.
    Hashes(&'a [[u8; 8]]),
}

/// The most bytes a piece may have.
const MOST_BYTES: usize = frame::MAX_PAYLOAD;

static ZEROS: [u8; MOST_BYTES] = [0; MOST_BYTES];

impl<'a> Piece<'a> {
    fn decode(payload: &'a [u8], disks: &[DiskHeader]) -> Option<Self> {
        let mut reader = Reader(payload);
        let disk = reader.u32()? as usize;
        let (offset, len) = (reader.u64()?, reader.u32()? as usize);
        let (before, after) = (reader.u8()?, reader.u8()?);
        let size = disks.get(disk)?.size;
        if len > MOST_BYTES || offset.checked_add(len as u64)? > size || disk > usize::from(u16::MAX) {
            return None;
        }
        let before = match before {
            BEFORE_ZEROS => None,
            BEFORE_BYTES => Some(reader.bytes(len)?),
            _ => return None,
        };
        let after = match after {
            AFTER_ZEROS => After::Zeros,
            AFTER_BYTES => After::Bytes(reader.bytes(len)?),
            AFTER_HASHES => {
                let (hashes, rest) = reader.0.as_chunks::<8>();
                if hashes.len() != cells(offset, len).count() || !rest.is_empty() {
                    return None;
                }
                After::Hashes(hashes)
            }
            _ => return None,
        };
        Some(Self { disk, offset, len, before, after })
    }

    fn component(&self) -> ComponentIndex {
        component(self.disk)
    }

    fn before(&self) -> &[u8] {
        self.before.unwrap_or(&ZEROS[..self.len])
    }

    /// Tells `look` of each sector whether it may have come about by this piece, `in_flight` when that may have
    /// stopped half-way.
    ///
    /// A disk writes sectors whole, but a write that fails may leave any mixture of bytes. Where both the old
    /// and the new bytes are known that is recognised always. Where a copy was to go anything is taken while the
    /// copy is in flight: nothing names the place, and the guards tell whether that is still so.
    fn compare(
        &self,
        disk: &(impl ReadAt + ?Sized),
        in_flight: bool,
        look: &mut dyn FnMut((u64, usize), bool),
    ) -> Result<(), IoError> {
        let mut now = vec![0; self.len];
        disk.read_at(self.offset, &mut now)?;
        for (number, (start, end)) in cells(self.offset, self.len).enumerate() {
            let (cell, before) = (&now[start..end], &self.before()[start..end]);
            let fits = match self.after {
                After::Zeros => is_mixture(cell, before, &ZEROS[start..end]),
                After::Bytes(bytes) => is_mixture(cell, before, &bytes[start..end]),
                After::Hashes(hashes) => {
                    in_flight || cell == before || hashes[number] == hash(cell).to_le_bytes()
                }
            };
            look((self.offset + start as u64, end - start), fits);
        }
        Ok(())
    }

    /// Writes what was there, unless it is there; whether it wrote.
    fn put_back(&self, disk: &impl WriteAt) -> Result<bool, IoError> {
        let mut now = vec![0; self.len];
        disk.read_at(self.offset, &mut now)?;
        if now == self.before() {
            return Ok(false);
        }
        match self.before {
            Some(bytes) => disk.write_at(self.offset, bytes)?,
            // A disk that has holes gets back the space, too.
            None => disk.write_zeros(self.offset, self.len as u64)?,
        }
        Ok(true)
    }

    /// Puts what was there into `block`, which holds the disk's bytes from `start` on.
    fn put_into(&self, block: &mut [u8], start: u64) {
        let end = start + block.len() as u64;
        let (from, to) = (self.offset.max(start), (self.offset + self.len as u64).min(end));
        let within = |position: u64, base: u64| usize::try_from(position - base).expect("within a piece");
        let bytes = &self.before()[within(from, self.offset)..within(to, self.offset)];
        block[within(from, start)..within(to, start)].copy_from_slice(bytes);
    }
}

/// Whether each byte is that of one or that of the other.
fn is_mixture(bytes: &[u8], one: &[u8], other: &[u8]) -> bool {
    bytes.iter().zip(one.iter().zip(other)).all(|(byte, (one, other))| byte == one || byte == other)
}
