//! Sets whose records are all gone: what a map tells without them, and records made up so that the set can be read.
//!
//! The map has no header, but it can be told from other data: entries have flags 0 or 1, and small numbers. What it
//! does not tell is how long a chunk is. The lowest chunk that component 0 hands out does tell how many chunks are
//! reserved there, twice those of the map (`gvirstor label`), and a file system at the start of the volume, when
//! one is found at the place that a chunk size gives, confirms that size.

use std::fmt;
use std::ops::ControlFlow;

use virstor::counted::counted_len;
use virstor::format::{
    ByteOrder, ComponentFlags, MAGIC, MAP_ENTRY_LEN, MapEntry, RECORD_LEN, Record, SECTOR_SIZES, VERSION,
};
use virstor::geometry::ComponentIndex;
use virstor::io::{ReadAt, Window};
use virstor::label::record_sector;
use virstor::map::{ComponentBounds, MapReport, scan};
use virstor_partitions::signature::signature;

/// What the user says about a set without records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// Size of every chunk in bytes.
    pub chunk_size: u32,
    /// Size of the volume in bytes; without it the largest that the map has room for.
    pub virtual_size: Option<u64>,
    /// Sector size of every component in bytes.
    pub sector_size: u32,
    /// Name of the volume.
    pub name: [u8; 16],
    /// Its id.
    pub id: u32,
}

/// Why records cannot be made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssumeError {
    /// There must be a component, and at most 65,535.
    Count(usize),
    /// Component 0, which holds the map, is missing.
    NoFirst,
    /// The chunk size is no multiple of the sector size.
    ChunkSize(u32),
    /// The volume has less than a chunk, or a larger map than component 0 has room for.
    VirtualSize {
        /// What was said, in bytes.
        virtual_size: u64,
        /// The most that component 0 has room for.
        largest: u64,
    },
    /// A component, by its number, has no room for a chunk and a record.
    TooSmall(usize),
    /// Component 0 does not start with a map.
    NoMap,
}

impl fmt::Display for AssumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => {
                write!(f, "order names {}; there are 1 to 65535", counted_len(*count, "component"))
            }
            Self::NoFirst => {
                f.write_str("order starts with '-'; the first component holds the map and must be there")
            }
            Self::ChunkSize(size) => write!(f, "chunk-size {size} is no multiple of the sector size"),
            Self::VirtualSize { virtual_size, largest } => {
                write!(
                    f,
                    "virtual-size {virtual_size} is not from one chunk to {largest}, all that the map has room for"
                )
            }
            Self::TooSmall(number) => write!(f, "component {number} has no room for a chunk and a record"),
            Self::NoMap => f.write_str("the first component does not start with a map of these components"),
        }
    }
}

impl std::error::Error for AssumeError {}

/// A sector with a record that was made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSector {
    /// Where it starts on the component, in bytes.
    pub offset: u64,
    /// What is there.
    pub bytes: Vec<u8>,
}

