//! Check: everything that is wrong with a set, and every trap it holds for FreeBSD.
//!
//! Ten invariants hold on a set that FreeBSD's code can use without losing anything:
//!
//! ```text
//!  I1   each number below the count exactly once; name, id, sizes and count alike everywhere
//!  I2   magic, version, provsize and sector size are right, and a hardcoded name matches
//!  I3   chunk_count chunks lie before the last sector
//!  I4   no chunk has two owners, none is reserved, all exist
//!  I5   density: the used chunks of a component are reserved .. reserved + entries, without a hole
//!  I6   components below the current one are full, those above it empty
//!  I7   chunk_next on disk is reserved + entries
//!  I8   ALLOCATED on component 0 and those in use, CURRENT on the current one, no other flag
//!  I9   the reserve covers the map, the map has whole sectors, the size whole chunks
//!  I10  entries have flags 0 or 1, unallocated ones are zero, all are little-endian
//! ```
//!
//! The kernel counts entries instead of looking at them (`virstor_check_and_run`), so I4 and I5 together are
//! what keeps it from handing a chunk out twice.
//!
//! [`check`] reads the map once and the last sector of unclaimed disks, and writes nothing: it cannot. It
//! needs, beside a block of the map, at most one bit for each chunk the components have room for (and no more
//! than 512 bytes for each byte of the map that is not zero), 32 MiB where a large map is in disorder, some hundred
//! bytes for each component the record counts, and [`LISTED`] findings of each kind; the rest of a kind is counted.

mod about;
mod allocation;
mod code;
mod deep;
mod fault;
mod finding;
pub(crate) mod gaps;
pub(crate) mod map_pass;
pub(crate) mod ownership;
mod records;
pub(crate) mod sizes;
pub(crate) mod tally;
mod text;
pub(crate) mod unclaimed;
mod unreadable;
mod waiting;
mod weight;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::ControlFlow;

pub use self::code::Code;
pub(crate) use self::code::OF_ENTRIES;
pub use self::deep::{Hearers, Orphan, deep};
pub use self::fault::{Because, Fault, Numbering, Torn};
pub use self::finding::{Finding, Repair, Severity};
pub use self::text::Party;
use crate::assemble::{Assembly, Candidate, Problem, Volume};
use crate::change::naming::other_part;
use crate::format::ByteOrder;
use crate::geometry::ComponentIndex;
use crate::io::ReadAt;
use crate::locate::Place;
use crate::ordered::Map;

/// How many findings of a kind are listed.
pub const LISTED: usize = 100;

/// What is checked: one volume of an assembly, and what else lay on the heap.
#[derive(Debug)]
pub struct Subject<'a, D> {
    /// What was assembled from `candidates`.
    pub assembly: &'a Assembly,
    /// Which of its volumes.
    pub volume: usize,
    /// What was offered for assembly.
    pub candidates: &'a [Candidate],
    /// The disks of the volume's components, of the lengths the volume knows.
    pub disks: &'a BTreeMap<ComponentIndex, D>,
    /// Disks without a record: one of them may have lost it.
    pub unclaimed: &'a [D],
    /// Whether some disk was given of which nothing could be read, or not where its record would stand: it may be any that
    /// is missed.
    pub unread: bool,
}

impl<'a, D> Subject<'a, D> {
    fn volume(&self) -> &'a Volume {
        &self.assembly.volumes[self.volume]
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The findings: first about records, then about sizes, then about the map (in its order), then about
    /// allocation.
    pub findings: Vec<Finding>,
    /// How many more there are of each kind.
    pub unlisted: Map<Code, u64>,
    /// The byte order in which the map was judged.
    pub order: ByteOrder,
    /// Whether all of the map was judged.
    pub whole: bool,
    /// Whether nobody can tell which components the map means, how large a chunk is, or where the map ends; nothing can be
    /// mended then: what a repair takes for free may hold data.
    pub(crate) is_unclear: bool,
}

/// The short of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing above a notice.
    Clean,
    /// Something is wrong, or waits to go wrong, but FreeBSD starts the volume.
    Damaged,
    /// FreeBSD does not start it.
    Unusable,
}

impl Report {
    /// The short of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.findings.iter().map(Finding::severity).max() {
            None | Some(Severity::Notice) => Verdict::Clean,
            Some(Severity::Warning | Severity::Error) => Verdict::Damaged,
            Some(Severity::Fatal) => Verdict::Unusable,
        }
    }
}

