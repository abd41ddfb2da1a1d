//! Large maps: read once, skipped where they are zero.

use std::sync::Arc;

use virstor_testkit::{Counting, SetBuilder, SparseDisk};

use crate::support::{Heap, expect, offers};

const ENTRIES: u64 = 524_288;
const GIB: u64 = 1 << 30;

/// The default geometry: 2 TiB in chunks of 4 MiB, one component that is full up to its `used` first chunks.
fn default_geometry(used: u32) -> Vec<(String, SparseDisk)> {
    let set = SetBuilder::new("big").chunk_size(4 << 20).virtual_chunks(ENTRIES).components([2048 * GIB]);
    // Every other virtual chunk, so that no run of entries helps.
    (0..used).fold(set, |set, chunk| set.map(2 * u64::from(chunk), 0, 2 + chunk)).build()
}

#[test]
fn a_sound_map_is_read_once() {
    let files: Vec<_> = default_geometry(1000)
        .into_iter()
        .map(|(name, disk)| (name, Arc::new(Counting::new(disk))))
        .collect();
    let heap = Heap::look(offers(&files));
    files[0].1.reset();
    expect(&heap.check(0), &[]);
    assert_eq!(files[0].1.bytes(), ENTRIES * 8);
}

#[test]
fn shared_chunks_cost_a_second_look_up_to_their_first_owners() {
    let mut files = default_geometry(1000);
    let last = files[0].1.bytes(2 * 999 * 8, 8);
    files[0].1.write_at((ENTRIES - 1) * 8, &last).unwrap();
    let files: Vec<_> = files.into_iter().map(|(name, disk)| (name, Arc::new(Counting::new(disk)))).collect();
    let heap = Heap::look(offers(&files));
    files[0].1.reset();
    let shared = format!("error chunk-shared c0 p1001 v{} safe", ENTRIES - 1);
    expect(&heap.check(0), &[&shared, "notice stale-cursor c0 safe"]);
    assert_eq!(files[0].1.bytes(), ENTRIES * 8 + (1 << 20));
}
