//! Disks in memory: mostly empty, with tables at their places, bad sectors and a meter.

use std::cell::Cell;
use std::io::Cursor;
use std::ops::Range;

use gptman::{GPT, GPTPartitionEntry};
use virstor::io::{IoError, ReadAt};

pub(crate) const FREEBSD: [u8; 16] = type_guid(0xb4);
pub(crate) const FREEBSD_UFS: [u8; 16] = type_guid(0xb6);

/// FreeBSD's type GUIDs differ in one byte.
const fn type_guid(byte: u8) -> [u8; 16] {
    [byte, 0x7c, 0x6e, 0x51, 0xcf, 0x6e, 0xd6, 0x11, 0x8f, 0xf8, 0, 0x02, 0x2d, 0x09, 0x71, 0x2b]
}

/// Zeros up to `size`, but for the pieces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) size: u64,
    pub(crate) pieces: Vec<(u64, Vec<u8>)>,
    pub(crate) bad: Vec<Range<u64>>,
    /// Bytes read so far.
    pub(crate) read: Cell<u64>,
}

impl Disk {
    pub(crate) fn new(size: u64) -> Self {
        Self { size, ..Self::default() }
    }

    pub(crate) fn with(mut self, offset: u64, bytes: impl Into<Vec<u8>>) -> Self {
        self.pieces.push((offset, bytes.into()));
        self
    }

    pub(crate) fn unreadable(mut self, bytes: Range<u64>) -> Self {
        self.bad.push(bytes);
        self
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let end = offset.checked_add(buf.len() as u64).filter(|&end| end <= self.size);
        let end = end.expect("nobody reads past the end");
        if self.bad.iter().any(|bad| bad.start < end && offset < bad.end) {
            return Err(IoError::new(offset, buf.len(), "bad sector"));
        }
        self.read.set(self.read.get() + buf.len() as u64);
        buf.fill(0);
        for (start, bytes) in &self.pieces {
            let from = offset.max(*start);
            let to = end.min(*start + bytes.len() as u64);
            if from < to {
                buf[index(from - offset)..index(to - offset)]
                    .copy_from_slice(&bytes[index(from - start)..index(to - start)]);
            }
        }
        Ok(())
    }
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap()
}

/// A disk with a GPT and its backup and a protective MBR, all as gptman writes them. Entries are
/// (number, type, first sector, last sector).
pub(crate) fn gpt(sector_size: u64, sectors: u64, entries: &[(u32, [u8; 16], u64, u64)]) -> Vec<u8> {
    let mut disk = Cursor::new(vec![0; index(sector_size * sectors)]);
    let mut table = GPT::new_from(&mut disk, sector_size, [7; 16]).unwrap();
    for &(number, partition_type_guid, starting_lba, ending_lba) in entries {
        table[number] = GPTPartitionEntry {
            partition_type_guid,
            unique_partition_guid: [u8::try_from(number).unwrap(); 16],
            starting_lba,
            ending_lba,
            attribute_bits: 0,
            partition_name: format!("part {number}").as_str().into(),
        };
    }
    GPT::write_protective_mbr_into(&mut disk, sector_size).unwrap();
    // Writes the backup first and then the primary table.
    table.write_into(&mut disk).unwrap();
    disk.into_inner()
}

/// (index from 0, flag, type, first sector, sectors)
pub(crate) type Slice = (usize, u8, u8, u32, u32);

/// (letter, offset, size, type)
pub(crate) type Labelled = (char, u32, u32, u8);

/// A boot sector with the given slices.
pub(crate) fn boot_sector(entries: &[Slice]) -> Vec<u8> {
    let mut sector = vec![0; 512];
    put_slices(&mut sector, entries);
    sector
}

pub(crate) fn put_slices(sector: &mut [u8], entries: &[Slice]) {
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    for &(index, flag, kind, start, sectors) in entries {
        let entry = &mut sector[446 + index * 16..][..16];
        entry[0] = flag;
        entry[4] = kind;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..16].copy_from_slice(&sectors.to_le_bytes());
    }
}

/// A disklabel with `count` entries, of which `entries` are in use, and a right checksum.
pub(crate) fn disklabel(sector_size: u32, count: u16, entries: &[Labelled]) -> Vec<u8> {
    let mut label = vec![0; 512];
    label[0..4].copy_from_slice(&0x8256_4557_u32.to_le_bytes());
    label[40..44].copy_from_slice(&sector_size.to_le_bytes());
    label[44] = 63;
    label[48] = 255;
    label[60..64].copy_from_slice(&100_000_u32.to_le_bytes());
    label[132..136].copy_from_slice(&0x8256_4557_u32.to_le_bytes());
    label[138..140].copy_from_slice(&count.to_le_bytes());
    for &(letter, offset, size, fstype) in entries {
        let entry = &mut label[148 + 16 * (letter as usize - 'a' as usize)..][..16];
        entry[0..4].copy_from_slice(&size.to_le_bytes());
        entry[4..8].copy_from_slice(&offset.to_le_bytes());
        entry[12] = fstype;
    }
    let checksum = label.chunks(2).fold([0, 0], |sum, word| [sum[0] ^ word[0], sum[1] ^ word[1]]);
    label[136..138].copy_from_slice(&checksum);
    label
}

/// Makes the checksums of the GPT header at the start of `sector` right; `table` is what it points to.
pub(crate) fn seal_gpt_header(sector: &mut [u8], table: &[u8]) {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    sector[88..92].copy_from_slice(&crc.checksum(table).to_le_bytes());
    sector[16..20].fill(0);
    let size = u32::from_le_bytes(sector[12..16].try_into().unwrap());
    let checksum = crc.checksum(&sector[..size as usize]);
    sector[16..20].copy_from_slice(&checksum.to_le_bytes());
}

/// SplitMix64: a different sequence for every seed, the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
