//! From a backup of records and map to the patches that put them back.

use std::ops::Range;

use virstor::assemble::{Component, Volume};
use virstor::format::{ByteOrder, MAP_ENTRY_LEN, MapEntry, Name, RECORD_LEN};
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::label::record_sector;
use virstor::patch::Patch;

use crate::heap::{ComponentDisk, Heap};

/// What it takes to make a set say what a backup says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// Name and id of the volume in the backup.
    pub volume: (Name, u32),
    /// The components that were found, in their order. [`patches`](Self::patches) name them by their place here.
    pub components: Vec<Restored>,
    /// Components of the backup for which nothing fits, with their sizes in bytes.
    pub not_found: Vec<(ComponentIndex, u64)>,
    /// Map entries that change.
    pub changed: u64,
    /// Of these, entries that name a chunk now which the backup does not give them: what was written there
    /// since the backup was made would be lost.
    pub dropped: u64,
    /// Entries that are not in the backup, because they could not be read when it was made; they stay.
    pub unknown: u64,
    /// What to do; nothing when the set says what the backup says.
    pub patches: Vec<Patch>,
}

/// A component that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its number.
    pub index: ComponentIndex,
    /// The number of the file in the heap.
    pub file: usize,
    /// Its first byte in the file.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Where its record's sector starts, counted from `start`, and how long that is.
    pub sector: (u64, u32),
    /// Whether its record changes.
    pub record_changes: bool,
}

/// Why a backup cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreError {
    /// A component has another size now.
    Size {
        /// Which.
        index: ComponentIndex,
        /// The number of the file.
        file: usize,
        /// What the backup says, in bytes.
        expected: u64,
        /// What it has, in bytes.
        found: u64,
    },
    /// None of the files is a component of the backup's volume.
    NothingFits,
}

/// Finds what volume `number` of `backup` describes among `set`, and what has to change there.
///
/// A component is what has its name, id and number; else a file or partition without a record that has its size
/// and its provider name, or that is the only one of its size where only one component of that size is left.
///
/// # Errors
///
/// [`RestoreError`] when nothing fits, or something fits but for its size.
pub fn restoration<D: ReadAt + Clone>(
    backup: &Heap<D>,
    number: usize,
    set: &Heap<D>,
) -> Result<Restoration, RestoreError> {
    let volume = &backup.volumes()[number];
    let mut restoration = Restoration {
        volume: (volume.name, volume.id),
        components: Vec::new(),
        not_found: Vec::new(),
        changed: 0,
        dropped: 0,
        unknown: 0,
        patches: Vec::new(),
    };
    let found = find(backup, volume, set)?;
    let mut records = Vec::new();
    for (index, component) in &volume.components {
        let Some((_, file, start)) = found.iter().find(|(found, ..)| found == index).copied() else {
            restoration.not_found.push((*index, component.len));
            continue;
        };
        let place = u16::try_from(restoration.components.len()).expect("components have 16-bit numbers");
        let disk = set.part(file, start, component.len).expect("it was found there");
        if index.0 == 0 {
            let backup_disk = &backup.disks(volume)[index];
            let (order, place) = (backup.map_report(number).order, ComponentIndex(place));
            Maps { volume, order, backup: backup_disk, disk: &disk, place }.compare(&mut restoration);
        }
        let sector_size = component.sector_size;
        let offset = component.len - u64::from(sector_size);
        let wanted = record_sector(&component.record, sector_size);
        let mut current = [0; RECORD_LEN];
        // What cannot be read may still be written.
        let same = disk.read_at(offset, &mut current).is_ok() && current == wanted[..RECORD_LEN];
        if !same {
            records.push(Patch::Write { component: ComponentIndex(place), offset, bytes: wanted });
        }
        restoration.components.push(Restored {
            index: *index,
            file,
            start,
            len: component.len,
            sector: (offset, sector_size),
            record_changes: !same,
        });
    }
    if restoration.components.is_empty() {
        return Err(RestoreError::NothingFits);
    }
    // A set whose records came first would start with half a map.
    if !records.is_empty() {
        restoration.patches.extend(records);
        restoration.patches.push(Patch::Barrier);
    }
    Ok(restoration)
}

/// Which component is found where: its file and its first byte there.
type Found = (ComponentIndex, usize, u64);

