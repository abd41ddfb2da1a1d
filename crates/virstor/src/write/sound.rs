//! Whether a volume may be written to.
//!
//! Writing into a damaged volume makes the damage worse, so only what keeps the invariants that the kernel's
//! own allocation needs is opened for it.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::allocator::Cursor;
use crate::assemble::{Problem, Volume};
use crate::format::{ByteOrder, MapEntry};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::map::{MapPages, Run, scan};

/// Why a volume may not be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsound {
    /// A component is not there.
    Missing(ComponentIndex),
    /// The records do not fit each other or their disks.
    Problem(Problem),
    /// Chunks, or the map, are not whole sectors.
    BrokenSectors {
        /// The length that is not a multiple, in bytes.
        len: u64,
        /// The sector size in bytes.
        sector_size: u32,
    },
    /// Chunks that the map lies in may be handed out, or do not exist.
    MapNotReserved {
        /// The length of the map in bytes.
        map_len: u64,
        /// How many bytes of component 0 are reserved.
        reserved: u64,
    },
    /// The map cannot be read.
    MapUnreadable(IoError),
    /// An entry names a component or a chunk that cannot be.
    Entry {
        /// Whose.
        at: VirtualChunk,
        /// What it says.
        entry: MapEntry,
    },
    /// An entry names a chunk that reaches into the record of its component: data and record overwrite each other.
    OverRecord {
        /// Whose.
        at: VirtualChunk,
        /// What it says.
        entry: MapEntry,
    },
    /// An entry names a chunk that is named by one before it, too.
    Shared {
        /// The second.
        at: VirtualChunk,
        /// What both say.
        entry: MapEntry,
    },
    /// The chunks in use on a component do not follow each other from the first that is not reserved: the
    /// kernel, which counts them, would hand out one in use.
    NotDense {
        /// Whose entry is too far up, or in the reserve.
        at: VirtualChunk,
        /// What it says.
        entry: MapEntry,
        /// How many chunks of that component are in use.
        used: u64,
    },
}

/// What the map of a sound volume holds.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) order: ByteOrder,
    pub(crate) cursors: Vec<Cursor>,
}

/// Examines `volume`, whose component 0 is `first`. Takes a bit of memory for every allocated entry.
pub(crate) fn examine(volume: &Volume, first: &(impl ReadAt + ?Sized)) -> Result<Found, Unsound> {
    check_geometry(volume)?;
    let (entries, bounds) = (volume.map_entries(), volume.bounds());
    let report = scan(first, entries, &bounds, &mut |_, _| ControlFlow::Continue(()));
    if let Some(error) = report.read_error {
        return Err(Unsound::MapUnreadable(error));
    }
    if let (Some(invalid), ByteOrder::Little) = (report.first_invalid, report.order) {
        return Err(Unsound::Entry { at: invalid.at, entry: invalid.entry });
    }
    let mut components: Vec<Used> = bounds
        .iter()
        .zip((0..=u16::MAX).map(ComponentIndex))
        .map(|(bounds, index)| {
            let bounds = bounds.expect("no component is missing");
            let used = report.used.get(&index).copied().unwrap_or(0);
            Used::new(bounds.reserved, bounds.chunk_count, room(volume, index), used)
        })
        .collect();
    let mut map = MapPages::new(first, entries, report.order, 0);
    let mut next = 0;
    while next < entries {
        let at = VirtualChunk(next);
        match map.run(at, entries - next) {
            Run::Zero(chunks) => next += chunks,
            Run::Row(first, chunks) => {
                if first.is_allocated() {
                    let component = components.get_mut(first.component.as_usize());
                    let component = component.ok_or(Unsound::Entry { at, entry: first })?;
                    for (at, chunk) in (next..next + chunks).zip(first.chunk.0..=u32::MAX) {
                        let entry = MapEntry { chunk: PhysicalChunk(chunk), ..first };
                        component.mark(VirtualChunk(at), entry)?;
                    }
                }
                next += chunks;
            }
            Run::Unreadable(_) => {
                let error = map.take_error(at).unwrap_or_else(|| IoError::new(next, 0, "unreadable"));
                return Err(Unsound::MapUnreadable(error));
            }
        }
    }
    let cursors = components.iter().map(Used::cursor).collect();
    Ok(Found { order: report.order, cursors })
}

