//! The verbs that change a set as a whole: what they leave, and what a cut in the midst of them leaves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::ops::ControlFlow;

use virstor::change::{SoundSet, add, clear, compact, grow, naming, remove};
use virstor::check::{Code, Repair, Severity, Verdict};
use virstor::format::{Name, RECORD_LEN, Record};
use virstor::geometry::{ComponentIndex, VirtualChunk};
use virstor::io::{IoError, ReadAt};
use virstor::kernel::{Kernel, Outcome, Provider as Tasted, Tunables, plain_scanner};
use virstor::label::Provider;
use virstor::patch::{Patch, perform};
use virstor::undo::{self, ChangeError, DiskHeader, Header, LogSink, UndoLog};
use virstor_testkit::{Decisions, DiskLog, Machine, SparseDisk, SplitMix64, for_each_seed};

use crate::log::{self, header};
use crate::members::with_spare_disks;
use crate::model::{Operation, apply, perform as operate, random_operation};
use crate::on_disk::OnDisk;
use crate::set::{CHUNK, contents, disks_of, open, provider_of, small_set, try_open, volume_of};
use crate::support::{Heap, Offer, lines, offers};

/// Those of `disks` that carry a record, in the order of their numbers.
pub(crate) fn members(disks: &[SparseDisk]) -> Vec<SparseDisk> {
    let record = |disk: &SparseDisk| Record::decode(&disk.bytes(disk.size() - 512, RECORD_LEN));
    let mut members: Vec<_> = disks.iter().filter(|disk| record(disk).has_magic()).cloned().collect();
    members.sort_by_key(|disk| record(disk).no.get());
    members
}

fn named<D: ReadAt>(disks: &[D]) -> Vec<(String, &D)> {
    let name = |disk| String::from_utf8(provider_of(disk)).expect("tests give plain names");
    disks.iter().map(|disk| (name(disk), disk)).collect()
}

/// Fails unless these are a set that keeps I1 to I10, in which a check finds nothing, and which FreeBSD starts.
pub(crate) fn assert_clean(disks: &[SparseDisk]) {
    assert_usable(disks);
    OnDisk::read(disks, 512).assert_closed();
    let report = Heap::look(offers(&named(disks))).check(0);
    // Small sets keep the tests fast.
    let small = |line: &String| line.starts_with("notice component-too-small");
    let found: Vec<_> = lines(&report).into_iter().filter(|line| !small(line)).collect();
    assert_eq!(found, [""; 0]);
}

/// Fails unless these are a set that keeps I1 to I6, I9 and I10, that is found clean, which notices do not change, and
/// that starts.
pub(crate) fn assert_usable(disks: &[SparseDisk]) {
    OnDisk::read(disks, 512).assert_sound(disks, 512);
    let report = Heap::look(offers(&named(disks))).check(0);
    assert_eq!(report.verdict(), Verdict::Clean, "{:?}", lines(&report));
    assert!(starts(disks));
}

fn starts(disks: &[SparseDisk]) -> bool {
    let mut kernel = Kernel::new(Tunables::default());
    for disk in disks {
        let provider = Tasted { name: provider_of(disk), disk, sector_size: 512 };
        let outcome = kernel.taste(provider, &mut plain_scanner);
        if !matches!(outcome, Outcome::Attached(_)) {
            return false;
        }
    }
    kernel.geoms().iter().any(|geom| geom.up)
}

pub(crate) fn examined(machine: &Machine, members: usize) -> SoundSet {
    let disks: Vec<_> = machine.disks().into_iter().take(members).collect();
    SoundSet::examine(volume_of(&disks), &disks[0]).unwrap()
}

/// What is done to a set, and what becomes of its size.
#[derive(Debug, Clone)]
pub(crate) enum Verb {
    Add,
    Remove(Vec<u16>),
    Evacuate(Vec<u16>),
    Grow(u64),
    CompactZeros,
    CompactList(BTreeSet<u64>),
    Rename,
    Hardcode,
}

