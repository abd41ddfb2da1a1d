//! Changing a set as a whole: components come and go, the volume grows, gives back space, gets a name.
//!
//! Each verb is a function from a set to a plan: the records afterwards, numbers for people, and [`Patch`]es in
//! the order in which they must reach the disks. Nothing here writes.
//!
//! # What a cut leaves
//!
//! What a set says of itself stands in one sector of every component, and nothing can change two disks at once.
//! So a change of what all records say goes from record to record, each with a barrier behind it, in an order
//! in which every prefix has a name in [`check`](crate::check) and a repair that loses nothing:
//!
//! | change | order | a prefix is |
//! |---|---|---|
//! | one component more | its record with the old count; then the new count, upward | `torn-add` |
//! | one less | the same, backward | `torn-add`, towards the old set |
//! | one less, with some behind it in use | it becomes the last, the gap goes upward: entries, then the record | `removed-from-middle` |
//! | virtual size | the map first becomes zero where it will reach; then the records, upward | `records-disagree` |
//! | name | upward | `torn-rename` |
//! | provider name | any | a set, as each record is judged alone |
//!
//! Chunks that move keep their old place until their entry names the new one:
//!
//! ```text
//!  1  records: cursors as low as they ever get, flags of all that will be in use      barrier
//!  2  entries of chunks that are given up become zero                                  barrier
//!  3  the bytes, into chunks that no entry names                                       barrier
//!  4  the entries of what moved                                                        barrier
//!  5  records as they should be                                                        barrier
//! ```
//!
//! Between 2 and 4 the used chunks have holes, which the kernel would take for less than they are; a repair moves
//! them together again. No chunk is ever named twice, and what an entry names was durable before the entry was.

pub mod add;
pub mod clear;
pub mod compact;
mod fill;
pub mod grow;
pub mod import;
mod map;
mod moves;
pub mod naming;
pub mod remove;
mod sequence;

use alloc::vec::Vec;

use crate::assemble::Volume;
use crate::format::{ByteOrder, ComponentFlags, Record};
use crate::geometry::{ComponentIndex, PhysicalChunk};
use crate::io::ReadAt;
use crate::patch::Patch;
use crate::write::Unsound;
use crate::write::allocator::{Allocator, Cursor};
use crate::write::sound::examine;

/// What a verb does to a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The records afterwards, by number; those of components that left are not among them.
    pub records: Vec<Record>,
    /// What is to be done, in order. Components have their old numbers; new ones follow, in the order given.
    pub patches: Vec<Patch>,
}

/// A set that is complete and keeps what allocation needs, with what its map says of each component.
#[derive(Debug)]
pub struct SoundSet {
    volume: Volume,
    order: ByteOrder,
    cursors: Vec<Cursor>,
}

impl SoundSet {
    /// Examines `volume`, whose component 0 is `first`. Reads the map; a bit of memory for every allocated entry.
    ///
    /// # Errors
    ///
    /// [`Unsound`] when changing it could add damage to damage.
    pub fn examine(volume: Volume, first: &(impl ReadAt + ?Sized)) -> Result<Self, Unsound> {
        let found = examine(&volume, first)?;
        Ok(Self { volume, order: found.order, cursors: found.cursors })
    }

    pub(crate) fn new(volume: Volume, order: ByteOrder, cursors: Vec<Cursor>) -> Self {
        Self { volume, order, cursors }
    }

    /// The volume.
    #[must_use]
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// How many chunks of a component are in use.
    #[must_use]
    pub fn used(&self, component: ComponentIndex) -> u64 {
        self.cursors.get(component.as_usize()).map_or(0, |cursor| u64::from(cursor.used()))
    }

    /// How many chunks of all components are in use.
    #[must_use]
    pub fn used_chunks(&self) -> u64 {
        self.cursors.iter().map(|cursor| u64::from(cursor.used())).sum()
    }

    /// How many chunks can still be handed out.
    #[must_use]
    pub fn free_chunks(&self) -> u64 {
        self.allocator().free()
    }

    fn allocator(&self) -> Allocator {
        Allocator::new(self.cursors.clone())
    }

    /// The records as they are.
    fn old_records(&self) -> Vec<Record> {
        self.volume.components.values().map(|component| component.record).collect()
    }

    /// The records with cursors and flags as they should be.
    fn records(&self) -> Vec<Record> {
        brought_up_to_date(&self.old_records(), &self.cursors)
    }
}

/// `records` with the cursors and flags that go with `cursors`.
fn brought_up_to_date(records: &[Record], cursors: &[Cursor]) -> Vec<Record> {
    let current = cursors.iter().rposition(|cursor| cursor.used() > 0).unwrap_or(0);
    let update = |(number, (record, cursor)): (usize, (&Record, &Cursor))| {
        let mut record = *record;
        record.chunk_next.set(cursor.next);
        let allocated = if number == 0 || cursor.used() > 0 { ComponentFlags::ALLOCATED } else { 0 };
        let current = if number == current { ComponentFlags::CURRENT } else { 0 };
        record.flags.set(allocated | current);
        record
    };
    records.iter().zip(cursors).enumerate().map(update).collect()
}

/// A chunk of a component.
type Place = (ComponentIndex, PhysicalChunk);

/// As a number of a component; no set has more.
fn index(number: usize) -> ComponentIndex {
    ComponentIndex(u16::try_from(number).expect("components were counted"))
}
