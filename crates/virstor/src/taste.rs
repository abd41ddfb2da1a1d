//! Taste: does this disk end in a record?
//!
//! The kernel reads the last sector of a provider it is offered and compares the magic (`g_virstor_taste`).
//! The sector size is not in the record, so here every size the format can have is tried.

use alloc::vec;

use crate::format::{RECORD_LEN, Record, SECTOR_SIZES};
use crate::io::{IoError, ReadAt};

/// A record that was found, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tasted {
    /// The record, not judged.
    pub record: Record,
    /// First byte of the record on the disk that was tasted.
    pub offset: u64,
    /// The sector size that puts the record into the last sector.
    pub sector_size: u32,
}

/// The record in the last sector of `disk`, if there is one.
///
/// With a `sector_size` only that one is tried. Otherwise 512 to 65536 are, and a record whose `provsize` is
/// the size of the disk is preferred to one whose is not: after a copy between disks of 512- and 4096-byte
/// sectors an old record may stand next to the right one.
///
/// # Errors
///
/// When the end of the disk, at most the last 64 KiB, cannot be read, and no record is in what can.
pub fn taste(disk: &(impl ReadAt + ?Sized), sector_size: Option<u32>) -> Result<Option<Tasted>, IoError> {
    let size = disk.size();
    let largest = sector_size.unwrap_or(SECTOR_SIZES[SECTOR_SIZES.len() - 1]);
    let tail_len = size.min(u64::from(largest));
    let mut tail = vec![0; usize::try_from(tail_len).expect("at most one sector")];
    let unreadable = disk.read_at(size - tail_len, &mut tail).err();
    if unreadable.is_some() {
        read_records(disk, sector_size, &mut tail);
    }

    let record_at = |sector: u32| -> Option<Tasted> {
        let start = tail.len().checked_sub(usize::try_from(sector).ok()?)?;
        let bytes = tail.get(start..start + RECORD_LEN)?;
        let record = Record::decode(bytes);
        let found = Tasted { record, offset: size - u64::from(sector), sector_size: sector };
        record.has_magic().then_some(found)
    };
    let mut found = candidates(sector_size).filter_map(record_at);
    let first = found.next();
    let exact = first.into_iter().chain(found).find(|tasted| tasted.record.provsize.get() == size);
    match (exact.or(first), unreadable) {
        (None, Some(error)) => Err(error),
        (found, _) => Ok(found),
    }
}

/// The sector sizes that a record is looked for with.
fn candidates(sector_size: Option<u32>) -> impl Iterator<Item = u32> {
    SECTOR_SIZES.into_iter().filter(move |_| sector_size.is_none()).chain(sector_size)
}

/// Reads into `tail`, the end of the disk, only the places where a record may stand: beside it there may be what could
/// not be rescued from a failing disk, or was not worth it. What cannot be read is zero.
fn read_records(disk: &(impl ReadAt + ?Sized), sector_size: Option<u32>, tail: &mut [u8]) {
    tail.fill(0);
    for sector in candidates(sector_size) {
        let start = usize::try_from(sector).ok().and_then(|sector| tail.len().checked_sub(sector));
        let place = start.and_then(|start| tail.get_mut(start..start + RECORD_LEN));
        if let Some(place) = place
            && disk.read_at(disk.size() - u64::from(sector), place).is_err()
        {
            place.fill(0);
        }
    }
}

/// Why the kernel would not take a provider although its last sector carries the magic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// `md_version` is not 1. The kernel logs this one; the others are silent.
    Version {
        /// The version the record names.
        version: u32,
    },
    /// The provider has another size than when it was labelled.
    Size {
        /// The size the record names, in bytes.
        provsize: u64,
        /// The size the provider has, in bytes.
        size: u64,
    },
    /// The record wants a provider of another name.
    HardcodedName,
}

/// The kernel's rules for a record with the right magic, in the kernel's order (`g_virstor_taste`).
/// `size` is the provider's, in bytes; `name` is what FreeBSD calls it.
#[must_use]
pub fn objection(record: &Record, size: u64, name: &[u8]) -> Option<Objection> {
    let version = record.md_version.get();
    let provsize = record.provsize.get();
    let hardcoded = record.hardcoded_as_c_string();
    if version != crate::format::VERSION {
        Some(Objection::Version { version })
    } else if provsize != size {
        Some(Objection::Size { provsize, size })
    } else if !hardcoded.is_empty() && !same_device(&hardcoded, name) {
        Some(Objection::HardcodedName)
    } else {
        None
    }
}

