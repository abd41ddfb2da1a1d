//! The table in a PC's boot sector, and the chain of boot sectors in an extended partition.
//!
//! Layout: `sys/disk/mbr.h` of FreeBSD.

use alloc::vec::Vec;

use crate::kind::{Kind, is_extended};
use crate::source::{RECORD, Source, u16_at, u32_at};
use crate::{Extent, Partition, numbered};

const DOSPARTOFF: usize = 446;
const DOSPARTSIZE: usize = 16;
const DOSMAGICOFFSET: usize = 510;
const DOSMAGIC: u16 = 0xaa55;
const DOSPTYP_PMBR: u8 = 0xee;

const PRIMARIES: usize = 4;
/// A link of the chain has room for one partition and for the next link.
const LINK_ENTRIES: usize = 2;
/// More links than any system gives names to.
const MAX_LINKS: usize = 128;

/// Whether the sector says that a GPT has the disk, alone or beside other slices.
pub(crate) fn is_protective(sector: &[u8; RECORD]) -> bool {
    protective_sectors(sector).is_some()
}

/// The number of sectors that the protective entry covers: up to the GPT's backup header.
pub(crate) fn protective_sectors(sector: &[u8; RECORD]) -> Option<u32> {
    let entries = (0..PRIMARIES).map(|index| Entry::decode(sector, index));
    let mut protective = entries.filter(|entry| entry.dp_typ == DOSPTYP_PMBR);
    (u16_at(sector, DOSMAGICOFFSET) == DOSMAGIC).then(|| protective.next().map(|entry| entry.dp_size))?
}

/// The slices that the boot sector `boot` lists, each extended one followed by what its chain lists.
pub(crate) fn find(source: &mut Source<'_>, boot: &[u8; RECORD], sector_size: u32) -> Vec<Partition> {
    let disk = Extent { start: 0, len: source.size };
    let unit = u64::from(sector_size);
    let Some(entries) = Entry::table(boot, PRIMARIES) else { return Vec::new() };
    if !plausible(boot, &entries, disk.len / unit) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next_logical = 5;
    for (number, entry) in (1..).zip(&entries).filter(|(_, entry)| entry.is_used()) {
        found.extend(entry.partition(disk, number, 0, unit));
        if is_extended(entry.dp_typ) {
            logicals(source, u64::from(entry.dp_start), unit, &mut next_logical, &mut found);
        }
    }
    found
}

/// Walks the chain that begins at sector `first`. Links count from there, partitions from their link.
///
/// A chain that comes back to itself, leaves the disk or is unreadable ends where it does so.
fn logicals(source: &mut Source<'_>, first: u64, unit: u64, number: &mut u32, found: &mut Vec<Partition>) {
    let disk = Extent { start: 0, len: source.size };
    let mut visited = Vec::new();
    let mut next = Some(first);
    while let Some(link) = next.filter(|link| !visited.contains(link) && visited.len() < MAX_LINKS) {
        visited.push(link);
        let Some(sector) = source.sector(link * unit) else { return };
        let Some(entries) = Entry::table(&sector, LINK_ENTRIES) else { return };
        let mut used = entries.iter().filter(|entry| entry.is_used());
        if let Some(entry) = used.clone().find(|entry| !is_extended(entry.dp_typ)) {
            found.extend(entry.partition(disk, *number, link, unit));
            *number += 1;
        }
        next = used.find(|entry| is_extended(entry.dp_typ)).map(|entry| first + u64::from(entry.dp_start));
    }
}

/// Whether this can be a partition table, and not some bytes of a boot program.
fn plausible(boot: &[u8; RECORD], entries: &[Entry], disk_sectors: u64) -> bool {
    let used = || entries.iter().filter(|entry| entry.is_used());
    let pairs =
        || used().enumerate().flat_map(|(index, one)| used().skip(index + 1).map(move |two| (one, two)));
    if pairs().any(|(one, two)| one.clashes_with(two)) {
        return false;
    }
    // A file system's boot sector has the magic number too. Boot loaders keep such a header when they are
    // installed on a disk, though, so it does not forbid a table; the table has to be flawless then.
    !is_file_system(boot)
        || (used().all(|entry| entry.end() <= disk_sectors)
            && pairs().all(|(one, two)| !one.overlaps(two))
            && entries.iter().all(|entry| entry.is_used() || entry.is_blank())
            && entries.iter().filter(|entry| entry.dp_flag != 0).count() <= 1)
}

/// Whether the sector begins like one of FAT, exFAT or NTFS: a jump, and the system's name at its place.
fn is_file_system(boot: &[u8; RECORD]) -> bool {
    let jumps = matches!(boot[0], 0xeb | 0xe9);
    let named = [(3, "NTFS    "), (3, "EXFAT   "), (54, "FAT"), (82, "FAT")];
    let sector_size = u16_at(boot, 11);
    let sized =
        (512..=4096).contains(&sector_size) && sector_size.is_power_of_two() && boot[13].is_power_of_two();
    jumps && (sized || named.iter().any(|&(at, name)| boot[at..].starts_with(name.as_bytes())))
}

/// `struct dos_partition`, without the cylinders and heads.
struct Entry {
    dp_flag: u8,
    dp_typ: u8,
    dp_start: u32,
    dp_size: u32,
}

impl Entry {
    fn decode(sector: &[u8; RECORD], index: usize) -> Self {
        let at = DOSPARTOFF + index * DOSPARTSIZE;
        Self {
            dp_flag: sector[at],
            dp_typ: sector[at + 4],
            dp_start: u32_at(sector, at + 8),
            dp_size: u32_at(sector, at + 12),
        }
    }

    /// The first `count` entries; `None` unless the magic number and their boot flags are right.
    fn table(sector: &[u8; RECORD], count: usize) -> Option<Vec<Self>> {
        let entries: Vec<_> = (0..count).map(|index| Self::decode(sector, index)).collect();
        let flags = entries.iter().all(|entry| matches!(entry.dp_flag, 0x00 | 0x80));
        (flags && u16_at(sector, DOSMAGICOFFSET) == DOSMAGIC).then_some(entries)
    }

    /// Whether the kernel would make a slice of it: it skips those that begin at 0, too. The boot sector of a
    /// disk with a bare disklabel has such an entry.
    fn is_used(&self) -> bool {
        !matches!(self.dp_typ, 0 | DOSPTYP_PMBR) && self.dp_start != 0 && self.dp_size != 0
    }

    fn is_blank(&self) -> bool {
        self.dp_flag == 0 && self.dp_typ == 0 && self.dp_start == 0 && self.dp_size == 0
    }

    /// The sector after the last.
    fn end(&self) -> u64 {
        u64::from(self.dp_start) + u64::from(self.dp_size)
    }

    fn overlaps(&self, other: &Self) -> bool {
        u64::from(self.dp_start) < other.end() && u64::from(other.dp_start) < self.end()
    }

    /// Whether both begin at the same sector, or each has sectors that the other has not. A slice in another
    /// does occur: bootable CD images have it.
    fn clashes_with(&self, other: &Self) -> bool {
        let (one, two) = if self.dp_start <= other.dp_start { (self, other) } else { (other, self) };
        one.overlaps(two) && (one.dp_start == two.dp_start || one.end() < two.end())
    }

    /// The partition, where `origin` is the sector from which the entry counts.
    fn partition(&self, disk: Extent, number: u32, origin: u64, unit: u64) -> Option<Partition> {
        let start = (origin + u64::from(self.dp_start)) * unit;
        let len = u64::from(self.dp_size) * unit;
        Partition::within(disk, Kind::Mbr(self.dp_typ), number, numbered('s', number), start, len)
    }
}
