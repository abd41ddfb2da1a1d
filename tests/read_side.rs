//! What must hold for the read side, whatever the files are: the properties that the fuzzer and the seeded
//! tests check, from the search for records to the bytes read.
//!
//! The model of a read is written here a second time, from the bytes alone, in the plainest way.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use virstor::assemble::Volume;
use virstor::format::ByteOrder;
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::kernel::Tunables;
use virstor::plan::{Lost, ReadError, Segment, SegmentPlace, VolumeReader};
use virstor_inspect::document::dump::Dump;
use virstor_inspect::document::info::Info;
use virstor_inspect::document::status::Status;
use virstor_inspect::heap::ComponentDisk;
use virstor_inspect::{Heap, InputFile, Options};
use virstor_testkit::hostile::{Choices, HostileDisk, HostileHeap, SoundVolume};
use virstor_testkit::{MapEntry, Record, pattern};

/// Makes a heap of `bytes`, looks through it, reads of it, and panics where something does not hold.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let case = HostileHeap::decode(&mut choices);
    let disks: Vec<HostileDisk> = case.files.iter().map(|file| file.disk()).collect();
    let heap = look(&case, &disks, &mut choices);
    opening_is_bounded(&case, &heap, &disks);
    every_file_is_accounted_for(&heap);
    documents_can_be_made(&heap);
    for number in 0..heap.volumes().len() {
        Subject::new(&case, &heap, number).check(&mut choices);
    }
    if let Some(sound) = &case.sound {
        a_sound_set_is_read_whole(&heap, sound);
    }
}

fn look(case: &HostileHeap, disks: &[HostileDisk], choices: &mut Choices<'_>) -> Heap<HostileDisk> {
    let input = |(file, disk): (&virstor_testkit::hostile::HostileFile, &HostileDisk)| InputFile {
        label: file.name.clone(),
        provider: file.name.clone().into_bytes(),
        disk: Ok(disk.clone()),
        sector_size: file.sector_size,
        preferred: file.preferred,
    };
    let files = case.files.iter().zip(disks).map(input).collect();
    let debug = *choices.pick(&[2, 0, 1, 5, 10]);
    let (chunk_watermark, component_watermark) = (*choices.pick(&[100, 0, u32::MAX]), 1);
    let tunables = Tunables { debug, chunk_watermark, component_watermark };
    let options = Options { scan_len: case.scan_len, tunables };
    Heap::look(files, options, &mut |_, _, _| ControlFlow::Continue(()))
}

/// What opening reads follows from the sizes of the files and from how many things were found in them.
fn opening_is_bounded(case: &HostileHeap, heap: &Heap<HostileDisk>, disks: &[HostileDisk]) {
    const TAIL: u64 = 64 << 10;
    // All that partition tables may cost, whatever they say.
    const TABLES: u64 = 8 << 20;
    let mut allowed = vec![0; disks.len()];
    for (allowed, file) in allowed.iter_mut().zip(&case.files) {
        let size = file.contents.size();
        *allowed = size.min(case.scan_len.saturating_add(1 << 20)) + TABLES + TAIL;
    }
    for (file, _, _) in heap.outcomes() {
        allowed[*file] += 2 * TAIL;
    }
    // The map of each volume is read once for us and once for the kernel; bad sectors are tried twice.
    for volume in heap.volumes() {
        if let Some(first) = volume.components.get(&ComponentIndex(0)) {
            allowed[heap.located()[first.candidate].0] += 2 * volume.map_entries() * MapEntry::LEN as u64;
        }
    }
    for geom in heap.kernel().geoms() {
        if let Some(first) = geom.components.get(&0) {
            let disk = &heap.kernel().providers()[first.provider].disk;
            allowed[disk.disk().file()] += 2 * disk.size();
        }
    }
    for (number, (disk, allowed)) in disks.iter().zip(allowed).enumerate() {
        assert!(disk.bytes() <= allowed, "file {number}: {} bytes read, {allowed} allowed", disk.bytes());
    }
}

