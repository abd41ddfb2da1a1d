//! Components that leave a volume.
//!
//! `g_virstor.c` believes a flag that may be old, leaves the numbers behind the component as they were, and writes
//! the new count without order (`virstor_ctl_remove`). Here the map decides what is in use.
//!
//! The last component leaves by the steps of [`add`] taken backward, so that every prefix is one of
//! those. When one in the middle leaves, the empty ones behind it leave before and join again after it: a cut
//! in between leaves a sound volume that some empty components are not part of.
//!
//! When one behind it is in use, entries have to name that by another number. Then the component that leaves first
//! goes to the end: it gets the number behind the last, which is the moment of decision, since nobody starts a volume
//! with a gap in its numbers; and the gap goes upward. The entries of the component behind it get the free number, then
//! its record does. As nothing else has the free number both mean that component meanwhile, so that `check` tells
//! what a cut has left (`removed-from-middle`), and a repair goes on to the sound volume in which the
//! component that was to leave is the last.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::map::{self, entry, with_entries};
use super::moves::{Moves, steps};
use super::sequence::{Home, Sequence, homes};
use super::{Place, Plan, SoundSet, add};
use crate::format::{MapEntry, Record};
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::patch::Patch;

/// What a removal does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The changes.
    pub plan: Plan,
    /// How many chunks move to other components before.
    pub moved: u64,
    /// How many entries name their component by another number afterwards.
    pub renumbered: u64,
}

/// Why components cannot leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoveError {
    /// None was given.
    NoComponents,
    /// There is no such component.
    Unknown(ComponentIndex),
    /// Component 0 holds the map.
    HoldsMap,
    /// Chunks of it are in use.
    InUse {
        /// Which component.
        component: ComponentIndex,
        /// How many.
        chunks: u64,
    },
    /// Chunks of a component behind it are in use, and their entries name it by its number.
    UsedBehind {
        /// Which is to leave.
        component: ComponentIndex,
        /// Which is behind it.
        behind: ComponentIndex,
        /// How many chunks of that are in use.
        chunks: u64,
    },
    /// The other components have no room for its chunks.
    OutOfSpace {
        /// How many chunks have to move.
        needed: u64,
        /// How many places there are for them.
        free: u64,
    },
    /// The map cannot be read.
    MapUnreadable(IoError),
}

/// Removes the components `drop` from `set`; where `evacuate` is set their chunks move to other components before.
/// `first` is component 0.
///
/// # Errors
///
/// [`RemoveError`] when one of them has to stay.
pub fn plan(
    set: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    drop: &[ComponentIndex],
    evacuate: bool,
) -> Result<Removal, RemoveError> {
    let drop = judged(set, drop)?;
    let moves = match in_use(set, &drop) {
        Some(_) if evacuate => evacuation(set, first, &drop)?,
        Some(error) => return Err(error),
        None => Moves::default(),
    };
    let mut sequence = Sequence::default();
    let mut cursors = set.cursors.clone();
    for index in &drop {
        let cursor = &mut cursors[index.as_usize()];
        cursor.next = cursor.reserved;
    }
    for (_, _, (component, chunk)) in &moves.moved {
        let cursor = &mut cursors[component.as_usize()];
        cursor.next = cursor.next.max(chunk.0 + 1);
    }
    let mut volume = set.volume.clone();
    if !moves.moved.is_empty() {
        let (between, _) =
            steps(&mut sequence, set, first, &moves, &cursors).map_err(RemoveError::MapUnreadable)?;
        for (component, record) in volume.components.values_mut().zip(between) {
            component.record = record;
        }
    }
    let emptied = SoundSet::new(volume, set.order, cursors);
    let moved = moves.moved.len() as u64;
    if used_behind(&emptied, drop[0]).is_none() {
        let records = leave(&mut sequence, &emptied, &drop);
        return Ok(Removal { plan: Plan { records, patches: sequence.patches }, moved, renumbered: 0 });
    }
    let (records, renumbered) =
        renumber(&mut sequence, set, &emptied, first, &moves, &drop).map_err(RemoveError::MapUnreadable)?;
    Ok(Removal { plan: Plan { records, patches: sequence.patches }, moved, renumbered })
}

