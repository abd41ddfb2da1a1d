//! Edits: what a set should become, and the patches that lead there in a safe order.
//!
//! Whoever changes a set that holds data (`repair`, and the verbs that add, remove and compact) decides in these terms:
//! bytes that move, entries of the map, records. [`Edits::patches`] puts them in order:
//!
//! ```text
//!  1  copies and zeros     into places that nothing refers to, so nothing is lost when they are torn
//!  2  the map, whole sectors of it                            (or 3 before 2, see Order)
//!  3  the records
//! ```
//!
//! with a barrier after each. After 1 the set is what it was. In the midst of 2 each entry is the old one or
//! the new one, and the bytes it names are there either way: the sources of copies are still untouched. What
//! was a source may be overwritten by the next edits only, which begin behind the last barrier.

use alloc::vec;
use alloc::vec::Vec;

use crate::format::{ByteOrder, MAP_ENTRY_LEN, MapEntry, Record};
use crate::geometry::{ChunkSize, ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::label::record_sector;
use crate::ordered;
use crate::patch::Patch;

/// A byte of a component.
pub type Place = (ComponentIndex, u64);

/// Changes to a set, to be made in one go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    /// Bytes that are copied: from, to, how many.
    pub copies: Vec<(Place, Place, u64)>,
    /// Bytes that become zero: from where, how many.
    pub zeros: Vec<(Place, u64)>,
    /// Entries of the map that change.
    pub entries: Vec<EntryEdit>,
    /// Records that change.
    pub records: Vec<RecordEdit>,
    /// Whether there is a barrier after each record, so that a cut leaves the first of them changed and the rest
    /// not: what records say together (names, counts, numbers) is then never mixed in any other way.
    pub one_by_one: bool,
    /// What comes first.
    pub order: Order,
    /// The disk that the map lies on: component 0, unless patches name disks otherwise.
    pub map_disk: ComponentIndex,
}

/// Which of map and records is written first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The map. A record that says more than the map yet (a cursor that was raised, a chunk count lowered because the
    /// chunks are empty now) must not come before the entries that make it true.
    #[default]
    MapThenRecords,
    /// The records. Where components get other numbers, the entries that name the new ones must not come
    /// first: with the old records they would name other components' chunks, which nobody could tell from
    /// good entries. New records with old entries name what does not exist, which is seen. So with cursors of
    /// components that chunks leave: one that is too low is an old one, which the kernel corrects when it starts; one that
    /// is too high says that entries were lost.
    RecordsThenMap,
}

/// An entry of the map that changes. Entries are raw bytes here: an edit may change their byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryEdit {
    /// Which entry.
    pub at: VirtualChunk,
    /// What it is.
    pub before: [u8; MAP_ENTRY_LEN],
    /// What it becomes.
    pub after: [u8; MAP_ENTRY_LEN],
}

impl EntryEdit {
    /// The entry at `at` of a map in byte order `order` changes from `before` to `after`.
    #[must_use]
    pub fn new(at: VirtualChunk, before: MapEntry, after: MapEntry, order: ByteOrder) -> Self {
        Self { at, before: before.encode(order), after: after.encode(order) }
    }

    /// The entry at `at` stops naming anything.
    #[must_use]
    pub fn clear(at: VirtualChunk, before: MapEntry, order: ByteOrder) -> Self {
        Self { at, before: before.encode(order), after: [0; MAP_ENTRY_LEN] }
    }
}

/// A sector that gets another record, or loses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordEdit {
    /// Whose disk.
    pub component: ComponentIndex,
    /// Where the sector starts, in bytes.
    pub offset: u64,
    /// What the whole sector holds.
    pub before: Vec<u8>,
    /// What it will hold; as long.
    pub after: Vec<u8>,
}

impl RecordEdit {
    /// `record` goes into the sector at `offset`, which holds `before`; the rest of the sector becomes zero.
    ///
    /// # Panics
    ///
    /// When a sector is shorter than a record.
    #[must_use]
    pub fn put(component: ComponentIndex, offset: u64, before: Vec<u8>, record: &Record) -> Self {
        let sector_size = u32::try_from(before.len()).expect("a sector is small");
        let after = record_sector(record, sector_size);
        Self { component, offset, before, after }
    }

