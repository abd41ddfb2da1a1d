//! Disks without a record, one of which may be a component that lost it.

use alloc::vec;
use alloc::vec::Vec;

use core::ops::ControlFlow;

use super::map_pass::MapPass;
use super::{Because, Fault, Findings, Subject};
use crate::assemble::{Component, Volume};
use crate::format::{ByteOrder, ComponentFlags, MAP_ENTRY_LEN, MapEntry, RECORD_LEN, Record, VERSION};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::ReadAt;
use crate::map::{MAX_ENTRIES, Stretch, scan, stream};
use crate::ordered;

/// What stands where the record of an unclaimed disk should.
#[derive(Debug)]
pub(super) struct LastSector {
    /// Index of the disk.
    disk: usize,
    /// Its first byte on the disk.
    start: u64,
    /// Size of the disk in bytes.
    size: u64,
    /// The chunk it lies in.
    chunk: PhysicalChunk,
    /// Its bytes, read as a record.
    record: Record,
}

/// The last sectors of `disks`, by the sector size of `volume`. Those that cannot be read are left out.
pub(super) fn last_sectors<D: ReadAt>(volume: &Volume, disks: &[D]) -> Vec<LastSector> {
    let sector_size = u64::from(volume.sector_size);
    let last_sector = |(disk, bytes): (usize, &D)| {
        let size = bytes.size();
        let start = size.checked_sub(sector_size)?;
        let mut sector = vec![0; usize::try_from(sector_size).ok()?];
        bytes.read_at(start, &mut sector).ok()?;
        let record = Record::decode(sector.get(..RECORD_LEN)?);
        let chunk = PhysicalChunk(u32::try_from(start / volume.chunk_size.bytes()).ok()?);
        Some(LastSector { disk, start, size, chunk, record })
    };
    disks.iter().enumerate().filter_map(last_sector).collect()
}

/// Looks for the record-less disk that starts with the map of the volume, where component 0 is missing.
///
/// A map is believed when it names chunks, each of them may be, and on every component that is there as many as
/// its record says.
pub(super) fn lost_first<D: ReadAt>(subject: &Subject<'_, D>, findings: &mut Findings) {
    let volume = subject.volume();
    let index = ComponentIndex(0);
    let entries = volume.virtual_chunks();
    if volume.components.contains_key(&index) || volume.components.is_empty() || entries > MAX_ENTRIES {
        return;
    }
    let bounds = volume.bounds();
    let mut found = Vec::new();
    for (disk, bytes) in subject.unclaimed.iter().enumerate() {
        if entries.saturating_mul(MAP_ENTRY_LEN as u64) > bytes.size() {
            continue;
        }
        let report = scan(bytes, entries, &bounds, &mut |_, _| ControlFlow::Continue(()));
        let recorded = |(index, component): (&ComponentIndex, &Component)| {
            let used = report.used.get(index).copied().unwrap_or(0);
            let record = &component.record;
            used + u64::from(record.chunk_reserved.get()) == u64::from(record.chunk_next.get())
        };
        let fits = report.allocated > 0 && report.bad == 0 && report.unreadable == 0;
        if fits && volume.components.iter().all(recorded) {
            let fits = own_chunks(volume, bytes, report.order).is_some();
            found.push((disk, report.allocated, fits));
        }
    }
    let sole = found.len() == 1;
    for (disk, entries, fits) in found {
        let because = if sole && fits { Because::Map } else { Because::OneOfSeveral };
        findings.push(Fault::RecordLost { disk, index, entries, because });
    }
}

/// What a map says of the disk it lies on: the first chunk that is handed out, and the first that is not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnChunks {
    /// So many chunks are reserved.
    pub(crate) reserved: u16,
    /// So many are handed out, with these.
    pub(crate) next: u32,
}

/// What the map of `volume` at the start of `disk`, which has no record, says of that disk; `None` when it does not
/// fit.
///
/// The kernel hands chunks out in a row behind the reserve. So where the chunks that are named are in a row, the
/// first of them says how long the reserve is; it is twice the map otherwise, as label makes it.
pub(crate) fn own_chunks<D: ReadAt>(volume: &Volume, disk: &D, order: ByteOrder) -> Option<OwnChunks> {
    let sector = u64::from(volume.sector_size);
    let before_record = disk.size().checked_sub(sector).filter(|_| disk.size().is_multiple_of(sector))?;
    let room = u32::try_from(before_record / volume.chunk_size.bytes()).ok()?;
    let entries = volume.virtual_chunks();
    if entries > MAX_ENTRIES || entries * MAP_ENTRY_LEN as u64 > before_record {
        return None;
    }
    let (mut count, mut lowest, mut highest) = (0_u32, u32::MAX, 0);
    stream(disk, entries, &mut |_, _| ControlFlow::Continue(()), &mut |_, stretch| {
        let Stretch::Entries(entries) = stretch else { return };
        let entries = entries.iter().map(|bytes| MapEntry::decode(*bytes, order));
        for entry in entries.filter(|entry| entry.is_allocated() && entry.component.0 == 0) {
            count = count.saturating_add(1);
            (lowest, highest) = (lowest.min(entry.chunk.0), highest.max(entry.chunk.0));
        }
    });
    let in_map = u32::try_from(volume.map_len().div_ceil(u128::from(volume.chunk_size.bytes()))).ok()?;
    if count > 0 && (lowest < in_map || highest >= room) {
        return None;
    }
    let in_a_row = count > 0 && highest - lowest + 1 == count;
    let reserved = if in_a_row { lowest } else { in_map.checked_mul(2)?.min(lowest) };
    let next = reserved.checked_add(count).filter(|next| *next <= room)?;
    Some(OwnChunks { reserved: u16::try_from(reserved).ok()?, next })
}

