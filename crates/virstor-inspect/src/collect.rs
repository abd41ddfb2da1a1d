//! Making specimens: of a heap of files, to be looked at by somebody else, or of one volume, to be restored from.
//!
//! What goes in is what says how a set is put together: records, the map, the sectors of partition tables that are
//! needed to find components again. Everything else that the engine looks at while it searches (the last sectors
//! of strangers, say) goes in as zeros, unless it explains a finding: a record without its magic, or the ten
//! bytes by which a record is told that was overwritten with data. So nothing of what the volume holds is in a
//! specimen, but for chunks that lie inside the map, where the set has such damage.

use std::cell::RefCell;
use std::ops::{ControlFlow, Range};

use virstor::assemble::Volume;
use virstor::block::Block;
use virstor::check::Fault;
use virstor::format::{ByteOrder, ComponentFlags, MAP_ENTRY_LEN, RECORD_LEN, Record, SECTOR_SIZES, VERSION};
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::locate::Place;
use virstor::ordered::{self, Map};
use virstor::specimen::{FileInfo, Purpose, Writer};

use crate::heap::{Heap, Progress, Stage};

/// What went into a specimen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Files it stands for.
    pub files: u64,
    /// What these have in all, in bytes.
    pub described: u64,
    /// Map entries in it, zeros included.
    pub entries: u64,
    /// Map entries that could not be read and are not in it.
    pub unreadable: u64,
    /// Its own length in bytes.
    pub len: u64,
}

/// Makes a specimen of all files of `heap` that can be read, piece by piece into `sink`.
///
/// # Errors
///
/// As `sink`. What cannot be read is left out.
pub fn collect<D: ReadAt + Clone, E>(
    heap: &Heap<D>,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    progress: &mut Progress<'_>,
) -> Result<Collected, E> {
    let mut making = Making::new(Purpose::Collected, sink)?;
    for (number, file) in heap.files().iter().enumerate() {
        let Ok(disk) = &file.disk else { continue };
        let places = Places::of_file(heap, number, disk);
        let info = FileInfo {
            size: disk.size(),
            sector_size: file.sector_size,
            label: base_name(&file.label),
            provider: shortened(&file.provider),
        };
        making.file(&info, disk, &places, progress)?;
    }
    making.finish()
}

/// Makes a backup of the records and the map of a volume, piece by piece into `sink`. It has a file for each
/// component that is there, in their order.
///
/// # Errors
///
/// As `sink`. Entries of the map that cannot be read are left out, and counted.
pub fn back_up<D: ReadAt + Clone, E>(
    heap: &Heap<D>,
    volume: usize,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    progress: &mut Progress<'_>,
) -> Result<Collected, E> {
    let mut making = Making::new(Purpose::Backup, sink)?;
    let order = heap.map_report(volume).order;
    let volume = &heap.volumes()[volume];
    let disks = heap.disks(volume);
    for (index, component) in &volume.components {
        let disk = &disks[index];
        let candidate = &heap.candidates()[component.candidate];
        let mut places = Places::default();
        places.tail(disk, 0, component.len);
        places.record(disk, candidate.located.tasted.offset);
        if index.0 == 0 {
            places.maps.push((0..volume.map_entries() * MAP_ENTRY_LEN as u64, order));
        }
        let (file, located) = &heap.located()[component.candidate];
        let suffix = match &located.place {
            Place::Partition(suffix) => suffix,
            _ => "",
        };
        let info = FileInfo {
            size: component.len,
            sector_size: Some(component.sector_size),
            label: base_name(&heap.files()[*file].label) + suffix,
            provider: shortened(&candidate.provider),
        };
        making.file(&info, disk, &places, progress)?;
    }
    making.finish()
}

/// Maps on disks without a record, by the number of the volume whose component 0 is missing and that of the disk.
fn lost_maps<D: ReadAt + Clone>(heap: &Heap<D>) -> Vec<(usize, usize)> {
    let headless = |(_, volume): &(usize, &Volume)| !volume.components.contains_key(&ComponentIndex(0));
    let volumes = heap.volumes().iter().enumerate().filter(headless).map(|(number, _)| number);
    let lost = |number| {
        let report = heap.check(number, &mut |_, _, _| ControlFlow::Continue(()));
        report.findings.into_iter().filter_map(move |finding| match finding.fault {
            Fault::RecordLost { disk, .. } => Some((number, disk)),
            _ => None,
        })
    };
    volumes.flat_map(lost).collect()
}

