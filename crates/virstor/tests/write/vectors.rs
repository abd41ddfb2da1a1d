//! The vectors of writes: every byte of every component.

use virstor::label::{Provider, Request, plan};
use virstor::patch::perform;
use virstor_testkit::vectors::{WriteCase, write_cases};
use virstor_testkit::{Machine, SparseDisk, pattern, sha256_hex};

use crate::on_disk::OnDisk;
use crate::set::{contents, disks_of, open};

fn labelled(case: &WriteCase) -> Machine {
    let machine = Machine::new(case.providers.iter().map(|provider| SparseDisk::new(provider.size)));
    let provider =
        |provider: &'_ virstor_testkit::vectors::WriteProvider| (provider.name.clone(), provider.size);
    let named: Vec<(String, u64)> = case.providers.iter().map(provider).collect();
    let providers: Vec<_> = named
        .iter()
        .map(|(name, size)| Provider { name: name.as_bytes(), size: *size, sector_size: case.sector_size })
        .collect();
    let request = Request {
        name: case.name.as_bytes(),
        id: case.id,
        virtual_size: case.vir_size_asked,
        chunk_size: case.chunk_size,
        maxphys: case.maxphys.try_into().unwrap(),
        hardcode: false,
        providers: &providers,
        compat_freebsd: false,
    };
    perform(&plan(&request).unwrap().patches(), &machine.disks()).unwrap();
    machine
}

#[test]
fn every_component_is_what_freebsd_would_have_written() {
    for case in write_cases() {
        let machine = labelled(&case);
        let mut writer = open(&machine);
        for write in &case.writes {
            let mut data = vec![0; usize::try_from(write.len).unwrap()];
            pattern(write.seed, write.offset, &mut data);
            writer.write(write.offset, &data).unwrap();
        }
        writer.close().unwrap();
        assert_eq!(sha256_hex(&contents(&mut writer)), case.device_sha256, "{}", case.name);
        let disks = disks_of(&machine);
        for (disk, (name, expected)) in disks.iter().zip(&case.components_after_close) {
            assert_eq!(disk.sha256(), *expected, "{}/{name}", case.name);
        }
        let on_disk = OnDisk::read(&disks, case.sector_size.into());
        on_disk.assert_sound(&disks, case.sector_size.into());
        on_disk.assert_closed();
    }
}
