//! What a disk carries at its known places: file systems and other containers that have a magic number.
//!
//! A few short reads at fixed offsets, for questions like "may this be overwritten?". A name here says that the magic
//! is there, not that the file system is whole.

use virstor::io::{IoError, ReadAt};

/// A magic number, where it stands, and whose it is.
struct Magic {
    offset: u64,
    bytes: &'static [u8],
    name: &'static str,
}

const fn magic(offset: u64, bytes: &'static [u8], name: &'static str) -> Magic {
    Magic { offset, bytes, name }
}

/// Of several at one place the longest comes first.
const MAGICS: [Magic; 25] = [
    // The superblocks of UFS stand at 64 KiB (version 2) or 8 KiB (version 1), their magic at 1372 in them.
    magic((64 << 10) + 1372, &[0x19, 0x01, 0x54, 0x19], "UFS2"),
    magic((64 << 10) + 1372, &[0x19, 0x54, 0x01, 0x19], "UFS2"),
    magic((8 << 10) + 1372, &[0x54, 0x19, 0x01, 0x00], "UFS1"),
    magic((8 << 10) + 1372, &[0x00, 0x01, 0x19, 0x54], "UFS1"),
    magic(1024 + 56, &[0x53, 0xef], "ext2, ext3 or ext4"),
    magic(3, b"NTFS    ", "NTFS"),
    magic(3, b"EXFAT   ", "exFAT"),
    magic(54, b"FAT12   ", "FAT"),
    magic(54, b"FAT16   ", "FAT"),
    magic(82, b"FAT32   ", "FAT"),
    magic((64 << 10) + 64, b"_BHRfS_M", "Btrfs"),
    magic(0, b"XFSB", "XFS"),
    magic(0, b"LUKS\xba\xbe", "LUKS"),
    magic(0, b"QFI\xfb", "a qcow2 image"),
    magic(0, b"KDMV", "a VMDK image"),
    magic(0, b"vhdxfile", "a VHDX image"),
    magic(0, b"conectix", "a VHD image"),
    magic(64, &[0x7f, 0x10, 0xda, 0xbe], "a VDI image"),
    magic((32 << 10) + 1, b"CD001", "ISO 9660"),
    magic(4096 - 10, b"SWAPSPACE2", "Linux swap"),
    magic(512, b"LABELONE", "LVM"),
    magic(1024, &[0x10, 0x20, 0xf5, 0xf2], "F2FS"),
    magic(1024, b"H+\x00\x04", "HFS+"),
    magic(1024, b"HX\x00\x05", "HFS+"),
    magic(32, b"NXSB", "APFS"),
];

/// The uberblocks of ZFS: from 128 KiB into each label on, one for each KiB at least.
const ZFS_UBERBLOCKS: core::ops::Range<u64> = 128 << 10..256 << 10;

const ZFS_MAGIC: u64 = 0x00ba_b10c;

/// FreeBSD's classes that keep a record in the last sector, by the start of their magic.
const GEOM_MAGIC: &[u8] = b"GEOM::";

/// What the disk carries, by the first magic number that is found: "UFS2", "ext2, ext3 or ext4", "GEOM::ELI". A record of
/// a virstor counts as any other class's.
///
/// # Errors
///
/// When it cannot be read.
pub fn recognise(disk: &(impl ReadAt + ?Sized)) -> Result<Option<String>, IoError> {
    for Magic { offset, bytes, name } in MAGICS {
        let mut found = [0; 10];
        let found = &mut found[..bytes.len()];
        if offset + bytes.len() as u64 <= disk.size() {
            disk.read_at(offset, found)?;
            if found == bytes {
                return Ok(Some(name.into()));
            }
        }
    }
    if is_zfs(disk)? {
        return Ok(Some("ZFS".into()));
    }
    geom_class(disk)
}

fn is_zfs(disk: &(impl ReadAt + ?Sized)) -> Result<bool, IoError> {
    if disk.size() < ZFS_UBERBLOCKS.end {
        return Ok(false);
    }
    for offset in ZFS_UBERBLOCKS.step_by(1 << 10) {
        let mut magic = [0; 8];
        disk.read_at(offset, &mut magic)?;
        if u64::from_le_bytes(magic) == ZFS_MAGIC || u64::from_be_bytes(magic) == ZFS_MAGIC {
            return Ok(true);
        }
    }
    Ok(false)
}

fn geom_class(disk: &(impl ReadAt + ?Sized)) -> Result<Option<String>, IoError> {
    for sector_size in virstor::format::SECTOR_SIZES.map(u64::from) {
        let Some(offset) = disk.size().checked_sub(sector_size) else { break };
        let mut magic = [0; 16];
        disk.read_at(offset, &mut magic)?;
        if magic.starts_with(GEOM_MAGIC) {
            return Ok(Some(virstor::format::Name(magic).to_string()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(len: usize, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut disk = vec![0; len];
        disk[offset..offset + bytes.len()].copy_from_slice(bytes);
        disk
    }

    #[test]
    fn every_magic_is_found_where_it_stands_and_nowhere_else() {
        for Magic { offset, bytes, name } in MAGICS {
            let offset = usize::try_from(offset).expect("it is near the start");
            let disk = with(1 << 20, offset, bytes);
            assert_eq!(recognise(&disk), Ok(Some(name.to_string())), "{name}");
            assert_eq!(recognise(&with(1 << 20, offset + 1, bytes)), Ok(None), "{name}");
            assert_eq!(recognise(&disk[..offset].to_vec()), Ok(None), "{name}");
        }
    }

    #[test]
    fn zfs_is_known_by_any_of_its_uberblocks_in_either_byte_order() {
        for bytes in [ZFS_MAGIC.to_le_bytes(), ZFS_MAGIC.to_be_bytes()] {
            assert_eq!(recognise(&with(1 << 20, (128 << 10) + 7168, &bytes)), Ok(Some("ZFS".into())));
        }
    }

    #[test]
    fn classes_of_freebsd_are_known_by_their_last_sector() {
        let len = 1 << 20;
        assert_eq!(recognise(&with(len, len - 4096, b"GEOM::ELI")), Ok(Some("GEOM::ELI".into())));
        assert_eq!(recognise(&with(len, len - 512, b"GEOM::VIRSTOR")), Ok(Some("GEOM::VIRSTOR".into())));
        assert_eq!(recognise(&vec![0; 100]), Ok(None));
    }
}
