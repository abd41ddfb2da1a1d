//! The read side on hostile heaps: seeded ones, and the corpus of the fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use virstor::io::ReadAt;
use virstor_testkit::hostile::{Part, encode_parts};
use virstor_testkit::{GoldenSet, MapEntry, Record, for_each_seed};
use virstor_tests::read_side;

#[test]
fn no_heap_breaks_the_read_side() {
    for_each_seed(0..3000, |random| {
        let mut bytes = vec![0; usize::try_from(random.within(8..600)).expect("short")];
        random.fill(&mut bytes);
        read_side::check(&bytes);
    });
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

/// With `VIRSTOR_BLESS=1` the corpus is written instead.
#[test]
fn the_corpus_begins_with_golden_sets() {
    for name in GOLDEN {
        let path = corpus().join(name);
        let bytes = encode_parts(&parts(&GoldenSet::load(name)));
        if std::env::var_os("VIRSTOR_BLESS").is_some() {
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
fn what_the_fuzzer_found_stays_found() {
    let folder = corpus();
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    files.sort();
    assert!(files.len() >= GOLDEN.len(), "the corpus has only {} files", files.len());
    for file in files {
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let named = NamedOnPanic(&file);
        read_side::check(&bytes);
        drop(named);
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/read_side")
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
