//! Sound sets of many shapes, and each kind of damage alone.

use std::collections::BTreeSet;

use virstor::check::{Code, LISTED, Repair};
use virstor_testkit::{ByteOrder, MapEntry, SetBuilder, SparseDisk, SplitMix64, for_each_seed};

use crate::support::{Heap, check_built, check_files, expect, offers};

const MIB: u64 = 1 << 20;
const CHUNK: u64 = 128 << 10;

/// Three components of 7 chunks, 2 of the first reserved; `used` virtual chunks in order of first write.
fn sound(used: u64) -> SetBuilder {
    fill(SetBuilder::new("dev").components([MIB, MIB, MIB]), used)
}

/// Maps the first `used` virtual chunks as the kernel hands out the 19 chunks of three such components.
fn fill(builder: SetBuilder, used: u64) -> SetBuilder {
    let places = (2..7).map(|chunk| (0, chunk)).chain((0..14).map(|chunk| (1 + chunk / 7, chunk % 7)));
    (0..used).zip(places).fold(builder, |builder, (at, (component, chunk))| {
        builder.map(at, u16::try_from(component).expect("below 3"), chunk)
    })
}

fn entry(flags: u16, provider_no: u16, provider_chunk: u32) -> MapEntry {
    MapEntry { flags, provider_no, provider_chunk }
}

#[test]
fn sound_sets_of_every_shape_have_no_findings() {
    for used in 0..=19 {
        expect(&check_built(sound(used)), &[]);
    }
    expect(
        &check_built(fill(
            SetBuilder::new("d").sector_size(4096).virtual_chunks(512).components([MIB; 3]),
            9,
        )),
        &[],
    );
    expect(
        &check_built(SetBuilder::new("d").chunk_size(4 << 20).virtual_chunks(524_288).components([10 << 30])),
        &[],
    );
    expect(
        &check_built(SetBuilder::new("d").chunk_size(384 << 10).components([16 * MIB + 512; 2]).map(9, 0, 2)),
        &[],
    );
    expect(&check_built(sound(4).hardcoded(1, "c1")), &[]);
}

#[test]
fn the_order_of_first_writes_does_not_matter() {
    for_each_seed(0..50, |random| {
        let mut order: Vec<u64> = (0..64).collect();
        random.shuffle(&mut order);
        let places = (2..7).map(|chunk| (0, chunk)).chain((0..7).map(|chunk| (1, chunk)));
        let set = SetBuilder::new("dev").components([MIB, MIB, MIB]);
        let used = usize::try_from(random.below(13)).unwrap();
        let set = order
            .iter()
            .zip(places)
            .take(used)
            .fold(set, |set, (at, (component, chunk))| set.map(*at, component, chunk));
        expect(&check_built(set), &[]);
    });
}

/// A set as label and the kernel's allocator leave it: any geometry label makes, any number of chunks in use, the
/// virtual chunks first written in any order.
fn labelled_and_used(random: &mut SplitMix64) -> SetBuilder {
    let sector_size = *random.choose(&[512_u32, 1024, 2048, 4096, 8192]);
    let chunk_size = (128 << 10) * (1 + random.below(12));
    let per_sector = u64::from(sector_size) / 8;
    let virtual_chunks = per_sector * (1 + random.below(40_000 / per_sector));
    let reserved = 2 * (virtual_chunks * 8).div_ceil(chunk_size);
    let size = |random: &mut SplitMix64| {
        let ragged = random.below(chunk_size / u64::from(sector_size)) * u64::from(sector_size);
        chunk_size * (reserved + 4 + random.below(30)) + random.below(2) * ragged
    };
    let sizes: Vec<u64> = (0..=random.below(5)).map(|_| size(random)).collect();
    let room = |size: u64| u32::try_from((size - u64::from(sector_size)) / chunk_size).expect("it is small");
    let first_free = |number| if number == 0 { u32::try_from(reserved).expect("it is small") } else { 0 };
    let places: Vec<(u16, u32)> = (0_u16..)
        .zip(&sizes)
        .flat_map(|(number, size)| (first_free(number)..room(*size)).map(move |chunk| (number, chunk)))
        .collect();
    let most = places.len().min(usize::try_from(virtual_chunks).expect("it is small"));
    let some = usize::try_from(random.below(most as u64 + 1)).expect("it is small");
    let used = *random.choose(&[0, most, some]);
    let mut order: Vec<u64> = (0..virtual_chunks).collect();
    if random.below(2) == 0 {
        random.shuffle(&mut order);
    }
    let set = SetBuilder::new("dev")
        .sector_size(sector_size)
        .chunk_size(u32::try_from(chunk_size).expect("it is small"))
        .virtual_chunks(virtual_chunks)
        .components(sizes);
    let written = order.into_iter().zip(places).take(used);
    written.fold(set, |set, (at, (component, chunk))| set.map(at, component, chunk))
}

