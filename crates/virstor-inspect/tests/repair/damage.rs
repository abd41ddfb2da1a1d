//! Sound sets, broken in every way that is known, alone and in pairs.

use std::fmt;

use virstor::io::ReadAt;
use virstor_testkit::{ByteOrder, MapEntry, Record, SetBuilder, SparseDisk, SplitMix64};

use crate::promises::keeps_its_promises;
use crate::support::Files;

/// Bytes of a chunk.
const CHUNK: u64 = 128 << 10;

/// A set that is being broken. Components have 1 MiB (7 chunks), sectors 512 bytes.
#[derive(Clone)]
pub(crate) struct Set {
    pub(crate) files: Vec<(String, SparseDisk)>,
    order: ByteOrder,
}

impl Set {
    /// Two components full or almost, a third with room; every chunk has contents of its own. The map has two
    /// sectors, both in use.
    pub(crate) fn sound() -> Self {
        let mut builder = SetBuilder::new("data").components([1 << 20; 4]).virtual_chunks(128).filled(7);
        let places =
            (2..7).map(|chunk| (0, chunk)).chain((0..7).map(|chunk| (1, chunk))).chain([(2, 0), (2, 1)]);
        for (number, (component, chunk)) in (0..).zip(places) {
            builder = builder.map(number * 7, component, chunk);
        }
        Self { files: builder.build(), order: ByteOrder::Little }
    }

    /// One component with some chunks in use.
    pub(crate) fn single() -> Self {
        let mut builder = SetBuilder::new("data").components([1 << 20]).filled(8);
        for (virtual_chunk, chunk) in [(5, 2), (6, 3), (0, 4)] {
            builder = builder.map(virtual_chunk, 0, chunk);
        }
        Self { files: builder.build(), order: ByteOrder::Little }
    }

    /// A sound one, but that so many chunks lie on the last component, though there is room on the one before.
    pub(crate) fn with_later_chunks(count: u32) -> Self {
        let mut set = Self::sound();
        for chunk in 0..count {
            let at = set.any_free(&mut SplitMix64::new(u64::from(chunk)));
            set.put_entry(at, MapEntry::allocated(3, chunk));
        }
        set.edit_record(3, |record| (record.chunk_next, record.flags) = (count, 1));
        set
    }

    pub(crate) fn files(&self) -> Files {
        Files::new(self.files.clone(), 512)
    }

    /// Where the record of a file stands, or would.
    fn record_offset(&self, file: usize) -> u64 {
        self.files[file].1.size() - 512
    }

    fn record(&self, file: usize) -> Record {
        Record::decode(&self.files[file].1.bytes(self.record_offset(file), 512))
    }

    fn put_record(&mut self, file: usize, record: &Record) {
        let offset = self.record_offset(file);
        self.files[file].1.write_at(offset, &record.encode()).expect("a record fits its sector");
    }

    fn edit_record(&mut self, file: usize, edit: impl FnOnce(&mut Record)) {
        let mut record = self.record(file);
        edit(&mut record);
        self.put_record(file, &record);
    }

    fn edit_records(&mut self, edit: impl Fn(&mut Record)) {
        (0..self.files.len()).for_each(|file| self.edit_record(file, &edit));
    }

    fn entry(&self, at: u64) -> MapEntry {
        let bytes = self.files[0].1.bytes(at * 8, 8);
        MapEntry::decode(bytes.try_into().expect("8 bytes"), self.order)
    }

    fn put_entry(&mut self, at: u64, entry: MapEntry) {
        self.files[0].1.write_at(at * 8, &entry.encode(self.order)).expect("the map fits component 0");
    }

    fn entries(&self) -> impl Iterator<Item = (u64, MapEntry)> {
        let room = self.files[0].1.size() / 8;
        (0..(self.record(0).virsize / CHUNK).min(room)).map(|at| (at, self.entry(at)))
    }

    /// Nothing lies on a component any more.
    fn empty_component(&mut self, number: u16) {
        let named = |(_, entry): &(u64, MapEntry)| entry.is_allocated() && entry.provider_no == number;
        let named: Vec<u64> = self.entries().filter(named).map(|it| it.0).collect();
        named.into_iter().for_each(|at| self.put_entry(at, MapEntry::default()));
    }

