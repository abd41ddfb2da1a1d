//! What must hold for every repair, whatever the files are: the properties that the fuzzer and the seeded tests check,
//! from the findings over the steps to what is found afterwards.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use virstor::assemble::Volume;
use virstor::check::{Code, LISTED, Report};
use virstor::io::ReadAt;
use virstor::patch::{Patch, groups, is_ambiguous};
use virstor::plan::{SegmentPlace, VolumeReader};
use virstor::repair::{Action, Options};
use virstor_inspect::repair::{Plan, PlanError, plan};
use virstor_inspect::{Heap, InputFile};
use virstor_testkit::hostile::{Choices, HostileDisk, HostileFile, HostileHeap};

/// Makes a heap of `bytes`, repairs each of its volumes, with and without losses, and panics where something does not
/// hold.
pub fn check(bytes: &[u8]) {
    let case = HostileHeap::decode(&mut Choices::new(bytes));
    let look = virstor_inspect::Options { scan_len: case.scan_len, ..Default::default() };
    let files = case.files.iter().map(input).collect();
    let heap = Heap::look(files, look, &mut |_, _, _| ControlFlow::Continue(()));
    let case = Case { files: &case.files, heap: &heap, look };
    for volume in 0..heap.volumes().len() {
        for lossy in [false, true] {
            case.check(volume, lossy);
        }
    }
}

fn input(file: &HostileFile) -> InputFile<HostileDisk> {
    InputFile {
        label: file.name.clone(),
        provider: file.name.clone().into_bytes(),
        disk: Ok(file.disk()),
        sector_size: file.sector_size,
        preferred: file.preferred,
    }
}

struct Case<'a> {
    files: &'a [HostileFile],
    heap: &'a Heap<HostileDisk>,
    look: virstor_inspect::Options,
}

