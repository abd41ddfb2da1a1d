//! Volumes that are not sound are not written to.

use virstor::assemble::Problem;
use virstor::format::MapEntry as Entry;
use virstor::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use virstor::io::ReadAt as _;
use virstor::write::{Unsound, VolumeWriter, WriteError};
use virstor_testkit::{ByteOrder, GoldenSet, Machine, MachineDisk, MapEntry, SetBuilder, SparseDisk};

use crate::on_disk::OnDisk;
use crate::set::{disks_of, try_open};

const SIZE: u64 = 1 << 20;

fn refusal(set: SetBuilder) -> Unsound {
    let machine = Machine::new(set.build().into_iter().map(|(_, disk)| disk));
    let refusal = try_open(machine.disks()).expect_err("it is not sound");
    assert_eq!(machine.moment(), 0, "nothing is written");
    refusal
}

fn set() -> SetBuilder {
    SetBuilder::new("data").components([SIZE, SIZE])
}

fn entry(component: u16, chunk: u32) -> Entry {
    Entry { flags: 1, component: ComponentIndex(component), chunk: PhysicalChunk(chunk) }
}

#[test]
fn maps_that_the_kernel_would_damage_further() {
    let at = VirtualChunk;
    let gap = set().map(0, 0, 2).map(1, 0, 4);
    assert_eq!(refusal(gap), Unsound::NotDense { at: at(1), entry: entry(0, 4), used: 2 });
    let not_from_the_start = set().map(9, 1, 1);
    assert_eq!(refusal(not_from_the_start), Unsound::NotDense { at: at(9), entry: entry(1, 1), used: 1 });
    let in_the_reserve = set().map(3, 0, 1);
    assert_eq!(refusal(in_the_reserve), Unsound::NotDense { at: at(3), entry: entry(0, 1), used: 1 });
    let shared = set().map(0, 0, 2).map(5, 0, 3).map(6, 0, 3).map(7, 0, 5);
    assert_eq!(refusal(shared), Unsound::Shared { at: at(6), entry: entry(0, 3) });
    let no_such_chunk = set().map(0, 0, 7);
    assert_eq!(refusal(no_such_chunk), Unsound::Entry { at: at(0), entry: entry(0, 7) });
    let no_such_component = set().map(0, 2, 0);
    assert_eq!(refusal(no_such_component), Unsound::Entry { at: at(0), entry: entry(2, 0) });
    let unallocated = set().entry(8, MapEntry { flags: 0, provider_no: 7, provider_chunk: 0 });
    assert!(matches!(refusal(unallocated), Unsound::Entry { at: VirtualChunk(8), .. }));
    let big = set().byte_order(ByteOrder::Big).map(0, 0, 2).map(1, 0, 4);
    assert_eq!(refusal(big), Unsound::NotDense { at: at(1), entry: entry(0, 4), used: 2 });
}

#[test]
fn geometry_that_does_not_hold_the_map_or_the_records() {
    let uncovered = Unsound::MapNotReserved { map_len: 512, reserved: 0 };
    assert_eq!(refusal(set().reserved(0)), uncovered);
    let half_a_sector = set().virtual_chunks(32);
    assert_eq!(refusal(half_a_sector), Unsound::BrokenSectors { len: 256, sector_size: 512 });
    let disagreeing = set().edit_record(1, |record| record.virsize += 128 << 10);
    assert!(matches!(refusal(disagreeing), Unsound::Problem(Problem::Disagrees { candidate: 1, .. })));
    let missing = set().edit_record(1, |record| record.no = 0);
    assert_eq!(refusal(missing), Unsound::Missing(ComponentIndex(1)));
}

/// A record may count a chunk that reaches into it. As long as nothing lies there all else is written to, and that chunk is
/// not handed out, nor anything that FreeBSD hands out after it.
#[test]
fn a_chunk_over_the_record_is_not_handed_out_and_what_lies_in_one_is_not_written_to() {
    let overlapping = |component| set().edit_record(component, |record| record.chunk_count = 8);
    for (component, room) in [(0, 5), (1, 12)] {
        let machine = Machine::new(overlapping(component).build().into_iter().map(|(_, disk)| disk));
        let mut writer = try_open(machine.disks()).unwrap();
        assert_eq!(writer.space().free_chunks, room);
        let before = disks_of(&machine);
        for chunk in 0..room {
            writer.write(chunk * (128 << 10), &[1; 128 << 10]).unwrap();
        }
        let refused = writer.write(room * (128 << 10), b"x");
        assert_eq!(refused, Err(WriteError::OutOfSpace { needed: 1, free: 0 }));
        writer.flush().unwrap();
        let record = |disk: &SparseDisk| disk.bytes(SIZE - 512, 84);
        let last = component;
        assert_eq!(record(&disks_of(&machine)[last]), record(&before[last]), "all but cursor and flags");
        writer.close().unwrap();
        drop(writer);
        let mut writer = try_open(machine.disks()).unwrap();
        assert_eq!(writer.space().free_chunks, 0);
        writer.write(0, &[2; 64]).unwrap();
        writer.close().unwrap();
    }
    let filled = |last| (2..=last).fold(overlapping(0), |set, chunk| set.map(u64::from(chunk), 0, chunk));
    let in_the_record = Unsound::OverRecord { at: VirtualChunk(7), entry: entry(0, 7) };
    assert_eq!(refusal(filled(7)), in_the_record);
    assert!(try_open(Machine::new(filled(6).build().into_iter().map(|(_, disk)| disk)).disks()).is_ok());
}