/// The last part of a path: where it lay is nobody else's business.
fn base_name(label: &str) -> String {
    let base = label.rsplit(['/', '\\']).next().unwrap_or(label);
    String::from_utf8_lossy(&shortened(base.as_bytes())).into_owned()
}

/// No file system has longer names; hostile specimens have them as labels.
fn shortened(name: &[u8]) -> Vec<u8> {
    const LONGEST: usize = 1024;
    name[..name.len().min(LONGEST)].to_vec()
}

/// The largest sector a record is looked for in: the end of every disk is read this far.
pub(crate) const TAIL: u64 = SECTOR_SIZES[SECTOR_SIZES.len() - 1] as u64;

/// What of a file goes in.
#[derive(Debug, Default)]
struct Places {
    /// What was looked at, and is not worth keeping.
    blanks: Vec<Range<u64>>,
    /// What is kept as it is.
    spots: Map<u64, Vec<u8>>,
    /// Maps, which are longer.
    maps: Vec<(Range<u64>, ByteOrder)>,
}

impl Places {
    fn of_file<D: ReadAt + Clone>(heap: &Heap<D>, number: usize, disk: &D) -> Self {
        let mut places = Self::default();
        let size = disk.size();
        let partitions = virstor_partitions::find(disk, heap.files()[number].sector_size).unwrap_or_default();
        if !partitions.is_empty() {
            places.spots = table_sectors(disk, heap.files()[number].sector_size);
        }
        places.tail(disk, 0, size);
        for partition in partitions.iter().filter(|partition| !partition.truncated()).take(MOST_PARTITIONS) {
            places.tail(disk, partition.start, partition.len);
        }
        let mut scanned = true;
        for (candidate, (file, located)) in heap.located().iter().enumerate() {
            if *file != number {
                continue;
            }
            scanned &= match located.place {
                Place::Grown | Place::Inside | Place::Cut => true,
                Place::Whole => located.len < size,
                Place::Partition(_) => false,
            };
            places.record(disk, located.start + located.tasted.offset);
            // A record that was copied to a new end leaves the old one behind.
            let provsize = located.tasted.record.provsize.get();
            if let Some(old) = provsize.checked_sub(u64::from(located.tasted.sector_size)) {
                places.record_if_there(disk, located.start.saturating_add(old));
            }
            let volumes = heap.volumes().iter().enumerate();
            for (volume, has_map) in volumes {
                let first = has_map.components.get(&ComponentIndex(0));
                if first.is_some_and(|first| first.candidate == candidate) {
                    let end = located.start + has_map.map_entries() * MAP_ENTRY_LEN as u64;
                    places.maps.push((located.start..end, heap.map_report(volume).order));
                }
            }
        }
        if scanned && size > 0 {
            let scan_len = heap.options().scan_len;
            places.blanks.push((size.saturating_sub(scan_len) >> 20 << 20)..size);
        }
        for (volume, disk) in lost_maps(heap) {
            let place = &heap.unclaimed()[disk];
            if place.file == number {
                let len = heap.volumes()[volume].virtual_chunks() * MAP_ENTRY_LEN as u64;
                places.maps.push((place.start..place.start + len, ByteOrder::Little));
            }
        }
        for unclaimed in heap.unclaimed().iter().filter(|unclaimed| unclaimed.file == number) {
            let end = unclaimed.start + unclaimed.len;
            heap.volumes().iter().for_each(|volume| places.explanation(disk, end, volume));
        }
        places
    }

    /// The last sectors of the `len` bytes from `start` on, of any size, with the records in them.
    fn tail(&mut self, disk: &impl ReadAt, start: u64, len: u64) {
        let end = start + len;
        self.blanks.push(end - len.min(TAIL)..end);
        for sector in SECTOR_SIZES.map(u64::from).into_iter().filter(|sector| *sector <= len) {
            self.record_if_there(disk, end - sector);
        }
    }

    fn record_if_there(&mut self, disk: &impl ReadAt, offset: u64) {
        if read(disk, offset).is_some_and(|bytes| Record::decode(&bytes).has_magic()) {
            self.record(disk, offset);
        }
    }

    fn record(&mut self, disk: &impl ReadAt, offset: u64) {
        if let Some(bytes) = read(disk, offset) {
            self.spots.insert(offset, bytes.to_vec());
        }
    }

