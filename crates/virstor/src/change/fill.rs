//! Many chunks that get a place at once, for an image that is put into a volume.
//!
//! The bytes come first, into chunks that no entry names; then this plan makes them part of the volume.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::map::{entry, with_entries};
use super::sequence::{Sequence, homes};
use super::{Place, Plan, SoundSet, brought_up_to_date};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::{IoError, ReadAt};

/// The free chunks of `set`, in the order in which FreeBSD would hand them out.
pub fn places(set: &SoundSet) -> impl Iterator<Item = (ComponentIndex, PhysicalChunk)> {
    let all: Vec<_> = (0..=u16::MAX).map(ComponentIndex).zip(set.cursors.clone()).collect();
    let first = usize::from(set.allocator().current().0);
    all.into_iter().skip(first).flat_map(|(component, cursor)| {
        (cursor.next..cursor.chunk_count).map(move |chunk| (component, PhysicalChunk(chunk)))
    })
}

/// Gives each of `chunks`, which have none, the next of [`places`]. What lies there is durable already. `first` is
/// component 0.
///
/// # Errors
///
/// When the map cannot be read.
///
/// # Panics
///
/// When there are more chunks than places.
pub fn plan(
    set: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    chunks: &[VirtualChunk],
) -> Result<Plan, IoError> {
    let taken: Vec<(VirtualChunk, Place)> = chunks.iter().copied().zip(places(set)).collect();
    assert_eq!(taken.len(), chunks.len(), "the caller counted the places");
    let mut cursors = set.cursors.clone();
    for (_, (component, chunk)) in &taken {
        cursors[component.as_usize()].next = chunk.0 + 1;
    }
    let (old, homes) = (set.old_records(), homes(&set.volume));
    let records = brought_up_to_date(&old, &cursors);
    let mut between = old.clone();
    for (record, new) in between.iter_mut().zip(&records) {
        record.flags.set(record.flags.get() | new.flags.get());
    }
    let mut sequence = Sequence::default();
    sequence.records(&homes, &old, &between);
    let entries = taken.iter().map(|(at, place)| (*at, entry(*place))).collect();
    sequence.patches.extend(with_entries(set, first, &BTreeMap::new(), &entries)?);
    sequence.records(&homes, &between, &records);
    Ok(Plan { records, patches: sequence.patches })
}
