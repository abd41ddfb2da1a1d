//! Components that come to and leave a volume while it is written.

use virstor::change::add::AddError;
use virstor::change::remove::RemoveError;
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::label::Provider;
use virstor::write::{MemberError, VolumeWriter, WriteError};
use virstor_testkit::{Machine, MachineDisk, SparseDisk};

use crate::changes::assert_clean;
use crate::set::{CHUNK, STALE, contents, disks_of, open, small_set, try_open};

/// The machine's disks, and behind them some with old contents, room for so many chunks each.
pub(crate) fn with_spare_disks(machine: &Machine, chunks: &[u64]) -> Machine {
    let spare = chunks.iter().map(|count| {
        let mut disk = SparseDisk::new(count * CHUNK as u64 + 1024);
        let stale = vec![STALE; usize::try_from(disk.size()).unwrap()];
        disk.write_at(0, &stale).unwrap();
        disk
    });
    Machine::new(disks_of(machine).into_iter().chain(spare))
}

fn provider(disk: &impl ReadAt) -> Provider<'static> {
    Provider { name: b"new", size: disk.size(), sector_size: 512 }
}

fn add(writer: &mut VolumeWriter<MachineDisk>, disks: &[MachineDisk]) -> Result<(), MemberError> {
    writer.add_components(disks.iter().map(|disk| (provider(disk), disk.clone())).collect(), false)
}

fn write(writer: &mut VolumeWriter<MachineDisk>, chunk: u64) -> Result<(), WriteError> {
    writer.write(chunk * CHUNK as u64 + 5, b"x")
}

#[test]
fn a_full_volume_goes_on_with_what_is_added() {
    let machine = with_spare_disks(&small_set(&[4], 64), &[4, 5]);
    let disks = machine.disks();
    let mut writer = try_open(disks[..1].to_vec()).unwrap();
    write(&mut writer, 0).unwrap();
    write(&mut writer, 1).unwrap();
    assert_eq!(write(&mut writer, 2), Err(WriteError::OutOfSpace { needed: 1, free: 0 }));
    add(&mut writer, &disks[1..]).unwrap();
    assert_eq!(writer.space().free_chunks, 9);
    (2..11).for_each(|chunk| write(&mut writer, chunk).unwrap());
    let bytes = contents(&mut writer);
    writer.close().unwrap();
    assert_clean(&disks_of(&machine));
    assert_eq!(contents(&mut open(&machine)), bytes);
}

#[test]
fn an_empty_component_leaves_and_one_in_use_stays() {
    let machine = small_set(&[4, 4, 4, 4], 64);
    let mut writer = open(&machine);
    (0..3).for_each(|chunk| write(&mut writer, chunk).unwrap());
    let bytes = contents(&mut writer);
    let in_use = RemoveError::InUse { component: ComponentIndex(1), chunks: 1 };
    let indexes = |indexes: &[u16]| indexes.iter().copied().map(ComponentIndex).collect::<Vec<_>>();
    assert_eq!(writer.remove_components(&indexes(&[1])), Err(MemberError::Remove(in_use)));
    assert_eq!(writer.remove_components(&indexes(&[0])), Err(MemberError::Remove(RemoveError::HoldsMap)));
    writer.remove_components(&indexes(&[2])).unwrap();
    assert_eq!((writer.space().free_chunks, writer.volume().component_count), (7, 3));
    assert_eq!(contents(&mut writer), bytes);
    writer.write(20 * CHUNK as u64, &[3; 7 * CHUNK]).unwrap();
    let bytes = contents(&mut writer);
    writer.close().unwrap();
    let disks = disks_of(&machine);
    assert_eq!(disks[2].bytes(disks[2].size() - 512, 512), [0; 512], "nobody's component");
    let members = [disks[0].clone(), disks[1].clone(), disks[3].clone()];
    assert_clean(&members);
    assert_eq!(contents(&mut open(&Machine::new(members))), bytes);
}

#[test]
fn what_cannot_be_a_component_is_refused_before_anything_is_written() {
    let machine = with_spare_disks(&small_set(&[4], 64), &[2]);
    let disks = machine.disks();
    let mut writer = try_open(disks[..1].to_vec()).unwrap();
    let refused = |error| Err(MemberError::Add(error));
    let size = 2 * CHUNK as u64 + 1024;
    let too_small = AddError::TooSmall { new: 0, size, needed: 4 * CHUNK as u64 };
    assert_eq!(add(&mut writer, &disks[1..]), refused(too_small));
    let other_sectors = (Provider { sector_size: 4096, ..provider(&disks[1]) }, disks[1].clone());
    let expected = AddError::SectorSizesDiffer { new: 0, sector_size: 4096, expected: 512 };
    assert_eq!(writer.add_components(vec![other_sectors], false), refused(expected));
    assert_eq!(add(&mut writer, &[]), refused(AddError::NoComponents));
    assert_eq!(machine.moment(), 0);
}

/// Every operation of adding and removing fails once: the volume goes on, a second try works, and closing leaves a
/// clean set.
#[test]
fn a_disk_that_fails_while_components_change_costs_nothing() {
    let mut failures = 0;
    for number in 0.. {
        let machine = with_spare_disks(&small_set(&[4, 4], 64), &[4]);
        let disks = machine.disks();
        let mut writer = try_open(disks[..2].to_vec()).unwrap();
        write(&mut writer, 0).unwrap();
        let start = machine.operations();
        machine.fail(start + number);
        let mut again = |result: Result<(), MemberError>| {
            failures += usize::from(result.is_err());
            result.is_err()
        };
        if again(add(&mut writer, &disks[2..])) {
            write(&mut writer, 9).unwrap();
            add(&mut writer, &disks[2..]).unwrap();
        }
        if again(writer.remove_components(&[ComponentIndex(1)])) {
            write(&mut writer, 9).unwrap();
            writer.remove_components(&[ComponentIndex(1)]).unwrap();
        }
        if machine.operations() <= start + number {
            break;
        }
        let bytes = contents(&mut writer);
        writer.close().unwrap();
        let all = disks_of(&machine);
        let members = [all[0].clone(), all[2].clone()];
        assert_clean(&members);
        assert_eq!(contents(&mut open(&Machine::new(members))), bytes);
    }
    assert!(failures > 15, "{failures} operations failed");
}
