//! `repair`: a plan that mends what the check finds, and its execution.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;

use virstor::check::{Fault, Verdict};
use virstor::format::Name;
use virstor::io::{IoError, ReadAt};
use virstor::kernel::Tunables;
use virstor::patch::Patch;
use virstor::repair::Options;
use virstor_inspect::Heap;
use virstor_inspect::document::check::Check;
use virstor_inspect::document::repair::{BadPlan, PlanDisk, PlanPatch, RepairDocument, SavedPlan};
use virstor_inspect::repair::{Plan, PlanError, plan};

use crate::args::RepairArgs;
use crate::change::{self, Change, Place};
use crate::disk::{Disk, HostDisk};
use crate::failure::{Failure, Status, host_reason};
use crate::heap;
use crate::output::{self, note, shown};
use crate::progress::of_stages;
use crate::size::human;
use crate::verb::backup_map;

pub(crate) fn run(args: &RepairArgs) -> Result<Status, Failure> {
    change::refuse_twice(&args.input)?;
    let writes = (args.apply || args.apply_plan.is_some()) && !args.dry_run;
    let heap = heap::open_to_change(&args.input, args.output, writes)?;
    if let Some(path) = &args.apply_plan {
        return run_saved(args, &heap, path);
    }
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    let options = Options {
        lossy: args.lossy,
        convert_endian: args.convert_endian,
        only: (!args.only.is_empty()).then(|| args.only.iter().copied().collect()),
    };
    let look = virstor_inspect::Options { scan_len: args.input.scan, tunables: Tunables::default() };
    let plan = plan(&heap, number, look, &options, &mut of_stages(args.output))
        .map_err(|error| plan_failure(&error))?;
    let mut document = RepairDocument::new(&heap, &plan, &mut of_stages(args.output))
        .map_err(|(label, error)| file_failure(&label, &error))?;
    if args.apply || args.plan_out.is_some() {
        refuse_rivals(args, &heap, number, &plan)?;
    }
    if let Some(path) = &args.plan_out {
        let mut saved = document.plan.clone();
        saved.bind_chunks(&heap, &plan).map_err(|(label, error)| match of_specimen(&heap) {
            true => Failure::Operation(format!(
                "{label}: is in a specimen, which does not hold the chunks that the plan copies; save the plan where \
                 the files are"
            )),
            false => file_failure(&label, &error),
        })?;
        save(&saved, path)?;
    }
    let has_work = !plan.steps.is_empty();
    if args.apply && !args.dry_run && has_work {
        let patches = plan.steps.iter().flat_map(|step| step.step.patches.clone()).collect();
        let change = of_plan(&heap, &plan, patches)?;
        backup_map::before_change(&heap, number, args.output)?;
        let log = change.perform(args.undo_log.as_deref(), "repairing", args.output)?;
        document.applied = true;
        document.undo_log = Some(shown(&log));
        confirm(args, plan.name, &plan.after_report.verdict())?;
        print(args, &document)?;
        change::tell_log(&log, args.output);
    } else {
        print(args, &document)?;
        if has_work && !args.output.quiet && !args.output.json {
            note(match (of_specimen(&heap), copies(&plan)) {
                (false, _) => "nothing was written; --apply carries the plan out",
                (true, false) => "nothing was written; the plan can be carried out where the files are",
                (true, true) => {
                    "nothing was written; the plan copies chunks, which are not in a specimen: it can be saved and \
                     carried out where the files are"
                }
            });
        }
    }
    Ok(status(has_work, document.applied, plan.after_report.verdict()))
}

/// Whether only what a set says about itself is here.
fn of_specimen(heap: &Heap<Disk>) -> bool {
    heap.files().iter().filter_map(|file| file.disk.as_ref().ok()).any(|disk| disk.source().is_specimen())
}

/// Whether data of the volume is moved.
fn copies(plan: &Plan<Disk>) -> bool {
    plan.steps.iter().any(|step| step.step.patches.iter().any(|patch| patch.source().is_some()))
}

fn status(has_work: bool, applied: bool, after: Verdict) -> Status {
    match (has_work, applied, after) {
        (false, _, Verdict::Clean) => Status::Fine,
        (true, true, Verdict::Clean) => Status::Repaired,
        _ => Status::Damage,
    }
}

