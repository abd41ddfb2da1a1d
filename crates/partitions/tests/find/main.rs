//! What is found on disks: sound, damaged, cut off, hostile, and without any table.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as the tests do")]

mod disks;
mod hostile;

use disks::{
    Disk, FREEBSD, FREEBSD_UFS, Labelled, Slice, boot_sector, disklabel, gpt, put_slices, seal_gpt_header,
};
use virstor::io::ReadAt;
use virstor_partitions::{Kind, Partition, Scheme, find};

const SGDISK: &[u8] = include_bytes!("../fixtures/gpt-512.bin");
const SGDISK_BACKUP: &[u8] = include_bytes!("../fixtures/gpt-512-backup.bin");
const FDISK_4096: &[u8] = include_bytes!("../fixtures/gpt-4096.bin");
const SFDISK_LOGICALS: &[u8] = include_bytes!("../fixtures/mbr-logicals.bin");
const FDISK_LABEL: &[u8] = include_bytes!("../fixtures/bsd-in-slice.bin");

const MIB: u64 = 1024 * 1024;

/// The disk that sgdisk partitioned.
fn sgdisk() -> Disk {
    let table = &SGDISK[1024..];
    Disk::new(16 * MIB).with(0, SGDISK).with(32735 * 512, table).with(32767 * 512, SGDISK_BACKUP)
}

const SGDISK_LISTING: [&str; 5] = [
    "p1 40+64 freebsd-boot \"boot0\"",
    "p2 104+1024 freebsd-swap \"swap0\"",
    "p3 2048+18432 freebsd-ufs \"rötfs\"",
    "s5 20480+4096 freebsd",
    "p6 24576+8159 linux-data \"linux\"",
];

/// The disk that sfdisk partitioned.
fn sfdisk() -> Disk {
    let places = [0, 18432, 24576, 34816];
    let sectors = places.into_iter().zip(SFDISK_LOGICALS.chunks(512));
    sectors.fold(Disk::new(64 * MIB), |disk, (place, sector)| disk.with(place * 512, sector))
}

/// The disk with a slice in which fdisk wrote a disklabel.
fn fdisk() -> Disk {
    Disk::new(32 * MIB).with(0, &FDISK_LABEL[..512]).with(4097 * 512, &FDISK_LABEL[512..])
}

/// Partitions as `name start+length type "label"`, in sectors of 512 bytes.
fn listing(found: &[Partition]) -> Vec<String> {
    let line = |it: &Partition| {
        let label = it.label.as_ref().map(|label| format!(" {label:?}")).unwrap_or_default();
        let cut = if it.truncated() { format!(" of which {}", it.present / 512) } else { String::new() };
        format!("{} {}+{} {}{label}{cut}", it.name, it.start / 512, it.len / 512, it.kind)
    };
    found.iter().map(line).collect()
}