/// Each file is a component, left out with a reason, or a stranger.
fn every_file_is_accounted_for(heap: &Heap<HostileDisk>) {
    let mut seen = vec![false; heap.files().len()];
    for (file, _) in heap.strangers() {
        seen[*file] = true;
    }
    for (file, located) in heap.located() {
        seen[*file] = true;
        let size = heap.files()[*file].disk.as_ref().expect("it was found there").size();
        assert!(located.start.checked_add(located.len).is_some_and(|end| end <= size), "{located:?}");
    }
    assert!(seen.iter().all(|seen| *seen), "a file vanished");
    let offered: usize = heap.volumes().iter().map(|volume| volume.components.len()).sum();
    assert!(offered + heap.assembly().unfit.len() <= heap.located().len());
}

fn documents_can_be_made(heap: &Heap<HostileDisk>) {
    let all: Vec<usize> = (0..heap.volumes().len()).collect();
    let info = Info::new(heap, &all);
    assert_eq!(info.volumes.len(), all.len());
    for volume in &info.volumes {
        let texts = [&volume.name, &volume.kernel.reason];
        let problems = volume.problems.iter().map(|problem| &problem.message);
        for text in texts.into_iter().chain(problems) {
            assert!(!text.chars().any(char::is_control), "{text:?} plays tricks on a terminal");
        }
    }
    assert_eq!(Dump::all(heap).len(), heap.located().len());
    let status = Status::new(heap);
    assert!(status.xml.chars().all(|letter| letter == '\n' || letter == '\t' || !letter.is_control()));
    for line in heap.kernel().log() {
        assert!(!line.to_string().chars().any(char::is_control), "{line}");
    }
}

/// A volume of a heap, and what its files truly hold.
struct Subject<'a> {
    case: &'a HostileHeap,
    heap: &'a Heap<HostileDisk>,
    number: usize,
    volume: &'a Volume,
    order: ByteOrder,
    components: BTreeMap<u16, Component>,
}

/// Where a component lies, and the one field of its record that counts when it is read.
struct Component {
    file: usize,
    start: u64,
    len: u64,
    chunk_count: u32,
}

/// Where the model says that a byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Hole,
    At { component: u16, offset: u64 },
    Lost,
}

impl<'a> Subject<'a> {
    fn new(case: &'a HostileHeap, heap: &'a Heap<HostileDisk>, number: usize) -> Self {
        let volume = &heap.volumes()[number];
        let component = |(index, component): (&ComponentIndex, &virstor::assemble::Component)| {
            let (file, located) = &heap.located()[component.candidate];
            let bytes = case.files[*file].contents.bytes(located.start + located.tasted.offset, Record::LEN);
            let record = Record::decode(&bytes);
            assert_eq!(record.no, index.0);
            let (start, len, chunk_count) = (located.start, located.len, record.chunk_count);
            (index.0, Component { file: *file, start, len, chunk_count })
        };
        let components = volume.components.iter().map(component).collect();
        Self { case, heap, number, volume, order: heap.map_report(number).order, components }
    }

    fn check(&self, choices: &mut Choices<'_>) {
        self.report_counts_the_entries();
        let memory = *choices.pick(&[0, 1 << 20]);
        let mut reader = self.heap.reader(self.number, memory);
        let size = self.volume.size();
        self.segments_are_right(&mut reader, 0..size);
        for _ in 0..4 {
            let start = *choices.pick(&[0, size, size / 2, size.saturating_sub(700)]);
            let start = if choices.flag() { choices.number() % size.max(1) } else { start };
            let len = choices.number().min(size - start);
            self.segments_are_right(&mut reader, start..start + len);
            let short = len.min(3000);
            self.reads_are_right(&mut reader, start..start + short);
        }
    }

    /// No read of this volume's files may fail.
    fn is_reliable(&self) -> bool {
        self.components.values().all(|component| !self.case.files[component.file].fails())
    }

    fn entries(&self) -> u64 {
        let room = self.components.get(&0).map_or(0, |first| first.len / MapEntry::LEN as u64);
        (self.volume.recorded_size / self.volume.chunk_size.bytes()).min(room)
    }

    fn entry(&self, chunk: u64) -> Option<MapEntry> {
        if chunk >= self.entries() {
            return None;
        }
        let first = &self.components[&0];
        let offset = first.start + chunk * MapEntry::LEN as u64;
        let bytes = self.case.files[first.file].contents.bytes(offset, MapEntry::LEN);
        let order = match self.order {
            ByteOrder::Little => virstor_testkit::ByteOrder::Little,
            ByteOrder::Big => virstor_testkit::ByteOrder::Big,
        };
        Some(MapEntry::decode(bytes.try_into().expect("eight bytes"), order))
    }

