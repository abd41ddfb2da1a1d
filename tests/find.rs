//! Components are found where they hide, and heaps are sorted into volumes.

use std::ops::ControlFlow;

use virstor::assemble::Problem;
use virstor::format::ByteOrder;
use virstor::io::ReadAt;
use virstor::locate::Place;
use virstor_inspect::document::check::Check;
use virstor_inspect::document::info::Info;
use virstor_inspect::{Heap, InputFile, Options};
use virstor_testkit::{ByteOrder as MapOrder, Counting, GoldenSet, SetBuilder, SparseDisk};

const MIB: u64 = 1 << 20;

/// A set of two components with data in five chunks.
fn set(name: &str, id: u32) -> SetBuilder {
    SetBuilder::new(name)
        .id(id)
        .chunk_size(128 << 10)
        .virtual_chunks(64)
        .components([MIB, MIB])
        .map(0, 0, 2)
        .map(7, 0, 3)
        .map(8, 0, 4)
        .map(9, 1, 0)
        .map(63, 1, 1)
        .filled(7)
}

fn input<D>(label: &str, disk: D) -> InputFile<D> {
    InputFile {
        label: label.into(),
        provider: label.into(),
        disk: Ok(disk),
        sector_size: None,
        preferred: false,
    }
}

fn look<D: ReadAt + Clone>(files: Vec<InputFile<D>>) -> Heap<D> {
    Heap::look(files, Options::default(), &mut |_, _, _| ControlFlow::Continue(()))
}

fn contents<D: ReadAt + Clone>(heap: &Heap<D>, volume: usize) -> Vec<u8> {
    let mut reader = heap.reader(volume, 1 << 20);
    let mut bytes = vec![0; usize::try_from(reader.volume().size()).expect("small")];
    reader.read(0, &mut bytes).expect("nothing is lost");
    bytes
}

/// What the set reads as when its files are taken as they are.
fn plain_contents(files: &[(String, SparseDisk)]) -> Vec<u8> {
    contents(&look(files.iter().map(|(name, disk)| input(name, disk)).collect()), 0)
}

/// `inner` at `offset` of a disk of `size` bytes.
fn embed(inner: &SparseDisk, offset: u64, size: u64) -> SparseDisk {
    let mut disk = SparseDisk::new(size);
    let len = usize::try_from(inner.size()).expect("small");
    disk.write_at(offset, &inner.bytes(0, len)).expect("it fits");
    disk
}

