//! Disks, patches and a log that lies on a disk, too.

use virstor::format::Name;
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::patch::{Patch, is_ambiguous};
use virstor::undo::{ChangeError, DiskHeader, Header, UndoLog, perform};
use virstor_testkit::{DiskLog, Machine, MachineDisk, SparseDisk, SplitMix64};

/// Size of each disk, in bytes.
pub(crate) const SIZE: u64 = 16 << 10;

/// What every disk guards: its first two and its last sector.
const GUARDED: [core::ops::Range<u64>; 2] = [0..1024, SIZE - 512..SIZE];

/// Two disks of chance, and one for the log, with leftovers on it.
pub(crate) fn disks(random: &mut SplitMix64) -> Vec<SparseDisk> {
    let mut disk = |size: u64| {
        let mut bytes = vec![0; usize::try_from(size).expect("small")];
        random.fill(&mut bytes);
        // Zeros are logged in another way.
        bytes[4096..8192].fill(0);
        SparseDisk::from_bytes(&bytes)
    };
    vec![disk(SIZE), disk(SIZE), disk(256 << 10)]
}

/// Some groups of patches. Whatever they change they change in whole sectors, as everything does.
pub(crate) fn patches(random: &mut SplitMix64) -> Vec<Patch> {
    let mut patches = Vec::new();
    for _ in 0..random.within(1..4) {
        let mut group = Vec::new();
        for _ in 0..random.within(1..4) {
            group.push(patch(random));
            if is_ambiguous(&group) {
                group.pop();
            }
        }
        patches.extend(group);
        patches.push(Patch::Barrier);
    }
    patches
}

fn patch(random: &mut SplitMix64) -> Patch {
    let sectors = SIZE / 512;
    let len = random.within(1..4) * 512;
    let mut place = || {
        let component = ComponentIndex(u16::try_from(random.below(2)).expect("small"));
        (component, random.below(sectors - 3) * 512)
    };
    let ((component, offset), from) = (place(), place());
    match random.below(3) {
        0 => Patch::Zero { component, offset, len },
        1 => Patch::Copy { from, to: (component, offset), len },
        _ => {
            let mut bytes = vec![0; usize::try_from(len).expect("small")];
            random.fill(&mut bytes);
            Patch::Write { component, offset, bytes }
        }
    }
}

/// Performs `patches` on the first two disks, with a log on the third.
pub(crate) fn change(machine: &Machine, patches: &[Patch]) -> Result<(), ChangeError> {
    let disks = machine.disks();
    let header = |disk: &MachineDisk| DiskHeader::new("disk", 0, disk, &GUARDED).expect("memory");
    let disk_headers = disks[..2].iter().map(header).collect();
    let name = Name(*b"data\0\0\0\0\0\0\0\0\0\0\0\0");
    let header = Header { name, id: 7, verb: "test".into(), disks: disk_headers };
    let mut log = DiskLog::new(disks[2].clone());
    perform(&header, patches, &disks[..2], &mut log, &mut |_, _| {})
}

/// Undoes what the log on the third disk says. A log that was not begun undoes nothing.
pub(crate) fn undo(machine: &Machine) {
    let disks = machine.disks();
    let Ok(log) = UndoLog::open(&disks[2]) else { return };
    if log.header().disks.len() == 2 {
        log.undo(&disks[..2], &mut |_, _| {}).expect("the disks are what the log knows");
    }
}

pub(crate) fn whole(disk: &impl ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(disk.size()).expect("small")];
    disk.read_at(0, &mut bytes).expect("memory");
    bytes
}
