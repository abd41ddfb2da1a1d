//! The undo log: what stood where before a set was changed.
//!
//! Whatever is changed in a set that holds data is changed by [`perform`], which writes the log first. A log is
//! only ever appended to:
//!
//! ```text
//!  head     whose set it is: name, id, what was asked for
//!  disk     one for each disk: its size and label, and ranges that must be as they were when all is undone
//!  piece    what a few sectors hold, and a hash of what each will hold      } one group: all that is done
//!  ...                                                                      } between two barriers
//!  ready    all pieces of the group are there                               }
//!  ...                                                more groups
//!  done     all that was to be changed is changed
//! ```
//!
//! A group is performed when its `ready` is durable, and the next group's pieces are read when its changes
//! are. So whenever the power fails, the log holds everything that was changed and stands so to the end: what
//! follows the last `ready` belongs to a group of which nothing was done. Every frame ends in a checksum that
//! starts from the frame's offset, so a torn end, or what an older file left there, is not taken for one.
//!
//! [`UndoLog::verify`] proves that each place holds what one of the groups found or left there, sector by
//! sector, so also in the midst of a change or of an undo that was cut off, and that the guarded ranges (the
//! map and the records) will be what they were. Only then [`UndoLog::undo`] puts everything back, last group
//! first. Doing so again changes nothing.

mod frame;
mod header;
mod log;
mod perform;

use core::hash::Hasher;

use twox_hash::XxHash64;

pub use self::header::{DiskHeader, Guard, Header, MAX_GUARDS, MAX_LABEL};
pub use self::log::{Difference, LogError, Mismatch, UndoError, UndoLog};
pub use self::perform::{ChangeError, Journal, Kept, LogSink, perform};
use crate::block::Block;
use crate::io::{IoError, ReadAt};

/// A hash of bytes, good against accidents and not against malice.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// Bytes read at once where much is read.
const BLOCK: usize = 256 << 10;

/// The [`hash`] of the `len` bytes of `disk` from `offset` on.
///
/// # Errors
///
/// When they cannot be read.
pub fn hash_of(disk: &(impl ReadAt + ?Sized), offset: u64, len: u64) -> Result<u64, IoError> {
    let mut block = Block::new(usize::try_from(len).map_or(BLOCK, |len| len.min(BLOCK)));
    let mut hasher = XxHash64::with_seed(0);
    let mut done = 0;
    while done < len {
        let piece = usize::try_from(len - done).map_or(BLOCK, |rest| rest.min(BLOCK));
        disk.read_at(offset + done, &mut block[..piece])?;
        hasher.write(&block[..piece]);
        done += piece as u64;
    }
    Ok(hasher.finish())
}

/// What a disk writes whole or not at all, in bytes: the smallest sector there is.
const CELL: u64 = 512;

/// The parts of `len` bytes from `offset` on that lie in one cell each: where in the bytes they start, and end.
fn cells(offset: u64, len: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    core::iter::from_fn(move || {
        let left = usize::try_from(CELL - (offset + start as u64) % CELL).expect("at most a cell");
        let end = len.min(start + left);
        let cell = (start, end);
        start = end;
        (cell.0 < cell.1).then_some(cell)
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn cells_end_where_sectors_do() {
        let of = |offset, len| cells(offset, len).collect::<Vec<_>>();
        assert_eq!(of(0, 1024), [(0, 512), (512, 1024)]);
        assert_eq!(of(511, 514), [(0, 1), (1, 513), (513, 514)]);
        assert_eq!(of(5, 0), []);
    }

    #[test]
    fn a_hash_of_a_range_is_that_of_its_bytes() {
        let disk: Vec<u8> = (0..700_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        assert_eq!(hash_of(&disk, 7, 600_000), Ok(hash(&disk[7..600_007])));
    }
}
