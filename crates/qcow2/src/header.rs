//! The header: the only part of the file that says where the others are.

use alloc::vec;
use alloc::vec::Vec;

use crate::areas::Areas;

/// The first cluster: the header, the mark that no extensions follow (a type and a length of zero), zeros.
///
/// Fields that are not named are zero: no backing file, no encryption, no snapshots, no features.
pub(crate) fn header_cluster(areas: &Areas, disk_size: u64) -> Vec<u8> {
    let words = [
        (0, u32::from_be_bytes(*b"QFI\xfb")),                 // magic
        (4, 3),                                               // version
        (20, areas.cluster_bits),                             // cluster_bits
        (36, number(areas.l1_entries)),                       // l1_size
        (56, number(clusters(areas, &areas.refcount_table))), // refcount_table_clusters
        (96, 4),                                              // refcount_order: 2^4 bits
        (100, 104),                                           // header_length
    ];
    let long_words = [
        (24, disk_size),                  // size
        (40, areas.l1_table.start),       // l1_table_offset
        (48, areas.refcount_table.start), // refcount_table_offset
    ];
    let len = usize::try_from(areas.cluster_size()).expect("a cluster has at most 2 MiB");
    let mut bytes = vec![0; len];
    for (offset, word) in words {
        bytes[offset..offset + 4].copy_from_slice(&word.to_be_bytes());
    }
    for (offset, word) in long_words {
        bytes[offset..offset + 8].copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn clusters(areas: &Areas, area: &core::ops::Range<u64>) -> u64 {
    (area.end - area.start) >> areas.cluster_bits
}

fn number(entries: u64) -> u32 {
    u32::try_from(entries).expect("tables have at most 2^22 entries")
}
