//! Components that leave a volume.
//!
//! `g_virstor.c` believes a flag that may be old, leaves the numbers behind the component as they were, and writes
//! the new count without order (`virstor_ctl_remove`). Here the map decides what is in use.
//!
//! The last component leaves by the steps of [`add`] taken backward, so that every prefix is one of
//! those. When one in the middle leaves, the empty ones behind it leave before and join again after it: a cut
//! in between leaves a sound volume that some empty components are not part of.
//!
//! When one behind it is in use, entries have to name that by another number. First the record of the one that
//! leaves becomes zero, so that nobody starts what follows; then the records get their numbers, then the map its
//! entries. A cut in between leaves entries of both kinds, which only the log of the old bytes tells apart.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::map::{self, entry, with_entries};
use super::moves::{Moves, steps};
use super::sequence::{Home, Sequence, homes};
use super::{Place, Plan, SoundSet, add};
use crate::format::Record;
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::{IoError, ReadAt};

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

/// Closes the gaps that `drop` leaves in the numbers. `emptied` is `set` after `moves`. Gives the records, and how
/// many entries change.
fn renumber(
    sequence: &mut Sequence,
    set: &SoundSet,
    emptied: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    moves: &Moves,
    drop: &[ComponentIndex],
) -> Result<(Vec<Record>, u64), IoError> {
    let stays = |index: ComponentIndex| !drop.contains(&index);
    let new_number = |index: ComponentIndex| {
        let before = drop.partition_point(|dropped| *dropped < index);
        ComponentIndex(index.0 - u16::try_from(before).expect("there are fewer than components"))
    };
    let all_homes = homes(&emptied.volume);
    for home in all_homes.iter().filter(|home| !stays(home.component)) {
        sequence.no_record(*home);
    }
    sequence.barrier();
    let (mut old, mut records, mut homes) = (Vec::new(), Vec::new(), Vec::new());
    let count = new_number(ComponentIndex(set.volume.component_count)).0;
    for ((home, before), after) in all_homes.into_iter().zip(emptied.old_records()).zip(emptied.records()) {
        if stays(home.component) {
            let mut record = after;
            record.no.set(new_number(home.component).0);
            record.md_count.set(count);
            old.push(before);
            records.push(record);
            homes.push(home);
        }
    }
    sequence.records_upward(&homes, &old, &records);

    let moved: BTreeMap<VirtualChunk, Place> = moves.moved.iter().map(|(at, _, to)| (*at, *to)).collect();
    let renamed = |(at, place): (VirtualChunk, Place)| {
        let (component, chunk) = moved.get(&at).copied().unwrap_or(place);
        let number = new_number(component);
        (number != component).then_some((at, entry((number, chunk))))
    };
    let entries: BTreeMap<_, _> = map::allocated(set, first)?.into_iter().filter_map(renamed).collect();
    let moved = moved.iter().map(|(at, place)| (*at, entry(*place))).collect();
    sequence.patches.extend(with_entries(set, first, &moved, &entries)?);
    sequence.barrier();
    Ok((records, entries.len() as u64))
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