    /// What in the sector before `end` may say what became of a record of `volume`.
    fn explanation(&mut self, disk: &impl ReadAt, end: u64, volume: &Volume) {
        let Some(offset) = end.checked_sub(u64::from(volume.sector_size)) else { return };
        let Some(bytes) = read(disk, offset) else { return };
        let record = Record::decode(&bytes);
        let known = ComponentFlags::ALLOCATED | ComponentFlags::CURRENT;
        if record.md_version.get() == VERSION
            && record.name().bytes() == volume.name.bytes()
            && record.md_id.get() == volume.id
        {
            self.spots.insert(offset, bytes.to_vec());
        } else if record.md_count.get() == volume.component_count && record.flags.get() & !known == 0 {
            for field in [52..54, 84..88, 90..92] {
                self.spots.insert(offset + field.start as u64, bytes[field].to_vec());
            }
        }
    }

    /// What lies where, in order and without overlaps; maps come before spots, spots before blanks.
    fn pieces(&self) -> Vec<(Range<u64>, Piece<'_>)> {
        let mut maps: Vec<&(Range<u64>, ByteOrder)> = self.maps.iter().collect();
        ordered::sort_by_key(&mut maps, |(range, _)| range.start);
        maps.dedup_by(|next, last| next.0.start < last.0.end);
        let spots = self.spots.iter().map(|(start, bytes)| *start..*start + bytes.len() as u64);
        let ranges =
            maps.iter().map(|(range, _)| range.clone()).chain(spots).chain(self.blanks.iter().cloned());
        let mut cuts = ordered::unique(ranges.flat_map(|range| [range.start, range.end]));
        for (range, _) in &maps {
            cuts.retain(|cut| *cut <= range.start || *cut >= range.end);
        }
        let mut pieces = Vec::new();
        for cut in cuts.windows(2) {
            let range = cut[0]..cut[1];
            let map = maps.iter().find(|(map, _)| map.contains(&range.start));
            let spot =
                self.spots.up_to(&range.start).rev().take(MOST_OVERLAPPING).find_map(|(start, bytes)| {
                    let from = usize::try_from(range.start - start).ok()?;
                    let len = usize::try_from(range.end - range.start).ok()?;
                    bytes.get(from..from.checked_add(len)?)
                });
            let piece = match (map, spot) {
                (Some((_, order)), _) => Piece::Map(*order),
                (_, Some(bytes)) => Piece::Bytes(bytes),
                _ if self.blanks.iter().any(|blank| blank.contains(&range.start)) => Piece::Blank,
                _ => continue,
            };
            pieces.push((range, piece));
        }
        pieces
    }
}

/// Most partitions whose ends are looked at; a table can be made to list any number.
const MOST_PARTITIONS: usize = 256;

/// How many spots that start before a byte are asked whether they hold it. Spots are whole records, or lie apart.
const MOST_OVERLAPPING: usize = 4;

#[derive(Debug)]
enum Piece<'a> {
    Map(ByteOrder),
    Bytes(&'a [u8]),
    Blank,
}

fn read(disk: &impl ReadAt, offset: u64) -> Option<[u8; RECORD_LEN]> {
    let mut bytes = [0; RECORD_LEN];
    offset.checked_add(RECORD_LEN as u64).filter(|end| *end <= disk.size())?;
    disk.read_at(offset, &mut bytes).ok()?;
    Some(bytes)
}

/// The sectors without which the partitions of `disk` would not be found, and no code from the boot sector.
fn table_sectors(disk: &impl ReadAt, sector_size: Option<u32>) -> Map<u64, Vec<u8>> {
    let recording = Recording { disk, seen: RefCell::default() };
    let Ok(partitions) = virstor_partitions::find(&recording, sector_size) else { return Map::default() };
    let mut spots = Spots { size: disk.size(), spots: recording.seen.into_inner() };
    let suffices =
        |spots: &Spots| virstor_partitions::find(spots, sector_size).is_ok_and(|found| found == partitions);
    for offset in spots.spots.keys().copied().collect::<Vec<u64>>() {
        let spot = spots.spots.remove(&offset).expect("it was there");
        if !suffices(&spots) {
            spots.spots.insert(offset, spot);
        }
    }
    /// The code of a boot sector, which its partition entries follow.
    const BOOT_CODE: usize = 440;
    if let Some(boot) = spots.spots.get_mut(&0).filter(|boot| boot.len() > BOOT_CODE) {
        let code = boot[..BOOT_CODE].to_vec();
        boot[..BOOT_CODE].fill(0);
        if !suffices(&spots) {
            spots.spots.get_mut(&0).expect("it was found above")[..BOOT_CODE].copy_from_slice(&code);
        }
    }
    spots.spots
}

