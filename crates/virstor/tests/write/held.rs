//! Requests that wait for room.

use virstor::label::Provider;
use virstor::write::held::{Change, Held, Outcome, Request};
use virstor::write::{VolumeWriter, WriteError};
use virstor_testkit::{Machine, MachineDisk, SplitMix64, for_each_seed};

use crate::members::with_spare_disks;
use crate::set::{CHUNK, contents, disks_of, small_set};

fn write(token: u32, chunk: usize, chunks: usize) -> Request<u32> {
    let byte = u8::try_from(token % 200 + 1).unwrap();
    Request { token, offset: (chunk * CHUNK) as u64, change: Change::Data(vec![byte; chunks * CHUNK]) }
}

fn zeros(token: u32, chunk: usize) -> Request<u32> {
    Request { token, offset: (chunk * CHUNK) as u64, change: Change::Zeros(CHUNK as u64) }
}

/// A volume with two free chunks and disks to add.
fn nearly_full() -> (Machine, VolumeWriter<MachineDisk>) {
    let machine = with_spare_disks(&small_set(&[6], 64), &[9, 9]);
    let mut writer = open_members(&machine, 1);
    for chunk in 0..2 {
        writer.write((chunk * CHUNK) as u64, &[250; CHUNK]).unwrap();
    }
    (machine, writer)
}

fn open_members(machine: &Machine, count: usize) -> VolumeWriter<MachineDisk> {
    crate::set::try_open(machine.disks().into_iter().take(count).collect()).unwrap()
}

fn add(writer: &mut VolumeWriter<MachineDisk>, machine: &Machine, number: usize) {
    let disk = machine.disk(number);
    let size = virstor::io::ReadAt::size(&disk);
    let provider = Provider { name: b"new", size, sector_size: 512 };
    writer.add_components(vec![(provider, disk)], false).unwrap();
}

#[test]
fn a_request_without_room_waits_whole_and_is_done_when_there_is_some() {
    let (machine, mut writer) = nearly_full();
    let before = disks_of(&machine);
    let mut held = Held::new(1 << 20);
    assert_eq!(held.submit(write(1, 10, 3), &mut writer), Outcome::Waits);
    assert_eq!(disks_of(&machine), before, "nothing of it is done");
    assert_eq!(held.release(&mut writer), [], "there is no more room than before");
    add(&mut writer, &machine, 1);
    assert_eq!(held.release(&mut writer), [(1, Ok(()))]);
    assert!(held.is_empty());
    assert_eq!(contents(&mut writer)[10 * CHUNK..13 * CHUNK], [2; 3 * CHUNK]);
}

#[test]
fn what_touches_or_needs_room_waits_behind_and_the_rest_passes() {
    let (machine, mut writer) = nearly_full();
    let mut held = Held::new(1 << 20);
    assert_eq!(held.submit(write(1, 10, 3), &mut writer), Outcome::Waits);
    assert_eq!(held.submit(write(2, 0, 1), &mut writer), Outcome::Done(2, Ok(())), "it has its place");
    assert_eq!(held.submit(write(3, 30, 1), &mut writer), Outcome::Waits, "it needs room, and came later");
    assert_eq!(held.submit(zeros(4, 12), &mut writer), Outcome::Waits, "it is to follow the first");
    assert_eq!(held.submit(zeros(5, 20), &mut writer), Outcome::Done(5, Ok(())));
    add(&mut writer, &machine, 1);
    assert_eq!(held.release(&mut writer), [(1, Ok(())), (3, Ok(())), (4, Ok(()))]);
    assert_eq!(contents(&mut writer)[12 * CHUNK..13 * CHUNK], [0; CHUNK]);
}

#[test]
fn the_queue_is_bounded_and_can_be_given_up() {
    let (_, mut writer) = nearly_full();
    let mut held = Held::new(4 * CHUNK as u64);
    assert_eq!(held.submit(write(1, 10, 30), &mut writer), Outcome::Waits, "one always has room");
    let refused = Outcome::Done(2, Err(WriteError::OutOfSpace { needed: 3, free: 2 }));
    assert_eq!(held.submit(write(2, 50, 1), &mut writer), refused);
    assert_eq!(held.cancel(|token| *token == 1), [1]);
    assert_eq!(held.submit(write(3, 50, 1), &mut writer), Outcome::Done(3, Ok(())));
}

/// Requests of any kind, components that come now and then: each is answered once, and the volume is what it would
/// be had they been done in the order in which they were sent.
#[test]
fn order_holds_and_every_request_is_answered_once() {
    for_each_seed(0..40, |random| {
        let (machine, mut writer) = nearly_full();
        let mut model = contents(&mut writer);
        let mut held = Held::new(1 << 20);
        let mut answered = Vec::new();
        let mut added = 0;
        for token in 0..40 {
            let request = random_request(token, random);
            let start = usize::try_from(request.offset).unwrap();
            match &request.change {
                Change::Data(data) => model[start..start + data.len()].copy_from_slice(data),
                Change::Zeros(len) => model[start..start + usize::try_from(*len).unwrap()].fill(0),
            }
            if let Outcome::Done(token, result) = held.submit(request, &mut writer) {
                assert_eq!(result, Ok(()));
                answered.push(token);
            }
            if random.below(16) == 0 && added < 2 {
                added += 1;
                add(&mut writer, &machine, added);
                answered.extend(held.release(&mut writer).into_iter().map(|(token, _)| token));
            }
        }
        if !held.is_empty() {
            assert_ne!(contents(&mut writer), model);
            answered.extend(held.cancel(|_| true));
        } else {
            assert_eq!(contents(&mut writer), model);
        }
        answered.sort_unstable();
        assert_eq!(answered, (0..40).collect::<Vec<_>>());
        writer.close().unwrap();
        let members: Vec<_> = disks_of(&machine).into_iter().take(1 + added).collect();
        crate::changes::assert_clean(&members);
    });
}

fn random_request(token: u32, random: &mut SplitMix64) -> Request<u32> {
    let chunk = usize::try_from(random.below(20)).unwrap();
    match random.below(4) {
        0 => zeros(token, chunk),
        _ => write(token, chunk, 1 + usize::try_from(random.below(2)).unwrap()),
    }
}