fn found(disk: &impl ReadAt) -> Vec<String> {
    listing(&find(disk, None).unwrap())
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_gpt_is_listed_as_sgdisk_wrote_it() {
    let disk = sgdisk();
    assert_eq!(found(&disk), SGDISK_LISTING);
    assert!(disk.read.get() < 64 * 1024, "read {} bytes", disk.read.get());
}

#[test]
fn a_gpt_of_4096_byte_sectors_is_found_without_being_told() {
    let disk = Disk::new(16 * MIB).with(0, FDISK_4096);
    let expected = ["p1 2048+2048 freebsd-ufs \"root\"", "p2 4096+26624 freebsd-swap"];
    assert_eq!(found(&disk), expected);
    assert_eq!(listing(&find(&disk, Some(4096)).unwrap()), expected);
    assert_eq!(listing(&find(&disk, Some(512)).unwrap()), NOTHING);
}

#[test]
fn a_sector_size_that_no_disk_has_counts_as_unknown() {
    for size in [0, 1, 511, 513, 16384, 1 << 31, u32::MAX] {
        assert_eq!(listing(&find(&sgdisk(), Some(size)).unwrap()), SGDISK_LISTING);
    }
}

#[test]
fn the_backup_serves_when_anything_of_the_primary_table_is_damaged() {
    let damages = [
        sgdisk().with(512, [0; 512]),
        sgdisk().with(512 + 40, [1]),
        sgdisk().with(1024 + 32, [1]),
        sgdisk().with(1024 + 127 * 128, [1]),
        sgdisk().with(0, [0; 2048]),
        sgdisk().unreadable(0..512),
        sgdisk().unreadable(512..1024),
        sgdisk().unreadable(1024..1536),
        sgdisk().unreadable(0..MIB),
    ];
    for disk in damages {
        assert_eq!(found(&disk), SGDISK_LISTING, "{:?} {:?}", disk.pieces.last(), disk.bad);
    }
}

#[test]
fn a_backup_of_4096_byte_sectors_is_found() {
    let mut bytes = gpt(4096, 100, &[(1, FREEBSD_UFS, 10, 19)]);
    bytes[..40960].fill(0);
    assert_eq!(found(&bytes), ["p1 80+80 freebsd-ufs \"part 1\""]);
}

#[test]
fn the_backup_is_found_where_the_disk_once_ended() {
    let grown = || Disk { size: 100 * MIB, ..sgdisk() };
    assert_eq!(found(&grown()), SGDISK_LISTING);
    // The primary header knows the place; without that, the protective entry does.
    assert_eq!(found(&grown().with(1024, [1]).with(446, [0; 64])), SGDISK_LISTING);
    assert_eq!(found(&grown().with(512, [0; 512])), SGDISK_LISTING);
    assert_eq!(found(&grown().with(446, [0; 64]).with(512, [0; 512])), NOTHING);
}

#[test]
fn a_cut_off_disk_keeps_what_begins_on_it() {
    let disk = Disk { size: 3000 * 512 + 100, pieces: vec![(0, SGDISK.to_vec())], ..Disk::default() };
    let partitions = find(&disk, None).unwrap();
    assert_eq!(
        listing(&partitions),
        [SGDISK_LISTING[0], SGDISK_LISTING[1], "p3 2048+18432 freebsd-ufs \"rötfs\" of which 952"]
    );
    assert_eq!(partitions[2].present, 952 * 512 + 100);
    assert_eq!(partitions[2].window(&disk).unwrap().size(), 952 * 512 + 100);
}

#[test]
fn a_window_begins_where_the_partition_does() {
    let disk = sgdisk().with(104 * 512, *b"swap");
    let partitions = find(&disk, None).unwrap();
    let mut bytes = [0; 4];
    partitions[1].window(&disk).unwrap().read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"swap");
    assert!(partitions[1].window(Disk::new(100)).is_none());
}

#[test]
fn headers_and_entries_longer_than_usual_are_read() {
    let mut header = SGDISK[512..1024].to_vec();
    let mut table = vec![0; 128 * 256];
    for (long, short) in table.chunks_mut(256).zip(SGDISK[1024..].chunks(128)) {
        long[..128].copy_from_slice(short);
    }
    header[12..16].copy_from_slice(&512_u32.to_le_bytes());
    header[84..88].copy_from_slice(&256_u32.to_le_bytes());
    seal_gpt_header(&mut header, &table);
    let disk = Disk::new(16 * MIB).with(0, &SGDISK[..512]).with(512, header).with(1024, table);
    // Twice as long, the table covers partition 1; the entries are nevertheless what they are.
    assert_eq!(found(&disk), SGDISK_LISTING);
}

#[test]
fn a_protective_mbr_alone_is_no_table() {
    let disk = Disk::new(MIB).with(0, boot_sector(&[(0, 0, 0xee, 1, 2047)]));
    assert_eq!(found(&disk), NOTHING);
}

#[test]
fn a_gpt_wins_over_a_hybrid_mbr_but_not_over_a_later_one() {
    let hybrid = boot_sector(&[(0, 0, 0xee, 1, 39), (1, 0x80, 0x83, 2048, 18432)]);
    assert_eq!(found(&sgdisk().with(0, hybrid)), SGDISK_LISTING);
    let later = boot_sector(&[(1, 0x80, 0x83, 2048, 18432)]);
    assert_eq!(found(&sgdisk().with(0, later)), ["s2 2048+18432 linux-data"]);
}

#[test]
fn logical_partitions_are_listed_as_sfdisk_wrote_them() {
    assert_eq!(
        found(&sfdisk()),
        [
            "s1 2048+8192 freebsd",
            "s2 10240+8192 linux-data",
            "s3 18432+102400 ebr",
            "s5 20480+4096 linux-data",
            "s6 26624+8192 freebsd",
            "s7 36864+4096 linux-swap",
        ]
    );
}

