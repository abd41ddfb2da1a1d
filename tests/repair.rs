//! `repair` and `undo` as programs, in every runtime: what is mended, what is refused, and that every byte comes back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;
use virstor_testkit::golden::{Expect, GoldenSet};
use virstor_testkit::sha256_of_file;
use virstor_tests::runtime::{Run, Runtime};

/// Sets, and what `repair --apply` ends with: 1 mended, 4 something is left.
const SETS: [(&str, i32); 8] = [
    ("11-grown-provider", 1),
    ("15-map-provider-out-of-range", 4),
    ("18-map-odd-flags", 1),
    ("19-map-two-on-one", 1),
    ("29-remove-middle-dead", 1),
    ("35-unterminated-magic", 1),
    ("39-crash-two-full", 1),
    ("45-meta-read-error", 1),
];

fn main() {
    let mut trials = Vec::new();
    for runtime in Runtime::ALL {
        let mut add = |name: String, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
            let trial = Trial::test(format!("{name}::{}", runtime.name()), test);
            trials.push(trial.with_ignored_flag(!runtime.is_there()));
        };
        for (set, status) in SETS {
            add(format!("repair::{set}"), Box::new(move || apply(set, status, runtime)));
        }
        add("saved_plan".into(), Box::new(move || saved_plan(runtime)));
        add("on_paper".into(), Box::new(move || on_paper(runtime)));
        add("refusals".into(), Box::new(move || refusals(runtime)));
        add("logs".into(), Box::new(move || logs(runtime)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A golden set in a folder of its own.
struct Place {
    folder: TempDir,
    files: Vec<String>,
}

impl Place {
    fn new(set: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let set = GoldenSet::load(set);
        set.unpack_to(folder.path()).expect("a set can be unpacked");
        let files = match &set.expect {
            Expect::Kernel(case) => case.taste_order.clone(),
            Expect::FileSystem(_) => set.files.keys().cloned().collect(),
        };
        Self { folder, files }
    }

    fn run(&self, runtime: Runtime, arguments: &[&str]) -> Run {
        let files = self.files.iter().map(String::as_str);
        let arguments: Vec<&str> = arguments.iter().copied().chain(files).collect();
        runtime.run(self.folder.path(), &arguments)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The hashes of the components.
    fn hashes(&self) -> BTreeMap<String, String> {
        let name = |file: &String| file.split_once('=').map_or(file.as_str(), |(_, file)| file).to_string();
        let hash = |file: String| {
            let hash = sha256_of_file(&self.path().join(&file)).expect("it is there");
            (file, hash)
        };
        self.files.iter().map(name).map(hash).collect()
    }
}

fn ended(run: &Run, status: i32) -> Result<(), Failed> {
    if run.status == Some(status) {
        return Ok(());
    }
    let stdout = String::from_utf8_lossy(&run.stdout);
    Err(format!("ended with {:?}, not {status}: {}{stdout}", run.status, run.stderr).into())
}

fn json(run: &Run) -> Value {
    serde_json::from_slice(&run.stdout).expect("it prints JSON")
}

fn check(condition: bool, what: &str) -> Result<(), Failed> {
    if condition { Ok(()) } else { Err(what.into()) }
}

/// Planning writes nothing; applying does what was planned; undoing gives every byte back, and twice does no harm.
fn apply(set: &str, status: i32, runtime: Runtime) -> Result<(), Failed> {
    let place = Place::new(set);
    let before = place.hashes();
    let planned = place.run(runtime, &["repair", "--json"]);
    ended(&planned, 4)?;
    ended(&place.run(runtime, &["repair", "--apply", "--dry-run"]), 4)?;
    check(place.hashes() == before, "planning wrote something")?;

    let applied = place.run(runtime, &["repair", "--apply", "--json"]);
    ended(&applied, status)?;
    let (planned, applied) = (json(&planned), json(&applied));
    check(planned["plan"] == applied["plan"], "another plan was carried out")?;
    if planned["plan"]["steps"] == Value::Array(Vec::new()) {
        return check(place.hashes() == before, "there was nothing to do");
    }
    check(place.hashes() != before, "nothing was done")?;
    ended(&place.run(runtime, &["check", "--json"]), if status == 1 { 0 } else { 4 })?;
    ended(&place.run(runtime, &["repair", "--apply"]), if status == 1 { 0 } else { 4 })?;

    let log = applied["undo_log"].as_str().ok_or("there is a log")?;
    ended(&place.run(runtime, &["undo", "--dry-run", log]), 0)?;
    check(place.hashes() != before, "a dry run wrote something")?;
    for _ in 0..2 {
        ended(&place.run(runtime, &["undo", log]), 0)?;
        check(place.hashes() == before, "the undo does not give back what was")?;
    }
    Ok(())
}

/// A way to tamper with a patch of a saved plan, and what is then said of it.
type Tampering = (fn(&mut Value), &'static str);

/// All that are tried.
const TAMPERINGS: [Tampering; 3] = [
    (
        |patch| patch["offset"] = (patch["offset"].as_u64().unwrap_or(0) - 512).into(),
        "does not replace what stands at",
    ),
    (|patch| patch["before"] = other_digits(&patch["before"]).into(), "does not replace"),
    (|patch| patch["before"] = Value::Null, "cannot be done"),
];

/// Hexadecimal digits of which the first is another.
fn other_digits(digits: &Value) -> String {
    let digits = digits.as_str().unwrap_or_default();
    format!("{}{}", if digits.starts_with('0') { "1" } else { "0" }, &digits[1..])
}

/// A saved plan does exactly what it says, to the set it was made for and to no other.
fn saved_plan(runtime: Runtime) -> Result<(), Failed> {
    let place = Place::new("39-crash-two-full");
    let before = place.hashes();
    ended(&place.run(runtime, &["repair", "--plan-out", "p.json"]), 4)?;
    check(place.hashes() == before, "planning wrote something")?;
    ended(&place.run(runtime, &["repair", "--plan-out", "p.json"]), 8)?;
    // What a plan says that it replaces has to stand there.
    let plan: Value = serde_json::from_slice(&fs::read(place.path().join("p.json"))?)?;
    for (change, wanted) in TAMPERINGS {
        let mut plan = plan.clone();
        change(&mut plan["steps"][0]["patches"][0]);
        fs::write(place.path().join("q.json"), plan.to_string())?;
        let run = place.run(runtime, &["repair", "--apply-plan", "q.json"]);
        ended(&run, 8)?;
        check(run.stderr.contains("patch 1 of step 1") && run.stderr.contains(wanted), &run.stderr)?;
        check(place.hashes() == before, "a plan that was tampered with was carried out")?;
    }
    let run = place.run(runtime, &["repair", "--apply-plan", "p.json", "--undo-log", "u.log", "--json"]);
    ended(&run, 1)?;
    check(json(&run)["verdict_after"] == "clean", "it is clean")?;
    // It does not fit what it made.
    ended(&place.run(runtime, &["repair", "--apply-plan", "p.json"]), 8)?;
    ended(&place.run(runtime, &["undo", "u.log"]), 0)?;
    check(place.hashes() == before, "the undo does not give back what was")?;

    let other = Place::new("24-torn-closing-metadata");
    fs::copy(place.path().join("p.json"), other.path().join("p.json"))?;
    let untouched = other.hashes();
    let run = other.run(runtime, &["repair", "--apply-plan", "p.json"]);
    ended(&run, 8)?;
    check(run.stderr.contains("no FILE holds what the plan was made for"), &run.stderr)?;
    check(other.hashes() == untouched, "a plan of another set was carried out")
}

/// A specimen has the plan of the set. One that copies nothing can be saved there and carried out on the set; one that
/// copies chunks says that these are missing.
fn on_paper(runtime: Runtime) -> Result<(), Failed> {
    for (set, copies) in [("39-crash-two-full", false), ("41-leak-recount-before", true)] {
        let mut place = Place::new(set);
        ended(&place.run(runtime, &["collect", "-o", "s"]), 0)?;
        let real = place.run(runtime, &["repair", "--json"]);
        let files = std::mem::replace(&mut place.files, vec!["s".into()]);
        let paper = place.run(runtime, &["repair", "--json"]);
        check(json(&paper) == json(&real), "a specimen has another plan")?;
        let told = place.run(runtime, &["repair"]).stderr;
        check(told.contains("copies chunks, which are not in a specimen") == copies, &told)?;
        let saved = place.run(runtime, &["repair", "--plan-out", "p.json"]);
        ended(&saved, if copies { 8 } else { 4 })?;
        ended(&place.run(runtime, &["repair", "--apply"]), 8)?;
        if copies {
            check(saved.stderr.contains("does not hold the chunks that the plan copies"), &saved.stderr)?;
            check(!place.path().join("p.json").exists(), "half a plan was saved")?;
        } else {
            place.files = files;
            ended(&place.run(runtime, &["repair", "--apply-plan", "p.json"]), 1)?;
        }
    }
    Ok(())
}

fn refusals(runtime: Runtime) -> Result<(), Failed> {
    // Two files claim one place, and nobody said which.
    let rivals = Place::new("06-duplicate-component");
    let run = rivals.run(runtime, &["repair", "--apply"]);
    ended(&run, 8)?;
    check(run.stderr.contains("choose one by --prefer"), &run.stderr)?;
    // One file is given twice.
    let mut twice = Place::new("39-crash-two-full");
    twice.files.push("./c0".into());
    ended(&twice.run(runtime, &["repair", "--apply"]), 16)?;
    twice.files.pop();
    // A log is never overwritten.
    fs::write(twice.path().join("u.log"), "mine")?;
    let before = twice.hashes();
    ended(&twice.run(runtime, &["repair", "--apply", "--undo-log", "u.log"]), 8)?;
    check(twice.hashes() == before, "it wrote without a log")?;
    // What was written to since is not overwritten by an undo.
    ended(&twice.run(runtime, &["repair", "--apply", "--undo-log", "v.log"]), 1)?;
    let path = twice.path().join("c1");
    let mut bytes = fs::read(&path)?;
    let last = bytes.len() - 512 + 84;
    bytes[last] ^= 1;
    fs::write(&path, &bytes)?;
    let run = twice.run(runtime, &["undo", "v.log"]);
    ended(&run, 8)?;
    check(run.stderr.contains("c1: ") && run.stderr.contains("changed since"), &run.stderr)?;
    check(fs::read(&path)? == bytes, "it was overwritten")
}

/// An undo that cannot be done says so, and what is missing.
fn logs(runtime: Runtime) -> Result<(), Failed> {
    let mut place = Place::new("39-crash-two-full");
    ended(&place.run(runtime, &["repair", "--apply", "--undo-log", "u.log"]), 1)?;
    let (after, log) = (place.hashes(), fs::read(place.path().join("u.log"))?);
    let refused = |place: &Place, wanted: &str| {
        let run = place.run(runtime, &["undo", "u.log"]);
        ended(&run, 8)?;
        check(run.stderr.contains(wanted), &run.stderr)?;
        check(place.hashes() == after, "something was put back")
    };
    // The record of the first disk begins at byte 66.
    for byte in [72, 100, 125] {
        let mut damaged = log.clone();
        damaged[byte] ^= 1;
        fs::write(place.path().join("u.log"), damaged)?;
        refused(&place, "is damaged at byte 66; nothing was put back")?;
    }
    fs::write(place.path().join("u.log"), &log[..100])?;
    refused(&place, "breaks off at byte 66, before it says what was changed; nothing was put back")?;
    fs::write(place.path().join("u.log"), &log)?;
    let forgotten = place.files.pop().expect("the set has files");
    let after = place.run(runtime, &["undo", "u.log"]);
    ended(&after, 8)?;
    let name = forgotten.rsplit('=').next().unwrap_or(&forgotten);
    check(after.stderr.contains(&format!("{name} is not among the FILEs")), &after.stderr)
}