/// Checks a volume. `progress` hears how many bytes of how many of the map are done and may stop the pass;
/// what follows from counting is then left out.
///
/// # Panics
///
/// When the assembly has no such volume or was not made from these candidates, or when the disk of component
/// 0 is shorter than the volume knows.
pub fn check<D: ReadAt>(
    subject: &Subject<'_, D>,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Report {
    let volume = subject.volume();
    let disk = subject.disks.get(&ComponentIndex(0));
    let last_sectors = unclaimed::last_sectors(volume, subject.unclaimed);
    let watch = if volume.is_complete() { Vec::new() } else { unclaimed::chunks(&last_sectors) };
    let mut of_map = Findings::default();
    let pass = map_pass::read_map(volume, disk, watch, &mut of_map, progress);

    let mut findings = Findings::default();
    unclaimed::lost_first(subject, &mut findings);
    let stale = records::judge(subject, &pass, &last_sectors, &mut findings);
    sizes::judge(volume, &pass, &mut findings);
    findings.append(of_map);
    unreadable::judge(volume, subject.disks, pass.order, &mut findings);
    // As long as components are called by two numbers, what the map names on each is not known.
    if pass.whole && disk.is_some() && !findings.has(Code::RemovedFromMiddle) {
        allocation::judge(volume, &pass, &stale, &mut findings);
    }
    let free = pass.tallies.iter().map(tally::Tally::free).sum();
    let mut report = findings.report(free, pass.order, pass.whole);
    temper(subject, &pass, &mut report.findings);
    let unclear = |finding: &Finding| is_unclear(volume, disk, &finding.fault);
    report.is_unclear = report.findings.iter().any(unclear);
    if is_cut(subject) || report.is_unclear {
        report.findings.iter_mut().for_each(|finding| finding.repair = Repair::None);
    } else if is_mixed(&pass) {
        let others = report.findings.iter_mut().filter(|finding| finding.code() != Code::MapBigEndian);
        others.for_each(|finding| finding.repair = Repair::None);
    }
    report
}

/// Takes back what single findings promise where others stand in their way.
fn temper<D>(subject: &Subject<'_, D>, pass: &map_pass::MapPass, findings: &mut [Finding]) {
    let volume = subject.volume();
    // Chunks are brought in order only once every entry names one of its own.
    let is_in_the_way = |code| {
        use Code::{ChunkShared, EntryInReserve, EntryInsideMap, EntryPastEnd, LastChunkOverlaps};
        [ChunkShared, EntryInReserve, EntryInsideMap, EntryPastEnd, LastChunkOverlaps].contains(&code)
    };
    let worst = findings.iter().filter(|finding| is_in_the_way(finding.code())).map(|finding| finding.repair);
    let worst = worst.max().unwrap_or(Repair::Safe);
    let lowest = pass.tallies.first().and_then(|first| first.owned.owned_from(0));
    let rounds = pass.whole && sizes::can_be_rounded(volume, lowest);
    // What is gone and empty is left out of the volume only when nothing is waited for beside it.
    let awaited = findings.iter().any(|finding| match &finding.fault {
        Fault::ComponentMissing { .. } => finding.repair == Repair::None,
        fault => fault.explains().is_some() && finding.repair == Repair::None,
    });
    let strays = findings.iter().any(|finding| finding.fault.is_far_beyond_count());
    let stays = awaited || strays || subject.unread || !gaps::can_be_closed(volume);
    // What is behind the reserve may be the data of a chunk that lies in the map.
    let contested = pass.tallies.first().is_some_and(|first| first.inside_map > 0);
    let is_behind = |fault: &Fault| fault.virtual_chunk().is_some_and(|at| volume.is_behind_reserve(at));
    let is_of_first = |fault: &Fault| fault.component() == Some(ComponentIndex(0));
    for finding in findings {
        finding.repair = match finding.code() {
            Code::MapBigEndian if contested && volume.map_len() > volume.reserve_len().into() => Repair::None,
            code if contested && OF_ENTRIES.contains(&code) && is_behind(&finding.fault) => {
                finding.repair.max(Repair::Lossy)
            }
            Code::ComponentMissing if stays => Repair::None,
            Code::AllocationPastEnd | Code::AllocationOutOfOrder => finding.repair.max(worst),
            Code::ChunkReuseAhead | Code::ChunkHole if contested && is_of_first(&finding.fault) => {
                finding.repair.max(worst)
            }
            Code::VirtualSizeRagged | Code::MapNotWholeSectors if !rounds => Repair::None,
            _ => finding.repair,
        };
    }
}

