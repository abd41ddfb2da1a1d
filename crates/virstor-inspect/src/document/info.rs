//! `info`: the volumes, their components, and what FreeBSD would do with them.

use std::fmt;
use std::ops::RangeInclusive;

use virstor::assemble::{Component, Volume};
use virstor::counted::{agreeing, counted};
use virstor::format::ComponentFlags;
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::kernel::Outcome;

use super::document;
use crate::heap::Heap;
use crate::words;

document! {
    /// What was found in a heap of files.
    pub struct Info {
        /// The volumes, in the order in which their first component was given.
        pub volumes: Vec<VolumeInfo>,
        /// Files that are no component of any of them.
        pub other_files: Vec<OtherFile>,
    }

    /// A volume.
    pub struct VolumeInfo {
        /// Its name; bytes that are no text are shown as `\xNN`.
        pub name: String,
        /// The number that was drawn when it was labelled.
        pub id: u32,
        /// Size of the virtual device in bytes (whole chunks).
        pub virtual_size: u64,
        /// Size of a chunk in bytes.
        pub chunk_size: u64,
        /// Sector size in bytes.
        pub sector_size: u32,
        /// How many components it should have.
        pub component_count: u16,
        /// Whether all of them are there.
        pub complete: bool,
        /// The numbers of those that are not.
        #[cfg_attr(feature = "schema", schemars(with = "Vec<u16>"))]
        pub missing: Missing,
        /// Chunks of the virtual device.
        pub virtual_chunks: u64,
        /// Those that have a physical chunk, as far as the map can be read.
        pub allocated_chunks: u64,
        /// Chunks of the components that are there, reserved ones included.
        pub physical_chunks: u64,
        /// The allocation map.
        pub map: MapInfo,
        /// The components that are there.
        pub components: Vec<ComponentInfo>,
        /// What does not fit.
        pub problems: Vec<ProblemInfo>,
        /// What FreeBSD would do.
        pub kernel: KernelInfo,
    }

    /// The allocation map of a volume.
    pub struct MapInfo {
        /// `little` or `big`.
        pub byte_order: String,
        /// Entries that are there to be read: 0 when component 0 is missing.
        pub entries: u64,
        /// Allocated entries that name a component or chunk that cannot be.
        pub bad_entries: u64,
        /// Entries that could not be read.
        pub unreadable_entries: u64,
    }

    /// A component.
    pub struct ComponentInfo {
        /// Its number.
        pub index: u16,
        /// The file it is in.
        pub file: String,
        /// How it was found: `whole`, `partition`, `grown`, `cut` or `inside`.
        pub place: String,
        /// The partition, as FreeBSD names it ("p2"), where it is one.
        pub partition: Option<String>,
        /// Its first byte in the file.
        pub offset: u64,
        /// Its size in bytes.
        pub size: u64,
        /// Its sector size in bytes.
        pub sector_size: u32,
        /// Chunks it has by its record.
        pub chunk_count: u32,
        /// The allocation cursor in its record.
        pub chunk_next: u32,
        /// Low chunks that are never handed out.
        pub chunk_reserved: u16,
        /// Chunks that map entries name, as far as the map can be read.
        pub used_chunks: u64,
        /// `allocated`, `current`, and unknown bits as hexadecimal.
        pub flags: Vec<String>,
        /// The provider name it is labelled for, where it is.
        pub hardcoded: Option<String>,
        /// Whether FreeBSD would take it where it lies.
        pub kernel_takes: bool,
    }

    /// Something that does not fit.
    pub struct ProblemInfo {
        /// A code that never changes its meaning.
        pub code: String,
        /// A sentence.
        pub message: String,
        /// The file it is about.
        pub file: Option<String>,
    }

    /// What FreeBSD's own class does when the files are offered in the order given.
    pub struct KernelInfo {
        /// `starts`, `refuses` or `panics`.
        pub taste: String,
        /// `ok` or `panics`: what a read of the configuration (`gvirstor list`) does.
        pub confxml: String,
        /// Why it does not start, or panics; empty when all is well.
        pub reason: String,
        /// The device that appears, without `/dev/`; absent when none does.
        pub device: Option<String>,
    }

    /// A file that is no component.
    pub struct OtherFile {
        /// The file.
        pub file: String,
        /// `not_virstor`, `empty`, `unreadable`, `unknown_version` or `nonsensical_record`.
        pub reason: String,
        /// A sentence.
        pub message: String,
    }
}

/// The numbers of missing components, as runs: a record may claim 65,535 of them, and there may be thousands of
/// such records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(Vec<RangeInclusive<u16>>);

