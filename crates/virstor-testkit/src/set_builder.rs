//! Sets of any shape, healthy or not, without the engine.

use std::collections::BTreeMap;

use virstor::io::ReadAt;

use crate::{ByteOrder, MapEntry, Record, SparseDisk, pattern};

/// Describes a set; [`build`](Self::build) makes it.
///
/// What is not said is as FreeBSD leaves it after a clean close: the reserved count twice what the map needs,
/// `chunk_next` behind the entries of each component, flags that follow from them. Where the kernel's `label`
/// counts chunks wrongly (from 4 GiB on), this counts rightly.
///
/// ```
/// use virstor_testkit::SetBuilder;
///
/// let set = SetBuilder::new("data")
///     .components([1 << 20, 1 << 20])
///     .virtual_chunks(64)
///     .map(0, 0, 2)
///     .map(7, 1, 0)
///     .edit_record(1, |record| record.version = 2)
///     .build();
/// assert_eq!(set[1].0, "c1");
/// ```
pub struct SetBuilder {
    name: String,
    id: u32,
    chunk_size: u32,
    sector_size: u32,
    virtual_chunks: u64,
    components: Vec<(String, u64)>,
    reserved: Option<u16>,
    entries: BTreeMap<u64, MapEntry>,
    byte_order: ByteOrder,
    seed: Option<u64>,
    edits: Vec<(usize, Edit)>,
}

type Edit = Box<dyn FnOnce(&mut Record)>;

