//! Disks without a record, one of which may be a component that lost it.

use alloc::vec;
use alloc::vec::Vec;

use core::ops::ControlFlow;

use super::finding::Fault;
use super::map_pass::MapPass;
use super::{Findings, Subject};
use crate::assemble::{Component, Volume};
use crate::format::{ComponentFlags, MAP_ENTRY_LEN, RECORD_LEN, Record, VERSION};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::ReadAt;
use crate::map::{MAX_ENTRIES, scan};
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
            findings.push(Fault::RecordLost { disk, index, entries: report.allocated });
        }
    }
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
