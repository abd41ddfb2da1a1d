//! What stands at the start of a disk: file systems, partition tables, containers, by their magic numbers.
//!
//! This names what lies there so that a person can decide; it proves nothing, and it reads no further than
//! [`REACH`] bytes, and the last sector for what GEOM's classes leave there.

use alloc::vec;

use virstor::io::{IoError, ReadAt};

/// How many bytes of a disk are looked at: the farthest magic is that of a UFS2 whose superblock stands at
/// 256 KiB.
pub const REACH: usize = (256 << 10) + 8192;

/// A magic: where it stands, what it is, what it says about the disk.
struct Magic {
    offset: usize,
    bytes: &'static [u8],
    /// A second place that must agree, where the first alone is weak.
    also: Option<(usize, &'static [u8])>,
    name: &'static str,
}

const fn magic(offset: usize, bytes: &'static [u8], name: &'static str) -> Magic {
    Magic { offset, bytes, also: None, name }
}

/// What is strong and says more comes first. Offsets are from the formats' own headers; UFS is `fs_magic`, 1372
/// bytes into a superblock at 64, 8, 0 or 256 KiB (`SBLOCKSEARCH`), in either byte order.
const MAGICS: &[Magic] = &[
    magic(0, b"LUKS\xba\xbe", "LUKS"),
    magic(0, b"QFI\xfb", "qcow2"),
    magic(0, b"XFSB", "XFS"),
    magic(0, b"hsqs", "squashfs"),
    magic(0, b"KDMV", "VMDK"),
    magic(0, b"vhdxfile", "VHDX"),
    magic(64, b"\x7f\x10\xda\xbe", "VDI"),
    magic(65536 + 1372, b"\x19\x01\x54\x19", "UFS2"),
    magic(8192 + 1372, b"\x19\x01\x54\x19", "UFS2"),
    magic(1372, b"\x19\x01\x54\x19", "UFS2"),
    magic((256 << 10) + 1372, b"\x19\x01\x54\x19", "UFS2"),
    magic(65536 + 1372, b"\x19\x54\x01\x19", "UFS2, big-endian"),
    magic(8192 + 1372, b"\x54\x19\x01\x00", "UFS1"),
    magic(65536 + 1372, b"\x54\x19\x01\x00", "UFS1"),
    magic(8192 + 1372, b"\x00\x01\x19\x54", "UFS1, big-endian"),
    magic(0x10040, b"_BHRfS_M", "btrfs"),
    magic(32769, b"CD001", "ISO 9660"),
    magic(32, b"NXSB", "APFS"),
    magic(1024, b"\x10\x20\xf5\xf2", "F2FS"),
    Magic { offset: 1024, bytes: b"H+", also: Some((1026, b"\x00\x04")), name: "HFS+" },
    magic(536, b"LVM2 001", "LVM2"),
    magic(4086, b"SWAPSPACE2", "Linux swap"),
    magic(3, b"NTFS    ", "NTFS"),
    magic(3, b"EXFAT   ", "exFAT"),
    Magic { offset: 82, bytes: b"FAT32", also: Some((510, b"\x55\xaa")), name: "FAT32" },
    Magic { offset: 54, bytes: b"FAT1", also: Some((510, b"\x55\xaa")), name: "FAT" },
    // Two bytes are little; a superblock that is in use has been mounted or checked: s_rev_level is 0 or 1.
    Magic { offset: 1080, bytes: b"\x53\xef", also: Some((1101, b"\0\0\0")), name: "ext2, ext3 or ext4" },
    magic(512, b"EFI PART", "GPT"),
    magic(4096, b"EFI PART", "GPT"),
    magic(512, b"\x57\x45\x56\x82", "BSD disklabel"),
];

/// ZFS: 128 uberblocks of at least 1 KiB from 128 KiB on, of which any may be the one in use.
const UBERBLOCKS: core::ops::Range<usize> = 128 << 10..256 << 10;
const UBERBLOCK_MAGICS: [&[u8; 8]; 2] = [b"\x0c\xb1\xba\0\0\0\0\0", b"\0\0\0\0\0\xba\xb1\x0c"];

/// What the start of `disk` looks like: the name of a file system, a partition table or a container. `None` when it
/// looks like nothing known here, which is not the same as being empty.
///
/// # Errors
///
/// When the start cannot be read.
pub fn signature(disk: &dyn ReadAt) -> Result<Option<&'static str>, IoError> {
    let len = usize::try_from(disk.size()).map_or(REACH, |size| size.min(REACH));
    let mut start = vec![0; len];
    disk.read_at(0, &mut start)?;
    Ok(signature_of(&start).or_else(|| geom_class(disk)))
}

/// As [`signature`], for the first bytes of a disk that are in memory already.
#[must_use]
pub fn signature_of(start: &[u8]) -> Option<&'static str> {
    let holds = |offset: usize, bytes: &[u8]| start.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    let matches = |magic: &&Magic| {
        holds(magic.offset, magic.bytes) && magic.also.is_none_or(|(offset, bytes)| holds(offset, bytes))
    };
    let found = MAGICS.iter().find(matches).map(|magic| magic.name);
    let zfs = || {
        let uberblock =
            |at: usize| UBERBLOCK_MAGICS.iter().any(|magic| holds(at, &magic[..])).then_some("ZFS");
        UBERBLOCKS.step_by(1024).find_map(uberblock)
    };
    // A boot sector's signature says least: most of the above may carry one.
    found.or_else(zfs).or_else(|| holds(510, b"\x55\xaa").then_some("a boot sector or an MBR"))
}

/// What a GEOM class other than virstor left in the last sector: all their magics begin alike.
fn geom_class(disk: &dyn ReadAt) -> Option<&'static str> {
    let mut magic = [0; 16];
    disk.read_at(disk.size().checked_sub(512)?, &mut magic).ok()?;
    let is_geom = magic.starts_with(b"GEOM::") && !magic.starts_with(virstor::format::MAGIC);
    is_geom.then_some("another GEOM class")
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn disk(pieces: &[(usize, &[u8])]) -> Vec<u8> {
        let mut disk = vec![0; 512 << 10];
        for (offset, bytes) in pieces {
            disk[*offset..*offset + bytes.len()].copy_from_slice(bytes);
        }
        disk
    }

    #[test]
    fn every_magic_is_found_by_its_own_name() {
        for magic in MAGICS {
            let second = magic.also.unwrap_or((magic.offset, magic.bytes));
            let found = signature(&disk(&[(magic.offset, magic.bytes), second]));
            assert_eq!(found, Ok(Some(magic.name)), "{} at {}", magic.name, magic.offset);
        }
        assert_eq!(signature(&disk(&[((128 << 10) + 5 * 1024, UBERBLOCK_MAGICS[0])])), Ok(Some("ZFS")));
    }

    #[test]
    fn what_is_empty_short_or_unknown_has_no_name() {
        for len in [0, 1, 511, 512, 1081, 65536 + 1373] {
            assert_eq!(signature(&vec![0_u8; len]), Ok(None), "{len}");
            assert_eq!(signature(&vec![0xa5_u8; len]), Ok(None), "{len}");
        }
    }

    #[test]
    fn other_classes_of_geom_are_seen_in_the_last_sector_and_virstor_is_not() {
        let end = (512 << 10) - 512;
        assert_eq!(signature(&disk(&[(end, b"GEOM::MIRROR")])), Ok(Some("another GEOM class")));
        assert_eq!(signature(&disk(&[(end, b"GEOM::VIRSTOR")])), Ok(None));
    }
}
