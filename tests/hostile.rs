//! Reading and repair on hostile heaps: seeded ones, and the corpora of the fuzzer.

use std::fs;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::plan::{Lost, ReadError, SegmentPlace};
use virstor_inspect::{Heap, InputFile, Options};
use virstor_testkit::hostile::{Part, encode_parts};
use virstor_testkit::{
    Failing, GoldenSet, MapEntry, Record, SetBuilder, SparseDisk, SplitMix64, for_each_seed,
};
use virstor_tests::{read_side, repair_side};

#[test]
fn no_heap_breaks_the_read_side() {
    for_each_seed(0..3000, |random| {
        let mut bytes = vec![0; usize::try_from(random.within(8..600)).expect("short")];
        random.fill(&mut bytes);
        read_side::check(&bytes);
    });
}

#[test]
fn no_heap_breaks_its_repair() {
    let check = |random: &mut SplitMix64| {
        let mut bytes = vec![0; usize::try_from(random.within(8..600)).expect("short")];
        random.fill(&mut bytes);
        repair_side::check(&bytes);
    };
    for_each_seed(0..1000, check);
    // These were wrong once.
    for seed in [1727, 2073, 2737, 3108, 4390, 5333] {
        check(&mut SplitMix64::new(seed));
    }
}

/// The first byte chooses a sound set.
#[test]
fn sound_sets_of_any_shape_are_read_whole() {
    for_each_seed(0..300, |random| {
        let mut bytes = vec![0; 300];
        random.fill(&mut bytes);
        bytes[0] = 0;
        read_side::check(&bytes);
    });
}

/// One component of 4 MiB on which only chunk 0 is allocated, that fails in `bad`.
fn failing(bad: Range<u64>) -> Heap<Arc<Failing<SparseDisk>>> {
    let set = SetBuilder::new("data").chunk_size(1024).virtual_chunks(4096).components([4 << 20]);
    let (name, disk) = set.map(0, 0, 3000).filled(5).build().swap_remove(0);
    let disk = Ok(Arc::new(Failing::new(disk).range(bad)));
    let provider = name.clone().into_bytes();
    let file = InputFile { label: name, provider, disk, sector_size: None, preferred: false };
    Heap::look(vec![file], Options::default(), &mut |_, _, _| ControlFlow::Continue(()))
}

#[test]
fn a_part_of_the_map_that_cannot_be_read_is_lost_and_no_hole() {
    let heap = failing(8200..8201);
    assert_eq!(heap.map_report(0).unreadable, 512);
    let mut reader = heap.reader(0, 0);
    let found: Vec<_> = reader.segments(0..4096 << 10).map(|it| (it.start, it.len, it.place)).collect();
    let (data, lost) = (
        SegmentPlace::Data { component: ComponentIndex(0), offset: 3000 << 10 },
        SegmentPlace::Lost(Lost::NoMap),
    );
    let (first, last) = (1024 << 10, 1536 << 10);
    let hole = SegmentPlace::Hole;
    assert_eq!(
        found,
        [(0, 1024, data), (1024, first - 1024, hole), (first, 512 << 10, lost), (last, 2560 << 10, hole)]
    );
}

/// The driver answers with errors behind the new end; see `ReadAt::size`.
#[test]
fn a_file_that_shrinks_under_a_reader_fails_where_it_ends_now() {
    let end = (3000 << 10) + 100;
    let heap = failing(end..(4 << 20) - 65_536);
    let mut reader = heap.reader(0, 0);
    assert_eq!(reader.read(0, &mut [0; 100]), Ok(()));
    let error = reader.read(0, &mut [0; 101]).expect_err("its last byte is gone");
    let ReadError::Io { component: ComponentIndex(0), error } = error else { panic!("{error:?}") };
    assert_eq!((error.offset, error.len), (3000 << 10, 101));
    assert_eq!(reader.read(1024, &mut [7; 1024]), Ok(()), "a hole is not read");
}

/// The golden sets whose maps and records the fuzzer starts from: one of each kind.
const GOLDEN: [&str; 14] = [
    "02-fresh-three",
    "05-incomplete-set",
    "06-duplicate-component",
    "07-foreign-id",
    "09-hardcoded-names",
    "13-version-2",
    "15-map-provider-out-of-range",
    "16-map-chunk-out-of-range",
    "18-map-odd-flags",
    "33-unterminated-name",
    "35-unterminated-magic",
    "46-virsize-not-multiple",
    "48-mixed-sector-size",
    "51-too-small-labelled",
];

/// Those that the fuzzer of repair starts from: one of each kind of damage.
const DAMAGED: [&str; 26] = [
    "05-incomplete-set",
    "06-duplicate-component",
    "11-grown-provider",
    "12-provsize-mismatch",
    "13-version-2",
    "15-map-provider-out-of-range",
    "16-map-chunk-out-of-range",
    "18-map-odd-flags",
    "19-map-two-on-one",
    "24-torn-closing-metadata",
    "25-torn-add",
    "27-add-garbage-flags",
    "29-remove-middle-dead",
    "31-add-overlap-before",
    "32-add-overlap-after",
    "33-unterminated-name",
    "35-unterminated-magic",
    "36-stale-component",
    "39-crash-two-full",
    "41-leak-recount-before",
    "43-map-write-error",
    "45-meta-read-error",
    "46-virsize-not-multiple",
    "48-mixed-sector-size",
    "50-virsize-disagrees",
    "51-too-small-labelled",
];

/// With `VIRSTOR_BLESS=1` the corpora are written instead.
#[test]
fn the_corpora_begin_with_golden_sets() {
    let of = |target: &'static str, names: &'static [&str]| names.iter().map(move |name| (target, *name));
    for (target, name) in of("read_side", &GOLDEN).chain(of("repair", &DAMAGED)) {
        let path = corpus(target).join(name);
        let bytes = encode_parts(&parts(&GoldenSet::load(name)));
        if std::env::var_os("VIRSTOR_BLESS").is_some() {
            fs::create_dir_all(corpus(target)).expect("the tree can be written to");
            fs::write(&path, &bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(kept == bytes, "{}: is not what the golden set gives", path.display());
    }
}

fn parts(set: &GoldenSet) -> Vec<Part> {
    set.providers()
        .iter()
        .map(|provider| {
            let (disk, sector_size) = (set.disk(&provider.file), provider.sector_size);
            let last = disk.size() - u64::from(sector_size);
            let record = disk.bytes(last, Record::LEN).try_into().expect("of this length");
            let mut map = disk.bytes(0, 64 * MapEntry::LEN);
            map.truncate(map.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            Part { size: disk.size(), sector_size, record, map }
        })
        .collect()
}

#[test]
fn what_the_fuzzer_of_reading_found_stays_found() {
    for_each_kept("read_side", GOLDEN.len(), read_side::check);
}

#[test]
fn what_the_fuzzer_of_repair_found_stays_found() {
    for_each_kept("repair", DAMAGED.len(), repair_side::check);
}

/// Calls `check` with each file of a corpus, of which there are at least `fewest`.
fn for_each_kept(target: &str, fewest: usize, check: impl Fn(&[u8])) {
    let folder = corpus(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    files.sort();
    assert!(files.len() >= fewest, "the corpus has only {} files", files.len());
    for file in files {
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let named = NamedOnPanic(&file);
        check(&bytes);
        drop(named);
    }
}

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// Says which file of the corpus it was.
struct NamedOnPanic<'a>(&'a Path);

impl Drop for NamedOnPanic<'_> {
    #[expect(clippy::print_stderr, reason = "a failed test tells its file where the harness collects it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with {}", self.0.display());
        }
    }
}
