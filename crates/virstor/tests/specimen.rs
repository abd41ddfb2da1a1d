//! Specimens read back as what was put into them, and nothing that was done to one goes unnoticed.

use std::convert::Infallible;
use std::sync::Arc;

use virstor::format::ByteOrder;
use virstor::io::ReadAt;
use virstor::specimen::{FileInfo, Purpose, Specimen, SpecimenError, Writer};
use virstor_testkit::{SplitMix64, for_each_seed};

fn file(label: &str, size: u64) -> FileInfo {
    FileInfo { size, sector_size: Some(512), label: label.into(), provider: b"da0".to_vec() }
}

/// What `make` puts into a specimen.
fn written(make: impl FnOnce(&mut Writer<&mut dyn FnMut(&[u8]) -> Result<(), Infallible>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sink = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    let sink: &mut dyn FnMut(&[u8]) -> Result<(), Infallible> = &mut sink;
    let mut writer = Writer::new(Purpose::Collected, sink).unwrap();
    make(&mut writer);
    writer.finish().unwrap();
    bytes
}

/// Runs of zeros, runs of chunks in a row, and entries that are anything.
fn random_map(random: &mut SplitMix64, order: ByteOrder) -> Vec<[u8; 8]> {
    let mut map: Vec<[u8; 8]> = Vec::new();
    for _ in 0..random.below(40) {
        let longest = *random.choose(&[60, 60, 60, 60, 30_000]);
        let len = 1 + random.below(longest);
        match random.below(3) {
            0 => map.extend((0..len).map(|_| [0; 8])),
            1 => {
                let first = random.below(1 << 32).saturating_sub(len) | 0x0001_0002 << 32;
                map.extend((first..first + len).map(|number| match order {
                    ByteOrder::Little => number.rotate_left(32).to_le_bytes(),
                    ByteOrder::Big => number.to_be_bytes(),
                }));
            }
            _ => map.extend((0..len.min(100)).map(|_| random.next_u64().to_le_bytes())),
        }
    }
    map
}

#[test]
fn a_map_reads_back_from_any_byte_on_in_either_order() {
    for_each_seed(0..60, |random| {
        let order = *random.choose(&[ByteOrder::Little, ByteOrder::Big]);
        let map = random_map(random, order);
        let start = 8 * random.below(1000);
        let bytes = map.as_flattened();
        let size = start + bytes.len() as u64 + 512;
        let specimen = written(|writer| {
            writer.file(&file("c0", size)).unwrap();
            let mut offset = start;
            for piece in map.chunks(512) {
                if piece.iter().all(|entry| *entry == [0; 8]) {
                    writer.zero_entries(offset, piece.len() as u64, order).unwrap();
                } else {
                    writer.entries(offset, piece, order).unwrap();
                }
                offset += piece.as_flattened().len() as u64;
            }
            writer.bytes(size - 512, &[7; 512]).unwrap();
        });
        let specimen = Arc::new(Specimen::open(specimen).unwrap());
        assert_eq!(specimen.files().next(), Some(&file("c0", size)));
        let disk = specimen.disk(0);
        for _ in 0..20 {
            let from = random.below(bytes.len() as u64 + 1);
            let until = from + random.below(bytes.len() as u64 - from + 1);
            let range = usize::try_from(from).unwrap()..usize::try_from(until).unwrap();
            let mut read = vec![0xee; range.len()];
            disk.read_at(start + from, &mut read).unwrap();
            assert!(read == bytes[range], "{from}..{until}");
        }
        let mut record = [0; 512];
        disk.read_at(size - 512, &mut record).unwrap();
        assert_eq!(record, [7; 512]);
    });
}

#[test]
fn what_was_written_in_one_go_takes_a_few_bytes() {
    let entry = |chunk: u64| (1_u64 | chunk << 32).to_le_bytes();
    let map: Vec<[u8; 8]> = (0..500_000).map(entry).collect();
    let specimen = written(|writer| {
        writer.file(&file("c0", 1 << 40)).unwrap();
        writer.entries(0, &map, ByteOrder::Little).unwrap();
        writer.zero_entries(4_000_000, 1 << 30, ByteOrder::Little).unwrap();
        writer.zeros((1 << 40) - 65536, 65536).unwrap();
    });
    assert!(specimen.len() < 150, "{} bytes", specimen.len());
    let disk = Arc::new(Specimen::open(specimen).unwrap()).disk(0);
    let mut read = [0xee; 16];
    disk.read_at(3_999_992, &mut read).unwrap();
    assert_eq!(read[..8], entry(499_999));
    assert_eq!(read[8..], [0; 8]);
}

#[test]
fn what_is_not_in_it_cannot_be_read() {
    let specimen = written(|writer| {
        writer.file(&file("c0", 100)).unwrap();
        writer.bytes(10, &[1; 10]).unwrap();
        writer.zeros(20, 5).unwrap();
    });
    let disk = Arc::new(Specimen::open(specimen).unwrap()).disk(0);
    let read = |offset, len| disk.read_at(offset, &mut vec![0; len]).map_err(|error| error.reason);
    assert_eq!(read(10, 15), Ok(()));
    let unknown = Err("a specimen does not hold the data of the volume".to_string());
    assert_eq!(read(9, 2), unknown);
    assert_eq!(read(10, 16), unknown);
    assert_eq!(read(99, 2), Err("past the end".into()));
    assert_eq!(read(100, 0), Ok(()));
}

fn small() -> Vec<u8> {
    written(|writer| {
        writer.file(&file("c0", 4096)).unwrap();
        writer.entries(0, &[[1, 0, 0, 0, 2, 0, 0, 0]; 9], ByteOrder::Little).unwrap();
        writer.bytes(4096 - 512, &[7; 92]).unwrap();
        writer.file(&file("c1", 9000)).unwrap();
        writer.zeros(8000, 1000).unwrap();
    })
}

#[test]
fn a_specimen_that_was_cut_off_or_changed_is_not_read() {
    let whole = small();
    assert!(Specimen::open(whole.clone()).is_ok());
    for len in 0..whole.len() {
        assert!(Specimen::open(whole[..len].to_vec()).is_err(), "{len} bytes");
    }
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Specimen::open(changed).is_err(), "bit {bit}");
    }
    let mut longer = whole;
    longer.push(0);
    assert!(matches!(Specimen::open(longer), Err(SpecimenError::Malformed { .. })));
}

#[test]
fn a_specimen_made_to_hurt_ends_in_an_error_or_in_reads_that_end() {
    for_each_seed(0..3000, |random| {
        let mut bytes = small();
        for _ in 0..1 + random.below(4) {
            let place = 24 + usize::try_from(random.below(bytes.len() as u64 - 24)).unwrap();
            bytes[place] = *random.choose(&[0, 1, 2, 3, 0x7f, 0x80, 0xff, 16]);
        }
        // The checksum keeps nobody out who can compute it.
        if let Err(SpecimenError::Checksum { computed, .. }) = Specimen::open(bytes.clone()) {
            let end = bytes.len() - 8;
            bytes[end..].copy_from_slice(&computed.to_le_bytes());
        }
        let Ok(specimen) = Specimen::open(bytes) else { return };
        let specimen = Arc::new(specimen);
        for number in 0..specimen.files().len() {
            let disk = specimen.disk(number);
            let mut buf = [0; 700];
            for offset in [0, 1, 3500, 4000, disk.size().saturating_sub(700)] {
                _ = disk.read_at(offset, &mut buf);
            }
        }
    });
}
