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
//! until then, so that all allocations between two flushes share their barriers.
//!
//! # Why a cut leaves a sound volume
//!
//! The format has no journal, no checksum and one copy of the map, and at the next start the kernel **counts**
//! the entries of each component to find the next free chunk (`virstor_check_and_run`). A map with a gap in it
//! (chunks 2 and 4 named, 3 not) makes it hand out chunk 4 a second time. So after every possible cut the
//! entries on the disk must be a beginning of the order of allocation. A flush does, in this order:
//!
//! ```text
//!  1  flush every component that was written to            the data of all new chunks
//!  2  for each run of new entries:
//!       first of its component? records, flush             see below
//!       write the sector of the map, flush component 0     this run's entries and no later ones
//! ```
//!
//! A *run* is as many entries, in the order of allocation, as lie in one sector of the map and name one
//! component. The sector is written with the entries of its run and without those of later runs, which are
//! put in when their turn comes.
//!
//! - *No foreign bytes.* An entry reaches the disk after the whole of its chunk, zeros included (1 before 2).
//!   A chunk whose entry did not make it is named by nobody; the next session hands it out again and makes it
//!   zero again.
//! - *No gap.* Between two barriers one sector is written, and a disk writes a sector whole or not at all. So
//!   the entries on the disk are those of the runs so far, with or without the last one: a beginning of the
//!   order. It cannot be had cheaper: were two sectors under way at once that name chunks of one component,
//!   the later could arrive alone. Chunks written in virtual order make one run for 64 of them (512 at
//!   4096 bytes a sector); in random order there is one barrier for each chunk, beside the zeros of a whole
//!   chunk that it costs anyway.
//! - *No allocation behind the end.* The kernel starts at the first component whose **record** says that it has
//!   room, and when that one is full goes to the next without looking whether there is any. With two full
//!   components whose records are old it writes behind the end of the second. So before the first entry of a
//!   component goes to the disk, the records of those below say that they are full, and its own that it is in
//!   use (`gvirstor remove` goes by that flag alone).
//! - *Nothing acknowledged by a flush is lost.* What was durable is only ever overwritten where the user
//!   writes, sector by sector: a sector of the map is rewritten with what it held plus new entries.
//!
//! What a failed operation leaves: a write that failed has allocated nothing (its chunks are handed out again),
//! and what it overwrote is old or new; a flush that failed has some of its runs done and goes on with the
//! others when it is called again.

pub(crate) mod allocator;
pub mod held;
mod members;
pub(crate) mod sound;
pub mod watermark;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::ops::Range;

use self::allocator::Allocator;
pub use self::members::MemberError;
pub use self::sound::Unsound;
use self::sound::examine;
use crate::assemble::Volume;
use crate::check::{Finding, Report, Severity};
use crate::format::{ComponentFlags, MAP_ENTRY_LEN, MapEntry, Record};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::{IoError, WriteAt};
use crate::label::record_sector;
use crate::plan::{Lost, ReadError, Segment, SegmentPlace, Segments, VolumeReader};

/// So many new entries at most wait for a flush; then the writer does one of its own. It bounds memory.
const MOST_WAITING: usize = 4096;

/// So many runs at most wait for a flush, each of which takes a barrier. It bounds the time a flush takes.
const MOST_RUNS: usize = 64;

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

