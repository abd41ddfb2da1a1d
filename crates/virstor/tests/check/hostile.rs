//! Images made to hurt: any record, any map. The checker ends with findings.

use virstor::check::{Code, LISTED};
use virstor_testkit::{MapEntry, Record, SetBuilder, SplitMix64, for_each_seed};

use crate::support::{Heap, offers};

const MIB: u64 = 1 << 20;

fn interesting(random: &mut SplitMix64) -> u64 {
    let edges =
        [0, 1, 2, 3, 7, 8, 9, 127, 128, 511, 512, 65535, 65536, 131_071, 131_072, 131_073, MIB, u64::MAX];
    match random.below(3) {
        0 => *random.choose(&edges),
        1 => u64::from(u32::MAX) - random.below(3),
        _ => random.next_u64() >> random.below(64),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
fn mutate(record: &mut Record, random: &mut SplitMix64) {
    let value = interesting(random);
    match random.below(12) {
        0 => record.virsize = value,
        1 => record.chunk_size = value as u32,
        2 => record.count = value as u16,
        3 => record.no = value as u16,
        4 => record.provsize = value,
        5 => record.chunk_count = value as u32,
        6 => record.chunk_next = value as u32,
        7 => record.chunk_reserved = value as u16,
        8 => record.flags = value as u16,
        9 => record.id = value as u32,
        10 => random.fill(&mut record.provider),
        _ => record.version = value as u32,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
fn hostile_entry(random: &mut SplitMix64) -> MapEntry {
    let (flags, provider_no) = (interesting(random) as u16, interesting(random) as u16);
    MapEntry { flags, provider_no, provider_chunk: interesting(random) as u32 }
}

#[test]
fn whatever_records_and_map_say_the_check_ends_within_its_bounds() {
    for_each_seed(0..1000, |random| {
        let mut set = SetBuilder::new("dev").components([MIB, 2 * MIB, MIB + 512]);
        for at in 0..random.below(64) {
            set = match random.below(4) {
                0 => set.entry(at, hostile_entry(random)),
                _ => set.map(at, 0, 2 + u32::try_from(random.below(6)).unwrap()),
            };
        }
        for _ in 0..random.below(6) {
            let number = usize::try_from(random.below(3)).unwrap();
            let mut random = SplitMix64::new(random.next_u64());
            set = set.edit_record(number, move |record| mutate(record, &mut random));
        }
        let mut files = set.build();
        if random.below(4) == 0 {
            let lost = usize::try_from(random.below(3)).unwrap();
            let mut junk = [0; 512];
            random.fill(&mut junk);
            let end = files[lost].1.used().last().map_or(0, |(offset, _)| offset);
            files[lost].1.write_at(end, &junk[..92]).unwrap();
        }
        let files: Vec<_> = files.iter().map(|(name, disk)| (name.clone(), disk)).collect();
        let heap = Heap::look(offers(&files));
        for volume in 0..heap.assembly.volumes.len() {
            let report = heap.check(volume);
            assert!(report.findings.len() <= LISTED * Code::ALL.len());
            for finding in &report.findings {
                assert!(!finding.fault.message(&|party| format!("{party:?}")).is_empty());
            }
        }
        assert!(heap.check_strays().findings.len() <= 3);
    });
}

#[test]
fn a_record_cannot_make_the_check_remember_chunks_the_disk_has_no_room_for() {
    // A component of 1 MiB that claims 2^32 chunks, and entries that name them far apart.
    let set = SetBuilder::new("dev").virtual_chunks(4096).components([MIB]);
    let set = (0..4096).fold(set, |set, at| set.map(at, 0, u32::try_from(at).unwrap() << 20));
    let files = set.edit_record(0, |record| record.chunk_count = u32::MAX).build();
    let files: Vec<_> = files.iter().map(|(name, disk)| (name.clone(), disk)).collect();
    let report = Heap::look(offers(&files)).check(0);
    assert_eq!(report.unlisted[&Code::EntryPastEnd], 4095 - LISTED as u64);
}
