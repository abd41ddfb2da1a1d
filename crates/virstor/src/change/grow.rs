//! A larger virtual device.
//!
//! The map grows with it, within the chunks that are reserved for it: `label` reserves twice what the map takes, so
//! that the size can usually double. Beyond that the chunks behind the reserve move away, and it grows, too.

use alloc::vec::Vec;

use super::moves::{Moves, steps};
use super::sequence::{Sequence, homes};
use super::{Place, Plan, SoundSet, brought_up_to_date, map};
use crate::format::{MAP_ENTRY_LEN, Record};
use crate::geometry::{ComponentIndex, PhysicalChunk};
use crate::io::{IoError, ReadAt};
use crate::map::MAX_ENTRIES;
use crate::patch::Patch;

/// What growing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// The changes.
    pub plan: Plan,
    /// The new size of the virtual device in bytes, rounded down to whole chunks and then up so that the map fills
    /// whole sectors, as `label` does.
    pub virtual_size: u64,
    /// How many chunks of component 0 are reserved.
    pub reserved: u16,
    /// How many chunks move for that.
    pub moved: u64,
}

/// Why a volume cannot grow so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrowError {
    /// It is as large already, or larger.
    NotLarger {
        /// What was asked for, in bytes.
        asked: u64,
        /// The same, rounded as [`Growth::virtual_size`] is.
        size: u64,
        /// What it has, in bytes.
        current: u64,
    },
    /// It is more than a device can have (2^63 - 1 bytes) or a map can describe ([`MAX_ENTRIES`] chunks).
    TooLarge {
        /// What was asked for, in bytes.
        asked: u64,
        /// The most there can be with this chunk size, in bytes.
        largest: u64,
    },
    /// The map would take more chunks than the record can reserve.
    MapTooLarge {
        /// The map in bytes.
        map_len: u64,
        /// The most that can be reserved, in bytes.
        largest: u64,
    },
    /// The map would take more chunks than component 0 has.
    ComponentTooSmall {
        /// How many it would take.
        needed: u64,
        /// How many there are.
        chunks: u32,
    },
    /// There are not enough free chunks for those that have to move.
    OutOfSpace {
        /// How many have to move.
        needed: u64,
        /// How many places there are for them.
        free: u64,
    },
    /// The map cannot be read.
    Io(IoError),
}

/// Makes the virtual device of `set` at least one chunk and about `size` bytes large. `first` is component 0.
///
/// # Errors
///
/// [`GrowError`] when it cannot be.
pub fn plan(set: &SoundSet, first: &(impl ReadAt + ?Sized), size: u64) -> Result<Growth, GrowError> {
    let virtual_size = rounded(set, size)?;
    let chunk_size = set.volume.chunk_size.bytes();
    let map_len = virtual_size / chunk_size * MAP_ENTRY_LEN as u64;
    let map_chunks = map_len.div_ceil(chunk_size);
    let Ok(least) = u16::try_from(map_chunks) else {
        let largest = u64::from(u16::MAX) * chunk_size;
        return Err(GrowError::MapTooLarge { map_len, largest });
    };
    let reserved = set.volume.components[&ComponentIndex(0)].record.chunk_reserved.get();
    if least <= reserved {
        return build(set, first, virtual_size, reserved);
    }
    // As much as `label` would reserve, if there is room for what has to move; else what the map takes.
    match build(set, first, virtual_size, least.saturating_mul(2)) {
        Err(GrowError::OutOfSpace { .. } | GrowError::ComponentTooSmall { .. }) => {
            build(set, first, virtual_size, least)
        }
        result => result,
    }
}

fn rounded(set: &SoundSet, asked: u64) -> Result<u64, GrowError> {
    let chunk_size = set.volume.chunk_size.bytes();
    let per_sector = u64::from(set.volume.sector_size) / MAP_ENTRY_LEN as u64;
    let most = (i64::MAX.cast_unsigned() / chunk_size).min(MAX_ENTRIES) / per_sector * per_sector;
    let chunks = (asked / chunk_size).checked_next_multiple_of(per_sector).filter(|chunks| *chunks <= most);
    let Some(chunks) = chunks else {
        return Err(GrowError::TooLarge { asked, largest: most * chunk_size });
    };
    let (size, current) = (chunks * chunk_size, set.volume.size());
    if size <= current { Err(GrowError::NotLarger { asked, size, current }) } else { Ok(size) }
}

fn build(
    set: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    virtual_size: u64,
    reserved: u16,
) -> Result<Growth, GrowError> {
    let chunks = set.cursors[0].chunk_count;
    if u32::from(reserved) > chunks {
        return Err(GrowError::ComponentTooSmall { needed: u64::from(reserved), chunks });
    }
    let moves = out_of_the_way(set, first, reserved)?;
    let mut cursors = set.cursors.clone();
    cursors[0].next = cursors[0].next.max(u32::from(reserved));
    cursors[0].reserved = u32::from(reserved);
    for (_, _, (component, chunk)) in &moves.moved {
        let cursor = &mut cursors[component.as_usize()];
        cursor.next = cursor.next.max(chunk.0 + 1);
    }
    let mut sequence = Sequence::default();
    let homes = homes(&set.volume);
    let old_map_len = set.volume.map_entries() * MAP_ENTRY_LEN as u64;
    let map_len = virtual_size / set.volume.chunk_size.bytes() * MAP_ENTRY_LEN as u64;
    let between = if moves.moved.is_empty() {
        set.old_records()
    } else {
        steps(&mut sequence, set, first, &moves, &cursors).map_err(GrowError::Io)?.0
    };
    sequence.patches.push(Patch::Zero {
        component: ComponentIndex(0),
        offset: old_map_len,
        len: map_len - old_map_len,
    });
    sequence.barrier();
    let mut records: Vec<Record> = brought_up_to_date(&between, &cursors);
    records[0].chunk_reserved.set(reserved);
    records.iter_mut().for_each(|record| record.md_virsize.set(virtual_size));
    sequence.records_upward(&homes, &between, &records);
    let moved = moves.moved.len() as u64;
    Ok(Growth { plan: Plan { records, patches: sequence.patches }, virtual_size, reserved, moved })
}

/// Moves the chunks of component 0 that are to be reserved into the next free ones.
fn out_of_the_way(set: &SoundSet, first: &(impl ReadAt + ?Sized), reserved: u16) -> Result<Moves, GrowError> {
    let in_the_way =
        |place: &Place| place.0 == ComponentIndex(0) && place.1 < PhysicalChunk(u32::from(reserved));
    if u32::from(reserved) <= set.cursors[0].reserved {
        return Ok(Moves::default());
    }
    let mut leaving: Vec<_> = map::allocated(set, first).map_err(GrowError::Io)?;
    leaving.retain(|(_, place)| in_the_way(place));
    leaving.sort_unstable_by_key(|(_, place)| *place);
    let allocator = set.allocator();
    let places: Vec<Place> =
        allocator.upcoming().filter(|place| !in_the_way(place)).take(leaving.len()).collect();
    if places.len() < leaving.len() {
        let (needed, free) = (leaving.len() as u64, places.len() as u64);
        return Err(GrowError::OutOfSpace { needed, free });
    }
    let moved = leaving.into_iter().zip(places).map(|((at, from), to)| (at, from, to)).collect();
    Ok(Moves { given_up: Vec::new(), moved })
}
