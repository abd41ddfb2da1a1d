//! Assemble: which of the components found belong together, and what does not fit.
//!
//! Volumes are told apart by name and id. As in the kernel, the first record decides the geometry
//! (`create_virstor_geom`) and the first component with a number has the place (`add_provider_to_geom`).
//! Unlike the kernel, nothing that disagrees is dropped in silence: it becomes a [`Problem`].

use alloc::vec::Vec;

use crate::format::{MAP_ENTRY_LEN, Name, Record, VERSION};
use crate::geometry::{ChunkSize, ComponentIndex, VirtualChunk};
use crate::locate::{Located, Place};
use crate::map::{ComponentBounds, MAX_ENTRIES};
use crate::ordered::{self, Map};
use crate::taste::{Objection, objection};

/// A component that was found, offered for assembly.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it is and what its record says.
    pub located: Located,
    /// The provider name FreeBSD would see it under; matters for hardcoded names.
    pub provider: Vec<u8>,
    /// Whether it goes first where several claim the same place, and decides the geometry.
    pub preferred: bool,
}

impl Candidate {
    fn record(&self) -> &Record {
        &self.located.tasted.record
    }

    fn objection(&self) -> Option<Objection> {
        objection(self.record(), self.located.len, &self.provider)
    }

    /// Whether the kernel would take it as it lies: whole, unchanged in size, under this name.
    fn is_regular(&self) -> bool {
        self.objection().is_none() && matches!(self.located.place, Place::Whole | Place::Partition(_))
    }
}

/// What a heap of components turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembly {
    /// The volumes, in the order in which their first component was offered.
    pub volumes: Vec<Volume>,
    /// Candidates (by index) that are not part of any volume.
    pub unfit: Vec<(usize, Unfit)>,
}

/// Why a record that was found cannot be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Its version is not 1; no other was ever made.
    Version(u32),
    /// It describes nothing: no components, no chunk size, or less than one chunk. The kernel calls it
    /// nonsensical.
    Nonsensical {
        /// `md_count`.
        count: u16,
        /// `md_chunk_size`, in bytes.
        chunk_size: u32,
        /// `md_virsize`, in bytes.
        virtual_size: u64,
    },
}

/// A volume, complete or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: Name,
    /// The number `label` drew for it.
    pub id: u32,
    /// `md_virsize` as recorded, in bytes; need not be a multiple of the chunk size.
    pub recorded_size: u64,
    /// Size of every chunk.
    pub chunk_size: ChunkSize,
    /// How many components it should have.
    pub component_count: u16,
    /// Sector size in bytes: component 0's, or that of the first found.
    pub sector_size: u32,
    /// The components that are there.
    pub components: Map<ComponentIndex, Component>,
    /// What does not fit, in the order of the candidates.
    pub problems: Vec<Problem>,
}

/// A component in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Index of the candidate it came from.
    pub candidate: usize,
    /// Its record.
    pub record: Record,
    /// Its length in bytes.
    pub len: u64,
    /// Its sector size in bytes.
    pub sector_size: u32,
}

/// Something that does not fit. Candidates are named by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A global field differs from the first record's.
    Disagrees {
        /// Whose record.
        candidate: usize,
        /// The kernel's name of the field.
        field: &'static str,
        /// What it says.
        value: u64,
        /// What the first record says.
        expected: u64,
    },
    /// Two candidates claim the same place; the first has it.
    Duplicate {
        /// The one left out.
        candidate: usize,
        /// The one in its place.
        kept: usize,
        /// The place.
        index: ComponentIndex,
    },
    /// A record's number is not below the component count.
    NumberOutOfRange {
        /// The one left out.
        candidate: usize,
        /// Its number.
        index: ComponentIndex,
        /// The count.
        count: u16,
    },
    /// A component has another size than its record says.
    SizeChanged {
        /// Which.
        candidate: usize,
        /// What the record says, in bytes.
        provsize: u64,
        /// What it has, in bytes.
        size: u64,
    },
    /// FreeBSD would not see the component where it lies.
    Hidden {
        /// Which.
        candidate: usize,
    },
    /// The record wants another provider name.
    HardcodedName {
        /// Which.
        candidate: usize,
    },
    /// Another volume, seen before, has the same name and another id: FreeBSD refuses this one.
    NameTaken {
        /// The id of the other.
        id: u32,
    },
    /// A component has another sector size than the first one.
    SectorSize {
        /// Which.
        candidate: usize,
        /// Its sector size in bytes.
        sector_size: u32,
    },
    /// The chunks of a component reach into its last sector or past its end.
    ChunksPastEnd {
        /// Which.
        candidate: usize,
        /// `chunk_count` of its record.
        chunk_count: u32,
        /// The most there is room for.
        room: u64,
    },
    /// The virtual size is not a multiple of the chunk size; the rest is cut off.
    RaggedSize,
    /// The map is longer than component 0, or than [`MAX_ENTRIES`].
    MapTooLong {
        /// Entries the volume needs.
        needed: u64,
        /// Entries that are there.
        available: u64,
    },
}

