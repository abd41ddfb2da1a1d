//! Files described by their two ends: the map at the start, the record in the last sector.
//!
//! This is how real sets get into a corpus: what matters of a component takes about a hundred bytes.

use virstor::io::ReadAt;

use super::{Choices, HostileFile, LARGEST_FILE};
use crate::{Record, SparseDisk};

/// What matters of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its size in bytes.
    pub size: u64,
    /// Its sector size in bytes, a power of two from 512 to 65536.
    pub sector_size: u32,
    /// The start of its last sector.
    pub record: [u8; Record::LEN],
    /// Its first bytes; zeros follow.
    pub map: Vec<u8>,
}

/// The bytes that [`HostileHeap::decode`](super::HostileHeap::decode) makes these components of, without any
/// damage. At most 255 parts with maps of at most 65,535 bytes, none larger than [`LARGEST_FILE`].
#[must_use]
pub fn encode_parts(parts: &[Part]) -> Vec<u8> {
    // The kind of heap; the files come before the depth of the search.
    let mut bytes = vec![1, u8::try_from(parts.len()).expect("few parts")];
    for part in parts {
        bytes.extend_from_slice(&part.size.to_le_bytes());
        bytes.push(u8::try_from(part.sector_size.trailing_zeros() - 9).expect("a sector size"));
        bytes.extend_from_slice(&part.record);
        bytes.extend_from_slice(&u16::try_from(part.map.len()).expect("a short map").to_le_bytes());
        bytes.extend_from_slice(&part.map);
    }
    bytes
}

pub(super) fn decode(choices: &mut Choices<'_>) -> Vec<HostileFile> {
    let count = choices.below(256).min(16);
    (0..count)
        .map(|number| {
            let size = u64::from_le_bytes(choices.array()) % (LARGEST_FILE + 1);
            let sector_size = 512 << choices.below(8);
            let record: [u8; Record::LEN] = choices.array();
            let map_len = u16::from_le_bytes(choices.array());
            let mut disk = SparseDisk::new(size);
            let map = choices.take(map_len.into());
            // A file too small for its map, or for a record, goes without.
            _ = disk.write_at(0, map);
            if let Some(last) = disk.size().checked_sub(sector_size) {
                disk.write_at(last, &record).expect("a sector is longer than a record");
            }
            HostileFile::new(format!("c{number}"), disk)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::HostileHeap;

    #[test]
    fn parts_come_back_as_files() {
        let part = Part { size: 1 << 20, sector_size: 4096, record: [7; Record::LEN], map: vec![1, 2, 3] };
        let bytes = encode_parts(&[part.clone(), part]);
        let heap = HostileHeap::decode(&mut Choices::new(&bytes));
        assert_eq!(heap.files.len(), 2);
        for file in &heap.files {
            assert_eq!(file.contents.size(), 1 << 20);
            assert_eq!(file.contents.bytes(0, 4), [1, 2, 3, 0]);
            assert_eq!(file.contents.bytes((1 << 20) - 4096, Record::LEN), [7; Record::LEN]);
        }
    }
}
