//! What may be named on one component, and what is.

use super::ownership::Ownership;
use crate::assemble::{Component, Volume};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};

/// What entries may name on one component, and what the map says about it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Whether the component is there; of a missing one any chunk may exist.
    pub(super) present: bool,
    /// Chunks below this hold the map.
    pub(super) in_map: u32,
    /// Chunks below this are never handed out.
    pub(super) reserved: u32,
    /// Chunks from here on lie in the last sector or behind the end.
    pub(super) room: u32,
    /// Chunks from here on do not exist.
    pub(super) chunk_count: u32,
    /// Length in bytes.
    pub(super) len: u64,
    /// Allocated entries that name a chunk which may be: what the kernel counts.
    pub(super) entries: u64,
    /// The highest chunk that is owned; of a missing component the highest that is named.
    pub(super) highest: Option<u32>,
    /// The chunks that are named, as far as the component reaches; of a missing component none.
    pub(super) owned: Ownership,
    /// Entries that name chunks of the map.
    pub(super) inside_map: u64,
    /// Entries that name chunks which lie wholly behind the end.
    pub(super) past_end: u64,
    /// Entries that name chunks which do not exist.
    pub(super) nowhere: u64,
    /// The first entry that names a chunk from `room` on.
    pub(super) overlapping: Option<(PhysicalChunk, VirtualChunk)>,
}

impl Tally {
    /// Nothing is named yet on `component`, which is there.
    pub(super) fn new(volume: &Volume, index: ComponentIndex, component: &Component) -> Self {
        let reserved = u32::from(component.record.chunk_reserved.get());
        let map_chunks = volume.map_len().div_ceil(u128::from(volume.chunk_size.bytes()));
        let room = chunk_room(volume, component);
        let in_map = if index.0 == 0 { u32::try_from(map_chunks).unwrap_or(u32::MAX) } else { 0 };
        let chunk_count = component.record.chunk_count.get();
        Self { present: true, in_map, reserved, room, chunk_count, len: component.len, ..Self::default() }
    }

    /// Good entries name chunks below this; of a missing component nothing is known.
    pub(super) fn good_end(&self) -> u32 {
        self.room.min(self.chunk_count)
    }

    /// Chunks that may be handed out and that nothing owns.
    pub(super) fn free(&self) -> u64 {
        let (lowest, end) = (self.reserved.max(self.in_map), self.good_end());
        let used = self.owned.count_from(lowest) - self.owned.count_from(end.max(lowest));
        u64::from(end.saturating_sub(lowest)) - used
    }
}

/// How many chunks of `component` lie wholly before its last sector.
pub(crate) fn chunk_room(volume: &Volume, component: &Component) -> u32 {
    let bytes = component.len.saturating_sub(u64::from(component.sector_size));
    u32::try_from(bytes / volume.chunk_size.bytes()).unwrap_or(u32::MAX)
}
