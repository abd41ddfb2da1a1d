//! How a write is done, decided before any byte moves.

use alloc::vec::Vec;
use core::ops::Range;

use super::{VolumeWriter, WriteError, is_zero};
use crate::format::MapEntry;
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::WriteAt;
use crate::plan::{Segment, SegmentPlace};

/// Everything a write needs, decided before any byte moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritePlan {
    /// What to write, in the order of the request.
    pub steps: Vec<Step>,
    /// The chunks that get a place, in the order in which places are handed out.
    pub allocations: Vec<Allocation>,
}

/// A stretch of a component that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which component.
    pub component: ComponentIndex,
    /// The first byte on it.
    pub offset: u64,
    /// What comes there.
    pub what: StepBytes,
}

/// What a [`Step`] writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepBytes {
    /// These bytes of the request's data.
    Data(Range<usize>),
    /// So many zeros: the rest of a new chunk.
    Zeros(u64),
}

/// A virtual chunk and the place it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// The virtual chunk.
    pub at: VirtualChunk,
    /// The component that will hold it.
    pub component: ComponentIndex,
    /// The chunk on that component.
    pub chunk: PhysicalChunk,
}

impl<D: WriteAt> VolumeWriter<D> {
    /// Decides how `data` is written at `offset`. Nothing changes.
    ///
    /// # Errors
    ///
    /// [`WriteError::OutOfSpace`] when there is no room for all of it, [`WriteError::Io`] when the map cannot be
    /// read.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn plan(&mut self, offset: u64, data: &[u8]) -> Result<WritePlan, WriteError> {
        let segments: Vec<Segment> = self.reader.segments(offset..offset + data.len() as u64).collect();
        let mut plan = WritePlan { steps: Vec::new(), allocations: Vec::new() };
        let mut places = self.allocator.upcoming();
        let mut needed = 0;
        for segment in segments {
            let range = within(offset, segment.start, segment.len);
            match segment.place {
                SegmentPlace::Data { component, offset } => {
                    plan.steps.push(Step { component, offset, what: StepBytes::Data(range) });
                }
                SegmentPlace::Hole => {
                    for (at, inside, range) in self.chunks(segment.start, range) {
                        if is_zero(&data[range.clone()]) {
                            continue;
                        }
                        needed += 1;
                        if let Some((component, chunk)) = places.next() {
                            plan.allocations.push(Allocation { at, component, chunk });
                            plan.steps.extend(self.whole_chunk(component, chunk, inside, range));
                        }
                    }
                }
                SegmentPlace::Lost(why) => {
                    drop(places);
                    return Err(self.lost(segment.start, why).into());
                }
            }
        }
        if needed > plan.allocations.len() as u64 {
            return Err(WriteError::OutOfSpace { needed, free: self.allocator.free() });
        }
        Ok(plan)
    }

    /// How many chunks of `range` (bytes of the virtual device) have no place.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn chunks_missing(&mut self, range: Range<u64>) -> u64 {
        let chunk_size = self.volume().chunk_size;
        let holes = self.reader.segments(range).filter(|segment| segment.place == SegmentPlace::Hole);
        holes.map(|hole| chunk_size.split(hole.end() - 1).0.0 - chunk_size.split(hole.start).0.0 + 1).sum()
    }

    /// The chunks of a hole at `start` that `range` of the data falls into: which, where in it, and what.
    fn chunks(
        &self,
        start: u64,
        range: Range<usize>,
    ) -> impl Iterator<Item = (VirtualChunk, u64, Range<usize>)> {
        let chunk_size = self.volume().chunk_size;
        let (mut done, end) = (range.start, range.end);
        core::iter::from_fn(move || {
            let (at, inside) = chunk_size.split(start + (done - range.start) as u64);
            let room = usize::try_from(chunk_size.bytes() - inside).unwrap_or(usize::MAX);
            let piece = done..done + room.min(end - done);
            done = piece.end;
            (!piece.is_empty()).then_some((at, inside, piece))
        })
    }

    /// The steps that fill a new chunk: zeros, data from byte `inside` on, zeros.
    fn whole_chunk(
        &self,
        component: ComponentIndex,
        chunk: PhysicalChunk,
        inside: u64,
        range: Range<usize>,
    ) -> impl Iterator<Item = Step> + use<D> {
        let start = self.volume().chunk_size.offset_of(chunk);
        let behind = inside + range.len() as u64;
        let rest = self.volume().chunk_size.bytes() - behind;
        let step = move |offset, what| Step { component, offset, what };
        [
            (inside > 0).then(|| step(start, StepBytes::Zeros(inside))),
            Some(step(start + inside, StepBytes::Data(range))),
            (rest > 0).then(|| step(start + behind, StepBytes::Zeros(rest))),
        ]
        .into_iter()
        .flatten()
    }
}

impl Allocation {
    /// Its entry in the map.
    #[must_use]
    pub fn entry(&self) -> MapEntry {
        MapEntry { flags: MapEntry::ALLOCATED, component: self.component, chunk: self.chunk }
    }
}

/// Where the `len` bytes from `start` of the device are in a buffer that begins at `offset`.
fn within(offset: u64, start: u64, len: u64) -> Range<usize> {
    let start = usize::try_from(start - offset).expect("within the buffer");
    start..start + usize::try_from(len).expect("within the buffer")
}
