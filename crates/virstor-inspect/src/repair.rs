//! Repair of a volume in a heap: stage by stage on an overlay, until the check and FreeBSD have nothing left to
//! say, or nothing more may be done. No file is written to.
//!
//! No stage is in a plan before it is proven that it loses nothing: see `proof`.

mod proof;

use std::ops::Range;

use virstor::assemble::Volume;
use virstor::change::naming::other_part;
use virstor::check::{Code, Finding, Repair, Report, Subject};
use virstor::format::{MAP_ENTRY_LEN, Name};
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::locate::{Located, Place};
use virstor::ordered::Map;
use virstor::overlay::{Overlay, OverlayDisk};
use virstor::patch::Patch;
use virstor::repair::{Options, RepairError, Scene, Seat, Step, Who, next};

pub use self::proof::{Declined, Fate};
use self::proof::{Moment, first_loss};
use crate::heap::{ComponentDisk, Heap, InputFile, Progress, Unclaimed};

/// What is to be done to disks `D`, and what comes of it.
pub type Plan<D> = PlanOn<OverlayDisk<D>>;

/// A plan whose outcome is looked at through disks of type `W`.
#[derive(Debug)]
pub struct PlanOn<W> {
    /// The volume's name.
    pub name: Name,
    /// Its id.
    pub id: u32,
    /// The disks, in the order in which patches name them: those of the volume and those that are changed.
    pub disks: Vec<PlanDisk>,
    /// The steps, in their order. A step's patches end in a barrier.
    pub steps: Vec<PlannedStep>,
    /// What the check says before.
    pub before: Report,
    /// The heap as it will be.
    pub after: Heap<W>,
    /// Which of its volumes it is.
    pub after_volume: usize,
    /// What the check will say.
    pub after_report: Report,
    /// The stage at which planning ended because it would lose something that is not to be given up.
    pub declined: Option<Declined>,
}

/// A disk of a plan: a part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDisk {
    /// The number of the file in the heap.
    pub file: usize,
    /// Its first byte in the file.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
    /// The ranges on which the plan rests: the map, and the last sector.
    pub guarded: Vec<Range<u64>>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// The step; its patches name the disks of the plan.
    pub step: Step,
    /// What it does, in words.
    pub does: String,
    /// For each patch that carries bytes, what stands there before it.
    pub replaced: Vec<Option<Vec<u8>>>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// A file cannot be read.
    File {
        /// Its label.
        label: String,
        /// What the driver said, of the file.
        error: IoError,
    },
    /// The map changed while it was looked at.
    Changed,
    /// The stages do not come to an end; the steps so far make no plan.
    Endless,
    /// The steps so far would leave no volume; they make no plan.
    Vanishes,
}

/// Stages come to an end long before: each has an effect that another does not take back, and only sets with more
/// findings of a kind than are listed need some of them again.
const MOST_STAGES: usize = 1000;

/// Plans the repair of volume `volume` of `heap`, which was looked at with `look`.
///
/// # Errors
///
/// [`PlanError`] when a file cannot be read or changes meanwhile.
pub fn plan<D: ReadAt + Clone>(
    heap: &Heap<D>,
    volume: usize,
    look: crate::Options,
    options: &Options,
    progress: &mut Progress<'_>,
) -> Result<Plan<D>, PlanError> {
    plan_on(heap, volume, look, options, progress)
}

