//! The blocks of an overlay that are not data. Numbers are little-endian.
//!
//! ```text
//!  head     0 magic (16)  16 version (4)  20 id (4)  24 name (16)  40 fingerprint (8)  48 components (4)
//!           64 their sizes (8 each)  4088 checksum (8)
//!  index    0 magic (8)  8 number (8)  16 block of the next (8)  24 entries (4)  28 flags (4)
//!           32 entries of 24: component (2) zero (2) blocks (4) first block (8) block here, or 0 for zeros (8)
//!           4088 checksum (8), which starts from the index's own place
//! ```

use virstor::assemble::Volume;
use virstor::format::Name;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::undo::{hash, hash_of};

use super::runs::Run;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 4096;

/// Most entries of an index.
pub(super) const MOST_ENTRIES: usize = (SUM - ENTRIES) / ENTRY_LEN;

const MAGIC: &[u8; 16] = b"VIRSTOR OVERLAY\0";
const VERSION: u32 = 1;
const INDEX_MAGIC: &[u8; 8] = b"VSOVLIDX";
const ENTRIES: usize = 32;
const ENTRY_LEN: usize = 24;
/// Where the checksum is.
const SUM: usize = BLOCK - 8;
/// Where the sizes of the components begin in a head.
const SIZES: usize = 64;
/// Most components; their sizes have to fit.
pub(crate) const MOST_COMPONENTS: usize = (SUM - SIZES) / 8;
const COMMITTING: u32 = 1;

/// Whose an overlay is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Name of the volume.
    pub(crate) name: Name,
    /// Its id.
    pub(crate) id: u32,
    /// The sizes of its components in bytes.
    pub(crate) sizes: Vec<u64>,
    /// A hash of its records and its map, as they were when the overlay was begun.
    pub(crate) fingerprint: u64,
}

impl Head {
    /// The set that `volume` is, whose components are on the disks that `disk` gives; `None` when it has more
    /// components than an overlay has room for.
    ///
    /// # Errors
    ///
    /// When a record or the map cannot be read.
    ///
    /// # Panics
    ///
    /// When a component is missing.
    pub(crate) fn new<D: ReadAt>(
        volume: &Volume,
        disk: impl Fn(ComponentIndex) -> D,
    ) -> Result<Option<Self>, (ComponentIndex, IoError)> {
        let mut hashes = Vec::new();
        let mut sizes = Vec::new();
        for (index, component) in &volume.components {
            let sector = u64::from(component.sector_size);
            let record = hash_of(&disk(*index), component.len - sector, sector);
            hashes.extend_from_slice(&record.map_err(|error| (*index, error))?.to_le_bytes());
            sizes.push(component.len);
        }
        let map_len = u64::try_from(volume.map_len()).unwrap_or(u64::MAX).min(sizes[0]);
        let first = ComponentIndex(0);
        let map = hash_of(&disk(first), 0, map_len).map_err(|error| (first, error))?;
        hashes.extend_from_slice(&map.to_le_bytes());
        if sizes.len() > MOST_COMPONENTS {
            return Ok(None);
        }
        Ok(Some(Self { name: volume.name, id: volume.id, sizes, fingerprint: hash(&hashes) }))
    }

    /// Whether both are of one set, whatever became of it.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        (self.name, self.id, &self.sizes) == (other.name, other.id, &other.sizes)
    }

    /// Whether there are such blocks in the set.
    pub(super) fn holds(&self, run: &Run) -> bool {
        let size = self.sizes.get(run.component.as_usize());
        let blocks = size.map_or(0, |size| size.div_ceil(BLOCK as u64));
        run.len > 0 && run.block.checked_add(run.len).is_some_and(|end| end <= blocks)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..16].copy_from_slice(MAGIC);
        block[16..20].copy_from_slice(&VERSION.to_le_bytes());
        block[20..24].copy_from_slice(&self.id.to_le_bytes());
        block[24..40].copy_from_slice(&self.name.0);
        block[40..48].copy_from_slice(&self.fingerprint.to_le_bytes());
        let count = u32::try_from(self.sizes.len()).expect("there is room for hundreds");
        block[48..52].copy_from_slice(&count.to_le_bytes());
        for (place, size) in block[SIZES..SUM].chunks_mut(8).zip(&self.sizes) {
            place.copy_from_slice(&size.to_le_bytes());
        }
        seal(block, 0)
    }

    /// `None` when the block is no head.
    pub(super) fn decode(block: &[u8]) -> Option<Self> {
        let number = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().expect("four bytes"));
        if !is_sealed(block, 0) || block[..16] != *MAGIC || number(16) != VERSION {
            return None;
        }
        let count = usize::try_from(number(48)).ok().filter(|count| (1..=MOST_COMPONENTS).contains(count))?;
        Some(Self {
            name: Name(block[24..40].try_into().expect("sixteen bytes")),
            id: number(20),
            sizes: (0..count).map(|index| long(block, SIZES + 8 * index)).collect(),
            fingerprint: long(block, 40),
        })
    }
}