/// The patches of a verb for the first `count` disks of `machine`; `None` where it is refused.
pub(crate) fn plan(machine: &Machine, count: usize, verb: &Verb) -> Option<Vec<Patch>> {
    let disks = machine.disks();
    let set = examined(machine, count);
    let indexes = |numbers: &[u16]| numbers.iter().copied().map(ComponentIndex).collect::<Vec<_>>();
    let plan = match verb {
        Verb::Add => {
            let provider = |disk: &_| Provider { name: b"new", size: ReadAt::size(disk), sector_size: 512 };
            add::plan(&set, &disks[count..].iter().map(provider).collect::<Vec<_>>(), false).ok()?
        }
        Verb::Remove(drop) => remove::plan(&set, &disks[0], &indexes(drop), false).ok()?.plan,
        Verb::Evacuate(drop) => remove::plan(&set, &disks[0], &indexes(drop), true).ok()?.plan,
        Verb::Grow(size) => grow::plan(&set, &disks[0], *size).ok()?.plan,
        Verb::CompactZeros => {
            let by_index: BTreeMap<_, _> = (0..).map(ComponentIndex).zip(disks.clone()).collect();
            let zeros = compact::zero_chunks(&set, &by_index, &mut |_, _| ControlFlow::Continue(())).unwrap();
            compact::plan(&set, &disks[0], &zeros).unwrap().plan
        }
        Verb::CompactList(list) => {
            let list = list.iter().copied().map(VirtualChunk).collect();
            compact::plan(&set, &disks[0], &list).unwrap().plan
        }
        Verb::Rename => return Some(naming::rename(&[set.volume()], b"other").unwrap()),
        Verb::Hardcode => {
            let names: Vec<_> = (0..count).map(|number| format!("c{number}").into_bytes()).collect();
            let names: Vec<_> = names.iter().map(Vec::as_slice).collect();
            return Some(naming::hardcode(set.volume(), Some(&names)).unwrap());
        }
    };
    Some(plan.patches)
}

/// What the volume holds after `verb`.
pub(crate) fn expected(before: &[u8], verb: &Verb) -> Vec<u8> {
    let mut after = before.to_vec();
    if let Verb::CompactList(list) = verb {
        for chunk in list {
            let start = usize::try_from(*chunk).unwrap() * CHUNK;
            after[start..start + CHUNK].fill(0);
        }
    }
    after
}

pub(crate) fn random_verb<R: Decisions>(random: &mut R, count: usize, virtual_size: usize) -> Verb {
    let some_components =
        |random: &mut R| (1..u16::try_from(count).unwrap()).filter(|_| random.below(2) == 0).collect();
    match random.below(8) {
        0 => Verb::Add,
        1 => Verb::Remove(some_components(random)),
        2 => Verb::Evacuate(some_components(random)),
        3 => Verb::Grow(virtual_size as u64 + CHUNK as u64 * (64 + random.below(400))),
        4 | 5 => Verb::CompactZeros,
        6 => {
            let chunks = (virtual_size / CHUNK) as u64;
            Verb::CompactList((0..20).map(|_| random.below(chunks)).collect())
        }
        _ => random.choose(&[Verb::Rename, Verb::Hardcode]).clone(),
    }
}

/// A set that was used for a while and closed, with disks to add.
pub(crate) fn used_set(random: &mut SplitMix64) -> (Machine, usize, Vec<u8>) {
    let sets: [&[u64]; 5] = [&[40], &[9, 5, 6], &[6, 4, 4, 9], &[9, 30], &[20, 6, 30, 5]];
    let chunks = *random.choose(&sets);
    let machine = with_spare_disks(&small_set(chunks, 128), &[5, 4]);
    let mut writer = try_open(machine.disks().into_iter().take(chunks.len()).collect()).unwrap();
    let mut model = vec![0; 128 * CHUNK];
    for _ in 0..random.below(60) {
        let operation = random_operation(random, model.len());
        if operate(&mut writer, &operation).is_ok() {
            apply(&mut model, &operation);
        }
    }
    for chunk in 0..model.len() / CHUNK {
        if random.below(3) == 0 {
            let operation = Operation::Zero(chunk * CHUNK..(chunk + 1) * CHUNK);
            operate(&mut writer, &operation).unwrap();
            apply(&mut model, &operation);
        }
    }
    writer.close().unwrap();
    (Machine::new(disks_of(&machine)), chunks.len(), model)
}

