//! What must hold for every image: the disk that is read back is the one that was written.

use virstor_qcow2::{MAX_BYTES_LEN, Piece};

use crate::reader::Image;
use crate::specimen::Specimen;

/// Panics when `specimen`, made an image and read back, is another disk.
pub(crate) fn comes_back(specimen: &Specimen, name: &str) {
    let copy_cap = 3 << specimen.cluster_bits;
    pieces_keep_their_promises(specimen, copy_cap, name);
    let pieces = specimen.pieces(copy_cap);
    let file: Vec<u8> =
        pieces.flat_map(|piece| specimen.bytes_of(piece.expect("the ranges stay the same"))).collect();
    assert_eq!(file.len() as u64, specimen.layout().total_len(), "{name}");

    let image = Image::decode(&file, file.len() as u64);
    assert_eq!(image.disk_size, specimen.virtual_size.next_multiple_of(512), "{name}");
    let mapped: Vec<u64> = image.mapping.iter().map(|(cluster, _)| *cluster).collect();
    assert_eq!(mapped, specimen.data_clusters(), "{name}");
    assert!(image.read_disk(&file) == specimen.read(0..image.disk_size), "{name}: content");
}

fn pieces_keep_their_promises(specimen: &Specimen, copy_cap: u64, name: &str) {
    let cluster_size = 1 << specimen.cluster_bits;
    let mut previous = None;
    for piece in specimen.pieces(copy_cap + 1) {
        let piece = piece.expect("the ranges stay the same");
        assert_ne!(piece.len(), 0, "{name}");
        match piece {
            Piece::Bytes(bytes) => assert!(bytes.len() as u64 <= MAX_BYTES_LEN, "{name}"),
            Piece::Copy { virtual_offset, len } => {
                assert!(len <= copy_cap && virtual_offset + len <= specimen.virtual_size, "{name}");
                assert_eq!(virtual_offset % cluster_size, 0, "{name}");
                let splits_a_run = previous == Some((virtual_offset, false));
                assert!(!splits_a_run, "{name}: pieces at {virtual_offset} could be one");
                previous = Some((virtual_offset + len, len == copy_cap));
            }
        }
    }
}