/// Sorts `candidates` into volumes.
#[must_use]
pub fn assemble(candidates: &[Candidate]) -> Assembly {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    // Preferred ones first, then those the kernel would take, so that a grown copy never displaces an
    // original. The sort is stable: otherwise the order given counts.
    ordered::sort_by_key(&mut order, |index| {
        (!candidates[*index].preferred, !candidates[*index].is_regular())
    });
    let mut assembly = Assembly { volumes: Vec::new(), unfit: Vec::new() };
    let mut known: Map<(Vec<u8>, u32), usize> = Map::default();
    for index in order {
        let candidate = &candidates[index];
        let record = candidate.record();
        if let Some(unfit) = unfit(record) {
            assembly.unfit.push((index, unfit));
            continue;
        }
        let key = (record.name().bytes().to_vec(), record.md_id.get());
        let position = *known.get_or_insert_with(key, || {
            assembly.volumes.push(Volume::new(candidate));
            assembly.volumes.len() - 1
        });
        assembly.volumes[position].add(index, candidate);
    }
    ordered::sort_by_key(&mut assembly.volumes, Volume::first_candidate);
    ordered::sort_by_key(&mut assembly.unfit, |(index, _)| *index);
    let mut names: Map<Vec<u8>, u32> = Map::default();
    for volume in &mut assembly.volumes {
        let name = volume.name.bytes().to_vec();
        match names.get(&name) {
            None => _ = names.insert(name, volume.id),
            Some(taken) => volume.problems.push(Problem::NameTaken { id: *taken }),
        }
    }
    for volume in &mut assembly.volumes {
        volume.judge_geometry();
    }
    assembly
}

fn unfit(record: &Record) -> Option<Unfit> {
    let (count, chunk_size) = (record.md_count.get(), record.md_chunk_size.get());
    let virtual_size = record.md_virsize.get();
    if record.md_version.get() != VERSION {
        Some(Unfit::Version(record.md_version.get()))
    } else if count < 1 || chunk_size < 1 || virtual_size < u64::from(chunk_size) {
        Some(Unfit::Nonsensical { count, chunk_size, virtual_size })
    } else {
        None
    }
}

impl Volume {
    fn new(candidate: &Candidate) -> Self {
        let record = candidate.record();
        Self {
            name: record.name(),
            id: record.md_id.get(),
            recorded_size: record.md_virsize.get(),
            chunk_size: ChunkSize::new(record.md_chunk_size.get()).expect("zero was found unfit"),
            component_count: record.md_count.get(),
            sector_size: candidate.located.tasted.sector_size,
            components: Map::default(),
            problems: Vec::new(),
        }
    }

    /// How many virtual chunks there are: one map entry each.
    #[must_use]
    pub fn virtual_chunks(&self) -> u64 {
        self.recorded_size / self.chunk_size.bytes()
    }

