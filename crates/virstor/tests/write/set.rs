//! Small sets on simulated machines, opened for writing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use virstor::assemble::{Candidate, Volume, assemble};
use virstor::format::{RECORD_LEN, Record};
use virstor::geometry::ComponentIndex;
use virstor::io::{ReadAt, WriteAt};
use virstor::locate::{Search, locate};
use virstor::write::{Unsound, VolumeWriter};
use virstor_testkit::{Machine, MachineDisk, SetBuilder, SparseDisk};

/// Bytes of a chunk of [`small_set`].
pub(crate) const CHUNK: usize = 1024;

/// What disks hold before they become components. No test writes it, so where it shows, old content shows.
pub(crate) const STALE: u8 = 0xee;

/// The one volume that `disks` make.
pub(crate) fn volume_of(disks: &[impl ReadAt]) -> Volume {
    let search = Search { sector_size: None, scan_len: 0 };
    let candidates: Vec<_> = disks
        .iter()
        .map(|disk| {
            let located = locate(disk, &[], search, &mut |_, _| ControlFlow::Continue(())).unwrap().remove(0);
            Candidate { located, provider: provider_of(disk), preferred: false }
        })
        .collect();
    assemble(&candidates).volumes.remove(0)
}

/// What a disk is called: as its record says, where that ties it to a name.
pub(crate) fn provider_of(disk: &impl ReadAt) -> Vec<u8> {
    let mut record = [0; RECORD_LEN];
    let read = disk.read_at(disk.size() - 512, &mut record).map(|()| Record::decode(&record));
    let name =
        read.ok().filter(Record::has_magic).map_or_else(Vec::new, |it| it.hardcoded().bytes().to_vec());
    if name.is_empty() { b"c".to_vec() } else { name }
}

/// Opens the one volume that `disks` make, keeping a single page of its map.
pub(crate) fn try_open<D: WriteAt + Clone>(disks: Vec<D>) -> Result<VolumeWriter<D>, Unsound> {
    let volume = volume_of(&disks);
    let disks: BTreeMap<_, _> = (0..).map(ComponentIndex).zip(disks).collect();
    VolumeWriter::open(volume, disks, 0)
}

pub(crate) fn open(machine: &Machine) -> VolumeWriter<MachineDisk> {
    try_open(machine.disks()).unwrap()
}

/// All bytes of the volume.
pub(crate) fn contents(writer: &mut VolumeWriter<MachineDisk>) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(writer.volume().size()).unwrap()];
    writer.read(0, &mut bytes).unwrap();
    bytes
}

pub(crate) fn disks_of(machine: &Machine) -> Vec<SparseDisk> {
    (0..machine.disks().len()).map(|number| machine.contents(number)).collect()
}

/// A fresh set of components with so many chunks each, on disks that were used before. The map has a sector
/// for every 64 of `virtual_chunks`; two chunks of the first component are reserved for every 128.
pub(crate) fn small_set(chunks: &[u64], virtual_chunks: u64) -> Machine {
    let chunk = CHUNK as u64;
    // Half a sector of tail tells a chunk too many from one that fits.
    let sizes = chunks.iter().map(|count| count * chunk + 512 + 512);
    let size = u32::try_from(CHUNK).unwrap();
    let set = SetBuilder::new("data").chunk_size(size).virtual_chunks(virtual_chunks).components(sizes);
    let mut disks: Vec<_> = set.build().into_iter().map(|(_, disk)| disk).collect();
    let map_chunks = (virtual_chunks * 8).div_ceil(chunk);
    for (number, disk) in disks.iter_mut().enumerate() {
        let start = if number == 0 { map_chunks * chunk } else { 0 };
        let len = usize::try_from(disk.size() - 512 - start).unwrap();
        disk.write_at(start, &vec![STALE; len]).unwrap();
    }
    Machine::new(disks)
}
