//! Images that come into volumes: what they leave, what their log takes back, and what a cut leaves.

use virstor::change::import::{Import, ImportError};
use virstor::io::IoError;
use virstor::undo::{ChangeError, Journal, Kept, LogSink, UndoLog};
use virstor_testkit::{DiskLog, Machine, SparseDisk, SplitMix64, for_each_seed};

use crate::changes::{Either, assert_clean, examined, members, used_set};
use crate::log::{header, undo};
use crate::set::{CHUNK, contents, disks_of, open, small_set};

/// A log that goes nowhere.
struct NoLog;

impl LogSink for NoLog {
    fn append(&mut self, _: &[u8]) -> Result<(), IoError> {
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

/// Why an import stopped.
#[derive(Debug)]
enum Stopped {
    Import(ImportError),
    Change(ChangeError),
}

impl From<ImportError> for Stopped {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

impl From<ChangeError> for Stopped {
    fn from(error: ChangeError) -> Self {
        Self::Change(error)
    }
}

/// Puts `image` into the volume of the first `count` disks, with the log on the last disk.
fn import(machine: &Machine, count: usize, image: &Vec<u8>) -> Result<(), Stopped> {
    let mut disks = machine.disks();
    let log = DiskLog::new(disks.pop().unwrap());
    disks.truncate(count);
    let header = header(&disks);
    let set = examined(machine, count);
    let mut import = Import::new(&set, &disks[0], image, &mut |_| {})?;
    let mut journal = Journal::begin(&header, log)?;
    while let Some(group) = import.group(&disks)? {
        journal.perform(&group.patches, group.kept, &disks, &mut |_| {})?;
    }
    journal.perform(&import.last(&disks[0])?, Kept::Bytes, &disks, &mut |_| {})?;
    Ok(journal.finish()?)
}

/// How long the log would be.
fn rehearse(machine: &Machine, count: usize, image: &Vec<u8>) -> Result<u64, Stopped> {
    let disks: Vec<_> = machine.disks().into_iter().take(count).collect();
    let set = examined(machine, count);
    let mut import = Import::new(&set, &disks[0], image, &mut |_| {})?;
    let mut journal = Journal::begin(&header(&disks), NoLog)?;
    while let Some(group) = import.group(&disks)? {
        journal.rehearse(&group.patches, group.kept, &disks)?;
    }
    journal.rehearse(&import.last(&disks[0])?, Kept::Bytes, &disks)?;
    let tally = import.tally();
    assert_eq!(tally.written + tally.unchanged + tally.holes, image.len() as u64, "{tally:?}");
    Ok(journal.log_len())
}

/// A set, new or used for a while, with a disk for the log; what the volume holds; and an image that has some of that.
fn set_and_image(random: &mut SplitMix64) -> (Machine, usize, Vec<u8>, Vec<u8>) {
    let (machine, count, model) = match random.below(3) {
        0 => (small_set(&[9, 30], 128), 2, vec![0; 128 * CHUNK]),
        _ => used_set(random),
    };
    let len = usize::try_from(random.below(model.len() as u64 + 1)).unwrap();
    let mut image = model[..len].to_vec();
    for piece in image.chunks_mut(CHUNK / 2) {
        match random.below(24) {
            0 => piece.fill(0),
            1 => random.fill(piece),
            _ => {}
        }
    }
    let disks = disks_of(&machine).into_iter().take(count);
    (Machine::new(disks.chain([SparseDisk::new(4 << 20)])), count, model, image)
}

fn after(model: &[u8], image: &[u8]) -> Vec<u8> {
    [image, &model[image.len()..]].concat()
}

#[test]
fn an_image_is_what_the_volume_holds_and_the_log_puts_back_every_byte() {
    let (mut done, mut full) = (0, 0);
    for_each_seed(0..200, |random| {
        let (machine, count, model, image) = set_and_image(random);
        let before = disks_of(&machine);
        let log_len = match rehearse(&machine, count, &image) {
            Ok(log_len) => log_len,
            Err(Stopped::Import(ImportError::OutOfSpace { needed, free })) => {
                full += 1;
                assert!(needed > free && free == examined(&machine, count).free_chunks());
                import(&machine, count, &image).unwrap_err();
                assert!(disks_of(&machine) == before, "nothing of a refused image is written");
                return;
            }
            Err(error) => panic!("{error:?}"),
        };
        assert!(disks_of(&machine) == before, "a rehearsal writes nothing");
        import(&machine, count, &image).unwrap();
        done += 1;
        let disks = disks_of(&machine);
        assert!(contents(&mut open(&Machine::new(disks[..count].iter().cloned()))) == after(&model, &image));
        if model.iter().chain(&image).any(|byte| *byte != 0) {
            assert_clean(&members(&disks[..count]));
        }
        let log = machine.disks().pop().unwrap();
        assert!(UndoLog::open(&log).unwrap().is_complete());
        let end = disks[count].bytes(log_len - 8, 72);
        assert!(end[..8] != [0; 8] && end[8..] == [0; 64], "the log is as long as was said");
        undo(&machine, count);
        assert!(disks_of(&machine)[..count] == before[..count], "every byte is back");
    });
    assert!(done > 100 && full > 10, "{done} done, {full} without room");
}

/// After every cut the volume holds old and new sectors, a repair makes it clean, and the log gives the old set.
#[test]
fn after_every_cut_of_an_import_a_repair_mends_the_set_and_the_log_gives_the_old_one() {
    let (mut images, mut seed) = (0, SplitMix64::new(3));
    for_each_seed(300..340, |random| {
        let (machine, count, model, image) = set_and_image(random);
        let before = disks_of(&machine);
        if import(&machine, count, &image).is_err() {
            return;
        }
        let new = after(&model, &image);
        let was_empty = model.iter().all(|byte| *byte == 0);
        // What goes to free chunks is seen with its entry, the whole chunk at once.
        let grain = if was_empty { CHUNK } else { 512 };
        machine.for_each_cut(|cut| {
            cut.for_each_image(4, &mut seed, |disks| {
                images += 1;
                let either = Either { old: &model, new: &new, grain, told: &image.len() };
                either.assert_mendable(&disks[..count]);
                if images % 4 == 0 {
                    either.assert_repaired(&disks[..count]);
                }
                let machine = Machine::new(disks.iter().cloned());
                undo(&machine, count);
                assert!(disks_of(&machine)[..count] == before[..count], "every byte is back");
            });
        });
    });
    assert!(images > 2_000, "{images} images");
}

/// Every operation of an import fails once: the error names the place, the log gives the old set back, and then it works.
#[test]
fn an_import_that_a_disk_stops_can_be_undone_and_done_again() {
    let mut failures = 0;
    for_each_seed(400..430, |random| {
        let (machine, count, _, image) = set_and_image(random);
        let before = disks_of(&machine);
        if import(&machine, count, &image).is_err() {
            return;
        }
        let (after, operations) = (disks_of(&machine), machine.operations());
        // Finding and examining the set comes first, and fails with other words.
        let first = {
            let machine = Machine::new(before.iter().cloned());
            header(&machine.disks()[..count]);
            examined(&machine, count);
            machine.operations()
        };
        for number in first..operations.min(first + 200) {
            let machine = Machine::new(before.iter().cloned());
            machine.fail(number);
            let error = match import(&machine, count, &image) {
                Ok(()) => {
                    // A map that cannot be read in one go is read sector by sector.
                    assert!(disks_of(&machine)[..count] == after[..count], "operation {number}");
                    continue;
                }
                Err(Stopped::Import(ImportError::Component { error, .. })) => error,
                Err(Stopped::Change(ChangeError::Disk(error))) => error.error,
                Err(Stopped::Change(ChangeError::Log(error))) => error,
                Err(error) => panic!("{error:?}"),
            };
            failures += 1;
            assert_eq!(error.reason, "simulated failure");
            undo(&machine, count);
            assert!(disks_of(&machine)[..count] == before[..count], "operation {number}");
            let again =
                Machine::new(disks_of(&machine)[..count].iter().cloned().chain([SparseDisk::new(4 << 20)]));
            import(&again, count, &image).unwrap();
            assert!(disks_of(&again)[..count] == after[..count], "operation {number}");
        }
    });
    assert!(failures > 100, "{failures} failures");
}