    /// Any entry that is allocated, of a component below `components`.
    fn any_allocated(&self, random: &mut SplitMix64) -> (u64, MapEntry) {
        let allocated: Vec<_> = self.entries().filter(|(_, entry)| entry.is_allocated()).collect();
        *random.choose(&allocated)
    }

    fn any_free(&self, random: &mut SplitMix64) -> u64 {
        let free: Vec<u64> =
            self.entries().filter(|(_, entry)| *entry == MapEntry::default()).map(|it| it.0).collect();
        *random.choose(&free)
    }

    fn any_file(&self, random: &mut SplitMix64) -> usize {
        usize::try_from(random.below(self.files.len() as u64)).expect("small")
    }
}

/// A way to break a set.
#[derive(Clone, Copy)]
pub(crate) struct Damage {
    pub(crate) name: &'static str,
    pub(crate) inflict: fn(&mut Set, &mut SplitMix64),
}

impl fmt::Debug for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! damages {
    ($($name:ident: $inflict:expr,)*) => {
        pub(crate) const DAMAGES: &[Damage] =
            &[$(Damage { name: stringify!($name), inflict: $inflict },)*];
    };
}

damages! {
    stale_cursor: |set, random| {
        let file = set.any_file(random);
        set.edit_record(file, |record| record.chunk_next = record.chunk_reserved.into());
    },
    cursors_of_a_crash: |set, _| set.edit_records(|record| {
        record.chunk_next = record.chunk_reserved.into();
        record.flags = if record.no == 0 { 3 } else { 0 };
    }),
    cursor_ahead: |set, random| {
        let file = set.any_file(random);
        set.edit_record(file, |record| record.chunk_next += 1);
    },
    garbage_flags: |set, random| {
        let file = set.any_file(random);
        set.edit_record(file, |record| record.flags = 0xc0de);
    },
    flags_lost: |set, random| {
        let file = set.any_file(random);
        set.edit_record(file, |record| record.flags = 0);
    },
    all_marked: |set, _| set.edit_records(|record| record.flags = 3),
    version: |set, random| {
        let file = set.any_file(random);
        set.edit_record(file, |record| record.version = 2);
    },
    magic: |set, random| {
        let file = set.any_file(random);
        set.edit_record(file, |record| record.magic[13] = b'x');
    },
    record_lost: |set, random| {
        let file = set.any_file(random);
        set.put_record(file, &Record::decode(&[0; 92]));
    },
    first_record_lost: |set, _| set.put_record(0, &Record::decode(&[0; 92])),
    record_copied: |set, _| if set.files.len() > 1 {
        let mut record = set.record(0);
        (record.chunk_next, record.flags) = (set.record(1).chunk_next, 1);
        set.put_record(1, &record);
    },
    torn_add: |set, random| {
        let count = set.record(0).count;
        let mut record = set.record(0);
        set.files.push((format!("new{count}"), SparseDisk::new(1 << 20)));
        (record.no, record.count, record.provsize) = (count, count, 1 << 20);
        (record.chunk_count, record.chunk_next, record.chunk_reserved, record.flags) = (8, 0, 0, 0);
        let last = set.files.len() - 1;
        set.put_record(last, &record);
        let updated = random.below(u64::from(count) + 1);
        for file in 0..usize::try_from(updated).expect("small") {
            set.edit_record(file, |record| record.count = count + 1);
        }
    },
    torn_remove: |set, random| if set.files.len() == 4 && set.record(3).no == 3 && set.record(3).count == 4 {
        set.put_record(3, &Record::decode(&[0; 92]));
        for file in 0..usize::try_from(random.within(1..4)).expect("small") {
            set.edit_record(file, |record| record.count = 3);
        }
    },
    removed_from_middle: |set, _| if set.files.len() == 4 && set.record(3).no == 3 {
        // Component 2 is emptied and taken away; 3 keeps its number.
        let named: Vec<u64> = set.entries().filter(|(_, entry)| entry.is_allocated() && entry.provider_no >= 2).map(|it| it.0).collect();
        named.into_iter().for_each(|at| set.put_entry(at, MapEntry::default()));
        set.files.remove(2);
        set.edit_records(|record| record.count = 3);
    },
    removed_before_used: |set, _| if set.files.len() == 4 && set.record(3).no == 3 {
        set.empty_component(1);
        set.files.remove(1);
        set.edit_records(|record| record.count = 3);
    },
    component_missing: |set, _| if set.files.len() == 4 {
        set.files.remove(3);
    },
    empty_component_missing: |set, _| if set.files.len() == 4 && set.record(3).no == 3 {
        set.empty_component(1);
        set.files.remove(1);
    },
    virtual_size_disagrees: |set, random| if set.files.len() > 2 {
        let file = set.any_file(random).max(1);
        set.edit_record(file, |record| record.virsize += 5 * CHUNK);
    },
    chunk_size_disagrees: |set, random| if set.files.len() > 2 {
        let file = set.any_file(random).max(1);
        set.edit_record(file, |record| record.chunk_size *= 2);
    },
    grown: |set, random| {
        let file = set.any_file(random);
        let size = set.files[file].1.size();
        set.files[file].1.resize(size + 512 * random.within(1..1000));
    },
    grown_with_its_record: |set, random| {
        let file = set.any_file(random);
        let record = set.record(file);
        let size = set.files[file].1.size();
        set.files[file].1.resize(size + (512 << 10));
        set.put_record(file, &record);
    },
    shrunk: |set, random| {
        let file = set.any_file(random);
        let record = set.record(file);
        let size = set.files[file].1.size();
        set.files[file].1.resize(size - 512 * random.within(1..500));
        set.put_record(file, &record);
    },
    cut_within_a_sector: |set, random| {
        let file = set.any_file(random);
        let size = set.files[file].1.size();
        set.files[file].1.resize(size - random.within(1..400));
    },
    hardcoded_too_long: |set, random| {
        let file = set.any_file(random);
        set.edit_record(file, |record| record.provider = *b"sixteen_chars_nm");
    },
    name_unterminated: |set, _| set.edit_records(|record| record.name = *b"sixteen_chars_nm"),
    ragged_size: |set, _| set.edit_records(|record| record.virsize += 512),
    map_of_broken_sectors: |set, _| set.edit_records(|record| {
        record.virsize = record.virsize.saturating_sub(3 * CHUNK);
    }),
    last_chunk_over_record: |set, random| {
        let file = set.any_file(random);
        set.edit_record(file, |record| record.chunk_count = 8);
    },
    data_over_record: |set, random| {
        let file = set.any_file(random);
        let (at, entry) = set.any_allocated(random);
        set.edit_record(file, |record| record.chunk_count = 8);
        let no = set.record(file).no;
        set.put_entry(at, MapEntry { provider_no: no, provider_chunk: 7, ..entry });
    },
    no_reserve: |set, _| set.edit_record(0, |record| record.chunk_reserved = 0),
    odd_entry_flags: |set, random| {
        let (at, entry) = set.any_allocated(random);
        set.put_entry(at, MapEntry { flags: 0x8001, ..entry });
    },
    unallocated_entry: |set, random| {
        let at = set.any_free(random);
        set.put_entry(at, MapEntry { flags: 0xfffe, provider_no: 1, provider_chunk: 4 });
    },
    unallocated_entry_out_of_range: |set, random| {
        let at = set.any_free(random);
        set.put_entry(at, MapEntry { flags: 0, provider_no: 500, provider_chunk: u32::MAX });
    },
    entry_of_no_component: |set, random| {
        let (at, entry) = set.any_allocated(random);
        set.put_entry(at, MapEntry { provider_no: 9, ..entry });
    },
    entry_at_chunk_count: |set, random| {
        let at = set.any_free(random);
        set.put_entry(at, MapEntry::allocated(0, set.record(0).chunk_count));
    },
    entry_of_no_chunk: |set, random| {
        let at = set.any_free(random);
        set.put_entry(at, MapEntry::allocated(0, u32::MAX - 1));
    },
    entry_in_reserve: |set, random| {
        let at = set.any_free(random);
        set.put_entry(at, MapEntry::allocated(0, 1));
    },
    entry_in_map: |set, random| {
        let at = set.any_free(random);
        set.put_entry(at, MapEntry::allocated(0, 0));
    },
    shared_chunk: |set, random| {
        let ((_, entry), at) = (set.any_allocated(random), set.any_free(random));
        set.put_entry(at, entry);
    },
    hole: |set, random| {
        let (at, _) = set.any_allocated(random);
        set.put_entry(at, MapEntry::default());
    },
    map_sector_lost: |set, _| _ = set.files[0].1.write_zeros(0, 512),
    big_endian: |set, _| {
        let entries: Vec<_> = set.entries().collect();
        set.order = ByteOrder::Big;
        entries.into_iter().for_each(|(at, entry)| set.put_entry(at, entry));
    },
    a_copy_of_a_component: |set, random| {
        let copy = set.files[set.any_file(random)].1.clone();
        set.files.push(("copy".into(), copy));
    },
    a_stranger: |set, _| set.files.insert(0, ("stranger".into(), SparseDisk::new(1 << 20))),
}

