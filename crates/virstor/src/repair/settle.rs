//! Where chunks lie: without a hole, and the components filled one after the other.
//!
//! The kernel counts entries to find the next free chunk, and goes from a full component to the next without
//! looking. So the chunks in use have to be the first of their component, and only the last component in use may
//! have room. What lies behind the place where that would end moves into the holes before it: as many
//! copies as there are holes, no more.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::survey::{Part, Survey, for_each_entry};
use super::{Action, Changes, MOST_CHANGES, RecordChange, RepairError, Stage, seat_number};
use crate::assemble::Volume;
use crate::check::Code;
use crate::edit::{Edits, EntryEdit, Order, RecordEdit};
use crate::format::{ByteOrder, MapEntry};
use crate::geometry::{ChunkSize, ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::ReadAt;
use crate::ordered::Map;

/// How full the components are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill<'a> {
    /// Each as it is, without holes.
    Each,
    /// One after the other.
    InOrder,
    /// One after the other, with at most so many chunks in use on each, by number. Chunks for which there is no
    /// room stay.
    Within(&'a [u64]),
}

/// A chunk that is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMove {
    /// Whose it is.
    pub at: VirtualChunk,
    /// Its entry.
    pub before: MapEntry,
    /// The entry it gets.
    pub after: MapEntry,
}

/// The moves that fill the components of `volume` as `fill` says, in the order of the map: at most a million,
/// the rest when it is asked again. The map is on `disk`, in byte order `order`. Chunks that lie in the reserve, over
/// the record or behind the end are left alone. `None` when not all of the map can be read.
#[must_use]
pub fn settle(
    volume: &Volume,
    disk: &impl ReadAt,
    order: ByteOrder,
    fill: Fill<'_>,
) -> Option<Vec<ChunkMove>> {
    let survey = Survey::new(volume, disk, order, &|_| true)?;
    moves(volume, disk, order, &survey, fill)
}

/// Adds `moves` to `edits`. `disk_of` says by which number patches name a component's disk.
pub fn add_moves(
    edits: &mut Edits,
    moves: &[ChunkMove],
    chunk_size: ChunkSize,
    order: ByteOrder,
    disk_of: impl Fn(ComponentIndex) -> ComponentIndex,
) {
    let mut copied = BTreeSet::new();
    for ChunkMove { at, before, after } in moves {
        edits.entries.push(EntryEdit::new(*at, *before, *after, order));
        // A chunk that has several owners is copied once.
        if copied.insert((before.component, before.chunk)) {
            let (from, to) = (disk_of(before.component), disk_of(after.component));
            edits.copy_chunk(chunk_size, (from, before.chunk), (to, after.chunk));
        }
    }
}

/// The findings that moving chunks answers.
const CODES: [Code; 4] =
    [Code::ChunkReuseAhead, Code::ChunkHole, Code::AllocationPastEnd, Code::AllocationOutOfOrder];

pub(super) fn plan<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
    let codes: Vec<Code> = CODES.into_iter().filter(|code| stage.answers(*code)).collect();
    if codes.is_empty() {
        return Ok(());
    }
    let (Some(disk), Some(survey)) = (stage.map_disk(), stage.survey()) else { return Ok(()) };
    let fill = if in_order(stage, &codes, &survey) { Fill::InOrder } else { Fill::Each };
    let order = stage.order();
    let Some(moves) = moves(stage.volume, &disk, order, &survey, fill) else { return Ok(()) };
    let mut changes = Changes::default();
    for ChunkMove { at, before, after } in &moves {
        changes.push(*at, *before, *after);
    }
    let Some(first) = changes.first else { return Ok(()) };
    let mut edits = stage.edits();
    let seat_of = |index| seat_number(stage.seat(index).expect("only components that are there take part"));
    add_moves(&mut edits, &moves, stage.volume.chunk_size, order, seat_of);
    (edits.records, edits.order) = (lowered_cursors(stage, &survey, &moves)?, Order::RecordsThenMap);
    stage.step(codes, Action::Settle { count: changes.count, first }, None, &edits)
}

/// The records of components that chunks leave, with cursors lowered to how many entries these have at the least
/// meanwhile. A cursor that is too low is an old one; one that is too high says that entries were lost.
fn lowered_cursors<D: ReadAt + Clone>(
    stage: &Stage<'_, D>,
    survey: &Survey,
    moves: &[ChunkMove],
) -> Result<Vec<RecordEdit>, RepairError> {
    let mut leaving = alloc::vec![0; survey.parts.len()];
    for moved in moves.iter().filter(|moved| moved.before.component != moved.after.component) {
        leaving[moved.before.component.as_usize()] += 1;
    }
    let mut edits = Vec::new();
    for ((index, part), count) in (0..=u16::MAX).map(ComponentIndex).zip(&survey.parts).zip(leaving) {
        if count == 0 {
            continue;
        }
        let seat = stage.seat(index).expect("only components that are there take part");
        let component = &stage.volume.components[&index];
        let (before, mut after) = (component.record, component.record);
        let recorded = before.chunk_next.get();
        // What the cursor says beyond the entries it goes on saying.
        let most = u64::from(recorded).max(part.next()).saturating_sub(count);
        after.chunk_next.set(u32::try_from(most).map_or(recorded, |most| most.min(recorded)));
        if after != before {
            let offset = component.len - u64::from(component.sector_size);
            edits.push(stage.record_edit(&RecordChange { seat, offset, before: Some(before), after })?);
        }
    }
    Ok(edits)
}