#[test]
fn no_sound_set_of_any_geometry_has_a_finding_above_a_notice() {
    for_each_seed(0..400, |random| expect(&check_built(labelled_and_used(random)), &[]));
}

#[test]
fn each_fault_of_a_record_is_found_alone() {
    expect(
        &check_built(sound(5).edit_record(1, |record| record.flags = 0x8000)),
        &["warning unknown-component-flags c1 safe"],
    );
    expect(
        &check_built(sound(5).edit_record(1, |record| record.flags = 1)),
        &["notice allocated-flag-unneeded c1 safe"],
    );
    expect(
        &check_built(sound(7).edit_record(1, |record| record.flags = 2)),
        &["warning allocated-flag-missing c1 safe"],
    );
    expect(
        &check_built(sound(7).edit_record(0, |record| record.flags = 3)),
        &["notice current-flag-misplaced c1 safe"],
    );
    expect(
        &check_built(sound(3).edit_record(0, |record| record.chunk_next = 4)),
        &["notice stale-cursor c0 safe", "warning unclean-stop safe"],
    );
    expect(
        &check_built(sound(3).edit_record(0, |record| record.chunk_next = 7)),
        &["error map-entries-lost c0 lossy"],
    );
    expect(
        &check_built(sound(3).edit_record(2, |record| record.chunk_count = 8)),
        &["warning last-chunk-overlaps-metadata c2 p7 safe"],
    );
    expect(
        &check_built(sound(3).edit_record(2, |record| record.provsize += 512)),
        &["fatal component-size-changed c2 safe"],
    );
    expect(
        &check_built(sound(3).edit_record(2, |record| record.provsize -= 512)),
        &["fatal component-inside-file c2 none"],
    );
    expect(
        &check_built(sound(3).edit_record(2, |record| record.chunk_size *= 2)),
        &["error records-disagree c2 safe"],
    );
    expect(&check_built(sound(3).hardcoded(1, "da1")), &["notice hardcoded-name-differs c1 none"]);
    expect(
        &check_built(sound(3).hardcoded(1, "gpt/backup-disk")),
        &["warning hardcoded-name-never-matches c1 safe"],
    );
    expect(
        &check_built(sound(3).hardcoded(1, "gpt/backup-disk1")),
        &["fatal hardcoded-name-never-matches c1 safe"],
    );
    expect(
        &check_built(sound(3).edit_record(2, |record| record.no = 9)),
        &["error component-number-too-high c9 none", "fatal component-missing c2 none"],
    );
    expect(
        &check_built(sound(3).edit_record(2, |record| record.version = 0)),
        &["fatal unknown-record-version c2 safe"],
    );
    expect(
        &check_built(sound(3).edit_record(2, |record| record.virsize = 0)),
        &["fatal nonsensical-record none"],
    );
}

#[test]
fn an_overlapping_last_chunk_in_use_is_worse_than_an_unused_one() {
    let overlapping = |used| sound(used).edit_record(1, |record| record.chunk_count = 8);
    expect(&check_built(overlapping(12)), &["warning last-chunk-overlaps-metadata c1 p7 safe"]);
    expect(
        &check_built(overlapping(12).map(30, 1, 7).edit_record(1, |record| record.flags = 3)),
        &["error last-chunk-overlaps-metadata c1 p7 v30 safe"],
    );
}

