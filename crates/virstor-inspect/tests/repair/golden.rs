//! Every golden set, repaired and undone.

use virstor_testkit::GoldenSet;

use crate::promises::keeps_its_promises;
use crate::support::Files;

#[test]
fn every_golden_set_is_repaired_and_undone() {
    let mut failed = Vec::new();
    for name in GoldenSet::names() {
        let files = Files::of(&GoldenSet::load(&name));
        for lossy in [false, true] {
            if let Err(why) = keeps_its_promises(&files, lossy) {
                failed.push(format!("{name}, lossy {lossy}: {why}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What comes of the sets: those that are not clean afterwards have lost something, or want somebody's choice.
#[test]
fn golden_sets_end_clean_or_it_is_known_why_not() {
    let unclear = ["06-duplicate-component", "07-foreign-id", "36-stale-component", "48-mixed-sector-size"];
    let gives_up = [
        "05-incomplete-set",
        "15-map-provider-out-of-range",
        "16-map-chunk-out-of-range",
        "32-add-overlap-after",
        "43-map-write-error",
        "44-enospc-two-chunks-lost",
    ];
    for name in GoldenSet::names() {
        let files = Files::of(&GoldenSet::load(&name));
        for lossy in [false, true] {
            let options = virstor::repair::Options { lossy, ..Default::default() };
            let clean = files.plan(&options).after_report.verdict() == virstor::check::Verdict::Clean;
            let left = unclear.contains(&name.as_str()) || (!lossy && gives_up.contains(&name.as_str()));
            assert_eq!(clean, !left, "{name}, lossy {lossy}");
        }
    }
}
