//! The program in every runtime: on every golden set it says and writes the same, and what the kernel's
//! device held is what it exports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;
use virstor::io::ReadAt;
use virstor_inspect::Options;
use virstor_inspect::document::info::Info;
use virstor_testkit::golden::{Expect, GoldenSet};
use virstor_testkit::sha256_of_file;
use virstor_tests::runtime::{Run, Runtime, have};

fn main() {
    let arguments = Arguments::from_args();
    let folders = Arc::new(Folders::default());
    let qemu = have_qemu_img();
    let mut trials = Vec::new();
    for name in GoldenSet::names() {
        for runtime in Runtime::ALL {
            let (folders, set) = (folders.clone(), name.clone());
            let trial = Trial::test(format!("documents and export::{name}::{}", runtime.name()), move || {
                let place = folders.of(&set);
                parity(&place, runtime)
            });
            trials.push(trial.with_ignored_flag(!runtime.is_there()));
        }
        let (folders, set) = (folders.clone(), name.clone());
        let trial = Trial::test(format!("{name}::schemas"), move || schemas(&folders.of(&set)));
        trials.push(trial.with_ignored_flag(!Runtime::Native.is_there()));
    }
    for name in ["04-full", "53-default-geometry", "54-label-4g-overlap", "ufs2-little"] {
        for runtime in Runtime::ALL {
            let folders = folders.clone();
            let trial = Trial::test(format!("qcow2::{name}::{}", runtime.name()), move || {
                qcow2(&folders.of(name), runtime)
            });
            trials.push(trial.with_ignored_flag(!qemu || !runtime.is_there()));
        }
    }
    let published = Trial::test("the published schemas are those of the program", published_schemas);
    trials.push(published.with_ignored_flag(!Runtime::Native.is_there()));
    libtest_mimic::run(&arguments, trials).exit();
}

fn have_qemu_img() -> bool {
    let found = Command::new("qemu-img").arg("--version").output().is_ok();
    have(found, "apt-get install qemu-utils")
}

/// A golden set, unpacked.
struct Place {
    set: GoldenSet,
    folder: PathBuf,
    /// The files as the command line takes them, in tasting order.
    files: Vec<String>,
}

/// Every set is unpacked once.
#[derive(Default)]
struct Folders {
    places: Mutex<BTreeMap<String, (TempDir, Arc<Place>)>>,
}

impl Folders {
    fn of(&self, name: &str) -> Arc<Place> {
        let mut places = self.places.lock().expect("no test dies while unpacking");
        let (_, place) = places.entry(name.into()).or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let set = GoldenSet::load(name);
            set.unpack_to(folder.path()).expect("a set can be unpacked");
            let files = match &set.expect {
                Expect::Kernel(case) => case.taste_order.clone(),
                Expect::FileSystem(_) => set.files.keys().cloned().collect(),
            };
            let place = Place { set, folder: folder.path().into(), files };
            (folder, Arc::new(place))
        });
        place.clone()
    }
}

impl Place {
    fn run(&self, runtime: Runtime, verb: &[&str]) -> Run {
        let files: Vec<&str> = self.files.iter().map(String::as_str).collect();
        runtime.run(&self.folder, &[verb, &files].concat())
    }
}

/// What only looks: verb and options.
const LOOKS: [&[&str]; 20] = [
    &["info", "--json"],
    &["info"],
    &["info", "--kernel-log=10"],
    &["dump", "--json"],
    &["dump"],
    &["status"],
    &["status", "--json"],
    &["map", "--json"],
    &["map", "--totals"],
    &["map", "--reverse", "--json"],
    &["map", "--qemu"],
    &["check"],
    &["check", "--json"],
    &["check", "--deep", "--json"],
    &["map", "--ddrescue"],
    &["map", "--ddrescue", "--component", "0"],
    &["map", "--orphans", "--json"],
    &["report"],
    &["report", "--json"],
    &["collect", "-o", "-"],
];

/// Node takes a quarter of a second to start: there, what scripts read.
fn is_looked_at(look: &[&str], runtime: Runtime) -> bool {
    runtime != Runtime::Node || look.contains(&"--json") || look == ["status"]
}

/// The program in `runtime` prints what it prints natively, and exports what the kernel's device held.
fn parity(place: &Place, runtime: Runtime) -> Result<(), Failed> {
    for look in LOOKS.into_iter().filter(|look| is_looked_at(look, runtime)) {
        let ours = place.run(runtime, look);
        same(look, &ours, &place.run(Runtime::Native, look))?;
        if look == ["info", "--json"] {
            as_the_engine_says(place, &ours)?;
        }
    }
    export(place, runtime)?;
    unchanged(place)
}

/// Looking changes nothing: files of a size that is soon read have the bytes they had.
fn unchanged(place: &Place) -> Result<(), Failed> {
    const SOON_READ: u64 = 64 << 20;
    for (file, disk) in place.set.files.iter().filter(|(_, disk)| disk.size() <= SOON_READ) {
        if sha256_of_file(&place.folder.join(file))? != disk.sha256() {
            return Err(format!("{file} was changed").into());
        }
    }
    Ok(())
}

fn same(what: &[&str], ours: &Run, native: &Run) -> Result<(), Failed> {
    if ours == native {
        return Ok(());
    }
    let show = |run: &Run| {
        format!("status {:?}\n{}{}", run.status, String::from_utf8_lossy(&run.stdout), run.stderr)
    };
    Err(format!("{what:?}:\n--- ours: {}\n--- native: {}", show(ours), show(native)).into())
}

