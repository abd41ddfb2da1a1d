//! Files in memory, repaired as the program repairs files.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use virstor::assemble::Volume;
use virstor::format::MAP_ENTRY_LEN;
use virstor::io::{IoError, Window, WriteAt};
use virstor::patch::Patch;
use virstor::plan::{Segment, SegmentPlace};
use virstor::repair;
use virstor::undo::{ChangeError, DiskHeader, Header, LogSink, UndoLog, perform};
use virstor_inspect::document::info::Info;
use virstor_inspect::repair::{Declined, Plan, plan};
use virstor_inspect::{Heap, InputFile, Options};
use virstor_testkit::golden::{GoldenSet, Provider};
use virstor_testkit::{Machine, MachineDisk, SparseDisk};

/// Some files, in the order in which FreeBSD is offered them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) providers: Vec<Provider>,
    pub(crate) disks: Vec<SparseDisk>,
}

impl Files {
    pub(crate) fn of(set: &GoldenSet) -> Self {
        let providers = set.providers();
        let disks = providers.iter().map(|provider| set.disk(&provider.file).clone()).collect();
        Self { providers, disks }
    }

    /// Files that are called like their providers.
    pub(crate) fn new(files: Vec<(String, SparseDisk)>, sector_size: u32) -> Self {
        let provider = |(name, _): &(String, SparseDisk)| Provider {
            file: name.clone(),
            provider_name: name.clone(),
            sector_size,
        };
        let providers = files.iter().map(provider).collect();
        Self { providers, disks: files.into_iter().map(|(_, disk)| disk).collect() }
    }

    pub(crate) fn look(&self) -> Heap<Arc<SparseDisk>> {
        let file = |(provider, disk): (&Provider, &SparseDisk)| InputFile {
            label: provider.file.clone(),
            provider: provider.provider_name.clone().into_bytes(),
            disk: Ok(Arc::new(disk.clone())),
            sector_size: Some(provider.sector_size),
            preferred: false,
        };
        let files = self.providers.iter().zip(&self.disks).map(file).collect();
        Heap::look(files, Options::default(), &mut |_, _, _| ControlFlow::Continue(()))
    }

    /// The plan for the first volume.
    pub(crate) fn plan(&self, options: &repair::Options) -> Plan<Arc<SparseDisk>> {
        let heap = self.look();
        plan(&heap, 0, Options::default(), options, &mut |_, _, _| ControlFlow::Continue(()))
            .expect("files in memory can be read")
    }

    /// What the plan for the first volume leaves out because it would lose something.
    pub(crate) fn declined(&self, lossy: bool) -> Option<Declined> {
        let options = repair::Options { lossy, convert_endian: true, only: None };
        if self.look().volumes().is_empty() { None } else { self.plan(&options).declined }
    }

    /// The same files as a machine's disks, and one for the log.
    pub(crate) fn machine(&self, log: &SparseDisk) -> Machine {
        Machine::new(self.disks.iter().chain([log]).cloned())
    }

    pub(crate) fn found(&self, disks: &[SparseDisk]) -> Self {
        Self { providers: self.providers.clone(), disks: disks[..self.disks.len()].to_vec() }
    }

    /// The chunks of a volume as they can be read. Only what is in use is looked at, so that a volume may be large.
    pub(crate) fn device(&self, volume: usize) -> Device {
        let heap = self.look();
        let (size, chunk) = (heap.volumes()[volume].size(), heap.volumes()[volume].chunk_size.bytes());
        let mut reader = heap.reader(volume, 1 << 20);
        let in_use: BTreeSet<u64> = reader
            .segments(0..size)
            .filter(|segment| segment.place != SegmentPlace::Hole)
            .flat_map(|segment| segment.start / chunk..segment.end().div_ceil(chunk))
            .collect();
        let mut read = |number: u64| {
            let start = number * chunk;
            let mut bytes = vec![0; usize::try_from(chunk).expect("a chunk fits memory")];
            reader.read(start, &mut bytes).ok()?;
            let segments = reader.segments(start..(start + chunk).min(size));
            let not_its_own = segments.flat_map(|segment| not_its_own(&heap.volumes()[volume], &segment));
            let within = |at: u64| usize::try_from(at - start).expect("less than a chunk");
            let not_its_own = not_its_own.map(|range| within(range.start)..within(range.end)).collect();
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            Some(Chunk { bytes, not_its_own })
        };
        let chunks = in_use.into_iter().map(|number| (number, read(number))).collect();
        Device { count: size / chunk, chunks }
    }

