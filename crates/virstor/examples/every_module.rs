//! Uses every module of the engine on a disk in memory.
//!
//! Run it to see that it works; build it for `wasm32-unknown-unknown` to see that the engine asks nothing of
//! the host: the module it becomes imports nothing (`tests/core_imports.rs` looks).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use virstor::assemble::{Candidate, assemble};
use virstor::io::ReadAt;
use virstor::kernel::{Kernel, Provider, Tunables, plain_scanner};
use virstor::locate::{Search, locate};
use virstor::map;
use virstor::plan::VolumeReader;

fn main() {
    let disk = a_volume_of_one_component();
    let search = Search { sector_size: None, scan_len: disk.size() };
    let located =
        locate(&disk, &[], search, &mut |_, _| ControlFlow::Continue(())).expect("memory is readable");
    let candidate = |located| Candidate { located, provider: b"md0".to_vec(), preferred: false };
    let candidates: Vec<Candidate> = located.into_iter().map(candidate).collect();
    let assembly = assemble(&candidates);
    let volume = assembly.volumes.into_iter().next().expect("there is a volume on it");

    let bounds = volume.bounds();
    let report = map::scan(&disk, volume.map_entries(), &bounds, &mut |_, _| ControlFlow::Continue(()));
    let disks = BTreeMap::from([(virstor::geometry::ComponentIndex(0), &disk)]);
    let size = volume.size();
    let mut reader = VolumeReader::new(volume, disks, report.order, 1 << 20);
    let segments = reader.segments(0..size).count();
    let mut sector = [0; 512];
    reader.read(0, &mut sector).expect("nothing is lost");

    let mut kernel = Kernel::new(Tunables::default());
    let provider = Provider { name: b"md0".to_vec(), disk: &disk, sector_size: 512 };
    kernel.taste(provider, &mut |disk, entries, bounds| plain_scanner(disk, entries, bounds));

    assert_eq!((report.allocated, segments, sector[0]), (1, 2, 0x5a));
    assert!(kernel.geoms()[0].up);
    assert!(kernel.configuration().xml.contains("virstor/tiny"));
}

/// 64 virtual chunks of 4 KiB on a disk of 64 KiB: the first lies in chunk 2 and holds `0x5a`.
fn a_volume_of_one_component() -> Vec<u8> {
    const CHUNK: usize = 4096;
    let mut disk = vec![0; 16 * CHUNK];
    disk[..8].copy_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0]);
    disk[2 * CHUNK..3 * CHUNK].fill(0x5a);
    let size = disk.len();
    let record = &mut disk[size - 512..];
    record[..13].copy_from_slice(b"GEOM::VIRSTOR");
    record[0x10] = 1;
    record[0x14..0x18].copy_from_slice(b"tiny");
    record[0x24..0x2c].copy_from_slice(&(64 * CHUNK as u64).to_le_bytes());
    record[0x2c..0x30].copy_from_slice(&4096_u32.to_le_bytes());
    record[0x34] = 1;
    record[0x48..0x50].copy_from_slice(&(size as u64).to_le_bytes());
    record[0x50] = 15;
    record[0x54] = 3;
    record[0x58] = 2;
    record[0x5a] = 3;
    disk
}