/// As [`plan`], for callers that hide both their disks and the overlay behind one type: the code that looks at a heap
/// is there once then, which in a browser is a quarter of all there is to load.
///
/// # Errors
///
/// As [`plan`].
pub fn plan_on<D: ReadAt + Clone, W: ReadAt + Clone + From<OverlayDisk<D>>>(
    heap: &Heap<D>,
    volume: usize,
    look: crate::Options,
    options: &Options,
    progress: &mut Progress<'_>,
) -> Result<PlanOn<W>, PlanError> {
    let mut planner = Planner::new(heap);
    let before = heap.check(volume, progress);
    planner.members(heap, volume);
    let (name, id) = (heap.volumes()[volume].name, heap.volumes()[volume].id);
    let mut proven = planner.proven();
    planner.stage(heap, volume, &before, options)?;
    let mut stage = 0..planner.steps.len();
    // The volume as far as the plan is proven; none as long as that is how it was found.
    let mut base: Option<Looked<W>> = None;
    let loss = |planner: &Planner<D>, proven: &_, base: &Option<Looked<W>>, now: &_| match base {
        None => planner.loss(proven, (heap, volume), now),
        Some(base) => planner.loss(proven, (&base.heap, base.volume), now),
    };
    for _ in 0..MOST_STAGES {
        let now = planner.look(heap, look, (name, id), progress)?;
        // A component whose number the count does not know can be read again once the numbers are closed up.
        let moves = is_moving(&now.report);
        let mut declined = if moves { None } else { loss(&planner, &proven, &base, &now) };
        if declined.is_none() {
            planner.members(&now.heap, now.volume);
            let here = planner.proven();
            if !stage.is_empty() {
                planner.stage(&now.heap, now.volume, &now.report, options)?;
            }
            let next = here.steps..planner.steps.len();
            if next.is_empty() && moves {
                declined = loss(&planner, &proven, &base, &now);
            }
            if declined.is_none() {
                if next.is_empty() {
                    return Ok(planner.end(before, now, (name, id), None));
                }
                // The same once more, on the same bytes: the stage before had no effect.
                if planner.steps[stage] == planner.steps[next.clone()] {
                    return Err(PlanError::Endless);
                }
                stage = next;
                if !moves {
                    (proven, base) = (here, Some(now));
                }
                continue;
            }
        }
        planner.roll_back(proven);
        let end = match base {
            None => planner.look(heap, look, (name, id), progress)?,
            Some(base) => base,
        };
        return Ok(planner.end(before, end, (name, id), declined));
    }
    Err(PlanError::Endless)
}

/// Whether components get other numbers, and have not all got them.
fn is_moving(report: &Report) -> bool {
    let moves =
        |finding: &Finding| finding.code() == Code::RemovedFromMiddle && finding.repair == Repair::Safe;
    report.findings.iter().any(moves)
}

/// The volume as it is looked at between two stages.
struct Looked<W> {
    heap: Heap<W>,
    volume: usize,
    report: Report,
}

/// A plan as far as it is proven.
struct Proven<D> {
    overlay: Overlay<D>,
    disks: Vec<PlanDisk>,
    by_place: Map<(usize, u64), usize>,
    /// How many steps.
    steps: usize,
}

struct Planner<D> {
    overlay: Overlay<D>,
    /// Which disk of the overlay a file is; files that cannot be read are none.
    numbers: Vec<Option<usize>>,
    disks: Vec<PlanDisk>,
    by_place: Map<(usize, u64), usize>,
    steps: Vec<PlannedStep>,
}

/// A disk that a stage may write to: where it is, and what.
struct Placed<D> {
    file: usize,
    start: u64,
    seat: Seat<ComponentDisk<D>>,
}

impl<D: ReadAt + Clone> Planner<D> {
    fn new(heap: &Heap<D>) -> Self {
        let mut disks = Vec::new();
        let number = |file: &InputFile<D>| {
            let disk = file.disk.as_ref().ok()?;
            disks.push(disk.clone());
            Some(disks.len() - 1)
        };
        let numbers = heap.files().iter().map(number).collect();
        let (by_place, steps) = (Map::default(), Vec::new());
        Self { overlay: Overlay::new(disks), numbers, disks: Vec::new(), by_place, steps }
    }

    /// The volume as it will be.
    fn look<W: ReadAt + Clone + From<OverlayDisk<D>>>(
        &self,
        heap: &Heap<D>,
        look: crate::Options,
        identity: (Name, u32),
        progress: &mut Progress<'_>,
    ) -> Result<Looked<W>, PlanError> {
        let heap: Heap<W> = Heap::look(self.files(heap), look, progress);
        let volume = self.find_volume(&heap, identity).ok_or(PlanError::Vanishes)?;
        let report = heap.check(volume, progress);
        Ok(Looked { heap, volume, report })
    }

    /// The plan, which ends in what was looked at last.
    fn end<W>(
        self,
        before: Report,
        end: Looked<W>,
        (name, id): (Name, u32),
        declined: Option<Declined>,
    ) -> PlanOn<W> {
        let Self { disks, steps, .. } = self;
        let Looked { heap: after, volume: after_volume, report: after_report } = end;
        PlanOn { name, id, disks, steps, before, after, after_volume, after_report, declined }
    }

