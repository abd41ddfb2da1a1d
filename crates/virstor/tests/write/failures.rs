//! Every operation of a disk failing once.

use std::sync::Arc;

use virstor::format::ByteOrder;
use virstor::geometry::ComponentIndex;
use virstor::io;
use virstor::plan::{Lost, Segment, SegmentPlace, VolumeReader};
use virstor::write::{Unsound, WriteError};
use virstor_testkit::{Failing, Machine, SplitMix64, for_each_seed};

use crate::model::{Operation, perform, random_operation};
use crate::on_disk::OnDisk;
use crate::power::History;
use crate::set::{CHUNK, contents, disks_of, open, small_set, try_open, volume_of};

/// Fills two of three components, in chunks of both sectors of the map, with closes between.
fn operations() -> Vec<Operation> {
    let write = |chunk: usize, len: usize| Operation::Write(chunk * CHUNK + 300, vec![9; len]);
    vec![
        write(0, 700),
        write(70, 1500),
        Operation::Flush,
        write(0, 20),
        Operation::Zero(200..400),
        Operation::Close,
        write(3, 2 * CHUNK),
        write(100, 10),
        Operation::Flush,
        Operation::Close,
    ]
}

/// A small set and the sizes of its components in bytes.
fn set() -> Machine {
    small_set(&[4, 3, 9], 128)
}

#[test]
fn whatever_fails_once_is_named_loses_nothing_and_works_when_tried_again() {
    let mut failures = 0;
    for number in 0.. {
        let machine = set();
        let mut writer = open(&machine);
        // Not read: the map is not in memory yet, so reading it can fail, too.
        let mut history = History::new(vec![0; 128 * CHUNK]);
        let start = machine.operations();
        machine.fail(start + number);
        for operation in operations() {
            history.begin(&machine, &operation);
            if let Err(error) = perform(&mut writer, &operation) {
                failures += 1;
                assert_names_the_place(&error, &machine);
                history.assert_every_cut_is_sound(&machine, 4, &mut SplitMix64::new(number));
                perform(&mut writer, &operation).unwrap_or_else(|error| panic!("again: {error:?}"));
            }
            history.acknowledge(&machine, &operation);
        }
        if machine.operations() <= start + number {
            break;
        }
        assert_eq!(contents(&mut writer), history.now());
        let disks = disks_of(&machine);
        let on_disk = OnDisk::read(&disks, 512);
        on_disk.assert_sound(&disks, 512);
        on_disk.assert_closed();
    }
    assert!(failures > 40, "{failures} operations failed");
}

fn assert_names_the_place(error: &WriteError, machine: &Machine) {
    let WriteError::Io { component, error } = error else { panic!("{error:?}") };
    let size = io::ReadAt::size(&machine.disk(component.as_usize()));
    assert!(error.offset + error.len <= size, "{error:?}");
    assert_eq!(error.len == 0, error.operation == io::Operation::Flush, "{error:?}");
    assert_eq!(error.reason, "simulated failure");
}

#[test]
fn a_volume_whose_map_cannot_be_read_is_not_opened() {
    let machine = set();
    let tasted = {
        // How many reads finding the components takes.
        let before = machine.operations();
        crate::set::volume_of(&machine.disks());
        machine.operations() - before
    };
    machine.fail(machine.operations() + tasted);
    let Err(Unsound::MapUnreadable(error)) = try_open(machine.disks()) else { panic!("opened") };
    assert_eq!((error.operation, error.offset), (io::Operation::Read, 0));
    open(&machine);
}

/// Failures at any time, with other work before the second try, and a cut of the power at any time.
#[test]
fn random_sessions_on_failing_disks_keep_what_they_acknowledge() {
    let mut failures = 0;
    for_each_seed(200..232, |random| {
        let machine = small_set(&[5, 4, 6], 128);
        let mut writer = open(&machine);
        let mut history = History::new(vec![0; 128 * CHUNK]);
        for _ in 0..40 {
            let operation = random_operation(random, history.now().len());
            machine.fail(machine.operations() + random.below(12));
            history.begin(&machine, &operation);
            let mut result = perform(&mut writer, &operation);
            if let Err(WriteError::Io { .. }) = result {
                failures += 1;
                if random.below(2) == 0 {
                    writer.flush().unwrap();
                }
                result = perform(&mut writer, &operation);
            }
            match result {
                Ok(()) => history.acknowledge(&machine, &operation),
                Err(WriteError::OutOfSpace { .. }) => history.refuse(),
                Err(error) => panic!("again: {error:?}"),
            }
        }
        machine.fail(u64::MAX);
        assert_eq!(contents(&mut writer), history.now());
        history.assert_every_cut_is_sound(&machine, 2, random);
    });
    assert!(failures > 150, "{failures} operations failed");
}

#[test]
fn a_map_that_cannot_be_read_says_why_and_is_read_again() {
    let disks = disks_of(&set());
    let volume = volume_of(&disks);
    // The page, and then the one piece it has.
    let failing = |disk| Arc::new(Failing::new(disk).read_number(0).read_number(1));
    let disks = (0..).map(ComponentIndex).zip(disks.into_iter().map(failing)).collect();
    let mut reader = VolumeReader::new(volume, disks, ByteOrder::Little, 0);
    let lost = |reader: &mut VolumeReader<_>| -> Vec<_> {
        let place = |segment: Segment| segment.place;
        reader.segments(0..128 * CHUNK as u64).map(place).collect()
    };
    assert_eq!(lost(&mut reader), [SegmentPlace::Lost(Lost::NoMap)]);
    // It stays so until somebody asks why.
    assert_eq!(lost(&mut reader), [SegmentPlace::Lost(Lost::NoMap)]);
    assert!(reader.take_map_error(5 * CHUNK as u64).is_some());
    assert_eq!(lost(&mut reader), [SegmentPlace::Hole]);
    assert_eq!(reader.take_map_error(5 * CHUNK as u64), None);
}