/// A big-endian map stays one.
#[test]
fn a_map_is_written_in_its_own_byte_order() {
    let set = set().byte_order(ByteOrder::Big).map(0, 0, 2).build();
    let machine = Machine::new(set.into_iter().map(|(_, disk)| disk));
    let mut writer = try_open(machine.disks()).unwrap();
    writer.write(128 << 10, b"x").unwrap();
    writer.close().unwrap();
    assert_eq!(machine.contents(0).bytes(0, 16), [0, 1, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3]);
}

/// The sets that FreeBSD's own code made, and where it damaged them. Those it left with old records (24, 39:
/// it would damage them with its next allocation) are sound for us, and for it after one write of ours.
#[test]
fn of_the_golden_sets_exactly_those_with_a_dense_map_are_written_to() {
    let mut opened = Vec::new();
    for golden in GoldenSet::all() {
        let Some(machine) = machine_of(&golden) else { continue };
        match try_open(machine.disks()) {
            Ok(mut writer) => {
                opened.push(golden.name.clone());
                let before = disks_of(&machine);
                fill(&mut writer);
                let disks = disks_of(&machine);
                if writer.volume().problems.iter().any(|it| matches!(it, Problem::ChunksPastEnd { .. })) {
                    // All of the records but their flags.
                    let record = |disk: &SparseDisk| disk.bytes(disk.size() - 512, 84);
                    assert!(before.iter().map(record).eq(disks.iter().map(record)), "{}", golden.name);
                } else {
                    OnDisk::read(&disks, 512).assert_sound(&disks, 512);
                }
            }
            Err(_) => assert_eq!(machine.moment(), 0, "{}", golden.name),
        }
    }
    let expected = [
        "01-fresh-single",
        "02-fresh-three",
        "04-full",
        "09-hardcoded-names",
        "10-hardcoded-long-name",
        "21-torn-map-without-data",
        "22-torn-data-without-map",
        "24-torn-closing-metadata",
        "26-add-then-use",
        "27-add-garbage-flags",
        "31-add-overlap-before",
        "33-unterminated-name",
        "38-shuffled",
        "39-crash-two-full",
        "43-map-write-error",
        "44-enospc-two-chunks-lost",
        "51-too-small-labelled",
        "53-default-geometry",
        "54-label-4g-overlap",
        "55-full-fill-constant",
        "56-empty-name",
        "58-delete",
        "ufs2-little",
    ];
    assert_eq!(opened, expected);
}

/// Writes a byte into each of the first holes until all is full, leaves without a close, and finds all bytes as
/// they were and as they were written.
fn fill(writer: &mut VolumeWriter<MachineDisk>) {
    let chunk_size = usize::try_from(writer.volume().chunk_size.bytes()).unwrap();
    let len = usize::try_from(writer.volume().size()).unwrap().min(16 << 20);
    let mut expected = vec![0; len];
    writer.read(0, &mut expected).unwrap();
    for chunk in 0..len / chunk_size {
        let position = chunk * chunk_size + chunk;
        match writer.write(position as u64, b"x") {
            Ok(()) => expected[position] = b'x',
            Err(error) => assert_eq!(error, WriteError::OutOfSpace { needed: 1, free: 0 }),
        }
    }
    writer.flush().unwrap();
    let mut bytes = vec![0; len];
    writer.read(0, &mut bytes).unwrap();
    assert!(bytes == expected);
}

/// The set's files in the order of their records' numbers, where each number is there once.
fn machine_of(golden: &GoldenSet) -> Option<Machine> {
    use virstor::format::{RECORD_LEN, Record};
    use virstor::io::ReadAt;
    let mut numbered: Vec<_> = golden
        .files
        .values()
        .map(|disk| (Record::decode(&disk.bytes(disk.size() - 512, RECORD_LEN)), disk.clone()))
        .filter(|(record, _)| record.has_magic())
        .map(|(record, disk)| (record.no.get(), disk))
        .collect();
    numbered.sort_by_key(|(number, _)| *number);
    let in_order = (0..).zip(&numbered).all(|(index, (number, _))| index == *number);
    (in_order && !numbered.is_empty()).then(|| Machine::new(numbered.into_iter().map(|(_, disk)| disk)))
}
