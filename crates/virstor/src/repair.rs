//! Repair: from findings to steps, each with the findings it answers and the patches that do it.
//!
//! A set is repaired in stages, and each stage wants the one before it done and the set looked at anew: who is
//! who and how large (`records`), then what the entries of the map name (`entries`), then where the chunks lie
//! (`settle`), then what the records say about allocation (`upkeep`). [`next`] gives the steps of the first stage
//! that has something to do. Whoever drives it does them to an [`Overlay`], looks at
//! the result, and asks again, until nothing comes: then it is known what the check and FreeBSD will say
//! before a byte was written.
//!
//! Nothing is decided by chance or by the order of time: the same set gives the same steps.
//!
//! What is not asked for is left: a finding that gives something up unless [`Options::lossy`], a map of the other
//! byte order unless [`Options::convert_endian`].

mod endian;
mod entries;
mod numbers;
mod records;
mod settle;
mod survey;
mod text;
mod upkeep;

use alloc::vec::Vec;

pub use self::settle::{ChunkMove, Fill, add_moves, settle};
use self::survey::Survey;
pub use self::text::{Namer, fields};
use crate::assemble::{Problem, Volume};
use crate::check::{Code, Report, Subject};
use crate::edit::{EditError, Edits};
use crate::format::{ByteOrder, MapEntry, Record};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::ordered::{Map, Set};
use crate::overlay::{Overlay, OverlayDisk};
use crate::patch::Patch;

/// What may be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether something may be given up for good.
    pub lossy: bool,
    /// Whether a big-endian map is made little-endian.
    pub convert_endian: bool,
    /// Only what answers one of these; all when absent.
    pub only: Option<Set<Code>>,
}

impl Options {
    fn wants(&self, code: Code) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&code))
    }
}

/// A set as it was looked at.
#[derive(Debug)]
pub struct Scene<'a, D> {
    /// What was checked.
    pub subject: &'a Subject<'a, D>,
    /// What was found.
    pub report: &'a Report,
    /// The disks that may be written to, in the order in which patches name them, at most 65536. They have whole
    /// sectors and begin where the component does; one that has grown reaches to its new end.
    pub seats: &'a [Seat<D>],
}

/// A disk that a repair may write to.
#[derive(Debug, Clone)]
pub struct Seat<D> {
    /// What it is so far.
    pub who: Who,
    /// Its bytes.
    pub disk: D,
}

/// What a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A candidate, by its number; it need not be part of the volume.
    Candidate(usize),
    /// A disk without a record, by its number.
    Unclaimed(usize),
}

/// One step of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The findings it answers, in the order of [`Code`].
    pub codes: Set<Code>,
    /// What it does.
    pub action: Action,
    /// What it gives up, if anything.
    pub loss: Option<Loss>,
    /// The patches. They name disks by their place among the seats.
    pub patches: Vec<Patch>,
}

/// What a step does. Disks are named by their place among the seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes records, in the order of the seats.
    Records(Vec<RecordChange>),
    /// Zeroes a record that stands where the component ended before it grew.
    ClearOldRecord {
        /// Whose.
        seat: usize,
        /// Where it stands.
        offset: u64,
    },
    /// Changes entries of the map without moving data.
    Entries {
        /// In what way.
        way: EntryChange,
        /// How many.
        count: u64,
        /// The first of them: where, what it was, what it becomes.
        first: (VirtualChunk, MapEntry, MapEntry),
    },
    /// Copies chunks that lie where none may, or that two virtual chunks share, to free ones.
    Copy {
        /// Why they cannot stay alone.
        why: Misplaced,
        /// How many.
        count: u64,
        /// The first of them: the virtual chunk, what its entry was, what it becomes.
        first: (VirtualChunk, MapEntry, MapEntry),
    },
    /// Moves the chunks that lie highest into the holes below, so that the components are filled in order and
    /// without a hole.
    Settle {
        /// How many chunks.
        count: u64,
        /// The first of them: the virtual chunk, what its entry was, what it becomes.
        first: (VirtualChunk, MapEntry, MapEntry),
    },
    /// Makes the whole map little-endian.
    ConvertMap {
        /// How many entries.
        count: u64,
    },
}

/// A record that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordChange {
    /// On which disk.
    pub seat: usize,
    /// Where its sector starts.
    pub offset: u64,
    /// The record the disk had, wherever it stood; none when there was none.
    pub before: Option<Record>,
    /// The record it gets.
    pub after: Record,
}

