//! What a partition table says that a partition holds.

use core::fmt;

/// A kind of partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// The GUID partition table of UEFI.
    Gpt,
    /// The table in a PC's boot sector, with its chain of logical partitions.
    Mbr,
    /// The disklabel of the BSDs.
    Bsd,
}

impl fmt::Display for Scheme {
    /// As `gpart show` has it: `GPT`, `MBR`, `BSD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpt => "GPT",
            Self::Mbr => "MBR",
            Self::Bsd => "BSD",
        })
    }
}

/// The type of a partition, as its table encodes it.
///
/// Displayed as `gpart show` does: by the name FreeBSD has for it (`freebsd-ufs`), or `!` and the raw value
/// (`!166`, `!0fc63daf-8483-4772-8e79-3d69d8477de4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The type GUID, in the byte order of the disk.
    Gpt([u8; 16]),
    /// The type byte.
    Mbr(u8),
    /// `p_fstype`.
    Bsd(u8),
}

impl Kind {
    /// The kind of table that uses this encoding.
    #[must_use]
    pub fn scheme(self) -> Scheme {
        match self {
            Self::Gpt(_) => Scheme::Gpt,
            Self::Mbr(_) => Scheme::Mbr,
            Self::Bsd(_) => Scheme::Bsd,
        }
    }

    /// FreeBSD's name (gpart(8), "PARTITION TYPES"), where it is one of the usual ones.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Gpt(guid) => gpt_name(&guid),
            Self::Mbr(byte) => mbr_name(byte),
            Self::Bsd(fstype) => bsd_name(fstype),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.write_str(name),
            (None, Self::Gpt(guid)) => write!(f, "!{}", Guid(guid)),
            (None, Self::Mbr(raw) | Self::Bsd(raw)) => write!(f, "!{raw}"),
        }
    }
}

/// The usual way to write a GUID: the first three groups are little-endian on the disk.
struct Guid<'a>(&'a [u8; 16]);

impl fmt::Display for Guid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        for (place, from) in ORDER.into_iter().enumerate() {
            let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{:02x}", self.0[from])?;
        }
        Ok(())
    }
}

/// The GUID that is written like this in hexadecimal without its dashes.
const fn guid(text: u128) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = text.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

/// A slice that holds a disklabel, on a GPT disk.
pub(crate) const GPT_FREEBSD: [u8; 16] = guid(0x516e7cb4_6ecf_11d6_8ff8_00022d09712b);

/// `sys/disk/gpt.h` for the GUIDs, `g_part.c` for the names.
const GPT_NAMES: [([u8; 16], &str); 15] = [
    (GPT_FREEBSD, "freebsd"),
    (guid(0x83bd6b9d_7f41_11dc_be0b_001560b84f0f), "freebsd-boot"),
    (guid(0x74ba7dd9_a689_11e1_bd04_00e081286acf), "freebsd-nandfs"),
    (guid(0x516e7cb5_6ecf_11d6_8ff8_00022d09712b), "freebsd-swap"),
    (guid(0x516e7cb6_6ecf_11d6_8ff8_00022d09712b), "freebsd-ufs"),
    (guid(0x516e7cb8_6ecf_11d6_8ff8_00022d09712b), "freebsd-vinum"),
    (guid(0x516e7cba_6ecf_11d6_8ff8_00022d09712b), "freebsd-zfs"),
    (guid(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b), "efi"),
    (guid(0x21686148_6449_6e6f_744e_656564454649), "bios-boot"),
    (guid(0xebd0a0a2_b9e5_4433_87c0_68b6b72699c7), "ms-basic-data"),
    (guid(0xe3c9e316_0b5c_4db8_817d_f92df00215ae), "ms-reserved"),
    (guid(0x0fc63daf_8483_4772_8e79_3d69d8477de4), "linux-data"),
    (guid(0xe6d6d379_f507_44c2_a23c_238f2a3df928), "linux-lvm"),
    (guid(0xa19d880f_05fc_4d3b_a006_743f0f84911e), "linux-raid"),
    (guid(0x0657fd6d_a4ab_43c4_84e5_0933c84b4f4f), "linux-swap"),
];

fn gpt_name(guid: &[u8; 16]) -> Option<&'static str> {
    GPT_NAMES.iter().find(|(known, _)| known == guid).map(|&(_, name)| name)
}

/// The slices of OpenBSD and NetBSD, whose disklabels count from the start of the disk.
pub(crate) const MBR_OPENBSD: u8 = 0xa6;
pub(crate) const MBR_NETBSD: u8 = 0xa9;

/// Whether an MBR type byte says "here begins a chain of logical partitions".
pub(crate) fn is_extended(byte: u8) -> bool {
    matches!(byte, 0x05 | 0x0f | 0x85)
}

/// `g_part_mbr.c`.
fn mbr_name(byte: u8) -> Option<&'static str> {
    Some(match byte {
        0x05 | 0x0f | 0x85 => "ebr",
        0x06 => "fat16",
        0x07 => "ntfs",
        0x0b => "fat32",
        0x0c => "fat32lba",
        0x82 => "linux-swap",
        0x83 => "linux-data",
        0x8e => "linux-lvm",
        0xa5 => "freebsd",
        0xef => "efi",
        0xfd => "linux-raid",
        _ => return None,
    })
}

/// `g_part_bsd.c`.
fn bsd_name(fstype: u8) -> Option<&'static str> {
    Some(match fstype {
        1 => "freebsd-swap",
        7 => "freebsd-ufs",
        14 => "freebsd-vinum",
        27 => "freebsd-zfs",
        30 => "freebsd-nandfs",
        _ => return None,
    })
}
