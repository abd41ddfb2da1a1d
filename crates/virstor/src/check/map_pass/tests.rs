//! Claims on chunks, held against a set of them.

use alloc::collections::{BTreeMap, BTreeSet};

use super::*;

/// What a run over the map comes to, as far as claims go.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// By component: entries that count, the highest chunk, the chunks that have an owner.
    components: Vec<(u64, Option<u32>, BTreeSet<u32>)>,
    allocated: u64,
    plausible: u64,
    clashes: Vec<Clash>,
}

/// Components with 700 and 5000 chunks of which some are not for data, and one between them that is missing.
fn tallies() -> Vec<Tally> {
    let tally = |in_map, reserved, room, chunk_count| {
        let len = u64::from(room) << 20;
        Tally { present: true, in_map, reserved, room, chunk_count, len, ..Tally::default() }
    };
    vec![tally(2, 5, 690, 700), Tally::default(), tally(0, 0, 5000, 5000)]
}

/// One entry after the other, each chunk in a set.
fn naive(entries: &[[u8; MAP_ENTRY_LEN]]) -> Outcome {
    let tallies = tallies();
    let mut outcome = Outcome { components: vec![(0, None, BTreeSet::new()); 3], ..Outcome::default() };
    for (at, bytes) in entries.iter().enumerate() {
        let entry = MapEntry::decode(*bytes, ByteOrder::Little);
        if !entry.is_allocated() {
            continue;
        }
        outcome.allocated += 1;
        let Some(tally) = tallies.get(entry.component.as_usize()) else { continue };
        let (counted, highest, owned) = &mut outcome.components[entry.component.as_usize()];
        let chunk = entry.chunk.0;
        if tally.present && chunk >= tally.chunk_count {
            continue;
        }
        outcome.plausible += u64::from(entry.flags == MapEntry::ALLOCATED);
        *counted += 1;
        if tally.present && chunk > tally.room {
            continue;
        }
        *highest = (*highest).max(Some(chunk));
        if tally.present && !owned.insert(chunk) {
            outcome.clashes.push((entry.component, entry.chunk, VirtualChunk(at as u64)));
        }
    }
    outcome
}

fn passed(entries: &[[u8; MAP_ENTRY_LEN]], gathering: Gathering) -> Outcome {
    let mut pass = MapPass::with(tallies(), 64, ByteOrder::Little, Vec::new(), gathering);
    let mut findings = Findings::default();
    for (piece, entries) in entries.chunks(512).enumerate() {
        pass.entries::<false>(piece as u64 * 512, entries, &mut findings);
    }
    pass.settle_all(entries.len() as u64);
    let component = |tally: &Tally| {
        let owned = (0..6000).filter(|chunk| tally.owned.contains(*chunk)).collect();
        (tally.entries, tally.highest, owned)
    };
    let components = pass.tallies.iter().map(component).collect();
    let (allocated, plausible) = (pass.allocated, pass.plausible);
    let mut clashes = pass.clashes;
    assert_eq!(clashes.unlisted, 0, "all are kept");
    ordered::sort_by_key(&mut clashes.listed, |(.., second)| *second);
    Outcome { components, allocated, plausible, clashes: clashes.listed }
}

/// A map in rows of one to `row` entries, of which one in `odd` is not good, if that is not zero.
fn map(seed: u64, len: u64, row: u64, odd: u64) -> Vec<[u8; MAP_ENTRY_LEN]> {
    let mut state = seed;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 33) % bound
    };
    let mut entries = Vec::new();
    let mut used = 0;
    while used < len {
        let (component, lowest, chunks) = if below(3) == 0 { (0, 5, 680) } else { (2, 0, 4990) };
        let mut first = (lowest + below(chunks)) << 32 | component << 16 | 1;
        let mut count = 1 + below(row);
        if odd > 0 && below(odd) == 0 {
            first = match below(7) {
                0 => 0,
                1 => below(8) << 32 | 1,
                2 => (685 + below(20)) << 32 | 1,
                3 => below(9) << 32 | 1 << 16 | 1,
                4 => below(9) << 32 | 3 << 16 | 1,
                5 => first | 4,
                _ => first & !1,
            };
            count = 1;
        }
        entries.extend((0..count).map(|step| (first + step * NEXT_CHUNK).to_le_bytes()));
        used += count;
        // A gap that is too wide for a claim to tell which entry it is of, now and then.
        let gap = if below(200) == 0 { 9000 } else { 0 };
        entries.resize(entries.len() + gap, [0; MAP_ENTRY_LEN]);
    }
    entries
}

#[test]
fn claims_that_wait_come_to_what_a_set_of_chunks_says() {
    let never = Gathering { from: u64::MAX, ..Gathering::FASTEST };
    let waiting = |stretch, together, most| Gathering { stretch, together, most, from: 0 };
    // 30 bits of the chunk leave two for its entry, so that most claims come too late to be told.
    let gatherings = [
        never,
        waiting(4, 3, 1000),
        waiting(8, 64, 1 << 20),
        waiting(8, 64, 20),
        waiting(6, 1, 1 << 20),
        waiting(30, 100, 1 << 20),
        waiting(24, 100, 1 << 20),
        Gathering { from: 0, ..Gathering::FASTEST },
    ];
    let mut clashes = BTreeMap::new();
    for (seed, (len, row, odd)) in
        (0..).zip([(600, 1, 0), (1500, 1, 0), (1500, 2, 9), (1200, 7, 0), (1500, 40, 5), (700, 1, 3)])
    {
        let entries = map(seed, len, row, odd);
        let expected = naive(&entries);
        clashes.insert(seed, expected.clashes.len());
        for gathering in gatherings {
            let what = alloc::format!("rows up to {row}, odd {odd}, {gathering:?}");
            let found = passed(&entries, gathering);
            assert_eq!(found.clashes, expected.clashes, "{what}");
            assert_eq!(found, expected, "{what}");
        }
    }
    assert!(clashes.values().all(|count| (10..8 * crate::check::LISTED).contains(count)), "{clashes:?}");
}
