//! Specimens and backups: what is made of a set says what the set says, holds nothing of what is in it, and puts
//! back what was lost.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;
use virstor::io::ReadAt;
use virstor::patch::Patch;
use virstor::repair;
use virstor::specimen::Specimen;
use virstor_inspect::assume::{AssumeError, Assumption, records, suggest};
use virstor_inspect::collect::{Collected, back_up, collect};
use virstor_inspect::document::check::{Check, worth_checking};
use virstor_inspect::document::info::Info;
use virstor_inspect::document::map::Extent;
use virstor_inspect::document::repair::RepairDocument;
use virstor_inspect::picture::{Block, Picture};
use virstor_inspect::repair::plan;
use virstor_inspect::restore::{Restoration, RestoreError, restoration};
use virstor_inspect::source::Source;
use virstor_inspect::{Heap, InputFile, Options};
use virstor_testkit::{GoldenSet, SetBuilder, SparseDisk, for_each_seed};

const MIB: u64 = 1 << 20;

type Disk = Source<Arc<SparseDisk>>;

fn look(files: impl IntoIterator<Item = InputFile<Disk>>) -> Heap<Disk> {
    Heap::look(files.into_iter().collect(), Options::default(), &mut |_, _, _| ControlFlow::Continue(()))
}

fn input(file: &str, provider: &str, sector_size: Option<u32>, disk: &SparseDisk) -> InputFile<Disk> {
    InputFile {
        label: file.into(),
        provider: provider.into(),
        disk: Ok(Source::file(Arc::new(disk.clone()))),
        sector_size,
        preferred: false,
    }
}

fn heap_of(set: &GoldenSet) -> Heap<Disk> {
    let file = |it: &virstor_testkit::golden::Provider| {
        input(&it.file, &it.provider_name, Some(it.sector_size), set.disk(&it.file))
    };
    look(set.providers().iter().map(file))
}

fn heap_of_files(files: &[(String, SparseDisk)]) -> Heap<Disk> {
    look(files.iter().map(|(file, disk)| input(file, file, None, disk)))
}

/// What goes into the sink of `make`.
fn made(
    make: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Infallible>) -> Result<Collected, Infallible>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let collected = make(&mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    assert_eq!(collected.expect("memory takes all").len, bytes.len() as u64);
    bytes
}

fn specimen_of(heap: &Heap<Disk>) -> Vec<u8> {
    made(|sink| collect(heap, sink, &mut |_, _, _| ControlFlow::Continue(())))
}

fn backup_of(heap: &Heap<Disk>, volume: usize) -> Vec<u8> {
    made(|sink| back_up(heap, volume, sink, &mut |_, _, _| ControlFlow::Continue(())))
}

/// The files that a specimen stands for, looked through.
fn opened(bytes: &[u8]) -> Heap<Disk> {
    let specimen = Arc::new(Specimen::open(Arc::new(SparseDisk::from_bytes(bytes))).expect("it is whole"));
    let files: Vec<_> = specimen.files().cloned().enumerate().collect();
    look(files.into_iter().map(|(number, info)| InputFile {
        label: info.label,
        provider: info.provider,
        disk: Ok(Source::specimen(specimen.disk(number))),
        sector_size: info.sector_size,
        preferred: false,
    }))
}

/// All that is said of a heap.
fn said(heap: &Heap<Disk>) -> Vec<String> {
    let all: Vec<usize> = (0..heap.volumes().len()).collect();
    let mut unheard = |_: virstor_inspect::Stage<'_>, _, _| ControlFlow::Continue(());
    let info = serde_json::to_string(&Info::new(heap, &all)).expect("plain data");
    let check = Check::new(heap, &worth_checking(heap), true, &mut unheard);
    let check = serde_json::to_string(&check).expect("plain data");
    let map = |number: &usize| {
        let mut reader = heap.reader(*number, 1 << 20);
        let (size, chunk_size) = (reader.volume().size(), reader.volume().chunk_size.bytes());
        let extents: Vec<_> =
            reader.segments(0..size).map(|segment| Extent::new(&segment, chunk_size)).collect();
        format!("{extents:?}")
    };
    [info, check].into_iter().chain(all.iter().map(map)).collect()
}

