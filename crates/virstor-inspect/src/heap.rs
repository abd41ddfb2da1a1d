//! A heap of files, looked through: which volumes are in it, what their maps say, what FreeBSD would do.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::OnceLock;

use crate::collect::TAIL;
use virstor::assemble::{Assembly, Candidate, Volume, assemble};
use virstor::check::{Finding, Hearers, Orphan, Report, Subject, check, deep};
use virstor::format::Name;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt, Window};
use virstor::kernel::{Kernel, Outcome, Provider, Tunables};
use virstor::locate::{DEFAULT_SCAN_LEN, Located, Place, Region, Search, locate};
use virstor::map::{self, Bounds, ComponentBounds, MapReport};
use virstor::ordered;
use virstor::plan::VolumeReader;
use virstor_partitions::Partition;
use virstor_partitions::signature::signature_of;

/// A file as it is handed in.
#[derive(Debug, Clone)]
pub struct InputFile<D> {
    /// What people call it: the path as given, or the name of a dropped file.
    pub label: String,
    /// What FreeBSD would call it.
    pub provider: Vec<u8>,
    /// Its bytes, or why there are none to be had.
    pub disk: Result<D, String>,
    /// Its sector size in bytes, where the user knows it.
    pub sector_size: Option<u32>,
    /// Whether it goes first where several claim the same place.
    pub preferred: bool,
}

/// How to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many bytes of a file, from its end, may be read to find a record that is not where it should be.
    pub scan_len: u64,
    /// The tunables of the kernel that is asked what it would do.
    pub tunables: Tunables,
}

impl Default for Options {
    fn default() -> Self {
        Self { scan_len: DEFAULT_SCAN_LEN, tunables: Tunables::default() }
    }
}

/// Long work, for progress: what is done, to which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage<'a> {
    /// Searching a file for a record.
    Searching(&'a str),
    /// Reading the map of a volume from a file.
    ReadingMap(&'a str),
    /// Reading the data of a volume, which begins in a file.
    ReadingData(&'a str),
}

/// Hears `(stage, bytes done, bytes in all)`; breaking stops that piece of work, not the whole.
pub type Progress<'a> = dyn FnMut(Stage<'_>, u64, u64) -> ControlFlow<()> + 'a;

/// A disk that knows which file it is.
#[derive(Debug, Clone)]
pub struct FileDisk<D> {
    file: usize,
    disk: D,
}

impl<D> FileDisk<D> {
    /// The number of the file in [`Heap::files`].
    pub fn file(&self) -> usize {
        self.file
    }
}

impl<D: ReadAt> ReadAt for FileDisk<D> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.disk.read_at(offset, buf)
    }

    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        self.disk.unreadable(range)
    }
}

/// The bytes of a component: a window on a file.
pub type ComponentDisk<D> = Window<FileDisk<D>>;

/// What became of a file that holds no component of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// It could not be opened or read.
    Unreadable(String),
    /// It is empty.
    Empty,
    /// There is no record in it, as far as it was searched.
    NotVirstor {
        /// How many bytes from its end were searched.
        searched: u64,
        /// How many bytes it has.
        size: u64,
    },
    /// There is no record where the sector size that was asked for has it, but for another size there is one.
    OtherSectorSize {
        /// What was asked for, in bytes.
        wanted: u32,
        /// What the record stands there for, in bytes.
        found: u32,
    },
    /// It holds records, but none that make a component (by candidate).
    Unfit(usize),
}

/// A file, or a partition of one, in which no record was found: it may be a component that lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclaimed {
    /// The number of the file in [`Heap::files`].
    pub file: usize,
    /// What FreeBSD adds to the name of the file ("p2"); nothing for the whole of it.
    pub suffix: String,
    /// Its first byte in the file.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// The files, looked through.
#[derive(Debug)]
pub struct Heap<D> {
    files: Vec<InputFile<D>>,
    located: Vec<(usize, Located)>,
    candidates: Vec<Candidate>,
    assembly: Assembly,
    strangers: Vec<(usize, Stranger)>,
    unclaimed: Vec<Unclaimed>,
    offers: Vec<Offer>,
    files_by_name: Vec<(Vec<u8>, usize)>,
    options: Options,
    /// What takes reading the maps: done when somebody wants to know.
    known: OnceLock<Known<D>>,
}