impl Case<'_> {
    fn check(&self, volume: usize, lossy: bool) {
        let may_fail = self.files.iter().any(HostileFile::fails);
        let options = Options { lossy, convert_endian: true, only: None };
        let made = match self.plan(self.heap, volume, &options) {
            Ok(made) => made,
            Err(error) => {
                assert!(
                    error != PlanError::Endless && (may_fail || error == PlanError::Vanishes),
                    "{error:?}"
                );
                return;
            }
        };
        findings_are_bounded(&made.before);
        findings_are_bounded(&made.after_report);
        self.patches_stay_on_their_disks(&made);
        let gives_up = made.steps.iter().any(|step| step.step.loss.is_some());
        assert!(lossy || !gives_up, "something is given up that nobody asked for");
        if may_fail {
            return;
        }
        if !gives_up {
            for other in 0..self.heap.volumes().len() {
                self.nothing_is_lost(other, self.successor(volume, other, &made), &made);
            }
        }
        let again = self.plan(&made.after, made.after_volume, &options).expect("files in memory can be read");
        assert!(again.steps.is_empty(), "a second repair does something: {:?}", again.steps);
        assert_eq!(again.before, made.after_report);
    }

    fn plan<D: ReadAt + Clone>(
        &self,
        heap: &Heap<D>,
        volume: usize,
        options: &Options,
    ) -> Result<Plan<D>, PlanError> {
        plan(heap, volume, self.look, options, &mut |_, _, _| ControlFlow::Continue(()))
    }

    /// What is written lies on a disk of the plan, and that in its file; and nothing is written twice at once.
    fn patches_stay_on_their_disks(&self, made: &Plan<HostileDisk>) {
        let patches: Vec<Patch> = made.steps.iter().flat_map(|step| step.step.patches.clone()).collect();
        assert!(!groups(&patches).any(is_ambiguous), "what is written depends on the order");
        for place in patches.iter().flat_map(|patch| patch.target().into_iter().chain(patch.source())) {
            let disk = &made.disks[place.component.as_usize()];
            assert!(place.range.end <= disk.len, "{:?} is not on the disk", place.range);
            assert!(disk.start + disk.len <= self.files[disk.file].contents.size(), "{disk:?}");
        }
    }

    /// What volume `other` is after a repair of `volume`: parts of one may have been joined.
    fn successor(&self, volume: usize, other: usize, made: &Plan<HostileDisk>) -> usize {
        let identity = |volume: &Volume| (volume.name.bytes().to_vec(), volume.id);
        let wanted = identity(&self.heap.volumes()[other]);
        let same = made.after.volumes().iter().position(|volume| identity(volume) == wanted);
        if volume == other { made.after_volume } else { same.unwrap_or(made.after_volume) }
    }

    /// What could be read before reads the same, holes too. All bytes of a file are looked at twice at most.
    fn nothing_is_lost(&self, volume: usize, after_volume: usize, made: &Plan<HostileDisk>) {
        const PIECE: usize = 64 << 10;
        const MOST: usize = 8 << 20;
        let (mut before, mut after) =
            (self.heap.reader(volume, 1 << 20), made.after.reader(after_volume, 1 << 20));
        let (size, kept) = (before.volume().size(), after.volume().size());
        let chunk_size = before.volume().chunk_size.bytes();
        // Where records disagree most of them decide, and what has no map may turn out to be a part of another
        // volume: both can be shorter than the first record says, by what nothing lies in.
        let disagree = made.before.findings.iter().any(|finding| finding.code() == Code::RecordsDisagree);
        let unsure = disagree || !made.before.whole;
        assert!(unsure || size.saturating_sub(kept) < chunk_size, "{size} bytes have become {kept}");
        let is_data = |place: &SegmentPlace| matches!(place, SegmentPlace::Data { .. });
        // Holes stay holes, unless the map was read in the wrong byte order.
        let converted = made.steps.iter().any(|step| matches!(step.step.action, Action::ConvertMap { .. }));
        for hole in before.segments(0..size.min(kept)).filter(|it| it.place == SegmentPlace::Hole) {
            let mut filled =
                after.segments(hole.start..hole.end()).filter(|it| it.place != SegmentPlace::Hole);
            let filled = filled.next().filter(|_| !converted);
            assert!(filled.is_none(), "a hole at {} is {filled:?}", hole.start);
        }
        let data: Vec<(u64, u64)> = before
            .segments(0..size)
            .filter(|segment| is_data(&segment.place))
            .map(|segment| (segment.start, segment.len))
            .take(MOST / PIECE)
            .collect();
        for (start, len) in data {
            assert!(start + len <= kept, "{start} is lost: only {kept} bytes are left");
            let mut bytes = vec![0; usize::try_from(len).map_or(PIECE, |len| len.min(PIECE))];
            let mut now = bytes.clone();
            before.read(start, &mut bytes).expect("a file in memory can be read");
            after.read(start, &mut now).unwrap_or_else(|error| panic!("{start} is lost: {error:?}"));
            let end = start + bytes.len() as u64;
            let shown = shown(&mut before, start..end).into_iter().chain(shown(&mut after, start..end));
            for range in shown {
                let within = |at: u64| usize::try_from(at - start).expect("within the piece");
                for read in [&mut bytes, &mut now] {
                    read[within(range.start)..within(range.end)].fill(0);
                }
            }
            let (found, steps) = (&made.before.findings, made.steps.iter().map(|step| &step.does));
            assert!(
                bytes == now,
                "{start} reads differently after {found:#?} and {:#?}",
                steps.collect::<Vec<_>>()
            );
        }
    }
}

/// Which of these bytes of a volume show the map or a record, because a chunk lies over them: they are not the
/// volume's, and may change.
fn shown<D: ReadAt>(reader: &mut VolumeReader<D>, range: Range<u64>) -> Vec<Range<u64>> {
    let volume = reader.volume().clone();
    let mut shown = Vec::new();
    for segment in reader.segments(range) {
        let SegmentPlace::Data { component, offset } = segment.place else { continue };
        let here = &volume.components[&component];
        let map = 0..if component.0 == 0 { volume.map_entries().saturating_mul(8) } else { 0 };
        let record = here.len.saturating_sub(here.sector_size.into())..here.len;
        for range in [map, record] {
            let (from, end) = (range.start.max(offset), range.end.min(offset + segment.len));
            if from < end {
                shown.push(segment.start + from - offset..segment.start + end - offset);
            }
        }
    }
    shown
}

/// The findings of a kind that are listed are few; so is what a report takes.
fn findings_are_bounded(report: &Report) {
    let mut listed: BTreeMap<Code, usize> = BTreeMap::new();
    for finding in &report.findings {
        *listed.entry(finding.code()).or_default() += 1;
    }
    assert!(listed.values().all(|count| *count <= LISTED), "{listed:?}");
}