/// Whether components are to be filled one after the other, and not only each without holes.
fn in_order<D: ReadAt + Clone>(stage: &Stage<'_, D>, codes: &[Code], survey: &Survey) -> bool {
    let asked = codes.iter().any(|code| matches!(code, Code::AllocationPastEnd | Code::AllocationOutOfOrder));
    let bad = survey.present().any(|(_, part)| part.entries != part.used());
    let missing = survey.parts.iter().any(|part| !part.present);
    if !asked || missing || survey.nowhere > 0 || bad {
        return false;
    }
    // Chunks that were handed out and that no entry names may be somebody's. As long as nothing is to be given up
    // they are overwritten only where FreeBSD would otherwise write behind the end of a component.
    let orphans = stage.scene.report.findings.iter().any(|finding| finding.code() == Code::EntriesLost);
    stage.options.lossy || !orphans || is_trap(survey)
}

/// Whether a component that is full stands behind one that has room: the kernel would go on behind its end.
fn is_trap(survey: &Survey) -> bool {
    let mut parts = survey.parts.iter().skip_while(|part| part.used() == part.capacity()).skip(1);
    parts.any(|part| part.used() == part.capacity())
}

fn moves(
    volume: &Volume,
    disk: &impl ReadAt,
    order: ByteOrder,
    survey: &Survey,
    fill: Fill<'_>,
) -> Option<Vec<ChunkMove>> {
    let targets = targets(survey, fill);
    let places = places(survey, &targets);
    let mut moves = Vec::new();
    if places.is_empty() {
        return Some(moves);
    }
    let whole = for_each_entry(volume, disk, order, |at, before| {
        let place = places.get(&(before.component, before.chunk)).filter(|_| before.is_allocated());
        if let Some((component, chunk)) = place {
            moves.push(ChunkMove {
                at,
                before,
                after: MapEntry { component: *component, chunk: *chunk, ..before },
            });
        }
    });
    whole.then_some(moves)
}

/// How many chunks are to be in use, by component.
fn targets(survey: &Survey, fill: Fill<'_>) -> Vec<u64> {
    let capacity = |number: usize, part: &Part| match fill {
        Fill::Each => part.used(),
        Fill::InOrder => part.capacity(),
        Fill::Within(most) => part.capacity().min(most.get(number).copied().unwrap_or(0)),
    };
    let mut left: u64 = survey.parts.iter().map(Part::used).sum();
    let mut target = |(number, part): (usize, &Part)| {
        let here = capacity(number, part).min(left);
        left -= here;
        here
    };
    survey.parts.iter().enumerate().map(&mut target).collect()
}

/// A chunk of a component.
type Chunk = (ComponentIndex, PhysicalChunk);

/// Where each chunk goes that lies behind its component's target: into a hole before it, on the same component
/// where there is one.
fn places(survey: &Survey, targets: &[u64]) -> Map<Chunk, Chunk> {
    let mut places = Vec::new();
    let (mut homeless, mut holes): (Vec<Chunk>, Vec<Chunk>) = (Vec::new(), Vec::new());
    for ((index, part), target) in (0..=u16::MAX).map(ComponentIndex).zip(&survey.parts).zip(targets) {
        let low = part.low();
        let end = low + u32::try_from(*target).expect("not more than the component has");
        let of = |chunk| (index, PhysicalChunk(chunk));
        let mut misplaced =
            chunks_from(end, |from| part.owned.owned_from(from).filter(|chunk| *chunk < part.end()));
        let mut free = chunks_from(low, |from| Some(part.owned.free_from(from)).filter(|chunk| *chunk < end));
        loop {
            if places.len() + homeless.len() >= MOST_CHANGES {
                break;
            }
            match (misplaced.next(), free.next()) {
                (Some(from), Some(to)) => places.push((of(from), of(to))),
                (Some(from), None) => homeless.push(of(from)),
                (None, Some(to)) if holes.len() < MOST_CHANGES => holes.push(of(to)),
                (None, _) => break,
            }
        }
    }
    places.extend(homeless.into_iter().zip(holes));
    places.into_iter().collect()
}

/// The chunks that `next` finds from `first` on, one after the other.
fn chunks_from(first: u32, next: impl Fn(u32) -> Option<u32>) -> impl Iterator<Item = u32> {
    let mut from = Some(first);
    core::iter::from_fn(move || {
        let chunk = next(from?)?;
        from = chunk.checked_add(1);
        Some(chunk)
    })
}
