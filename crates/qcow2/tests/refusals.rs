//! What cannot be planned is said with numbers; what changed under the plan never becomes a whole file.
#![allow(clippy::single_range_in_vec_init, reason = "a list of ranges may have one")]

use std::cell::Cell;
use std::ops::Range;

use virstor_qcow2::{Error, Layout, MAX_CLUSTER_BITS, MIN_CLUSTER_BITS, Piece, smallest_cluster_bits};

/// Asserts that `ranges` on a disk of 4 MiB are refused with `error`.
#[track_caller]
fn refused(ranges: &[Range<u64>], error: Error) {
    assert_eq!(Layout::new(4 << 20, 16, ranges.iter().cloned()), Err(error));
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
fn ranges_must_ascend_and_end_with_the_disk() {
    refused(&[3..2], Error::RangeReversed { range: 3..2 });
    refused(&[0..10, 9..20], Error::RangeOutOfOrder { range: 9..20, previous_end: 10 });
    refused(&[50..60, 0..10], Error::RangeOutOfOrder { range: 0..10, previous_end: 60 });
    let past = 4 << 20..(4 << 20) + 1;
    refused(std::slice::from_ref(&past), Error::RangePastEnd { range: past.clone(), virtual_size: 4 << 20 });
    let far = u64::MAX - 1..u64::MAX;
    refused(&[0..1, far.clone()], Error::RangePastEnd { range: far, virtual_size: 4 << 20 });
}

#[test]
fn cluster_sizes_that_qemu_does_not_open_are_refused() {
    for bits in [0, 8, 22, 63, 64, u32::MAX] {
        assert_eq!(Layout::new(1, bits, []), Err(Error::ClusterBits { bits }));
    }
}

#[test]
fn a_disk_fits_up_to_an_l1_table_of_32_mebibytes() {
    for cluster_bits in MIN_CLUSTER_BITS..=MAX_CLUSTER_BITS {
        let cluster = 1_u64 << cluster_bits;
        let max = (32 << 20) / 8 * (cluster / 8) * cluster;
        assert!(Layout::new(max, cluster_bits, []).is_ok());
        for virtual_size in [max + 1, u64::MAX] {
            let refusal = Error::VirtualSizeTooLarge { virtual_size, max, cluster_bits };
            assert_eq!(Layout::new(virtual_size, cluster_bits, []), Err(refusal));
        }
    }
}

#[test]
fn a_file_fits_up_to_a_refcount_table_of_8_mebibytes() {
    // With 512-byte clusters such a table counts 128 GiB; a full disk of that size needs its tables besides.
    let disk = 128 << 30;
    let refusal = Layout::new(disk, 9, [0..disk]).unwrap_err();
    assert!(
        matches!(refusal, Error::FileTooLarge { len, max, .. } if len > disk && max == disk),
        "{refusal}"
    );
    // Of that many bytes, 1 in 256 is a refcount, 1 in 64 an L2 entry, 1 in 4096 an L1 entry.
    assert!(Layout::new(disk, 9, [0..disk - disk / 40]).is_ok());
    assert!(Layout::new(disk, 9, [0..disk - disk / 60]).is_err());
}

#[test]
fn a_file_ends_where_l2_entries_do() {
    let refusal = Layout::new(1 << 60, 21, [0..1 << 56]).unwrap_err();
    assert!(matches!(refusal, Error::FileTooLarge { max, .. } if max == 1 << 56), "{refusal}");
}

#[test]
fn the_suggested_cluster_size_is_the_smallest_that_holds_a_full_disk() {
    for exponent in 0..56 {
        for size in [(1_u64 << exponent) - 1, 1 << exponent, (1 << exponent) + 1] {
            let bits = smallest_cluster_bits(size).unwrap();
            assert!(Layout::new(size, bits, [0..size]).is_ok(), "{size} in 2^{bits}");
            assert!(bits == MIN_CLUSTER_BITS || Layout::new(size, bits - 1, [0..size]).is_err(), "{size}");
        }
    }
}

#[test]
fn beyond_what_a_file_can_hold_the_suggestion_is_the_smallest_that_describes_the_disk() {
    assert_eq!(smallest_cluster_bits(1 << 57), Some(19));
    assert_eq!(smallest_cluster_bits((1 << 57) + 1), Some(20));
    assert_eq!(smallest_cluster_bits(1 << 61), Some(21));
    assert_eq!(smallest_cluster_bits((1 << 61) + 1), None);
    assert_eq!(smallest_cluster_bits(u64::MAX), None);
}

#[test]
fn ranges_that_change_on_any_walk_end_in_an_error_short_of_a_whole_file() {
    const CLUSTER: u64 = 512;
    let planned = [0..CLUSTER, 4 * CLUSTER..6 * CLUSTER, 100 * CLUSTER..103 * CLUSTER];
    let layout = Layout::new(200 * CLUSTER, 9, planned.clone()).unwrap();
    let changes: [&[Range<u64>]; 6] = [
        &[],
        &planned[..2],
        &[0..CLUSTER, 4 * CLUSTER..6 * CLUSTER, 100 * CLUSTER..104 * CLUSTER],
        &[0..CLUSTER, 4 * CLUSTER..6 * CLUSTER, 101 * CLUSTER..104 * CLUSTER],
        &[0..2 * CLUSTER, 4 * CLUSTER..5 * CLUSTER, 100 * CLUSTER..103 * CLUSTER],
        &[0..200 * CLUSTER],
    ];
    for changed in changes {
        for changed_walk in 1..=3 {
            let walks = Cell::new(0);
            let ranges = || {
                walks.set(walks.get() + 1);
                if walks.get() == changed_walk { changed.to_vec() } else { planned.to_vec() }.into_iter()
            };
            let items: Vec<_> = layout.pieces(ranges, 1 << 20).collect();
            assert_eq!(walks.get(), changed_walk, "noticed in the walk itself");
            let (last, before) = items.split_last().unwrap();
            assert!(
                matches!(last, Err(Error::RangesChanged { planned_clusters: 6, .. })),
                "{changed:?}: {last:?}"
            );
            let len: u64 = before.iter().map(|piece| piece.as_ref().map_or(0, Piece::len)).sum();
            assert!(len < layout.total_len(), "{changed:?}");
        }
    }
}
