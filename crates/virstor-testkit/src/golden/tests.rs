//! That the fixtures are whole and are understood: every digest, and every record and map entry, is looked
//! at.

use super::*;
use crate::{ByteOrder, MapEntry, Record, sha256_hex};

/// The set with a component of 4 GiB, whose digest takes seconds: it has a test of its own.
const LARGE: &str = "54-label-4g-overlap";

#[test]
fn every_unpacked_file_has_its_digest_and_size() {
    for set in GoldenSet::all().filter(|set| set.name != LARGE) {
        check_digests(&set);
    }
}

#[test]
fn the_file_of_4_gib_has_its_digest_and_costs_no_memory() {
    let set = GoldenSet::load(LARGE);
    check_digests(&set);
    assert_eq!(set.disk("c0").size(), 4 << 30);
    assert!(set.disk("c0").used_pages() < 10);
}

fn check_digests(set: &GoldenSet) {
    let Some(case) = set.kernel() else { return };
    assert!(set.files.keys().eq(case.files.keys()), "{}: files", set.name);
    for (file, expected) in &case.files {
        let disk = set.disk(file);
        assert_eq!(disk.size(), expected.size, "{}/{file}", set.name);
        assert_eq!(disk.sha256(), expected.sha256, "{}/{file}", set.name);
    }
}

#[test]
fn every_set_is_named_for_its_folder_and_up_exactly_when_its_device_has_a_digest() {
    let sets: Vec<_> = GoldenSet::all().collect();
    assert_eq!(sets.len(), 43);
    for set in &sets {
        assert!(!set.files.is_empty() && !set.description().is_empty(), "{}", set.name);
        assert!(set.kernel().is_none_or(|case| case.case == set.name), "{}", set.name);
        assert_eq!(set.device_sha256().is_some(), set.is_up(), "{}", set.name);
    }
}

#[test]
fn the_catalogue_has_a_row_for_every_set_and_for_no_other() {
    let path = crate::fixtures().join("README.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, catalogue) = text.split_once("\n## Golden sets\n").expect("there is a catalogue");
    let (catalogue, _) = catalogue.split_once("\n## ").expect("something comes behind it");
    let names = catalogue.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
    assert_eq!(names.collect::<Vec<_>>(), GoldenSet::names());
}

#[test]
fn tasting_order_and_providers_say_the_same() {
    for set in GoldenSet::all() {
        let Some(case) = set.kernel() else { continue };
        assert!(!set.providers().is_empty(), "{}", set.name);
        for provider in set.providers() {
            let expected = &case.providers[&provider.provider_name];
            assert_eq!((&provider.file, provider.sector_size), (&expected.file, expected.sector_size));
            assert!(set.files.contains_key(&provider.file), "{}: {}", set.name, provider.file);
        }
    }
}

#[test]
fn what_has_no_tasting_order_is_tasted_by_name() {
    let files: Vec<_> = GoldenSet::load("ufs2-little").providers().into_iter().map(|p| p.file).collect();
    assert_eq!(files, ["c0", "c1", "c2"]);
}

#[test]
fn the_kits_record_is_byte_for_byte_the_kernels() {
    let mut seen = 0;
    for set in GoldenSet::all() {
        let Some(case) = set.kernel() else { continue };
        for provider in set.providers() {
            // A file that was never tasted is not listed, and a record may be absent.
            let record = case.metadata_on_disk.get(&provider.provider_name);
            let Some(expected) = record.and_then(Option::as_ref) else { continue };
            let disk = set.disk(&provider.file);
            let bytes = disk.bytes(disk.size() - u64::from(provider.sector_size), Record::LEN);
            assert_eq!(expected.record().encode()[..], bytes, "{}/{}", set.name, provider.file);
            assert_eq!(Record::decode(&bytes), expected.record(), "{}/{}", set.name, provider.file);
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} records were compared");
}

#[test]
fn extents_are_the_runs_of_the_map() {
    for set in GoldenSet::all() {
        let Some((case, extents)) = set.kernel().and_then(|case| Some((case, case.extents_64k.as_ref()?)))
        else {
            continue;
        };
        let map = case.map.as_ref().unwrap();
        let end: u64 = extents.iter().map(|extent| extent.len).sum();
        assert_eq!(Some(end), case.result.mediasize, "{}", set.name);
        let allocated: u64 = extents.iter().filter(|extent| extent.allocated).map(|extent| extent.len).sum();
        let chunks = map.entries().filter(|(_, entry)| entry.is_allocated()).count();
        assert_eq!(allocated, chunks as u64 * map.chunk_size, "{}", set.name);
    }
}

#[test]
fn the_device_of_the_file_system_set_has_its_digest() {
    let set = GoldenSet::load("ufs2-little");
    let Expect::FileSystem(case) = &set.expect else { panic!("ufs2-little is a file system set") };
    let device = assemble(&set);
    assert_eq!(device.len() as u64, case.device_size);
    assert_eq!(sha256_hex(&device), case.device_sha256);
    assert_eq!(sha256_hex(&device[..4 << 20]), case.image_sha256_first_4_mib);
}

#[test]
fn unpacked_files_are_the_disks_and_keep_their_holes() {
    let set = GoldenSet::load(LARGE);
    let folder = tempfile::tempdir().unwrap();
    let paths = set.unpack_to(folder.path()).unwrap();
    assert_eq!(paths, [folder.path().join("c0"), folder.path().join("c1")]);
    assert_eq!(fs::metadata(&paths[0]).unwrap().len(), 4 << 30);
    assert_eq!(SparseDisk::from_bytes(&fs::read(&paths[1]).unwrap()), *set.disk("c1"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        assert!(fs::metadata(&paths[0]).unwrap().blocks() * 512 < 1 << 20);
    }
}

/// The whole device by the shortest way: map at byte 0 of component 0, chunk after chunk.
fn assemble(set: &GoldenSet) -> Vec<u8> {
    let mut components: Vec<_> = set
        .files
        .values()
        .map(|disk| (Record::decode(&disk.bytes(disk.size() - 512, Record::LEN)), disk))
        .collect();
    components.sort_by_key(|(record, _)| record.no);
    let (record, first) = &components[0];
    let chunk_size = usize::try_from(record.chunk_size).unwrap();
    let mut device = vec![0; usize::try_from(record.virsize).unwrap()];
    for (number, chunk) in device.chunks_mut(chunk_size).enumerate() {
        let bytes = first.bytes(number as u64 * 8, MapEntry::LEN);
        let entry = MapEntry::decode(bytes.try_into().unwrap(), ByteOrder::Little);
        if entry.is_allocated() {
            let disk = components[usize::from(entry.provider_no)].1;
            disk.read_at(u64::from(entry.provider_chunk) * chunk_size as u64, chunk).unwrap();
        }
    }
    device
}