    /// The sector at `offset`, which holds `before`, becomes zero: the disk is no component any more.
    #[must_use]
    pub fn clear(component: ComponentIndex, offset: u64, before: Vec<u8>) -> Self {
        let after = vec![0; before.len()];
        Self { component, offset, before, after }
    }
}

/// Why edits cannot be turned into patches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// The map is not what it was when the edits were decided.
    Changed {
        /// The entry.
        at: VirtualChunk,
        /// What it was.
        expected: [u8; MAP_ENTRY_LEN],
        /// What it is.
        found: [u8; MAP_ENTRY_LEN],
    },
    /// The map cannot be read.
    Io(IoError),
}

impl Edits {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.zeros.is_empty() && self.entries.is_empty() && self.records.is_empty()
    }

    /// Copies a whole chunk.
    pub fn copy_chunk(
        &mut self,
        chunk_size: ChunkSize,
        from: (ComponentIndex, PhysicalChunk),
        to: (ComponentIndex, PhysicalChunk),
    ) {
        let place = |(component, chunk)| (component, chunk_size.offset_of(chunk));
        self.copies.push((place(from), place(to), chunk_size.bytes()));
    }

    /// The copies and zeros alone, which come first.
    #[must_use]
    pub fn data_patches(&self) -> Vec<Patch> {
        let copy = |(from, to, len): &(Place, Place, u64)| Patch::Copy { from: *from, to: *to, len: *len };
        let zero = |((component, offset), len): &(Place, u64)| Patch::Zero {
            component: *component,
            offset: *offset,
            len: *len,
        };
        self.copies.iter().map(copy).chain(self.zeros.iter().map(zero)).collect()
    }

    /// The patches, with a barrier at the end; none when there is nothing to do. The map is read from `first`,
    /// which is [`map_disk`](Self::map_disk), for the rest of each sector that changes; sectors have `sector_size`
    /// bytes. Where chunks begin in the last sector of the map, `first` has to be the disk as
    /// [`data_patches`](Self::data_patches) leave it: the map is written after these, and must not put back what
    /// stood there before.
    ///
    /// # Errors
    ///
    /// When the map cannot be read, or does not say what the edits think it does.
    ///
    /// # Panics
    ///
    /// When an entry lies behind the end of component 0.
    pub fn patches(&self, first: &(impl ReadAt + ?Sized), sector_size: u32) -> Result<Vec<Patch>, EditError> {
        let record = |edit: &RecordEdit| Patch::Write {
            component: edit.component,
            offset: edit.offset,
            bytes: edit.after.clone(),
        };
        let data = self.data_patches();
        let after_each = self.one_by_one.then_some(Patch::Barrier);
        let changed = self.records.iter().filter(|edit| edit.before != edit.after);
        let records = changed.flat_map(|edit| [record(edit)].into_iter().chain(after_each.clone())).collect();
        let map = self.map_sectors(first, u64::from(sector_size))?;
        let groups: [Vec<Patch>; 3] = match self.order {
            Order::MapThenRecords => [data, map, records],
            Order::RecordsThenMap => [data, records, map],
        };
        let mut patches = Vec::new();
        for group in groups.into_iter().filter(|group| !group.is_empty()) {
            patches.extend(group);
            if patches.last() != Some(&Patch::Barrier) {
                patches.push(Patch::Barrier);
            }
        }
        Ok(patches)
    }

    /// The sectors of the map with the new entries in them, in order.
    fn map_sectors(&self, first: &(impl ReadAt + ?Sized), sector: u64) -> Result<Vec<Patch>, EditError> {
        let mut entries = self.entries.clone();
        ordered::sort_by_key(&mut entries, |edit| edit.at);
        let offset_of = |edit: &EntryEdit| edit.at.0 * MAP_ENTRY_LEN as u64;
        let mut patches = Vec::new();
        for of_sector in entries.chunk_by(|a, b| offset_of(a) / sector == offset_of(b) / sector) {
            let start = offset_of(&of_sector[0]) / sector * sector;
            // The last sector may not be whole where a disk was cut off.
            let len = sector.min(first.size().saturating_sub(start));
            let mut bytes = vec![0; usize::try_from(len).expect("a sector is small")];
            first.read_at(start, &mut bytes).map_err(EditError::Io)?;
            for edit in of_sector {
                let within = usize::try_from(offset_of(edit) - start).expect("less than a sector");
                let entry = &mut bytes[within..within + MAP_ENTRY_LEN];
                if *entry != edit.before {
                    let mut found = [0; MAP_ENTRY_LEN];
                    found.copy_from_slice(entry);
                    return Err(EditError::Changed { at: edit.at, expected: edit.before, found });
                }
                entry.copy_from_slice(&edit.after);
            }
            patches.push(Patch::Write { component: self.map_disk, offset: start, bytes });
        }
        Ok(patches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C0: ComponentIndex = ComponentIndex(0);
    const C1: ComponentIndex = ComponentIndex(1);

    fn entry(chunk: u32) -> MapEntry {
        MapEntry { flags: 1, component: C0, chunk: PhysicalChunk(chunk) }
    }

    fn some_edits() -> Edits {
        let change = |at, before, after| {
            EntryEdit::new(VirtualChunk(at), entry(before), entry(after), ByteOrder::Little)
        };
        Edits {
            copies: vec![((C0, 4096), (C1, 0), 512)],
            zeros: vec![((C1, 512), 512)],
            entries: vec![change(65, 9, 3), change(0, 5, 4)],
            records: vec![RecordEdit::clear(C1, 8192 - 512, vec![1; 512])],
            one_by_one: false,
            order: Order::MapThenRecords,
            map_disk: C0,
        }
    }

    fn some_map() -> Vec<u8> {
        let mut disk = vec![0; 8192];
        disk[..8].copy_from_slice(&entry(5).encode(ByteOrder::Little));
        disk[8..16].copy_from_slice(&entry(6).encode(ByteOrder::Little));
        disk[520..528].copy_from_slice(&entry(9).encode(ByteOrder::Little));
        disk
    }

    #[test]
    fn data_comes_before_the_map_and_the_map_before_the_records() {
        let patches = some_edits().patches(&some_map(), 512).expect("memory");
        let [copy, zero, Patch::Barrier, first, second, Patch::Barrier, record, Patch::Barrier] =
            &patches[..]
        else {
            panic!("another order: {patches:?}")
        };
        assert_eq!(*copy, Patch::Copy { from: (C0, 4096), to: (C1, 0), len: 512 });
        assert_eq!(*zero, Patch::Zero { component: C1, offset: 512, len: 512 });
        assert_eq!(*record, Patch::Write { component: C1, offset: 8192 - 512, bytes: vec![0; 512] });
        // Whole sectors, with the entries that stay.
        let mut expected = some_map();
        expected[4] = 4;
        expected[524] = 3;
        let sector = |number: usize| Patch::Write {
            component: C0,
            offset: number as u64 * 512,
            bytes: expected[number * 512..][..512].to_vec(),
        };
        assert_eq!((first, second), (&sector(0), &sector(1)));
    }

    #[test]
    fn where_numbers_change_the_records_come_first() {
        let edits = Edits { order: Order::RecordsThenMap, ..some_edits() };
        let patches = edits.patches(&some_map(), 512).expect("memory");
        assert!(matches!(patches[3], Patch::Write { component: C1, .. }), "{patches:?}");
    }

    #[test]
    fn records_may_be_kept_apart() {
        let record = |component| RecordEdit::clear(component, 8192 - 512, vec![1; 512]);
        let edits = Edits { records: vec![record(C0), record(C1)], one_by_one: true, ..Edits::default() };
        let patches = edits.patches(&some_map(), 512).expect("memory");
        assert!(
            matches!(patches[..], [Patch::Write { .. }, Patch::Barrier, Patch::Write { .. }, Patch::Barrier]),
            "{patches:?}"
        );
    }

    #[test]
    fn a_map_that_says_something_else_is_not_edited() {
        let mut map = some_map();
        map[524] = 8;
        let (expected, found) = (entry(9).encode(ByteOrder::Little), entry(8).encode(ByteOrder::Little));
        let error = EditError::Changed { at: VirtualChunk(65), expected, found };
        assert_eq!(some_edits().patches(&map, 512), Err(error));
    }

    #[test]
    fn nothing_to_do_needs_no_patch() {
        assert_eq!(Edits::default().patches(&some_map(), 512), Ok(vec![]));
        assert!(Edits::default().is_empty());
    }
}
