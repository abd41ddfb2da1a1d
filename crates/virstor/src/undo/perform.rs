//! Changing a set: log first, then the disks.

use alloc::vec::Vec;

use super::frame::{Kind, encode};
use super::{Header, cells, hash};
use crate::block::Block;
use crate::geometry::ComponentIndex;
use crate::io::{IoError, ReadAt, WriteAt};
use crate::patch::{Patch, PatchError, apply, flush, groups, is_ambiguous, on};
use crate::write::is_zero;

/// Where a log goes: something that is appended to.
pub trait LogSink {
    /// Puts `bytes` behind all that was appended before.
    ///
    /// # Errors
    ///
    /// When not all of them could be put there.
    fn append(&mut self, bytes: &[u8]) -> Result<(), IoError>;

    /// Makes all that was appended durable, so that the log is found after a loss of power.
    ///
    /// # Errors
    ///
    /// When that is not certain.
    fn make_durable(&mut self) -> Result<(), IoError>;
}

/// Why a change stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError {
    /// The log could not be written. What was changed before can be undone; nothing was changed since.
    Log(IoError),
    /// A disk failed. What was changed can be undone with the log.
    Disk(PatchError),
}

impl<L: LogSink> LogSink for &mut L {
    fn append(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        (**self).append(bytes)
    }

    fn make_durable(&mut self) -> Result<(), IoError> {
        (**self).make_durable()
    }
}

/// What a log keeps of the bytes that are written. Of what was there before it keeps all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The bytes themselves, so that a change that stopped half-way is told from what somebody else wrote.
    Bytes,
    /// A hash of each sector: a 64th of the length. For places that nothing names before the change is done: while
    /// it is under way, whatever is found there is taken for a part of it. Copies are kept so always.
    Hashes,
}