/// How an entry changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryChange {
    /// Its flags become 1.
    Flags,
    /// It was not allocated and becomes all zero.
    Unallocated,
    /// It names nothing that can be, and becomes unallocated.
    GiveUp,
}

/// Why a chunk has to get another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaced {
    /// It belongs to another virtual chunk, too.
    Shared,
    /// It is reserved.
    InReserve,
    /// The map lies in it.
    InsideMap,
    /// It reaches into the record.
    OverRecord,
    /// It starts behind the last chunk.
    BehindLast,
}

/// What a step gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Virtual chunks whose entries name nothing that can be read: they become holes.
    Entries {
        /// How many.
        count: u64,
        /// The first.
        first: VirtualChunk,
    },
    /// Virtual chunks that can be read in part and for which there is no room.
    NoRoom {
        /// How many.
        count: u64,
        /// The first.
        first: VirtualChunk,
    },
    /// The end of chunks that reached behind the end of their disk.
    Tails {
        /// How many.
        count: u64,
        /// The first.
        first: VirtualChunk,
    },
    /// What lies in chunks that were handed out and that no entry names: whom they belonged to is not known.
    Orphans {
        /// How many chunks.
        chunks: u64,
    },
    /// Components on which no data lies, should they turn up again.
    Components {
        /// How many.
        count: u16,
        /// The first.
        first: ComponentIndex,
    },
    /// Certainty: that a disk is this component follows from nothing but that no other is left. If it is another's its
    /// last sector is lost.
    Certainty(ComponentIndex),
}

/// Why no steps can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairError {
    /// A disk cannot be read: which seat, and why.
    Disk {
        /// The seat.
        seat: usize,
        /// What the driver said.
        error: IoError,
    },
    /// The map changed while it was looked at.
    Changed {
        /// The entry.
        at: VirtualChunk,
    },
}

/// The steps that come next, in their order; none when nothing is left that may be done.
///
/// # Errors
///
/// [`RepairError`] when a disk cannot be read or changes meanwhile.
///
/// # Panics
///
/// When the scene does not fit together: the report is not of the subject, or a seat names no candidate, or
/// there are more seats than patches can name.
pub fn next<D: ReadAt + Clone>(scene: &Scene<'_, D>, options: &Options) -> Result<Vec<Step>, RepairError> {
    let mut stage = Stage::new(scene, options);
    if stage.lacks_seats() || scene.report.is_unclear {
        return Ok(Vec::new());
    }
    type Part<D> = fn(&mut Stage<'_, D>) -> Result<(), RepairError>;
    let parts: [Part<D>; 5] = [records::plan, endian::plan, entries::plan, settle::plan, upkeep::plan];
    for (number, part) in parts.into_iter().enumerate() {
        part(&mut stage)?;
        // As long as some entries are in the other byte order nobody knows which chunks are in use.
        let done = || number == 1 && stage.survey().is_some_and(|survey| survey.swapped > 0);
        // Nor whose they are, as long as the map calls components by two numbers.
        let two_numbers = || stage.report_has(Code::RemovedFromMiddle);
        if !stage.steps.is_empty() || done() || two_numbers() {
            break;
        }
    }
    Ok(stage.steps)
}

/// What the stages work on: the scene, and the steps made so far with the disks as these leave them.
struct Stage<'a, D> {
    scene: &'a Scene<'a, D>,
    options: &'a Options,
    volume: &'a Volume,
    seats: Map<Who, usize>,
    overlay: Overlay<D>,
    steps: Vec<Step>,
}

impl<'a, D: ReadAt + Clone> Stage<'a, D> {
    fn new(scene: &'a Scene<'a, D>, options: &'a Options) -> Self {
        let volume = &scene.subject.assembly.volumes[scene.subject.volume];
        let disks = scene.seats.iter().map(|seat| seat.disk.clone()).collect();
        let seats = scene.seats.iter().enumerate().map(|(number, seat)| (seat.who, number)).collect();
        Self { scene, options, volume, seats, overlay: Overlay::new(disks), steps: Vec::new() }
    }

    /// Whether there is a finding of this kind that may be answered.
    fn answers(&self, code: Code) -> bool {
        self.options.wants(code)
            && (self.scene.report.findings.iter().any(|finding| finding.code() == code)
                || self.scene.report.unlisted.contains_key(&code))
    }