/// What is known once the maps were read.
#[derive(Debug)]
struct Known<D> {
    /// By volume.
    maps: Vec<MapReport>,
    kernel: Kernel<ComponentDisk<D>>,
    outcomes: Vec<(usize, String, Outcome)>,
}

impl<D: ReadAt + Clone> Heap<D> {
    /// Looks through `files`, in the order FreeBSD would be offered them, and reads the maps of their volumes.
    pub fn look(files: Vec<InputFile<D>>, options: Options, progress: &mut Progress<'_>) -> Self {
        let heap = Self::search(files, options, progress);
        heap.learn(progress);
        heap
    }

    /// Looks through `files`, in the order FreeBSD would be offered them, without reading the maps of their volumes:
    /// [`check`](Self::check) reads them itself, and once is enough where they are long. They are read as soon as
    /// something else is asked about them, or about FreeBSD.
    pub fn search(files: Vec<InputFile<D>>, options: Options, progress: &mut Progress<'_>) -> Self {
        let mut findings = Findings::default();
        for (number, file) in files.iter().enumerate() {
            findings.search(number, file, options, progress);
        }
        let Findings { located, candidates, mut strangers, unclaimed, offers } = findings;
        let assembly = assemble(&candidates);
        for (candidate, _) in &assembly.unfit {
            strangers.push((located[*candidate].0, Stranger::Unfit(*candidate)));
        }
        ordered::sort_by_key(&mut strangers, |(file, _)| *file);

        let named =
            |(file, located): &(usize, Located)| (located.tasted.record.name().bytes().to_vec(), *file);
        let mut files_by_name: Vec<(Vec<u8>, usize)> = located.iter().map(named).collect();
        ordered::sort_by(&mut files_by_name, Ord::cmp);
        files_by_name.dedup();

        let known = OnceLock::new();
        Self {
            files,
            located,
            candidates,
            assembly,
            strangers,
            unclaimed,
            offers,
            files_by_name,
            options,
            known,
        }
    }

    /// The volumes, in the order in which their first component was given.
    pub fn volumes(&self) -> &[Volume] {
        &self.assembly.volumes
    }

    /// What the map of a volume says; a volume without component 0 has no entries.
    pub fn map_report(&self, volume: usize) -> &MapReport {
        &self.known().maps[volume]
    }

    /// Whether anything of the map of a volume can be read; if not, which chunks are in use is unknown.
    pub fn has_map(&self, volume: usize) -> bool {
        self.volumes()[volume].map_entries() > self.map_report(volume).unreadable
    }

    /// How it was looked.
    pub fn options(&self) -> Options {
        self.options
    }

    /// The files as given.
    pub fn files(&self) -> &[InputFile<D>] {
        &self.files
    }

    /// Whether a file cannot be read, or not where the record of a component would stand: it may be one that is missed.
    pub fn is_unread(&self) -> bool {
        let unreadable = |(_, stranger): &(usize, Stranger)| matches!(stranger, Stranger::Unreadable(_));
        let ends_unread = |unclaimed: &Unclaimed| {
            let end = unclaimed.start + unclaimed.len;
            let disk = self.files[unclaimed.file].disk.as_ref();
            let last = end.saturating_sub(TAIL).max(unclaimed.start)..end;
            disk.is_ok_and(|disk| disk.unreadable(last).is_some())
        };
        self.strangers.iter().any(unreadable) || self.unclaimed.iter().any(ends_unread)
    }

    /// Files that are no component of any volume.
    pub fn strangers(&self) -> &[(usize, Stranger)] {
        &self.strangers
    }

    /// The components found, by candidate number: which file, and where in it.
    pub fn located(&self) -> &[(usize, Located)] {
        &self.located
    }

    /// Records that make no component.
    pub fn assembly(&self) -> &Assembly {
        &self.assembly
    }

    /// What was offered for assembly.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// FreeBSD's class, after it was offered every file and partition.
    pub fn kernel(&self) -> &Kernel<ComponentDisk<D>> {
        &self.known().kernel
    }

    /// What became of each provider FreeBSD was offered: its file, its name, the outcome.
    pub fn outcomes(&self) -> &[(usize, String, Outcome)] {
        &self.known().outcomes
    }

