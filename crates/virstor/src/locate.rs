//! Finding components where they hide: in partitions, and in images whose end has moved.
//!
//! A record knows the size of its component (`provsize`), so a record found anywhere gives the start of the
//! component too: `start = end of the record's sector - provsize`.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::block::Block;
use crate::format::{MAGIC, RECORD_LEN, Record, SECTOR_SIZES, VERSION};
use crate::io::{IoError, ReadAt, Window};
use crate::taste::{Tasted, taste};

/// Where in a file a component lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The file is the component. What is left of it behind the component is less than a sector, which FreeBSD
    /// does not see.
    Whole,
    /// A partition of the disk that the file is, named as FreeBSD would ("p2", "s1a").
    Partition(String),
    /// The file goes on behind the component: it has grown, or carries trailing bytes. FreeBSD does not look
    /// there.
    Grown,
    /// The file is the component, but ends within its last sector, behind the record. FreeBSD, which sees whole
    /// sectors only, does not find it.
    Cut,
    /// The component starts inside the file, outside any partition table that could be read.
    Inside,
}

/// A region of a disk that a partition table names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// What FreeBSD adds to the disk's name ("p2").
    pub name: String,
    /// First byte.
    pub start: u64,
    /// Length in bytes; it must lie within the disk.
    pub len: u64,
}

/// A component found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// How it was found.
    pub place: Place,
    /// Its first byte in the file.
    pub start: u64,
    /// Its length in bytes, as far as the file has it.
    pub len: u64,
    /// Its record; the offset counts from `start`.
    pub tasted: Tasted,
}

/// How hard to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Look only where this sector size puts the record.
    pub sector_size: Option<u32>,
    /// How many bytes, counted from the end of the file, may be read to find a record that is not where it
    /// should be. 0: do not scan.
    pub scan_len: u64,
}

/// How much of a file is scanned unless told otherwise: enough for trailing bytes, short enough for a heap of
/// large strangers.
pub const DEFAULT_SCAN_LEN: u64 = 1 << 30;

