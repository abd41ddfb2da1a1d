//! Tables that were made, or happened, to do harm: no panic, no endless walk, little reading.

use virstor_partitions::{Partition, find};

use crate::disks::{Disk, FREEBSD, FREEBSD_UFS, Random, boot_sector, disklabel, gpt, seal_gpt_header};
use crate::{MIB, NOTHING, fdisk, found, sfdisk, sgdisk};

/// What has to hold for any disk whatever.
fn check(disk: &Disk) -> Vec<Partition> {
    disk.read.set(0);
    let partitions = find(disk, None).unwrap_or_default();
    assert!(disk.read.get() < 16 * MIB, "read {} bytes", disk.read.get());
    for it in &partitions {
        assert!(it.present > 0 && it.present <= it.len, "{it:?}");
        assert!(it.start.checked_add(it.present).is_some_and(|end| end <= disk.size), "{it:?}");
        assert!(it.window(disk).is_some());
    }
    assert!(partitions.is_sorted_by_key(|it| it.start));
    partitions
}

/// The disk sgdisk made, with its primary header changed and signed again, and without its backup.
fn forged(changes: &[(usize, &[u8])], table: Vec<u8>) -> Disk {
    let genuine = sgdisk();
    let mut header = genuine.pieces[0].1[512..1024].to_vec();
    for (at, bytes) in changes {
        header[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    seal_gpt_header(&mut header, &table);
    Disk::new(16 * MIB).with(512, header).with(1024, table)
}

fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

#[test]
fn a_header_with_absurd_numbers_is_refused_before_anything_is_allocated() {
    let (most, none) = (u32::MAX.to_le_bytes(), 0_u32.to_le_bytes());
    let far = u64::MAX.to_le_bytes();
    let cases: [&[(usize, &[u8])]; 12] = [
        &[(80, &most)],
        &[(84, &most)],
        &[(80, &most), (84, &most)],
        &[(80, &none)],
        &[(84, &none)],
        &[(84, &[120, 0, 0, 0])],
        &[(84, &[129, 0, 0, 0])],
        &[(80, &[0, 4, 0, 0]), (84, &[0, 8, 0, 0])],
        &[(80, &[1, 4, 0, 0])],
        &[(72, &far)],
        &[(72, &[0; 8])],
        &[(24, &far)],
    ];
    for changes in cases {
        // Nothing but the number is wrong: the table is as long as it says, where that is possible.
        let number = |at| changes.iter().find(|(place, _)| *place == at).map(|(_, bytes)| le32(bytes));
        let length = u64::from(number(80).unwrap_or(128)) * u64::from(number(84).unwrap_or(128));
        let mut table = sgdisk().pieces[0].1[1024..].to_vec();
        table.resize(usize::try_from(length).unwrap().min(4 << 20), 0);
        let disk = forged(changes, table);
        assert_eq!(check(&disk), [], "{changes:?}");
        assert!(disk.read.get() < 64 * 1024);
    }
}

#[test]
fn the_longest_table_that_is_believed_is_read_in_pieces() {
    let mut table = vec![0; 1024 * 1024];
    for entry in table.chunks_mut(1024) {
        entry[..16].copy_from_slice(&FREEBSD_UFS);
        entry[32..40].copy_from_slice(&4000_u64.to_le_bytes());
        entry[40..48].copy_from_slice(&4000_u64.to_le_bytes());
    }
    let disk = forged(&[(80, &[0, 4, 0, 0]), (84, &[0, 4, 0, 0])], table);
    let partitions = check(&disk);
    assert_eq!(partitions.len(), 1024);
    assert_eq!(partitions.iter().map(|it| it.number).max(), Some(1024));
}

#[test]
fn entries_that_overflow_or_run_backwards_are_left_out() {
    let ranges = [
        (0, 100),
        (1, 100),
        (200, 199),
        (u64::MAX, u64::MAX),
        (100, u64::MAX),
        (0, u64::MAX),
        (u64::MAX / 512, u64::MAX / 512 + 1),
        (32768, 40000),
        (300, 300),
    ];
    let mut table = vec![0; 16384];
    for (entry, (first, last)) in table.chunks_mut(128).zip(ranges) {
        entry[..16].copy_from_slice(&FREEBSD_UFS);
        entry[32..40].copy_from_slice(&u64::to_le_bytes(first));
        entry[40..48].copy_from_slice(&u64::to_le_bytes(last));
    }
    assert_eq!(found(&forged(&[], table)), ["p9 300+1 freebsd-ufs"]);
}

#[test]
fn a_name_that_is_no_utf_16_is_shown_with_replacements() {
    let mut table = vec![0; 16384];
    table[..16].copy_from_slice(&FREEBSD_UFS);
    table[32] = 100;
    table[40] = 100;
    table[56..128].fill(0xd8);
    let label = check(&forged(&[], table)).remove(0).label.unwrap();
    assert_eq!(label, "\u{fffd}".repeat(36));
}

#[test]
fn a_thousand_slices_around_one_label_are_bounded() {
    let mut table = vec![0; 1024 * 128];
    for entry in table.chunks_mut(128) {
        entry[..16].copy_from_slice(&FREEBSD);
        entry[32..40].copy_from_slice(&1000_u64.to_le_bytes());
        entry[40..48].copy_from_slice(&2000_u64.to_le_bytes());
    }
    let entries: Vec<_> = ('a'..='v').map(|letter| (letter, 0, 10, 7)).collect();
    let disk = forged(&[(80, &[0, 4, 0, 0])], table).with(1001 * 512, disklabel(512, 22, &entries));
    assert_eq!(check(&disk).len(), 1024 * 22);
}

#[test]
fn an_endless_chain_is_left() {
    // Every sector from 100 on is a link to the next one.
    let mut disk = Disk::new(16 * MIB).with(0, boot_sector(&[(0, 0, 5, 100, 20000)]));
    for link in 0..2000_u32 {
        let sector = boot_sector(&[(0, 0, 0x83, 1, 1), (1, 0, 5, link + 1, 1)]);
        disk = disk.with(u64::from(100 + link) * 512, sector);
    }
    assert_eq!(check(&disk).len(), 1 + 128);
}

#[test]
fn a_disk_as_long_as_numbers_go_does_not_overflow() {
    let long = |disk: Disk| Disk { size: u64::MAX, ..disk };
    assert_eq!(check(&long(sfdisk())).len(), 6);
    assert_eq!(check(&long(fdisk())).len(), 3);
    assert_eq!(check(&long(sgdisk())).len(), 5);
    // A slice and its label at the very end.
    let mut table = vec![0; 16384];
    let first = u64::MAX / 512 - 10;
    table[..16].copy_from_slice(&FREEBSD);
    table[32..40].copy_from_slice(&first.to_le_bytes());
    table[40..48].copy_from_slice(&(first + 5).to_le_bytes());
    let label = disklabel(512, 8, &[('a', 2, 1, 7), ('b', u32::MAX, u32::MAX, 7)]);
    let disk = long(forged(&[], table)).with((first + 1) * 512, label);
    assert_eq!(check(&disk).len(), 2);
}

#[test]
fn random_bytes_hold_no_partitions() {
    let mut random = Random(1);
    for round in 0..2000 {
        let mut bytes: Vec<_> = (0..2048 + random.below(8192)).map(|_| random.byte()).collect();
        if round % 2 == 0 {
            bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        }
        assert_eq!(found(&bytes), NOTHING, "round {round}");
    }
}

/// Random entries behind the right magic numbers: here the later checks are what is met.
#[test]
fn random_tables_do_no_harm() {
    let mut random = Random(2);
    for _ in 0..3000 {
        let mut disk = Disk::new(1 << (9 + random.below(30)));
        let mut any = || u32::try_from(random.next() >> 32).unwrap() >> random.below(32);
        let kinds = [0x05, 0x0f, 0xa5, 0xa6, 0xee, 0x83];
        let slices: Vec<_> =
            (0..4).map(|index| (index, 0, kinds[any() as usize % 6], any(), any())).collect();
        for place in [0, slices[0].3, slices[1].3, any()] {
            let link =
                boot_sector(&[(0, 0, kinds[any() as usize % 6], any(), any()), (1, 0, 5, any(), any())]);
            let entries: Vec<_> = ('a'..='h').map(|letter| (letter, any(), any(), 7)).collect();
            let place = u64::from(place) * 512;
            disk = disk.with(place, link).with(place + 512, disklabel(512, 8, &entries));
        }
        check(&disk.clone().with(0, boot_sector(&slices)));
        check(&disk.with(0, boot_sector(&slices)).with(512, [0; 512]));
    }
}

/// Sound tables with a few bytes changed. A GPT header is signed again, since its checksum would hide the rest.
#[test]
fn flipped_bytes_do_no_harm() {
    let small_gpt = gpt(512, 400, &[(1, FREEBSD_UFS, 40, 99), (2, FREEBSD, 100, 300)]);
    let label = disklabel(512, 8, &[('a', 0, 100, 7), ('c', 0, 201, 0)]);
    let dense = Disk::new(400 * 512).with(0, small_gpt).with(101 * 512, label);
    let mut random = Random(3);
    for disk in [sgdisk(), sfdisk(), fdisk(), dense] {
        assert!(check(&disk).len() >= 3);
        for round in 0..5000 {
            let mut mutant = disk.clone();
            for _ in 0..=random.below(8) {
                let piece = random.below(mutant.pieces.len());
                let bytes = &mut mutant.pieces[piece].1;
                // The tables are at the beginning of each piece.
                let at = random.below(bytes.len().min(4096));
                bytes[at] = if round % 2 == 0 { random.byte() } else { bytes[at] ^ 1 << random.below(8) };
            }
            check(&mutant);
        }
    }
    for _ in 0..5000 {
        let mut table = sgdisk().pieces[0].1[1024..].to_vec();
        for _ in 0..random.below(8) {
            let at = random.below(table.len());
            table[at] = random.byte();
        }
        let at = 24 + random.below(64);
        let bytes: Vec<_> = (0..random.below(4)).map(|_| random.byte()).collect();
        table.resize(16384, 0);
        check(&forged(&[(at, &bytes)], table));
    }
}
