//! What is known not to be readable is lost, byte for byte, wherever the areas begin and end.

use std::ops::ControlFlow;

use virstor::plan::{Lost, SegmentPlace};
use virstor::repair;
use virstor_inspect::repair::plan;
use virstor_inspect::source::Source;
use virstor_inspect::{Heap, InputFile, Options, Stage};
use virstor_testkit::{SetBuilder, SparseDisk, for_each_seed};

const CHUNK: u32 = 4096;
const CHUNKS: u32 = 60;

#[test]
fn the_segments_of_a_volume_with_bad_areas_are_its_bytes() {
    for_each_seed(0..40, |random| {
        let mut below = |end: u64| random.next_u64() % end;
        let mut set = SetBuilder::new("bad").chunk_size(CHUNK).virtual_chunks(u64::from(CHUNKS) * 2);
        set = set.components([1 << 20; 2]);
        let (mut places, mut next) = (vec![None; CHUNKS as usize * 2], [10_u32; 2]);
        for virtual_chunk in 0..CHUNKS * 2 {
            if below(5) == 0 {
                continue;
            }
            // Mostly in a row, as FreeBSD hands them out.
            let component = u16::from(below(10) == 0 || next[0] > CHUNKS);
            let chunk = &mut next[usize::from(component)];
            set = set.map(u64::from(virtual_chunk), component, *chunk);
            places[virtual_chunk as usize] = Some((component, u64::from(*chunk * CHUNK)));
            *chunk += 1;
        }
        let mut area = |_| {
            let start = 10 * 4096 + below(500) * 512;
            start..start + 512 * below(40)
        };
        let bad: [Vec<_>; 2] = [(0..6).map(&mut area).collect(), (0..3).map(&mut area).collect()];
        let files = set.build().into_iter().zip(&bad).map(|((name, disk), bad)| InputFile {
            label: name.clone(),
            provider: name.into_bytes(),
            disk: Ok(Source::file(disk).with_bad_areas(bad.clone())),
            sector_size: None,
            preferred: false,
        });
        let heap = Heap::look(files.collect(), Options::default(), &mut |_, _, _| ControlFlow::Continue(()));
        let mut reader = heap.reader(0, 1 << 20);
        let size = reader.volume().size();
        let start = below(size / 512) * 512;
        let mut next = start;
        for segment in reader.segments(start..size) {
            assert_eq!(segment.start, next);
            next = segment.end();
            for position in (segment.start..segment.end()).step_by(512) {
                let chunk = usize::try_from(position / u64::from(CHUNK)).expect("few chunks");
                let place =
                    places[chunk].map(|(component, start)| (component, start + position % u64::from(CHUNK)));
                let told = match segment.place {
                    SegmentPlace::Hole => None,
                    SegmentPlace::Data { component, offset } => {
                        Some((component.0, Some(offset + (position - segment.start))))
                    }
                    SegmentPlace::Lost(Lost::BadArea(component)) => Some((component.0, None)),
                    SegmentPlace::Lost(lost) => panic!("{lost:?}"),
                };
                let is_bad = |component: u16, at: u64| {
                    bad[usize::from(component)].iter().any(|area| area.contains(&at))
                };
                let wanted = place.map(|(component, at)| (component, (!is_bad(component, at)).then_some(at)));
                assert_eq!(told, wanted, "at {position}");
            }
        }
        assert_eq!(next, size);
    });
}

/// The plan for three components of which the second holds nothing, when that is `second`: what it changes.
fn changed_without(
    second: impl FnOnce(Source<SparseDisk>) -> Option<Result<Source<SparseDisk>, String>>,
) -> usize {
    let set = SetBuilder::new("bad").components([1 << 20; 3]).map(0, 0, 2).map(2, 2, 0);
    let mut disks: Vec<_> = set.build().into_iter().map(|(_, disk)| Some(Ok(Source::file(disk)))).collect();
    disks[1] = disks[1].take().and_then(|disk| second(disk.expect("it was made")));
    let file = |(name, disk): (&str, _)| InputFile {
        label: name.into(),
        provider: name.into(),
        disk,
        sector_size: None,
        preferred: false,
    };
    let there = ["c0", "c1", "c2"].into_iter().zip(disks).filter_map(|(name, disk)| Some((name, disk?)));
    let mut progress = |_: Stage<'_>, _, _| ControlFlow::Continue(());
    let heap = Heap::look(there.map(file).collect(), Options::default(), &mut progress);
    let options = repair::Options { lossy: true, ..repair::Options::default() };
    plan(&heap, 0, Options::default(), &options, &mut progress)
        .expect("what is there can be read")
        .steps
        .len()
}

#[test]
fn a_component_is_given_up_only_when_every_file_could_be_read() {
    assert_ne!(changed_without(|_| None), 0, "it was not given");
    assert_eq!(changed_without(|_| Some(Err("no such file".into()))), 0, "it could not be opened");
    let bad = |area| move |disk: Source<SparseDisk>| Some(Ok(disk.with_bad_areas(vec![area])));
    assert_eq!(changed_without(bad(0..1 << 20)), 0, "nothing of it could be read");
    assert_eq!(changed_without(bad((1 << 20) - 512..1 << 20)), 0, "its record could not be read");
}