impl SetBuilder {
    /// A volume called `name` (at most 16 bytes), without components: id 7, chunks of 128 KiB, sectors of 512
    /// bytes, 64 virtual chunks, none allocated.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: 7,
            chunk_size: 128 << 10,
            sector_size: 512,
            virtual_chunks: 64,
            components: Vec::new(),
            reserved: None,
            entries: BTreeMap::new(),
            byte_order: ByteOrder::Little,
            seed: None,
            edits: Vec::new(),
        }
    }

    /// The identifier.
    #[must_use]
    pub fn id(self, id: u32) -> Self {
        Self { id, ..self }
    }

    /// The chunk size in bytes.
    #[must_use]
    pub fn chunk_size(self, chunk_size: u32) -> Self {
        Self { chunk_size, ..self }
    }

    /// The sector size in bytes.
    #[must_use]
    pub fn sector_size(self, sector_size: u32) -> Self {
        Self { sector_size, ..self }
    }

    /// The number of entries of the map.
    #[must_use]
    pub fn virtual_chunks(self, virtual_chunks: u64) -> Self {
        Self { virtual_chunks, ..self }
    }

    /// Adds a component of `size` bytes in the file `file`.
    #[must_use]
    pub fn component(mut self, file: &str, size: u64) -> Self {
        self.components.push((file.to_owned(), size));
        self
    }

    /// Adds components of these sizes in bytes, in files named `c` and their number.
    #[must_use]
    pub fn components(self, sizes: impl IntoIterator<Item = u64>) -> Self {
        sizes.into_iter().fold(self, |set, size| {
            let file = format!("c{}", set.components.len());
            set.component(&file, size)
        })
    }

    /// The reserved count of component 0, in chunks, instead of twice what the map needs.
    #[must_use]
    pub fn reserved(self, chunks: u16) -> Self {
        Self { reserved: Some(chunks), ..self }
    }

    /// Puts the virtual chunk on chunk `physical` (reserved ones counted) of `component`.
    #[must_use]
    pub fn map(self, virtual_chunk: u64, component: u16, physical: u32) -> Self {
        self.entry(virtual_chunk, MapEntry::allocated(component, physical))
    }

    /// Makes the virtual chunk's entry any eight bytes.
    #[must_use]
    pub fn entry(mut self, virtual_chunk: u64, entry: MapEntry) -> Self {
        self.entries.insert(virtual_chunk, entry);
        self
    }

    /// The byte order of the map.
    #[must_use]
    pub fn byte_order(self, byte_order: ByteOrder) -> Self {
        Self { byte_order, ..self }
    }

    /// Fills every allocated chunk with the [`pattern`] of `seed` at the chunk's virtual offset.
    #[must_use]
    pub fn filled(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Writes `provider` (at most 16 bytes) into component `number`'s record, as `label -h` does.
    #[must_use]
    pub fn hardcoded(self, number: usize, provider: &str) -> Self {
        let name = Record::name_field(provider);
        self.edit_record(number, move |record| record.provider = name)
    }

    /// Changes component `number`'s record after all else was decided. Edits happen in the order they were
    /// given.
    #[must_use]
    pub fn edit_record(mut self, number: usize, edit: impl FnOnce(&mut Record) + 'static) -> Self {
        self.edits.push((number, Box::new(edit)));
        self
    }

    /// The files in component order, with their names.
    ///
    /// # Panics
    ///
    /// When what was described cannot exist on disk: there is no component, or a name is too long; a
    /// component has no room for its record, the first none for an entry, one none for a chunk to fill; an
    /// entry lies beyond the map; a number does not fit its field (set another by
    /// [`edit_record`](Self::edit_record), or [`reserved`](Self::reserved)); an edit names a component that
    /// is not there.
    #[must_use]
    pub fn build(mut self) -> Vec<(String, SparseDisk)> {
        assert!(!self.components.is_empty(), "a set has components");
        let mut records: Vec<_> = (0..self.components.len()).map(|number| self.record(number)).collect();
        for (number, edit) in std::mem::take(&mut self.edits) {
            edit(&mut records[number]);
        }
        let mut disks: Vec<_> = self.components.iter().map(|&(_, size)| SparseDisk::new(size)).collect();
        self.write_map(&mut disks[0]);
        self.fill_chunks(&mut disks);
        for (disk, record) in disks.iter_mut().zip(&records) {
            disk.write_at(self.record_offset(disk.size()), &record.encode())
                .expect("the last sector is within the component");
        }
        self.components.into_iter().map(|(file, _)| file).zip(disks).collect()
    }

    fn record(&self, number: usize) -> Record {
        let size = self.components[number].1;
        let no = u16::try_from(number).expect("a component's number has 16 bits");
        let reserved = if no == 0 { self.reserved.unwrap_or_else(|| self.default_reserved()) } else { 0 };
        let used = self.entries_of(no);
        let allocated = if no == 0 || used > 0 { Record::ALLOCATED } else { 0 };
        let current = if no == self.current_component() { Record::CURRENT } else { 0 };
        Record {
            magic: Record::MAGIC,
            version: 1,
            name: Record::name_field(&self.name),
            virsize: self.virtual_chunks.checked_mul(self.chunk_size.into()).expect("the size has 64 bits"),
            chunk_size: self.chunk_size,
            id: self.id,
            count: u16::try_from(self.components.len()).expect("the number of components has 16 bits"),
            provider: [0; 16],
            no,
            provsize: size,
            chunk_count: u32::try_from(self.record_offset(size) / u64::from(self.chunk_size))
                .expect("the number of chunks of a component has 32 bits"),
            chunk_next: u32::from(reserved) + used,
            chunk_reserved: reserved,
            flags: allocated | current,
        }
    }

    fn default_reserved(&self) -> u16 {
        let map_size = self.virtual_chunks * MapEntry::LEN as u64;
        let chunks = 2 * map_size.div_ceil(self.chunk_size.into());
        chunks.try_into().expect("the reserved count has 16 bits")
    }

    fn entries_of(&self, no: u16) -> u32 {
        let entries = self.entries.values().filter(|entry| entry.is_allocated() && entry.provider_no == no);
        u32::try_from(entries.count()).expect("a component has fewer than 2^32 entries")
    }

    /// The kernel fills one component after the other: the last with an entry is where it stopped.
    fn current_component(&self) -> u16 {
        let existing = |no: &u16| usize::from(*no) < self.components.len();
        let used = self.entries.values().filter(|entry| entry.is_allocated()).map(|entry| entry.provider_no);
        used.filter(existing).max().unwrap_or(0)
    }

    fn write_map(&self, first: &mut SparseDisk) {
        for (&virtual_chunk, entry) in &self.entries {
            assert!(virtual_chunk < self.virtual_chunks, "there is no virtual chunk {virtual_chunk}");
            first
                .write_at(virtual_chunk * MapEntry::LEN as u64, &entry.encode(self.byte_order))
                .expect("the map fits component 0");
        }
    }

    fn fill_chunks(&self, disks: &mut [SparseDisk]) {
        let Some(seed) = self.seed else { return };
        let mut chunk = vec![0; usize::try_from(self.chunk_size).expect("a chunk fits memory")];
        for (&virtual_chunk, entry) in self.entries.iter().filter(|(_, entry)| entry.is_allocated()) {
            pattern(seed, virtual_chunk * u64::from(self.chunk_size), &mut chunk);
            disks[usize::from(entry.provider_no)]
                .write_at(u64::from(entry.provider_chunk) * u64::from(self.chunk_size), &chunk)
                .expect("the chunk to fill is within its component");
        }
    }

    fn record_offset(&self, size: u64) -> u64 {
        size.checked_sub(self.sector_size.into()).expect("a component has room for its last sector")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GoldenSet;

    fn record(disk: &SparseDisk, sector_size: u64) -> Record {
        Record::decode(&disk.bytes(disk.size() - sector_size, Record::LEN))
    }

    /// Builds from nothing but geometry and map what the kernel's own code made, and compares whole disks.
    #[test]
    fn builds_what_the_kernel_labelled_and_filled() {
        for name in
            ["01-fresh-single", "02-fresh-three", "09-hardcoded-names", "53-default-geometry", "38-shuffled"]
        {
            let golden = GoldenSet::load(name);
            let case = golden.kernel().unwrap();
            let softc = case.kernel_state.softc.as_ref().unwrap();
            let mut kernel: Vec<_> =
                golden.files.iter().map(|(file, disk)| (record(disk, 512).no, file, disk)).collect();
            kernel.sort_by_key(|&(no, ..)| no);
            let mut builder = SetBuilder::new(softc.name.as_ref().unwrap())
                .id(softc.id)
                .chunk_size(softc.chunk_size.try_into().unwrap())
                .virtual_chunks(softc.chunk_count);
            for &(no, file, disk) in &kernel {
                builder = builder.component(file, disk.size());
                if name == "09-hardcoded-names" {
                    builder = builder.hardcoded(no.into(), &format!("da{no}"));
                }
            }
            for (virtual_chunk, entry) in case.map.as_ref().unwrap().entries() {
                builder = builder.entry(virtual_chunk, entry);
            }
            for ((file, ours), (_, expected_file, expected)) in builder.build().iter().zip(kernel) {
                assert_eq!(file, expected_file);
                assert_eq!(record(ours, 512), record(expected, 512), "{name}/{file}");
                if name.contains("fresh") {
                    assert_eq!(ours, expected, "{name}/{file}");
                }
            }
        }
    }

    #[test]
    fn a_filled_set_holds_the_pattern_of_virtual_offsets() {
        let set = SetBuilder::new("data").components([1 << 20]).map(5, 0, 3).filled(9).build();
        let mut expected = vec![0; 128 << 10];
        pattern(9, 5 * (128 << 10), &mut expected);
        assert_eq!(set[0].1.bytes(3 * (128 << 10), 128 << 10), expected);
        assert_eq!(set[0].1.bytes(40, 8), [1, 0, 0, 0, 3, 0, 0, 0]);
    }

    #[test]
    fn a_map_may_be_big_endian_while_records_never_are() {
        let big =
            SetBuilder::new("data").components([1 << 20]).map(0, 0, 2).byte_order(ByteOrder::Big).build();
        assert_eq!(big[0].1.bytes(0, 8), [0, 1, 0, 0, 0, 0, 0, 2]);
        assert_eq!(record(&big[0].1, 512).version, 1);
    }

    #[test]
    fn the_default_geometry_reserves_what_label_does() {
        let set = SetBuilder::new("data")
            .chunk_size(4 << 20)
            .virtual_chunks(524_288)
            .components([10 << 30])
            .build();
        let record = record(&set[0].1, 512);
        assert_eq!((record.virsize, record.chunk_reserved, record.chunk_next), (2 << 40, 2, 2));
        assert_eq!(record.chunk_count, 2559);
        assert_eq!(set[0].1.used_pages(), 1);
    }

    #[test]
    fn the_record_is_in_the_last_sector_whatever_its_size() {
        let set = SetBuilder::new("data").sector_size(4096).components([1 << 20]).build();
        assert_eq!(record(&set[0].1, 4096).magic, Record::MAGIC);
    }

    #[test]
    fn edits_have_the_last_word_in_their_order() {
        let set = SetBuilder::new("data")
            .components([1 << 20, 1 << 20])
            .edit_record(1, |record| record.chunk_next = 5)
            .edit_record(1, |record| record.chunk_next += 1)
            .hardcoded(1, "sixteen_chars_nm")
            .build();
        let record = record(&set[1].1, 512);
        assert_eq!((record.chunk_next, record.provider), (6, *b"sixteen_chars_nm"));
    }

    #[test]
    fn entries_that_name_no_component_are_built_all_the_same() {
        let set = SetBuilder::new("data").components([1 << 20]).map(0, 9, 1).build();
        assert_eq!(record(&set[0].1, 512).flags, Record::ALLOCATED | Record::CURRENT);
    }
}
