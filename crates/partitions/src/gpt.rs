//! The GUID partition table: its header in sector 1 or, as a backup, at the end of the disk.
//!
//! Layout: UEFI specification 2.10, section 5.3; names of `sys/disk/gpt.h`.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::kind::{GPT_FREEBSD, Kind};
use crate::source::{RECORD, Source, array_at, u16_at, u32_at, u64_at};
use crate::{Extent, Partition, mbr, numbered};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// Tables with more are taken for damaged. The usual number is 128.
const MAX_ENTRIES: u32 = 1024;
/// Bytes of one entry that mean something; the entries may be longer.
const ENTRY: usize = 128;
const ENTRY_SIZES: RangeInclusive<u32> = 128..=4096;
/// So are longer tables.
const MAX_TABLE: u32 = 1024 * 1024;
/// How much of a table is in memory at once.
const PIECE: usize = 16 * 1024;

/// The partitions of the first table that is whole: the primary ones first, then the backups.
///
/// A backup is looked for in the last sector, and where the disk once ended, since an image may lie in a
/// longer file: a sound primary header tells the place, and so does the protective entry of `boot`.
pub(crate) fn find(source: &mut Source<'_>, boot: Option<&[u8; RECORD]>, sizes: &[u32]) -> Vec<Partition> {
    let mut backups = Vec::new();
    for &size in sizes {
        if let Some(header) = Header::read(source, size, 1) {
            match header.partitions(source) {
                Some(partitions) => return partitions,
                None => backups.push((size, header.hdr_lba_alt)),
            }
        }
    }
    for &size in sizes {
        let last = (source.size / u64::from(size)).checked_sub(1);
        let once_last = boot.and_then(mbr::protective_sectors).map(u64::from);
        backups.extend(last.into_iter().chain(once_last).map(|lba| (size, lba)));
    }
    let mut tables = backups.into_iter().filter_map(|(size, lba)| {
        let header = Header::read(source, size, lba)?;
        header.partitions(source)
    });
    tables.next().unwrap_or_default()
}

/// A header whose checksum is right and whose table is on the disk.
struct Header {
    sector_size: u64,
    hdr_lba_alt: u64,
    /// First byte of the table.
    table: u64,
    hdr_entries: u32,
    hdr_entsz: u32,
    hdr_crc_table: u32,
}

impl Header {
    /// The header in sector `lba`, if it is one and says that it belongs there.
    fn read(source: &mut Source<'_>, sector_size: u32, lba: u64) -> Option<Self> {
        let unit = u64::from(sector_size);
        let mut sector = vec![0; usize::try_from(sector_size).ok()?];
        source.read(lba.checked_mul(unit)?, &mut sector)?;

        let hdr_size = usize::try_from(u32_at(&sector, 12)).ok()?;
        let hdr_crc_self = u32_at(&sector, 16);
        let hdr_lba_self = u64_at(&sector, 24);
        let hdr_lba_alt = u64_at(&sector, 32);
        let hdr_lba_table = u64_at(&sector, 72);
        let hdr_entries = u32_at(&sector, 80);
        let hdr_entsz = u32_at(&sector, 84);
        let hdr_crc_table = u32_at(&sector, 88);

        let sized = (1..=MAX_ENTRIES).contains(&hdr_entries)
            && ENTRY_SIZES.contains(&hdr_entsz)
            && hdr_entsz.is_multiple_of(8)
            && hdr_entries * hdr_entsz <= MAX_TABLE;
        let placed = sector.starts_with(b"EFI PART") && hdr_lba_self == lba;
        if !sized || !placed || !(92..=sector.len()).contains(&hdr_size) {
            return None;
        }
        sector[16..20].fill(0);
        let table = hdr_lba_table.checked_mul(unit)?;
        (CRC.checksum(&sector[..hdr_size]) == hdr_crc_self).then_some(Self {
            sector_size: unit,
            hdr_lba_alt,
            table,
            hdr_entries,
            hdr_entsz,
            hdr_crc_table,
        })
    }

    /// What the table lists; `None` when it cannot be read or its checksum is wrong.
    fn partitions(&self, source: &mut Source<'_>) -> Option<Vec<Partition>> {
        let disk = Extent { start: 0, len: source.size };
        let entry_size = self.hdr_entsz as usize;
        let total = self.hdr_entries as usize * entry_size;
        let mut piece = vec![0; (PIECE / entry_size * entry_size).min(total)];
        let mut digest = CRC.digest();
        let mut found = Vec::new();
        let mut number = 1;
        let mut done = 0;
        while done < total {
            let bytes = piece.len().min(total - done);
            let bytes = &mut piece[..bytes];
            source.read(self.table.checked_add(done as u64)?, bytes)?;
            digest.update(bytes);
            for entry in bytes.chunks_exact(entry_size) {
                found.extend(partition(entry, number, self.sector_size, disk));
                number += 1;
            }
            done += bytes.len();
        }
        (digest.finalize() == self.hdr_crc_table).then_some(found)
    }
}

/// The partition in one entry; `None` if it is unused, or impossible.
fn partition(entry: &[u8], number: u32, unit: u64, disk: Extent) -> Option<Partition> {
    let ent_type: [u8; 16] = array_at(entry, 0);
    let ent_lba_start = u64_at(entry, 32);
    let ent_lba_end = u64_at(entry, 40);
    // Sectors 0 and 1 hold the table's own header.
    if ent_type == [0; 16] || ent_lba_start < 2 {
        return None;
    }
    let start = ent_lba_start.checked_mul(unit)?;
    let len = ent_lba_end.checked_sub(ent_lba_start)?.checked_add(1)?.checked_mul(unit)?;
    let name = numbered(if ent_type == GPT_FREEBSD { 's' } else { 'p' }, number);
    let bare = Partition::within(disk, Kind::Gpt(ent_type), number, name, start, len)?;
    Some(Partition { label: label(&entry[56..ENTRY]), ..bare })
}

/// `ent_name`, up to its first zero; `None` if it is empty.
fn label(ent_name: &[u8]) -> Option<String> {
    let units = ent_name.chunks_exact(2).map(|unit| u16_at(unit, 0)).take_while(|&unit| unit != 0);
    let text: String =
        char::decode_utf16(units).map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    (!text.is_empty()).then_some(text)
}
