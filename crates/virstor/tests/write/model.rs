//! The volume beside the simplest thing it can be: a vector of zeros.

use std::ops::Range;

use virstor::io::WriteAt;
use virstor::write::{Step, StepBytes, VolumeWriter, WriteError};
use virstor_testkit::{Decisions, MachineDisk, for_each_seed};

use crate::on_disk::OnDisk;
use crate::set::{CHUNK, STALE, contents, disks_of, open, small_set};

/// Something a user does.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Write(usize, Vec<u8>),
    Zero(Range<usize>),
    /// Zeros that have a place.
    Provide(Range<usize>),
    Flush,
    Close,
}

/// Mostly short writes; bytes that are neither zero nor stale, or all zero.
pub(crate) fn random_operation<R: Decisions>(random: &mut R, size: usize) -> Operation {
    let at = |random: &mut R, bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
    let longest = *random.choose(&[1, 100, CHUNK, 3 * CHUNK]);
    let len = 1 + at(random, longest);
    let start = match random.below(3) {
        0 => at(random, size / CHUNK) * CHUNK,
        _ => at(random, size),
    };
    let range = start.min(size - len)..start.min(size - len) + len;
    match random.below(16) {
        0..=9 => {
            let byte = u8::try_from(1 + random.below(200)).unwrap();
            Operation::Write(range.start, vec![byte; len])
        }
        10 => Operation::Write(range.start, vec![0; len]),
        11 => Operation::Zero(range),
        12 => Operation::Provide(range),
        13 | 14 => Operation::Flush,
        _ => Operation::Close,
    }
}

/// Does `operation` to the volume.
pub(crate) fn perform(
    writer: &mut VolumeWriter<MachineDisk>,
    operation: &Operation,
) -> Result<(), WriteError> {
    match operation {
        Operation::Write(offset, data) => writer.write(*offset as u64, data),
        Operation::Zero(range) => writer.write_zeros(range.start as u64..range.end as u64),
        Operation::Provide(range) => writer.provide_zeros(range.start as u64..range.end as u64),
        Operation::Flush => writer.flush(),
        Operation::Close => writer.close(),
    }
}

/// Does `operation` to the model.
pub(crate) fn apply(model: &mut [u8], operation: &Operation) {
    match operation {
        Operation::Write(offset, data) => model[*offset..offset + data.len()].copy_from_slice(data),
        Operation::Zero(range) | Operation::Provide(range) => model[range.clone()].fill(0),
        Operation::Flush | Operation::Close => {}
    }
}

#[test]
fn behaves_like_a_zeroed_vector() {
    let mut full = 0;
    for_each_seed(0..60, |random| {
        let sets: [&[u64]; 4] = [&[40], &[7, 4, 6], &[5, 1, 1, 9], &[4, 30]];
        let chunks = *random.choose(&sets);
        let machine = small_set(chunks, 192);
        let mut writer = open(&machine);
        let mut model = vec![0; 192 * CHUNK];
        for _ in 0..120 {
            let operation = random_operation(random, model.len());
            let before = disks_of(&machine);
            match perform(&mut writer, &operation) {
                Ok(()) => apply(&mut model, &operation),
                Err(WriteError::OutOfSpace { needed, free }) => {
                    full += 1;
                    assert!(needed > free && free == writer.space().free_chunks);
                    assert_eq!(disks_of(&machine), before, "nothing of a refused write is done");
                }
                Err(error) => panic!("{error:?}"),
            }
            let Operation::Write(start, ref data) = operation else {
                if matches!(operation, Operation::Close) {
                    let disks = disks_of(&machine);
                    let on_disk = OnDisk::read(&disks, 512);
                    on_disk.assert_sound(&disks, 512);
                    on_disk.assert_closed();
                    if random.below(2) == 0 {
                        writer = open(&machine);
                    }
                }
                continue;
            };
            let mut bytes = vec![STALE; data.len()];
            writer.read(start as u64, &mut bytes).unwrap();
            assert_eq!(bytes, model[start..start + data.len()]);
        }
        assert_eq!(contents(&mut writer), model);
        writer.close().unwrap();
        assert_eq!(contents(&mut open(&machine)), model);
    });
    assert!(full > 100, "volumes got full");
}

#[test]
fn zeros_that_were_provided_for_take_no_more_room() {
    let machine = small_set(&[7], 64);
    let mut writer = open(&machine);
    writer.write(CHUNK as u64, b"x").unwrap();
    let free = writer.space().free_chunks;
    // Parts of chunks 0 and 2, and all of chunk 1, which has its place.
    writer.provide_zeros(CHUNK as u64 / 2..5 * CHUNK as u64 / 2).unwrap();
    assert_eq!(writer.space().free_chunks, free - 2);
    let refused = writer.provide_zeros(0..60 * CHUNK as u64);
    assert_eq!(refused, Err(WriteError::OutOfSpace { needed: 57, free: free - 2 }));
    writer.write(0, &vec![1; 3 * CHUNK]).unwrap();
    assert_eq!(writer.space().free_chunks, free - 2);
}

#[test]
fn what_was_written_past_the_writer_is_flushed_by_it() {
    let machine = small_set(&[6], 64);
    let mut writer = open(&machine);
    writer.write(0, b"old").unwrap();
    writer.flush().unwrap();
    let plan = writer.plan(0, b"new").unwrap();
    let [Step { component, offset, what: StepBytes::Data(_) }] = plan.steps[..] else { panic!("{plan:?}") };
    machine.disks()[component.as_usize()].write_at(offset, b"new").unwrap();
    writer.wrote(component);
    let moment = machine.moment();
    writer.flush().unwrap();
    assert!(machine.moment() > moment, "the disk was flushed");
}

