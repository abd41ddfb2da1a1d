//! What was planned, read back by a reader that knows nothing of the planner.
#![allow(clippy::single_range_in_vec_init, reason = "a list of ranges may have one")]

#[path = "support/comes_back.rs"]
mod comes_back;
#[path = "support/reader.rs"]
mod reader;
#[path = "support/specimen.rs"]
mod specimen;

use std::ops::Range;

use comes_back::comes_back;
use reader::Image;
use specimen::Specimen;
use virstor_qcow2::Piece;

#[test]
fn random_disks_come_back_as_they_were() {
    for seed in 0..260 {
        comes_back(&Specimen::random(seed), &format!("seed {seed}"));
    }
}

/// Where every way through the planner was found once: see `tests/README.md`.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/qcow2_writer");

#[test]
fn what_the_fuzzer_found_comes_back_as_it_was() {
    // The folder is not part of the published crate.
    for entry in std::fs::read_dir(CORPUS).into_iter().flatten() {
        let path = entry.expect("a folder can be listed").path();
        let bytes = std::fs::read(&path).expect("a seed can be read");
        comes_back(&Specimen::decode(&bytes), &path.display().to_string());
    }
}

/// What the fuzzer does with bytes it finds; these are found by nobody.
#[test]
fn disks_decoded_from_bytes_come_back_as_they_were() {
    for seed in 0..200_u64 {
        let byte = |place: u64| (seed + 1).wrapping_mul(place + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let bytes: Vec<u8> = (0..seed % 61).map(|place| byte(place).to_le_bytes()[0]).collect();
        comes_back(&Specimen::decode(&bytes), &format!("seed {seed}"));
    }
}

#[test]
fn disks_of_edge_sizes_come_back_as_they_were() {
    for cluster_bits in [9, 10, 12] {
        let cluster = 1_u64 << cluster_bits;
        let table = cluster * cluster / 8;
        let sizes =
            [0, 1, 511, 512, 513, cluster - 1, cluster, cluster + 1, table - 1, table, table + 1, 3 * table];
        for virtual_size in sizes {
            for ranges in edge_ranges(virtual_size, table) {
                let name = format!("{virtual_size} bytes in clusters of {cluster}: {ranges:?}");
                comes_back(&Specimen { virtual_size, cluster_bits, ranges }, &name);
            }
        }
    }
}

/// Nothing; everything; the last byte; everything byte by byte at the end; both sides of the second L2 table.
fn edge_ranges(virtual_size: u64, table: u64) -> Vec<Vec<Range<u64>>> {
    let whole = 0..virtual_size;
    let last = virtual_size.saturating_sub(1)..virtual_size;
    let mut singles = vec![0..virtual_size.saturating_sub(5)];
    singles.extend((virtual_size.saturating_sub(5)..virtual_size).map(|byte| byte..byte + 1));
    let mut choices = vec![vec![], vec![whole], vec![last], singles];
    if virtual_size > 2 * table {
        choices.push(vec![table - 1..table + 1, 2 * table - 1..2 * table, 2 * table..2 * table + 1]);
        choices.push(vec![table..table + 1, 2 * table + 5..2 * table + 5]);
    }
    choices
}

#[test]
fn files_just_below_and_above_a_refcount_block_count_all_their_clusters() {
    // A block counts 256 clusters of 512 bytes, a table cluster points at 64 blocks.
    // Two blocks, eleven blocks, a table of one cluster, of two: the tables themselves take about 1 in 50.
    for full in [256_u64, 11 * 256, 64 * 256, 128 * 256] {
        for clusters in full - full / 40 - 6..full - full / 60 + 6 {
            let whole =
                Specimen { virtual_size: clusters * 512, cluster_bits: 9, ranges: vec![0..clusters * 512] };
            let bytes = tables(&whole);
            let image = Image::decode(&bytes, whole.layout().total_len());
            assert_eq!(image.mapping.len() as u64, clusters);
        }
    }
}

#[test]
fn a_petabyte_disk_of_few_ranges_maps_exactly_those() {
    let end = 1 << 50;
    let ranges = vec![0..1, 5 << 40..(5 << 40) + (3 << 20), end / 2 - 1..end / 2 + 1, end - 70_000..end];
    maps_exactly(&Specimen { virtual_size: end, cluster_bits: 16, ranges });
}

#[test]
fn the_largest_disk_of_the_format_can_be_planned() {
    let end = 1 << 61;
    maps_exactly(&Specimen { virtual_size: end, cluster_bits: 21, ranges: vec![7..8, end - 1..end] });
}

#[test]
fn a_disk_of_many_ranges_is_copied_range_by_range() {
    let ranges = || (0..131_072_u64).map(|index| index << 24..(index << 24) + (4 << 20));
    let layout = virstor_qcow2::Layout::new(2 << 40, 16, ranges()).expect("it fits");
    let (mut copies, mut copied, mut bytes) = (0_u64, 0, 0);
    for piece in layout.pieces(ranges, u64::MAX) {
        match piece.expect("the ranges stay the same") {
            Piece::Copy { virtual_offset, len } => {
                assert_eq!(virtual_offset, copies << 24);
                copies += 1;
                copied += len;
            }
            Piece::Bytes(part) => bytes += part.len() as u64,
        }
    }
    assert_eq!((copies, copied), (131_072, 131_072 << 22));
    assert_eq!((bytes, bytes + copied), (layout.tables_len(), layout.total_len()));
}

/// Where the disk cannot be held: the tables are read back, and every copy goes where they say.
fn maps_exactly(specimen: &Specimen) {
    let image = Image::decode(&tables(specimen), specimen.layout().total_len());
    let mapped: Vec<u64> = image.mapping.iter().map(|(cluster, _)| *cluster).collect();
    assert_eq!(mapped, specimen.data_clusters());

    let mut position = 0;
    let mut copies = Vec::new();
    for piece in specimen.pieces(1) {
        let piece = piece.expect("the ranges stay the same");
        if let Piece::Copy { virtual_offset, .. } = piece {
            copies.push((virtual_offset >> specimen.cluster_bits, position));
        }
        position += piece.len();
    }
    assert_eq!(copies, image.mapping);
    assert_eq!(position, specimen.layout().total_len());
}

fn tables(specimen: &Specimen) -> Vec<u8> {
    let mut tables = Vec::new();
    for piece in specimen.pieces(u64::MAX) {
        if tables.len() as u64 == specimen.layout().tables_len() {
            break;
        }
        tables.extend(specimen.bytes_of(piece.expect("the ranges stay the same")));
    }
    tables
}
