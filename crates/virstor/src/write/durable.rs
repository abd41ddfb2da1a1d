//! What is durable when, and why a cut leaves a sound volume.
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

use alloc::vec::Vec;

use super::plan::Allocation;
use super::{VolumeWriter, WriteError, on};
use crate::format::{ComponentFlags, MAP_ENTRY_LEN, MapEntry, Record};
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::WriteAt;
use crate::label::record_sector;

/// So many new entries at most wait for a flush; then the writer does one of its own. It bounds memory.
const MOST_WAITING: usize = 4096;

/// So many runs at most wait for a flush, each of which takes a barrier. It bounds the time a flush takes.
const MOST_RUNS: usize = 64;

/// An allocation whose entry is not on the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) allocation: Allocation,
    /// The entry on the disk.
    pub(super) before: MapEntry,
}

impl<D: WriteAt> VolumeWriter<D> {
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

    pub(super) fn flush_if_many_wait(&mut self) -> Result<(), WriteError> {
        if self.waiting.len() >= MOST_WAITING || self.runs > MOST_RUNS { self.flush() } else { Ok(()) }
    }

    /// What entries of one run have in common: the sector of the map they are in, and the component they name.
    pub(super) fn run_of(&self, waiting: &Waiting) -> (u64, ComponentIndex) {
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

    /// Flushes what was written to. A disk that fails does not keep the others from it.
    pub(super) fn flush_disks(&mut self) -> Result<(), WriteError> {
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
}
