//! Whose set a log belongs to.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::frame::{MAX_PAYLOAD, Reader};
use super::hash_of;
use crate::format::Name;
use crate::io::{IoError, ReadAt};

/// What a log begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name of the volume.
    pub name: Name,
    /// Its id.
    pub id: u32,
    /// What was asked for ("repair"), for people; at most [`MAX_LABEL`] bytes count.
    pub verb: String,
    /// The disks, in the order in which patches number them.
    pub disks: Vec<DiskHeader>,
}

/// One disk of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskHeader {
    /// What it was called; at most [`MAX_LABEL`] bytes count.
    pub label: String,
    /// Where in its file it begins, in bytes.
    pub start: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Ranges that hold these bytes before the change, and will again when it is undone; at most
    /// [`MAX_GUARDS`].
    pub guards: Vec<Guard>,
}

/// A range and the hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// First byte.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// Their [`hash`](super::hash()).
    pub hash: u64,
}

/// Labels are cut to this many bytes.
pub const MAX_LABEL: usize = 4096;

/// Most guards of a disk.
pub const MAX_GUARDS: usize = 64;

/// What a log begins with.
const MAGIC: &[u8; 16] = b"VIRSTOR UNDO LOG";

const VERSION: u32 = 1;

/// What the head says about itself.
pub(super) enum Head {
    /// A header that has no disks yet, and how many there will be.
    Header(Header, u32),
    OtherVersion(u32),
}

impl DiskHeader {
    /// `disk`, called `label`, which begins at byte `start` of its file, with what it holds now in `guarded`.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    ///
    /// # Panics
    ///
    /// When more than [`MAX_GUARDS`] ranges are guarded.
    pub fn new(
        label: impl Into<String>,
        start: u64,
        disk: &(impl ReadAt + ?Sized),
        guarded: &[Range<u64>],
    ) -> Result<Self, IoError> {
        assert!(guarded.len() <= MAX_GUARDS, "a disk has {MAX_GUARDS} guards at most");
        let guard = |range: &Range<u64>| {
            let (offset, len) = (range.start, range.end - range.start);
            Ok(Guard { offset, len, hash: hash_of(disk, offset, len)? })
        };
        let guards = guarded.iter().map(guard).collect::<Result<_, _>>()?;
        Ok(Self { label: label.into(), start, size: disk.size(), guards })
    }

    /// The first guarded range of `disk` that does not hold what it did, if there is one: the disk was changed
    /// since it was looked at.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn changed(&self, disk: &(impl ReadAt + ?Sized)) -> Result<Option<Guard>, IoError> {
        for guard in &self.guards {
            let within = guard.offset.checked_add(guard.len).is_some_and(|end| end <= disk.size());
            if !within || hash_of(disk, guard.offset, guard.len)? != guard.hash {
                return Ok(Some(*guard));
            }
        }
        Ok(None)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let guards = &self.guards[..self.guards.len().min(MAX_GUARDS)];
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.start.to_le_bytes());
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(guards.len()).expect("they are few").to_le_bytes());
        for Guard { offset, len, hash } in guards {
            for number in [offset, len, hash] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes.extend_from_slice(cut(&self.label));
        debug_assert!(bytes.len() <= MAX_PAYLOAD, "both parts are bounded");
        bytes
    }

    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader(payload);
        let (start, size) = (reader.u64()?, reader.u64()?);
        let count = reader.u32()? as usize;
        if count > MAX_GUARDS {
            return None;
        }
        let mut guard = || Some(Guard { offset: reader.u64()?, len: reader.u64()?, hash: reader.u64()? });
        let guards = (0..count).map(|_| guard()).collect::<Option<_>>()?;
        Some(Self { label: String::from_utf8_lossy(reader.0).into_owned(), start, size, guards })
    }
}

impl Header {
    pub(super) fn encode_head(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.name.0);
        bytes.extend_from_slice(&self.id.to_le_bytes());
        let disks = u32::try_from(self.disks.len()).expect("patches number disks with 16 bits");
        bytes.extend_from_slice(&disks.to_le_bytes());
        bytes.extend_from_slice(cut(&self.verb));
        bytes
    }

    pub(super) fn decode_head(payload: &[u8]) -> Option<Head> {
        let mut reader = Reader(payload);
        if reader.array::<16>()? != *MAGIC {
            return None;
        }
        let version = reader.u32()?;
        if version != VERSION {
            return Some(Head::OtherVersion(version));
        }
        let (name, id, disks) = (Name(reader.array()?), reader.u32()?, reader.u32()?);
        let verb = String::from_utf8_lossy(reader.0).into_owned();
        Some(Head::Header(Self { name, id, verb, disks: Vec::new() }, disks))
    }
}

/// As many bytes of `text` as a label may have.
fn cut(text: &str) -> &[u8] {
    &text.as_bytes()[..text.len().min(MAX_LABEL)]
}
