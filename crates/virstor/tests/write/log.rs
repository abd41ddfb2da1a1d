//! Undo logs on the last disk of a machine, where the power is cut for them, too.

use std::slice::from_ref;

use virstor::format::Name;
use virstor::io::ReadAt;
use virstor::undo::{DiskHeader, Header, UndoLog};
use virstor_testkit::{Machine, MachineDisk};

/// What a log of a change of these disks begins with. The records are guarded.
pub(crate) fn header(disks: &[MachineDisk]) -> Header {
    let name = Name(*b"data\0\0\0\0\0\0\0\0\0\0\0\0");
    let record = |disk: &MachineDisk| disk.size() - 512..disk.size();
    let header = |disk| DiskHeader::new("disk", 0, disk, from_ref(&record(disk))).unwrap();
    let disks = disks.iter().map(header).collect();
    Header { name, id: 7, verb: "test".into(), disks }
}

/// Undoes what the log on the last disk says of the first `count`; a log that was not begun undoes nothing.
pub(crate) fn undo(machine: &Machine, count: usize) {
    let disks = machine.disks();
    let Ok(log) = UndoLog::open(disks.last().unwrap()) else { return };
    if log.header().disks.len() == count {
        log.undo(&disks[..count], &mut |_, _| {}).expect("the disks are what the log knows");
    }
}