    /// What there is to go back to.
    fn proven(&self) -> Proven<D> {
        let Self { overlay, disks, by_place, steps, .. } = self;
        Proven {
            overlay: overlay.clone(),
            disks: disks.clone(),
            by_place: by_place.clone(),
            steps: steps.len(),
        }
    }

    /// Takes the steps out again that are not proven.
    fn roll_back(&mut self, proven: Proven<D>) {
        (self.overlay, self.disks, self.by_place) = (proven.overlay, proven.disks, proven.by_place);
        self.steps.truncate(proven.steps);
    }

    /// What the steps that are not proven would lose of a volume that they make what it is `now`, or of another that
    /// they touch or join with it.
    fn loss<X: ReadAt + Clone, W: ReadAt + Clone>(
        &self,
        proven: &Proven<D>,
        (heap, volume): (&Heap<X>, usize),
        now: &Looked<W>,
    ) -> Option<Declined> {
        let planned = self.steps.get(proven.steps..).filter(|planned| !planned.is_empty())?;
        let steps: Vec<&Step> = planned.iter().map(|planned| &planned.step).collect();
        let loss = |number: usize| {
            let becomes = if number == volume { now.volume } else { successor(heap, number, &now.heap) };
            let before = Moment { heap, volume: number, overlay: &proven.overlay };
            let after = Moment { heap: &now.heap, volume: becomes, overlay: &self.overlay };
            let stays = number != volume && is_same(&before, &after) && !self.touches(&before, &steps);
            // What is given up is the repaired volume's.
            let steps = if becomes == now.volume { &steps[..] } else { &[] };
            if stays { None } else { first_loss(&before, &after, steps, &self.numbers) }
        };
        let others = (0..heap.volumes().len()).filter(|other| *other != volume);
        let (at, fate) = [volume].into_iter().chain(others).find_map(loss)?;
        let codes = steps.iter().flat_map(|step| step.codes.iter().copied()).collect();
        let does = planned.iter().map(|planned| planned.does.clone()).collect();
        Some(Declined { codes, does, at, fate })
    }

    /// Whether `steps` write to where a volume has a component.
    fn touches<X: ReadAt + Clone, B>(&self, volume: &Moment<'_, X, B>, steps: &[&Step]) -> bool {
        let targets = steps.iter().flat_map(|step| &step.patches).filter_map(Patch::target);
        targets.into_iter().any(|target| {
            let PlanDisk { file, start, .. } = self.disks[target.component.as_usize()];
            let (first, end) = (start + target.range.start, start + target.range.end);
            let hit = |located: &Located| first < located.start + located.len && located.start < end;
            volume.places().any(|(other, located)| *other == file && hit(located))
        })
    }

    /// The files as they will be.
    fn files<W: From<OverlayDisk<D>>>(&self, heap: &Heap<D>) -> Vec<InputFile<W>> {
        let file = |(file, number): (&InputFile<D>, &Option<usize>)| InputFile {
            label: file.label.clone(),
            provider: file.provider.clone(),
            disk: match (number, &file.disk) {
                (Some(number), _) => Ok(self.overlay.disk(*number).into()),
                (None, Err(reason)) => Err(reason.clone()),
                (None, Ok(_)) => unreachable!("a file that can be read has a number"),
            },
            sector_size: file.sector_size,
            preferred: file.preferred,
        };
        heap.files().iter().zip(&self.numbers).map(file).collect()
    }

    /// The volume that lies where the one that is repaired does: its name may have changed. `None` when there is none.
    fn find_volume<W: ReadAt + Clone>(&self, heap: &Heap<W>, identity: (Name, u32)) -> Option<usize> {
        let here = |candidate: usize| {
            let (file, located) = &heap.located()[candidate];
            self.by_place.contains_key(&(*file, located.start))
        };
        let known = |volume: &Volume| {
            volume.components.values().filter(|component| here(component.candidate)).count()
        };
        // Of a volume that has no component in its place only the name is known.
        let likeness = |volume: &Volume| (known(volume), (volume.name, volume.id) == identity);
        let most = heap.volumes().iter().map(likeness).max();
        heap.volumes().iter().position(|volume| Some(likeness(volume)) == most)
    }

