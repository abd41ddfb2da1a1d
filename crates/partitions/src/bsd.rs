//! The disklabel of the BSDs: in sector 1 of a slice, or of the whole disk.
//!
//! Layout: `sys/disk/bsd.h` of FreeBSD; what makes one valid: `g_part_bsd.c`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::kind::Kind;
use crate::source::{RECORD, Source, u16_at, u32_at};
use crate::{Extent, Partition};

const BSD_MAGIC: u32 = 0x8256_4557;
/// What fits into 512 bytes. FreeBSD writes 8 to 20.
const MAX_PARTITIONS: usize = 22;
/// The index of partition `c`, which is the slice itself.
const BSD_PART_RAW: usize = 2;

/// Where `p_offset` counts from, if the label does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// FreeBSD: from where partition `c` begins, which is 0 or the first sector of the slice.
    AsLabelled,
    /// OpenBSD and NetBSD: from the first sector of the disk; `c` may be anything.
    FromDisk,
}

/// The partitions of the disklabel in `slice`, named `prefix` and their letter.
pub(crate) fn find(
    source: &mut Source<'_>,
    slice: Extent,
    sizes: &[u32],
    prefix: &str,
    counting: Counting,
) -> Vec<Partition> {
    let label = sizes.iter().find_map(|&sector_size| {
        // A label that is not wholly inside the slice is not the slice's.
        let fits = u64::from(sector_size) + RECORD as u64 <= slice.len;
        let sector = source.sector(slice.start.checked_add(u64::from(sector_size)).filter(|_| fits)?)?;
        Label::decode(&sector, sector_size)
    });
    label.map(|label| label.partitions(slice, prefix, counting)).unwrap_or_default()
}

/// A valid disklabel.
struct Label {
    d_secsize: u64,
    entries: Vec<Entry>,
}

/// `struct partition`, the fields that are still in use.
struct Entry {
    p_size: u32,
    p_offset: u32,
    p_fstype: u8,
}

impl Label {
    /// The label in `sector`; `None` if there is none, or one for other sectors than `sector_size` bytes.
    ///
    /// Either the checksum has to be right or the geometry, which is all that the kernel looks at: a label
    /// that the kernel uses must not be hidden by one flipped bit.
    fn decode(sector: &[u8; RECORD], sector_size: u32) -> Option<Self> {
        let d_magic = u32_at(sector, 0);
        let d_secsize = u32_at(sector, 40);
        let d_magic2 = u32_at(sector, 132);
        let d_npartitions = usize::from(u16_at(sector, 138));

        let marked = d_magic == BSD_MAGIC && d_magic2 == BSD_MAGIC && d_secsize == sector_size;
        if !marked || !(1..=MAX_PARTITIONS).contains(&d_npartitions) {
            return None;
        }
        if !checksum_is_right(sector, d_npartitions) && !geometry_is_sane(sector, d_npartitions) {
            return None;
        }
        let entries = (0..d_npartitions).map(|index| Entry::decode(sector, index)).collect();
        Some(Self { d_secsize: u64::from(d_secsize), entries })
    }

    fn partitions(&self, slice: Extent, prefix: &str, counting: Counting) -> Vec<Partition> {
        let base = self.base(slice, counting);
        let kept = self.entries.iter().enumerate().filter(|&(index, _)| index != BSD_PART_RAW);
        kept.filter_map(|(index, entry)| {
            let sectors = u64::from(entry.p_offset).checked_sub(base)?;
            let start = slice.start.checked_add(sectors * self.d_secsize)?;
            let len = u64::from(entry.p_size) * self.d_secsize;
            let number = u32::try_from(index).expect("at most 22 partitions") + 1;
            let name = format!("{prefix}{}", letter(index));
            Partition::within(slice, Kind::Bsd(entry.p_fstype), number, name, start, len)
        })
        .collect()
    }

    /// The sector number that the label has for the first sector of the slice.
    ///
    /// What the system that owns the slice would take comes first; the other if only that makes all
    /// partitions lie in the slice.
    fn base(&self, slice: Extent, counting: Counting) -> u64 {
        let raw = self.entries.get(BSD_PART_RAW).map_or(0, |entry| u64::from(entry.p_offset));
        let on_disk = slice.start / self.d_secsize;
        let (usual, other) = match counting {
            Counting::AsLabelled => (raw, on_disk),
            Counting::FromDisk => (on_disk, raw),
        };
        if !self.all_begin_within(slice, usual) && self.all_begin_within(slice, other) {
            other
        } else {
            usual
        }
    }

    fn all_begin_within(&self, slice: Extent, base: u64) -> bool {
        let sectors = base..base + slice.len.div_ceil(self.d_secsize);
        let used =
            self.entries.iter().enumerate().filter(|(index, it)| *index != BSD_PART_RAW && it.p_size != 0);
        used.into_iter().all(|(_, entry)| sectors.contains(&u64::from(entry.p_offset)))
    }
}

impl Entry {
    /// The entry at `index`, which is below 22.
    fn decode(sector: &[u8; RECORD], index: usize) -> Self {
        let at = 148 + index * 16;
        Self { p_size: u32_at(sector, at), p_offset: u32_at(sector, at + 4), p_fstype: sector[at + 12] }
    }
}

/// The 16-bit words of the label, its checksum and the partitions in use among them, cancel out.
fn checksum_is_right(sector: &[u8; RECORD], d_npartitions: usize) -> bool {
    let words = sector[..148 + d_npartitions * 16].chunks_exact(2);
    words.fold(0, |sum, word| sum ^ u16_at(word, 0)) == 0
}

/// What the kernel asks for beside the magic numbers.
fn geometry_is_sane(sector: &[u8; RECORD], d_npartitions: usize) -> bool {
    let d_nsectors = u32_at(sector, 44);
    let d_ntracks = u32_at(sector, 48);
    let d_secperunit = u32_at(sector, 60);
    (1..=255).contains(&d_nsectors)
        && (1..=255).contains(&d_ntracks)
        && d_secperunit != 0
        && (8..=20).contains(&d_npartitions)
}

/// `a` for 0; the index is below 22.
fn letter(index: usize) -> String {
    ('a'..='z').nth(index).into_iter().collect()
}
