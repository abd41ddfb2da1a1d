//! Patches: changes to components as values, in the order in which they must reach the disks.
//!
//! Whoever decides what a set should become (`label` and its kin) makes patches; [`perform`] does them to new
//! sets, [`undo::perform`](crate::undo::perform) to sets with something to lose. A dry run prints them.

use alloc::vec::Vec;
use core::ops::Range;

use crate::block::Block;
use crate::geometry::ComponentIndex;
use crate::io::{IoError, ReadAt, WriteAt};
use crate::ordered;

/// One change. Those between two barriers may reach the disks in any order, and after a loss of power any
/// of them may be missing; what is behind a [`Patch::Barrier`] happens only after all before it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// Put bytes somewhere.
    Write {
        /// On which component.
        component: ComponentIndex,
        /// The first byte to change.
        offset: u64,
        /// What comes there.
        bytes: Vec<u8>,
    },
    /// Make bytes zero.
    Zero {
        /// On which component.
        component: ComponentIndex,
        /// The first byte to change.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Put bytes somewhere that lie somewhere else already. Neither place may be changed by another patch
    /// before the next barrier, so it does not matter when the bytes are read.
    Copy {
        /// The component and the first byte to read.
        from: (ComponentIndex, u64),
        /// The component and the first byte to change.
        to: (ComponentIndex, u64),
        /// How many bytes.
        len: u64,
    },
    /// Make all before durable, on every component that was changed.
    Barrier,
}

/// What a patch changes: which component, and which bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which component.
    pub component: ComponentIndex,
    /// Which bytes of it.
    pub range: Range<u64>,
}

impl Patch {
    /// What it changes; nothing for a barrier.
    ///
    /// # Panics
    ///
    /// When it reaches past the last byte that 64 bits can name.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        let (component, offset) = match self {
            Self::Write { component, offset, .. } | Self::Zero { component, offset, .. } => {
                (*component, *offset)
            }
            Self::Copy { to, .. } => *to,
            Self::Barrier => return None,
        };
        Some(Target { component, range: range(offset, self.changed_len()) })
    }

    /// How many bytes it changes.
    #[must_use]
    pub fn changed_len(&self) -> u64 {
        match self {
            Self::Write { bytes, .. } => bytes.len() as u64,
            Self::Zero { len, .. } | Self::Copy { len, .. } => *len,
            Self::Barrier => 0,
        }
    }

    /// What it reads: for copies only.
    ///
    /// # Panics
    ///
    /// As [`target`](Self::target).
    #[must_use]
    pub fn source(&self) -> Option<Target> {
        match self {
            Self::Copy { from: (component, offset), len, .. } => {
                Some(Target { component: *component, range: range(*offset, *len) })
            }
            _ => None,
        }
    }

    /// Fills `buf` with what the patch puts at its target from `within` on, reading sources from `disks`.
    ///
    /// # Errors
    ///
    /// When a source cannot be read.
    ///
    /// # Panics
    ///
    /// When the patch puts fewer bytes there, or its source has no disk.
    pub fn read(&self, within: u64, buf: &mut [u8], disks: &[impl ReadAt]) -> Result<(), PatchError> {
        match self {
            Self::Write { bytes, .. } => {
                let start = usize::try_from(within).expect("it is within the bytes");
                buf.copy_from_slice(&bytes[start..start + buf.len()]);
                Ok(())
            }
            Self::Zero { .. } => {
                buf.fill(0);
                Ok(())
            }
            Self::Copy { from: (component, offset), .. } => {
                on(*component, disks[component.as_usize()].read_at(offset + within, buf))
            }
            Self::Barrier => panic!("a barrier puts no bytes anywhere"),
        }
    }
}

fn range(offset: u64, len: u64) -> Range<u64> {
    offset..offset.checked_add(len).expect("a patch ends where 64 bits reach")
}

/// The patches between barriers, group by group.
pub fn groups(patches: &[Patch]) -> impl Iterator<Item = &[Patch]> {
    patches.split(|patch| *patch == Patch::Barrier).filter(|group| !group.is_empty())
}

/// Whether two patches of a group change the same byte, or one changes what another reads: then their order
/// would matter, and within a group there is none.
#[must_use]
pub fn is_ambiguous(group: &[Patch]) -> bool {
    let key = |place: &Target| (place.component, place.range.start);
    let mut targets: Vec<Target> = group.iter().filter_map(Patch::target).collect();
    targets.retain(|target| !target.range.is_empty());
    ordered::sort_by_key(&mut targets, key);
    let overlap = |a: &Target, b: &Target| {
        a.component == b.component && a.range.start < b.range.end && b.range.start < a.range.end
    };
    if targets.windows(2).any(|pair| overlap(&pair[0], &pair[1])) {
        return true;
    }
    group.iter().filter_map(Patch::source).any(|source| {
        // Targets do not overlap, so the one that starts last before the source's end decides.
        let before = targets.partition_point(|target| key(target) < (source.component, source.range.end));
        before.checked_sub(1).is_some_and(|last| overlap(&targets[last], &source))
    })
}