/// The disk that has to be the component `missing`, as none other is missing and no other disk is left.
///
/// Nothing on the disk says so. It has to be the only disk without a record, no disk may be unread, no other volume may
/// wait for one, and all that the map names has to lie before its last sector. A component that nothing names is not
/// looked for: any disk would do.
pub(super) fn by_elimination<D: ReadAt>(
    subject: &Subject<'_, D>,
    pass: &MapPass,
    sectors: &[LastSector],
    missing: ComponentIndex,
) -> Option<Fault> {
    let ([sector], [disk]) = (sectors, subject.unclaimed) else { return None };
    let volumes = &subject.assembly.volumes;
    let waiting = volumes.iter().filter(|volume| !volume.is_complete()).count();
    let tally = &pass.tallies[missing.as_usize()];
    let whole_sectors = disk.size().is_multiple_of(u64::from(subject.volume().sector_size));
    let fits = tally.highest.is_some_and(|highest| highest < sector.chunk.0) && whole_sectors;
    (fits && waiting == 1 && pass.whole && !subject.unread).then_some(Fault::RecordLost {
        disk: sector.disk,
        index: missing,
        entries: tally.entries,
        because: Because::Elimination,
    })
}

/// The chunks these sectors lie in, sorted.
pub(super) fn chunks(sectors: &[LastSector]) -> Vec<PhysicalChunk> {
    ordered::unique(sectors.iter().map(|sector| sector.chunk))
}

/// How the component `missing` may be hidden among the unclaimed disks.
pub(super) fn lost_record(
    volume: &Volume,
    pass: &MapPass,
    sectors: &[LastSector],
    missing: ComponentIndex,
) -> Option<Fault> {
    sectors.iter().find_map(|sector| {
        if is_record_without_magic(volume, sector, missing) {
            let magic = sector.record.md_magic;
            return Some(Fault::MagicDamaged { disk: sector.disk, index: missing, magic });
        }
        let owner = overwriting_chunk(volume, pass, sector, missing)?;
        let chunk_size = volume.chunk_size;
        let within = sector.start - chunk_size.offset_of(sector.chunk);
        Some(Fault::RecordOverwritten {
            disk: sector.disk,
            index: missing,
            chunk: sector.chunk,
            owner,
            start: owner.0 * chunk_size.bytes() + within,
        })
    })
}

fn is_record_without_magic(volume: &Volume, sector: &LastSector, missing: ComponentIndex) -> bool {
    let record = &sector.record;
    record.md_version.get() == VERSION
        && record.name().bytes() == volume.name.bytes()
        && record.md_id.get() == volume.id
        && u64::from(record.md_chunk_size.get()) == volume.chunk_size.bytes()
        && record.no.get() == missing.0
        && record.provsize.get() == sector.size
}

/// The owner of the chunk in a sector that is data, updated as if it were a record.
///
/// The kernel's update does not look at the magic. It reads the sector, puts count, cursor and flags where
/// they are in a record, and writes it back (`update_metadata`). What follows is zero, or on old kernels any
/// memory, so it proves nothing.
fn overwriting_chunk(
    volume: &Volume,
    pass: &MapPass,
    sector: &LastSector,
    missing: ComponentIndex,
) -> Option<VirtualChunk> {
    let record = &sector.record;
    let entries = pass.tallies[missing.as_usize()].entries;
    let known = ComponentFlags::ALLOCATED | ComponentFlags::CURRENT;
    let updated = record.md_count.get() == volume.component_count
        && u64::from(record.chunk_next.get()) == entries
        && record.flags.get() & !known == 0;
    let owns = |(index, chunk, _): &&(ComponentIndex, PhysicalChunk, VirtualChunk)| {
        (*index, *chunk) == (missing, sector.chunk)
    };
    pass.watched.iter().find(owns).filter(|_| updated).map(|(_, _, owner)| *owner)
}
