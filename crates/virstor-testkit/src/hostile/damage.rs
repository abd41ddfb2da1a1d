//! What can be wrong with files.

use virstor::io::ReadAt;

use super::{Choices, HostileFile, LARGEST_FILE, low_u16, low_u32};
use crate::{Record, SparseDisk};

/// How many fields [`set`] knows.
pub(super) const FIELDS: u64 = 14;

/// Puts `value`, cut to its width, into the field with this number.
pub(super) fn set(record: &mut Record, field: u64, value: u64) {
    let mut name = [0; 16];
    for (place, byte) in name.iter_mut().zip(value.to_le_bytes().into_iter().cycle()) {
        *place = byte;
    }
    match field {
        0 => record.virsize = value,
        1 => record.chunk_size = low_u32(value),
        2 => record.count = low_u16(value),
        3 => record.no = low_u16(value),
        4 => record.provsize = value,
        5 => record.chunk_count = low_u32(value),
        6 => record.chunk_next = low_u32(value),
        7 => record.chunk_reserved = low_u16(value),
        8 => record.flags = low_u16(value),
        9 => record.id = low_u32(value),
        10 => record.version = low_u32(value),
        11 => record.provider = name,
        12 => record.name = name,
        _ => record.magic[13..].copy_from_slice(&name[..3]),
    }
}

/// Does up to seven things to the files.
pub(super) fn apply(choices: &mut Choices<'_>, files: &mut Vec<HostileFile>) {
    for _ in 0..choices.below(8) {
        if files.is_empty() {
            return;
        }
        let number = usize::try_from(choices.below(files.len() as u64)).expect("an index is small");
        one(choices, files, number);
    }
}

fn one(choices: &mut Choices<'_>, files: &mut Vec<HostileFile>, number: usize) {
    let count = files.len();
    let file = &mut files[number];
    let size = file.contents.size();
    match choices.below(13) {
        0 => {
            let (field, value) = (choices.below(FIELDS), choices.number());
            edit_record(&mut file.contents, field, value);
        }
        1 => {
            let cut = *choices.pick(&[1, 100, 420, 421, 511, 512, 4096, 65_536, u64::MAX]);
            file.contents.resize(size.saturating_sub(cut));
        }
        2 => {
            let added = *choices.pick(&[1, 511, 512, 4096, 100_000, 1 << 20]);
            file.contents.resize((size + added).min(LARGEST_FILE));
            let garbage = choices.take(16);
            // It may not fit where the file did not grow enough.
            _ = file.contents.write_at(size, garbage);
        }
        3 => {
            let other = usize::try_from(choices.below(count as u64)).expect("an index is small");
            files.swap(number, other);
        }
        4 if count < 12 => {
            let mut copy = file.clone();
            copy.name.push('x');
            files.push(copy);
        }
        5 => _ = files.remove(number),
        6 => {
            let front = *choices.pick(&[512, 4096, 1000, 65_536]);
            file.contents = shifted(&file.contents, front);
        }
        7 => in_slice(choices, &mut file.contents),
        8 => {
            let offset = place(choices, size);
            let bytes = choices.take(32);
            _ = file.contents.write_at(offset, bytes);
        }
        9 => {
            let start = place(choices, size);
            let len = *choices.pick(&[1, 512, 4096, 70_000, 1 << 40]);
            file.bad_ranges.push(start..start.saturating_add(len));
        }
        10 => file.bad_read = Some((choices.below(64), choices.flag())),
        11 => file.preferred = !file.preferred,
        _ => file.sector_size = Some(*choices.pick(&[512, 4096, 1024, 65_536])),
    }
}

/// A place in a disk where things are.
fn place(choices: &mut Choices<'_>, size: u64) -> u64 {
    let near = choices.below(256);
    match choices.below(5) {
        0 => near,
        1 => near * 64,
        2 => size.saturating_sub(512).saturating_add(near),
        3 => size.saturating_sub(4096).saturating_add(near),
        _ => choices.number() % size.max(1),
    }
}

/// Changes a field of the record in the last 512 bytes, if there is room for one.
fn edit_record(disk: &mut SparseDisk, field: u64, value: u64) {
    let Some(offset) = disk.size().checked_sub(512) else { return };
    let mut record = Record::decode(&disk.bytes(offset, Record::LEN));
    set(&mut record, field, value);
    disk.write_at(offset, &record.encode()).expect("it was read from there");
}

/// The disk behind `front` bytes of zeros, as far as it may be that large.
fn shifted(disk: &SparseDisk, front: u64) -> SparseDisk {
    let size = (disk.size() + front).min(LARGEST_FILE);
    let mut whole = SparseDisk::new(size);
    for (offset, bytes) in disk.used() {
        // The last pages may not fit.
        _ = whole.write_at(offset + front, bytes);
    }
    whole
}

/// Puts the disk into slices of a partition table, of which one is right and the other anything.
fn in_slice(choices: &mut Choices<'_>, disk: &mut SparseDisk) {
    let front = 63 * 512;
    let sectors = disk.size() / 512;
    let mut whole = shifted(disk, front);
    let mut table = vec![0; 66];
    let right = (63, sectors);
    let other = (choices.number() % (1 << 20), choices.number());
    for (entry, (start, len)) in table.chunks_mut(16).zip([right, other]) {
        entry[4] = *choices.pick(&[0xa5, 0x05, 0x0f, 0xa6, 0xee]);
        entry[8..12].copy_from_slice(&low_u32(start).to_le_bytes());
        entry[12..16].copy_from_slice(&low_u32(len).to_le_bytes());
    }
    table[64..].copy_from_slice(&[0x55, 0xaa]);
    whole.write_at(446, &table).expect("there are 63 sectors in front");
    *disk = whole;
}