/// An allocation whose entry is not on the disk.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    allocation: Allocation,
    /// The entry on the disk.
    before: MapEntry,
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

    /// How many chunks of `range` have no place.
    fn chunks_missing(&mut self, range: Range<u64>) -> u64 {
        let chunk_size = self.volume().chunk_size;
        let holes = self.reader.segments(range).filter(|segment| segment.place == SegmentPlace::Hole);
        holes.map(|hole| chunk_size.split(hole.end() - 1).0.0 - chunk_size.split(hole.start).0.0 + 1).sum()
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

    /// Makes everything written durable.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`] when a disk fails. What was durable before is; a second call does the rest.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.flush_disks()?;
        while let Some(first) = self.waiting.front().copied() {
            let component = first.allocation.component;
            self.secure_records(component)?;
            self.commit_run()?;
        }
        Ok(())
    }

    /// Flushes, and brings the records up to date when anything was written, as the kernel does on last close
    /// (`update_metadata`). The volume may be written to again afterwards.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`] when a disk fails. A second call does the rest.
    pub fn close(&mut self) -> Result<(), WriteError> {
        self.flush()?;
        if !self.changed {
            return Ok(());
        }
        let mut outcome = Ok(());
        for index in self.indexes() {
            // One that fails is no reason to leave the others as they are.
            outcome = outcome.and(self.put_record(index, self.record(index, self.entered)));
        }
        outcome.and(self.flush_disks())?;
        self.changed = false;
        Ok(())
    }

    fn flush_if_many_wait(&mut self) -> Result<(), WriteError> {
        if self.waiting.len() >= MOST_WAITING || self.runs > MOST_RUNS { self.flush() } else { Ok(()) }
    }

    /// The error for bytes that the map has no place for: that of the disk when the map could not be read.
    fn lost(&mut self, start: u64, why: Lost) -> ReadError {
        let (at, _) = self.volume().chunk_size.split(start);
        let error = match why {
            Lost::NoMap => self.reader.map_mut().and_then(|map| map.take_error(at)),
            _ => None,
        };
        match error {
            Some(error) => ReadError::Io { component: ComponentIndex(0), error },
            None => ReadError::Lost { start, why },
        }
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

    /// What entries of one run have in common: the sector of the map they are in, and the component they name.
    fn run_of(&self, waiting: &Waiting) -> (u64, ComponentIndex) {
        let entries_per_sector = u64::from(self.volume().sector_size) / MAP_ENTRY_LEN as u64;
        (waiting.allocation.at.0 / entries_per_sector, waiting.allocation.component)
    }

    /// Puts the first run of waiting entries on the disk.
    fn commit_run(&mut self) -> Result<(), WriteError> {
        let Some(first) = self.waiting.front() else { return Ok(()) };
        let run = self.run_of(first);
        let len = self.waiting.iter().take_while(|waiting| self.run_of(waiting) == run).count();
        let bytes = self.sector_with(len)?;
        self.put(ComponentIndex(0), run.0 * u64::from(self.volume().sector_size), &bytes)?;
        self.flush_disks()?;
        let map = self.reader.map_mut().expect("component 0 is there");
        for done in self.waiting.drain(..len) {
            map.settle(done.allocation.at);
        }
        self.runs -= 1;
        Ok(())
    }

    /// The sector of the map that the first waiting entry is in, with the first `len` of those that wait and
    /// without the others.
    fn sector_with(&mut self, len: usize) -> Result<Vec<u8>, WriteError> {
        let sector_size = usize::try_from(self.volume().sector_size).expect("a sector fits memory");
        let entries_per_sector = (sector_size / MAP_ENTRY_LEN) as u64;
        let first = self.waiting[0].allocation.at.0 / entries_per_sector * entries_per_sector;
        let map = self.reader.map_mut().expect("component 0 is there");
        let mut bytes = on(ComponentIndex(0), map.bytes(VirtualChunk(first), sector_size))?.to_vec();
        for later in self.waiting.iter().skip(len) {
            let position =
                later.allocation.at.0.checked_sub(first).filter(|entry| *entry < entries_per_sector);
            if let Some(position) = position {
                let start = usize::try_from(position).expect("in the sector") * MAP_ENTRY_LEN;
                bytes[start..start + MAP_ENTRY_LEN].copy_from_slice(&later.before.encode(map.order()));
            }
        }
        Ok(bytes)
    }

    /// Makes the records ready for the first entry that names `component`: all entries of those below it are
    /// on the disk.
    fn secure_records(&mut self, component: ComponentIndex) -> Result<(), WriteError> {
        if self.secured == Some(component) {
            return Ok(());
        }
        for index in (0..=component.0).map(ComponentIndex) {
            let mut wanted = self.record(index, Some(component));
            if index == component {
                // Left as it is, it shows that the volume was not closed.
                wanted.chunk_next = self.records[index.as_usize()].chunk_next;
            }
            if wanted != self.records[index.as_usize()] {
                self.put_record(index, wanted)?;
            }
        }
        self.flush_disks()?;
        self.secured = Some(component);
        Ok(())
    }

    /// The record of a component as it should be when `entered` is where the last allocation was.
    fn record(&self, index: ComponentIndex, entered: Option<ComponentIndex>) -> Record {
        let mut record = self.records[index.as_usize()];
        let cursor = self.allocator.cursor(index);
        let mut flags = record.flags.get();
        if cursor.is_used() {
            flags |= ComponentFlags::ALLOCATED;
        }
        if entered == Some(index) {
            flags |= ComponentFlags::CURRENT;
        } else if entered.is_some() {
            flags &= !ComponentFlags::CURRENT;
        }
        record.flags.set(flags);
        record.chunk_next.set(cursor.next);
        record.md_count.set(self.volume().component_count);
        record
    }

    fn put_record(&mut self, index: ComponentIndex, record: Record) -> Result<(), WriteError> {
        let component = &self.volume().components[&index];
        let offset = component.len - u64::from(component.sector_size);
        let sector = record_sector(&record, component.sector_size);
        self.put(index, offset, &sector)?;
        self.records[index.as_usize()] = record;
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

    /// Flushes what was written to. A disk that fails does not keep the others from it.
    fn flush_disks(&mut self) -> Result<(), WriteError> {
        let mut outcome = Ok(());
        for index in self.indexes() {
            if self.unflushed[index.as_usize()] {
                let flushed = on(index, self.disk(index).flush());
                self.unflushed[index.as_usize()] = flushed.is_err();
                outcome = outcome.and(flushed);
            }
        }
        outcome
    }

    fn disk(&self, component: ComponentIndex) -> &D {
        self.reader.disk(component).expect("every component has a disk")
    }

    fn indexes(&self) -> impl Iterator<Item = ComponentIndex> + use<D> {
        (0..self.volume().component_count).map(ComponentIndex)
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

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

fn on<T>(component: ComponentIndex, result: Result<T, IoError>) -> Result<T, WriteError> {
    result.map_err(|error| WriteError::Io { component, error })
}