    /// What became of the providers in one file.
    pub fn outcomes_of(&self, file: usize) -> &[(usize, String, Outcome)] {
        // Providers are offered file by file.
        let outcomes = self.outcomes();
        let start = outcomes.partition_point(|(other, _, _)| *other < file);
        let len = outcomes[start..].partition_point(|(other, _, _)| *other == file);
        &outcomes[start..start + len]
    }

    /// The files, ascending, that hold a record with this name.
    pub fn files_with(&self, name: Name) -> impl Iterator<Item = usize> {
        let start = self.files_by_name.partition_point(|(other, _)| &other[..] < name.bytes());
        let named = self.files_by_name[start..].iter().take_while(move |(other, _)| other == name.bytes());
        named.map(|(_, file)| *file)
    }

    /// The label of the file a candidate came from.
    pub fn label_of(&self, candidate: usize) -> &str {
        &self.files[self.located[candidate].0].label
    }

    /// A reader of one volume. At most `map_memory` bytes of its map are kept in memory.
    pub fn reader(&self, volume: usize, map_memory: u64) -> VolumeReader<ComponentDisk<D>> {
        let disks = self.disks(&self.assembly.volumes[volume]);
        let order = self.map_report(volume).order;
        VolumeReader::new(self.assembly.volumes[volume].clone(), disks, order, map_memory)
    }

    /// Checks one volume; what holds no record is looked at, too: one of these may have lost it.
    pub fn check(&self, number: usize, progress: &mut Progress<'_>) -> Report {
        let volume = &self.assembly.volumes[number];
        let disks = self.disks(volume);
        let unclaimed: Vec<ComponentDisk<D>> =
            self.unclaimed.iter().map(|one| self.unclaimed_disk(one)).collect();
        let subject = Subject {
            assembly: &self.assembly,
            volume: number,
            candidates: &self.candidates,
            disks: &disks,
            unclaimed: &unclaimed,
            unread: self.is_unread(),
        };
        let first = volume.components.get(&ComponentIndex(0));
        let label = first.map_or("", |first| self.label_of(first.candidate));
        check(&subject, &mut |done, all| progress(Stage::ReadingMap(label), done, all))
    }

    /// Reads the data of one volume, too: what [`deep`] finds. `orphan` hears of every chunk without an owner that
    /// holds something.
    pub fn check_deep(
        &self,
        number: usize,
        orphan: &mut dyn FnMut(Orphan),
        progress: &mut Progress<'_>,
    ) -> Vec<Finding> {
        let volume = &self.assembly.volumes[number];
        let first = volume.components.values().next();
        let label = first.map_or("", |first| self.label_of(first.candidate));
        let mut hearers = Hearers {
            probe: &signature_of,
            orphan,
            progress: &mut |done, all| progress(Stage::ReadingData(label), done, all),
        };
        deep(volume, &self.disks(volume), self.map_report(number).order, &mut hearers)
    }

    /// Files and partitions without a record, in the order in which [`check`](Self::check) numbers them.
    pub fn unclaimed(&self) -> &[Unclaimed] {
        &self.unclaimed
    }

    /// What people call a file or partition without a record.
    pub fn unclaimed_label(&self, number: usize) -> Option<String> {
        let one = self.unclaimed.get(number)?;
        Some(format!("{}{}", self.files[one.file].label, one.suffix))
    }

    /// The `len` bytes from `start` on of a file; `None` when it has fewer or cannot be read.
    pub fn part(&self, file: usize, start: u64, len: u64) -> Option<ComponentDisk<D>> {
        window(file, &self.files[file], start, len)
    }

    /// The bytes of a file or partition without a record.
    pub fn unclaimed_disk(&self, one: &Unclaimed) -> ComponentDisk<D> {
        window(one.file, &self.files[one.file], one.start, one.len).expect("it was read before")
    }

    /// The disks of the components of `volume`, which is one of the heap's, that are there.
    pub fn disks(&self, volume: &Volume) -> BTreeMap<ComponentIndex, ComponentDisk<D>> {
        let disk = |candidate: usize| {
            let (file, located) = &self.located[candidate];
            window(*file, &self.files[*file], located.start, located.len).expect("it was read before")
        };
        ordered::tree(volume.components.iter().map(|(index, component)| (*index, disk(component.candidate))))
    }

    fn known(&self) -> &Known<D> {
        self.learn(&mut |_, _, _| ControlFlow::Continue(()))
    }