impl Missing {
    /// The numbers of the components of `volume` that are not there. Takes memory for those that are.
    #[must_use]
    pub fn of(volume: &Volume) -> Self {
        let mut runs = Vec::new();
        let mut next = 0;
        for index in volume.components.keys() {
            if next < index.0 {
                runs.push(next..=index.0 - 1);
            }
            // The count has 16 bits, so the largest number is 65534.
            next = index.0 + 1;
        }
        if next < volume.component_count {
            runs.push(next..=volume.component_count - 1);
        }
        Self(runs)
    }

    /// The runs, ascending, with a number that is there between any two.
    #[must_use]
    pub fn runs(&self) -> &[RangeInclusive<u16>] {
        &self.0
    }
}

/// "1, 3-7": runs of numbers, at most a line of them.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LINE: usize = 12;
        for (index, run) in self.0.iter().take(LINE).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match (run.start(), run.end()) {
                (first, last) if first == last => write!(f, "{separator}{first}")?,
                (first, last) => write!(f, "{separator}{first}-{last}")?,
            }
        }
        if self.0.len() > LINE { f.write_str(", ...") } else { Ok(()) }
    }
}

/// An array of numbers, written one by one.
impl serde::Serialize for Missing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().cloned().flatten())
    }
}

impl Info {
    /// The document about `heap`; `chosen` picks the volumes that are shown.
    pub fn new<D: ReadAt + Clone>(heap: &Heap<D>, chosen: &[usize]) -> Self {
        let stranger = |(file, stranger): &(usize, _)| {
            let words = words::stranger(heap, stranger);
            let file = heap.files()[*file].label.clone();
            OtherFile { file, reason: words.code.into(), message: words.message }
        };
        Self {
            volumes: chosen.iter().map(|number| VolumeInfo::new(heap, *number)).collect(),
            other_files: heap.strangers().iter().map(stranger).collect(),
        }
    }
}

impl VolumeInfo {
    /// The volume with this number in `heap`.
    pub fn new<D: ReadAt + Clone>(heap: &Heap<D>, number: usize) -> Self {
        let (volume, report) = (&heap.volumes()[number], heap.map_report(number));
        let component = |(index, component): (&ComponentIndex, &Component)| {
            let used = report.used.get(index).copied().unwrap_or(0);
            ComponentInfo::new(heap, *index, component, used)
        };
        let problem = |problem| {
            let words = words::problem(heap, problem);
            let file = words.candidate.map(|candidate| heap.label_of(candidate).into());
            ProblemInfo { code: words.code.into(), message: words.message, file }
        };
        Self {
            name: volume.name.to_string(),
            id: volume.id,
            virtual_size: volume.size(),
            chunk_size: volume.chunk_size.bytes(),
            sector_size: volume.sector_size,
            component_count: volume.component_count,
            complete: volume.is_complete(),
            missing: Missing::of(volume),
            virtual_chunks: volume.virtual_chunks(),
            allocated_chunks: report.allocated,
            physical_chunks: volume
                .components
                .values()
                .map(|component| u64::from(component.record.chunk_count.get()))
                .sum(),
            map: MapInfo {
                byte_order: report.order.to_string(),
                entries: volume.map_entries(),
                bad_entries: report.bad,
                unreadable_entries: report.unreadable,
            },
            components: volume.components.iter().map(component).collect(),
            problems: volume.problems.iter().map(problem).collect(),
            kernel: KernelInfo::new(heap, volume),
        }
    }

    /// Whether anything of the map can be read; if not, which chunks are in use is unknown.
    #[must_use]
    pub fn has_map(&self) -> bool {
        self.map.entries > self.map.unreadable_entries
    }

    /// A number that only the map tells, as people are told it.
    #[must_use]
    pub fn if_mapped(&self, number: u64) -> String {
        if self.has_map() { number.to_string() } else { "unknown".into() }
    }

    /// Whether every byte of the volume can be had.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.complete
            && self.map.entries == self.virtual_chunks
            && self.map.bad_entries == 0
            && self.map.unreadable_entries == 0
    }
}

impl ComponentInfo {
    fn new<D: ReadAt + Clone>(
        heap: &Heap<D>,
        index: ComponentIndex,
        component: &Component,
        used_chunks: u64,
    ) -> Self {
        let (_, located) = &heap.located()[component.candidate];
        let record = &component.record;
        let hardcoded = record.hardcoded();
        let partition = match &located.place {
            virstor::locate::Place::Partition(name) => Some(name.clone()),
            _ => None,
        };
        Self {
            index: index.0,
            file: heap.label_of(component.candidate).into(),
            place: words::place_code(&located.place).into(),
            kernel_takes: taken(heap, component.candidate, partition.as_deref()),
            partition,
            offset: located.start,
            size: component.len,
            sector_size: component.sector_size,
            chunk_count: record.chunk_count.get(),
            chunk_next: record.chunk_next.get(),
            chunk_reserved: record.chunk_reserved.get(),
            used_chunks,
            flags: flags(record.component_flags()),
            hardcoded: (!hardcoded.is_empty()).then(|| hardcoded.to_string()),
        }
    }
}