#[test]
fn a_broken_chain_gives_what_comes_before_the_break() {
    let before = [
        "s1 2048+8192 freebsd",
        "s2 10240+8192 linux-data",
        "s3 18432+102400 ebr",
        "s5 20480+4096 linux-data",
    ];
    for broken in [
        sfdisk().unreadable(24576 * 512..24577 * 512),
        sfdisk().with(24576 * 512 + 511, [0]),
        sfdisk().with(18432 * 512 + 462 + 8, u32::MAX.to_le_bytes()),
        sfdisk().with(18432 * 512 + 462 + 8, 0_u32.to_le_bytes()),
    ] {
        assert_eq!(found(&broken), before);
    }
}

#[test]
fn a_chain_that_bites_its_tail_ends() {
    // The last link points to the second, 6144 sectors into the extended partition.
    let mut link = SFDISK_LOGICALS[1536..].to_vec();
    put_slices(&mut link, &[(1, 0, 5, 6144, 100)]);
    assert_eq!(found(&sfdisk().with(34816 * 512, link)), found(&sfdisk()));
}

#[test]
fn a_link_without_a_partition_is_passed_over() {
    let empty = boot_sector(&[(1, 0, 5, 6144, 10240)]);
    let disk = sfdisk().with(18432 * 512, empty);
    assert_eq!(found(&disk)[3..], ["s5 26624+8192 freebsd", "s6 36864+4096 linux-swap"]);
}

#[test]
fn slices_that_begin_outside_a_cut_off_disk_are_left_out() {
    let disk = Disk { size: 25000 * 512, ..sfdisk() };
    assert_eq!(
        found(&disk),
        [
            "s1 2048+8192 freebsd",
            "s2 10240+8192 linux-data",
            "s3 18432+102400 ebr of which 6568",
            "s5 20480+4096 linux-data",
        ]
    );
}

#[test]
fn an_mbr_counts_in_the_sectors_it_is_told() {
    let disk = Disk::new(16 * MIB).with(0, boot_sector(&[(0, 0, 0xa5, 256, 512)]));
    assert_eq!(listing(&find(&disk, Some(4096)).unwrap()), ["s1 2048+4096 freebsd"]);
}

#[test]
fn nonsense_in_a_boot_sector_is_no_table() {
    let nonsense: [&[Slice]; 5] = [
        &[(0, 1, 0xa5, 64, 100)],
        &[(0, 0, 0xa5, 64, 100), (3, 0x20, 0, 0, 0)],
        &[(0, 0, 0xa5, 64, 100), (1, 0, 0x83, 64, 50)],
        &[(0, 0, 0xa5, 64, 100), (1, 0, 0x83, 100, 100)],
        &[(0, 0, 0xa5, 0, 100), (1, 0, 0xa5, 5000, 100), (2, 0, 0xa5, 64, 0)],
    ];
    for entries in nonsense {
        assert_eq!(found(&Disk::new(MIB).with(0, boot_sector(entries))), NOTHING, "{entries:?}");
    }
    let mut unsigned = boot_sector(&[(0, 0, 0xa5, 64, 100)]);
    unsigned[511] = 0;
    assert_eq!(found(&Disk::new(MIB).with(0, unsigned)), NOTHING);
}

#[test]
fn a_slice_may_lie_in_another() {
    let disk = Disk::new(MIB)
        .with(0, boot_sector(&[(0, 0x80, 0, 0, 0), (1, 0, 0x17, 64, 900), (2, 0, 0xef, 100, 50)]));
    assert_eq!(found(&disk), ["s2 64+900 !23", "s3 100+50 efi"]);
}

