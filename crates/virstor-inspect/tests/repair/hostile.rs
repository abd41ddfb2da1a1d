//! Heaps with anything wrong: a plan comes to an end, can be performed, and leaves nothing that another would do.

use std::ops::ControlFlow;

use virstor::io::ReadAt;
use virstor::patch::{Patch, groups, is_ambiguous};
use virstor::repair::Options;
use virstor_inspect::repair::{PlanError, plan};
use virstor_inspect::{Heap, InputFile};
use virstor_testkit::for_each_seed;
use virstor_testkit::hostile::{Choices, HostileDisk, HostileHeap};

#[test]
fn no_heap_breaks_the_planning_of_its_repair() {
    for_each_seed(0..1500, |random| {
        let mut bytes = vec![0; usize::try_from(random.within(8..600)).expect("short")];
        random.fill(&mut bytes);
        check(&bytes, random.below(2) == 1);
    });
}

fn check(bytes: &[u8], lossy: bool) {
    let case = HostileHeap::decode(&mut Choices::new(bytes));
    let file = |file: &virstor_testkit::hostile::HostileFile| InputFile {
        label: file.name.clone(),
        provider: file.name.clone().into_bytes(),
        disk: Ok(file.disk()),
        sector_size: file.sector_size,
        preferred: file.preferred,
    };
    let look = virstor_inspect::Options { scan_len: case.scan_len, ..Default::default() };
    let files: Vec<InputFile<HostileDisk>> = case.files.iter().map(file).collect();
    let heap = Heap::look(files, look, &mut |_, _, _| ControlFlow::Continue(()));
    let options = Options { lossy, convert_endian: true, only: None };
    let may_fail = case.files.iter().any(virstor_testkit::hostile::HostileFile::fails);
    for volume in 0..heap.volumes().len() {
        let made = match plan(&heap, volume, look, &options, &mut |_, _, _| ControlFlow::Continue(())) {
            Ok(made) => made,
            Err(error) => {
                assert!(may_fail && error != PlanError::Endless, "{error:?}");
                continue;
            }
        };
        let patches: Vec<Patch> = made.steps.iter().flat_map(|step| step.step.patches.clone()).collect();
        assert!(!groups(&patches).any(is_ambiguous));
        for target in patches.iter().flat_map(|patch| patch.target().into_iter().chain(patch.source())) {
            let disk = &made.disks[target.component.as_usize()];
            assert!(target.range.end <= disk.len, "within the disk");
            assert!(disk.start + disk.len <= case.files[disk.file].contents.size(), "within the file");
        }
        if !may_fail {
            let again =
                plan(
                    &made.after,
                    made.after_volume,
                    look,
                    &options,
                    &mut |_, _, _| ControlFlow::Continue(()),
                );
            let again = again.expect("files in memory can be read");
            assert!(again.steps.is_empty(), "{:?}", again.steps);
        }
    }
}
