//! Changing a set: log first, then the disks.

use alloc::vec;
use alloc::vec::Vec;

use super::frame::{Kind, encode};
use super::{Header, cells, hash};
use crate::geometry::ComponentIndex;
use crate::io::{IoError, ReadAt, WriteAt};
use crate::patch::{Patch, PatchError, apply, flush, groups, is_ambiguous, on};

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
    let mut log = Writer { log, at: 0 };
    log.frame(Kind::Head, &header.encode_head())?;
    for disk in &header.disks {
        log.frame(Kind::Disk, &disk.encode())?;
    }
    let len = |patch: &Patch| patch.target().map_or(0, |target| target.range.end - target.range.start);
    let total: u64 = patches.iter().map(len).sum();
    let mut done = 0;
    for (number, group) in (0..).zip(groups(patches)) {
        assert!(!is_ambiguous(group), "the patches of group {number} do not depend on their order");
        let mut pieces = 0;
        for patch in group {
            pieces += log.patch(patch, disks)?;
        }
        log.ready(number, pieces)?;
        for patch in group {
            apply(patch, disks).map_err(ChangeError::Disk)?;
            done += len(patch);
            progress(done, total);
        }
        flush(group, disks).map_err(ChangeError::Disk)?;
    }
    log.frame(Kind::Done, &[])?;
    log.log.make_durable().map_err(ChangeError::Log)
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

struct Writer<'a, L> {
    log: &'a mut L,
    at: u64,
}

impl<L: LogSink> Writer<'_, L> {
    fn frame(&mut self, kind: Kind, payload: &[u8]) -> Result<(), ChangeError> {
        let bytes = encode(kind, payload, self.at);
        self.log.append(&bytes).map_err(ChangeError::Log)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Logs what `patch` is about to change; gives the number of pieces.
    fn patch<D: ReadAt>(&mut self, patch: &Patch, disks: &[D]) -> Result<u64, ChangeError> {
        let Some(target) = patch.target() else { return Ok(0) };
        let len = target.range.end - target.range.start;
        let room = usize::try_from(len).map_or(PIECE, |len| len.min(PIECE));
        let (mut before, mut after) = (vec![0; room], vec![0; room]);
        let mut pieces = 0;
        let mut within = 0;
        while within < len {
            let offset = target.range.start + within;
            let piece = usize::try_from(len - within).map_or(room, |rest| rest.min(room));
            let (before, after) = (&mut before[..piece], &mut after[..piece]);
            let disk = &disks[target.component.as_usize()];
            on(target.component, disk.read_at(offset, before)).map_err(ChangeError::Disk)?;
            patch.read(within, after, disks).map_err(ChangeError::Disk)?;
            let is_copy = matches!(patch, Patch::Copy { .. });
            self.frame(Kind::Piece, &payload(target.component, offset, before, after, is_copy))?;
            pieces += 1;
            within += piece as u64;
        }
        Ok(pieces)
    }

    fn ready(&mut self, group: u64, pieces: u64) -> Result<(), ChangeError> {
        let mut payload = group.to_le_bytes().to_vec();
        payload.extend_from_slice(&pieces.to_le_bytes());
        self.frame(Kind::Ready, &payload)?;
        self.log.make_durable().map_err(ChangeError::Log)
    }
}

/// What stands for a piece. Of copies, which may be long, there are hashes of what comes; they go to places that
/// nothing names yet. Of all else there are the bytes.
fn payload(component: ComponentIndex, offset: u64, before: &[u8], after: &[u8], is_copy: bool) -> Vec<u8> {
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let len = u32::try_from(before.len()).expect("a piece is small");
    let mut payload = Vec::with_capacity(before.len() * 2);
    payload.extend_from_slice(&u32::from(component.0).to_le_bytes());
    payload.extend_from_slice(&offset.to_le_bytes());
    payload.extend_from_slice(&len.to_le_bytes());
    payload.push(if is_zero(before) { BEFORE_ZEROS } else { BEFORE_BYTES });
    payload.push(match (is_zero(after), is_copy) {
        (true, _) => AFTER_ZEROS,
        (false, false) => AFTER_BYTES,
        (false, true) => AFTER_HASHES,
    });
    if !is_zero(before) {
        payload.extend_from_slice(before);
    }
    if !is_zero(after) && is_copy {
        for (start, end) in cells(offset, after.len()) {
            payload.extend_from_slice(&hash(&after[start..end]).to_le_bytes());
        }
    } else if !is_zero(after) {
        payload.extend_from_slice(after);
    }
    payload
}
