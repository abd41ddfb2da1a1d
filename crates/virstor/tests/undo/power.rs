//! Power cuts while a set is changed, and while that is undone.

use virstor::io::ReadAt;
use virstor::patch;
use virstor::undo::{ChangeError, UndoLog};
use virstor_testkit::{Machine, SplitMix64, for_each_seed};

use crate::support::{change, disks, patches, undo};

#[test]
fn a_change_does_what_its_patches_say_and_undoing_it_gives_back_every_byte() {
    for_each_seed(0..60, |random| {
        let (before, patches) = (disks(random), patches(random));
        let plain = Machine::new(before.clone());
        patch::perform(&patches, &plain.disks()).expect("memory");
        let machine = Machine::new(before.clone());
        change(&machine, &patches).expect("memory");
        for number in 0..2 {
            assert_eq!(machine.contents(number), plain.contents(number), "disk {number}");
        }
        let log = machine.contents(2);
        assert!(UndoLog::open(&log).expect("whole").is_complete());
        // Undoing is idempotent.
        for _ in 0..2 {
            undo(&machine);
            assert!((0..2).all(|number| machine.contents(number) == before[number]));
        }
    });
}

#[test]
fn after_a_cut_at_any_moment_of_a_change_all_of_it_is_undone() {
    for_each_seed(0..25, |random| {
        let (before, patches) = (disks(random), patches(random));
        let machine = Machine::new(before.clone());
        change(&machine, &patches).expect("memory");
        machine.for_each_cut(|cut| {
            cut.for_each_image(6, random, |found| {
                let machine = Machine::new(found.to_vec());
                undo(&machine);
                assert!((0..2).all(|number| machine.contents(number) == before[number]));
            });
        });
    });
}

#[test]
fn after_a_cut_at_any_moment_of_an_undo_it_is_done_again_to_the_end() {
    for_each_seed(0..12, |random| {
        let (before, patches) = (disks(random), patches(random));
        let machine = Machine::new(before.clone());
        change(&machine, &patches).expect("memory");
        let mut seeds = SplitMix64::new(random.next_u64());
        machine.for_each_cut(|cut| {
            cut.for_each_image(2, random, |found| {
                let machine = Machine::new(found.to_vec());
                undo(&machine);
                machine.for_each_cut(|cut| {
                    cut.for_each_image(3, &mut seeds, |found| {
                        let machine = Machine::new(found.to_vec());
                        undo(&machine);
                        assert!((0..2).all(|number| machine.contents(number) == before[number]));
                    });
                });
            });
        });
    });
}

#[test]
fn when_any_operation_fails_what_was_done_is_undone() {
    for_each_seed(0..10, |random| {
        let (before, patches) = (disks(random), patches(random));
        let whole = Machine::new(before.clone());
        change(&whole, &patches).expect("memory");
        for operation in 0..whole.operations() {
            let machine = Machine::new(before.clone());
            // Reading the guards comes first, and fails with other words.
            let guards = 4;
            if operation < guards {
                continue;
            }
            machine.fail(operation);
            let failed = change(&machine, &patches);
            assert!(matches!(failed, Err(ChangeError::Log(_) | ChangeError::Disk(_))), "{operation}");
            undo(&machine);
            assert!((0..2).all(|number| machine.contents(number) == before[number]), "{operation}");
        }
    });
}

#[test]
fn nothing_is_written_to_a_disk_before_the_log_that_undoes_it_is_durable() {
    for_each_seed(0..25, |random| {
        let (before, patches) = (disks(random), patches(random));
        let machine = Machine::new(before.clone());
        change(&machine, &patches).expect("memory");
        machine.for_each_cut(|cut| {
            // The disks have everything that was written, the log only what was flushed.
            let mut images = Vec::new();
            cut.for_each_image(0, random, |found| images.push(found.to_vec()));
            let (nothing, everything) = (&images[0], images.last().expect("there is one"));
            let found = [everything[0].clone(), everything[1].clone(), nothing[2].clone()];
            let machine = Machine::new(found);
            undo(&machine);
            assert!((0..2).all(|number| machine.contents(number) == before[number]));
        });
        assert!(machine.contents(2).size() > 0);
    });
}
