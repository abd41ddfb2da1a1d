//! What lies on the disks, read without the engine, and what every sound set must keep.

use std::collections::BTreeSet;

use virstor::io::ReadAt;
use virstor_testkit::{ByteOrder, MapEntry, Record, SparseDisk};

/// The records and the map of a set whose components are given in order.
pub(crate) struct OnDisk {
    records: Vec<Record>,
    entries: Vec<MapEntry>,
}

impl OnDisk {
    pub(crate) fn read(disks: &[SparseDisk], sector_size: u64) -> Self {
        let record = |disk: &SparseDisk| Record::decode(&disk.bytes(disk.size() - sector_size, Record::LEN));
        let records: Vec<_> = disks.iter().map(record).collect();
        let entries = usize::try_from(records[0].virsize / u64::from(records[0].chunk_size)).unwrap();
        let map = disks[0].bytes(0, entries * MapEntry::LEN);
        let decode = |bytes: &[u8; MapEntry::LEN]| MapEntry::decode(*bytes, ByteOrder::Little);
        Self { entries: map.as_chunks().0.iter().map(decode).collect(), records }
    }

    /// How many entries name a chunk.
    pub(crate) fn allocated(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_allocated()).count()
    }

    /// The chunks of component `number` that entries name.
    fn used(&self, number: usize) -> Vec<u32> {
        let of = |entry: &&MapEntry| entry.is_allocated() && usize::from(entry.provider_no) == number;
        self.entries.iter().filter(of).map(|entry| entry.provider_chunk).collect()
    }

    /// What must hold after every possible cut: I1 to I5, I6, I9, I10; the flag `gvirstor remove` goes by;
    /// and a kernel that starts here never hands out a chunk that is in use or is not there.
    pub(crate) fn assert_sound(&self, disks: &[SparseDisk], sector_size: u64) {
        let first = &self.records[0];
        let mut lower_are_full = true;
        for (number, (record, disk)) in self.records.iter().zip(disks).enumerate() {
            let globals =
                |record: &Record| (record.name, record.id, record.virsize, record.chunk_size, record.count);
            assert_eq!(record.magic, Record::MAGIC, "c{number}");
            assert_eq!(globals(record), globals(first), "c{number}");
            assert_eq!((usize::from(record.no), usize::from(record.count)), (number, disks.len()));
            assert_eq!(record.provsize, disk.size());
            let end = u64::from(record.chunk_count) * u64::from(record.chunk_size);
            assert!(end <= disk.size() - sector_size);

            let used = self.used(number);
            let reserved = u32::from(record.chunk_reserved);
            let set: BTreeSet<_> = used.iter().copied().collect();
            assert_eq!(set.len(), used.len(), "c{number}: no chunk has two owners");
            let dense: BTreeSet<_> = (reserved..).take(used.len()).collect();
            assert_eq!(set, dense, "c{number}: no gap");
            assert!(used.is_empty() || lower_are_full, "c{number}: those below are full");
            assert!(
                used.is_empty() || record.flags & Record::ALLOCATED != 0,
                "c{number}: known to be in use"
            );
            lower_are_full &= reserved + u32::try_from(used.len()).unwrap() >= record.chunk_count;
        }
        let map_len = self.entries.len() * MapEntry::LEN;
        assert!(map_len as u64 <= u64::from(first.chunk_reserved) * u64::from(first.chunk_size));
        for entry in &self.entries {
            assert!(*entry == MapEntry::default() || entry.flags == MapEntry::ALLOCATED);
        }
        self.assert_kernel_can_go_on();
    }

    /// What must also hold after a close: I7 and I8.
    pub(crate) fn assert_closed(&self) {
        let current =
            (0..self.records.len()).rev().find(|number| !self.used(*number).is_empty()).unwrap_or(0);
        for (number, record) in self.records.iter().enumerate() {
            let used = self.used(number);
            let next = u32::from(record.chunk_reserved) + u32::try_from(used.len()).unwrap();
            assert_eq!(record.chunk_next, next, "c{number}");
            let allocated = if number == 0 || !used.is_empty() { Record::ALLOCATED } else { 0 };
            let current = if number == current { Record::CURRENT } else { 0 };
            assert_eq!(record.flags, allocated | current, "c{number}");
        }
    }

    /// Allocates as the kernel does (`virstor_check_and_run`, `allocate_chunk`) until it says that all is full.
    fn assert_kernel_can_go_on(&self) {
        let count = self.records.len();
        let used: Vec<BTreeSet<_>> =
            (0..count).map(|number| self.used(number).into_iter().collect()).collect();
        let mut next: Vec<_> = self
            .records
            .iter()
            .zip(&used)
            .map(|(record, used)| u32::from(record.chunk_reserved) + u32::try_from(used.len()).unwrap())
            .collect();
        let has_room = |record: &Record| record.chunk_next < record.chunk_count;
        let mut current = self.records.iter().position(has_room).unwrap_or(count - 1);
        loop {
            if next[current] >= self.records[current].chunk_count {
                if current == count - 1 {
                    return;
                }
                current += 1;
            }
            let chunk = next[current];
            next[current] += 1;
            assert!(chunk < self.records[current].chunk_count, "the kernel leaves c{current}");
            assert!(
                !used[current].contains(&chunk),
                "the kernel hands out chunk {chunk} of c{current} twice"
            );
        }
    }
}
