//! Writing to a volume.
//!
//! # What is written where
//!
//! Bytes of a chunk that has its place go there. A chunk without one gets the next of the kernel's order, so a
//! set written here is the set that FreeBSD would have written, with these differences: a new chunk is zero
//! where nothing was written (the kernel shows what the disk held before); zeros into a hole allocate nothing;
//! a request for which there is no room is refused before any of it is done (the kernel hangs); records are
//! rewritten on close only when something else was.
//!
//! # What is durable when
//!
//! A write that returned is seen by every read that follows. It is durable after the next
//! [`flush`](VolumeWriter::flush): data, then the entries of the map that name it. New entries wait in memory
//! until then, so that all allocations between two flushes share their barriers. What may be cut off, and why that
//! leaves a sound volume, is argued in [`durable`].

pub(crate) mod allocator;
pub mod durable;
pub mod held;
mod members;
mod plan;
pub(crate) mod sound;
pub mod watermark;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::ops::Range;

use self::allocator::Allocator;
use self::durable::Waiting;
pub use self::members::MemberError;
pub use self::plan::{Allocation, Step, StepBytes, WritePlan};
pub use self::sound::Unsound;
use self::sound::examine;
use crate::assemble::Volume;
use crate::check::{Finding, Report, Severity};
use crate::format::Record;
use crate::geometry::ComponentIndex;
use crate::io::{IoError, WriteAt};
use crate::plan::{Lost, ReadError, SegmentPlace, Segments, VolumeReader};

/// A sound volume that can be read and written.
///
/// [`close`](Self::close) it: dropping it loses what was not flushed, as a cut of the power would.
#[derive(Debug)]
pub struct VolumeWriter<D> {
    reader: VolumeReader<D>,
    allocator: Allocator,
    /// The records as they are on the disks, by component.
    records: Vec<Record>,
    /// Which components were written to since their last flush, by component.
    unflushed: Vec<bool>,
    /// Allocations whose entries are not on the disk, in their order.
    waiting: VecDeque<Waiting>,
    /// How many runs these make.
    runs: usize,
    /// The component of the last allocation.
    entered: Option<ComponentIndex>,
    /// The last component whose records were made ready for entries that name it.
    secured: Option<ComponentIndex>,
    /// Whether anything was written since the records were.
    changed: bool,
}

/// How much room is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Chunks that can still be handed out.
    pub free_chunks: u64,
    /// The component that the next chunk comes from, or that the last came from when there is none left.
    pub current: ComponentIndex,
    /// Chunks of it that can still be handed out.
    pub current_free: u32,
    /// Components above the current one that have room.
    pub free_components: usize,
}

/// Why something was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// A component's disk failed. Trying again is safe.
    Io {
        /// Which component.
        component: ComponentIndex,
        /// What failed, where on it, and what the driver said.
        error: IoError,
    },
    /// There are not enough free chunks. Nothing of the request was done.
    OutOfSpace {
        /// How many chunks it needs.
        needed: u64,
        /// How many there are.
        free: u64,
    },
    /// The map says other things than when it was examined: the place of these bytes cannot be.
    Lost {
        /// The first of them on the virtual device.
        start: u64,
        /// Why.
        why: Lost,
    },
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { component, error } => Self::Io { component, error },
            ReadError::Lost { start, why } => Self::Lost { start, why },
        }
    }
}

/// The findings of a check because of which a volume is not written to, unless the user insists: errors and
/// worse. What [`VolumeWriter::open`] refuses is refused even then.
pub fn objections(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(|finding| finding.severity() >= Severity::Error)
}

