//! Every golden set, repaired and undone.

use virstor::check::{Finding, Repair, Verdict};
use virstor::repair::Options;
use virstor_testkit::golden::GoldenSet;

use crate::support::{Files, apply, log_disk, undo};

#[test]
fn every_golden_set_is_repaired_and_undone() {
    let mut failed = Vec::new();
    for name in GoldenSet::names() {
        for lossy in [false, true] {
            if let Err(why) = golden(&name, lossy) {
                failed.push(format!("{name}, lossy {lossy}: {why}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn golden(name: &str, lossy: bool) -> Result<(), String> {
    let set = GoldenSet::load(name);
    let files = Files::of(&set);
    let options = Options { lossy, ..Options::default() };
    let plan = files.plan(&options);
    if plan.before.verdict() == Verdict::Clean && !plan.steps.is_empty() {
        return Err(format!("clean, and yet: {:?}", plan.steps));
    }
    let machine = files.machine(&log_disk());
    apply(&plan, &machine).map_err(|error| format!("{error:?}"))?;
    let disks: Vec<_> = (0..files.disks.len()).map(|number| machine.contents(number)).collect();
    let after = files.found(&disks);
    let again = after.plan(&options);
    if again.before != plan.after_report {
        return Err(format!("planned {:#?}, got {:#?}", plan.after_report, again.before));
    }
    if !again.steps.is_empty() {
        return Err(format!("a second repair does something: {:?}", again.steps));
    }
    let mendable =
        |finding: &&Finding| finding.repair == Repair::Safe || (lossy && finding.repair == Repair::Lossy);
    let left: Vec<_> = again.before.findings.iter().filter(mendable).collect();
    if !left.is_empty() {
        return Err(format!("not mended: {left:?}"));
    }
    if again.before.verdict() == Verdict::Clean && after.taste(0) != "starts" {
        return Err(format!("clean, but FreeBSD {}", after.taste(0)));
    }
    if !lossy && set.is_up() {
        let (before, now) = (files.device(0), after.device(0));
        let same = before.iter().zip(&now).all(|(before, now)| before == now || before.is_empty());
        if !same {
            return Err("the device's bytes changed".into());
        }
    }
    undo(&machine);
    for (number, disk) in files.disks.iter().enumerate() {
        if machine.contents(number) != *disk {
            return Err(format!("file {number} is not what it was"));
        }
    }
    Ok(())
}