    fn report_has(&self, code: Code) -> bool {
        self.scene.report.findings.iter().any(|finding| finding.code() == code)
    }

    fn seat_of(&self, who: Who) -> Option<usize> {
        self.seats.get(&who).copied()
    }

    /// Where the record of the disk in a seat stands: in its last sector.
    fn record_offset(&self, seat: usize) -> u64 {
        let Seat { who, disk } = &self.scene.seats[seat];
        let sector_size = match who {
            Who::Candidate(candidate) => self.scene.subject.candidates[*candidate].located.tasted.sector_size,
            Who::Unclaimed(_) => self.volume.sector_size,
        };
        disk.size().saturating_sub(u64::from(sector_size))
    }

    /// Whether a record of the volume cannot be written: what all of them say together cannot be changed then.
    fn lacks_seats(&self) -> bool {
        let placed = self.volume.components.values().map(|component| component.candidate);
        let beyond = self.volume.problems.iter().filter_map(|problem| match problem {
            Problem::NumberOutOfRange { candidate, .. } => Some(*candidate),
            _ => None,
        });
        placed.chain(beyond).any(|candidate| self.seat_of(Who::Candidate(candidate)).is_none())
    }

    /// The seat of a component of the volume.
    fn seat(&self, index: ComponentIndex) -> Option<usize> {
        let component = self.volume.components.get(&index)?;
        self.seat_of(Who::Candidate(component.candidate))
    }

    /// The disk with component 0 on it, as the steps so far leave it, where all of the map can be read.
    fn map_disk(&self) -> Option<OverlayDisk<D>> {
        let seat = self.seat(ComponentIndex(0)).filter(|_| self.scene.report.whole)?;
        Some(self.overlay.disk(seat))
    }

    /// What the map says, where it is there.
    fn survey(&self) -> Option<Survey> {
        let disk = self.map_disk()?;
        Survey::new(self.volume, &disk, self.order(), &|index| self.seat(index).is_some())
    }

    fn order(&self) -> ByteOrder {
        self.scene.report.order
    }

    /// Edits that name disks by seat.
    fn edits(&self) -> Edits {
        let map_disk = self.seat(ComponentIndex(0)).map_or(ComponentIndex(0), seat_number);
        Edits { map_disk, ..Edits::default() }
    }

    /// Makes a step of `edits`, if these change anything.
    fn step(
        &mut self,
        codes: impl IntoIterator<Item = Code>,
        action: Action,
        loss: Option<Loss>,
        edits: &Edits,
    ) -> Result<(), RepairError> {
        let first = self.seat(ComponentIndex(0));
        let patches = match first {
            // The map's last sector may hold the beginning of a chunk that was copied there just before.
            Some(seat) => {
                let mut copied = self.overlay.clone();
                copied.apply(&edits.data_patches(), |seat| (seat.as_usize(), 0));
                edits.patches(&copied.disk(seat), self.volume.sector_size)
            }
            None => edits.patches(&Vec::new(), self.volume.sector_size),
        };
        let patches = patches.map_err(|error| match error {
            EditError::Changed { at, .. } => RepairError::Changed { at },
            EditError::Io(error) => RepairError::Disk { seat: first.unwrap_or(0), error },
        })?;
        if patches.is_empty() {
            return Ok(());
        }
        self.overlay.apply(&patches, |seat| (seat.as_usize(), 0));
        let codes = codes.into_iter().collect();
        self.steps.push(Step { codes, action, loss, patches });
        Ok(())
    }
}

/// A seat as patches name it.
fn seat_number(seat: usize) -> ComponentIndex {
    ComponentIndex(u16::try_from(seat).expect("whoever makes the scene takes care of that"))
}

/// Changes that pile up: how many, and the first.
#[derive(Debug, Default)]
struct Changes {
    count: u64,
    first: Option<(VirtualChunk, MapEntry, MapEntry)>,
}

impl Changes {
    fn push(&mut self, at: VirtualChunk, before: MapEntry, after: MapEntry) {
        self.count += 1;
        self.first.get_or_insert((at, before, after));
    }
}

/// An entry that names nothing.
const NO_ENTRY: MapEntry = MapEntry { flags: 0, component: ComponentIndex(0), chunk: PhysicalChunk(0) };

/// So many entries at most are changed by the steps of one stage. The rest comes when it is asked again; it bounds
/// memory.
const MOST_CHANGES: usize = 1 << 20;