/// A disk that remembers what was read from it.
struct Recording<'a, D> {
    disk: &'a D,
    seen: RefCell<Map<u64, Vec<u8>>>,
}

impl<D: ReadAt> ReadAt for Recording<'_, D> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.disk.read_at(offset, buf)?;
        let mut seen = self.seen.borrow_mut();
        let longest = seen.get_or_insert_with(offset, Vec::new);
        if longest.len() < buf.len() {
            *longest = buf.to_vec();
        }
        Ok(())
    }
}

/// A disk that has nothing but what was read from another.
struct Spots {
    size: u64,
    spots: Map<u64, Vec<u8>>,
}

impl ReadAt for Spots {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let bytes = self.spots.get(&offset).and_then(|spot| spot.get(..buf.len()));
        let bytes = bytes.ok_or_else(|| IoError::new(offset, buf.len(), "was never read"))?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// A specimen in the making.
struct Making<'a, E> {
    writer: Writer<Counted<'a, E>>,
    made: Collected,
    len: std::rc::Rc<std::cell::Cell<u64>>,
}

type Counted<'a, E> = Box<dyn FnMut(&[u8]) -> Result<(), E> + 'a>;

impl<'a, E> Making<'a, E> {
    fn new(purpose: Purpose, sink: &'a mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<Self, E> {
        let len = std::rc::Rc::new(std::cell::Cell::new(0));
        let counter = std::rc::Rc::clone(&len);
        let counted: Counted<'a, E> = Box::new(move |bytes| {
            counter.set(counter.get() + bytes.len() as u64);
            sink(bytes)
        });
        Ok(Self { writer: Writer::new(purpose, counted)?, made: Collected::default(), len })
    }

    fn finish(self) -> Result<Collected, E> {
        self.writer.finish()?;
        Ok(Collected { len: self.len.get(), ..self.made })
    }

    fn file(
        &mut self,
        info: &FileInfo,
        disk: &impl ReadAt,
        places: &Places,
        progress: &mut Progress<'_>,
    ) -> Result<(), E> {
        self.made.files += 1;
        self.made.described = self.made.described.saturating_add(info.size);
        self.writer.file(info)?;
        for (range, piece) in places.pieces() {
            match piece {
                Piece::Map(order) => self.map(&info.label, disk, range, order, progress)?,
                Piece::Blank => self.writer.zeros(range.start, range.end - range.start)?,
                // Tables are mostly zeros, and those cost nothing as entries.
                Piece::Bytes(bytes) if bytes.len() >= 512 && bytes.len().is_multiple_of(MAP_ENTRY_LEN) => {
                    self.writer.entries(range.start, bytes.as_chunks().0, ByteOrder::Little)?;
                }
                Piece::Bytes(bytes) => self.writer.bytes(range.start, bytes)?,
            }
        }
        Ok(())
    }

    fn map(
        &mut self,
        label: &str,
        disk: &impl ReadAt,
        range: Range<u64>,
        order: ByteOrder,
        progress: &mut Progress<'_>,
    ) -> Result<(), E> {
        /// Bytes read at once, and those tried again where that fails.
        const READ: usize = 1 << 20;
        const PIECE: usize = 4096;
        let len = range.end - range.start;
        let mut block = Block::new(usize::try_from(len).map_or(READ, |len| len.min(READ)));
        let mut position = range.start;
        while position < range.end {
            // Half a map is no backup, so nothing stops it.
            _ = progress(Stage::ReadingMap(label), position - range.start, len);
            let wanted = usize::try_from(range.end - position).map_or(READ, |rest| rest.min(READ));
            let block = &mut block[..wanted];
            let whole = disk.read_at(position, block).is_ok();
            for (piece, at) in block.chunks_mut(PIECE).zip((position..).step_by(PIECE)) {
                let count = (piece.len() / MAP_ENTRY_LEN) as u64;
                if !whole && disk.read_at(at, piece).is_err() {
                    self.made.unreadable += count;
                    continue;
                }
                self.made.entries += count;
                if piece.iter().all(|byte| *byte == 0) {
                    self.writer.zero_entries(at, count, order)?;
                } else {
                    self.writer.entries(at, piece.as_chunks().0, order)?;
                }
            }
            position += wanted as u64;
        }
        Ok(())
    }
}