#[test]
fn every_damage_alone() {
    for damage in DAMAGES {
        for (number, sound) in [Set::sound(), Set::single()].into_iter().enumerate() {
            for lossy in [false, true] {
                let mut set = sound.clone();
                (damage.inflict)(&mut set, &mut SplitMix64::new(number as u64 + 1));
                let kept = keeps_its_promises(&set.files(), lossy);
                assert!(kept.is_ok(), "{damage:?} of set {number}, lossy {lossy}: {}", kept.unwrap_err());
                assert_eq!(set.files().declined(lossy), None, "{damage:?} of set {number}, lossy {lossy}");
            }
        }
    }
}

/// What the map reaches over may be data: nothing writes there that does not move that away first.
#[test]
fn a_size_too_large_for_the_reserve_does_no_harm() {
    for mut set in [Set::sound(), Set::single()] {
        let reserved = u64::from(set.record(0).chunk_reserved) * CHUNK;
        let longer = reserved / 8 + 128;
        set.edit_record(0, |record| record.virsize = longer * CHUNK);
        for lossy in [false, true] {
            let kept = keeps_its_promises(&set.files(), lossy);
            assert!(kept.is_ok(), "{} files, lossy {lossy}: {}", set.files.len(), kept.unwrap_err());
            assert_eq!(set.files().declined(lossy), None, "{} files, lossy {lossy}", set.files.len());
        }
        let untouched = |plan: virstor_inspect::repair::Plan<_>| {
            plan.steps
                .iter()
                .flat_map(|step| &step.step.patches)
                .filter_map(virstor::patch::Patch::target)
                .all(|target| {
                    // Component 0 is disk 0, and behind the reserve only its record is written.
                    target.component.0 != 0
                        || target.range.start < reserved
                        || target.range.start >= (1 << 20) - 512
                })
        };
        assert!(
            untouched(set.files().plan(&virstor::repair::Options::default())),
            "{} files",
            set.files.len()
        );
    }
}

