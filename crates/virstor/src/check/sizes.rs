//! What the records say about sizes, against each other and against the disks.

use super::map_pass::{MapPass, readable_entries};
use super::{Fault, Findings};
use crate::assemble::{Component, Volume};
use crate::block::Block;
use crate::format::MAP_ENTRY_LEN;
use crate::geometry::ComponentIndex;
use crate::io::ReadAt;

/// Judges I3 and I9.
pub(super) fn judge(volume: &Volume, pass: &MapPass, findings: &mut Findings) {
    for (index, component) in &volume.components {
        judge_component(volume, *index, component, pass, findings);
    }
    if volume.size() != volume.recorded_size {
        let (recorded, rounded) = (volume.recorded_size, volume.size());
        findings.push(Fault::VirtualSizeRagged { recorded, rounded });
    }
    let (entries, per_sector) =
        (volume.virtual_chunks(), u64::from(volume.sector_size) / MAP_ENTRY_LEN as u64);
    if let Some(unread) = entries.checked_rem(per_sector).filter(|unread| *unread > 0) {
        findings.push(Fault::MapNotWholeSectors { entries, unread });
    }
    if let Some(first) = volume.components.get(&ComponentIndex(0)) {
        judge_map_len(volume, first, pass, findings);
    }
}

/// Whether there is room for a map of whole sectors, where no chunk is in use: `lowest` is the lowest of component 0.
pub(crate) fn can_be_rounded(volume: &Volume, lowest: Option<u32>) -> bool {
    let per_sector = u64::from(volume.sector_size) / MAP_ENTRY_LEN as u64;
    let rounded = volume.virtual_chunks().checked_next_multiple_of(per_sector);
    let fits = |first: &Component, rounded: u64| {
        let before_record = first.len.saturating_sub(u64::from(first.sector_size)) / MAP_ENTRY_LEN as u64;
        let in_map = rounded.saturating_mul(MAP_ENTRY_LEN as u64).div_ceil(volume.chunk_size.bytes());
        rounded <= before_record
            && rounded.checked_mul(volume.chunk_size.bytes()).is_some()
            && lowest.is_none_or(|lowest| u64::from(lowest) >= in_map)
    };
    let first = volume.components.get(&ComponentIndex(0));
    first.zip(rounded).is_some_and(|(first, rounded)| fits(first, rounded))
}

/// How much of the map of a larger volume is looked at, in bytes: rounding a size moves the end of the map within a sector.
const LONGEST_LOOK: u64 = 4096;

/// Whether there may be entries behind the map, which is on `first`, if the volume had `size` bytes.
pub(super) fn goes_on<D: ReadAt>(volume: &Volume, first: &D, size: u64) -> bool {
    let start = readable_entries(volume) * MAP_ENTRY_LEN as u64;
    let end = (size / volume.chunk_size.bytes()).saturating_mul(MAP_ENTRY_LEN as u64);
    let Some(len) = end.min(first.size()).checked_sub(start).filter(|len| *len > 0) else { return false };
    let mut entries = Block::new(usize::try_from(len.min(LONGEST_LOOK)).expect("it is short"));
    len > LONGEST_LOOK || first.read_at(start, &mut entries).is_err() || entries.iter().any(|byte| *byte != 0)
}

/// `label` and `add` want at least this many chunks.
const FEWEST_CHUNKS: u64 = 4;

fn judge_component(
    volume: &Volume,
    index: ComponentIndex,
    component: &Component,
    pass: &MapPass,
    findings: &mut Findings,
) {
    let tally = &pass.tallies[index.as_usize()];
    let (chunk_count, room) = (tally.chunk_count, tally.room);
    // A component that was cut off has a finding of its own.
    let cut_off = component.len < component.record.provsize.get();
    if chunk_count > room && !cut_off {
        let owner = tally.overlapping;
        findings.push(Fault::LastChunkOverlaps { index, chunk_count, room, owner });
    }
    let reserved = component.record.chunk_reserved.get();
    let few = component.len / volume.chunk_size.bytes() < FEWEST_CHUNKS;
    if few || chunk_count <= tally.reserved {
        findings.push(Fault::ComponentTooSmall { index, chunk_count, reserved, size: component.len });
    }
}

fn judge_map_len(volume: &Volume, first: &Component, pass: &MapPass, findings: &mut Findings) {
    let (needed, available) = (volume.virtual_chunks(), volume.map_entries());
    let before_record = first.len.saturating_sub(u64::from(first.sector_size));
    if available < needed {
        return findings.push(Fault::MapTooLong { needed, available });
    }
    let map_len = needed * MAP_ENTRY_LEN as u64;
    if map_len > before_record {
        findings.push(Fault::MapOverlapsRecord { map_len, room: before_record });
    }
    let (reserved, needed) = (first.record.chunk_reserved.get(), map_len.div_ceil(volume.chunk_size.bytes()));
    if u64::from(reserved) < needed {
        let entries = pass.tallies[0].inside_map;
        findings.push(Fault::ReserveTooSmall { reserved, needed, entries });
    }
}