/// Whether FreeBSD attached the provider that the candidate is.
fn taken<D: ReadAt + Clone>(heap: &Heap<D>, candidate: usize, partition: Option<&str>) -> bool {
    let (file, located) = &heap.located()[candidate];
    let shown = format!("{}{}", heap.files()[*file].label, partition.unwrap_or_default());
    let lies_there =
        matches!(located.place, virstor::locate::Place::Whole | virstor::locate::Place::Partition(_));
    let attached =
        |(_, name, outcome): &(_, String, _)| *name == shown && matches!(outcome, Outcome::Attached(_));
    lies_there && heap.outcomes_of(*file).iter().any(attached)
}

fn flags(flags: ComponentFlags) -> Vec<String> {
    let named = [(ComponentFlags::ALLOCATED, "allocated"), (ComponentFlags::CURRENT, "current")];
    let known = named.into_iter().filter(|(bit, _)| flags.contains(*bit)).map(|(_, name)| name.to_string());
    let unknown = (flags.unknown() != 0).then(|| format!("{:#06x}", flags.unknown()));
    known.chain(unknown).collect()
}

impl KernelInfo {
    fn new<D: ReadAt + Clone>(heap: &Heap<D>, volume: &Volume) -> Self {
        let kernel = heap.kernel();
        let name = kernel_name(volume);
        let geom = kernel.geom(&name, volume.id);
        let device = geom.filter(|geom| geom.up).map(|_| format!("virstor/{}", words::printable(&name)));
        if let Some(panic) = kernel.panic() {
            let culprit = &kernel.geoms()[panic.geom];
            let reason = format!("{}: {}", words::printable(&culprit.name), culprit.trouble);
            return Self { taste: "panics".into(), confxml: "panics".into(), reason, device: None };
        }
        let confxml_panic = geom.and_then(|geom| kernel.dumpconf_panic(geom));
        let confxml = if confxml_panic.is_some() { "panics" } else { "ok" }.into();
        match geom {
            Some(geom) if geom.up => {
                Self { taste: "starts".into(), confxml, reason: confxml_panic.unwrap_or_default(), device }
            }
            _ => Self { taste: "refuses".into(), confxml, reason: refusals(heap, volume, geom), device },
        }
    }
}

/// The name by which the class knows the volume. An unterminated one runs on into other fields.
fn kernel_name(volume: &Volume) -> Vec<u8> {
    let first = volume.components.values().min_by_key(|component| component.candidate);
    first.map_or_else(|| volume.name.bytes().to_vec(), |component| component.record.name_as_c_string())
}

/// Why the volume does not start: what the instance lacks, and what was refused.
fn refusals<D: ReadAt + Clone>(
    heap: &Heap<D>,
    volume: &Volume,
    geom: Option<&virstor::kernel::Geom>,
) -> String {
    let mut reasons: Vec<String> = Vec::new();
    if let Some(geom) = geom {
        if !geom.trouble.is_empty() {
            return geom.trouble.clone();
        }
        let missing = usize::from(geom.component_count) - geom.components.len();
        let all = counted(geom.component_count, "component");
        reasons.push(format!("{missing} of {all} {} missing", agreeing(missing as u64, "is", "are")));
    }
    let refused = heap.files_with(volume.name).flat_map(|file| heap.outcomes_of(file));
    reasons.extend(refused.filter_map(|(_, label, outcome)| words::refusal(label, outcome)));
    let hidden = volume.components.values().map(|component| &heap.located()[component.candidate]);
    reasons.extend(hidden.filter_map(|(file, located)| {
        use virstor::locate::Place::{Cut, Grown, Inside};
        let label = &heap.files()[*file].label;
        matches!(located.place, Cut | Grown | Inside)
            .then(|| format!("{label} holds a component where FreeBSD does not look"))
    }));
    reasons.dedup();
    reasons.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_numbers_are_listed_in_runs() {
        let shown = |runs: &[RangeInclusive<u16>]| Missing(runs.to_vec()).to_string();
        assert_eq!(shown(&[1..=1]), "1");
        assert_eq!(shown(&[1..=1, 3..=5, 9..=9]), "1, 3-5, 9");
        let odd: Vec<_> = (0..100).map(|number| number * 2..=number * 2).collect();
        assert!(shown(&odd).ends_with("22, ..."));
    }

    #[test]
    fn missing_numbers_are_an_array_to_scripts() {
        let missing = Missing(vec![0..=0, 2..=4]);
        assert_eq!(serde_json::to_string(&missing).expect("memory"), "[0,2,3,4]");
    }
}
