//! The deep check: what the data says that map and records do not.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use super::ownership::Ownership;
use super::tally::chunk_room;
use super::{Fault, Finding};
use crate::assemble::{Component, Volume};
use crate::block::Block;
use crate::format::{ByteOrder, MAP_ENTRY_LEN};
use crate::geometry::{ComponentIndex, PhysicalChunk};
use crate::io::ReadAt;
use crate::ordered::{self, Map};
use crate::plan::VolumeReader;

/// A chunk that no entry names, with something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphan {
    /// The component.
    pub index: ComponentIndex,
    /// The chunk.
    pub chunk: PhysicalChunk,
    /// Its first byte that is not zero, counted from the start of the component.
    pub offset: u64,
    /// What it looks like, by the probe.
    pub looks_like: Option<&'static str>,
}

/// Who hears of the deep check while it goes on.
pub struct Hearers<'a> {
    /// Names what the start of a chunk looks like; it gets as many bytes as were read, at most 1 MiB.
    pub probe: &'a dyn Fn(&[u8]) -> Option<&'static str>,
    /// Hears of every orphan, component by component in the order of chunks.
    pub orphan: &'a mut dyn FnMut(Orphan),
    /// Hears how many bytes of how many are done, and may stop.
    pub progress: &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>,
}

/// Bytes read at once.
const BLOCK: usize = 1 << 20;

/// Reads the data of `volume`: chunks nobody owns with something in them, chunks with an owner and nothing in
/// them, and what lies where neither chunks nor records are. Chunks are read until the question is answered.
///
/// Without component 0 there is no map, and every chunk of the others is nobody's.
///
/// `disks` and `order` are as for [`VolumeReader::new`]. Needs one bit for each chunk the components have.
pub fn deep<D: ReadAt>(
    volume: &Volume,
    disks: &BTreeMap<ComponentIndex, D>,
    order: ByteOrder,
    hearers: &mut Hearers<'_>,
) -> Vec<Finding> {
    let owned = owned(volume, disks, order);
    let mut deep = Deep { volume, buffer: Block::new(BLOCK), done: 0, total: 0, faults: Vec::new() };
    deep.total = disks.values().map(ReadAt::size).sum();
    for (index, component) in &volume.components {
        let (disk, owners) = (&disks[index], owned.get(index));
        if deep.component(*index, component, disk, owners, hearers).is_break() {
            break;
        }
    }
    deep.faults.into_iter().map(|fault| Finding { repair: fault.repair(0), fault }).collect()
}

/// Which chunks have an owner.
fn owned<D: ReadAt>(
    volume: &Volume,
    disks: &BTreeMap<ComponentIndex, D>,
    order: ByteOrder,
) -> Map<ComponentIndex, Ownership> {
    let disks = ordered::tree(disks.iter().map(|(index, disk)| (*index, disk)));
    let mut owned: Map<ComponentIndex, Ownership> = Map::default();
    let mut reader = VolumeReader::new(volume.clone(), disks, order, 1 << 20);
    for row in reader.rows().filter(|row| row.entry.is_allocated()) {
        let Some(component) = volume.components.get(&row.entry.component) else { continue };
        // Only what the disk has room for: a bit for more would let a record decide about memory.
        let room = chunk_room(volume, component);
        let first = row.entry.chunk.0;
        let last = u64::from(first) + row.chunks - 1;
        let last = u32::try_from(last).unwrap_or(u32::MAX).min(room);
        if first <= last {
            owned.get_or_insert_with(row.entry.component, Ownership::default).claim(first, last, &mut |_| {});
        }
    }
    owned
}

struct Deep<'a> {
    volume: &'a Volume,
    buffer: Block,
    done: u64,
    total: u64,
    faults: Vec<Fault>,
}

impl Deep<'_> {
    fn component<D: ReadAt>(
        &mut self,
        index: ComponentIndex,
        component: &Component,
        disk: &D,
        owned: Option<&Ownership>,
        hearers: &mut Hearers<'_>,
    ) -> ControlFlow<()> {
        let chunk_size = self.volume.chunk_size;
        let room = chunk_room(self.volume, component);
        let record = &component.record;
        let reserved = u32::from(record.chunk_reserved.get()).min(room);
        if index.0 == 0 {
            let map_len = self.volume.map_entries() * MAP_ENTRY_LEN as u64;
            let reserve = map_len..chunk_size.offset_of(PhysicalChunk(reserved)).max(map_len);
            if let Some((offset, _)) = self.first_byte(disk, reserve) {
                self.faults.push(Fault::ReserveNotEmpty { offset });
            }
        }
        let (mut zero, mut first_zero, mut orphans, mut first_orphan) = (0, None, 0, None);
        let cursor = record.chunk_next.get();
        let mut below = 0;
        for chunk in reserved..room {
            let start = chunk_size.offset_of(PhysicalChunk(chunk));
            (hearers.progress)(self.done.saturating_add(start), self.total)?;
            let has_owner = owned.is_some_and(|owned| owned.contains(chunk));
            match (has_owner, self.first_byte(disk, start..start + chunk_size.bytes())) {
                (true, None) => {
                    zero += 1;
                    first_zero = first_zero.or(Some(PhysicalChunk(chunk)));
                }
                (false, Some((offset, head))) => {
                    let looks_like = (hearers.probe)(&self.buffer[..head]);
                    let orphan = Orphan { index, chunk: PhysicalChunk(chunk), offset, looks_like };
                    orphans += 1;
                    let used_behind = || owned.is_some_and(|owned| owned.owned_from(chunk).is_some());
                    below += u64::from(chunk < cursor || used_behind());
                    first_orphan = first_orphan.or(Some(orphan));
                    (hearers.orphan)(orphan);
                }
                _ => {}
            }
        }
        if let Some(first) = first_orphan {
            self.faults.push(Fault::OrphanData { chunks: orphans, below, first });
        }
        if let Some(first) = first_zero {
            self.faults.push(Fault::ZeroChunks { index, chunks: zero, first });
        }
        let tail = chunk_size.offset_of(PhysicalChunk(room))
            ..component.len.saturating_sub(u64::from(component.sector_size));
        if let Some((offset, _)) = self.first_byte(disk, tail) {
            self.faults.push(Fault::TailData { index, offset });
        }
        self.done = self.done.saturating_add(component.len);
        ControlFlow::Continue(())
    }

    /// The first byte of `range` that is not zero, and how much of the start of the range is in the buffer. What
    /// cannot be read is passed over as zeros: other findings speak of it.
    fn first_byte<D: ReadAt>(&mut self, disk: &D, range: Range<u64>) -> Option<(u64, usize)> {
        let mut start = range.start;
        let mut head = 0;
        while start < range.end {
            let len = usize::try_from(range.end - start).map_or(BLOCK, |rest| rest.min(BLOCK));
            let block = &mut self.buffer[..len];
            if disk.read_at(start, block).is_ok()
                && let Some(position) = block.iter().position(|byte| *byte != 0)
            {
                if start == range.start {
                    head = len;
                }
                return Some((start + position as u64, head));
            }
            start += len as u64;
        }
        None
    }
}