/// Does `patches` to `disks`, which they name by place, and writes the log that undoes them to `log`, an empty
/// one. The patches are durable when it returns. `progress` hears how many bytes of how many are done.
///
/// # Errors
///
/// [`ChangeError`] at the first failure; what comes after is not done.
///
/// # Panics
///
/// When a patch names a disk that is not there, or two patches of a group are [ambiguous](is_ambiguous).
pub fn perform<D: WriteAt>(
    header: &Header,
    patches: &[Patch],
    disks: &[D],
    log: &mut impl LogSink,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ChangeError> {
    let mut journal = Journal::begin(header, log)?;
    let total: u64 = patches.iter().map(Patch::changed_len).sum();
    let mut done = 0;
    journal.perform(patches, Kept::Bytes, disks, &mut |more| {
        done += more;
        progress(done, total);
    })?;
    journal.finish()
}

/// A change that is done in parts, with one log for all of them: for what is too long to be held as patches at once.
#[derive(Debug)]
pub struct Journal<L> {
    log: L,
    /// Frames that are not in the log yet.
    frames: Vec<u8>,
    /// How long the log is with them, in bytes.
    at: u64,
    groups: u64,
}

/// Frames are appended when there are so many bytes of them, or when they must be durable: most are small.
const APPENDED: usize = 256 << 10;

impl<L: LogSink> Journal<L> {
    /// Begins the log of a change in `log`, an empty one.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Log`].
    pub fn begin(header: &Header, log: L) -> Result<Self, ChangeError> {
        let mut journal = Self { log, frames: Vec::new(), at: 0, groups: 0 };
        journal.frame(Kind::Head, &header.encode_head())?;
        for disk in &header.disks {
            journal.frame(Kind::Disk, &disk.encode())?;
        }
        // Whatever fails next, this is a log: one that undoes nothing.
        journal.append()?;
        Ok(journal)
    }

    /// Logs and does `patches`, which are durable when it returns. `progress` hears of each patch how many bytes it
    /// has changed.
    ///
    /// # Errors
    ///
    /// As [`perform`].
    ///
    /// # Panics
    ///
    /// As [`perform`].
    pub fn perform<D: WriteAt>(
        &mut self,
        patches: &[Patch],
        kept: Kept,
        disks: &[D],
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ChangeError> {
        for group in groups(patches) {
            self.log(group, kept, disks)?;
            for patch in group {
                apply(patch, disks).map_err(ChangeError::Disk)?;
                progress(patch.changed_len());
            }
            flush(group, disks).map_err(ChangeError::Disk)?;
        }
        Ok(())
    }

    /// Logs `patches` and does nothing: with a log that goes nowhere it tells how [long](Self::log_len) one will be.
    ///
    /// # Errors
    ///
    /// As [`perform`].
    ///
    /// # Panics
    ///
    /// As [`perform`].
    pub fn rehearse<D: ReadAt>(
        &mut self,
        patches: &[Patch],
        kept: Kept,
        disks: &[D],
    ) -> Result<(), ChangeError> {
        groups(patches).try_for_each(|group| self.log(group, kept, disks))
    }

    /// Ends the log: the change was done to its end.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Log`].
    pub fn finish(mut self) -> Result<(), ChangeError> {
        self.frame(Kind::Done, &[])?;
        self.make_durable()
    }

    /// How many bytes the log has when it is [finished](Self::finish) now.
    pub fn log_len(&self) -> u64 {
        self.at + encode(Kind::Done, &[], self.at).len() as u64
    }

    fn log<D: ReadAt>(&mut self, group: &[Patch], kept: Kept, disks: &[D]) -> Result<(), ChangeError> {
        let number = self.groups;
        assert!(!is_ambiguous(group), "the patches of group {number} do not depend on their order");
        let mut pieces = 0;
        for patch in group {
            pieces += self.patch(patch, kept, disks)?;
        }
        self.groups += 1;
        self.ready(number, pieces)
    }
}

/// Bytes of a piece: what the log says of it fits a frame.
const PIECE: usize = 64 << 10;

/// What a piece says of the bytes before.
pub(super) const BEFORE_ZEROS: u8 = 0;
pub(super) const BEFORE_BYTES: u8 = 1;

/// What a piece says of the bytes after.
pub(super) const AFTER_ZEROS: u8 = 0;
pub(super) const AFTER_BYTES: u8 = 1;
pub(super) const AFTER_HASHES: u8 = 2;

impl<L: LogSink> Journal<L> {
    fn frame(&mut self, kind: Kind, payload: &[u8]) -> Result<(), ChangeError> {
        let bytes = encode(kind, payload, self.at);
        self.at += bytes.len() as u64;
        self.frames.extend_from_slice(&bytes);
        if self.frames.len() < APPENDED { Ok(()) } else { self.append() }
    }

    fn append(&mut self) -> Result<(), ChangeError> {
        self.log.append(&self.frames).map_err(ChangeError::Log)?;
        self.frames.clear();
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), ChangeError> {
        self.append()?;
        self.log.make_durable().map_err(ChangeError::Log)
    }

    /// Logs what `patch` is about to change; gives the number of pieces.
    fn patch<D: ReadAt>(&mut self, patch: &Patch, kept: Kept, disks: &[D]) -> Result<u64, ChangeError> {
        let Some(target) = patch.target() else { return Ok(0) };
        let len = target.range.end - target.range.start;
        let room = usize::try_from(len).map_or(PIECE, |len| len.min(PIECE));
        let (mut before, mut after) = (Block::new(room), Block::new(room));
        let mut pieces = 0;
        let mut within = 0;
        while within < len {
            let offset = target.range.start + within;
            let piece = usize::try_from(len - within).map_or(room, |rest| rest.min(room));
            let (before, after) = (&mut before[..piece], &mut after[..piece]);
            let disk = &disks[target.component.as_usize()];
            on(target.component, disk.read_at(offset, before)).map_err(ChangeError::Disk)?;
            patch.read(within, after, disks).map_err(ChangeError::Disk)?;
            let kept = if matches!(patch, Patch::Copy { .. }) { Kept::Hashes } else { kept };
            self.frame(Kind::Piece, &payload(target.component, offset, before, after, kept))?;
            pieces += 1;
            within += piece as u64;
        }
        Ok(pieces)
    }

    fn ready(&mut self, group: u64, pieces: u64) -> Result<(), ChangeError> {
        let mut payload = group.to_le_bytes().to_vec();
        payload.extend_from_slice(&pieces.to_le_bytes());
        self.frame(Kind::Ready, &payload)?;
        self.make_durable()
    }
}

/// What stands for a piece.
fn payload(component: ComponentIndex, offset: u64, before: &[u8], after: &[u8], kept: Kept) -> Vec<u8> {
    let (nothing_before, nothing_after) = (is_zero(before), is_zero(after));
    let len = u32::try_from(before.len()).expect("a piece is small");
    let mut payload = Vec::new();
    payload.extend_from_slice(&u32::from(component.0).to_le_bytes());
    payload.extend_from_slice(&offset.to_le_bytes());
    payload.extend_from_slice(&len.to_le_bytes());
    payload.push(if nothing_before { BEFORE_ZEROS } else { BEFORE_BYTES });
    payload.push(match (nothing_after, kept) {
        (true, _) => AFTER_ZEROS,
        (false, Kept::Bytes) => AFTER_BYTES,
        (false, Kept::Hashes) => AFTER_HASHES,
    });
    if !nothing_before {
        payload.extend_from_slice(before);
    }
    match kept {
        _ if nothing_after => {}
        Kept::Bytes => payload.extend_from_slice(after),
        Kept::Hashes => {
            for (start, end) in cells(offset, after.len()) {
                payload.extend_from_slice(&hash(&after[start..end]).to_le_bytes());
            }
        }
    }
    payload
}
