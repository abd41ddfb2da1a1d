//! Pictures, tables and plans of whole volumes, held against the plainest way to get them.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use virstor::geometry::ComponentIndex;
use virstor::plan::{Segment, SegmentPlace, VolumeReader};
use virstor_index::{AnyDisk, MapIndex, NO_COMPONENT, share};
use virstor_inspect::{Heap, InputFile, Options};
use virstor_testkit::golden::GoldenSet;
use virstor_testkit::{SetBuilder, SparseDisk};
use virstor_wasm::image::{Format, Image, Part};

fn heap(disks: &[(String, SparseDisk)]) -> Rc<Heap<Arc<SparseDisk>>> {
    let file = |(name, disk): &(String, SparseDisk)| InputFile {
        label: name.clone(),
        provider: name.clone().into_bytes(),
        disk: Ok(Arc::new(disk.clone())),
        sector_size: None,
        preferred: false,
    };
    let files = disks.iter().map(file).collect();
    Rc::new(Heap::look(files, Options::default(), &mut |_, _, _| ControlFlow::Continue(())))
}

fn golden(name: &str) -> Vec<(String, SparseDisk)> {
    let set = GoldenSet::load(name);
    let files: std::collections::BTreeSet<String> =
        set.providers().into_iter().map(|provider| provider.file).collect();
    files.into_iter().map(|file| (file.clone(), set.disk(&file).clone())).collect()
}

/// An index that knows nothing yet.
fn index_of(heap: &Heap<Arc<SparseDisk>>) -> MapIndex {
    let volume = &heap.volumes()[0];
    let disks = heap.disks(volume).into_iter().map(|(index, disk)| (index, AnyDisk::new(disk))).collect();
    MapIndex::new(VolumeReader::new(volume.clone(), disks, heap.map_report(0).order, 1 << 20))
}

/// Sets of many kinds: whole, with a component missing, with entries that cannot be.
fn specimens() -> Vec<Vec<(String, SparseDisk)>> {
    let sets =
        ["04-full", "05-incomplete-set", "16-map-chunk-out-of-range", "19-map-two-on-one", "ufs2-little"];
    let mut specimens: Vec<_> = sets.into_iter().map(golden).collect();
    let mut scattered =
        SetBuilder::new("scattered").chunk_size(4096).virtual_chunks(5000).components([4 << 20; 3]);
    for chunk in (0..1500_u32).filter(|chunk| chunk % 7 != 3) {
        let component = u16::try_from(chunk % 3).expect("below 3");
        scattered = scattered.map(u64::from(chunk) * 3, component, 20 + chunk / 3);
    }
    specimens.push(scattered.build());
    specimens
}

#[test]
fn pictures_show_what_the_segments_say_at_every_zoom() {
    for disks in specimens() {
        let heap = heap(&disks);
        let mut reader = heap.reader(0, 1 << 20);
        let (size, chunk_size) = (reader.volume().size(), reader.volume().chunk_size.bytes());
        let segments: Vec<Segment> = reader.segments(0..size).collect();
        let mut index = index_of(&heap);
        while index.step(37) {}
        for bits in 0..14 {
            let cell_size = chunk_size << bits;
            let cells = index.picture(0, bits, 1 << 20);
            assert_eq!(cells.len() as u64, size.div_ceil(cell_size));
            for (cell, start) in cells.iter().zip((0..).step_by(usize::try_from(cell_size).expect("small"))) {
                let range = start..(start + cell_size).min(size);
                let of = |wanted: fn(&SegmentPlace) -> bool| -> u64 {
                    let there = segments.iter().filter(|segment| wanted(&segment.place));
                    there.map(|it| it.end().min(range.end).saturating_sub(it.start.max(range.start))).sum()
                };
                let data = of(|place| matches!(place, SegmentPlace::Data { .. }));
                let lost = of(|place| matches!(place, SegmentPlace::Lost(_)));
                assert_eq!(
                    (cell.data == 0, cell.lost == 0),
                    (data == 0, lost == 0),
                    "cell at {start}, 2^{bits}"
                );
                let len = range.end - range.start;
                assert_eq!((cell.data == 255, cell.lost == 255), (data == len, lost == len));
                // A cell of many tiles is a mean of rounded shares.
                if range.end - range.start == cell_size {
                    assert!(cell.data.abs_diff(share(data, len)) <= 1, "{} for {data} of {len}", cell.data);
                }
                assert_eq!(cell.component == NO_COMPONENT, data == 0);
            }
        }
    }
}

