//! What the checker says about every golden set.

use virstor::check::Verdict::{self, Clean, Damaged, Unusable};
use virstor_testkit::{GoldenSet, SparseDisk};

use crate::support::{Heap, Offer, expect, lines};

/// Each set with the verdict and the findings: severity, code, component, physical and virtual chunk, repair.
const SETS: &[(&str, Verdict, &[&str])] = &[
    ("01-fresh-single", Clean, &[]),
    ("02-fresh-three", Clean, &[]),
    ("04-full", Clean, &[]),
    ("05-incomplete-set", Unusable, &["fatal component-missing c1 lossy"]),
    ("06-duplicate-component", Damaged, &["warning duplicate-component c1 none"]),
    ("07-foreign-id", Damaged, &["warning name-shared none"]),
    ("09-hardcoded-names", Clean, &[]),
    ("10-hardcoded-long-name", Unusable, &["fatal hardcoded-name-never-matches c0 safe"]),
    ("11-grown-provider", Unusable, &["fatal component-grown c1 safe"]),
    ("12-provsize-mismatch", Unusable, &["fatal component-size-changed c1 safe"]),
    ("13-version-2", Unusable, &["fatal unknown-record-version c1 safe"]),
    (
        "15-map-provider-out-of-range",
        Unusable,
        // The entry was chunk 3's, which now has none.
        &["fatal entry-names-no-component c3 p0 v5 lossy", "error map-entries-lost c0 lossy"],
    ),
    ("16-map-chunk-out-of-range", Unusable, &["fatal entry-at-chunk-count c1 p7 v5 lossy"]),
    (
        "18-map-odd-flags",
        Damaged,
        &[
            "warning entry-unknown-flags c1 p3 v5 safe",
            "warning unallocated-entry-not-zero c1 p4 v6 safe",
            "notice stale-cursor c1 safe",
            "warning chunk-reuse-ahead c1 p3 safe",
            "warning unclean-stop safe",
            "warning allocated-flag-missing c1 safe",
            "notice allocation-out-of-order c0 safe",
        ],
    ),
    ("19-map-two-on-one", Damaged, &["error chunk-shared c0 p2 v7 safe", "notice stale-cursor c0 safe"]),
    ("21-torn-map-without-data", Damaged, &["notice stale-cursor c0 safe", "warning unclean-stop safe"]),
    // The data that has no entry leaves no trace in map or records.
    ("22-torn-data-without-map", Clean, &[]),
    (
        "24-torn-closing-metadata",
        Damaged,
        &[
            "notice stale-cursor c1 safe",
            "notice stale-cursor c2 safe",
            "warning unclean-stop safe",
            "warning allocated-flag-missing c1 safe",
            "warning allocated-flag-missing c2 safe",
            "notice current-flag-misplaced c2 safe",
        ],
    ),
    ("25-torn-add", Damaged, &["error torn-add safe"]),
    ("26-add-then-use", Clean, &[]),
    ("27-add-garbage-flags", Damaged, &["warning unknown-component-flags c3 safe"]),
    ("29-remove-middle-dead", Unusable, &["fatal removed-from-middle c2 safe"]),
    ("31-add-overlap-before", Damaged, &["warning last-chunk-overlaps-metadata c3 p7 safe"]),
    // The volume is full: the chunk has nowhere to go, so what is left of its last sector is given up.
    ("32-add-overlap-after", Unusable, &["fatal last-chunk-overwrote-metadata c3 p7 v26 lossy"]),
    ("33-unterminated-name", Damaged, &["warning volume-name-unterminated safe"]),
    ("35-unterminated-magic", Unusable, &["fatal record-magic-damaged c1 safe"]),
    (
        "36-stale-component",
        Damaged,
        // The old cursor makes FreeBSD start on the full c1 and go on to the full c2.
        &["error stale-component c1 none", "warning allocation-past-end c2 p7 none"],
    ),
    ("38-shuffled", Clean, &[]),
    (
        "39-crash-two-full",
        Damaged,
        &[
            "notice stale-cursor c0 safe",
            "notice stale-cursor c1 safe",
            "notice stale-cursor c2 safe",
            "warning unclean-stop safe",
            "warning allocated-flag-missing c1 safe",
            "warning allocated-flag-missing c2 safe",
            "warning allocation-past-end c1 p7 safe",
            "notice current-flag-misplaced c2 safe",
        ],
    ),
    (
        "41-leak-recount-before",
        Damaged,
        &[
            "notice stale-cursor c0 safe",
            "warning chunk-reuse-ahead c0 p3 safe",
            "warning unclean-stop safe",
            "warning map-sectors-zeroed c0 v0 none",
        ],
    ),
    (
        "43-map-write-error",
        Damaged,
        &["error map-entries-lost c0 lossy", "warning map-sectors-zeroed c0 v0 none"],
    ),
    (
        "44-enospc-two-chunks-lost",
        Damaged,
        &[
            "error map-entries-lost c2 lossy",
            "notice stale-cursor c3 safe",
            "warning unclean-stop safe",
            "warning allocated-flag-missing c3 safe",
            "notice allocation-out-of-order c2 lossy",
        ],
    ),
    ("45-meta-read-error", Unusable, &["fatal record-copied-from-sibling c1 safe"]),
    ("46-virsize-not-multiple", Unusable, &["fatal virtual-size-not-multiple safe"]),
    ("48-mixed-sector-size", Unusable, &["fatal sector-size-differs c1 none"]),
    ("50-virsize-disagrees", Damaged, &["error records-disagree c1 safe"]),
    ("51-too-small-labelled", Clean, &["notice component-too-small c1 none"]),
    ("53-default-geometry", Clean, &[]),
    ("54-label-4g-overlap", Damaged, &["warning last-chunk-overlaps-metadata c0 p1023 safe"]),
    ("55-full-fill-constant", Clean, &[]),
    ("56-empty-name", Clean, &["notice volume-name-empty none"]),
    ("58-delete", Clean, &[]),
    ("ufs2-little", Clean, &[]),
];