/// All components in `disk`: the whole of it, those in its partitions (`regions`), and, when neither gives
/// one, those a scan finds. `progress` hears how many of the bytes to scan are done and may stop the scan.
///
/// # Errors
///
/// When the disk cannot be read. An unreadable partition or an unreadable stretch met while scanning is
/// passed over: there may be more behind it.
pub fn locate(
    disk: &(impl ReadAt + ?Sized),
    regions: &[Region],
    search: Search,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Vec<Located>, IoError> {
    let mut found = Vec::new();
    if let Some(tasted) = taste(disk, search.sector_size)? {
        found.push(at_end(disk, tasted, search.sector_size));
    }
    for region in regions {
        if let Some(located) = in_region(disk, region, search.sector_size) {
            // The last partition and the whole disk may end in the same sector; `provsize` has told them apart.
            found.retain(|other: &Located| (other.start, other.len) != (located.start, located.len));
            found.push(located);
        }
    }
    if found.is_empty() && search.scan_len > 0 {
        found = scan(disk, search, progress);
    }
    Ok(found)
}

/// The component whose record is the last sector of `disk`.
fn at_end(disk: &(impl ReadAt + ?Sized), tasted: Tasted, sector_size: Option<u32>) -> Located {
    let size = disk.size();
    let provsize = tasted.record.provsize.get();
    let whole = Located { place: Place::Whole, start: 0, len: size, tasted };
    if provsize >= size || provsize < u64::from(tasted.sector_size) {
        return whole;
    }
    // Smaller than the disk: either bytes were put in front, or the image grew and somebody copied the record
    // to the new end. In the second case the old record still stands where the component ended.
    let old = provsize - u64::from(tasted.sector_size);
    if record_at(disk, old).is_some_and(|record| record.provsize.get() == provsize) {
        return whole;
    }
    // A few trailing bytes look like a larger sector: 512 of them put the record where a sector of 1024 bytes
    // would have it. What the size says counts.
    around(size, tasted.offset, tasted.record, sector_size).unwrap_or(whole)
}

fn in_region(disk: &(impl ReadAt + ?Sized), region: &Region, sector_size: Option<u32>) -> Option<Located> {
    let window = Window::new(disk, region.start, region.len)?;
    let tasted = taste(&window, sector_size).ok()??;
    let place = Place::Partition(region.name.clone());
    Some(Located { place, start: region.start, len: region.len, tasted })
}

fn record_at(disk: &(impl ReadAt + ?Sized), offset: u64) -> Option<Record> {
    let mut bytes = [0; RECORD_LEN];
    disk.read_at(offset, &mut bytes).ok()?;
    let record = Record::decode(&bytes);
    record.has_magic().then_some(record)
}

/// Bytes read at once while scanning.
const SCAN_BLOCK: u64 = 1 << 20;

/// Bytes that divide every sector size: records start at multiples of it.
const SCAN_STEP: usize = 512;

/// How many components one scan may give. A hostile file can hold a record in every sector.
const SCAN_LIMIT: usize = 64;

/// Looks at every sector of the last `scan_len` bytes, from the end of the disk towards its start.
fn scan(
    disk: &(impl ReadAt + ?Sized),
    search: Search,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Vec<Located> {
    let size = disk.size();
    let first = size.saturating_sub(search.scan_len) / SCAN_BLOCK * SCAN_BLOCK;
    let mut found: Vec<Located> = Vec::new();
    let mut block = Block::new(usize::try_from(SCAN_BLOCK).expect("a block is small"));
    let mut end = size;
    while end > first && found.len() < SCAN_LIMIT && progress(size - end, size - first).is_continue() {
        let start = (end - 1) / SCAN_BLOCK * SCAN_BLOCK;
        let bytes = &mut block[..usize::try_from(end - start).expect("at most a block")];
        if disk.read_at(start, bytes).is_ok() {
            for position in (0..bytes.len()).step_by(SCAN_STEP).rev() {
                let hit = bytes.get(position..position + RECORD_LEN).filter(|hit| hit.starts_with(MAGIC));
                if let Some(located) = hit.and_then(|hit| {
                    around(size, start + position as u64, Record::decode(hit), search.sector_size)
                }) {
                    let inside = |other: &Located| {
                        located.start >= other.start && located.start + located.len <= other.start + other.len
                    };
                    if found.len() < SCAN_LIMIT && !found.iter().any(inside) {
                        found.push(located);
                    }
                }
            }
        }
        end = start;
    }
    found.reverse();
    found
}

/// The component that a record found at `offset` of a file of `size` bytes belongs to, if it can be one.
fn around(size: u64, offset: u64, record: Record, sector_size: Option<u32>) -> Option<Located> {
    let provsize = record.provsize.get();
    if !record.has_magic() || record.md_version.get() != VERSION {
        return None;
    }
    let fits = |sector: &u32| {
        let end = offset + u64::from(*sector);
        end <= size && provsize <= end && provsize > u64::from(*sector)
    };
    let sizes = SECTOR_SIZES.into_iter().filter(|sector| sector_size.is_none_or(|wanted| wanted == *sector));
    // A component at the very start of the file is the likeliest: an image that grew, or was cut off.
    let at_start = sizes.clone().find(|sector| offset + u64::from(*sector) == provsize);
    if let Some(sector_size) = at_start.filter(|_| provsize > size) {
        let tasted = Tasted { record, offset, sector_size };
        return Some(Located { place: Place::Cut, start: 0, len: size, tasted });
    }
    let sector = at_start.filter(fits).or_else(|| sizes.clone().find(fits))?;
    let start = offset + u64::from(sector) - provsize;
    let place = match start {
        0 if size - provsize < u64::from(sector) => Place::Whole,
        0 => Place::Grown,
        _ => Place::Inside,
    };
    let tasted = Tasted { record, offset: offset - start, sector_size: sector };
    Some(Located { place, start, len: provsize, tasted })
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use zerocopy::IntoBytes;
    use zerocopy::byteorder::U64;

    use super::*;

    /// A component of `size` bytes with sectors of `sector` bytes.
    fn component(size: usize, sector: usize) -> Vec<u8> {
        let mut record = Record::decode(&[0; RECORD_LEN]);
        record.md_magic[..MAGIC.len()].copy_from_slice(MAGIC);
        record.md_version.set(VERSION);
        record.provsize = U64::new(size as u64);
        let mut disk = vec![0; size];
        disk[size - sector..][..RECORD_LEN].copy_from_slice(record.as_bytes());
        disk
    }

    fn find(disk: &Vec<u8>) -> Vec<(Place, u64, u64, u32)> {
        let search = Search { sector_size: None, scan_len: DEFAULT_SCAN_LEN };
        let found = locate(disk, &[], search, &mut |_, _| ControlFlow::Continue(())).expect("memory");
        found.into_iter().map(|it| (it.place, it.start, it.len, it.tasted.sector_size)).collect()
    }

    #[test]
    fn a_component_whose_last_sector_is_cut_is_found_as_long_as_its_record_is_there() {
        for (sector, number) in [(512, 512), (4096, 4096)] {
            let whole = component(1 << 17, sector);
            assert_eq!(find(&whole), [(Place::Whole, 0, 1 << 17, number)]);
            for cut in [1, sector - RECORD_LEN - 1, sector - RECORD_LEN] {
                let left = whole.len() - cut;
                let found = find(&whole[..left].to_vec());
                assert_eq!(found, [(Place::Cut, 0, left as u64, number)], "{cut} bytes of {sector}");
            }
            let gone = whole.len() - (sector - RECORD_LEN) - 1;
            assert_eq!(find(&whole[..gone].to_vec()), []);
        }
    }

    #[test]
    fn a_component_in_a_file_that_has_grown_is_its_start() {
        let mut grown = component(1 << 17, 512);
        grown.resize((1 << 17) + 1000, 0);
        assert_eq!(find(&grown), [(Place::Grown, 0, 1 << 17, 512)]);
    }

    #[test]
    fn less_than_a_sector_behind_a_component_is_no_growth() {
        for (sector, number) in [(512, 512), (4096, 4096)] {
            let mut longer = component(1 << 17, sector);
            longer.resize((1 << 17) + sector - 1, 0);
            assert_eq!(find(&longer), [(Place::Whole, 0, 1 << 17, number)]);
            longer.push(0);
            assert_eq!(find(&longer), [(Place::Grown, 0, 1 << 17, number)]);
        }
    }
}