fn check_geometry(volume: &Volume) -> Result<(), Unsound> {
    if let Some(missing) = volume.missing().next() {
        return Err(Unsound::Missing(missing));
    }
    if let Some(problem) = volume.problems.iter().find(|problem| matters(problem)) {
        return Err(Unsound::Problem(problem.clone()));
    }
    let (sector_size, chunk_size) = (volume.sector_size, volume.chunk_size.bytes());
    let map_len = u64::try_from(volume.map_len()).expect("no problem: it fits component 0");
    for len in [chunk_size, map_len] {
        if !len.is_multiple_of(u64::from(sector_size)) {
            return Err(Unsound::BrokenSectors { len, sector_size });
        }
    }
    let first = &volume.components[&ComponentIndex(0)].record;
    let chunks = u32::from(first.chunk_reserved.get()).min(room(volume, ComponentIndex(0)));
    let reserved = u64::from(chunks) * chunk_size;
    if map_len > reserved {
        return Err(Unsound::MapNotReserved { map_len, reserved });
    }
    Ok(())
}

/// Whether a problem is one of the set, and not only of where it lies and what else is there. Chunks past the end are a
/// problem when something lies in them, and are not handed out.
fn matters(problem: &Problem) -> bool {
    !matches!(
        problem,
        Problem::Hidden { .. }
            | Problem::HardcodedName { .. }
            | Problem::NameTaken { .. }
            | Problem::ChunksPastEnd { .. }
    )
}

/// How many chunks of a component lie before its record.
fn room(volume: &Volume, index: ComponentIndex) -> u32 {
    let component = &volume.components[&index];
    let room = component.len.saturating_sub(u64::from(component.sector_size)) / volume.chunk_size.bytes();
    let chunk_count = component.record.chunk_count.get();
    u32::try_from(room).map_or(chunk_count, |room| room.min(chunk_count))
}

/// The chunks of one component that entries name.
struct Used {
    reserved: u32,
    chunk_count: u32,
    /// How many of those lie before the record.
    room: u32,
    used: u64,
    /// A bit for each chunk that a dense component has in use.
    seen: Vec<u64>,
}

impl Used {
    /// `used` entries were read: more memory than they took on the disk is never asked for.
    fn new(reserved: u32, chunk_count: u32, room: u32, used: u64) -> Self {
        let words = usize::try_from(used.div_ceil(64)).expect("entries were counted in memory");
        Self { reserved, chunk_count, room, used, seen: vec![0; words] }
    }

    fn mark(&mut self, at: VirtualChunk, entry: MapEntry) -> Result<(), Unsound> {
        if entry.chunk.0 >= self.chunk_count {
            return Err(Unsound::Entry { at, entry });
        }
        if entry.chunk.0 >= self.room {
            return Err(Unsound::OverRecord { at, entry });
        }
        let used = self.used;
        let position = entry.chunk.0.checked_sub(self.reserved).map(u64::from);
        let position = position.filter(|position| *position < used);
        let Some(position) = position else { return Err(Unsound::NotDense { at, entry, used }) };
        let word = &mut self.seen[usize::try_from(position / 64).expect("there are as many words")];
        let bit = 1 << (position % 64);
        if *word & bit != 0 {
            return Err(Unsound::Shared { at, entry });
        }
        *word |= bit;
        Ok(())
    }

    /// Every entry had a chunk of its own below `reserved + used`, so behind those is the first free one.
    fn cursor(&self) -> Cursor {
        let used = u32::try_from(self.used).expect("each has a chunk of its own, and those have 32 bits");
        Cursor {
            reserved: self.reserved,
            next: self.reserved + used,
            chunk_count: self.room,
            overlaps: self.room < self.chunk_count,
        }
    }
}