#[test]
fn the_boot_sector_of_a_file_system_is_no_table() {
    let systems: [&[u8]; 4] = [
        include_bytes!("../fixtures/fat16.bin"),
        include_bytes!("../fixtures/fat32.bin"),
        include_bytes!("../fixtures/ntfs.bin"),
        include_bytes!("../fixtures/exfat.bin"),
    ];
    for system in systems {
        let disk = |entries: &[_]| {
            let mut sector = system.to_vec();
            put_slices(&mut sector, entries);
            Disk::new(MIB).with(0, sector)
        };
        assert_eq!(found(&disk(&[])), NOTHING);
        // Boot programs that happen to look like an entry.
        assert_eq!(found(&disk(&[(0, 0, 0x74, 64, 1_000_000)])), NOTHING);
        assert_eq!(found(&disk(&[(0, 0, 0x74, 64, 100), (1, 0, 0x65, 80, 10)])), NOTHING);
        assert_eq!(found(&disk(&[(0, 0, 0x74, 64, 100), (1, 0, 0, 80, 10)])), NOTHING);
        // A boot loader that left the header of an old file system alone.
        assert_eq!(found(&disk(&[(0, 0x80, 0xa5, 64, 100)])), ["s1 64+100 freebsd"]);
    }
}

#[test]
fn a_label_in_a_slice_is_listed_as_fdisk_wrote_it() {
    // fdisk counts from the start of the disk.
    assert_eq!(
        found(&fdisk()),
        ["s1 4096+57344 freebsd", "s1a 4096+16384 freebsd-ufs", "s1b 20480+8192 freebsd-swap"]
    );
}

#[test]
fn a_bare_label_wins_over_the_entry_that_stands_in_for_it() {
    let dedicated = boot_sector(&[(3, 0x80, 0xa5, 0, 50000)]);
    let label =
        disklabel(512, 8, &[('a', 16, 1000, 7), ('b', 1016, 100, 1), ('c', 0, 2048, 0), ('h', 1200, 300, 0)]);
    let disk = Disk::new(MIB).with(0, dedicated).with(512, label);
    assert_eq!(found(&disk), ["a 16+1000 freebsd-ufs", "b 1016+100 freebsd-swap", "h 1200+300 !0"]);
    let numbers: Vec<_> =
        find(&disk, None).unwrap().iter().map(|it| (it.scheme(), it.number, it.kind)).collect();
    assert_eq!(
        numbers,
        [(Scheme::Bsd, 1, Kind::Bsd(7)), (Scheme::Bsd, 2, Kind::Bsd(1)), (Scheme::Bsd, 8, Kind::Bsd(0))]
    );
}

#[test]
fn a_bare_label_of_4096_byte_sectors_is_found() {
    let disk = Disk::new(MIB).with(4096, disklabel(4096, 8, &[('a', 4, 100, 27), ('c', 0, 256, 0)]));
    assert_eq!(found(&disk), ["a 32+800 freebsd-zfs"]);
}

/// A slice of `kind` at sectors 2000 to 6000 with a label in it.
fn sliced(kind: u8, entries: &[Labelled]) -> Disk {
    let disk = Disk::new(8 * MIB).with(0, boot_sector(&[(1, 0x80, kind, 2000, 4000)]));
    disk.with(2001 * 512, disklabel(512, 8, entries))
}

#[test]
fn offsets_of_a_label_count_from_the_slice_or_the_disk() {
    let cases: [(&str, u8, &[Labelled]); 6] = [
        ("relative", 0xa5, &[('a', 16, 1000, 7), ('c', 0, 4000, 0)]),
        ("absolute", 0xa5, &[('a', 2016, 1000, 7), ('c', 2000, 4000, 0)]),
        ("relative, no c", 0xa5, &[('a', 16, 1000, 7)]),
        ("absolute, c says nothing", 0xa5, &[('a', 2016, 1000, 7), ('b', 5999, 1, 7), ('c', 0, 8000, 0)]),
        ("absolute, OpenBSD", 0xa6, &[('a', 2016, 1000, 7), ('c', 0, 8000, 0)]),
        ("relative, said to be NetBSD", 0xa9, &[('a', 16, 1000, 7), ('c', 0, 4000, 0)]),
    ];
    for (what, kind, entries) in cases {
        assert_eq!(found(&sliced(kind, entries))[1], "s2a 2016+1000 freebsd-ufs", "{what}");
    }
}

#[test]
fn partitions_of_a_label_stay_in_their_slice() {
    let entries = [('a', 3900, 1000, 7), ('b', 4000, 10, 7), ('c', 0, 4000, 0), ('d', u32::MAX, u32::MAX, 7)];
    assert_eq!(found(&sliced(0xa5, &entries))[1..], ["s2a 5900+1000 freebsd-ufs of which 100"]);
}