    /// Where byte `position` of the volume is.
    fn place(&self, position: u64) -> Place {
        let chunk_size = self.volume.chunk_size.bytes();
        let Some(entry) = self.entry(position / chunk_size) else { return Place::Lost };
        if !entry.is_allocated() {
            return Place::Hole;
        }
        let component = entry.provider_no;
        let Some(there) = self.components.get(&component) else { return Place::Lost };
        let offset = u64::from(entry.provider_chunk) * chunk_size + position % chunk_size;
        if entry.provider_chunk >= there.chunk_count || offset >= there.len {
            return Place::Lost;
        }
        Place::At { component, offset }
    }

    fn report_counts_the_entries(&self) {
        let report = self.heap.map_report(self.number);
        if !self.is_reliable() || self.entries() > 10_000 {
            return;
        }
        let (mut allocated, mut bad, mut used) = (0, 0, BTreeMap::<u16, u64>::new());
        for entry in (0..self.entries()).filter_map(|chunk| self.entry(chunk)) {
            if entry.is_allocated() {
                allocated += 1;
                let exists = entry.provider_no < self.volume.component_count;
                let component = self.components.get(&entry.provider_no);
                if exists && component.is_none_or(|component| entry.provider_chunk < component.chunk_count) {
                    *used.entry(entry.provider_no).or_default() += 1;
                } else {
                    bad += 1;
                }
            }
        }
        assert_eq!((report.allocated, report.bad, report.unreadable), (allocated, bad, 0));
        for (component, used) in used.iter().filter(|(component, _)| self.components.contains_key(component))
        {
            assert_eq!(report.used.get(&ComponentIndex(*component)), Some(used));
        }
    }

    /// Segments cover the range, in order, without gaps, each within its component, as few as can be; and
    /// what they say of their ends is what the map says.
    fn segments_are_right(&self, reader: &mut VolumeReader<ComponentDisk<HostileDisk>>, range: Range<u64>) {
        let chunk_size = self.volume.chunk_size.bytes();
        let chunks = range.end.div_ceil(chunk_size) - range.start / chunk_size;
        // A chunk that reaches past the end of its component gives two, all behind the map one.
        let most = 2 * chunks.min(self.entries()) + 1;
        let (mut next, mut count) = (range.start, 0);
        let mut before: Option<Segment> = None;
        for segment in reader.segments(range.clone()) {
            assert_eq!(segment.start, next, "a gap or an overlap");
            assert!(segment.len > 0 && segment.len <= range.end - segment.start, "{segment:?}");
            next = segment.end();
            count += 1;
            assert!(count <= most, "more than {most} segments for {chunks} chunks");
            if let SegmentPlace::Data { component, offset } = segment.place {
                let there = &self.components[&component.0];
                assert!(offset.checked_add(segment.len).is_some_and(|end| end <= there.len), "{segment:?}");
            }
            if let Some(before) = before {
                assert!(!are_one(&before, &segment), "{before:?} and {segment:?} are one");
            }
            before = Some(segment);
            if count < 200 {
                for position in self.telling_positions(&segment) {
                    self.segment_agrees(&segment, position);
                }
            }
        }
        assert_eq!(next, range.end, "the range is not covered");
    }

    /// Both ends of a segment, its middle, and where bad sectors of the map would be passed over.
    fn telling_positions(&self, segment: &Segment) -> Vec<u64> {
        let mut positions = vec![segment.start, segment.start + segment.len / 2, segment.end() - 1];
        if let Some(first) = self.components.get(&0) {
            for bad in &self.case.files[first.file].bad_ranges {
                let chunk = bad.start.saturating_sub(first.start) / MapEntry::LEN as u64;
                let position = chunk.saturating_mul(self.volume.chunk_size.bytes());
                positions.extend((segment.start..segment.end()).contains(&position).then_some(position));
            }
        }
        positions
    }