#[test]
fn every_verb_leaves_a_clean_set_with_the_bytes_it_had() {
    let (mut done, mut refused) = (HashMap::new(), 0);
    for_each_seed(0..400, |random| {
        let (machine, count, model) = used_set(random);
        let verb = random_verb(random, count, model.len());
        let Some(patches) = plan(&machine, count, &verb) else {
            refused += 1;
            return;
        };
        perform(&patches, &machine.disks()).unwrap();
        *done.entry(std::mem::discriminant(&verb)).or_insert(0) += 1;
        let members = members(&disks_of(&machine));
        if matches!(verb, Verb::Rename | Verb::Hardcode) && model.iter().all(|byte| *byte == 0) {
            return;
        }
        assert_clean(&members);
        let mut after = contents(&mut open(&Machine::new(members)));
        let grown = after.split_off(model.len());
        assert!(grown.iter().all(|byte| *byte == 0), "{verb:?}");
        assert!(after == expected(&model, &verb), "{verb:?}");
    });
    assert!(done.len() == 8 && done.values().all(|count| *count > 3), "{done:?}, {refused} refused");
}

/// Sessions and verbs in turn on one set, beside a vector of bytes: a set is clean after each of them.
#[test]
fn a_long_life_beside_a_vector() {
    let (mut verbs, mut full) = (0, 0);
    for_each_seed(500..540, |random| {
        let (machine, mut count, mut model) = used_set(random);
        let mut disks = disks_of(&machine);
        for _ in 0..8 {
            let machine = Machine::new(disks.iter().cloned());
            let verb = random_verb(random, count, model.len());
            let bounded = !matches!(verb, Verb::Grow(size) if size > 1024 * CHUNK as u64);
            let patches = plan(&machine, count, &verb).filter(|_| bounded);
            if let Some(patches) = patches {
                perform(&patches, &machine.disks()).unwrap();
                model = expected(&model, &verb);
                verbs += 1;
            }
            let all = disks_of(&machine);
            let members = members(&all);
            assert_clean(&members);
            count = members.len();
            let spare = all.iter().filter(|disk| !members.iter().any(|member| is_same(member, disk)));
            let machine = Machine::new(members.iter().chain(spare).cloned());
            let mut writer = try_open(machine.disks().into_iter().take(count).collect()).unwrap();
            model.resize(usize::try_from(writer.volume().size()).unwrap(), 0);
            assert!(contents(&mut writer) == model, "{verb:?}");
            for _ in 0..random.below(30) {
                let operation = random_operation(random, model.len());
                match operate(&mut writer, &operation) {
                    Ok(()) => apply(&mut model, &operation),
                    Err(_) => full += 1,
                }
                if matches!(operation, Operation::Close) {
                    assert_clean(&disks_of(&machine)[..count]);
                }
            }
            writer.close().unwrap();
            disks = disks_of(&machine);
            assert_clean(&disks[..count]);
        }
    });
    assert!(verbs > 100 && full > 50, "{verbs} verbs, {full} requests without room");
}

/// A record makes a member its own; disks without one are alike for all that follows.
pub(crate) fn is_same(one: &SparseDisk, other: &SparseDisk) -> bool {
    let record = |disk: &SparseDisk| disk.bytes(disk.size() - 512, RECORD_LEN);
    record(one) == record(other)
}

/// A log in memory.
#[derive(Default)]
struct Log(Vec<u8>);