/// A part of the list of what is where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// The block in which it goes on.
    pub(super) next: u64,
    /// Whether a commit to the set was begun.
    pub(super) committing: bool,
    /// At most [`MOST_ENTRIES`].
    pub(super) runs: Vec<Run>,
}

impl Index {
    /// The bytes of index `number`, which comes to block `at`.
    pub(super) fn encode(&self, at: u64, number: u64) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..8].copy_from_slice(INDEX_MAGIC);
        block[8..16].copy_from_slice(&number.to_le_bytes());
        block[16..24].copy_from_slice(&self.next.to_le_bytes());
        let count = u32::try_from(self.runs.len()).expect("there are at most 168");
        block[24..28].copy_from_slice(&count.to_le_bytes());
        let flags = if self.committing { COMMITTING } else { 0 };
        block[28..32].copy_from_slice(&flags.to_le_bytes());
        for (entry, run) in block[ENTRIES..SUM].chunks_exact_mut(ENTRY_LEN).zip(&self.runs) {
            let len = u32::try_from(run.len).expect("runs are cut to 32 bits");
            entry[..2].copy_from_slice(&run.component.0.to_le_bytes());
            entry[4..8].copy_from_slice(&len.to_le_bytes());
            entry[8..16].copy_from_slice(&run.block.to_le_bytes());
            entry[16..].copy_from_slice(&run.at.to_le_bytes());
        }
        seal(block, at)
    }

    /// `None` when the block is not index `number`, which comes to block `at`.
    pub(super) fn decode(block: &[u8], at: u64, number: u64) -> Option<Self> {
        if !is_sealed(block, at) || block[..8] != *INDEX_MAGIC || long(block, 8) != number {
            return None;
        }
        let word = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().expect("four bytes"));
        let entries = block[ENTRIES..SUM].chunks_exact(ENTRY_LEN).take(word(24) as usize);
        let run = |entry: &[u8]| Run {
            component: ComponentIndex(u16::from_le_bytes([entry[0], entry[1]])),
            len: u64::from(u32::from_le_bytes(entry[4..8].try_into().expect("four bytes"))),
            block: long(entry, 8),
            at: long(entry, 16),
        };
        Some(Self {
            next: long(block, 16),
            committing: word(28) & COMMITTING != 0,
            runs: entries.map(run).collect(),
        })
    }
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The checksum of a block is different in every place, so that a block that was left over is not taken for one that
/// belongs there.
fn sum(block: &[u8], at: u64) -> u64 {
    hash(&[&at.to_le_bytes(), &block[..SUM]].concat())
}

fn seal(mut block: Vec<u8>, at: u64) -> Vec<u8> {
    let sum = sum(&block, at);
    block[SUM..].copy_from_slice(&sum.to_le_bytes());
    block
}

fn is_sealed(block: &[u8], at: u64) -> bool {
    long(block, SUM) == sum(block, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head { name: Name(*b"home\0\0\0\0\0\0\0\0\0\0\0\0"), id: 7, sizes: vec![1 << 20, 5], fingerprint: 9 }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        assert_eq!(Head::decode(&head().encode()), Some(head()));
        let run = Run { component: ComponentIndex(1), block: 3, len: 2, at: 77 };
        let index = Index { next: 5, committing: true, runs: vec![run; MOST_ENTRIES] };
        assert_eq!(Index::decode(&index.encode(9, 4), 9, 4), Some(index));
    }

    #[test]
    fn no_damaged_block_is_taken_for_a_whole_one() {
        let (head, index) =
            (head().encode(), Index { next: 5, committing: false, runs: vec![] }.encode(9, 4));
        for position in 0..BLOCK {
            let damaged = |block: &[u8]| {
                let mut block = block.to_vec();
                block[position] ^= 1;
                block
            };
            assert_eq!(Head::decode(&damaged(&head)), None);
            assert_eq!(Index::decode(&damaged(&index), 9, 4), None);
        }
        assert_eq!(Index::decode(&index, 8, 4), None, "of another place");
        assert_eq!(Index::decode(&index, 9, 5), None, "of another number");
    }
}