#[test]
fn wrong_sizes_beside_every_other_damage() {
    let too_large = |set: &mut Set| {
        let longer = u64::from(set.record(0).chunk_reserved) * CHUNK / 8 + 1024;
        set.edit_record(0, |record| record.virsize = longer * CHUNK);
    };
    let too_small = |set: &mut Set| set.edit_record(0, |record| record.virsize /= 2);
    let mut failed = Vec::new();
    for (number, damage) in DAMAGES.iter().enumerate() {
        let ways: [&dyn Fn(&mut Set); 2] = [&too_large, &too_small];
        for (way, make_wrong) in ways.into_iter().enumerate() {
            let random = &mut SplitMix64::new((2 * number + way) as u64);
            let (mut set, lossy) =
                (if random.below(4) == 0 { Set::single() } else { Set::sound() }, way == number % 2);
            (damage.inflict)(&mut set, random);
            make_wrong(&mut set);
            let kept = keeps_its_promises(&set.files(), lossy);
            failed.extend(kept.err().map(|why| format!("{damage:?}, size {way}, lossy {lossy}: {why}")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// With two records nobody knows whose size is right; where the larger map goes on with entries, what they name is in use.
#[test]
fn a_size_too_small_for_the_entries_does_no_harm() {
    let mut set = Set::sound();
    (2..4).for_each(|number| set.empty_component(number));
    set.files.truncate(2);
    set.edit_records(|record| record.count = 2);
    let mended = |set: &Set| !set.files().plan(&virstor::repair::Options::default()).steps.is_empty();
    set.edit_record(1, |record| record.chunk_next = 0);
    assert!(mended(&set), "else the test would show nothing");
    set.edit_record(0, |record| record.virsize /= 2);
    for lossy in [false, true] {
        let options = virstor::repair::Options { lossy, ..virstor::repair::Options::default() };
        let plan = set.files().plan(&options);
        assert!(plan.steps.is_empty(), "lossy {lossy}: {:#?}", plan.steps);
        assert!(plan.before.findings.iter().all(|finding| finding.repair == virstor::check::Repair::None));
    }
}

/// The cursor of the component they leave says how many chunks it had: more than there are entries afterwards.
#[test]
fn chunks_come_forward_from_a_component_in_order_and_nothing_looks_lost() {
    for count in 1..4 {
        let set = Set::with_later_chunks(count);
        for lossy in [false, true] {
            let kept = keeps_its_promises(&set.files(), lossy);
            assert!(kept.is_ok(), "{count} chunks, lossy {lossy}: {}", kept.unwrap_err());
            let options = virstor::repair::Options { lossy, ..virstor::repair::Options::default() };
            let plan = set.files().plan(&options);
            assert!(!plan.steps.is_empty() && plan.after_report.findings.is_empty(), "{count} chunks");
        }
    }
}

#[test]
fn a_renaming_that_was_cut_anywhere_is_ended() {
    for renamed in 0..4 {
        let mut set = Set::sound();
        let rename = |record: &mut Record| record.name = *b"other\0\0\0\0\0\0\0\0\0\0\0";
        (0..renamed).for_each(|file| set.edit_record(file, rename));
        let kept = keeps_its_promises(&set.files(), false);
        assert!(kept.is_ok(), "{renamed} renamed: {}", kept.unwrap_err());
        let plan = set.files().plan(&virstor::repair::Options::default());
        let changed: usize = plan.steps.iter().map(|step| step.step.patches.len() / 2).sum();
        let expected = if renamed == 0 { 0 } else { 4 - renamed };
        assert_eq!(changed, expected, "those with the old name get the new one");
        assert_eq!(plan.after.volumes().len(), 1);
    }
}

#[test]
fn damages_in_pairs() {
    let mut failed = Vec::new();
    virstor_testkit::for_each_seed(0..250, |random| failed.extend(pair(random).err()));
    // These were wrong once.
    let again = [447, 3241, 4345, 5588, 5731, 5833, 9650, 1_200_138];
    failed.extend(again.into_iter().filter_map(|seed| pair(&mut SplitMix64::new(seed)).err()));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Breaks a set in two ways; says which promise about its repair was broken.
fn pair(random: &mut SplitMix64) -> Result<(), String> {
    let mut set = if random.below(4) == 0 { Set::single() } else { Set::sound() };
    let pair = [*random.choose(DAMAGES), *random.choose(DAMAGES)];
    for damage in pair {
        // What comes first may leave nothing for the second to break.
        if set.files[0].1.size() >= 1 << 19 && set.entries().any(|(_, entry)| entry.is_allocated()) {
            (damage.inflict)(&mut set, random);
        }
    }
    let lossy = random.below(2) == 1;
    let kept = keeps_its_promises(&set.files(), lossy);
    kept.map_err(|why| format!("seed {}: {pair:?}, lossy {lossy}: {why}", random.seed()))
}