    /// Size of the virtual device in bytes: whole chunks only.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.virtual_chunks() * self.chunk_size.bytes()
    }

    /// Length of the map in bytes. Can exceed 64 bits only for records that describe no real volume.
    #[must_use]
    pub fn map_len(&self) -> u128 {
        u128::from(self.virtual_chunks()) * MAP_ENTRY_LEN as u128
    }

    /// How many entries of the map can be read: none without component 0.
    #[must_use]
    pub fn map_entries(&self) -> u64 {
        let room =
            self.components.get(&ComponentIndex(0)).map_or(0, |first| first.len / MAP_ENTRY_LEN as u64);
        self.virtual_chunks().min(room).min(MAX_ENTRIES)
    }

    /// Whether the entry of `at` lies behind the chunks that are reserved for the map: other chunks lie there, too.
    pub(crate) fn is_behind_reserve(&self, at: VirtualChunk) -> bool {
        at.0 >= self.reserve_len() / MAP_ENTRY_LEN as u64
    }

    /// How many bytes of component 0 are reserved for the map; none where it is missing.
    #[must_use]
    pub fn reserve_len(&self) -> u64 {
        let reserved = |first: &Component| u64::from(first.record.chunk_reserved.get());
        self.components.get(&ComponentIndex(0)).map_or(0, reserved) * self.chunk_size.bytes()
    }

    /// The numbers of the components that are not there.
    pub fn missing(&self) -> impl Iterator<Item = ComponentIndex> + '_ {
        (0..self.component_count).map(ComponentIndex).filter(|index| !self.components.contains_key(index))
    }

    /// Whether every component is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.components.len() == usize::from(self.component_count)
    }

    /// What map entries may name, by component.
    #[must_use]
    pub fn bounds(&self) -> Vec<Option<ComponentBounds>> {
        let bounds = |index| {
            self.components.get(&index).map(|component| ComponentBounds {
                reserved: u32::from(component.record.chunk_reserved.get()),
                chunk_count: component.record.chunk_count.get(),
            })
        };
        (0..self.component_count).map(ComponentIndex).map(bounds).collect()
    }

    /// The component that `candidate` became, if it did.
    #[must_use]
    pub fn index_of(&self, candidate: usize) -> Option<ComponentIndex> {
        self.components
            .iter()
            .find(|(_, component)| component.candidate == candidate)
            .map(|(index, _)| *index)
    }

    fn first_candidate(&self) -> usize {
        self.components.values().map(|component| component.candidate).min().unwrap_or(usize::MAX)
    }

    fn add(&mut self, number: usize, candidate: &Candidate) {
        let record = *candidate.record();
        let sector_size = candidate.located.tasted.sector_size;
        self.compare(number, &record);
        let index = ComponentIndex(record.no.get());
        if index.0 >= self.component_count {
            let count = self.component_count;
            self.problems.push(Problem::NumberOutOfRange { candidate: number, index, count });
            return;
        }
        if let Some(component) = self.components.get(&index) {
            let kept = component.candidate;
            self.problems.push(Problem::Duplicate { candidate: number, kept, index });
            return;
        }
        self.problems.extend(match candidate.objection() {
            Some(Objection::Size { provsize, size }) => {
                Some(Problem::SizeChanged { candidate: number, provsize, size })
            }
            Some(Objection::HardcodedName) => Some(Problem::HardcodedName { candidate: number }),
            Some(Objection::Version { .. }) => None,
            None => (!candidate.is_regular()).then_some(Problem::Hidden { candidate: number }),
        });
        if sector_size != self.sector_size {
            self.problems.push(Problem::SectorSize { candidate: number, sector_size });
        }
        let len = candidate.located.len;
        self.components.insert(index, Component { candidate: number, record, len, sector_size });
    }

    fn compare(&mut self, candidate: usize, record: &Record) {
        let fields = [
            ("md_virsize", record.md_virsize.get(), self.recorded_size),
            ("md_chunk_size", u64::from(record.md_chunk_size.get()), self.chunk_size.bytes()),
            ("md_count", u64::from(record.md_count.get()), u64::from(self.component_count)),
        ];
        let disagreeing = fields.into_iter().filter(|(_, value, expected)| value != expected);
        self.problems.extend(disagreeing.map(|(field, value, expected)| Problem::Disagrees {
            candidate,
            field,
            value,
            expected,
        }));
    }

    fn judge_geometry(&mut self) {
        if let Some(first) = self.components.get(&ComponentIndex(0)) {
            self.sector_size = first.sector_size;
        }
        for component in self.components.values() {
            let room =
                component.len.saturating_sub(u64::from(component.sector_size)) / self.chunk_size.bytes();
            let chunk_count = component.record.chunk_count.get();
            if u64::from(chunk_count) > room {
                let candidate = component.candidate;
                self.problems.push(Problem::ChunksPastEnd { candidate, chunk_count, room });
            }
        }
        if self.size() != self.recorded_size {
            self.problems.push(Problem::RaggedSize);
        }
        let (needed, available) = (self.virtual_chunks(), self.map_entries());
        if available < needed && self.components.contains_key(&ComponentIndex(0)) {
            self.problems.push(Problem::MapTooLong { needed, available });
        }
    }
}
