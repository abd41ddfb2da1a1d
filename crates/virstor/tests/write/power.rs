//! Cuts of the power at every moment, with every or many combinations of what had not been flushed.

use virstor::write::WriteError;
use virstor_testkit::{Machine, SparseDisk, SplitMix64, for_each_seed};

use crate::model::{Operation, apply, perform, random_operation};
use crate::on_disk::OnDisk;
use crate::set::{CHUNK, contents, open, small_set};

/// What a session did, and when.
pub(crate) struct History {
    /// The bytes of the device after each operation; the first is from before all.
    states: Vec<Vec<u8>>,
    /// For each operation that made all before it durable: the moment when it returned, and the state then.
    acknowledged: Vec<(usize, usize)>,
    /// The moment when each operation began.
    begun: Vec<usize>,
}

impl History {
    pub(crate) fn new(state: Vec<u8>) -> Self {
        Self { states: vec![state], acknowledged: vec![(0, 0)], begun: Vec::new() }
    }

    /// `operation` is about to be done.
    pub(crate) fn begin(&mut self, machine: &Machine, operation: &Operation) {
        let mut state = self.states.last().unwrap().clone();
        apply(&mut state, operation);
        self.begun.push(machine.moment());
        self.states.push(state);
    }

    /// The operation that began last returned without an error.
    pub(crate) fn acknowledge(&mut self, machine: &Machine, operation: &Operation) {
        if matches!(operation, Operation::Flush | Operation::Close) {
            self.acknowledged.push((machine.moment(), self.states.len() - 1));
        }
    }

    /// The operation that began last was refused.
    pub(crate) fn refuse(&mut self) {
        self.begun.pop();
        self.states.pop();
    }

    /// The bytes of the device now.
    pub(crate) fn now(&self) -> &[u8] {
        self.states.last().unwrap()
    }

    /// The states of which each byte must be one at a cut: the last acknowledged, and all begun since.
    pub(crate) fn possible(&self, moment: usize) -> &[Vec<u8>] {
        let first = self.acknowledged.iter().rev().find(|(returned, _)| *returned <= moment).unwrap().1;
        let last = self.begun.iter().take_while(|begun| **begun <= moment).count();
        &self.states[first..=last.max(first)]
    }

    /// Looks at all disks a cut may leave; returns how many there were.
    pub(crate) fn assert_every_cut_is_sound(
        &self,
        machine: &Machine,
        limit: u32,
        random: &mut SplitMix64,
    ) -> u32 {
        let mut images = 0;
        let mut seed = random.clone();
        machine.for_each_cut(|cut| {
            let possible = self.possible(cut.moment());
            cut.for_each_image(limit, random, |disks| {
                images += 1;
                assert_sound_after_cut(disks, possible, &mut seed);
            });
        });
        images
    }
}

pub(crate) fn assert_sound_after_cut(disks: &[SparseDisk], possible: &[Vec<u8>], random: &mut SplitMix64) {
    OnDisk::read(disks, 512).assert_sound(disks, 512);
    let machine = Machine::new(disks.iter().cloned());
    let mut writer = open(&machine);
    let mut bytes = contents(&mut writer);
    for (number, chunk) in bytes.chunks(CHUNK).enumerate() {
        let range = number * CHUNK..(number + 1) * CHUNK;
        if possible.iter().any(|state| state[range.clone()] == *chunk) {
            continue;
        }
        for (position, byte) in range.zip(chunk) {
            assert!(
                possible.iter().any(|state| state[position] == *byte),
                "byte {position} (chunk {number}) is {byte:#x}, which is neither old nor new"
            );
        }
    }
    // A session that goes on from here finds no old bytes either.
    if random.below(8) == 0 && writer.space().free_chunks > 0 {
        let position = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        writer.write(position as u64, b"!").unwrap();
        bytes[position] = b'!';
        writer.close().unwrap();
        assert_eq!(contents(&mut writer), bytes);
        let disks: Vec<_> = (0..disks.len()).map(|number| machine.contents(number)).collect();
        OnDisk::read(&disks, 512).assert_sound(&disks, 512);
    }
}

/// A session of random operations on `machine`, begun with an open and left without a close.
fn random_session(machine: &Machine, operations: usize, random: &mut SplitMix64) -> History {
    let mut writer = open(machine);
    let mut history = History::new(contents(&mut writer));
    for _ in 0..operations {
        let operation = random_operation(random, history.now().len());
        history.begin(machine, &operation);
        match perform(&mut writer, &operation) {
            Ok(()) => history.acknowledge(machine, &operation),
            Err(WriteError::OutOfSpace { .. }) => history.refuse(),
            Err(error) => panic!("{error:?}"),
        }
    }
    history
}

#[test]
fn after_every_cut_all_that_a_flush_acknowledged_is_there_and_nothing_foreign() {
    let mut images = 0;
    for_each_seed(0..16, |random| {
        let sets: [&[u64]; 3] = [&[24], &[5, 4, 6], &[3, 1, 1, 9]];
        let chunks = *random.choose(&sets);
        let machine = small_set(chunks, 128);
        let history = random_session(&machine, 24, random);
        images += history.assert_every_cut_is_sound(&machine, 8, random);
    });
    assert!(images > 5_000, "{images} images");
}

#[test]
fn every_combination_of_sectors_of_a_short_session_is_sound() {
    for_each_seed(100..104, |random| {
        let machine = small_set(&[4, 2, 3], 128);
        let history = random_session(&machine, 8, random);
        history.assert_every_cut_is_sound(&machine, 256, random);
    });
}

/// Chunks that alternate between two sectors of the map, over the border of two components: were both sectors
/// written at once, the one with the later chunks could be there alone.
#[test]
fn entries_reach_the_disk_in_the_order_of_allocation() {
    let machine = small_set(&[4, 2, 3], 128);
    let mut writer = open(&machine);
    let mut history = History::new(contents(&mut writer));
    for chunk in [0, 64, 1, 65, 2, 66, 3] {
        let operation = Operation::Write(chunk * CHUNK, vec![7; CHUNK]);
        history.begin(&machine, &operation);
        perform(&mut writer, &operation).unwrap();
    }
    for operation in [Operation::Flush, Operation::Close] {
        history.begin(&machine, &operation);
        perform(&mut writer, &operation).unwrap();
        history.acknowledge(&machine, &operation);
    }
    history.assert_every_cut_is_sound(&machine, 256, &mut SplitMix64::new(1));
}