#[test]
fn a_new_chunk_is_zero_where_nothing_was_written() {
    let machine = small_set(&[6], 64);
    let mut writer = open(&machine);
    writer.write(3 * CHUNK as u64 + 100, b"x").unwrap();
    let mut chunk = vec![STALE; CHUNK];
    writer.read(3 * CHUNK as u64, &mut chunk).unwrap();
    let mut expected = vec![0; CHUNK];
    expected[100] = b'x';
    assert_eq!(chunk, expected);
    assert_eq!(machine.contents(0).bytes(2 * CHUNK as u64, CHUNK), expected, "on the disk, too");
}

#[test]
fn zeros_into_holes_allocate_nothing_and_change_nothing() {
    let machine = small_set(&[6], 64);
    let before = disks_of(&machine);
    let mut writer = open(&machine);
    writer.write(10, &vec![0; 5 * CHUNK]).unwrap();
    writer.write_zeros(0..64 * CHUNK as u64).unwrap();
    writer.close().unwrap();
    assert_eq!((disks_of(&machine), machine.moment()), (before, 0));
}

#[test]
fn what_was_only_read_is_not_written_on_close() {
    let machine = small_set(&[6], 64);
    let mut writer = open(&machine);
    contents(&mut writer);
    writer.close().unwrap();
    assert_eq!(machine.moment(), 0);
}

#[test]
fn a_write_that_does_not_fit_is_refused_whole() {
    let machine = small_set(&[3, 2], 64);
    let mut writer = open(&machine);
    writer.write(0, &[1; CHUNK]).unwrap();
    let moment = machine.moment();
    let refused = writer.write(CHUNK as u64 / 2, &[2; 4 * CHUNK]);
    assert_eq!(refused, Err(WriteError::OutOfSpace { needed: 4, free: 2 }));
    assert_eq!(machine.moment(), moment, "not even the part that has a place");
    writer.write(CHUNK as u64 / 2, &[2; 2 * CHUNK]).unwrap();
    assert_eq!(writer.space().free_chunks, 0);
    writer.write(0, &[3; CHUNK]).unwrap();
}

#[test]
fn planning_changes_nothing_and_names_places_in_the_order_of_the_kernel() {
    let machine = small_set(&[3, 2], 64);
    let mut writer = open(&machine);
    let data = [1; 2 * CHUNK];
    let plan = writer.plan(CHUNK as u64 / 2, &data).unwrap();
    assert_eq!(writer.plan(CHUNK as u64 / 2, &data).unwrap(), plan);
    let places: Vec<_> = plan
        .allocations
        .iter()
        .map(|allocation| (allocation.at.0, allocation.component.0, allocation.chunk.0))
        .collect();
    assert_eq!(places, [(0, 0, 2), (1, 1, 0), (2, 1, 1)]);
    let half = CHUNK / 2;
    let bytes: Vec<_> = plan.steps.iter().map(|step| step.what.clone()).collect();
    let zeros = StepBytes::Zeros(half as u64);
    let data = |range| StepBytes::Data(range);
    let expected =
        [zeros.clone(), data(0..half), data(half..half + CHUNK), data(half + CHUNK..2 * CHUNK), zeros];
    assert_eq!(bytes, expected);
    assert_eq!(machine.moment(), 0);
}

#[test]
fn allocations_of_one_map_sector_share_their_barriers() {
    let machine = small_set(&[40], 192);
    let mut writer = open(&machine);
    for chunk in 0..20 {
        writer.write(chunk * CHUNK as u64, &[1; CHUNK]).unwrap();
    }
    let written = machine.moment();
    assert_eq!(written, 20, "one write a chunk");
    writer.flush().unwrap();
    assert_eq!(machine.moment() - written, 3, "data flushed, sector written, sector flushed");
    writer.flush().unwrap();
    assert_eq!(machine.moment() - written, 3, "nothing left to do");
}

#[test]
fn a_long_time_without_a_flush_is_bounded() {
    let durable = |machine| OnDisk::read(&disks_of(machine), 512).allocated();
    let write = |writer: &mut VolumeWriter<MachineDisk>, chunk: u64| {
        writer.write(chunk * CHUNK as u64, b"x").unwrap();
    };
    let machine = small_set(&[4200], 4224);
    let mut writer = open(&machine);
    (0..4095).for_each(|chunk| write(&mut writer, chunk));
    assert_eq!(durable(&machine), 0, "64 runs of up to 64");
    write(&mut writer, 4095);
    assert_eq!(durable(&machine), 4096);

    let machine = small_set(&[200], 128);
    let mut writer = open(&machine);
    (0..64).for_each(|number| write(&mut writer, number % 2 * 64 + number / 2));
    assert_eq!(durable(&machine), 0, "64 runs of one");
    write(&mut writer, 63);
    assert_eq!(durable(&machine), 65);
}

#[test]
fn sessions_end_with_flags_where_the_data_is() {
    let machine = small_set(&[4, 3], 64);
    let mut writer = open(&machine);
    writer.write(0, &[1; 2 * CHUNK]).unwrap();
    writer.close().unwrap();
    // Component 0 is full. The kernel would go on in component 1 without marking it.
    let mut writer = open(&machine);
    writer.write(9 * CHUNK as u64, b"x").unwrap();
    writer.close().unwrap();
    let disks = disks_of(&machine);
    OnDisk::read(&disks, 512).assert_closed();
}