/// Refuses a set in which it is not clear what belongs to it, unless the user said so.
fn refuse_rivals(
    args: &RepairArgs,
    heap: &Heap<Disk>,
    number: usize,
    plan: &Plan<Disk>,
) -> Result<(), Failure> {
    let chosen = |candidate: usize| heap.files()[heap.located()[candidate].0].preferred;
    for finding in &plan.before.findings {
        match finding.fault {
            Fault::Duplicate { candidate, kept, index, .. } if !chosen(kept) => {
                let (one, other) = (heap.label_of(kept), heap.label_of(candidate));
                return Err(Failure::Operation(format!(
                    "both {one} and {other} are component {index}; choose one by --prefer"
                )));
            }
            Fault::NameShared { id, .. } if args.input.volume.is_none() => {
                let volume = &heap.volumes()[number];
                return Err(Failure::Operation(format!(
                    "another volume is called {}, too: id {id}; choose one by --volume {}/{}",
                    volume.name, volume.name, volume.id
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

fn of_plan(heap: &Heap<Disk>, plan: &Plan<Disk>, patches: Vec<Patch>) -> Result<Change, Failure> {
    let disks: Vec<(Place, &Disk, Vec<Range<u64>>)> = plan
        .disks
        .iter()
        .map(|disk| {
            let source = heap.files()[disk.file].disk.as_ref().expect("a disk of a plan can be read");
            (Place::new(heap, disk.file, disk.start, disk.len), source, disk.guarded.clone())
        })
        .collect();
    Change::new("repair", (plan.name, plan.id), &disks, patches)
}

/// Looks at the files once more: they must be what the plan said they would be.
fn confirm(args: &RepairArgs, name: Name, expected: &Verdict) -> Result<(), Failure> {
    let heap = heap::search(&args.input, args.output)?;
    let verdict = |number| heap.check(number, &mut of_stages(args.output)).verdict();
    if (0..heap.volumes().len()).any(|number| verdict(number) == *expected) {
        return Ok(());
    }
    Err(Failure::Operation(format!(
        "volume {name} is not what the plan made of it; 'virstor check' tells more, 'virstor undo' takes it back"
    )))
}

fn save(plan: &SavedPlan, path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Operation(format!("{}: cannot save the plan: {}", shown(path), host_reason(&error)))
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    let mut text = serde_json::to_string_pretty(plan).expect("it is plain data");
    text.push('\n');
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// A larger plan is none of ours.
const MOST_PLAN_BYTES: u64 = 1 << 30;

fn run_saved(args: &RepairArgs, heap: &Heap<Disk>, path: &Path) -> Result<Status, Failure> {
    let saved = read_plan(path)?;
    let bad = |what: &str| Failure::Operation(format!("{}: {what}", shown(path)));
    let patches = saved.patches().map_err(|error| bad(&bad_plan(&error, &[])))?;
    let most = virstor::undo::MAX_GUARDS;
    if saved.disks.iter().any(|disk| disk.guards.len() > most) {
        return Err(bad(&format!("has more than {most} guards for a disk")));
    }
    let name = Name(saved.name().ok_or_else(|| bad("is no plan: it names no volume"))?);
    let files = assign(&saved, heap)?;
    let disk = |file: &usize| heap.files()[*file].disk.as_ref().expect("it was read just now").clone();
    let labels: Vec<&str> = files.iter().map(|file| heap.files()[*file].label.as_str()).collect();
    let verified = saved.verify(files.iter().map(disk).collect());
    verified.map_err(|error| bad(&bad_plan(&error, &labels)))?;
    let disks: Vec<(Place, &Disk, Vec<Range<u64>>)> = saved
        .disks
        .iter()
        .zip(&files)
        .map(|(disk, file)| {
            let source = heap.files()[*file].disk.as_ref().expect("it was read just now");
            let guarded = disk.guards.iter().map(|guard| guard.offset..guard.offset + guard.length).collect();
            (Place::new(heap, *file, disk.start, disk.length), source, guarded)
        })
        .collect();
    let change = Change::new(&saved.verb, (name, saved.id), &disks, patches)?;
    let number = heap.volumes().iter().position(|volume| volume.name == name && volume.id == saved.id);
    let Some(number) = number else {
        return Err(Failure::Operation(format!("there is no volume {}/{} here", saved.volume, saved.id)));
    };
    let before = heap.check(number, &mut of_stages(args.output)).verdict();
    if args.dry_run || change.is_empty() {
        if !args.output.quiet {
            note("the plan fits these files; nothing was written");
        }
        return Ok(if before == Verdict::Clean { Status::Fine } else { Status::Damage });
    }
    backup_map::before_change(heap, number, args.output)?;
    let log = change.perform(args.undo_log.as_deref(), "repairing", args.output)?;
    let looked = heap::open(&args.input, args.output, Tunables::default())?;
    let after = heap::choose_one(&looked, &args.input, args.output)?;
    let Check { verdict, findings: left, .. } =
        Check::new(&looked, &[after], false, &mut of_stages(args.output));
    let info = virstor_inspect::document::info::Info::new(&looked, &[after]);
    let document = RepairDocument {
        verdict: virstor_inspect::document::check::verdict(before),
        verdict_after: verdict,
        kernel_after: info.volumes[0].kernel.taste.clone(),
        applied: true,
        undo_log: Some(shown(&log)),
        plan: saved,
        declined: None,
        left,
    };
    print(args, &document)?;
    change::tell_log(&log, args.output);
    Ok(if verdict == "clean" { Status::Repaired } else { Status::Damage })
}

fn read_plan(path: &Path) -> Result<SavedPlan, Failure> {
    let failed = |reason: String| Failure::Operation(format!("{}: {reason}", shown(path)));
    let disk = HostDisk::open(path).map_err(failed)?;
    let size = disk.size();
    if size > MOST_PLAN_BYTES {
        return Err(failed(format!("has {size} bytes; a plan has at most {MOST_PLAN_BYTES}")));
    }
    let mut text = vec![0; usize::try_from(size).expect("it was checked against the most")];
    disk.read_at(0, &mut text).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| failed(format!("is no plan: {error}")))
}

/// What is wrong with a plan whose disks are the files called `labels`.
fn bad_plan(error: &BadPlan, labels: &[&str]) -> String {
    match error {
        BadPlan::Format => "is no plan".into(),
        BadPlan::Version(version) => format!("has version {version} of plans; this program knows version 1"),
        BadPlan::Patch { step, patch } => format!("patch {patch} of step {step} cannot be done"),
        BadPlan::Order => "has patches whose order is not told and would matter".into(),
        BadPlan::Differs { step, patch, disk, offset } => format!(
            "patch {patch} of step {step} does not replace what stands at offset {offset} of {}; nothing was changed; \
             make a new plan",
            labels[*disk]
        ),
        BadPlan::Unreadable { disk, error } => format!("{}: {error}", labels[*disk]),
    }
}

/// Which file each disk of a saved plan is: one that holds what the plan rests on; its name decides where several do.
fn assign(saved: &SavedPlan, heap: &Heap<Disk>) -> Result<Vec<usize>, Failure> {
    let mut files = Vec::new();
    for disk in &saved.disks {
        let fits = |file: &usize| fits(disk, heap, *file);
        let fitting: Vec<usize> = (0..heap.files().len()).filter(fits).collect();
        let named = |file: &&usize| base_name(&heap.files()[**file].label) == base_name(&disk.file);
        let chosen = fitting.iter().find(named).or_else(|| fitting.first().filter(|_| fitting.len() == 1));
        match (chosen, fitting.len()) {
            (Some(file), _) => files.push(*file),
            (None, 0) => {
                return Err(Failure::Operation(format!(
                    "{}: no FILE holds what the plan was made for; make a new plan",
                    disk.file
                )));
            }
            (None, count) => {
                return Err(Failure::Usage(format!(
                    "{}: {count} FILEs could be it; give one of them",
                    disk.file
                )));
            }
        }
    }
    Ok(files)
}

fn base_name(label: &str) -> &str {
    label.rsplit('/').next().unwrap_or(label)
}

fn fits(disk: &PlanDisk, heap: &Heap<Disk>, file: usize) -> bool {
    let Ok(bytes) = &heap.files()[file].disk else { return false };
    let end = disk.start.checked_add(disk.length);
    if bytes.size() != disk.file_size || end.is_none_or(|end| end > bytes.size()) {
        return false;
    }
    disk.guards.iter().chain(&disk.chunks).all(|guard| {
        let within = guard.offset.checked_add(guard.length).is_some_and(|end| end <= disk.length);
        let now = || virstor::undo::hash_of(bytes, disk.start + guard.offset, guard.length).ok();
        within && guard.guard().is_some_and(|guard| now() == Some(guard.hash))
    })
}

fn print(args: &RepairArgs, document: &RepairDocument) -> Result<(), Failure> {
    if args.output.json {
        output::print_json(document)
    } else if args.output.quiet {
        Ok(())
    } else {
        output::print(&text(document))
    }
}

fn text(document: &RepairDocument) -> String {
    let plan = &document.plan;
    // A saved plan may have been written by anybody.
    let name = if plan.volume.is_empty() { "(without a name)".into() } else { shown(&plan.volume) };
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    _ = writeln!(text, "volume {name} (id {}): {}", plan.id, document.verdict);
    for step in &plan.steps {
        let (number, action, codes) = (step.number, shown(&step.action), shown(step.codes.join(", ")));
        _ = writeln!(text, "\n  {number}. {action} [{codes}]");
        let safe = if step.lossy { "gives up" } else { "safe" };
        _ = writeln!(text, "     {safe}: {}; changes {}", shown(&step.why), human(step.bytes));
        _ = writeln!(text, "     {}", shown(&step.freebsd));
        for line in step.patches.iter().filter_map(|patch| bytes(patch, &plan.disks)).take(MOST_LINES) {
            _ = writeln!(text, "     {line}");
        }
    }
    if let Some(declined) = &document.declined {
        _ = writeln!(text, "\n  no further step, for data would be lost: {declined}");
    }
    if !document.left.is_empty() {
        _ = writeln!(text, "\n  left:");
    }
    for finding in &document.left {
        let how = match finding.repair {
            "lossy" => "; --lossy would mend it by giving something up",
            "safe" if document.declined.is_none() => "; it can be mended: see the options",
            _ => "",
        };
        let (severity, message, code) = (finding.severity, &finding.message, finding.code);
        _ = writeln!(text, "  - {severity}: {message} [{code}]{how}");
    }
    let (done, after) = (if document.applied { "now" } else { "then" }, document.verdict_after);
    _ = writeln!(text, "\n{done}: {after}; FreeBSD {}", kernel(&document.kernel_after));
    text
}

/// So many patches of a step are shown byte by byte.
const MOST_LINES: usize = 8;

fn kernel(taste: &str) -> &'static str {
    match taste {
        "starts" => "starts the volume",
        "panics" => "panics",
        _ => "does not start the volume",
    }
}

/// What a write changes: the first bytes that differ, before and after.
fn bytes(patch: &PlanPatch, disks: &[PlanDisk]) -> Option<String> {
    const SHOWN: usize = 16;
    let (before, after) = (patch.before.as_ref()?.as_bytes(), patch.after.as_ref()?.as_bytes());
    let disk = disks.get(usize::from(patch.disk?))?;
    let differs = |index: &usize| before.get(*index) != after.get(*index);
    // Two digits make a byte.
    let first = (0..after.len()).find(differs)? / 2;
    let last = (0..after.len()).rev().find(differs)? / 2;
    let end = (last + 1).min(first + SHOWN);
    let digits =
        |text: &[u8]| String::from_utf8_lossy(text.get(first * 2..end * 2).unwrap_or_default()).into_owned();
    let more = if last >= end { " ..." } else { "" };
    let offset = disk.start + patch.offset? + first as u64;
    Some(format!("{} at {offset}: {} -> {}{more}", shown(&disk.file), digits(before), digits(after)))
}

fn plan_failure(error: &PlanError) -> Failure {
    match error {
        PlanError::File { label, error } => file_failure(label, error),
        PlanError::Changed => {
            Failure::Operation("the map changed while it was looked at; nothing was done".into())
        }
        PlanError::Endless => {
            Failure::Operation("no plan comes to an end; please report this with 'virstor collect'".into())
        }
        PlanError::Vanishes => Failure::Operation(
            "no plan leaves a volume; nothing was done; please report this with 'virstor collect'".into(),
        ),
    }
}

fn file_failure(label: &str, error: &IoError) -> Failure {
    Failure::Operation(format!("{label}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plan_says_plays_no_tricks_on_the_terminal() {
        let trick = "\u{1b}[7m\nx";
        let patch =
            serde_json::json!({"kind": "write", "disk": 0, "offset": 0, "before": "00", "after": "01"});
        let step = serde_json::json!({
            "number": 1, "codes": [trick], "action": trick, "lossy": false, "why": trick, "freebsd": trick,
            "bytes": 1, "patches": [patch],
        });
        let disk = serde_json::json!({"file": trick, "file_size": 1, "start": 0, "length": 1, "guards": []});
        let plan = serde_json::json!({
            "format": "virstor-plan", "version": 1, "verb": "repair", "volume": trick, "name": "", "id": 7,
            "disks": [disk], "steps": [step],
        });
        let document = RepairDocument {
            verdict: "damaged",
            verdict_after: "clean",
            kernel_after: "starts".into(),
            applied: false,
            undo_log: None,
            plan: serde_json::from_value(plan).expect("nothing is missing"),
            declined: None,
            left: Vec::new(),
        };
        let text = text(&document);
        assert_eq!(text.matches(r"\x1b[7m\x0ax").count(), 6, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