/// A disk with an MBR whose only slice, of FreeBSD's type, holds `inner` from 1 MiB on.
fn in_mbr(inner: &SparseDisk) -> SparseDisk {
    let mut disk = embed(inner, MIB, inner.size() + 2 * MIB);
    let mut sector = [0; 512];
    sector[446] = 0x80;
    sector[446 + 4] = 0xa5;
    let (start, count) = (MIB / 512, inner.size() / 512);
    sector[454..458].copy_from_slice(&u32::try_from(start).expect("small").to_le_bytes());
    sector[458..462].copy_from_slice(&u32::try_from(count).expect("small").to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    disk.write_at(0, &sector).expect("it fits");
    disk
}

fn in_gpt(inner: &SparseDisk) -> SparseDisk {
    let disk = embed(inner, MIB, inner.size() + 2 * MIB);
    let len = usize::try_from(disk.size()).expect("small");
    let mut bytes = std::io::Cursor::new(disk.bytes(0, len));
    let mut gpt = gptman::GPT::new_from(&mut bytes, 512, [7; 16]).expect("there is room for a table");
    gpt[1] = gptman::GPTPartitionEntry {
        // freebsd-ufs: 516e7cb6-6ecf-11d6-8ff8-00022d09712b
        partition_type_guid: [
            0xb6, 0x7c, 0x6e, 0x51, 0xcf, 0x6e, 0xd6, 0x11, 0x8f, 0xf8, 0x00, 0x02, 0x2d, 0x09, 0x71, 0x2b,
        ],
        unique_partition_guid: [9; 16],
        starting_lba: MIB / 512,
        ending_lba: (MIB + inner.size()) / 512 - 1,
        attribute_bits: 0,
        partition_name: "data".into(),
    };
    gpt.write_into(&mut bytes).expect("memory is writable");
    gptman::GPT::write_protective_mbr_into(&mut bytes, 512).expect("memory is writable");
    SparseDisk::from_bytes(bytes.get_ref())
}

#[test]
fn components_are_found_in_partitions() {
    let files = set("dev", 7).build();
    let expected = plain_contents(&files);
    let (first, second) = (in_gpt(&files[0].1), in_mbr(&files[1].1));
    let heap = look(vec![input("gpt.img", &first), input("mbr.img", &second)]);
    assert!(contents(&heap, 0) == expected);
    let places: Vec<&Place> = heap.located().iter().map(|(_, located)| &located.place).collect();
    assert_eq!(places, [&Place::Partition("p1".into()), &Place::Partition("s1".into())]);
    let info = Info::new(&heap, &[0]);
    assert_eq!(info.volumes[0].kernel.taste, "starts", "FreeBSD sees partitions too");
    assert!(info.volumes[0].problems.is_empty(), "{:?}", info.volumes[0].problems);
}

#[test]
fn a_component_is_found_in_an_image_that_has_grown_or_carries_trailing_bytes() {
    for extra in [512, 4096, 3 * MIB + 77] {
        let files = set("dev", 7).build();
        let expected = plain_contents(&files);
        let grown = embed(&files[1].1, 0, MIB + extra);
        let heap = look(vec![input("c0", &files[0].1), input("grown", &grown)]);
        assert_eq!(heap.located()[1].1.place, Place::Grown, "{extra} bytes behind it");
        assert!(contents(&heap, 0) == expected, "{extra} bytes behind it");
        assert_eq!(heap.volumes()[0].problems, [Problem::Hidden { candidate: 1 }]);
        let info = Info::new(&heap, &[0]);
        assert_eq!(info.volumes[0].kernel.taste, "refuses", "FreeBSD looks at the end only");
        assert!(info.volumes[0].kernel.reason.contains("grown"), "{}", info.volumes[0].kernel.reason);
    }
}

#[test]
fn less_than_a_sector_behind_a_component_is_nothing_to_freebsd() {
    for extra in [1, 511] {
        let files = set("dev", 7).build();
        let grown = embed(&files[1].1, 0, MIB + extra);
        let heap = look(vec![input("c0", &files[0].1), input("grown", &grown)]);
        assert_eq!(heap.located()[1].1.place, Place::Whole, "{extra} bytes behind it");
        assert!(contents(&heap, 0) == plain_contents(&files), "{extra} bytes behind it");
        assert_eq!(heap.volumes()[0].problems, []);
        assert_eq!(Info::new(&heap, &[0]).volumes[0].kernel.taste, "starts", "whole sectors make the disk");
    }
}

#[test]
fn a_component_is_found_inside_a_file_that_no_table_describes() {
    let files = set("dev", 7).build();
    let expected = plain_contents(&files);
    for (before, behind) in [(4096, 0), (MIB, 0), (512, 5000), (MIB, 2 * MIB)] {
        let inside = embed(&files[0].1, before, before + MIB + behind);
        let heap = look(vec![input("dump", &inside), input("c1", &files[1].1)]);
        assert!(contents(&heap, 0) == expected, "{before} bytes before it, {behind} behind");
        assert_eq!((heap.located()[0].1.start, &heap.located()[0].1.place), (before, &Place::Inside));
    }
}

#[test]
fn a_scan_looks_no_further_than_it_may() {
    let files = set("dev", 7).build();
    let grown = embed(&files[1].1, 0, 8 * MIB);
    for (scan_len, found) in [(0, 1), (4 * MIB, 1), (8 * MIB, 2), (u64::MAX, 2)] {
        let inputs = vec![input("c0", &files[0].1), input("grown", &grown)];
        let options = Options { scan_len, ..Options::default() };
        let heap = Heap::look(inputs, options, &mut |_, _, _| ControlFlow::Continue(()));
        assert_eq!(heap.volumes()[0].components.len(), found, "scanning {scan_len} bytes");
    }
}

#[test]
fn every_sector_size_is_found_by_where_the_record_sits() {
    for sector_size in virstor::format::SECTOR_SIZES {
        // A map of whole sectors, as label makes it.
        let chunks = u64::from(sector_size / 8).max(64);
        let files = set("dev", 7).sector_size(sector_size).virtual_chunks(chunks).build();
        let heap = look(files.iter().map(|(name, disk)| input(name, disk)).collect());
        assert_eq!(heap.volumes()[0].sector_size, sector_size);
        assert!(heap.volumes()[0].problems.is_empty(), "{:?}", heap.volumes()[0].problems);
    }
}

#[test]
fn a_big_endian_map_is_read() {
    let little = set("dev", 7).build();
    let big = set("dev", 7).byte_order(MapOrder::Big).build();
    assert_ne!(little[0].1, big[0].1);
    let heap = look(big.iter().map(|(name, disk)| input(name, disk)).collect());
    assert_eq!(heap.map_report(0).order, ByteOrder::Big);
    assert!(contents(&heap, 0) == plain_contents(&little));
    let info = Info::new(&heap, &[0]);
    assert_eq!(info.volumes[0].kernel.taste, "refuses", "a little-endian kernel cannot make sense of it");
}

#[test]
fn a_heap_is_sorted_into_volumes_in_any_order() {
    let (home, var) = (set("home", 1).build(), set("var", 2).build());
    let stranger = SparseDisk::new(MIB);
    let heap = look(vec![
        input("v1", &var[1].1),
        input("h0", &home[0].1),
        input("x", &stranger),
        input("h1", &home[1].1),
        input("v0", &var[0].1),
    ]);
    let names: Vec<String> = heap.volumes().iter().map(|volume| volume.name.to_string()).collect();
    assert_eq!(names, ["var", "home"]);
    assert!(heap.volumes().iter().all(|volume| volume.is_complete() && volume.problems.is_empty()));
    let info = Info::new(&heap, &[0, 1]);
    assert!(info.volumes.iter().all(|volume| volume.kernel.taste == "starts"));
    assert_eq!((info.other_files.len(), info.other_files[0].reason.as_str()), (1, "not_virstor"));
}

#[test]
fn the_preferred_of_two_rivals_is_used() {
    let files = set("dev", 7).build();
    let rival = set("dev", 7).filled(8).build();
    for preferred in [false, true] {
        let mut second = input("rival", &rival[1].1);
        second.preferred = preferred;
        let heap = look(vec![input("c0", &files[0].1), input("c1", &files[1].1), second]);
        let index = virstor::geometry::ComponentIndex(1);
        let used = heap.volumes()[0].components[&index].candidate;
        assert_eq!(heap.label_of(used), if preferred { "rival" } else { "c1" });
        assert!(matches!(heap.volumes()[0].problems[..], [Problem::Duplicate { .. }]));
    }
}

#[test]
fn what_follows_the_record_in_its_sector_does_not_count() {
    let mut files = set("dev", 7).build();
    let expected = plain_contents(&files);
    for (_, disk) in &mut files {
        disk.write_at(MIB - 512 + 92, &[0xa5; 420]).expect("it fits");
    }
    assert!(plain_contents(&files) == expected);
}

#[test]
fn opening_a_default_volume_reads_no_more_than_its_map_twice() {
    // What label makes without options: 2 TiB in 4 MiB chunks, 524,288 entries.
    let mut builder =
        SetBuilder::new("big").chunk_size(4 << 20).virtual_chunks(524_288).components([500_107_862_016; 4]);
    for chunk in 0..119_000_u32 {
        builder = builder.map(u64::from(chunk) * 3 % 524_288, 0, chunk + 2);
    }
    let files = builder.build();
    let disks: Vec<(&str, Counting<&SparseDisk>)> =
        files.iter().map(|(name, disk)| (name.as_str(), Counting::new(disk))).collect();
    let heap = look(disks.iter().map(|(name, disk)| input(name, disk)).collect());
    let info = Info::new(&heap, &[0]);
    assert_eq!(info.volumes[0].virtual_chunks, 524_288);
    assert_eq!(info.volumes[0].kernel.taste, "starts");
    let read: u64 = disks.iter().map(|(_, disk)| disk.bytes()).sum();
    assert!(read <= 8 << 20, "{read} bytes were read");
}

#[test]
fn a_record_that_its_last_chunk_overwrote_is_found_in_a_partition_too() {
    let set = GoldenSet::load("32-add-overlap-after");
    let look_with = |wrap: fn(&SparseDisk) -> SparseDisk| {
        let disk = |file: &str| match file {
            "c3" => wrap(set.disk(file)),
            _ => set.disk(file).clone(),
        };
        let files: Vec<_> = set.files.keys().map(|file| (file, disk(file))).collect();
        let heap = look(files.iter().map(|(file, disk)| input(file, disk)).collect());
        let check = Check::new(&heap, &[0], true, &mut |_, _, _| ControlFlow::Continue(()));
        let findings = check.findings.iter().map(|finding| (finding.code, finding.file.clone()));
        findings.collect::<Vec<_>>()
    };
    let overwritten = |file: &str| vec![("last-chunk-overwrote-metadata", Some(file.to_string()))];
    assert_eq!(look_with(SparseDisk::clone), overwritten("c3"));
    assert_eq!(look_with(in_mbr), overwritten("c3s1"));
    assert_eq!(look_with(in_gpt), overwritten("c3p1"));
}