/// `info --json` is the document that the engine makes of the set in memory.
fn as_the_engine_says(place: &Place, run: &Run) -> Result<(), Failed> {
    let heap = virstor_tests::heap(&place.set, &place.set.providers(), Options::default());
    let info = Info::new(&heap, &(0..heap.volumes().len()).collect::<Vec<_>>());
    let printed: Value = serde_json::from_slice(&run.stdout)?;
    let ours = serde_json::to_value(&info)?;
    if printed == ours { Ok(()) } else { Err(format!("printed: {printed}\nengine: {ours}").into()) }
}

fn export(place: &Place, runtime: Runtime) -> Result<(), Failed> {
    let out = format!("export.{}.raw", runtime.name());
    let run = place.run(runtime, &["export", "--json", "-o", &out]);
    let exported = place.folder.join(&out);
    let Some(expected) = place.set.device_sha256() else {
        // Not started by the kernel; what is whole all the same is exported, the rest refused.
        let lost = place.run(runtime, &["map"]).status != Some(0);
        let refused = run.status == Some(8) && !exported.exists();
        let done = run.status == Some(0) && exported.exists();
        return if if lost { refused } else { done } { Ok(()) } else { Err(format!("{run:?}").into()) };
    };
    if run.status != Some(0) {
        return Err(format!("{run:?}").into());
    }
    let ours = sha256_of_file(&exported)?;
    if ours != expected {
        return Err(format!("exported {ours}, the kernel's device was {expected}").into());
    }
    let streamed = place.run(runtime, &["export", "-o", "-", "--range", "0-128K"]).stdout;
    let mut start = vec![0; 128 << 10];
    std::io::Read::read_exact(&mut std::fs::File::open(&exported)?, &mut start)?;
    if streamed != start {
        return Err("what goes to stdout differs from what goes to a file".into());
    }
    let compared = place.run(runtime, &["compare", "--with", &out, "--json"]);
    if compared.status != Some(0) {
        return Err(format!("{compared:?}").into());
    }
    std::fs::remove_file(exported)?;
    Ok(())
}

/// What `--json` prints follows the schema that is published for it.
fn schemas(place: &Place) -> Result<(), Failed> {
    let forms: [(&str, &[&str]); 13] = [
        ("info", &["info", "--json"]),
        ("dump", &["dump", "--json"]),
        ("status", &["status", "--json"]),
        ("map", &["map", "--json"]),
        ("map-totals", &["map", "--json", "--totals"]),
        ("map-reverse", &["map", "--json", "--reverse"]),
        ("map-qemu", &["map", "--json", "--qemu"]),
        ("map-orphans", &["map", "--json", "--orphans"]),
        ("collect", &["collect", "--json", "--force", "-o", "schemas.specimen"]),
        ("check", &["check", "--json", "--deep"]),
        ("report", &["report", "--json"]),
        ("export", &["export", "--json", "--missing", "zero", "--force", "-o", "schemas.raw"]),
        ("compare", &["compare", "--json", "--with", "schemas.raw"]),
    ];
    for (name, verb) in forms {
        let schema: Value = serde_json::from_slice(&std::fs::read(schema_folder().join(file_name(name)))?)?;
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        let run = place.run(Runtime::Native, verb);
        let document: Value =
            serde_json::from_slice(&run.stdout).map_err(|error| format!("{verb:?}: {error}: {run:?}"))?;
        if let Some(error) = validator.iter_errors(&document).next() {
            return Err(format!("{name}: {} at {}", error, error.instance_path()).into());
        }
    }
    std::fs::remove_file(place.folder.join("schemas.specimen"))?;
    std::fs::remove_file(place.folder.join("schemas.raw"))?;
    Ok(())
}

/// The schemas in the repository are what the program makes.
fn published_schemas() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let run = Runtime::Native.run(folder.path(), &["generate", "schemas", "."]);
    if run.status != Some(0) {
        return Err(format!("{run:?}").into());
    }
    let names = |folder: &Path| -> std::io::Result<Vec<_>> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
        names.sort();
        Ok(names)
    };
    let made = names(folder.path())?;
    if made != names(&schema_folder())? {
        return Err("other schemas are published than are made".into());
    }
    for name in made {
        if std::fs::read(folder.path().join(&name))? != std::fs::read(schema_folder().join(&name))? {
            let remedy = "virstor generate schemas wasi-cli/schemas";
            return Err(format!("{}: {remedy}", name.to_string_lossy()).into());
        }
    }
    Ok(())
}

fn schema_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasi-cli/schemas")
}

fn file_name(schema: &str) -> String {
    format!("{schema}.schema.json")
}

/// qemu finds nothing wrong with a qcow2 export, and in it what the raw one holds.
fn qcow2(place: &Place, runtime: Runtime) -> Result<(), Failed> {
    let (raw, qcow2) = (format!("{}.raw", runtime.name()), format!("{}.qcow2", runtime.name()));
    for out in [&raw, &qcow2] {
        let run = place.run(runtime, &["export", "-o", out]);
        if run.status != Some(0) {
            return Err(format!("{run:?}").into());
        }
    }
    let qemu = |arguments: &[&str]| -> Result<(), Failed> {
        let output = Command::new("qemu-img").args(arguments).current_dir(&place.folder).output()?;
        if output.status.success() { Ok(()) } else { Err(format!("{arguments:?}: {output:?}").into()) }
    };
    qemu(&["check", "-f", "qcow2", &qcow2])?;
    qemu(&["compare", "-f", "raw", "-F", "qcow2", &raw, &qcow2])?;
    let piped = place.run(runtime, &["export", "--format", "qcow2", "-o", "-"]).stdout;
    if piped != std::fs::read(place.folder.join(&qcow2))? {
        return Err("what goes to stdout differs from what goes to a file".into());
    }
    std::fs::remove_file(place.folder.join(raw))?;
    std::fs::remove_file(place.folder.join(qcow2))?;
    Ok(())
}
