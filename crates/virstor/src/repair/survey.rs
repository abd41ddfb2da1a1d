//! What the map names, component by component.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::assemble::{Component, Volume};
use crate::check::map_pass::{readable_entries, swapped};
use crate::check::ownership::Ownership;
use crate::check::tally::chunk_room;
use crate::format::{ByteOrder, MAP_ENTRY_LEN, MapEntry};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::ReadAt;
use crate::map::{Stretch, stream};

/// What the map names.
#[derive(Debug)]
pub(super) struct Survey {
    /// By component, missing ones included.
    pub(super) parts: Vec<Part>,
    /// Allocated entries that name components which cannot be: how many, and the highest component.
    pub(super) nowhere: u64,
    /// Those of them that name the component behind the last.
    pub(super) behind: u64,
    pub(super) highest_component: Option<ComponentIndex>,
    /// Entries that are allocated, and name what can be, in the other byte order only.
    pub(super) swapped: u64,
}

/// One component, and what the map names on it.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) present: bool,
    /// Chunks below this hold the map.
    pub(super) in_map: u32,
    /// Chunks below this are never handed out.
    pub(super) reserved: u32,
    /// Chunks from here on reach into the record, or behind the end.
    pub(super) room: u32,
    pub(super) chunk_count: u32,
    /// Allocated entries that name it.
    pub(super) entries: u64,
    /// Those of them that name a chunk it has: what the kernel counts.
    pub(super) counted: u64,
    /// The highest chunk that is named, wherever it is.
    pub(super) highest: Option<u32>,
    /// The chunks that are named, as far as there is room.
    pub(super) owned: Ownership,
}

impl Survey {
    /// Reads the map of `volume` from `disk`, component 0; `None` when not all of it can be read. Components that are
    /// not `usable` count as missing.
    pub(super) fn new(
        volume: &Volume,
        disk: &impl ReadAt,
        order: ByteOrder,
        usable: &dyn Fn(ComponentIndex) -> bool,
    ) -> Option<Self> {
        let part = |number| {
            let index = ComponentIndex(number);
            let component = volume.components.get(&index).filter(|_| usable(index));
            component.map_or_else(Part::default, |component| Part::new(volume, index, component))
        };
        let parts = (0..volume.component_count).map(part).collect();
        let mut survey = Self { parts, nowhere: 0, behind: 0, highest_component: None, swapped: 0 };
        let whole = for_each_entry(volume, disk, order, |_, entry| {
            if entry.is_allocated() {
                survey.count(entry);
            } else if survey.fits(swapped(entry, order)) {
                survey.swapped += 1;
            }
        });
        whole.then_some(survey)
    }

    /// Whether an entry is one that the kernel may have made.
    pub(super) fn fits(&self, entry: MapEntry) -> bool {
        let part = self.parts.get(entry.component.as_usize());
        let fits = |part: &Part| !part.present || (part.reserved..part.chunk_count).contains(&entry.chunk.0);
        entry.flags == MapEntry::ALLOCATED && part.is_some_and(fits)
    }

    fn count(&mut self, entry: MapEntry) {
        let chunk = entry.chunk.0;
        self.highest_component = self.highest_component.max(Some(entry.component));
        let count = self.parts.len();
        let Some(part) = self.parts.get_mut(entry.component.as_usize()) else {
            self.nowhere += 1;
            self.behind += u64::from(entry.component.as_usize() == count);
            return;
        };
        part.entries += 1;
        part.counted += u64::from(chunk < part.chunk_count);
        part.highest = part.highest.max(Some(chunk));
        if chunk < part.room {
            part.owned.claim(chunk, chunk, &mut |_| {});
        }
    }

    /// The components that are there and may be allocated from, in order.
    pub(super) fn present(&self) -> impl Iterator<Item = (ComponentIndex, &Part)> {
        (0..=u16::MAX).map(ComponentIndex).zip(&self.parts).filter(|(_, part)| part.present)
    }

    /// The lowest chunk that may be handed out and that nothing names, on the first component that has one, and
    /// makes it named.
    pub(super) fn take_free(&mut self) -> Option<(ComponentIndex, PhysicalChunk)> {
        let parts = (0..=u16::MAX).map(ComponentIndex).zip(&mut self.parts);
        for (index, part) in parts.filter(|(_, part)| part.present) {
            let free = part.owned.free_from(part.low());
            if free < part.end() {
                part.owned.claim(free, free, &mut |_| {});
                return Some((index, PhysicalChunk(free)));
            }
        }
        None
    }
}

impl Part {
    fn new(volume: &Volume, index: ComponentIndex, component: &Component) -> Self {
        let map_chunks = volume.map_len().div_ceil(u128::from(volume.chunk_size.bytes()));
        Self {
            present: true,
            in_map: if index.0 == 0 { u32::try_from(map_chunks).unwrap_or(u32::MAX) } else { 0 },
            reserved: u32::from(component.record.chunk_reserved.get()),
            room: chunk_room(volume, component),
            chunk_count: component.record.chunk_count.get(),
            ..Self::default()
        }
    }

    /// The first chunk that may be handed out.
    pub(super) fn low(&self) -> u32 {
        self.reserved.max(self.in_map)
    }

    /// The first behind them.
    pub(super) fn end(&self) -> u32 {
        self.room.min(self.chunk_count)
    }

    /// How many may be handed out.
    pub(super) fn capacity(&self) -> u64 {
        u64::from(self.end().saturating_sub(self.low()))
    }

    /// What the kernel takes for the next chunk to hand out.
    pub(super) fn next(&self) -> u64 {
        u64::from(self.reserved) + self.counted
    }

    /// How many of these are named.
    pub(super) fn used(&self) -> u64 {
        self.owned.count_from(self.low()) - self.owned.count_from(self.end().max(self.low()))
    }
}

/// Calls `look` with every entry that is not zero, in order; whether all of the map could be read.
pub(super) fn for_each_entry(
    volume: &Volume,
    disk: &impl ReadAt,
    order: ByteOrder,
    mut look: impl FnMut(VirtualChunk, MapEntry),
) -> bool {
    let mut whole = true;
    let entries = readable_entries(volume);
    let error =
        stream(disk, entries, &mut |_, _| ControlFlow::Continue(()), &mut |at, stretch| match stretch {
            Stretch::Zeros => {}
            Stretch::Unreadable(_) => whole = false,
            Stretch::Entries(entries) => {
                for (at, bytes) in (at..).zip(entries) {
                    if *bytes != [0; MAP_ENTRY_LEN] {
                        look(VirtualChunk(at), MapEntry::decode(*bytes, order));
                    }
                }
            }
        });
    whole && error.is_none()
}
