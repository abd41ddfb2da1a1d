//! What is promised about every repair, whatever it is of.

use virstor::check::{Finding, Repair, Verdict};
use virstor::repair::Options;
use virstor_testkit::SparseDisk;

use crate::support::{Chunk, Device, Files, apply, log_disk, undo};

/// Repairs the first volume of `files` and undoes that; says which promise was broken.
pub(crate) fn keeps_its_promises(files: &Files, lossy: bool) -> Result<(), String> {
    if files.look().volumes().is_empty() {
        return Ok(());
    }
    let options = Options { lossy, convert_endian: true, only: None };
    let plan = files.plan(&options);
    if plan.before.verdict() == Verdict::Clean && plan.before.findings.is_empty() && !plan.steps.is_empty() {
        return Err(format!("clean, and yet: {:?}", plan.steps));
    }
    if !lossy && plan.steps.iter().any(|step| step.step.loss.is_some()) {
        return Err("gives something up unasked".into());
    }
    let machine = files.machine(&log_disk());
    apply(&plan, &machine).map_err(|error| format!("{error:?}"))?;
    let disks: Vec<SparseDisk> = (0..files.disks.len()).map(|number| machine.contents(number)).collect();
    let after = files.found(&disks);
    // What is declined is left as it was found; that it is told is all that can be had.
    if plan.declined.is_none() {
        is_mended(&after, &options)?;
    }
    let again = after.plan(&options);
    if !again.steps.is_empty() || again.declined != plan.declined {
        return Err(format!("a second repair does something: {:#?}, {:?}", again.steps, again.declined));
    }
    if again.before != plan.after_report {
        return Err(format!("planned {:#?}, got {:#?}", plan.after_report, again.before));
    }
    let gave_up = plan.steps.iter().any(|step| step.step.loss.is_some());
    if !gave_up {
        nothing_is_lost(&files.device(0), &after.device(plan.after_volume))?;
    }
    undo(&machine);
    match (0..files.disks.len()).find(|number| machine.contents(*number) != files.disks[*number]) {
        Some(number) => Err(format!("after the undo file {number} is not what it was")),
        None => Ok(()),
    }
}

/// Nothing that can be mended is left, and a second repair would do nothing.
pub(crate) fn is_mended(after: &Files, options: &Options) -> Result<(), String> {
    let again = after.plan(options);
    if !again.steps.is_empty() {
        return Err(format!("a second repair does something: {:#?}", again.steps));
    }
    let mendable = |finding: &&Finding| {
        finding.repair == Repair::Safe || (options.lossy && finding.repair == Repair::Lossy)
    };
    let left: Vec<_> = again.before.findings.iter().filter(mendable).collect();
    if !left.is_empty() {
        return Err(format!("not mended: {left:?}"));
    }
    if again.before.verdict() == Verdict::Clean && after.taste(0) != "starts" {
        return Err(format!("clean, but FreeBSD {}", after.taste(0)));
    }
    Ok(())
}

/// Every chunk that could be read, holes among them, has the bytes it had. There may be more chunks now.
pub(crate) fn nothing_is_lost(before: &Device, after: &Device) -> Result<(), String> {
    if after.count < before.count {
        return Err(format!("{} virtual chunks have become {}", before.count, after.count));
    }
    for at in before.chunks.keys().chain(after.chunks.keys()).filter(|at| **at < before.count) {
        let of = |device: &Device| device.chunks.get(at).cloned().unwrap_or(Some(Chunk::default()));
        let (Some(old), new) = (of(before), of(after)) else { continue };
        if new.is_none_or(|new| !old.reads_as(&new)) {
            return Err(format!("virtual chunk {at} reads differently"));
        }
    }
    Ok(())
}