/// A disk failed while patches were performed. Performing all of them again is safe where none is a copy: what was copied
/// may be overwritten by a later group. [`undo::perform`](crate::undo::perform) is for those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchError {
    /// Whose disk.
    pub component: ComponentIndex,
    /// Where on it, and what the driver said.
    pub error: IoError,
}

/// Does `patches` to `disks`, one per component, and makes them durable.
///
/// # Errors
///
/// [`PatchError`] at the first failure; what comes after is not done.
///
/// # Panics
///
/// When a patch names a component that has no disk.
pub fn perform(patches: &[Patch], disks: &[impl WriteAt]) -> Result<(), PatchError> {
    for group in groups(patches) {
        for patch in group {
            apply(patch, disks)?;
        }
        flush(group, disks)?;
    }
    Ok(())
}

/// Copies are done in pieces of this many bytes.
const PIECE: usize = 256 << 10;

/// Does one patch. It is durable after [`flush`].
pub(crate) fn apply(patch: &Patch, disks: &[impl WriteAt]) -> Result<(), PatchError> {
    match patch {
        Patch::Write { component, offset, bytes } => {
            on(*component, disks[component.as_usize()].write_at(*offset, bytes))
        }
        Patch::Zero { component, offset, len } => {
            on(*component, disks[component.as_usize()].write_zeros(*offset, *len))
        }
        Patch::Copy { to: (component, offset), len, .. } => {
            let mut buffer = Block::new(usize::try_from(*len).map_or(PIECE, |len| len.min(PIECE)));
            let mut done = 0;
            while done < *len {
                let piece = usize::try_from(len - done).map_or(PIECE, |rest| rest.min(PIECE));
                patch.read(done, &mut buffer[..piece], disks)?;
                on(*component, disks[component.as_usize()].write_at(offset + done, &buffer[..piece]))?;
                done += piece as u64;
            }
            Ok(())
        }
        Patch::Barrier => Ok(()),
    }
}

/// Makes durable what a group changed.
pub(crate) fn flush(group: &[Patch], disks: &[impl WriteAt]) -> Result<(), PatchError> {
    for component in ordered::unique(group.iter().filter_map(Patch::target).map(|target| target.component)) {
        on(component, disks[component.as_usize()].flush())?;
    }
    Ok(())
}

pub(crate) fn on<T>(component: ComponentIndex, result: Result<T, IoError>) -> Result<T, PatchError> {
    result.map_err(|error| PatchError { component, error })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const C0: ComponentIndex = ComponentIndex(0);
    const C1: ComponentIndex = ComponentIndex(1);

    fn copy(from: (ComponentIndex, u64), to: (ComponentIndex, u64), len: u64) -> Patch {
        Patch::Copy { from, to, len }
    }

    #[test]
    fn patches_whose_order_would_matter_are_told() {
        let zero = |component, offset, len| Patch::Zero { component, offset, len };
        for (group, ambiguous) in [
            (vec![zero(C0, 0, 10), zero(C0, 10, 10), zero(C1, 0, 20)], false),
            (vec![zero(C0, 0, 11), zero(C0, 10, 10)], true),
            (vec![zero(C0, 10, 10), zero(C0, 0, 11)], true),
            (vec![copy((C0, 0), (C0, 50), 10), copy((C0, 0), (C1, 0), 10)], false),
            (vec![copy((C0, 0), (C0, 50), 10), copy((C0, 59), (C1, 0), 10)], true),
            (vec![copy((C0, 0), (C0, 50), 10), copy((C0, 60), (C1, 0), 10)], false),
            (vec![copy((C0, 0), (C0, 5), 10)], true),
        ] {
            assert_eq!(is_ambiguous(&group), ambiguous, "{group:?}");
        }
    }

    #[test]
    fn barriers_make_groups_and_none_of_them_is_empty() {
        let write = |offset| Patch::Write { component: C0, offset, bytes: vec![1] };
        let patches = [Patch::Barrier, write(0), write(1), Patch::Barrier, Patch::Barrier, write(2)];
        assert_eq!(groups(&patches).collect::<Vec<_>>(), [&[write(0), write(1)][..], &[write(2)]]);
    }
}