    /// What FreeBSD does with a volume.
    pub(crate) fn taste(&self, volume: usize) -> String {
        Info::new(&self.look(), &[volume]).volumes[0].kernel.taste.clone()
    }
}

/// What can be read of a volume.
pub(crate) struct Device {
    /// How many chunks it has.
    pub(crate) count: u64,
    /// Those that are in use; none where not all of one can be read.
    pub(crate) chunks: BTreeMap<u64, Option<Chunk>>,
}

/// A chunk of a volume.
#[derive(Clone, Default)]
pub(crate) struct Chunk {
    /// Its bytes, without the zeros it ends in.
    bytes: Vec<u8>,
    /// Where it shows the map or a record, because it lies over them: that is not the volume's, and may change.
    not_its_own: Vec<Range<usize>>,
}

impl Chunk {
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        let without = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            for range in self.not_its_own.iter().chain(&other.not_its_own) {
                let (start, end) = (range.start.min(bytes.len()), range.end.min(bytes.len()));
                bytes[start..end].fill(0);
            }
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            bytes
        };
        without(&self.bytes) == without(&other.bytes)
    }
}

/// Which bytes of the volume show the map or a record in `segment`.
fn not_its_own(volume: &Volume, segment: &Segment) -> Vec<Range<u64>> {
    let SegmentPlace::Data { component, offset } = segment.place else { return Vec::new() };
    let here = &volume.components[&component];
    let map = 0..if component.0 == 0 { volume.map_entries() * MAP_ENTRY_LEN as u64 } else { 0 };
    let record = here.len.saturating_sub(here.sector_size.into())..here.len;
    let overlap = |range: Range<u64>| range.start.max(offset)..range.end.min(offset + segment.len);
    let shown = [map, record].into_iter().map(overlap).filter(|range| range.start < range.end);
    shown.map(|range| segment.start + range.start - offset..segment.start + range.end - offset).collect()
}

/// A log on the machine's last disk.
pub(crate) struct DiskLog {
    disk: MachineDisk,
    at: u64,
}

impl LogSink for DiskLog {
    fn append(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.disk.write_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), IoError> {
        self.disk.flush()
    }
}

/// An empty disk for a log.
pub(crate) fn log_disk() -> SparseDisk {
    SparseDisk::new(64 << 20)
}

/// Does `plan` to the machine's disks, with the log on its last.
pub(crate) fn apply(plan: &Plan<Arc<SparseDisk>>, machine: &Machine) -> Result<(), ChangeError> {
    let disks = machine.disks();
    let window = |place: &virstor_inspect::repair::PlanDisk| {
        Window::new(disks[place.file].clone(), place.start, place.len).expect("within the file")
    };
    let windows: Vec<Window<MachineDisk>> = plan.disks.iter().map(window).collect();
    let headers = plan.disks.iter().zip(&windows).map(|(place, window)| {
        DiskHeader::new(place.file.to_string(), place.start, window, &place.guarded).expect("memory")
    });
    let header = Header { name: plan.name, id: plan.id, verb: "repair".into(), disks: headers.collect() };
    let patches: Vec<Patch> = plan.steps.iter().flat_map(|step| step.step.patches.clone()).collect();
    let mut log = DiskLog { disk: disks[disks.len() - 1].clone(), at: 0 };
    perform(&header, &patches, &windows, &mut log, &mut |_, _| {})
}

/// Undoes what the machine's last disk says; a log that was not begun undoes nothing.
pub(crate) fn undo(machine: &Machine) {
    let disks = machine.disks();
    let Ok(log) = UndoLog::open(&disks[disks.len() - 1]) else { return };
    if log.groups() == 0 {
        return;
    }
    let window = |known: &DiskHeader| {
        let file: usize = known.label.parse().expect("disks are labelled by number");
        Window::new(disks[file].clone(), known.start, known.size).expect("within the file")
    };
    let windows: Vec<Window<MachineDisk>> = log.header().disks.iter().map(window).collect();
    log.undo(&windows, &mut |_, _| {}).expect("the disks are what the log knows");
}