#[test]
fn each_fault_of_an_entry_is_found_alone() {
    let with = |entry| check_built(sound(3).entry(40, entry));
    expect(&with(entry(0, 1, 2)), &["warning unallocated-entry-not-zero c1 p2 v40 safe"]);
    expect(&with(entry(0, 3, 2)), &["fatal unallocated-entry-not-zero c3 p2 v40 safe"]);
    expect(&with(entry(3, 0, 5)), &["warning entry-unknown-flags c0 p5 v40 safe"]);
    expect(&with(entry(1, 9, 5)), &["fatal entry-names-no-component c9 p5 v40 lossy"]);
    expect(&with(entry(1, 1, 7)), &["fatal entry-at-chunk-count c1 p7 v40 lossy"][..]);
    expect(&with(entry(1, 1, 70)), &["fatal entry-names-no-chunk c1 p70 v40 lossy"]);
    expect(&with(entry(1, 0, 0)), &["error entry-inside-map c0 p0 v40 lossy"]);
    expect(&with(entry(1, 0, 1)), &["warning entry-in-reserve c0 p1 v40 safe"]);
    expect(&with(entry(1, 0, 3)), &["error chunk-shared c0 p3 v40 safe"]);
    expect(&with(entry(1, 0, 6)), &["warning chunk-reuse-ahead c0 p6 safe", "warning unclean-stop safe"]);
}

#[test]
fn shared_chunks_can_hide_a_hole() {
    let set = sound(3).map(40, 0, 3).map(41, 0, 6);
    expect(&check_built(set), &["error chunk-shared c0 p3 v40 safe", "warning chunk-hole c0 p5 safe"]);
}

#[test]
fn every_owner_of_a_shared_chunk_is_named_with_the_first() {
    let set = sound(3).map(40, 0, 3).map(63, 0, 3);
    let report = check_built(set);
    let owners: Vec<_> = report
        .findings
        .iter()
        .filter_map(|finding| match finding.fault {
            virstor::check::Fault::ChunkShared { first, second, .. } => Some((first.unwrap().0, second.0)),
            _ => None,
        })
        .collect();
    assert_eq!(owners, [(1, 40), (1, 63)]);
}

#[test]
fn a_big_endian_map_is_judged_in_its_own_order() {
    expect(&check_built(sound(9).byte_order(ByteOrder::Big)), &["fatal map-big-endian c0 safe"]);
    let shared = sound(9).map(40, 0, 3).byte_order(ByteOrder::Big);
    let expected =
        ["fatal map-big-endian c0 safe", "error chunk-shared c0 p3 v40 safe", "notice stale-cursor c0 safe"];
    expect(&check_built(shared.edit_record(0, |record| record.chunk_next = 7)), &expected);
}

#[test]
fn the_component_behind_a_full_one_is_entered_without_a_look() {
    // c1 has a hole at its end, c2 is full: after c1's last chunk comes chunk 7 of c2.
    let set = (0..7).fold(sound(11), |set, chunk| set.map(20 + u64::from(chunk), 2, chunk));
    let expected = [
        "notice allocation-out-of-order c1 safe",
        "warning allocation-past-end c2 p7 safe",
        "notice current-flag-misplaced c1 safe",
    ];
    expect(&check_built(set), &expected);
}

#[test]
fn sizes_are_judged_against_each_other() {
    let reserve = |chunks, used: u32| {
        let set = SetBuilder::new("d").virtual_chunks(32768).components([4 * MIB]).reserved(chunks);
        (0..used).fold(set, |set, chunk| set.map(chunk.into(), 0, u32::from(chunks) + chunk))
    };
    expect(&check_built(reserve(2, 5)), &[]);
    expect(&check_built(reserve(0, 0)), &["warning reserve-smaller-than-map c0 safe"]);
    let inside = [
        "warning reserve-smaller-than-map c0 none",
        "error entry-inside-map c0 p0 v0 lossy",
        "error entry-inside-map c0 p1 v1 lossy",
    ];
    expect(&check_built(reserve(0, 3)), &inside);
    expect(
        &check_built(SetBuilder::new("d").virtual_chunks(65).components([MIB])),
        &["warning map-not-whole-sectors c0 safe"],
    );
    let long = SetBuilder::new("d").components([MIB]).edit_record(0, |record| record.virsize = CHUNK << 20);
    let expected = ["fatal map-longer-than-component c0 none"];
    expect(&check_built(long), &expected);
    let barely = SetBuilder::new("d").virtual_chunks(MIB / 8).components([MIB]).reserved(16);
    let expected = ["notice component-too-small c0 none", "error map-overlaps-metadata c0 none"];
    expect(&check_built(barely), &expected);
    let none = SetBuilder::new("d").components([MIB, MIB]).edit_record(0, |record| record.chunk_count = 0);
    expect(&check_built(none), &["fatal component-too-small c0 none"]);
}

