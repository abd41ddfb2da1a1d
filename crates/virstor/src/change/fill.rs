//! Many chunks that get a place at once.
//!
//! The bytes come first, into chunks that no entry names; then this plan makes them part of the volume.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::map::{entry, with_entries};
use super::sequence::{Sequence, homes};
use super::{Place, Plan, SoundSet, brought_up_to_date};
use crate::geometry::VirtualChunk;
use crate::io::{IoError, ReadAt};

/// The free chunks of `set`, in the order in which FreeBSD would hand them out.
pub(super) fn places(set: &SoundSet) -> impl Iterator<Item = Place> {
    let mut allocator = set.allocator();
    core::iter::from_fn(move || {
        let place = allocator.upcoming().next()?;
        allocator.take(place);
        Some(place)
    })
}

/// Gives each of `chunks`, which have none, the next of [`places`]. What lies there is durable already. `first` is
/// component 0. Fails when the map cannot be read.
pub(super) fn plan(
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
