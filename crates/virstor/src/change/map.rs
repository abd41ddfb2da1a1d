//! The map as changes see it: all entries at once, and the sectors that new ones go to.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::{Place, SoundSet};
use crate::format::{MAP_ENTRY_LEN, MapEntry};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::map::{MapPages, Run};
use crate::patch::Patch;

/// The allocated entries of the map of `set` on `first`, in order; 16 bytes of memory for each.
pub(super) fn allocated(
    set: &SoundSet,
    first: &(impl ReadAt + ?Sized),
) -> Result<Vec<(VirtualChunk, Place)>, IoError> {
    let entries = set.volume.map_entries();
    let mut map = MapPages::new(first, entries, set.order, 0);
    let mut all = Vec::new();
    let mut next = 0;
    while next < entries {
        let at = VirtualChunk(next);
        next += match map.run(at, entries - next) {
            Run::Zero(chunks) => chunks,
            Run::Row(entry, chunks) => {
                if entry.is_allocated() {
                    let row = (next..next + chunks).zip(entry.chunk.0..=u32::MAX);
                    all.extend(
                        row.map(|(at, chunk)| (VirtualChunk(at), (entry.component, PhysicalChunk(chunk)))),
                    );
                }
                chunks
            }
            Run::Unreadable(_) => {
                let error = map.take_error(at).unwrap_or_else(|| IoError::new(next, 0, "unreadable"));
                return Err(error);
            }
        };
    }
    Ok(all)
}

/// The sectors of the map on `first` with `entries` put in.
pub(super) fn with_entries(
    set: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    before: &BTreeMap<VirtualChunk, MapEntry>,
    entries: &BTreeMap<VirtualChunk, MapEntry>,
) -> Result<Vec<Patch>, IoError> {
    let sector = u64::from(set.volume.sector_size);
    let per_sector = sector / MAP_ENTRY_LEN as u64;
    let mut patches = Vec::new();
    let mut entries_left = entries.iter().peekable();
    while let Some((first_at, _)) = entries_left.peek() {
        let number = first_at.0 / per_sector;
        let mut bytes = vec![0; usize::try_from(sector).expect("a sector fits memory")];
        first.read_at(number * sector, &mut bytes)?;
        let range = VirtualChunk(number * per_sector)..VirtualChunk((number + 1) * per_sector);
        let mut put = |at: &VirtualChunk, entry: &MapEntry| {
            let start = usize::try_from(at.0 % per_sector).expect("in the sector") * MAP_ENTRY_LEN;
            bytes[start..start + MAP_ENTRY_LEN].copy_from_slice(&entry.encode(set.order));
        };
        before.range(range.clone()).for_each(|(at, entry)| put(at, entry));
        while let Some((at, entry)) = entries_left.next_if(|(at, _)| range.contains(at)) {
            put(at, entry);
        }
        patches.push(Patch::Write { component: ComponentIndex(0), offset: number * sector, bytes });
    }
    Ok(patches)
}

/// An entry that names `place`.
pub(super) fn entry((component, chunk): Place) -> MapEntry {
    MapEntry { flags: MapEntry::ALLOCATED, component, chunk }
}

/// An entry that names nothing.
pub(super) fn no_entry() -> MapEntry {
    MapEntry { flags: 0, component: ComponentIndex(0), chunk: PhysicalChunk(0) }
}