#[test]
fn an_add_that_stopped_before_any_old_record_was_written_is_found() {
    let set = sound(3).component("c3", MIB + 512);
    let set = (0..3).fold(set, |set, number| set.edit_record(number, |record| record.count = 3));
    expect(&check_built(set.edit_record(3, |record| record.count = 3)), &["error torn-add safe"]);
}

#[test]
fn a_remove_that_stopped_half_way_is_found() {
    let mut files = sound(3).edit_record(0, |record| record.count = 2).build();
    files.pop();
    expect(&check_files(&files), &["error torn-remove safe"]);
}

#[test]
fn lost_data_on_a_missing_component_is_counted_where_the_map_is_known() {
    for (gone, codes, says) in [
        (
            &[1][..],
            &["fatal component-missing c1 none"][..],
            "component 1 is missing, and 7 chunks of data lie on it",
        ),
        (
            &[0],
            &["fatal component-missing c0 none"],
            "component 0 is missing, and the allocation map with it",
        ),
        (
            &[0, 2],
            &["fatal component-missing c0 none", "fatal component-missing c2 none"],
            "component 0 is missing, and the allocation map with it; component 2 is missing",
        ),
    ] {
        let mut files = sound(12).build();
        gone.iter().rev().for_each(|file| _ = files.remove(*file));
        let report = check_files(&files);
        expect(&report, codes);
        let messages: Vec<_> =
            report.findings.iter().map(|finding| finding.fault.message(&|_| String::new())).collect();
        assert_eq!(messages.join("; "), says);
    }
}

#[test]
fn a_rival_that_differs_is_worse_than_a_copy() {
    let copied = |edit: fn(&mut virstor_testkit::Record)| {
        let mut files = sound(6).build();
        files.push(("rival".into(), sound(6).edit_record(1, edit).build().swap_remove(1).1));
        check_files(&files)
    };
    expect(&copied(|_| {}), &["warning duplicate-component c1 none"]);
    expect(&copied(|record| record.chunk_next = 0), &["error duplicate-component c1 none"]);
}

#[test]
fn a_truncated_component_loses_what_lies_behind_its_end() {
    let mut files = sound(12).build();
    let record = files[1].1.bytes(MIB - 512, 512);
    files[1].1.resize(4 * CHUNK);
    files[1].1.write_at(4 * CHUNK - 512, &record).unwrap();
    let expected = [
        "fatal component-size-changed c1 lossy",
        "error entry-past-end c1 p4 v9 lossy",
        "error entry-past-end c1 p5 v10 lossy",
        "error entry-past-end c1 p6 v11 lossy",
    ];
    expect(&check_files(&files), &expected);
}

#[test]
fn zeroed_map_sectors_are_suspected_where_chunks_have_lost_their_entries() {
    let set = SetBuilder::new("d").virtual_chunks(256).components([64 * MIB]);
    let set = (0..256).fold(set, |set, at| set.map(at, 0, 2 + u32::try_from(at).unwrap()));
    let mut files = set.build();
    files[0].1.write_at(512, &[0; 512]).unwrap();
    let expected = [
        "error map-entries-lost c0 lossy",
        "warning chunk-reuse-ahead c0 p194 safe",
        "warning map-sectors-zeroed c0 v64 none",
    ];
    expect(&check_files(&files), &expected);
}

#[test]
fn a_bad_sector_in_the_map_stops_no_other_finding() {
    let files = sound(3).entry(40, entry(1, 9, 5)).virtual_chunks(1024).build();
    let files: Vec<_> = files
        .into_iter()
        .map(|(name, disk)| {
            (name, std::sync::Arc::new(virstor_testkit::Failing::new(disk).range(4096..4097)))
        })
        .collect();
    let expected = ["fatal entry-names-no-component c9 p5 v40 lossy", "fatal map-unreadable c0 none"];
    expect(&Heap::look(offers(&files)).check(0), &expected);
}