#[test]
fn a_specimen_of_every_golden_set_says_what_the_set_says() {
    for set in GoldenSet::all() {
        let heap = heap_of(&set);
        let specimen = specimen_of(&heap);
        assert!(specimen.len() < 64 << 10, "{}: {} bytes", set.name, specimen.len());
        assert_eq!(said(&opened(&specimen)), said(&heap), "{}", set.name);
    }
}

/// The plan of a heap's first volume as it is printed, and why it cannot be saved, if so.
fn planned(heap: &Heap<Disk>, lossy: bool) -> (Value, Option<String>) {
    let mut unheard = |_: virstor_inspect::Stage<'_>, _, _| ControlFlow::Continue(());
    let wanted = repair::Options { lossy, ..Default::default() };
    let made = plan(heap, 0, Options::default(), &wanted, &mut unheard).expect("what it needs is there");
    let document = RepairDocument::new(heap, &made, &mut unheard).expect("what it needs is there");
    let saved = document.plan.clone().bind_chunks(heap, &made).err().map(|(_, error)| error.reason);
    (serde_json::to_value(&document).expect("plain data"), saved)
}

/// Somebody else can say what would help, from a specimen alone. What is copied is not in it: such a plan is told, and
/// cannot be saved.
#[test]
fn a_specimen_of_every_golden_set_is_repaired_on_paper_as_the_set_is() {
    let mut copying = 0;
    for set in GoldenSet::all() {
        let heap = heap_of(&set);
        let specimen = opened(&specimen_of(&heap));
        for lossy in [false, true] {
            let ((mut real, saved), (mut paper, refused)) =
                (planned(&heap, lossy), planned(&specimen, lossy));
            if set.name == "32-add-overlap-after" && lossy {
                // Here data stands in the place of a record, and is replaced: a specimen says so with zeros.
                assert_ne!(paper, real);
                for document in [&mut real, &mut paper] {
                    document["plan"]["disks"] = Value::Null;
                    let steps = document["plan"]["steps"].as_array_mut().expect("there are steps");
                    let patches = steps.iter_mut().flat_map(|step| step["patches"].as_array_mut());
                    patches.flatten().for_each(|patch| patch["before"] = Value::Null);
                }
            }
            assert_eq!(paper, real, "{}, lossy {lossy}", set.name);
            let text = real["plan"]["steps"].to_string();
            let copies = text.contains(r#""kind":"copy""#);
            copying += u32::from(copies);
            assert_eq!(saved, None, "{}", set.name);
            let why = "a specimen does not hold the data of the volume";
            assert_eq!(refused.as_deref(), copies.then_some(why), "{}", set.name);
        }
    }
    assert!(copying > 5, "only {copying} plans copy something");
}

#[test]
fn a_specimen_holds_nothing_of_what_the_volume_holds() {
    for name in ["04-full", "22-torn-data-without-map", "32-add-overlap-after", "53-default-geometry"] {
        let set = GoldenSet::load(name);
        let heap = heap_of(&set);
        let specimen = specimen_of(&heap);
        let mut words = 0;
        for (file, disk) in &set.files {
            let first = heap.located().iter().position(|(number, _)| heap.files()[*number].label == *file);
            let record = first.map(|candidate| heap.located()[candidate].1.tasted.offset);
            for (offset, bytes) in disk.used() {
                for (at, word) in (offset..).step_by(8).zip(bytes.as_chunks::<8>().0) {
                    let described = record == Some(at / 512 * 512) || (file == "c0" && at < 512);
                    let letters = word.iter().collect::<std::collections::BTreeSet<_>>().len();
                    if !described && letters > 5 {
                        words += 1;
                        assert!(!specimen.windows(8).any(|window| window == word), "{name}/{file}: {at}");
                    }
                    if words > 400 {
                        break;
                    }
                }
            }
        }
        assert!(words > 100, "{name}: {words} words of data were looked for");
    }
}

#[test]
fn a_component_in_a_partition_is_found_in_a_specimen_too() {
    let files = SetBuilder::new("dev").components([MIB, MIB]).map(0, 0, 2).map(5, 1, 0).filled(3).build();
    let mut disk = SparseDisk::new(3 * MIB);
    disk.write_at(MIB, &files[1].1.bytes(0, 1 << 20)).expect("it fits");
    let mut boot = [0xcc; 512];
    boot[440..510].fill(0);
    boot[450] = 0xa5;
    boot[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    boot[458..462].copy_from_slice(&2048_u32.to_le_bytes());
    boot[510..].copy_from_slice(&[0x55, 0xaa]);
    disk.write_at(0, &boot).expect("it fits");
    let heap = heap_of_files(&[files[0].clone(), ("disk".into(), disk)]);
    let specimen = specimen_of(&heap);
    assert_eq!(said(&opened(&specimen)), said(&heap));
    assert!(!specimen.windows(8).any(|window| window == [0xcc; 8]), "boot code is nobody else's business");
}

/// Does what a restoration asks for.
fn perform(restoration: &Restoration, files: &mut [(String, SparseDisk)]) {
    for patch in &restoration.patches {
        let Patch::Write { component, offset, bytes } = patch else { continue };
        let place = &restoration.components[component.as_usize()];
        files[place.file].1.write_at(place.start + offset, bytes).expect("it is within the file");
    }
}

#[test]
fn a_backup_puts_back_records_and_map_of_every_golden_set_that_starts() {
    for set in GoldenSet::all().filter(GoldenSet::is_up) {
        // Components that claim one place cannot be told apart by a backup.
        if ["06-duplicate-component", "07-foreign-id"].contains(&&*set.name) {
            continue;
        }
        let mut files: Vec<(String, SparseDisk)> =
            set.providers().iter().map(|it| (it.file.clone(), set.disk(&it.file).clone())).collect();
        let before = heap_of_files(&files);
        let backup = opened(&backup_of(&before, 0));
        let nothing = restoration(&backup, 0, &before).expect("it fits");
        assert_eq!((nothing.patches.len(), nothing.changed), (0, 0), "{}", set.name);

        let saved = said(&before);
        let map_len = before.volumes()[0].map_entries() * 8;
        let first = before.located()
            [before.volumes()[0].components[&virstor::geometry::ComponentIndex(0)].candidate]
            .0;
        for (_, disk) in &mut files {
            let end = disk.size() - 512;
            disk.write_at(end, &[0xdb; 512]).expect("within");
        }
        files[first].1.write_at(0, &vec![0xdb; usize::try_from(map_len).expect("small")]).expect("within");
        let after = heap_of_files(&files);
        assert!(after.volumes().is_empty());
        match restoration(&backup, 0, &after) {
            Ok(restoration) => {
                assert_eq!(restoration.not_found, [], "{}", set.name);
                perform(&restoration, &mut files);
                assert_eq!(said(&heap_of_files(&files)), saved, "{}", set.name);
            }
            Err(error) => panic!("{}: {error:?}", set.name),
        }
    }
}

#[test]
fn a_backup_knows_what_would_be_lost_by_it() {
    let built = |used: u64| {
        let set = SetBuilder::new("dev").virtual_chunks(4096).components([4 * MIB, MIB]);
        (0..used).fold(set, |set, at| set.map(at * 100, 0, 2 + u32::try_from(at).expect("small"))).build()
    };
    let backup = opened(&backup_of(&heap_of_files(&built(10)), 0));
    let later = restoration(&backup, 0, &heap_of_files(&built(14))).expect("it fits");
    assert_eq!((later.changed, later.dropped, later.unknown), (4, 4, 0));
    let earlier = restoration(&backup, 0, &heap_of_files(&built(7))).expect("it fits");
    assert_eq!((earlier.changed, earlier.dropped), (3, 0));
}

#[test]
fn a_backup_of_something_else_is_not_restored() {
    let files = SetBuilder::new("dev").components([MIB, MIB]).build();
    let backup = opened(&backup_of(&heap_of_files(&files), 0));
    let other = SetBuilder::new("dev").id(8).components([MIB, MIB]).build();
    assert_eq!(restoration(&backup, 0, &heap_of_files(&other)), Err(RestoreError::NothingFits));
    let mut grown = files.clone();
    let record = files[1].1.bytes(MIB - 512, 512);
    grown[1].1.resize(2 * MIB);
    grown[1].1.write_at(2 * MIB - 512, &record).expect("within");
    let error = restoration(&backup, 0, &heap_of_files(&grown)).expect_err("the size is another");
    assert!(matches!(error, RestoreError::Size { .. }), "{error:?}");
    // Two strangers of one size and other names could each be component 1.
    let strangers: Vec<(String, SparseDisk)> =
        [files[0].clone(), ("x".into(), SparseDisk::new(MIB)), ("y".into(), SparseDisk::new(MIB))].into();
    let found = restoration(&backup, 0, &heap_of_files(&strangers)).expect("component 0 fits");
    assert_eq!(found.not_found.len(), 1);
}

#[test]
fn what_cannot_be_read_is_left_out_and_stays_as_it_is() {
    let set = SetBuilder::new("dev").virtual_chunks(4096).components([4 * MIB]);
    let files = (0..20_u32).fold(set, |set, at| set.map(u64::from(at) * 200, 0, 2 + at)).build();
    let bad = look([InputFile {
        disk: Ok(Source::file(Arc::new(files[0].1.clone())).with_bad_areas(vec![5000..5512, 0..0])),
        ..input("c0", "c0", None, &files[0].1)
    }]);
    let backup = opened(&backup_of(&bad, 0));
    let same = restoration(&backup, 0, &bad).expect("it fits");
    assert_eq!((same.unknown, same.changed, same.patches.len()), (512, 0, 0));
    let mut zeroed = files;
    zeroed[0].1.write_at(0, &[0; 32768]).expect("within");
    let back = restoration(&backup, 0, &heap_of_files(&zeroed)).expect("it fits");
    assert_eq!((back.unknown, back.changed), (512, 17));
}

#[test]
fn any_set_with_any_damage_says_in_a_specimen_what_it_says() {
    for_each_seed(0..300, |random| {
        let set = SetBuilder::new("dev").virtual_chunks(64 * (1 + random.below(80)));
        let set = set.components([4 * MIB, 2 * MIB, MIB + 512]);
        let set = (0..random.below(20)).fold(set, |set, at| {
            set.map(
                at * random.below(3),
                u16::try_from(random.below(4)).unwrap(),
                u32::try_from(random.below(20)).unwrap(),
            )
        });
        let mut files = set.build();
        for _ in 0..random.below(4) {
            let number = usize::try_from(random.below(3)).unwrap();
            let disk = &mut files[number].1;
            let mut junk = [0; 8];
            random.fill(&mut junk);
            let place = *random.choose(&[0, 64, disk.size() - 512, disk.size() - 480, disk.size() - 430]);
            disk.write_at(place, &junk).expect("within");
        }
        let heap = heap_of_files(&files);
        assert_eq!(said(&opened(&specimen_of(&heap))), said(&heap));
    });
}

/// The files of a set with their last sectors gone.
fn without_records(mut files: Vec<(String, SparseDisk)>) -> Vec<(String, SparseDisk)> {
    for (_, disk) in &mut files {
        disk.write_at(disk.size() - 512, &[0; 512]).expect("within");
    }
    files
}

/// The volume as it reads, and the findings above a notice.
fn contents(heap: &Heap<Disk>) -> (Vec<u8>, Vec<&'static str>) {
    let mut reader = heap.reader(0, 1 << 20);
    let mut bytes = vec![0; usize::try_from(reader.volume().size()).expect("small")];
    reader.read(0, &mut bytes).expect("nothing is lost");
    let check = Check::new(heap, &[0], true, &mut |_, _, _| ControlFlow::Continue(()));
    let codes = check.findings.iter().filter(|it| it.severity != "notice").map(|it| it.code).collect();
    (bytes, codes)
}

#[test]
fn a_set_without_records_reads_as_before_when_chunk_size_and_order_are_given() {
    for name in ["04-full", "38-shuffled", "53-default-geometry", "55-full-fill-constant", "26-add-then-use"]
    {
        let set = GoldenSet::load(name);
        let whole = heap_of(&set);
        let expected = contents(&whole);
        let volume = &whole.volumes()[0];
        let order: Vec<String> =
            volume.components.values().map(|it| whole.label_of(it.candidate).to_string()).collect();
        let files: Vec<_> = order.iter().map(|file| (file.clone(), set.disk(file).clone())).collect();
        let files = without_records(files);
        assert!(heap_of_files(&files).volumes().is_empty());
        let assumption = |virtual_size| Assumption {
            chunk_size: u32::try_from(volume.chunk_size.bytes()).expect("32 bits"),
            virtual_size,
            sector_size: 512,
            name: *b"found\0\0\0\0\0\0\0\0\0\0\0",
            id: 1,
        };
        let disks: Vec<_> = files.iter().map(|(_, disk)| Some(disk)).collect();
        let assumed = |virtual_size| {
            let records = records(&disks, &assumption(virtual_size)).expect("it is a set");
            look(files.iter().zip(records).map(|((file, disk), record)| {
                let last = record.expect("it is there");
                let source = Source::file(Arc::new(disk.clone())).with_overlay(last.offset, last.bytes);
                InputFile { disk: Ok(source), ..input(file, file, None, disk) }
            }))
        };
        assert_eq!(contents(&assumed(Some(volume.size()))), expected, "{name}");
        // Without a size it is as large as the map may be, and what is more was never written.
        let longest = assumed(None);
        let mut reader = longest.reader(0, 1 << 20);
        let (size, larger) = (volume.size(), reader.volume().size());
        let mut bytes = vec![0; usize::try_from(size).expect("small")];
        reader.read(0, &mut bytes).expect("nothing is lost");
        assert!(bytes == expected.0, "{name}");
        let rest: Vec<_> = reader.segments(size..larger).map(|segment| segment.place).collect();
        assert!(rest.iter().all(|place| *place == virstor::plan::SegmentPlace::Hole), "{name}");
    }
}

#[test]
fn the_chunk_size_of_a_file_system_is_suggested() {
    let set = GoldenSet::load("ufs2-little");
    let heap = heap_of(&set);
    let volume = &heap.volumes()[0];
    let first = heap.label_of(volume.components[&virstor::geometry::ComponentIndex(0)].candidate);
    let disks: Vec<&SparseDisk> = set.files.values().collect();
    let suggestion = suggest(&set.disk(first), &disks).expect("it starts with a map");
    assert_eq!(suggestion.chunk_sizes.first(), Some(&(volume.chunk_size.bytes(), "UFS2")));
    assert_eq!(suggestion.components, 2, "the third is empty");
    for (file, disk) in &set.files {
        assert_eq!(suggest(&disk, &disks).is_some(), file == first, "{file}");
    }
}

#[test]
fn what_cannot_be_a_set_is_not_assumed_to_be_one() {
    let assumption =
        Assumption { chunk_size: 131_072, virtual_size: None, sector_size: 512, name: [0; 16], id: 0 };
    let (empty, small, noise) =
        (SparseDisk::new(MIB), SparseDisk::new(1000), SparseDisk::from_bytes(&[0x5a; 1 << 20]));
    let made =
        |disks: &[Option<&SparseDisk>], assumption: &Assumption| records(disks, assumption).map(|_| ());
    assert_eq!(made(&[], &assumption), Err(AssumeError::Count(0)));
    assert_eq!(made(&[None, Some(&empty)], &assumption), Err(AssumeError::NoFirst));
    assert_eq!(made(&[Some(&empty)], &assumption), Err(AssumeError::NoMap));
    assert_eq!(made(&[Some(&noise)], &assumption), Err(AssumeError::NoMap));
    assert_eq!(made(&[Some(&empty), Some(&small)], &assumption), Err(AssumeError::TooSmall(1)));
    let odd = Assumption { chunk_size: 1000, ..assumption };
    assert_eq!(made(&[Some(&empty)], &odd), Err(AssumeError::ChunkSize(1000)));
}

#[test]
fn the_deep_check_finds_what_only_the_data_tells() {
    let deep = |files: &[(String, SparseDisk)]| {
        let heap = heap_of_files(files);
        let check = Check::with_data(&heap, &[0], true, true, &mut |_, _, _| ControlFlow::Continue(()));
        let line =
            |it: &virstor_inspect::document::check::FindingInfo| format!("{} {}", it.severity, it.code);
        check.findings.iter().map(line).collect::<Vec<_>>()
    };
    let built = || SetBuilder::new("dev").components([MIB + 4096, MIB]).map(0, 0, 2).map(1, 0, 3).filled(5);
    let sound = built().build();
    assert_eq!(deep(&sound), [""; 0]);
    let with = |component: usize, offset: u64, bytes: &[u8]| {
        let mut files = sound.clone();
        files[component].1.write_at(offset, bytes).expect("within");
        deep(&files)
    };
    const CHUNK: u64 = 128 << 10;
    assert_eq!(with(1, 3 * CHUNK + 70_000, b"x"), ["notice orphan-data"]);
    assert_eq!(with(0, 3 * CHUNK, &[0; 128 << 10]), ["notice zero-chunks"]);
    assert_eq!(with(0, 8 * CHUNK + 5, b"x"), ["notice data-behind-chunks"]);
    assert_eq!(with(0, 600, b"x"), ["notice reserve-not-empty"]);
    // Chunk 4 was handed out, and its entry is not there.
    let mut lost = built().edit_record(0, |record| record.chunk_next = 5).build();
    lost[0].1.write_at(4 * CHUNK, b"x").expect("within");
    assert_eq!(deep(&lost), ["error map-entries-lost", "warning orphan-data"]);
}

#[test]
fn orphans_of_a_lost_map_are_listed_in_the_order_of_the_disks_with_what_they_look_like() {
    let set = GoldenSet::load("ufs2-little");
    let whole = heap_of(&set);
    let first =
        whole.label_of(whole.volumes()[0].components[&virstor::geometry::ComponentIndex(0)].candidate);
    let others = set.files.iter().filter(|(file, _)| *file != first);
    let files: Vec<_> = others.map(|(file, disk)| (file.clone(), disk.clone())).collect();
    let heap = heap_of_files(&files);
    let mut orphans = Vec::new();
    heap.check_deep(0, &mut |orphan| orphans.push(orphan), &mut |_, _, _| ControlFlow::Continue(()));
    assert!(orphans.is_sorted_by_key(|orphan| (orphan.index, orphan.chunk)) && !orphans.is_empty());
}

#[test]
fn a_picture_shows_each_component_in_a_line() {
    let letters = |files: &[(String, SparseDisk)], width| {
        let picture = Picture::new(&heap_of_files(files), 0, width);
        let line = |(_, line): &(virstor::geometry::ComponentIndex, Vec<Block>)| {
            line.iter().map(|block| block.letter()).collect::<String>()
        };
        picture.lines.iter().map(line).collect::<Vec<_>>()
    };
    let set = SetBuilder::new("dev").components([MIB, MIB, MIB]).map(0, 0, 2).map(1, 0, 5).map(9, 2, 6);
    let mut files = set.map(3, 0, 5).build();
    assert_eq!(letters(&files, 72), ["mm#--!..", "........", "------#."].map(|line| line.to_string()));
    assert_eq!(letters(&files, 2), ["++", "..", "-+"]);
    files.remove(2);
    assert_eq!(letters(&files, 72)[2], "------#");
}
