//! Sets that a log does not belong to, or no longer.

use virstor::geometry::ComponentIndex;
use virstor::io::WriteAt;
use virstor::patch::Patch;
use virstor::undo::{Difference, LogError, Mismatch, UndoError, UndoLog};
use virstor_testkit::{Machine, SparseDisk, SplitMix64};

use crate::support::{SIZE, change, disks, whole};

const C0: ComponentIndex = ComponentIndex(0);

/// A machine on which sector 4 of disk 0 was changed twice, and sector 1 once.
fn changed() -> Machine {
    let machine = Machine::new(disks(&mut SplitMix64::new(1)));
    let write = |offset, byte| Patch::Write { component: C0, offset, bytes: vec![byte; 512] };
    let patches = [write(2048, 1), Patch::Barrier, write(2048, 2), write(512, 3), Patch::Barrier];
    change(&machine, &patches).expect("memory");
    machine
}

fn verify(machine: &Machine, number: usize) -> Result<(), Mismatch> {
    let disks = machine.disks();
    UndoLog::open(&disks[2]).expect("whole").verify(number, &disks[number])
}

#[test]
fn what_any_of_the_groups_left_there_is_known() {
    let machine = changed();
    assert_eq!(verify(&machine, 0), Ok(()));
    assert_eq!(verify(&machine, 1), Ok(()));
    machine.disk(0).write_at(2048, &[1; 512]).expect("memory");
    assert_eq!(verify(&machine, 0), Ok(()), "as after the first group");
    let before = disks(&mut SplitMix64::new(1));
    machine.disk(0).write_at(2048, &before[0].bytes(2048, 512)).expect("memory");
    assert_eq!(verify(&machine, 0), Ok(()), "as before");
}

#[test]
fn a_changed_sector_that_was_written_to_since_is_not_overwritten() {
    let machine = changed();
    machine.disk(0).write_at(2048 + 511, &[7]).expect("memory");
    let expected = Mismatch::Differs(Difference::Sector { offset: 2048 });
    assert_eq!(verify(&machine, 0), Err(expected.clone()));
    let (disks, now) = (machine.disks(), machine.contents(0));
    let log = UndoLog::open(&disks[2]).expect("whole");
    let refused = log.undo(&disks[..2], &mut |_, _| {});
    assert_eq!(refused, Err(UndoError::Mismatch { disk: 0, mismatch: expected }));
    assert_eq!(machine.contents(0), now, "nothing was written");
}

#[test]
fn a_guarded_range_that_was_written_to_since_is_noticed_though_nothing_was_logged_there() {
    for (number, offset, guard) in [(0, 0, 0..1024), (0, SIZE - 1, SIZE - 512..SIZE), (1, 3, 0..1024)] {
        let machine = changed();
        let disk = machine.disk(number);
        let mut byte = [0];
        virstor::io::ReadAt::read_at(&disk, offset, &mut byte).expect("memory");
        disk.write_at(offset, &[!byte[0]]).expect("memory");
        let difference = Difference::Range { offset: guard.start, len: guard.end - guard.start };
        assert_eq!(verify(&machine, number), Err(Mismatch::Differs(difference)));
    }
}

#[test]
fn a_disk_of_another_size_is_not_the_one() {
    let machine = changed();
    let log = machine.contents(2);
    let difference = Difference::Size { expected: SIZE, found: 512 };
    let verified = UndoLog::open(&log).expect("whole").verify(0, &SparseDisk::new(512));
    assert_eq!(verified, Err(Mismatch::Differs(difference)));
}

#[test]
fn only_a_log_is_taken_for_one() {
    assert_eq!(UndoLog::open(&Vec::new()).err(), Some(LogError::NotALog));
    assert_eq!(UndoLog::open(&vec![0; 4096]).err(), Some(LogError::NotALog));
    let log = whole(&changed().disk(2));
    let mut cut = log.clone();
    cut.truncate(20);
    assert_eq!(UndoLog::open(&cut).err(), Some(LogError::NotALog));
}

#[test]
fn a_log_that_breaks_off_before_its_disks_were_named_undoes_nothing() {
    let log = whole(&changed().disk(2));
    // The head is whole, the first disk is not.
    for len in [64, 70, 100] {
        let torn = UndoLog::open(&log[..len].to_vec()).err();
        assert!(matches!(torn, Some(LogError::Torn { offset: 1..=64 })), "{len} bytes: {torn:?}");
    }
}

/// What a change had finished is not passed for undone because a byte of its log is wrong.
#[test]
fn a_damaged_log_of_a_finished_change_is_told_from_one_that_a_crash_cut() {
    let machine = changed();
    let before = disks(&mut SplitMix64::new(1));
    let log = whole(&machine.disk(2));
    let mut damaged = 0;
    for position in (0..4096).step_by(3) {
        let mut log = log.clone();
        log[position] ^= 0x10;
        let after = Machine::new([machine.contents(0), machine.contents(1)]);
        let undone = match UndoLog::open(&log) {
            Ok(log) => log.undo(&after.disks(), &mut |_, _| {}).is_ok(),
            Err(error) => {
                damaged += usize::from(matches!(error, LogError::Damaged { .. }));
                assert!(!matches!(error, LogError::Torn { .. }), "byte {position}: others follow");
                false
            }
        };
        let expected = if undone { before.to_vec() } else { vec![machine.contents(0), machine.contents(1)] };
        assert!((0..2).all(|number| after.contents(number) == expected[number]), "byte {position}");
    }
    assert!(damaged > 0);
}

/// A log in which a byte is wrong undoes less, or nothing; it never puts anything else in its place.
#[test]
fn a_damaged_log_never_writes_what_was_not_there() {
    let machine = changed();
    let before = disks(&mut SplitMix64::new(1));
    let end = whole(&machine.disk(2)).len().min(4096);
    for position in (0..end).step_by(7) {
        let mut log = whole(&machine.disk(2));
        log[position] ^= 0x10;
        let after = Machine::new([machine.contents(0), machine.contents(1)]);
        let disks = after.disks();
        let Ok(log) = UndoLog::open(&log) else { continue };
        if log.header().disks.len() == 2 && log.undo(&disks, &mut |_, _| {}).is_ok() {
            assert!((0..2).all(|number| after.contents(number) == before[number]), "byte {position}");
        } else {
            assert!(
                (0..2).all(|number| after.contents(number) == machine.contents(number)),
                "byte {position}"
            );
        }
    }
}