impl<D: WriteAt + Clone> VolumeWriter<D> {
    /// Opens `volume` for writing. `disks` holds one disk per component, of the length the volume knows; at
    /// most `map_memory` bytes of the map are kept, and a bit for every chunk in use while it is examined.
    ///
    /// # Errors
    ///
    /// [`Unsound`] when writing to it could add damage to damage. Nothing was written.
    ///
    /// # Panics
    ///
    /// When the volume is complete and `disks` is not.
    pub fn open(
        volume: Volume,
        disks: BTreeMap<ComponentIndex, D>,
        map_memory: u64,
    ) -> Result<Self, Unsound> {
        if let Some(missing) = volume.missing().next() {
            return Err(Unsound::Missing(missing));
        }
        assert!(
            volume.components.keys().all(|index| disks.contains_key(index)),
            "every component has a disk"
        );
        let found = examine(&volume, &disks[&ComponentIndex(0)])?;
        let records: Vec<Record> = volume.components.values().map(|component| component.record).collect();
        Ok(Self {
            allocator: Allocator::new(found.cursors),
            unflushed: alloc::vec![false; records.len()],
            records,
            reader: VolumeReader::new(volume, disks, found.order, map_memory),
            waiting: VecDeque::new(),
            runs: 0,
            entered: None,
            secured: None,
            changed: false,
        })
    }
}

impl<D: WriteAt> VolumeWriter<D> {
    /// The volume that is written.
    pub fn volume(&self) -> &Volume {
        self.reader.volume()
    }

    /// How much room is left.
    pub fn space(&self) -> Space {
        let allocator = &self.allocator;
        Space {
            free_chunks: allocator.free(),
            current: allocator.current(),
            current_free: allocator.cursor(allocator.current()).room(),
            free_components: allocator.free_components(),
        }
    }