#[test]
fn every_run_is_found_by_its_number() {
    for disks in specimens() {
        let heap = heap(&disks);
        let mut reader = heap.reader(0, 1 << 20);
        let size = reader.volume().size();
        let segments: Vec<Segment> = reader.segments(0..size).collect();
        let mut index = index_of(&heap);
        while index.step(11) {}
        assert_eq!(index.runs().count(), segments.len() as u64);
        for (number, segment) in (0..).zip(&segments) {
            assert_eq!(index.runs().known_before(number), (number, segment.start));
            assert_eq!(index.runs().end_of(number), Some(segment.end()));
            assert_eq!(index.runs().number_at(segment.end() - 1), Some(number));
        }
    }
}

#[test]
fn every_physical_chunk_knows_who_lies_on_it() {
    for disks in specimens() {
        let heap = heap(&disks);
        let mut reader = heap.reader(0, 1 << 20);
        let (size, chunk_size) = (reader.volume().size(), reader.volume().chunk_size.bytes());
        let mut index = index_of(&heap);
        while index.step(1000) {}
        let mut used = std::collections::BTreeSet::new();
        for chunk in 0..size / chunk_size {
            let first =
                reader.segments(chunk * chunk_size..(chunk + 1) * chunk_size).next().expect("not empty");
            let SegmentPlace::Data { component, offset } = first.place else { continue };
            let physical = offset / chunk_size;
            let owner = index.owner(component, physical).expect("it is used");
            // Where two share a chunk, one of them is named.
            let there =
                reader.segments(owner * chunk_size..owner * chunk_size + 1).next().expect("not empty");
            assert_eq!(there.place, first.place);
            used.insert((component, physical));
        }
        for component in [ComponentIndex(0), ComponentIndex(1), ComponentIndex(2)] {
            let count = used.iter().filter(|(there, _)| *there == component).count() as u64;
            assert_eq!(index.used(component).unwrap_or(0), count);
            let Ok(Some(lane)) = index.lane(component, 0, 0, 1 << 20) else { continue };
            for (chunk, cell) in (0..).zip(&lane) {
                assert_eq!(*cell == 255, used.contains(&(component, chunk)), "chunk {chunk} of {component}");
            }
            let coarse = index.lane(component, 0, 3, 1 << 20).expect("few").expect("there");
            for (cells, cell) in lane.chunks(8).zip(coarse) {
                let all = cells.iter().filter(|cell| **cell == 255).count() as u64;
                assert_eq!(cell, share(all, cells.len() as u64));
            }
        }
    }
}

/// The image that the parts make, from the files.
fn written(disks: &[(String, SparseDisk)], parts: impl Iterator<Item = Part>) -> Vec<u8> {
    let mut image = Vec::new();
    for part in parts {
        match part {
            Part::File { file, offset, len } => {
                image.extend(disks[file].1.bytes(offset, usize::try_from(len).expect("small")));
            }
            Part::Zeros(len) => image.resize(image.len() + usize::try_from(len).expect("small"), 0),
            Part::Bytes(bytes) => image.extend(bytes),
        }
    }
    image
}

#[test]
fn the_parts_of_a_raw_image_are_the_volume() {
    for name in ["04-full", "ufs2-little", "58-delete"] {
        let disks = golden(name);
        let heap = heap(&disks);
        let mut reader = heap.reader(0, 1 << 20);
        let size = reader.volume().size();
        let mut expected = vec![0; usize::try_from(size).expect("small")];
        reader.read(0, &mut expected).expect("it is whole");
        let parts = Image::new(&heap, 0, 0..size, Format::Raw).expect("raw has room for all");
        let image = written(&disks, parts.map(|part| part.expect("raw")));
        assert!(image == expected, "{name}");
        let range = size / 8 + 100..size / 2 + 7;
        let parts = Image::new(&heap, 0, range.clone(), Format::Raw).expect("raw has room for all");
        let image = written(&disks, parts.map(|part| part.expect("raw")));
        let range = usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small");
        assert!(image == expected[range], "{name}");
    }
}

#[test]
fn a_qcow2_image_has_the_length_that_its_header_implies() {
    let disks = golden("ufs2-little");
    let heap = heap(&disks);
    let size = heap.volumes()[0].size();
    let parts = Image::new(&heap, 0, 0..size, Format::Qcow2).expect("qcow2 has room");
    let image = written(&disks, parts.map(|part| part.expect("the map does not change")));
    assert_eq!(&image[..8], b"QFI\xfb\0\0\0\x03");
    assert_eq!(image.len() % (64 << 10), 0);
    assert!((image.len() as u64) < size / 4, "holes take no room");
}
