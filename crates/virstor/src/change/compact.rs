//! Space that comes back: chunks that hold nothing lose their place, and those at the end move into the gaps.
//!
//! The kernel counts the used chunks of a component instead of looking for a free one, so what is in use must be the
//! lowest chunks of each, and a component must be full before the next is begun. Of the places in use now the
//! first stay so, as many as are needed; what lies behind them moves into those that are given up.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use super::moves::{Moves, steps};
use super::sequence::{Sequence, homes};
use super::{Place, Plan, SoundSet, map};
use crate::block::Block;
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::write::WriteError;

/// What a compaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compaction {
    /// The changes; none when nothing comes back.
    pub plan: Plan,
    /// How many chunks come back.
    pub freed: u64,
    /// How many chunks move for that.
    pub moved: u64,
    /// How many chunks of each component come back, by number.
    pub freed_by_component: Vec<u64>,
}

/// The virtual chunks with a place that hold nothing but zeros. `disks` holds one disk per component. `progress`
/// hears how many chunks of how many were looked at, and may stop the search; what was found until then is given.
///
/// # Errors
///
/// [`WriteError::Io`] when the map or a chunk cannot be read.
///
/// # Panics
///
/// When a component has no disk.
pub fn zero_chunks<D: ReadAt>(
    set: &SoundSet,
    disks: &BTreeMap<ComponentIndex, D>,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<BTreeSet<VirtualChunk>, WriteError> {
    let failed = |component| move |error| WriteError::Io { component, error };
    let first = ComponentIndex(0);
    let chunks = map::allocated(set, &disks[&first]).map_err(failed(first))?;
    let (mut zero, mut buffer) = (BTreeSet::new(), Block::new(LARGEST_PIECE));
    for (done, (at, place)) in (0..).zip(&chunks) {
        if progress(done, chunks.len() as u64).is_break() {
            break;
        }
        if is_zero(set, &disks[&place.0], *place, &mut buffer).map_err(failed(place.0))? {
            zero.insert(*at);
        }
    }
    Ok(zero)
}

/// What is read of a chunk first, in bytes: data seldom begins with so many zeros.
const SMALLEST_PIECE: usize = 4096;

/// What is read of a chunk at most at once, in bytes.
const LARGEST_PIECE: usize = 1 << 20;

fn is_zero(set: &SoundSet, disk: &impl ReadAt, place: Place, buffer: &mut [u8]) -> Result<bool, IoError> {
    let start = set.volume.chunk_size.offset_of(place.1);
    let len = set.volume.chunk_size.bytes();
    let (mut done, mut piece) = (0, SMALLEST_PIECE);
    while done < len {
        let now = usize::try_from(len - done).map_or(piece, |rest| rest.min(piece));
        disk.read_at(start + done, &mut buffer[..now])?;
        if !crate::write::is_zero(&buffer[..now]) {
            return Ok(false);
        }
        (done, piece) = (done + now as u64, (piece * 8).min(LARGEST_PIECE));
    }
    Ok(true)
}

/// The chunks that lie wholly within `ranges`, in bytes of the virtual device.
#[must_use]
pub fn chunks_within(set: &SoundSet, ranges: &[Range<u64>]) -> BTreeSet<VirtualChunk> {
    let chunk_size = set.volume.chunk_size.bytes();
    let last = set.volume.virtual_chunks();
    ranges
        .iter()
        .flat_map(|range| range.start.div_ceil(chunk_size)..(range.end / chunk_size).min(last))
        .map(VirtualChunk)
        .collect()
}

/// Takes their places from those of `chunks` that have one. What they hold is given up. `first` is component 0.
///
/// # Errors
///
/// When the map cannot be read.
pub fn plan(
    set: &SoundSet,
    first: &(impl ReadAt + ?Sized),
    chunks: &BTreeSet<VirtualChunk>,
) -> Result<Compaction, IoError> {
    let mut places: Vec<(Place, VirtualChunk)> =
        map::allocated(set, first)?.into_iter().map(|(at, place)| (place, at)).collect();
    places.sort_unstable();
    let is_free = |(_, at): &&(Place, VirtualChunk)| chunks.contains(at);
    let freed = places.iter().filter(is_free).count();
    let (stay, leave) = places.split_at(places.len() - freed);
    let moves = Moves {
        given_up: places.iter().filter(is_free).map(|(place, at)| (*at, *place)).collect(),
        moved: leave
            .iter()
            .filter(|chunk| !is_free(chunk))
            .zip(stay.iter().filter(is_free))
            .map(|((from, at), (to, _))| (*at, *from, *to))
            .collect(),
    };
    let mut freed_by_component = vec![0; set.cursors.len()];
    for (place, _) in leave {
        freed_by_component[place.0.as_usize()] += 1;
    }
    let mut cursors = set.cursors.clone();
    for (cursor, freed) in cursors.iter_mut().zip(&freed_by_component) {
        cursor.next -= u32::try_from(*freed).expect("a component has fewer chunks");
    }
    let mut sequence = Sequence::default();
    let moved = moves.moved.len() as u64;
    let records = if freed == 0 {
        set.old_records()
    } else {
        let (between, new) = steps(&mut sequence, set, first, &moves, &cursors)?;
        sequence.records(&homes(set.volume()), &between, &new);
        new
    };
    let plan = Plan { records, patches: sequence.patches };
    Ok(Compaction { plan, freed: freed as u64, moved, freed_by_component })
}