#[test]
fn the_list_of_a_kind_is_bounded_and_the_rest_counted() {
    let set = SetBuilder::new("d").virtual_chunks(4096).components([MIB]);
    let set = (0..4096).fold(set, |set, at| set.entry(at, entry(1, 9, 5)));
    let report = check_built(set);
    assert_eq!(report.findings.len(), LISTED);
    assert_eq!(report.unlisted[&Code::EntryNamesNoComponent], 4096 - LISTED as u64);
    let set = SetBuilder::new("d").virtual_chunks(4096).components([MIB]);
    let report = check_built((0..4096).fold(set, |set, at| set.map(at, 0, 2)));
    assert_eq!(report.unlisted[&Code::ChunkShared], 4095 - LISTED as u64);
}

#[test]
fn records_that_make_no_volume_are_found_too() {
    let files = SetBuilder::new("d").components([MIB]).edit_record(0, |record| record.virsize = 0).build();
    let files: Vec<(String, &SparseDisk)> = files.iter().map(|(name, disk)| (name.clone(), disk)).collect();
    let heap = Heap::look(offers(&files));
    assert!(heap.assembly.volumes.is_empty());
    expect(&heap.check_strays(), &["fatal nonsensical-record none"]);
}

#[test]
fn codes_are_told_apart_and_look_like_codes() {
    let texts: BTreeSet<&str> = Code::ALL.iter().map(|code| code.text()).collect();
    assert_eq!(texts.len(), Code::ALL.len());
    for text in texts {
        assert!(text.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase()), "{text}");
    }
}

#[test]
fn data_in_areas_that_cannot_be_read_is_found_and_free_chunks_there_are_not() {
    struct Worn(SparseDisk);
    impl virstor::io::ReadAt for Worn {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), virstor::io::IoError> {
            self.0.read_at(offset, buf)
        }
        fn unreadable(&self, range: std::ops::Range<u64>) -> Option<std::ops::Range<u64>> {
            let bad = 2 * CHUNK + 512..2 * CHUNK + 1536;
            let (start, end) = (bad.start.max(range.start), bad.end.min(range.end));
            (start < end).then_some(start..end)
        }
    }
    let check = |used| {
        let files = sound(used).build();
        let files: Vec<_> =
            files.into_iter().map(|(name, disk)| (name, std::sync::Arc::new(Worn(disk)))).collect();
        Heap::look(offers(&files)).check(0)
    };
    let first = "error data-unreadable c0 p2 v0 none";
    expect(&check(0), &[]);
    expect(&check(7), &[first]);
    expect(&check(8), &[first, "error data-unreadable c1 p2 v7 none"]);
    let bytes = match check(7).findings[0].fault {
        virstor::check::Fault::DataUnreadable { bytes, start, .. } => (bytes, start),
        _ => (0, 0),
    };
    assert_eq!(bytes, (1024, 512));
}

#[test]
fn a_first_component_without_its_record_is_known_by_its_map() {
    let lost = |used| {
        let mut files = sound(used).build();
        files[0].1.write_at(MIB - 512, &[0; 512]).unwrap();
        files.push(("stranger".into(), SparseDisk::new(MIB)));
        check_files(&files)
    };
    expect(&lost(9), &["fatal record-lost c0 safe"]);
    expect(&lost(0), &["fatal component-missing c0 none"]);
}

/// A hundred findings of a kind are listed: what makes the rest uncertain has to be among them.
#[test]
fn nothing_is_mended_by_a_chunk_size_that_most_contradict() {
    let set = SetBuilder::new("d").virtual_chunks(64).components([MIB; 150]).edit_record(0, |record| {
        record.chunk_size *= 2;
        record.virsize += CHUNK * 4;
    });
    let report = check_built(set);
    let disagreeing =
        report.findings.iter().filter(|finding| finding.code() == Code::RecordsDisagree).count();
    assert_eq!(disagreeing, LISTED);
    assert!(report.findings.iter().all(|finding| finding.repair == Repair::None), "{:?}", report.findings);
}
