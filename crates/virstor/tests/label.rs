//! `label` against what FreeBSD's own code printed and wrote.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as the tests do")]

use std::fmt::Write as _;

use virstor::format::{RECORD_LEN, Record};
use virstor::geometry::{ComponentIndex, PhysicalChunk};
use virstor::io::ReadAt;
use virstor::label::{
    DEFAULT_CHUNK_SIZE, DEFAULT_VIRTUAL_SIZE, LabelError, LabelPlan, Note, Provider, Request, plan,
};
use virstor::patch::{Patch, perform};
use virstor_testkit::vectors::{LabelCase, label_cases};
use virstor_testkit::{Machine, SetBuilder, Size, SparseDisk, SplitMix64, sha256_hex};

const C0: ComponentIndex = ComponentIndex(0);
const C1: ComponentIndex = ComponentIndex(1);

/// What ours does otherwise, and why.
#[derive(Debug, PartialEq, Eq)]
enum Deviation {
    /// FreeBSD's last chunk covers the record; ours has one less on these components.
    OneChunkLess(&'static [u16]),
    /// Behind the NUL of a short hardcoded name FreeBSD leaves the end of the one before.
    NamePadded,
    /// FreeBSD makes a volume that does not work; ours refuses.
    Refused(LabelError),
}

/// Every vector where ours differs, by title.
fn deviations() -> Vec<(&'static str, Deviation)> {
    use Deviation::{NamePadded, OneChunkLess, Refused};
    let too_large = LabelError::ChunkSizeTooLarge { chunk_size: 4 << 30, largest: (4 << 30) - (128 << 10) };
    let broken = LabelError::BrokenSector { component: C0, size: 5_368_709_119, sector_size: 512 };
    let no_chunk = LabelError::VirtualSizeTooSmall { asked: 1 << 20, chunk_size: 4 << 20 };
    let long_name = LabelError::ProviderName { component: C0, len: 24 };
    vec![
        ("chunk -s 64G -m 128K 16G 16G", OneChunkLess(&[0, 1])),
        ("chunk -s 64G -m 200K 16G 16G", OneChunkLess(&[0, 1])),
        ("chunk -s 64G -m 64M 16G 16G", OneChunkLess(&[0, 1])),
        ("chunk -s 64G -m 2G 16G 16G", OneChunkLess(&[0, 1])),
        ("chunk -s 64G -m 4G 16G 16G", Refused(too_large)),
        ("big -s 16T -m 1M 4G 8G", OneChunkLess(&[0, 1])),
        ("big -s 16T -m 1M 6G 8G", OneChunkLess(&[0, 1])),
        ("big -s 16T -m 1M 8G 8G", OneChunkLess(&[0, 1])),
        ("big -s 16T -m 1M 10G 8G", OneChunkLess(&[0, 1])),
        ("big -s 16T -m 1M 4294967808 8G", OneChunkLess(&[1])),
        ("big -s 16T -m 1M 5368709119 8G", Refused(broken)),
        ("big -s 16T -m 1M 100G 8G", OneChunkLess(&[0, 1])),
        ("big -s 16T -m 1M 1023M 8G", OneChunkLess(&[1])),
        ("big -s 16T -m 1M 500107862016 8G", OneChunkLess(&[1])),
        ("big -s 16T -m 1M 4194304000 8G", OneChunkLess(&[1])),
        ("big -s 16T -m 1M 4198498304 8G", OneChunkLess(&[1])),
        ("a-much-longer-name-than-fits -s 1G -m 1M 64M", Refused(LabelError::Name { len: 28 })),
        ("hard -s 1G -m 1M gpt-very-long-label-name:64M ada1:64M", Refused(long_name)),
        ("hard -s 1G -m 1M da12p3:64M ada1:64M", NamePadded),
        ("v0 -s 1M -m 4M 64M", Refused(no_chunk)),
    ]
}

/// The case as a command line.
fn title(case: &LabelCase) -> String {
    let text = |size: &Size| match size {
        Size::Bytes(bytes) => bytes.to_string(),
        Size::Text(text) => text.clone(),
    };
    let mut title = case.name.clone();
    for (option, size) in [("-s", &case.vir_size), ("-m", &case.chunk_size)] {
        if let Some(size) = size {
            write!(title, " {option} {}", text(size)).unwrap();
        }
    }
    for (name, size) in &case.providers {
        let name = if case.hardcode { format!("{name}:") } else { String::new() };
        write!(title, " {name}{}", text(size)).unwrap();
    }
    title
}

fn plan_of(case: &LabelCase, compat_freebsd: bool) -> Result<LabelPlan, LabelError> {
    let provider = |(name, size): &'_ (String, Size)| (name.clone(), size.bytes());
    let providers: Vec<(String, u64)> = case.providers.iter().map(provider).collect();
    let providers: Vec<_> = providers
        .iter()
        .map(|(name, size)| Provider { name: name.as_bytes(), size: *size, sector_size: case.sector_size })
        .collect();
    plan(&Request {
        name: case.name.as_bytes(),
        id: case.id,
        virtual_size: case.vir_size.as_ref().map_or(DEFAULT_VIRTUAL_SIZE, Size::bytes),
        chunk_size: case.chunk_size.as_ref().map_or(DEFAULT_CHUNK_SIZE, Size::bytes),
        maxphys: case.maxphys.try_into().unwrap(),
        hardcode: case.hardcode,
        providers: &providers,
        compat_freebsd,
    })
}

/// The last sectors after the patches were performed on disks of zeros.
fn last_sectors(case: &LabelCase, plan: &LabelPlan) -> Vec<Vec<u8>> {
    let machine = Machine::new(case.providers.iter().map(|(_, size)| SparseDisk::new(size.bytes())));
    perform(&plan.patches(), &machine.disks()).unwrap();
    let len = usize::try_from(case.sector_size).unwrap();
    let sector = |disk: SparseDisk| disk.bytes(disk.size() - u64::from(case.sector_size), len);
    (0..case.providers.len()).map(|number| sector(machine.contents(number))).collect()
}

#[test]
fn compat_reproduces_every_vector() {
    for case in label_cases() {
        let title = title(&case);
        let expected = &case.result.components;
        let plan = plan_of(&case, true);
        if case.result.exit != 0 {
            assert_eq!(plan, Err(LabelError::Zero), "{title}");
            assert!(expected.iter().all(|component| component.metadata() == [0; RECORD_LEN]), "{title}");
            continue;
        }
        let plan = plan.unwrap();
        assert_eq!(freebsd_stdout(&case, &plan), case.result.stdout, "{title}");
        assert_eq!(freebsd_stderr(&case, &plan), case.result.stderr, "{title}");
        for (sector, expected) in last_sectors(&case, &plan).iter().zip(expected) {
            assert_eq!(sector[..RECORD_LEN], expected.metadata(), "{title} {}", expected.name);
            assert_eq!(sha256_hex(sector), expected.metadata_sector_sha256, "{title} {}", expected.name);
        }
    }
}

#[test]
fn ours_differs_from_freebsd_only_where_freebsd_is_wrong() {
    let mut deviations = deviations();
    for case in label_cases() {
        let title = title(&case);
        let position = deviations.iter().position(|(name, _)| *name == title);
        let deviation = position.map(|position| deviations.remove(position).1);
        let plan = match (plan_of(&case, false), &deviation) {
            (Err(error), Some(Deviation::Refused(expected))) => {
                assert_eq!(error, *expected, "{title}");
                continue;
            }
            (plan, _) => plan.unwrap_or_else(|error| panic!("{title}: {error:?}")),
        };
        let shorter: &[u16] = match deviation {
            Some(Deviation::OneChunkLess(components)) => components,
            _ => &[],
        };
        assert_eq!(noted_as_shorter(&plan), shorter, "{title}");
        assert_eq!(freebsd_stderr(&case, &plan), case.result.stderr, "{title}");
        for ((number, sector), expected) in (0..).zip(last_sectors(&case, &plan)).zip(&case.result.components)
        {
            let mut record = Record::decode(&expected.metadata());
            if shorter.contains(&number) {
                record.chunk_count -= 1;
            }
            if deviation == Some(Deviation::NamePadded) {
                let len = record.hardcoded().bytes().len();
                record.provider[len..].fill(0);
            }
            assert_eq!(Record::decode(&sector), record, "{title} {}", expected.name);
            assert!(sector[RECORD_LEN..].iter().all(|byte| *byte == 0), "{title}");
        }
    }
    assert_eq!(deviations, [], "every deviation is of a vector");
}

fn noted_as_shorter(plan: &LabelPlan) -> Vec<u16> {
    let shorter = |note: &Note| match note {
        Note::LastChunk { component, freebsd, room } if *freebsd == room + 1 => Some(component.0),
        _ => None,
    };
    plan.notes.iter().filter_map(shorter).collect()
}

#[test]
fn a_plan_of_ours_never_covers_its_own_records_or_map() {
    for case in label_cases() {
        let Ok(plan) = plan_of(&case, false) else { continue };
        let mut usable = 0;
        for component in &plan.components {
            let record = &component.record;
            let end = plan.chunk_size.offset_of(PhysicalChunk(record.chunk_count.get()));
            assert!(end <= record.provsize.get() - u64::from(plan.sector_size));
            usable += u64::from(record.chunk_count.get() - u32::from(record.chunk_reserved.get()));
        }
        assert!(u64::from(plan.reserved()) * plan.chunk_size.bytes() >= plan.map_len());
        assert_eq!(plan.usable_chunks(), usable.min(plan.virtual_chunks()));
    }
}

/// `label -v` as it was printed, from the numbers of a plan.
fn freebsd_stdout(case: &LabelCase, plan: &LabelPlan) -> String {
    let mib = |bytes: u64| bytes >> 20;
    let names: Vec<_> = case.providers.iter().map(|(name, _)| name.as_str()).collect();
    let mut text = format!(
        "Total virtual chunks: {} ({} MB each), {} MB total virtual size.\nClearing metadata on {}.\n\
         Writing allocation table to {}... ({} MB, {} chunks) \nStoring metadata on ",
        plan.virtual_chunks(),
        mib(plan.chunk_size.bytes()),
        mib(plan.virtual_size),
        names.join(" "),
        names[0],
        mib(plan.map_len()),
        plan.map_chunks(),
    );
    for (number, (name, component)) in names.iter().zip(&plan.components).enumerate() {
        write!(text, "{name} ({} chunks) ", component.whole_chunks).unwrap();
        if number == 0 {
            write!(text, "({} reserved) ", plan.reserved()).unwrap();
        }
    }
    text
}

/// What went to the other stream: the notes that FreeBSD has, too.
fn freebsd_stderr(case: &LabelCase, plan: &LabelPlan) -> String {
    let (kib, mib) = (|bytes: u64| bytes >> 10, |bytes: u64| bytes >> 20);
    let line = |note: &Note| match note {
        Note::ChunkSizeRounded { chunk_size, .. } => format!(
            "Resizing chunk size to be a multiple of MAXPHYS ({} kB).\nNew chunk size: {} kB\n",
            kib(case.maxphys),
            kib(*chunk_size)
        ),
        Note::VirtualSizeRounded { virtual_size, .. } => format!(
            "Resizing virtual size to be a multiple of chunk size.\nNew virtual size: {} MB\n",
            mib(*virtual_size)
        ),
        Note::VirtualSizePadded { virtual_size, new_chunks } => format!(
            "Resizing virtual size to fit virstor structures.\nNew virtual size: {} MB ({new_chunks} new chunks)\n",
            mib(*virtual_size)
        ),
        Note::SmallerThanPhysical { virtual_size, physical } => format!(
            "WARNING: Virtual storage size < Physical available storage ({virtual_size} < {physical})\n"
        ),
        _ => String::new(),
    };
    plan.notes.iter().map(line).collect()
}

const MIB: u64 = 1 << 20;

fn request<'a>(providers: &'a [Provider<'a>]) -> Request<'a> {
    Request {
        name: b"data",
        id: 7,
        virtual_size: 64 * MIB,
        chunk_size: MIB,
        maxphys: 128 << 10,
        hardcode: false,
        providers,
        compat_freebsd: false,
    }
}

fn provider(name: &[u8], size: u64) -> Provider<'_> {
    Provider { name, size, sector_size: 512 }
}

fn refuse(request: &Request<'_>, error: LabelError) {
    assert_eq!(plan(request), Err(error), "{request:?}");
}

#[test]
fn names_and_providers_that_do_not_fit_are_refused_with_the_number() {
    let one = [provider(b"a", 16 * MIB)];
    let long = provider(b"sixteen_chars_nm", 16 * MIB);
    plan(&request(&one)).unwrap();
    refuse(&Request { name: b"", ..request(&one) }, LabelError::NoName);
    refuse(&Request { name: b"sixteen_chars_nm", ..request(&one) }, LabelError::Name { len: 16 });
    refuse(&Request { name: b"a\0b", ..request(&one) }, LabelError::Name { len: 3 });
    refuse(&request(&[]), LabelError::NoComponents);
    let many = vec![one[0]; 65_536];
    refuse(&request(&many), LabelError::TooManyComponents { count: 65_536 });
    refuse(
        &request(&[one[0], long, one[0]]),
        LabelError::ProviderTwice { first: C0, second: ComponentIndex(2) },
    );
    let two = [one[0], long];
    let hardcode = Request { hardcode: true, ..request(&two) };
    refuse(&hardcode, LabelError::ProviderName { component: C1, len: 16 });
}

#[test]
fn sectors_that_do_not_fit_are_refused_with_the_number() {
    let one = provider(b"a", 16 * MIB);
    let of = |sector_size| Provider { sector_size, ..provider(b"b", 16 * MIB) };
    let differ = LabelError::SectorSizesDiffer { component: C1, sector_size: 4096, expected: 512 };
    refuse(&request(&[one, of(4096)]), differ);
    refuse(&request(&[of(520)]), LabelError::SectorSize { component: C0, sector_size: 520 });
    refuse(&request(&[of(0)]), LabelError::SectorSize { component: C0, sector_size: 0 });
    let broken = LabelError::BrokenSector { component: C0, size: 999, sector_size: 512 };
    refuse(&request(&[provider(b"a", 999)]), broken);
}

#[test]
fn sizes_that_cannot_be_are_refused_with_the_number() {
    let one = [provider(b"a", 16 * MIB)];
    let chunk = |chunk_size| Request { chunk_size, ..request(&one) };
    let size = |virtual_size| Request { virtual_size, ..request(&one) };
    refuse(&chunk(0), LabelError::Zero);
    refuse(&size(0), LabelError::Zero);
    refuse(&Request { maxphys: 0, ..request(&one) }, LabelError::Zero);
    for chunk_size in [5 << 30, (4 << 30) - 1, u64::MAX] {
        let largest = (4 << 30) - (128 << 10);
        refuse(&chunk(chunk_size), LabelError::ChunkSizeTooLarge { chunk_size, largest });
    }
    let odd = Request { maxphys: 1000, ..chunk(999) };
    refuse(&odd, LabelError::ChunkSizeNotSectors { chunk_size: 1000, sector_size: 512 });
    refuse(&size(MIB - 1), LabelError::VirtualSizeTooSmall { asked: MIB - 1, chunk_size: MIB });
    let largest = MIB << 32;
    refuse(&size(u64::MAX), LabelError::VirtualSizeTooLarge { asked: u64::MAX, largest });
    let small = [one[0], provider(b"b", 3 * MIB)];
    refuse(&request(&small), LabelError::TooSmall { component: C1, size: 3 * MIB, needed: 4 * MIB });
    let empty = [provider(b"a", 0)];
    refuse(&request(&empty), LabelError::TooSmall { component: C0, size: 0, needed: 4 * MIB });
}

#[test]
fn a_component_that_is_all_map_and_reserve_is_too_small() {
    // A map of ten chunks.
    let plan_sized = |sizes: &[u64]| {
        let providers: Vec<_> =
            sizes.iter().zip([b"a", b"b"]).map(|(size, name)| provider(name, *size)).collect();
        plan(&Request { virtual_size: (10 * MIB / 8) * MIB, ..request(&providers) })
    };
    let too_small = |size, needed| Err(LabelError::TooSmall { component: C0, size, needed });
    assert_eq!(plan_sized(&[9 * MIB]), too_small(9 * MIB, 10 * MIB));
    assert_eq!(plan_sized(&[10 * MIB]), too_small(10 * MIB, 10 * MIB + 512));
    // The map fits; that it is reserved twice does not.
    assert_eq!(plan_sized(&[15 * MIB]), too_small(15 * MIB, 21 * MIB + 512));
    assert_eq!(plan_sized(&[21 * MIB + 512]).unwrap().usable_bytes(), MIB);
    // A second component can hold the data.
    assert_eq!(plan_sized(&[20 * MIB + 512, 10 * MIB]).unwrap().usable_bytes(), 9 * MIB);
}

#[test]
fn a_reserve_of_more_than_16_bits_is_clipped_but_covers_the_map() {
    let one = [provider(b"a", 1 << 40)];
    let large = Request { virtual_size: 64 << 40, chunk_size: 128 << 10, ..request(&one) };
    let ours = plan(&large).unwrap();
    assert_eq!(ours.map_chunks(), 32_768);
    assert!(ours.notes.contains(&Note::ReserveClipped { wanted: 65_536, reserved: 65_535 }));
    assert_eq!(ours.components[0].record.chunk_next.get(), 65_535);
    let theirs = plan(&Request { compat_freebsd: true, ..large.clone() }).unwrap();
    assert!(theirs.notes.contains(&Note::ReserveClipped { wanted: 65_536, reserved: 0 }));
    assert_eq!(theirs.reserved(), 0, "the map would be handed out as data");
    let larger = LabelError::MapTooLarge { map_len: 16 << 30, largest: 65_535 * (128 << 10) };
    refuse(&Request { virtual_size: 256 << 40, ..large }, larger);
}

#[test]
fn compat_labels_what_is_too_small_and_cuts_what_is_too_long() {
    let providers = [provider(b"a", 16 * MIB), provider(b"b", 2 * MIB)];
    let asked = (4 << 30) + MIB;
    let plan = plan(&Request { compat_freebsd: true, chunk_size: asked, ..request(&providers) }).unwrap();
    let cut = Note::ChunkSizeCut { asked, chunk_size: 1 << 20 };
    let too_small = Note::TooSmall { component: C1, size: 2 * MIB, needed: 4 * MIB };
    assert_eq!(plan.notes, [cut, too_small]);
    assert_eq!(plan.components[1].record.chunk_count.get(), 1);
}

#[test]
fn records_go_first_and_come_last() {
    let providers = [provider(b"a", 16 * MIB), provider(b"b", 16 * MIB)];
    let patches = plan(&request(&providers)).unwrap().patches();
    let last = 16 * MIB - 512;
    let clear = |component| Patch::Zero { component, offset: last, len: 512 };
    let map = Patch::Zero { component: C0, offset: 0, len: 512 };
    assert_eq!(patches[..5], [clear(C0), clear(C1), Patch::Barrier, map, Patch::Barrier]);
    for (patch, expected) in patches[5..].iter().zip([C0, C1]) {
        assert!(matches!(patch, Patch::Write { component, offset, bytes }
            if (*component, *offset, bytes.len()) == (expected, last, 512)));
    }
    assert_eq!(patches.len(), 7);
}

/// A relabel over an old volume: after any cut, no disk carries a record whose map is not the right one.
#[test]
fn a_cut_while_labelling_leaves_no_record_over_a_wrong_map() {
    let old = SetBuilder::new("data").id(6).chunk_size(1 << 20).components([16 * MIB, 16 * MIB]);
    let old = old.map(3, 0, 2).map(4, 0, 3).build();
    let machine = Machine::new(old.into_iter().map(|(_, disk)| disk));
    let providers = [provider(b"a", 16 * MIB), provider(b"b", 16 * MIB)];
    perform(&plan(&request(&providers)).unwrap().patches(), &machine.disks()).unwrap();
    let mut images = 0;
    machine.for_each_cut(|cut| {
        cut.for_each_image(64, &mut SplitMix64::new(1), |disks| {
            images += 1;
            let records = disks.iter().map(|disk| Record::decode(&disk.bytes(disk.size() - 512, RECORD_LEN)));
            let ids: Vec<_> = records.filter(Record::has_magic).map(|record| record.md_id.get()).collect();
            let map_is_empty = disks[0].bytes(0, 512) == [0; 512];
            assert!(!ids.contains(&6) || !ids.contains(&7), "no mixture");
            assert!(!ids.contains(&6) || !map_is_empty, "an old record has its old map");
            assert!(!ids.contains(&7) || map_is_empty, "a new record has an empty map");
        });
    });
    assert!(images > 10);
}