    /// Whether the map entry of `position` lies where its disk cannot be read, however often it is tried.
    fn entry_is_unreadable(&self, position: u64) -> bool {
        let chunk = position / self.volume.chunk_size.bytes();
        let Some(first) = self.components.get(&0).filter(|_| chunk < self.entries()) else { return false };
        let start = first.start + chunk * MapEntry::LEN as u64;
        let end = start + MapEntry::LEN as u64;
        self.case.files[first.file].bad_ranges.iter().any(|bad| bad.start < end && start < bad.end)
    }

    fn segment_agrees(&self, segment: &Segment, position: u64) {
        if self.entry_is_unreadable(position) {
            return assert_eq!(segment.place, SegmentPlace::Lost(Lost::NoMap), "byte {position}");
        }
        let place = match segment.place {
            SegmentPlace::Hole => Place::Hole,
            SegmentPlace::Data { component, offset } => {
                Place::At { component: component.0, offset: offset + (position - segment.start) }
            }
            // Also what is sound on disk is lost when its map entry cannot be read.
            SegmentPlace::Lost(Lost::NoMap) if !self.is_reliable() => return,
            SegmentPlace::Lost(_) => Place::Lost,
        };
        assert_eq!(self.place(position), place, "byte {position}");
    }

    fn reads_are_right(&self, reader: &mut VolumeReader<ComponentDisk<HostileDisk>>, range: Range<u64>) {
        let len = usize::try_from(range.end - range.start).expect("a short range");
        let mut bytes = vec![0xee; len];
        let first_lost = range.clone().find(|position| self.place(*position) == Place::Lost);
        match reader.read(range.start, &mut bytes) {
            Ok(()) => {
                assert_eq!(first_lost, None, "a lost byte was read");
                assert!(bytes == self.model(range.clone()), "{range:?} reads wrong");
            }
            Err(ReadError::Lost { start, .. }) if self.is_reliable() => assert_eq!(Some(start), first_lost),
            Err(error) => assert!(!self.is_reliable(), "{error:?} on disks that do not fail"),
        }
    }

    fn model(&self, range: Range<u64>) -> Vec<u8> {
        let byte = |position| match self.place(position) {
            Place::Hole => 0,
            Place::At { component, offset } => {
                let there = &self.components[&component];
                self.case.files[there.file].contents.bytes(there.start + offset, 1)[0]
            }
            Place::Lost => unreachable!("the range has no lost byte"),
        };
        range.map(byte).collect()
    }
}

/// Whether two neighbours should have been one segment.
fn are_one(before: &Segment, after: &Segment) -> bool {
    match (before.place, after.place) {
        (
            SegmentPlace::Data { component, offset },
            SegmentPlace::Data { component: next, offset: next_offset },
        ) => component == next && offset + before.len == next_offset,
        (before, after) => before == after,
    }
}

fn a_sound_set_is_read_whole(heap: &Heap<HostileDisk>, sound: &SoundVolume) {
    assert_eq!(heap.volumes().len(), 1);
    let volume = &heap.volumes()[0];
    assert!(volume.is_complete() && volume.problems.is_empty(), "{:?}", volume.problems);
    assert_eq!(volume.size(), sound.allocated.len() as u64 * sound.chunk_size);
    // A map of zeros is the same in both byte orders.
    let big = sound.order == virstor_testkit::ByteOrder::Big && sound.allocated.contains(&true);
    assert_eq!(heap.map_report(0).order == ByteOrder::Big, big, "the byte order is wrong");
    let geom = heap.kernel().geom(b"sound", volume.id).expect("FreeBSD takes it");
    if sound.order == virstor_testkit::ByteOrder::Little {
        assert!(geom.up, "FreeBSD starts it: {}", geom.trouble);
    }

    let mut reader = heap.reader(0, 1 << 20);
    let len = usize::try_from(sound.chunk_size).expect("a small chunk");
    let (mut bytes, mut expected) = (vec![0; len], vec![0; len]);
    for (chunk, allocated) in (0..).zip(&sound.allocated) {
        let offset = chunk * sound.chunk_size;
        reader.read(offset, &mut bytes).expect("nothing is lost");
        expected.fill(0);
        if *allocated {
            pattern(sound.seed, offset, &mut expected);
        }
        assert!(bytes == expected, "chunk {chunk} reads wrong");
    }
}