fn look(set: &GoldenSet) -> Heap<&SparseDisk> {
    Heap::look(set.providers().iter().map(|provider| Offer {
        provider: provider.provider_name.clone(),
        disk: set.disk(&provider.file),
        sector_size: Some(provider.sector_size),
    }))
}

#[test]
fn every_set_has_exactly_the_findings_of_its_story() {
    let names: Vec<&str> = SETS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, GoldenSet::names());
    for (name, verdict, findings) in SETS {
        let report = look(&GoldenSet::load(name)).check(0);
        assert_eq!(&lines(&report), findings, "{name}");
        assert_eq!(report.verdict(), *verdict, "{name}");
        assert!(report.unlisted.is_empty(), "{name}");
    }
}

#[test]
fn a_set_is_unusable_exactly_when_the_kernel_did_not_start_it() {
    for set in GoldenSet::all() {
        let unusable = look(&set).check(0).verdict() == Unusable;
        assert_eq!(unusable, !set.is_up(), "{}", set.name);
    }
}

#[test]
fn a_stray_of_another_volume_is_refused_for_its_name() {
    let set = GoldenSet::load("07-foreign-id");
    let heap = look(&set);
    let stray = ["fatal name-shared none", "fatal component-missing c0 none"];
    expect(&heap.check(1), &stray);
}

#[test]
fn every_finding_has_words() {
    for set in GoldenSet::all() {
        for finding in look(&set).check(0).findings {
            let message = finding.fault.message(&|party| format!("<{party:?}>"));
            assert!(message.len() > 20 && !message.ends_with('.'), "{message}");
            assert!(finding.fault.freebsd().starts_with("FreeBSD"), "{message}");
        }
    }
}