    /// The segments of `range` as reads see them, also where they are not durable yet.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn segments(&mut self, range: Range<u64>) -> Segments<'_, D> {
        self.reader.segments(range)
    }

    /// Fills `buf` with the volume's bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`] when a component, or the map on component 0, cannot be read.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.reader.read(offset, buf).map_err(|error| match error {
            ReadError::Lost { start, why } => self.lost(start, why),
            io @ ReadError::Io { .. } => io,
        })
    }

    /// Writes `data` at `offset`: reads see it, the next [`flush`](Self::flush) makes it durable.
    ///
    /// # Errors
    ///
    /// [`WriteError::OutOfSpace`] when there is no room for all of it: nothing is written. [`WriteError::Io`]
    /// when a disk fails: what was there before is there, or what was to be written, byte by byte.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), WriteError> {
        let plan = self.plan(offset, data)?;
        self.perform(&plan, data)
    }

    /// Carries out a plan, which [`plan`](Self::plan) made for `data` after the last change: as
    /// [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`], as there.
    ///
    /// # Panics
    ///
    /// When the plan was made for something else.
    pub fn perform(&mut self, plan: &WritePlan, data: &[u8]) -> Result<(), WriteError> {
        for step in &plan.steps {
            match &step.what {
                StepBytes::Data(range) => self.put(step.component, step.offset, &data[range.clone()])?,
                StepBytes::Zeros(len) => self.put_zeros(step.component, step.offset, *len)?,
            }
        }
        self.allocate(&plan.allocations)?;
        self.flush_if_many_wait()
    }

    /// Makes the bytes of `range` zero. Holes stay holes, and what has a place keeps it: a chunk that lost its
    /// place would leave a gap.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`] when a disk fails; some of the range may be zero then.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn write_zeros(&mut self, range: Range<u64>) -> Result<(), WriteError> {
        let Range { mut start, end } = range;
        loop {
            // One at a time: the range may be the whole of a large volume.
            let Some(segment) = self.reader.segments(start..end).next() else { return Ok(()) };
            match segment.place {
                SegmentPlace::Hole => {}
                SegmentPlace::Data { component, offset } => self.put_zeros(component, offset, segment.len)?,
                SegmentPlace::Lost(why) => return Err(self.lost(segment.start, why).into()),
            }
            start = segment.end();
        }
    }

    /// Makes the bytes of `range` zero, and gives those a place that have none: writing there later takes no
    /// more room.
    ///
    /// # Errors
    ///
    /// [`WriteError::OutOfSpace`] when there is no room for all of it: nothing is written. [`WriteError::Io`]
    /// when a disk fails; some of the range may be zero or have a place then.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn provide_zeros(&mut self, range: Range<u64>) -> Result<(), WriteError> {
        let (needed, free) = (self.chunks_missing(range.clone()), self.allocator.free());
        if needed > free {
            return Err(WriteError::OutOfSpace { needed, free });
        }
        let chunk_size = self.volume().chunk_size;
        let Range { mut start, end } = range;
        while start < end {
            let (at, inside) = chunk_size.split(start);
            let piece_end = end.min(start.saturating_add(chunk_size.bytes() - inside));
            let Some(segment) = self.reader.segments(start..piece_end).next() else { return Ok(()) };
            start = segment.end();
            match segment.place {
                SegmentPlace::Data { component, offset } => self.put_zeros(component, offset, segment.len)?,
                SegmentPlace::Lost(why) => return Err(self.lost(segment.start, why).into()),
                SegmentPlace::Hole => {
                    let place = self.allocator.upcoming().next();
                    let Some((component, chunk)) = place else {
                        return Err(WriteError::OutOfSpace { needed, free });
                    };
                    self.put_zeros(component, chunk_size.offset_of(chunk), chunk_size.bytes())?;
                    self.allocate(&[Allocation { at, component, chunk }])?;
                    self.flush_if_many_wait()?;
                }
            }
        }
        Ok(())
    }

    /// Notes that `component` was written to, by somebody who carried out a [plan](Self::plan) without allocations
    /// through another handle of its disk: that needs no writer, so others need not wait for it. To be called
    /// when it is done, and before it is said to be: the next flush covers it. A write that failed need not be
    /// told of, for nobody relies on it.
    ///
    /// # Panics
    ///
    /// When there is no such component.
    pub fn wrote(&mut self, component: ComponentIndex) {
        self.unflushed[component.as_usize()] = true;
        self.changed = true;
    }

    /// The components that were written to since their last flush: whoever does not want others to wait for
    /// them flushes these disks before calling [`flush`](Self::flush), which then finds little to do.
    pub fn unflushed(&self) -> impl Iterator<Item = ComponentIndex> + '_ {
        self.indexes().filter(|index| self.unflushed[index.as_usize()])
    }

    /// As [`VolumeReader::take_map_error`].
    pub fn take_map_error(&mut self, at: u64) -> Option<IoError> {
        self.reader.take_map_error(at)
    }

    /// The error for bytes that the map has no place for: that of the disk when the map could not be read.
    fn lost(&mut self, start: u64, why: Lost) -> ReadError {
        let error = (why == Lost::NoMap).then(|| self.take_map_error(start)).flatten();
        match error {
            Some(error) => ReadError::Io { component: ComponentIndex(0), error },
            None => ReadError::Lost { start, why },
        }
    }

    /// Takes `allocations`, whose chunks are written, into the map that reads see.
    fn allocate(&mut self, allocations: &[Allocation]) -> Result<(), WriteError> {
        let map = self.reader.map_mut().expect("component 0 is there");
        let mut waiting = Vec::with_capacity(allocations.len());
        for &allocation in allocations {
            let before = on(ComponentIndex(0), map.entry(allocation.at))?;
            waiting.push(Waiting { allocation, before });
        }
        for new in waiting {
            let Allocation { at, component, chunk } = new.allocation;
            self.reader.map_mut().expect("component 0 is there").set(at, new.allocation.entry());
            self.allocator.take((component, chunk));
            self.entered = Some(component);
            let goes_on = self.waiting.back().is_some_and(|last| self.run_of(last) == self.run_of(&new));
            self.runs += usize::from(!goes_on);
            self.waiting.push_back(new);
        }
        Ok(())
    }

    fn put(&mut self, component: ComponentIndex, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        self.changed = true;
        on(component, self.disk(component).write_at(offset, bytes))?;
        self.wrote(component);
        Ok(())
    }

    fn put_zeros(&mut self, component: ComponentIndex, offset: u64, len: u64) -> Result<(), WriteError> {
        self.changed = true;
        on(component, self.disk(component).write_zeros(offset, len))?;
        self.wrote(component);
        Ok(())
    }

    fn disk(&self, component: ComponentIndex) -> &D {
        self.reader.disk(component).expect("every component has a disk")
    }

    fn indexes(&self) -> impl Iterator<Item = ComponentIndex> + use<D> {
        (0..self.volume().component_count).map(ComponentIndex)
    }
}

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

fn on<T>(component: ComponentIndex, result: Result<T, IoError>) -> Result<T, WriteError> {
    result.map_err(|error| WriteError::Io { component, error })
}