/// Whether two provider names mean the same disk, by the rule of `g_compare_names`: they are equal, or both
/// are an ATA disk (`ad` or `ada` and a number, whichever) followed by the same rest.
#[must_use]
pub fn same_device(a: &[u8], b: &[u8]) -> bool {
    a == b || matches!((after_ata_disk(a), after_ata_disk(b)), (Some(a), Some(b)) if a == b)
}

/// What follows `ad4` or `ada4` in a name that starts so.
fn after_ata_disk(name: &[u8]) -> Option<&[u8]> {
    let unit = name.strip_prefix(b"ada").or_else(|| name.strip_prefix(b"ad"))?;
    let digits = unit.iter().take_while(|letter| letter.is_ascii_digit()).count();
    (digits > 0).then(|| &unit[digits..])
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use zerocopy::IntoBytes;
    use zerocopy::byteorder::U64;

    use super::*;
    use crate::format::MAGIC;

    fn record(provsize: u64) -> Record {
        let mut record = Record::decode(&[0; RECORD_LEN]);
        record.md_magic[..MAGIC.len()].copy_from_slice(MAGIC);
        record.md_version.set(1);
        record.provsize = U64::new(provsize);
        record
    }

    fn disk_with(records: &[(u64, Record)], size: usize) -> Vec<u8> {
        let mut disk = vec![0; size];
        for (offset, record) in records {
            let start = usize::try_from(*offset).expect("small");
            disk[start..start + RECORD_LEN].copy_from_slice(record.as_bytes());
        }
        disk
    }

    /// Fails where more is read than a record: as beside what was not rescued.
    struct OnlyRecords(Vec<u8>);

    impl ReadAt for OnlyRecords {
        fn size(&self) -> u64 {
            self.0.size()
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
            if buf.len() > RECORD_LEN {
                return Err(IoError::new(offset, buf.len(), "bad"));
            }
            self.0.read_at(offset, buf)
        }
    }

    #[test]
    fn a_record_is_found_beside_what_cannot_be_read() {
        let size = 1 << 20;
        let disk = OnlyRecords(disk_with(&[(size - 4096, record(size))], 1 << 20));
        for sector_size in [None, Some(4096)] {
            let found = taste(&disk, sector_size).expect("the record can be read").expect("it is there");
            assert_eq!((found.sector_size, found.offset), (4096, size - 4096));
        }
        let nothing = taste(&OnlyRecords(disk_with(&[], 1 << 20)), None);
        assert_eq!(nothing.expect_err("there may be one where nothing can be read").len, 65_536);
    }

    #[test]
    fn the_sector_size_follows_from_where_the_magic_sits() {
        for sector in SECTOR_SIZES {
            let size = 1 << 20;
            let offset = size - u64::from(sector);
            let disk = disk_with(&[(offset, record(size))], 1 << 20);
            let tasted = taste(&disk, None).expect("memory").expect("there");
            assert_eq!((tasted.sector_size, tasted.offset), (sector, offset));
            assert_eq!(taste(&disk, Some(sector)).expect("memory"), Some(tasted));
        }
    }

    #[test]
    fn of_two_records_the_one_with_the_right_size_counts() {
        let size = 1 << 20;
        let disk = disk_with(&[(size - 512, record(7)), (size - 4096, record(size))], 1 << 20);
        assert_eq!(taste(&disk, None).expect("memory").expect("there").sector_size, 4096);
        assert_eq!(taste(&disk, Some(512)).expect("memory").expect("there").record.provsize.get(), 7);
    }

    #[test]
    fn small_and_foreign_disks_are_not_virstor() {
        for size in [0, 1, 91, 92, 511, 512, 513, 70_000] {
            assert_eq!(taste(&vec![0x47; size], None), Ok(None), "{size} bytes");
        }
    }

    #[test]
    fn hardcoded_names_compare_as_in_the_kernel() {
        let same = |a: &str, b: &str| same_device(a.as_bytes(), b.as_bytes());
        assert!(same("da0", "da0"));
        assert!(!same("da0", "da1"));
        assert!(same("ada1", "ada7"));
        assert!(same("ad4p2", "ada0p2"));
        assert!(!same("ad4p2", "ada0p3"));
        assert!(!same("ada", "ada1"));
        assert!(!same("adb1", "ada1"));
    }

    #[test]
    fn the_kernel_objects_in_its_own_order() {
        let mut bad = record(10);
        bad.provider[..3].copy_from_slice(b"da0");
        assert_eq!(objection(&bad, 10, b"da0"), None);
        assert_eq!(objection(&bad, 10, b"da1"), Some(Objection::HardcodedName));
        assert_eq!(objection(&bad, 11, b"da1"), Some(Objection::Size { provsize: 10, size: 11 }));
        bad.md_version.set(2);
        assert_eq!(objection(&bad, 11, b"da1"), Some(Objection::Version { version: 2 }));
    }
}
