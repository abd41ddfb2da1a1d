//! The power is cut at every moment of a repair and of its undo: what is found can be repaired as if nothing had
//! happened, and the log undoes what was done.

use virstor::check::{Code, Repair, Verdict};
use virstor::repair::{Loss, Options};
use virstor_testkit::{GoldenSet, Machine, SetBuilder, SparseDisk, SplitMix64};

use crate::damage::{DAMAGES, Set};
use crate::promises::{is_mended, nothing_is_lost};
use crate::support::{Device, Files, apply, undo};

#[test]
fn golden_sets() {
    for name in GoldenSet::names() {
        let files = Files::of(&GoldenSet::load(&name));
        survives_cuts(&files, false, &name);
    }
}

#[test]
fn generated_damage() {
    for (number, damage) in (0..).zip(DAMAGES) {
        let mut set = Set::sound();
        (damage.inflict)(&mut set, &mut SplitMix64::new(1));
        survives_cuts(&set.files(), number % 2 == 0, damage.name);
    }
}

#[test]
fn chunks_that_come_forward() {
    for (count, lossy) in [(1, false), (3, true)] {
        survives_cuts(&Set::with_later_chunks(count).files(), lossy, &format!("{count} chunks"));
    }
}

/// Gaps of one and of two numbers before components in use, and numbers behind the last.
#[test]
fn components_that_are_gone_are_dropped_number_by_number() {
    for gone in [&[1, 2, 4][..], &[1, 3, 5], &[1, 2], &[2, 4, 5]] {
        let mut builder = SetBuilder::new("data").components([1 << 20; 6]).virtual_chunks(128).filled(7);
        let there = (0..6_u16).filter(|component| !gone.contains(component));
        let chunks = |component: u16| {
            let reserved = if component == 0 { 2 } else { 0 };
            (0..2).map(move |chunk| (component, reserved + chunk))
        };
        for (number, (component, chunk)) in (0..).zip(there.flat_map(chunks)) {
            builder = builder.map(number * 13, component, chunk);
        }
        let mut files = builder.build();
        for component in gone.iter().rev() {
            files.remove(usize::from(*component));
        }
        survives_cuts(&Files::new(files, 512), true, &format!("without {gone:?}"));
    }
}

/// Every other one is gone: each gap is closed by itself, which for too many is more than a plan can hold. They are not
/// promised to be dropped then.
#[test]
fn so_many_gaps_are_closed_as_are_promised() {
    for (components, repair, steps) in [(60, Repair::Lossy, 50..100), (420, Repair::None, 0..1)] {
        let mut files =
            SetBuilder::new("data").components(vec![1 << 20; components]).virtual_chunks(128).build();
        let mut number = 0;
        files.retain(|_| {
            number += 1;
            number % 2 == 1
        });
        let files = Files::new(files, 512);
        let plan = files.plan(&Options { lossy: true, convert_endian: false, only: None });
        let missing = plan.before.findings.iter().filter(|finding| finding.code() == Code::ComponentMissing);
        assert!(missing.map(|finding| finding.repair).all(|promised| promised == repair), "{components}");
        assert!(steps.contains(&plan.steps.len()), "{components}: {}", plan.steps.len());
        let verdict = if repair == Repair::None { Verdict::Unusable } else { Verdict::Clean };
        assert_eq!(plan.after_report.verdict(), verdict, "{components}");
    }
}

fn survives_cuts(files: &Files, lossy: bool, name: &str) {
    let options = Options { lossy, convert_endian: true, only: None };
    if files.look().volumes().is_empty() {
        return;
    }
    let plan = files.plan(&options);
    assert_eq!(plan.declined, None, "{name}");
    if plan.steps.is_empty() {
        return;
    }
    // With a component on which nothing lies no byte is given up.
    let loses = |loss: &Loss| !matches!(loss, Loss::Components { .. });
    let gives_up = plan.steps.iter().any(|step| step.step.loss.as_ref().is_some_and(loses));
    let verdict = plan.after_report.verdict();
    let before = files.device(0);
    let machine = files.machine(&SparseDisk::new(64 << 20));
    apply(&plan, &machine).expect("memory");
    undo(&machine);
    let mut seen: Vec<Vec<SparseDisk>> = Vec::new();
    let mut random = SplitMix64::new(3);
    machine.for_each_cut(|cut| {
        cut.for_each_image(8, &mut random, |found| {
            let again = Machine::new(found.to_vec());
            undo(&again);
            let restored = (0..files.disks.len()).all(|number| again.contents(number) == files.disks[number]);
            assert!(restored, "{name}: the cut at {} is undone", cut.moment());
            let disks = found[..files.disks.len()].to_vec();
            if seen.contains(&disks) {
                return;
            }
            seen.push(disks);
            let found = files.found(found);
            let mended = mend(&found, &options, verdict, (!gives_up).then_some(&before));
            if let Err(why) = mended {
                panic!("{name}: the cut at {}: {why}", cut.moment());
            }
        });
    });
}

/// Repairs what a cut left: it must come to what was meant.
fn mend(found: &Files, options: &Options, verdict: Verdict, before: Option<&Device>) -> Result<(), String> {
    let plan = found.plan(options);
    let machine = found.machine(&SparseDisk::new(64 << 20));
    apply(&plan, &machine).map_err(|error| format!("{error:?}"))?;
    let disks: Vec<SparseDisk> = (0..found.disks.len()).map(|number| machine.contents(number)).collect();
    let after = found.found(&disks);
    is_mended(&after, options)?;
    if plan.after_report.verdict() > verdict {
        return Err(format!(
            "{:?} instead of {verdict:?}: {:?}",
            plan.after_report.verdict(),
            plan.after_report.findings
        ));
    }
    before.map_or(Ok(()), |before| nothing_is_lost(before, &after.device(plan.after_volume)))
}