/// Removes the components `drop`, which are empty and have only empty ones behind them, from `set`.
///
/// # Errors
///
/// [`RemoveError`] when one of them has to stay.
pub fn plan_idle(set: &SoundSet, drop: &[ComponentIndex]) -> Result<Plan, RemoveError> {
    let drop = judged(set, drop)?;
    if let Some(error) = in_use(set, &drop).or_else(|| used_behind(set, drop[0])) {
        return Err(error);
    }
    let mut sequence = Sequence::default();
    let records = leave(&mut sequence, set, &drop);
    Ok(Plan { records, patches: sequence.patches })
}

/// `drop` in order, each once; not empty.
fn judged(set: &SoundSet, drop: &[ComponentIndex]) -> Result<Vec<ComponentIndex>, RemoveError> {
    let mut drop = drop.to_vec();
    drop.sort_unstable();
    drop.dedup();
    let Some(lowest) = drop.first().copied() else { return Err(RemoveError::NoComponents) };
    let count = set.volume().component_count;
    if let Some(unknown) = drop.iter().find(|component| component.0 >= count) {
        return Err(RemoveError::Unknown(*unknown));
    }
    if lowest.0 == 0 {
        return Err(RemoveError::HoldsMap);
    }
    Ok(drop)
}

fn in_use(set: &SoundSet, drop: &[ComponentIndex]) -> Option<RemoveError> {
    let component = drop.iter().copied().find(|component| set.used(*component) > 0)?;
    Some(RemoveError::InUse { component, chunks: set.used(component) })
}

/// That a component behind `lowest` is in use.
fn used_behind(set: &SoundSet, lowest: ComponentIndex) -> Option<RemoveError> {
    let behind = (lowest.0 + 1..set.volume.component_count).map(ComponentIndex);
    let behind = behind.into_iter().find(|index| set.used(*index) > 0)?;
    Some(RemoveError::UsedBehind { component: lowest, behind, chunks: set.used(behind) })
}

/// The chunks of `drop` move to the next free places of the others.
fn evacuation(
    set: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    drop: &[ComponentIndex],
) -> Result<Moves, RemoveError> {
    let mut leaving = map::allocated(set, first).map_err(RemoveError::MapUnreadable)?;
    leaving.retain(|(_, place)| drop.contains(&place.0));
    leaving.sort_unstable_by_key(|(_, place)| *place);
    let allocator = set.allocator();
    let places = allocator.upcoming().filter(|(component, _)| !drop.contains(component));
    let places: Vec<Place> = places.take(leaving.len()).collect();
    if places.len() < leaving.len() {
        let (needed, free) = (leaving.len() as u64, places.len() as u64);
        return Err(RemoveError::OutOfSpace { needed, free });
    }
    let moved = leaving.into_iter().zip(places).map(|((at, from), to)| (at, from, to)).collect();
    Ok(Moves { given_up: Vec::new(), moved })
}

/// The components `drop` go to the end, the highest first, and leave from there. `emptied` is `set` after `moves`.
/// Gives the records, and how many entries change.
fn renumber(
    sequence: &mut Sequence,
    set: &SoundSet,
    emptied: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    moves: &Moves,
    drop: &[ComponentIndex],
) -> Result<(Vec<Record>, u64), IoError> {
    let (mut homes, mut records) = (homes(&emptied.volume), emptied.records());
    // Cursors that are right tell what a cut has left.
    sequence.records(&homes, &emptied.old_records(), &records);
    let mut map = RenamedMap::new(set, first, moves)?;
    for index in drop.iter().rev() {
        let (home, mut record) = (homes.remove(index.as_usize()), records.remove(index.as_usize()));
        let last = u16::try_from(records.len()).expect("there were more of them");
        record.no.set(last + 1);
        sequence.record(home, &record);
        sequence.barrier();
        for number in index.0..last {
            sequence.patches.extend(map.rename(ComponentIndex(number + 1), ComponentIndex(number))?);
            sequence.barrier();
            let (home, record) = (homes[usize::from(number)], &mut records[usize::from(number)]);
            record.no.set(number);
            sequence.record(home, record);
            sequence.barrier();
        }
        record.no.set(last);
        sequence.record(home, &record);
        sequence.barrier();
        homes.push(home);
        records.push(record);
        let mut old = records.clone();
        last_leaves(sequence, &mut homes, &mut old, &mut records);
    }
    Ok((records, map.renamed.len() as u64))
}