/// Whether it leaves open which components the map means, how large a chunk is, or where the map ends.
fn is_unclear<D: ReadAt>(volume: &Volume, first: Option<&D>, fault: &Fault) -> bool {
    match *fault {
        Fault::RemovedFromMiddle { numbering: Numbering::Unclear, .. }
        | Fault::RecordsDisagree { field: "md_chunk_size", outvoted: false, .. } => true,
        Fault::RecordsDisagree { field: "md_virsize", value, outvoted: false, .. } => {
            first.is_some_and(|first| sizes::goes_on(volume, first, value))
        }
        _ => false,
    }
}

/// Whether a file of the volume, or of what a torn renaming made of it, ends within its last sector. It has no place for
/// a record then, and a set is repaired as a whole.
fn is_cut<D>(subject: &Subject<'_, D>) -> bool {
    let volumes = &subject.assembly.volumes;
    let parts = [Some(subject.volume), other_part(volumes, subject.volume)];
    let placed = parts.into_iter().flatten().flat_map(|part| volumes[part].components.values());
    let beyond = volumes[subject.volume].problems.iter().filter_map(|problem| match problem {
        Problem::NumberOutOfRange { candidate, .. } => Some(*candidate),
        _ => None,
    });
    let mut members = placed.map(|component| component.candidate).chain(beyond);
    members.any(|candidate| subject.candidates[candidate].located.place == Place::Cut)
}

/// Whether some entries of the map make sense in the other byte order only, as when converting it was cut off: what
/// else the map says cannot be judged before that is finished, on request.
fn is_mixed(pass: &map_pass::MapPass) -> bool {
    pass.plausible_swapped > 0
}

/// Findings about records that make no component and belong to none of the volumes.
#[must_use]
pub fn check_strays(assembly: &Assembly, candidates: &[Candidate]) -> Report {
    let mut findings = Findings::default();
    for (candidate, unfit) in &assembly.unfit {
        let record = &candidates[*candidate].located.tasted.record;
        if !assembly.volumes.iter().any(|volume| records::belongs(volume, record)) {
            findings.push(records::unfit(*candidate, *unfit, record, false));
        }
    }
    findings.report(0, ByteOrder::Little, true)
}

/// Findings as they come up: a bounded number of each kind, and how many there were.
#[derive(Debug, Clone, Default)]
struct Findings {
    faults: Vec<Fault>,
    /// In the order in which the kinds came up.
    counts: Vec<(Code, Count)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    listed: usize,
    unlisted: u64,
}

impl Findings {
    fn push(&mut self, fault: Fault) {
        let count = self.count_of(fault.code());
        if count.listed < LISTED {
            count.listed += 1;
            self.faults.push(fault);
        } else {
            count.unlisted += 1;
        }
    }

    /// Counts more of a kind without saying which.
    fn count(&mut self, code: Code, more: u64) {
        self.count_of(code).unlisted += more;
    }

    /// There are a few dozen kinds: they are looked through.
    fn count_of(&mut self, code: Code) -> &mut Count {
        let known = self.counts.iter().position(|(other, _)| *other == code);
        let place = known.unwrap_or(self.counts.len());
        if known.is_none() {
            self.counts.push((code, Count::default()));
        }
        &mut self.counts[place].1
    }

    fn has(&self, code: Code) -> bool {
        self.counts.iter().any(|(other, _)| *other == code)
    }

    /// Takes over findings of other kinds than those already here.
    fn append(&mut self, mut other: Self) {
        self.faults.append(&mut other.faults);
        self.counts.append(&mut other.counts);
    }

    fn report(self, free: u64, order: ByteOrder, whole: bool) -> Report {
        // Each takes its free chunk from those behind it.
        let mut free = free;
        let finding = |fault: Fault| {
            let repair = fault.repair(free);
            free = free.saturating_sub(u64::from(fault.takes_chunk()));
            Finding { repair, fault }
        };
        let unlisted = self.counts.iter().map(|(code, count)| (*code, count.unlisted));
        Report {
            unlisted: unlisted.filter(|(_, count)| *count > 0).collect(),
            findings: self.faults.into_iter().map(finding).collect(),
            order,
            whole,
            is_unclear: false,
        }
    }
}