    fn learn(&self, progress: &mut Progress<'_>) -> &Known<D> {
        self.known.get_or_init(|| {
            let mut scans = Scans::default();
            let maps = self.scan_maps(&mut scans, progress);
            let mut known = Known { maps, kernel: Kernel::new(self.options.tunables), outcomes: Vec::new() };
            self.ask_kernel(&mut known, &mut scans, progress);
            known
        })
    }

    fn scan_maps(&self, scans: &mut Scans, progress: &mut Progress<'_>) -> Vec<MapReport> {
        let scan = |volume: &Volume| {
            let Some(first) = volume.components.get(&ComponentIndex(0)) else {
                return map::scan(&Vec::new(), 0, &[], &mut |_, _| ControlFlow::Continue(()));
            };
            let (file, located) = &self.located[first.candidate];
            let input = &self.files[*file];
            let disk = window(*file, input, located.start, located.len).expect("it was read before");
            scans.scan(&disk, volume.map_entries(), &volume.bounds(), &input.label, progress)
        };
        self.volumes().iter().map(scan).collect()
    }

    fn ask_kernel(&self, known: &mut Known<D>, scans: &mut Scans, progress: &mut Progress<'_>) {
        for offer in &self.offers {
            let file = &self.files[offer.file];
            let Some(disk) = window(offer.file, file, offer.start, offer.len) else { continue };
            let name = [&file.provider[..], offer.suffix.as_bytes()].concat();
            let shown = format!("{}{}", file.label, offer.suffix);
            let provider = Provider { name, disk, sector_size: offer.sector_size };
            let outcome = known.kernel.taste(provider, &mut |disk, entries, bounds| {
                scans.scan(disk, entries, bounds, &self.files[disk.disk().file].label, progress)
            });
            known.outcomes.push((offer.file, shown, outcome));
        }
    }
}

fn window<D: ReadAt + Clone>(
    file: usize,
    input: &InputFile<D>,
    start: u64,
    len: u64,
) -> Option<ComponentDisk<D>> {
    let disk = input.disk.as_ref().ok()?.clone();
    Window::new(FileDisk { file, disk }, start, len)
}

/// A provider FreeBSD would see: a file, or a partition of it.
#[derive(Debug)]
struct Offer {
    file: usize,
    suffix: String,
    start: u64,
    len: u64,
    sector_size: u32,
}

/// The sector size of a file that nothing tells about.
const USUAL_SECTOR_SIZE: u32 = 512;

/// Most places of one file that are looked at for a lost record; a partition table can be made to list any number.
const MOST_UNCLAIMED: usize = 256;

/// What the search through the files brings up.
#[derive(Default)]
struct Findings {
    located: Vec<(usize, Located)>,
    candidates: Vec<Candidate>,
    strangers: Vec<(usize, Stranger)>,
    unclaimed: Vec<Unclaimed>,
    offers: Vec<Offer>,
}

impl Findings {
    fn search<D: ReadAt>(
        &mut self,
        number: usize,
        file: &InputFile<D>,
        options: Options,
        progress: &mut Progress<'_>,
    ) {
        let disk = match &file.disk {
            Ok(disk) => disk,
            Err(reason) => return self.strange(number, Stranger::Unreadable(reason.clone())),
        };
        if disk.size() == 0 {
            return self.strange(number, Stranger::Empty);
        }
        // A disk whose first sectors cannot be read may still end in a record.
        let partitions = virstor_partitions::find(&disk, file.sector_size).unwrap_or_default();
        let regions: Vec<Region> =
            partitions.iter().filter(|partition| !partition.truncated()).map(region).collect();
        let search = Search { sector_size: file.sector_size, scan_len: options.scan_len };
        let mut report = |done, all| progress(Stage::Searching(&file.label), done, all);
        match locate(disk, &regions, search, &mut report) {
            Err(error) => self.strange(number, Stranger::Unreadable(error.to_string())),
            Ok(found) => {
                self.offer(number, file, disk.size(), &regions, &found);
                self.note_unclaimed(number, disk.size(), &regions, &found);
                if found.is_empty() {
                    let searched = options.scan_len.min(disk.size());
                    let nothing = Stranger::NotVirstor { searched, size: disk.size() };
                    self.strange(number, other_sector_size(file, &regions).unwrap_or(nothing));
                }
                for located in found {
                    self.keep(number, file, located);
                }
            }
        }
    }

