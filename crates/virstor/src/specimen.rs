//! Specimens: what a set says about itself, without what it holds.
//!
//! A specimen stands for some files: their names and sizes, their records, the map, and nothing of the volume's
//! data. It reads like the files themselves wherever the engine looks to find, assemble, map or check a set, and
//! answers every other read with an error. The same form serves two purposes: a bug report or a second opinion
//! on terabytes fits into a letter, and a copy of the one map there is survives what happens to the disk.
//!
//! ```text
//!  magic[16]  version u32  purpose u32                 all numbers little-endian
//!  parts:
//!    1  file    size u64, sector size u32 (0: unknown), label, provider name
//!    2  block   of the file before: offset, length, kind, content; in ascending order
//!    0  end     XXH64 of everything before it; nothing follows
//! ```
//!
//! A part is its number (u8), the length of its content (varint) and the content. Contents of blocks:
//!
//! ```text
//!  kind 0  zeros       nothing
//!  kind 1  bytes       as they are
//!  kind 2  entries     tokens, little-endian map          see `words`
//!  kind 3  entries     tokens, big-endian map
//! ```
//!
//! Writing goes through a sink, part by part, and reading keeps an index of the blocks only, so that the size
//! of a map costs no memory.

mod read;
mod words;
mod write;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use self::read::{Specimen, SpecimenDisk};
pub use self::write::Writer;
use crate::counted::counted;
use crate::io::IoError;

/// How every specimen starts.
pub const MAGIC: &[u8; 16] = b"virstor specimen";

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// Most bytes of a file that one block stands for, unless they are zeros or entries in a row.
const BLOCK: u64 = 64 << 10;

/// Most bytes that tokens for [`BLOCK`] bytes can take: eleven for each entry.
const LONGEST_CONTENT: u64 = BLOCK / 8 * 11;

/// The longest label or provider name that is read.
const LONGEST_NAME: u64 = 4096;

const END: u8 = 0;
const FILE: u8 = 1;
const BLOCK_PART: u8 = 2;

/// What a specimen was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be looked at: all files of a heap.
    Collected,
    /// To be restored from: the components of one volume.
    Backup,
}

impl Purpose {
    fn number(self) -> u32 {
        match self {
            Self::Collected => 0,
            Self::Backup => 1,
        }
    }
}

/// A file that a specimen stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its size in bytes.
    pub size: u64,
    /// Its sector size in bytes, where that was given or found.
    pub sector_size: Option<u32>,
    /// What people call it.
    pub label: String,
    /// What FreeBSD would call it.
    pub provider: Vec<u8>,
}

/// Why a specimen cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecimenError {
    /// It does not start like one.
    NotASpecimen,
    /// It has a version that this program does not know.
    Version(u32),
    /// A part makes no sense.
    Malformed {
        /// Where it starts, in bytes.
        offset: u64,
        /// What is wrong with it, for people.
        what: &'static str,
    },
    /// It ends before its end part.
    CutOff {
        /// How many bytes there are.
        size: u64,
    },
    /// Its checksum is wrong: it was changed, or damaged.
    Checksum {
        /// What its end part says.
        recorded: u64,
        /// What its bytes give.
        computed: u64,
    },
    /// The file it is in cannot be read.
    Io(IoError),
}

impl fmt::Display for SpecimenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASpecimen => f.write_str("is not a specimen"),
            Self::Version(version) => {
                write!(f, "is a specimen of version {version}; this program reads version {VERSION}")
            }
            Self::Malformed { offset, what } => write!(f, "is a damaged specimen: {what} at byte {offset}"),
            Self::CutOff { size } => {
                write!(f, "is a specimen that is cut off after {}", counted(*size, "byte"))
            }
            Self::Checksum { recorded, computed } => write!(
                f,
                "is a damaged specimen: its checksum is {computed:016x}, and it says {recorded:016x}"
            ),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SpecimenError {}

impl From<IoError> for SpecimenError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

/// Appends `number` in groups of seven bits, the lowest first; all but the last have their top bit set.
fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Takes a number from the start of `bytes`; `None` when it does not end or has more than 64 bits.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let group = u64::from(first & 0x7f);
        if shift == 63 && group > 1 {
            return None;
        }
        number |= group << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