/// Made-up last sectors for the components, `None` where one is missing.
///
/// Nothing is told apart by these records that the map does not tell: cursors and flags are what they would be
/// after a clean stop.
///
/// # Errors
///
/// [`AssumeError`] when the numbers do not fit each other, or there is no map.
pub fn records<D: ReadAt>(
    disks: &[Option<&D>],
    assumption: &Assumption,
) -> Result<Vec<Option<LastSector>>, AssumeError> {
    let count = u16::try_from(disks.len()).ok().filter(|count| *count > 0);
    let (Some(count), Some(first)) = (count, disks.first()) else {
        return Err(AssumeError::Count(disks.len()));
    };
    let first = first.ok_or(AssumeError::NoFirst)?;
    let (chunk_size, sector) = (u64::from(assumption.chunk_size), u64::from(assumption.sector_size));
    if chunk_size == 0 || !chunk_size.is_multiple_of(sector) {
        return Err(AssumeError::ChunkSize(assumption.chunk_size));
    }
    let room = |disk: &D| u32::try_from(disk.size().saturating_sub(sector) / chunk_size).unwrap_or(u32::MAX);
    if let Some(number) = disks.iter().position(|disk| disk.is_some_and(|disk| room(disk) == 0)) {
        return Err(AssumeError::TooSmall(number));
    }
    // One chunk more may be in use: label and add count the one that covers the record, too.
    let bounds: Vec<Option<ComponentBounds>> = disks
        .iter()
        .map(|disk| {
            disk.map(|disk| ComponentBounds { reserved: 0, chunk_count: room(disk).saturating_add(1) })
        })
        .collect();
    let most = first.size().saturating_sub(sector) / MAP_ENTRY_LEN as u64;
    let largest = most.saturating_mul(chunk_size);
    let map = Map::find(first, most, assumption, &bounds)?;
    let entries = match assumption.virtual_size {
        None => map.entries,
        Some(size) if size >= chunk_size && size <= largest => size / chunk_size,
        Some(virtual_size) => return Err(AssumeError::VirtualSize { virtual_size, largest }),
    };
    let report = scan(first, entries, &bounds, &mut |_, _| ControlFlow::Continue(()));
    let reserved = map.reserved(entries, chunk_size);
    let used = |number: u16| report.used.get(&ComponentIndex(number)).copied().unwrap_or(0);
    let chunk_counts: Vec<u32> = (0..count)
        .zip(disks)
        .map(|(number, disk)| {
            let room = disk.map_or(0, room);
            room + u32::from(map.highest(first, entries, report.order, number).is_some_and(|it| it >= room))
        })
        .collect();
    let next = |number: u16| {
        let first = if number == 0 { u64::from(reserved) } else { 0 };
        u32::try_from(first + used(number)).unwrap_or(u32::MAX)
    };
    let current = (0..count).find(|number| next(*number) < chunk_counts[usize::from(*number)]);
    let current = current.unwrap_or(count - 1);
    let made = (0..count).zip(disks).map(|(number, disk)| {
        let disk = (*disk)?;
        let mut record = Record::decode(&[0; RECORD_LEN]);
        record.md_magic[..MAGIC.len()].copy_from_slice(MAGIC);
        record.md_version.set(VERSION);
        record.md_name = assumption.name;
        record.md_virsize.set(entries.saturating_mul(chunk_size));
        record.md_chunk_size.set(assumption.chunk_size);
        record.md_id.set(assumption.id);
        record.md_count.set(count);
        record.no.set(number);
        record.provsize.set(disk.size());
        record.chunk_count.set(chunk_counts[usize::from(number)]);
        record.chunk_next.set(next(number));
        record.chunk_reserved.set(if number == 0 { reserved } else { 0 });
        let allocated = if number == 0 || used(number) > 0 { ComponentFlags::ALLOCATED } else { 0 };
        let mark = if number == current { ComponentFlags::CURRENT } else { 0 };
        record.flags.set(allocated | mark);
        Some(LastSector {
            offset: disk.size() - sector,
            bytes: record_sector(&record, assumption.sector_size),
        })
    });
    Ok(made.collect())
}

/// What the start of component 0 says.
#[derive(Debug, Clone, Copy)]
struct Map {
    entries: u64,
    /// The lowest chunk of component 0 that is in use.
    lowest: Option<u32>,
}

/// Entries looked at, at once.
const BLOCK: u64 = 1 << 17;

impl Map {
    /// The longest map that component 0 may start with.
    fn find<D: ReadAt>(
        first: &D,
        most: u64,
        assumption: &Assumption,
        bounds: &[Option<ComponentBounds>],
    ) -> Result<Self, AssumeError> {
        let chunk_size = u64::from(assumption.chunk_size);
        let per_chunk = chunk_size / MAP_ENTRY_LEN as u64;
        let report = scan(first, per_chunk.min(most), bounds, &mut |_, _| ControlFlow::Continue(()));
        let mut map = Self { entries: 0, lowest: None };
        let mut end = most;
        let mut allocated = 0;
        for_each_entry(first, most, report.order, &mut |at, entry| {
            let valid = entry.flags <= MapEntry::ALLOCATED
                && virstor::map::is_valid(entry, bounds)
                && (entry.is_allocated() || entry == MapEntry::decode([0; MAP_ENTRY_LEN], report.order));
            if !valid || at >= end {
                end = end.min(at);
                return ControlFlow::Break(());
            }
            if entry.is_allocated() {
                allocated += 1;
                if entry.component.0 == 0
                    && entry.chunk.0 > 0
                    && map.lowest.is_none_or(|low| entry.chunk.0 < low)
                {
                    map.lowest = Some(entry.chunk.0);
                    // The map ends where half of what is reserved does.
                    end = end.min(u64::from(entry.chunk.0).div_ceil(2) * per_chunk);
                }
            }
            ControlFlow::Continue(())
        });
        if allocated == 0 {
            return Err(AssumeError::NoMap);
        }
        let per_sector = u64::from(assumption.sector_size) / MAP_ENTRY_LEN as u64;
        map.entries = end / per_sector * per_sector;
        if map.entries == 0 { Err(AssumeError::NoMap) } else { Ok(map) }
    }

    fn reserved(&self, entries: u64, chunk_size: u64) -> u16 {
        let by_label = 2 * (entries * MAP_ENTRY_LEN as u64).div_ceil(chunk_size);
        let lowest = self.lowest.map_or(by_label, u64::from);
        u16::try_from(by_label.min(lowest)).unwrap_or(u16::MAX)
    }