/// A map in which components get other numbers.
struct RenamedMap<'a, D: ?Sized> {
    set: &'a SoundSet,
    first: &'a D,
    /// Where chunks are by now.
    places: BTreeMap<VirtualChunk, Place>,
    /// The entries that were written.
    written: BTreeMap<VirtualChunk, MapEntry>,
    /// Those of them that name their component by another number.
    renamed: BTreeSet<VirtualChunk>,
}

impl<'a, D: ReadAt + ?Sized> RenamedMap<'a, D> {
    /// The map on `first` after `moves`.
    fn new(set: &'a SoundSet, first: &'a D, moves: &Moves) -> Result<Self, IoError> {
        let mut places: BTreeMap<VirtualChunk, Place> = map::allocated(set, first)?.into_iter().collect();
        places.extend(moves.moved.iter().map(|(at, _, to)| (*at, *to)));
        let written = moves.moved.iter().map(|(at, _, to)| (*at, entry(*to))).collect();
        Ok(Self { set, first, places, written, renamed: BTreeSet::new() })
    }

    /// Lets all entries of `old` name `new`.
    fn rename(&mut self, old: ComponentIndex, new: ComponentIndex) -> Result<Vec<Patch>, IoError> {
        let of_old = self.places.iter_mut().filter(|(_, place)| place.0 == old);
        let mut entries = BTreeMap::new();
        for (at, place) in of_old {
            place.0 = new;
            entries.insert(*at, entry(*place));
        }
        let patches = with_entries(self.set, self.first, &self.written, &entries)?;
        self.renamed.extend(entries.keys());
        self.written.extend(entries);
        Ok(patches)
    }
}

/// The components `drop` leave, with all behind them that are in the way for a while. Gives the records afterwards.
fn leave(sequence: &mut Sequence, set: &SoundSet, drop: &[ComponentIndex]) -> Vec<Record> {
    let lowest = drop[0];
    let (mut old, mut records, mut homes) = (set.old_records(), set.records(), homes(set.volume()));
    let mut returning: Vec<(Home, Record)> = Vec::new();
    while records.len() > lowest.as_usize() {
        let (home, record) = last_leaves(sequence, &mut homes, &mut old, &mut records);
        if !drop.contains(&home.component) {
            returning.push((home, record));
        }
    }
    while let Some((home, mut record)) = returning.pop() {
        record.no.set(u16::try_from(records.len()).expect("there were more of them"));
        homes.push(home);
        add::join(sequence, &homes, &mut old, &mut records, record);
    }
    records
}

/// The steps of [`add::join`], backward.
fn last_leaves(
    sequence: &mut Sequence,
    homes: &mut Vec<Home>,
    old: &mut Vec<Record>,
    records: &mut Vec<Record>,
) -> (Home, Record) {
    let home = homes.pop().expect("there are more than those below the lowest");
    let leaving = records.pop().expect("there is one for each home");
    old.pop();
    let mut alone = leaving;
    alone.md_count = leaving.no;
    sequence.barrier();
    sequence.record(home, &alone);
    for number in (0..records.len()).rev() {
        records[number].md_count = leaving.no;
        sequence.barrier();
        sequence.record(homes[number], &records[number]);
    }
    sequence.barrier();
    sequence.no_record(home);
    sequence.barrier();
    old.clone_from(records);
    (home, leaving)
}
