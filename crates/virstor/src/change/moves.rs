//! Chunks that move, and chunks that are given up.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::map::{entry, no_entry, with_entries};
use super::sequence::{Sequence, homes};
use super::{Place, SoundSet, brought_up_to_date};
use crate::format::{MapEntry, Record};
use crate::geometry::VirtualChunk;
use crate::io::{IoError, ReadAt};
use crate::patch::Patch;
use crate::write::allocator::Cursor;

/// What is to become of chunks. No place is both left and taken.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Chunks that lose their place: which, and that.
    pub(super) given_up: Vec<(VirtualChunk, Place)>,
    /// Chunks that get another: which, from where, to where.
    pub(super) moved: Vec<(VirtualChunk, Place, Place)>,
}

/// The steps up to the new entries (1 to 4 of those that [`super`] lists). Gives the records as they are then, and
/// those that go with `cursors`, which hold when the moves are done.
pub(super) fn steps(
    sequence: &mut Sequence,
    set: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    moves: &Moves,
    cursors: &[Cursor],
) -> Result<(Vec<Record>, Vec<Record>), IoError> {
    let old = set.old_records();
    let new = brought_up_to_date(&old, cursors);
    let mut between = old.clone();
    for (record, new) in between.iter_mut().zip(&new) {
        record.flags.set(record.flags.get() | new.flags.get());
        record.chunk_next.set(record.chunk_next.get().min(new.chunk_next.get()));
    }
    lower_cursors(&mut between, set, moves);
    sequence.records(&homes(set.volume()), &old, &between);

    let given_up: BTreeMap<VirtualChunk, MapEntry> =
        moves.given_up.iter().map(|(at, _)| (*at, no_entry())).collect();
    sequence.patches.extend(with_entries(set, first, &BTreeMap::new(), &given_up)?);
    sequence.barrier();
    let chunk_size = set.volume().chunk_size;
    sequence.patches.extend(moves.moved.iter().map(|(_, from, to)| Patch::Copy {
        from: (from.0, chunk_size.offset_of(from.1)),
        to: (to.0, chunk_size.offset_of(to.1)),
        len: chunk_size.bytes(),
    }));
    sequence.barrier();
    let moved = moves.moved.iter().map(|(at, _, to)| (*at, entry(*to))).collect();
    sequence.patches.extend(with_entries(set, first, &given_up, &moved)?);
    sequence.barrier();
    Ok((between, new))
}

/// Lowers the cursors to how many entries a component has at the least while chunks move. A cursor that is too low is an
/// old one; one that is too high says that entries were lost.
fn lower_cursors(records: &mut [Record], set: &SoundSet, moves: &Moves) {
    let mut left: Vec<u32> = set.cursors.iter().map(|cursor| cursor.next).collect();
    let places = moves.given_up.iter().map(|(_, place)| place);
    for (component, _) in places.chain(moves.moved.iter().map(|(_, from, _)| from)) {
        left[component.as_usize()] -= 1;
    }
    for (record, left) in records.iter_mut().zip(left) {
        record.chunk_next.set(record.chunk_next.get().min(left));
    }
}