    fn strange(&mut self, file: usize, stranger: Stranger) {
        self.strangers.push((file, stranger));
    }

    /// Notes the file and its partitions as far as no component lies in them.
    fn note_unclaimed(&mut self, file: usize, size: u64, regions: &[Region], found: &[Located]) {
        // Of what is behind the last sector nothing is offered.
        let is_whole = |located: &&Located| located.place == Place::Whole;
        let len = found.iter().find(is_whole).map_or(size, |located| located.len);
        let whole = Region { name: String::new(), start: 0, len };
        let taken = |region: &Region| {
            let overlaps = |located: &Located| {
                located.start < region.start + region.len && region.start < located.start + located.len
            };
            found.iter().any(overlaps)
        };
        let free = std::iter::once(&whole).chain(regions).filter(|region| !taken(region));
        for region in free.take(MOST_UNCLAIMED) {
            let suffix = region.name.clone();
            self.unclaimed.push(Unclaimed { file, suffix, start: region.start, len: region.len });
        }
    }

    fn keep<D>(&mut self, number: usize, file: &InputFile<D>, located: Located) {
        let mut provider = file.provider.clone();
        if let Place::Partition(suffix) = &located.place {
            provider.extend_from_slice(suffix.as_bytes());
        }
        self.candidates.push(Candidate { located: located.clone(), provider, preferred: file.preferred });
        self.located.push((number, located));
    }

    /// Notes what FreeBSD would be offered: the whole file, then its partitions.
    fn offer<D>(
        &mut self,
        number: usize,
        file: &InputFile<D>,
        size: u64,
        regions: &[Region],
        found: &[Located],
    ) {
        let sector_size = |start: u64, len: u64| {
            let here = |located: &&Located| located.start == start && located.len == len;
            let at_end = found.iter().find(here).map(|located| located.tasted.sector_size);
            file.sector_size.or(at_end).unwrap_or(USUAL_SECTOR_SIZE)
        };
        // Of what is behind the last sector nothing is offered.
        let is_whole = |located: &&Located| located.place == Place::Whole;
        let len = found.iter().find(is_whole).map_or(size, |located| located.len);
        let whole = Region { name: String::new(), start: 0, len };
        for region in std::iter::once(&whole).chain(regions) {
            self.offers.push(Offer {
                file: number,
                suffix: region.name.clone(),
                start: region.start,
                len: region.len,
                sector_size: sector_size(region.start, region.len),
            });
        }
    }
}

/// What a file of whose records the sector size that was asked for finds none has for another, without a search.
fn other_sector_size<D: ReadAt>(file: &InputFile<D>, regions: &[Region]) -> Option<Stranger> {
    let (disk, wanted) = (file.disk.as_ref().ok()?, file.sector_size?);
    let at_ends = Search { sector_size: None, scan_len: 0 };
    let found = locate(disk, regions, at_ends, &mut |_, _| ControlFlow::Break(())).ok()?;
    let found = found.first()?.tasted.sector_size;
    Some(Stranger::OtherSectorSize { wanted, found })
}

fn region(partition: &Partition) -> Region {
    Region { name: partition.name.clone(), start: partition.start, len: partition.len }
}

/// Map scans made so far: our view and the kernel's usually ask the same question.
#[derive(Default)]
struct Scans {
    done: Vec<(Question, MapReport)>,
}

#[derive(PartialEq)]
struct Question {
    file: usize,
    start: u64,
    entries: u64,
    bounds: Vec<Option<ComponentBounds>>,
}

impl Scans {
    fn scan<D: ReadAt>(
        &mut self,
        disk: &ComponentDisk<D>,
        entries: u64,
        bounds: &Bounds,
        label: &str,
        progress: &mut Progress<'_>,
    ) -> MapReport {
        let question =
            Question { file: disk.disk().file, start: disk.start(), entries, bounds: bounds.to_vec() };
        if let Some((_, report)) = self.done.iter().find(|(asked, _)| *asked == question) {
            return report.clone();
        }
        let mut report = |done, all| progress(Stage::ReadingMap(label), done, all);
        let answer = map::scan(disk, entries, bounds, &mut report);
        // The kernel asks about complete volumes only; remembering the others would let a heap of hostile
        // records, each claiming 65,535 components, fill the memory.
        if bounds.iter().all(Option::is_some) {
            self.done.push((question, answer.clone()));
        }
        answer
    }
}