    /// Takes the components of a volume among the disks, with what the decisions rest on.
    fn members<X: ReadAt + Clone>(&mut self, heap: &Heap<X>, number: usize) {
        let volume = &heap.volumes()[number];
        for (index, component) in &volume.components {
            let (file, located) = &heap.located()[component.candidate];
            let disk = self.disk(*file, located.start, located.len);
            let sector = u64::from(component.sector_size);
            let record = located.tasted.offset..(located.tasted.offset + sector).min(located.len);
            let map = (index.0 == 0).then(|| 0..volume.map_entries() * MAP_ENTRY_LEN as u64);
            let guarded = [record].into_iter().chain(map).collect();
            let disk = &mut self.disks[disk];
            if disk.guarded.is_empty() {
                disk.guarded = guarded;
            }
        }
    }

    /// The number of a disk of the plan.
    fn disk(&mut self, file: usize, start: u64, len: u64) -> usize {
        let disks = &mut self.disks;
        let number = *self.by_place.get_or_insert_with((file, start), || {
            disks.push(PlanDisk { file, start, len, guarded: Vec::new() });
            disks.len() - 1
        });
        disks[number].len = disks[number].len.max(len);
        number
    }

    /// Adds the next steps for a volume of `heap`, the files as they are by now, if there are any.
    fn stage<X: ReadAt + Clone>(
        &mut self,
        heap: &Heap<X>,
        number: usize,
        report: &Report,
        options: &Options,
    ) -> Result<(), PlanError> {
        let volume = &heap.volumes()[number];
        let placed = seats(heap, number);
        let disks = heap.disks(volume);
        let unclaimed: Vec<ComponentDisk<X>> =
            heap.unclaimed().iter().map(|one| heap.unclaimed_disk(one)).collect();
        let subject = Subject {
            assembly: heap.assembly(),
            volume: number,
            candidates: heap.candidates(),
            disks: &disks,
            unclaimed: &unclaimed,
            unread: heap.is_unread(),
        };
        let places: Vec<(usize, u64, u64)> =
            placed.iter().map(|placed| (placed.file, placed.start, placed.seat.disk.size())).collect();
        let seats: Vec<Seat<ComponentDisk<X>>> = placed.into_iter().map(|placed| placed.seat).collect();
        let scene = Scene { subject: &subject, report, seats: &seats };
        let steps = next(&scene, options).map_err(|error| plan_error(heap, &places, error))?;
        let called = |seat: usize| {
            let (label, who) = (&heap.files()[places[seat].0].label, seats[seat].who);
            match who {
                Who::Candidate(candidate) => match volume.index_of(candidate) {
                    Some(index) => format!("component {index} ({label})"),
                    None => label.clone(),
                },
                Who::Unclaimed(_) => label.clone(),
            }
        };
        for step in &steps {
            let does = step.does(&called);
            self.add(heap, step, does, &places)?;
        }
        Ok(())
    }

    fn add<X: ReadAt + Clone>(
        &mut self,
        heap: &Heap<X>,
        step: &Step,
        does: String,
        places: &[(usize, u64, u64)],
    ) -> Result<(), PlanError> {
        let mut number = |seat: ComponentIndex| {
            let (file, start, len) = places[seat.as_usize()];
            ComponentIndex(
                u16::try_from(self.disk(file, start, len)).expect("there are as few disks as seats"),
            )
        };
        let patches: Vec<Patch> = step.patches.iter().map(|patch| renamed(patch, &mut number)).collect();
        let (disks, numbers) = (&self.disks, &self.numbers);
        let place = |disk: ComponentIndex| {
            let PlanDisk { file, start, .. } = &disks[disk.as_usize()];
            (numbers[*file].expect("a file that is a seat can be read"), *start)
        };
        let mut replaced = Vec::new();
        for patch in &patches {
            replaced.push(match patch {
                Patch::Write { component, offset, bytes } => {
                    let ((disk, start), mut before) = (place(*component), vec![0; bytes.len()]);
                    let read = self.overlay.disk(disk).read_at(start + offset, &mut before);
                    let label = || heap.files()[disks[component.as_usize()].file].label.clone();
                    read.map_err(|error| PlanError::File { label: label(), error })?;
                    Some(before)
                }
                _ => None,
            });
            self.overlay.apply(std::slice::from_ref(patch), place);
        }
        let step = Step { patches, ..step.clone() };
        self.steps.push(PlannedStep { step, does, replaced });
        Ok(())
    }
}