#[test]
fn a_label_is_found_in_any_slice() {
    let label = || disklabel(512, 20, &[('a', 0, 1000, 7), ('t', 1000, 10, 14)]);
    assert_eq!(found(&sliced(0x83, &[('a', 0, 10, 7)]))[1..], ["s2a 2000+10 freebsd-ufs"]);

    let logical = sfdisk().with(26625 * 512, label());
    assert_eq!(found(&logical)[5..7], ["s6a 26624+1000 freebsd-ufs", "s6t 27624+10 freebsd-vinum"]);

    let in_gpt = sgdisk().with(20481 * 512, label()).with(105 * 512, label());
    assert_eq!(found(&in_gpt)[4..6], ["s5a 20480+1000 freebsd-ufs", "s5t 21480+10 freebsd-vinum"]);
    assert_eq!(found(&in_gpt).len(), 7, "only a slice has a label");
}

#[test]
fn a_label_needs_its_checksum_or_its_geometry() {
    let entries = [('a', 16, 1000, 7)];
    let damaged = |places: &[(u64, u8)]| {
        let disk = sliced(0xa5, &entries);
        let disk = places.iter().fold(disk, |disk, &(at, byte)| disk.with(2001 * 512 + at, [byte]));
        found(&disk).len() - 1
    };
    assert_eq!(damaged(&[]), 1);
    assert_eq!(damaged(&[(136, 0xff)]), 1, "checksum");
    assert_eq!(damaged(&[(44, 0), (136, 63)]), 0, "geometry, checksum");
    assert_eq!(damaged(&[(0, 0)]), 0, "first magic number");
    assert_eq!(damaged(&[(132, 0)]), 0, "second magic number");
    assert_eq!(damaged(&[(41, 4)]), 0, "sector size");
    assert_eq!(damaged(&[(138, 0)]), 0, "no entries");
    assert_eq!(damaged(&[(138, 23)]), 0, "more entries than fit");
}

#[test]
fn an_unreadable_start_is_an_error_only_if_nothing_is_found() {
    let error = find(&Disk::new(MIB).unreadable(0..512), None).unwrap_err();
    assert_eq!((error.offset, error.len), (0, 512));
    assert!(find(&Disk::new(MIB).unreadable(512..1024), None).is_err());
    assert!(find(&Disk::new(MIB).unreadable(0..MIB), None).is_err());
    assert_eq!(found(&Disk::new(MIB).unreadable(8192..MIB)), NOTHING);
    assert_eq!(found(&sgdisk().unreadable(0..512)), SGDISK_LISTING);
    assert_eq!(found(&sfdisk().unreadable(512..8192)).len(), 6);
    assert_eq!(found(&fdisk().unreadable(4097 * 512..4098 * 512)), ["s1 4096+57344 freebsd"]);
}

#[test]
fn a_disk_too_small_for_a_table_has_none() {
    for size in [0, 1, 511, 512, 513, 1023, 1024, 4096, 8191] {
        assert_eq!(found(&Disk::new(size)), NOTHING);
        assert_eq!(found(&vec![0xff; usize::try_from(size).unwrap()]), NOTHING);
    }
    let cut = |size| found(&SGDISK[..size].to_vec());
    assert_eq!([cut(511), cut(512), cut(1024), cut(2048)], [const { Vec::<String>::new() }; 4]);
}

#[test]
fn types_are_shown_as_gpart_does() {
    let unknown =
        [0xa4, 0xbb, 0x94, 0xde, 0xd1, 0x06, 0x40, 0x4d, 0xa1, 0x6a, 0xbf, 0xd5, 1, 0x79, 0xd6, 0xac];
    assert_eq!(Kind::Gpt(unknown).to_string(), "!de94bba4-06d1-4d40-a16a-bfd50179d6ac");
    assert_eq!(Kind::Gpt(FREEBSD).to_string(), "freebsd");
    assert_eq!(Kind::Mbr(0xa6).to_string(), "!166");
    assert_eq!(Kind::Mbr(0xa5).name(), Some("freebsd"));
    assert_eq!(Kind::Bsd(8).name(), None);
    assert_eq!([Scheme::Gpt, Scheme::Mbr, Scheme::Bsd].map(|it| it.to_string()), ["GPT", "MBR", "BSD"]);
}