fn find<D: ReadAt + Clone>(
    backup: &Heap<D>,
    volume: &Volume,
    set: &Heap<D>,
) -> Result<Vec<Found>, RestoreError> {
    let mut found: Vec<Found> = Vec::new();
    let same = |other: &&Volume| other.name.bytes() == volume.name.bytes() && other.id == volume.id;
    let present = set.volumes().iter().find(same);
    for (index, component) in &volume.components {
        let Some(here) = present.and_then(|present| present.components.get(index)) else { continue };
        let (file, located) = &set.located()[here.candidate];
        if located.len != component.len {
            let (expected, size) = (component.len, located.len);
            return Err(RestoreError::Size { index: *index, file: *file, expected, found: size });
        }
        found.push((*index, *file, located.start));
    }
    // By name first, so that a component which is not called what it was does not take the place of one that is.
    for by_name in [true, false] {
        let left = |found: &[Found], index: &ComponentIndex| found.iter().all(|(other, ..)| other != index);
        let free: Vec<_> = set.unclaimed().iter().collect();
        for (index, component) in &volume.components {
            if !left(&found, index) {
                continue;
            }
            let wanted = &backup.candidates()[component.candidate].provider;
            let fits = |place: &&&crate::heap::Unclaimed| {
                let taken = found.iter().any(|(_, file, start)| (*file, *start) == (place.file, place.start));
                let name = [&set.files()[place.file].provider[..], place.suffix.as_bytes()].concat();
                place.len == component.len && !taken && (!by_name || name == *wanted)
            };
            let fitting: Vec<_> = free.iter().filter(fits).collect();
            let rivals = |(other, component_of): (&ComponentIndex, &Component)| {
                left(&found, other) && component_of.len == component.len
            };
            let alone = by_name || volume.components.iter().filter(|it| rivals(*it)).count() == 1;
            if let ([only], true) = (&fitting[..], alone) {
                found.push((*index, only.file, only.start));
            }
        }
    }
    Ok(found)
}

/// The map in a backup, and the one on the disk.
struct Maps<'a, D> {
    volume: &'a Volume,
    order: ByteOrder,
    backup: &'a ComponentDisk<D>,
    disk: &'a ComponentDisk<D>,
    /// By which number patches name the disk.
    place: ComponentIndex,
}

/// Bytes compared at once, and at once where those cannot be read: multiples of the size of an entry.
const BLOCK: u64 = 64 << 10;
const PIECE: u64 = 4096;

impl<D: ReadAt> Maps<'_, D> {
    /// Compares them from end to end.
    fn compare(&self, restoration: &mut Restoration) {
        let before = restoration.patches.len();
        let mut offset = 0;
        let len = self.volume.map_entries() * MAP_ENTRY_LEN as u64;
        while offset < len {
            let end = len.min(offset + BLOCK);
            self.compare_range(offset..end, restoration);
            offset = end;
        }
        if restoration.patches.len() > before {
            restoration.patches.push(Patch::Barrier);
        }
    }

    fn compare_range(&self, range: Range<u64>, restoration: &mut Restoration) {
        let len = range.end - range.start;
        let empty = vec![0; usize::try_from(len).expect("at most a block")];
        let (mut wanted, mut current) = (empty.clone(), empty);
        let known = self.backup.read_at(range.start, &mut wanted).is_ok();
        let readable = self.disk.read_at(range.start, &mut current).is_ok();
        if !(known && readable) && len > PIECE {
            for start in (range.start..range.end).step_by(4096) {
                self.compare_range(start..range.end.min(start + PIECE), restoration);
            }
        } else if !known {
            restoration.unknown += len / MAP_ENTRY_LEN as u64;
        } else if !readable {
            // What cannot be read may still be written.
            restoration.changed += len / MAP_ENTRY_LEN as u64;
            restoration.patches.push(self.patch(range.start, &wanted));
        } else if wanted != current {
            self.count(&wanted, &current, restoration);
            self.patch_sectors(range.start, &wanted, &current, restoration);
        }
    }

    fn patch(&self, offset: u64, bytes: &[u8]) -> Patch {
        Patch::Write { component: self.place, offset, bytes: bytes.to_vec() }
    }

    fn count(&self, wanted: &[u8], current: &[u8], restoration: &mut Restoration) {
        let entries = |bytes| <[u8]>::as_chunks::<MAP_ENTRY_LEN>(bytes).0.iter();
        let differing = entries(wanted).zip(entries(current)).filter(|(wanted, current)| wanted != current);
        for (_, current) in differing {
            restoration.changed += 1;
            restoration.dropped += u64::from(MapEntry::decode(*current, self.order).is_allocated());
        }
    }

    /// Patches for the sectors that differ, those in a row in one.
    fn patch_sectors(&self, offset: u64, wanted: &[u8], current: &[u8], restoration: &mut Restoration) {
        let sector = usize::try_from(self.volume.sector_size).expect("a sector is small");
        let mut in_a_row = false;
        for (start, bytes) in (0..).step_by(sector).zip(wanted.chunks(sector)) {
            let differs = current[start..start + bytes.len()] != *bytes;
            match restoration.patches.last_mut() {
                Some(Patch::Write { bytes: last, .. }) if differs && in_a_row => {
                    last.extend_from_slice(bytes)
                }
                _ if differs => restoration.patches.push(self.patch(offset + start as u64, bytes)),
                _ => {}
            }
            in_a_row = differs;
        }
    }
}