/// `patch` with other numbers for its disks.
fn renamed(patch: &Patch, number: &mut impl FnMut(ComponentIndex) -> ComponentIndex) -> Patch {
    let mut patch = patch.clone();
    match &mut patch {
        Patch::Write { component, .. } | Patch::Zero { component, .. } => *component = number(*component),
        Patch::Copy { from, to, .. } => (from.0, to.0) = (number(from.0), number(to.0)),
        Patch::Barrier => {}
    }
    patch
}

/// Which volume of `after` has most of the components of volume `number` of `heap`, by where they lie.
fn successor<X: ReadAt + Clone, W: ReadAt + Clone>(heap: &Heap<X>, number: usize, after: &Heap<W>) -> usize {
    let place = |(file, located): &(usize, Located)| (*file, located.start);
    let of = |candidate: usize| place(&heap.located()[candidate]);
    let old: Vec<_> = heap.volumes()[number].components.values().map(|it| of(it.candidate)).collect();
    let common = |volume: &Volume| {
        let new = volume.components.values().map(|it| place(&after.located()[it.candidate]));
        new.filter(|place| old.contains(place)).count()
    };
    let counts: Vec<usize> = after.volumes().iter().map(common).collect();
    let most = counts.iter().max();
    counts.iter().position(|count| Some(count) == most).unwrap_or(0)
}

/// Whether a volume has the same records in the same places at both moments.
fn is_same<X: ReadAt + Clone, W: ReadAt + Clone, D>(
    before: &Moment<'_, X, D>,
    after: &Moment<'_, W, D>,
) -> bool {
    before.places().eq(after.places())
}

/// So many disks patches can name.
const MOST_SEATS: usize = 1 << 16;

/// The disks that a repair of volume `number` may write to: all that carry a record of it, and those without any.
fn seats<X: ReadAt + Clone>(heap: &Heap<X>, number: usize) -> Vec<Placed<X>> {
    let volume = &heap.volumes()[number];
    // What else has a name from before a renaming that was cut is a part of it.
    let other = other_part(heap.volumes(), number).map(|other| heap.volumes()[other].name);
    // Shortening a name of 16 letters may have been cut off, so the first 15 are compared.
    let letters = |name: Name| name.0[..15].to_vec();
    let of_volume = |located: &Located| {
        let record = &located.tasted.record;
        let same = record.name().bytes() == volume.name.bytes()
            || letters(record.name()) == letters(volume.name)
            || Some(record.name()) == other;
        same && record.md_id.get() == volume.id
    };
    let candidates = heap.located().iter().enumerate().filter(|(_, (_, located))| of_volume(located));
    let member = |(candidate, (file, located)): (usize, &(usize, Located))| {
        let input = &heap.files()[*file];
        let sector = u64::from(located.tasted.sector_size);
        let len = match located.place {
            Place::Grown => (input.disk.as_ref().ok()?.size() - located.start) / sector * sector,
            // There is no room for its record, so there is nothing that could be written.
            Place::Cut => return None,
            _ => located.len,
        };
        let disk = heap.part(*file, located.start, len)?;
        Some(Placed {
            file: *file,
            start: located.start,
            seat: Seat { who: Who::Candidate(candidate), disk },
        })
    };
    let sector = u64::from(volume.sector_size);
    let unclaimed = |(number, one): (usize, &Unclaimed)| {
        let disk = heap.part(one.file, one.start, one.len).filter(|_| one.len.is_multiple_of(sector))?;
        Some(Placed { file: one.file, start: one.start, seat: Seat { who: Who::Unclaimed(number), disk } })
    };
    let unclaimed = heap.unclaimed().iter().enumerate().filter_map(unclaimed);
    candidates.filter_map(member).chain(unclaimed).take(MOST_SEATS).collect()
}

fn plan_error<X: ReadAt + Clone>(
    heap: &Heap<X>,
    places: &[(usize, u64, u64)],
    error: RepairError,
) -> PlanError {
    match error {
        RepairError::Disk { seat, error } => {
            let (file, start, _) = places[seat];
            let error = IoError { offset: error.offset + start, ..error };
            PlanError::File { label: heap.files()[file].label.clone(), error }
        }
        RepairError::Changed { .. } => PlanError::Changed,
    }
}
