//! Data in areas of the disks that are known to be unreadable.

use alloc::collections::BTreeMap;

use super::{Fault, Findings};
use crate::assemble::Volume;
use crate::format::ByteOrder;
use crate::geometry::ComponentIndex;
use crate::io::ReadAt;
use crate::ordered::{self, Map};
use crate::plan::{Lost, SegmentPlace, VolumeReader};

/// How much of the map is kept while it is gone through once more, in bytes.
const MAP_MEMORY: u64 = 1 << 20;

/// Judges what of the volume's data cannot be read. Most sets have no such areas, and cost nothing here.
pub(super) fn judge<D: ReadAt>(
    volume: &Volume,
    disks: &BTreeMap<ComponentIndex, D>,
    order: ByteOrder,
    findings: &mut Findings,
) {
    if disks.values().all(|disk| disk.unreadable(0..disk.size()).is_none()) {
        return;
    }
    let disks = ordered::tree(disks.iter().map(|(index, disk)| (*index, disk)));
    let mut reader = VolumeReader::new(volume.clone(), disks, order, MAP_MEMORY);
    let mut of_components: Map<ComponentIndex, (u64, u64)> = Map::default();
    for segment in reader.segments(0..volume.size()) {
        if let SegmentPlace::Lost(Lost::BadArea(index)) = segment.place {
            of_components.get_or_insert_with(index, || (0, segment.start)).0 += segment.len;
        }
    }
    for (index, (bytes, start)) in of_components {
        let (owner, _) = volume.chunk_size.split(start);
        let Some(row) = reader.rows().find(|row| row.at.0 <= owner.0 && owner.0 < row.at.0 + row.chunks)
        else {
            continue;
        };
        let step = u32::try_from(owner.0 - row.at.0).expect("a row names chunks that have 32-bit numbers");
        let chunk = crate::geometry::PhysicalChunk(row.entry.chunk.0 + step);
        findings.push(Fault::DataUnreadable { index, bytes, start, first: (chunk, owner) });
    }
}