impl LogSink for Log {
    fn append(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

/// What a disk that fails in the midst of a verb leaves, as the program does it: with a log.
fn logged(machine: &Machine, patches: &[Patch], log: &mut Log) -> Result<(), ChangeError> {
    let disks = machine.disks();
    let header = |disk: &_| DiskHeader::new("disk", 0, disk, &[]).unwrap();
    let name = Name(*b"data\0\0\0\0\0\0\0\0\0\0\0\0");
    let disk_headers = disks.iter().map(header).collect();
    let header = Header { name, id: 7, verb: "test".into(), disks: disk_headers };
    undo::perform(&header, patches, &disks, log, &mut |_, _| {})
}

/// Every operation of a verb fails once: the error names the place, the log brings the old set back, byte by byte, and
/// then the verb works.
#[test]
fn a_verb_that_a_disk_stops_can_be_undone_and_done_again() {
    let mut failures = 0;
    for_each_seed(2000..2020, |random| {
        let (machine, count, model) = used_set(random);
        let verb = random_verb(random, count, model.len());
        let before = disks_of(&machine);
        let Some(patches) = plan(&machine, count, &verb) else { return };
        perform(&patches, &machine.disks()).unwrap();
        let after = disks_of(&machine);
        for number in 0.. {
            let machine = Machine::new(before.iter().cloned());
            machine.fail(number);
            let mut log = Log::default();
            let error = match logged(&machine, &patches, &mut log) {
                Ok(()) => break,
                Err(ChangeError::Disk(error)) => error,
                Err(ChangeError::Log(error)) => panic!("{error:?}"),
            };
            failures += 1;
            assert_eq!(error.error.reason, "simulated failure");
            let size = ReadAt::size(&machine.disk(error.component.as_usize()));
            assert!(error.error.offset + error.error.len <= size, "{error:?}");
            UndoLog::open(log.0).unwrap().undo(&machine.disks(), &mut |_, _| {}).unwrap();
            assert!(disks_of(&machine) == before, "{verb:?}: operation {number}");
            logged(&machine, &patches, &mut Log::default()).unwrap();
            assert!(disks_of(&machine) == after, "{verb:?}: operation {number}");
        }
    });
    assert!(failures > 300, "{failures} failures");
}

/// Whatever is done to a set, giving it up included: after every cut the log brings the old set back, byte by byte.
#[test]
fn after_every_cut_of_any_verb_the_log_gives_the_old_set() {
    let (mut images, mut seed) = (0, SplitMix64::new(5));
    for_each_seed(3000..3060, |random| {
        let (machine, count, model) = used_set(random);
        let verb = random_verb(random, count, model.len());
        let patches = match random.below(6) {
            0 => clear::plan(&volume_of(&disks_of(&machine)[..count])),
            _ => plan(&machine, count, &verb).unwrap_or_default(),
        };
        let (before, disks) = (disks_of(&machine), disks_of(&machine).len());
        let machine = Machine::new(before.iter().cloned().chain([SparseDisk::new(4 << 20)]));
        let mut all = machine.disks();
        let log = &mut DiskLog::new(all.pop().unwrap());
        undo::perform(&header(&all), &patches, &all, log, &mut |_, _| {}).unwrap();
        machine.for_each_cut(|cut| {
            cut.for_each_image(3, &mut seed, |found| {
                images += 1;
                let machine = Machine::new(found.iter().cloned());
                log::undo(&machine, disks);
                assert!(disks_of(&machine)[..disks] == before, "{verb:?}");
            });
        });
    });
    assert!(images > 2_000, "{images} images");
}

#[test]
fn compaction_gives_back_what_holds_nothing() {
    let machine = small_set(&[6, 4, 4], 64);
    let mut writer = open(&machine);
    for chunk in 0..9 {
        writer.write(chunk * CHUNK as u64, &[1; CHUNK]).unwrap();
    }
    for chunk in [1, 2, 5, 8] {
        writer.write_zeros(chunk * CHUNK as u64..(chunk + 1) * CHUNK as u64).unwrap();
    }
    writer.close().unwrap();
    let set = examined(&machine, 3);
    let disks: BTreeMap<_, _> = (0..).map(ComponentIndex).zip(machine.disks()).collect();
    let zeros = compact::zero_chunks(&set, &disks, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(zeros, [1, 2, 5, 8].map(VirtualChunk).into());
    let compaction = compact::plan(&set, &machine.disk(0), &zeros).unwrap();
    assert_eq!((compaction.freed, compaction.moved), (4, 2));
    assert_eq!(compaction.freed_by_component, [0, 3, 1]);
    perform(&compaction.plan.patches, &machine.disks()).unwrap();
    assert_clean(&disks_of(&machine));
    assert_eq!(examined(&machine, 3).free_chunks(), 7);
    let set = examined(&machine, 3);
    let nothing = compact::plan(&set, &machine.disk(0), &BTreeSet::new()).unwrap();
    assert_eq!((nothing.freed, nothing.plan.patches), (0, vec![]));
}

#[test]
fn growing_beyond_the_reserve_moves_what_is_in_the_way() {
    let machine = small_set(&[20, 4], 128);
    let mut writer = open(&machine);
    (0..5).for_each(|chunk| writer.write(chunk * CHUNK as u64, &[7; CHUNK]).unwrap());
    writer.close().unwrap();
    let set = examined(&machine, 2);
    let within = grow::plan(&set, &machine.disk(0), 256 * CHUNK as u64).unwrap();
    assert_eq!((within.reserved, within.moved), (2, 0));
    let beyond = grow::plan(&set, &machine.disk(0), 300 * CHUNK as u64 + 1).unwrap();
    assert_eq!((beyond.virtual_size, beyond.reserved, beyond.moved), (320 * CHUNK as u64, 6, 4));
    let error = grow::plan(&set, &machine.disk(0), 128 * CHUNK as u64);
    assert_eq!(
        error,
        Err(grow::GrowError::NotLarger { asked: 128 << 10, size: 128 << 10, current: 128 << 10 })
    );
}

#[test]
fn a_cleared_volume_is_nobodys() {
    let machine = small_set(&[6, 4], 64);
    let patches = clear::plan(&volume_of(&machine.disks()));
    perform(&patches, &machine.disks()).unwrap();
    assert!(members(&disks_of(&machine)).is_empty());
}

/// After every cut the bytes of the volume are there (those that were given up: there or zero), and all that a check
/// finds wrong can be mended without losing anything.
#[test]
fn after_every_cut_all_bytes_are_there_and_what_is_wrong_can_be_mended() {
    let mut images = 0;
    for_each_seed(1000..1120, |random| {
        let (machine, count, model) = used_set(random);
        let verb = random_verb(random, count, model.len());
        let Some(patches) = plan(&machine, count, &verb) else { return };
        perform(&patches, &machine.disks()).unwrap();
        machine.for_each_cut(|cut| {
            cut.for_each_image(6, &mut random.clone(), |disks| {
                images += 1;
                let either = Either { old: &model, new: &expected(&model, &verb), grain: CHUNK, told: &verb };
                if matches!(verb, Verb::Rename) {
                    assert_clean(&assert_renaming_can_go_on(&members(disks), &model));
                } else {
                    either.assert_mendable(&members(disks));
                }
                let renumbers = matches!(verb, Verb::Remove(_) | Verb::Evacuate(_));
                if images % 4 == 0 || renumbers {
                    either.assert_repaired(disks);
                }
            });
        });
    });
    assert!(images > 2_000, "{images} images");
}

/// What a volume holds before and after something that was cut off.
pub(crate) struct Either<'a> {
    pub(crate) old: &'a [u8],
    pub(crate) new: &'a [u8],
    /// So many bytes together are the old ones or the new ones.
    pub(crate) grain: usize,
    pub(crate) told: &'a dyn Debug,
}

impl Either<'_> {
    /// The bytes are there, and what a check finds wrong can be mended without losing any.
    pub(crate) fn assert_mendable(&self, disks: &[SparseDisk]) {
        let heap = Heap::look(offers(&named(disks)));
        let report = heap.check(0);
        for finding in &report.findings {
            let found = (finding.severity(), finding.repair);
            // Sectors of the map that became zero look like lost ones until the chunks are together again.
            let expected = finding.code() == Code::MapSectorsZeroed;
            assert!(
                found.0 == Severity::Notice || found.1 == Repair::Safe || expected,
                "{:?}: {:?}",
                self.told,
                lines(&report)
            );
        }
        // A gap in the numbers has to be closed before anything can be read.
        if report.findings.iter().any(|finding| finding.code() == Code::RemovedFromMiddle) {
            return;
        }
        let volume = &heap.assembly.volumes[0];
        let by_index: BTreeMap<_, _> = volume
            .components
            .iter()
            .map(|(index, component)| (*index, &disks[component.candidate]))
            .collect();
        let mut reader =
            virstor::plan::VolumeReader::new(volume.clone(), by_index, virstor::format::ByteOrder::Little, 0);
        let mut bytes = vec![0; self.old.len()];
        reader.read(0, &mut bytes).unwrap();
        self.assert_bytes(&bytes);
    }

    /// A repair leaves a clean set with the bytes it had, and gives nothing up, though it may.
    pub(crate) fn assert_repaired(&self, disks: &[SparseDisk]) {
        for lossy in [false, true] {
            let bytes = contents(&mut open(&Machine::new(repaired(lossy, disks, self.told))));
            self.assert_bytes(&bytes[..self.old.len()]);
        }
    }

    fn assert_bytes(&self, bytes: &[u8]) {
        let pieces = self.old.chunks(self.grain).zip(self.new.chunks(self.grain));
        for (number, (piece, (old, new))) in bytes.chunks(self.grain).zip(pieces).enumerate() {
            assert!(piece == old || piece == new, "{:?}: piece {number}", self.told);
        }
    }
}

/// The components that a repair makes of `disks`, which gives nothing up, though it may.
pub(crate) fn repaired(lossy: bool, disks: &[SparseDisk], told: &dyn Debug) -> Vec<SparseDisk> {
    let machine = Machine::new(disks.iter().cloned());
    let mut stages = 0;
    loop {
        let heap = Heap::look(named(&machine.disks()).into_iter().map(|(provider, disk)| Offer {
            provider,
            disk: disk.clone(),
            sector_size: None,
        }));
        let steps = heap.next_repairs(0, lossy);
        if steps.is_empty() {
            break;
        }
        stages += 1;
        assert!(stages < 10, "{told:?}: a repair comes to an end");
        let seats: Vec<_> = heap.seats().into_iter().map(|seat| seat.disk).collect();
        for step in steps {
            assert_eq!(step.loss, None, "{told:?}");
            perform(&step.patches, &seats).unwrap();
        }
    }
    let members = members(&disks_of(&machine));
    // Notices may stay: a flag that nothing reads.
    assert_usable(&members);
    members
}

/// Two halves of a renaming are one finding each, and a repair of either ends it.
fn assert_renaming_is_known(disks: &[SparseDisk]) {
    let heap = Heap::look(offers(&named(disks)));
    for volume in 0..heap.assembly.volumes.len() {
        let torn: Vec<_> =
            lines(&heap.check(volume)).into_iter().filter(|line| line.contains("fatal")).collect();
        let expected: &[&str] =
            if heap.assembly.volumes.len() == 2 { &["fatal torn-rename safe"] } else { &[] };
        assert_eq!(torn, expected);
    }
}

/// Renaming goes on; gives what comes of it.
pub(crate) fn assert_renaming_can_go_on(disks: &[SparseDisk], model: &[u8]) -> Vec<SparseDisk> {
    assert_renaming_is_known(disks);
    let heap = Heap::look(offers(&named(disks)));
    let volumes: Vec<_> = heap.assembly.volumes.iter().collect();
    if let [one, other] = volumes[..] {
        assert!(naming::is_rest_of(one, other) && naming::is_rest_of(other, one));
    }
    let machine = Machine::new(disks.iter().cloned());
    perform(&naming::rename(&volumes, b"other").unwrap(), &machine.disks()).unwrap();
    assert_eq!(contents(&mut open(&machine)), model);
    disks_of(&machine)
}