    /// The highest chunk of a component that is in use.
    fn highest<D: ReadAt>(&self, first: &D, entries: u64, order: ByteOrder, number: u16) -> Option<u32> {
        let mut highest = None;
        for_each_entry(first, entries, order, &mut |_, entry| {
            if entry.is_allocated() && entry.component.0 == number {
                highest = highest.max(Some(entry.chunk.0));
            }
            ControlFlow::Continue(())
        });
        highest
    }
}

/// Hands the first `count` entries on `disk` to `take` until it has seen enough or they cannot be read.
fn for_each_entry<D: ReadAt>(
    disk: &D,
    count: u64,
    order: ByteOrder,
    take: &mut dyn FnMut(u64, MapEntry) -> ControlFlow<()>,
) {
    let mut start = 0;
    while start < count {
        let entries = BLOCK.min(count - start);
        let mut bytes = vec![0; usize::try_from(entries).expect("a block is small") * MAP_ENTRY_LEN];
        if disk.read_at(start * MAP_ENTRY_LEN as u64, &mut bytes).is_err() {
            return;
        }
        for (at, entry) in (start..).zip(bytes.as_chunks().0) {
            if take(at, MapEntry::decode(*entry, order)).is_break() {
                return;
            }
        }
        start += entries;
    }
}

/// What a file without a record may be: the first component of a set whose records are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Entries that name chunks.
    pub entries: u64,
    /// How many components they name.
    pub components: u32,
    /// Chunk sizes that fit, in bytes, with what the volume would start with.
    pub chunk_sizes: Vec<(u64, &'static str)>,
    /// How many more fit that nothing confirms: the smallest and the largest, in bytes.
    pub unconfirmed: Option<(u64, u64)>,
}

/// Looks at the start of `disk` for a map, and at what chunk sizes would make of it; the start of the volume may lie
/// on one of the `others`.
pub fn suggest<D: ReadAt>(disk: &D, others: &[D]) -> Option<Suggestion> {
    /// The map of the smallest set has a sector; what is longer than this is not looked at.
    const LOOKED_AT: u64 = 1 << 19;
    /// Chunk sizes are multiples of this (`MAXPHYS`), and rarely larger than that.
    const STEP: u64 = 128 << 10;
    const LARGEST: u64 = 64 << 20;
    let most = (disk.size() / MAP_ENTRY_LEN as u64).min(LOOKED_AT);
    let anything = vec![Some(ComponentBounds { reserved: 0, chunk_count: u32::MAX }); 1024];
    let report: MapReport = scan(disk, most.min(64), &anything, &mut |_, _| ControlFlow::Continue(()));
    let (mut allocated, mut components, mut end) = (0_u64, 0_u32, most);
    let (mut lowest, mut highest, mut origin) = (u32::MAX, 0, None);
    for_each_entry(disk, most, report.order, &mut |at, entry| {
        let plain = entry.flags == MapEntry::ALLOCATED && usize::from(entry.component.0) < anything.len();
        let zero = entry == MapEntry::decode([0; MAP_ENTRY_LEN], report.order);
        if !(plain || zero) {
            end = at;
            return ControlFlow::Break(());
        }
        if plain {
            allocated += 1;
            components = components.max(u32::from(entry.component.0) + 1);
            if at == 0 {
                origin = Some(entry);
            }
            if entry.component.0 == 0 {
                lowest = lowest.min(entry.chunk.0);
                highest = highest.max(entry.chunk.0);
            }
        }
        ControlFlow::Continue(())
    });
    // A sector at least, and chunks behind the map.
    if allocated == 0 || end < 64 || lowest < 2 || lowest == u32::MAX {
        return None;
    }
    let fits = |size: &u64| (u64::from(highest) + 1) * size <= disk.size();
    let sizes: Vec<u64> = (STEP..=LARGEST).step_by(1 << 17).filter(fits).collect();
    let start_of_volume = |size: &u64| {
        let origin: MapEntry = origin?;
        let looks_like = |disk: &D| {
            let chunk = Window::new(disk, u64::from(origin.chunk.0) * size, *size)?;
            Some((*size, signature(&chunk).ok()??))
        };
        if origin.component.0 == 0 { looks_like(disk) } else { others.iter().find_map(looks_like) }
    };
    let confirmed: Vec<(u64, &'static str)> = sizes.iter().filter_map(start_of_volume).collect();
    let unconfirmed =
        if confirmed.is_empty() { sizes.first().copied().zip(sizes.last().copied()) } else { None };
    Some(Suggestion { entries: allocated, components, chunk_sizes: confirmed, unconfirmed })
}

/// The sector size that is assumed where nothing is said.
pub const USUAL_SECTOR_SIZE: u32 = SECTOR_SIZES[0];
