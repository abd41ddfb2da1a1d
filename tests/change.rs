//! The verbs that make and change volumes, in every runtime: FreeBSD's bytes where FreeBSD is right, the same bytes
//! everywhere, a clean set after each, and the old one after `undo`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;
use virstor_testkit::vectors::{LabelCase, label_cases};
use virstor_testkit::{Size, pattern, sha256_hex, sha256_of_file};
use virstor_tests::runtime::{Run, Runtime};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for runtime in Runtime::ALL {
        let there = runtime.is_there();
        let name = |what: &str| format!("{what}::{}", runtime.name());
        for (number, case) in label_cases().into_iter().enumerate() {
            let name = name(&format!("label vector::{number} ({})", case.name));
            let vector = Trial::test(name, move || label_vector(runtime, &case));
            trials.push(vector.with_ignored_flag(!there));
        }
        let walk = Trial::test(name("a volume's life"), move || life(runtime));
        trials.push(walk.with_ignored_flag(!there || !Runtime::Native.is_there()));
    }
    let sound = Trial::test("what label makes is clean or refused", clean_or_refused);
    trials.push(sound.with_ignored_flag(!Runtime::Native.is_there()));
    let schemas = Trial::test("documents follow their schemas", schemas);
    trials.push(schemas.with_ignored_flag(!Runtime::Native.is_there()));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The arguments of a case, but for its files.
fn label_arguments(case: &LabelCase) -> Vec<String> {
    let text = |size: &Size| match size {
        Size::Bytes(bytes) => bytes.to_string(),
        Size::Text(text) => text.clone(),
    };
    let mut arguments = vec!["label".into(), case.name.clone()];
    for (option, size) in [("--size", &case.vir_size), ("--chunk-size", &case.chunk_size)] {
        if let Some(size) = size {
            arguments.extend([option.into(), text(size)]);
        }
    }
    arguments.extend(["--maxphys".into(), case.maxphys.to_string(), "--id".into(), case.id.to_string()]);
    arguments.extend(["--sector-size".into(), case.sector_size.to_string(), "--quiet".into()]);
    if case.hardcode {
        arguments.push("--hardcode".into());
    }
    arguments
}

/// Empty files for a case; their names.
fn files_of(case: &LabelCase, folder: &Path) -> Result<Vec<String>, Failed> {
    for (name, size) in &case.providers {
        File::create(folder.join(name))?.set_len(size.bytes())?;
    }
    Ok(case.providers.iter().map(|(name, _)| name.clone()).collect())
}

fn run(runtime: Runtime, folder: &Path, arguments: &[String], files: &[String]) -> Run {
    let words: Vec<&str> = arguments.iter().chain(files).map(String::as_str).collect();
    runtime.run(folder, &words)
}

/// With `--compat freebsd` every last sector is FreeBSD's.
fn label_vector(runtime: Runtime, case: &LabelCase) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let files = files_of(case, folder.path())?;
    let arguments = [label_arguments(case), vec!["--compat".into(), "freebsd".into()]].concat();
    let ours = run(runtime, folder.path(), &arguments, &files);
    let expected_status = if case.result.exit == 0 { 0 } else { 16 };
    check(ours.status == Some(expected_status), || format!("{arguments:?}: {ours:?}"))?;
    for component in &case.result.components {
        let sector = last_sector(&folder.path().join(&component.name), case.sector_size)?;
        let same = case.result.exit != 0 || sha256_hex(&sector) == component.metadata_sector_sha256;
        check(same, || format!("{arguments:?}: {}", component.name))?;
    }
    Ok(())
}

fn last_sector(path: &Path, sector_size: u32) -> Result<Vec<u8>, Failed> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let sector = u64::from(sector_size);
    file.seek(SeekFrom::End(-i64::from(sector_size)))?;
    let mut bytes = vec![0; usize::try_from(sector)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Without `--compat` a volume is clean, or it is not made and nothing is written.
fn clean_or_refused() -> Result<(), Failed> {
    let mut refused = 0;
    for case in label_cases() {
        let folder = TempDir::new()?;
        let files = files_of(&case, folder.path())?;
        let label = run(Runtime::Native, folder.path(), &label_arguments(&case), &files);
        if label.status == Some(0) {
            assert_clean(Runtime::Native, folder.path(), &files)?;
            continue;
        }
        refused += 1;
        check(matches!(label.status, Some(8 | 16)), || format!("{label:?}"))?;
        check(label.stderr.lines().count() == 1, || format!("{label:?}"))?;
        for name in &files {
            let sector = last_sector(&folder.path().join(name), case.sector_size)?;
            check(sector.iter().all(|byte| *byte == 0), || format!("{}: {name}", case.name))?;
        }
    }
    check(refused == 5, || format!("{refused} were refused"))
}

fn assert_clean(runtime: Runtime, folder: &Path, files: &[String]) -> Result<(), Failed> {
    let arguments = |verb: &str| vec![verb.to_string(), "--json".into()];
    let checked = run(runtime, folder, &arguments("check"), files);
    let report: Value = serde_json::from_slice(&checked.stdout)?;
    check(report["verdict"] == "clean" && checked.status == Some(0), || format!("{checked:?}"))?;
    let info = run(runtime, folder, &arguments("info"), files);
    let report: Value = serde_json::from_slice(&info.stdout)?;
    check(report["volumes"][0]["kernel"]["taste"] == "starts", || format!("{info:?}"))
}

/// What is done to a volume, in order: the words, and its components afterwards. All verbs that write are in it.
const LIFE: [(&[&str], &[&str]); 13] = [
    (
        &[
            "label",
            "--force",
            "dev",
            "--id",
            "8",
            "--size",
            "8M",
            "--chunk-size",
            "128K",
            "--maxphys",
            "128K",
            "c0",
            "c1",
            "c2",
        ],
        &["c0", "c1", "c2"],
    ),
    (&["import", "-i", "image", "--verify", "c0", "c1", "c2"], &["c0", "c1", "c2"]),
    (&["add", "c0", "c1", "c2", "--new", "n0", "n1"], &["c0", "c1", "c2", "n0", "n1"]),
    (&["remove", "c0", "c1", "c2", "n1", "--drop", "n0"], &["c0", "c1", "c2", "n1"]),
    (&["grow", "c0", "c1", "c2", "n1", "--size", "256M"], &["c0", "c1", "c2", "n1"]),
    (&["remove", "c0", "c2", "n1", "--drop", "c1", "--evacuate"], &["c0", "c2", "n1"]),
    (&["compact", "c0", "c2", "n1", "--discard", "list"], &["c0", "c2", "n1"]),
    (&["import", "--force", "-i", "zeros", "c0", "c2", "n1"], &["c0", "c2", "n1"]),
    (&["compact", "c0", "c2", "n1"], &["c0", "c2", "n1"]),
    (&["set", "hardcode", "c0", "c2", "n1"], &["c0", "c2", "n1"]),
    (&["set", "no-hardcode", "c0", "c2", "n1"], &["c0", "c2", "n1"]),
    (&["rename", "other", "c0", "c2", "n1"], &["c0", "c2", "n1"]),
    (&["clear", "c0", "c2", "n1"], &[]),
];

/// The files of the volume's life.
const FILES: [&str; 5] = ["c0", "c1", "c2", "n0", "n1"];

fn new_life(runtime: Runtime, folder: &Path) -> Result<(), Failed> {
    let mut image = vec![0; 3 << 20];
    for start in (0..image.len()).step_by(512 << 10) {
        pattern(9, start as u64, &mut image[start..start + (200 << 10)]);
    }
    fs::write(folder.join("image"), &image)?;
    fs::write(folder.join("zeros"), vec![0; 1 << 20])?;
    fs::write(folder.join("list"), "1M-1536K\n2M+256K\n")?;
    for name in ["n0", "n1"] {
        // Old contents must never show.
        fs::write(folder.join(name), vec![0xee; 2 << 20])?;
    }
    let label: Vec<String> =
        "label dev --id 7 --size 8M --chunk-size 128K --maxphys 128K --create 1M c0 c1 c2"
            .split(' ')
            .map(String::from)
            .collect();
    let made = run(runtime, folder, &label, &[]);
    check(made.status == Some(0), || format!("{made:?}"))
}

fn contents(folder: &Path) -> Result<BTreeMap<&'static str, String>, Failed> {
    FILES.into_iter().map(|name| Ok((name, sha256_of_file(&folder.join(name))?))).collect()
}

/// Every verb in turn: first it says what it would do, and writes nothing; then the same words and bytes as natively,
/// a clean set that FreeBSD starts, and what was before, byte for byte, after `undo`.
fn life(runtime: Runtime) -> Result<(), Failed> {
    let (ours, native) = (TempDir::new()?, TempDir::new()?);
    new_life(runtime, ours.path())?;
    new_life(Runtime::Native, native.path())?;
    for (number, (words, members)) in (1..).zip(LIFE) {
        if members.is_empty() {
            the_bytes_are_there(runtime, ours.path())?;
        }
        let before = contents(ours.path())?;
        let log = format!("log{number}");
        let words = [words, &["--undo-log", &log]].concat();
        let dry = [&words[..], &["--dry-run", "--json"]].concat();
        let (said, expected) = (runtime.run(ours.path(), &dry), Runtime::Native.run(native.path(), &dry));
        check(said == expected && said.status == Some(0), || format!("{dry:?}: {said:?} {expected:?}"))?;
        let said: Value = serde_json::from_slice(&said.stdout)?;
        check(said["dry_run"] == true && said["undo_log"].is_null(), || format!("{dry:?}: {said}"))?;
        let nothing = contents(ours.path())? == before && !ours.path().join(&log).exists();
        check(nothing, || format!("{dry:?}: written"))?;
        let (done, expected) = (runtime.run(ours.path(), &words), Runtime::Native.run(native.path(), &words));
        check(done == expected && done.status == Some(0), || format!("{words:?}: {done:?} {expected:?}"))?;
        let after = contents(ours.path())?;
        check(after == contents(native.path())?, || format!("{words:?}: other bytes than natively"))?;
        let members: Vec<String> = members.iter().map(ToString::to_string).collect();
        if members.is_empty() {
            let info = runtime.run(ours.path(), &[&["info"][..], &FILES].concat());
            check(info.status == Some(4), || format!("still there: {info:?}"))?;
        } else {
            assert_clean(runtime, ours.path(), &members)?;
        }
        let undo = [&["undo", log.as_str()][..], &FILES].concat();
        let undo_dry = [&undo[..], &["--dry-run"]].concat();
        for (undo, expected) in [(undo_dry, &after), (undo, &before)] {
            let undone = runtime.run(ours.path(), &undo);
            check(undone.status == Some(0), || format!("{undone:?}"))?;
            check(contents(ours.path())? == *expected, || format!("{words:?}, {undo:?}: other bytes"))?;
        }
        fs::remove_file(ours.path().join(&log))?;
        let again = runtime.run(ours.path(), &[&words[..], &["--json"]].concat());
        check(again.status == Some(0), || format!("{again:?}"))?;
        let said: Value = serde_json::from_slice(&again.stdout)?;
        check(said["dry_run"] == false && said["undo_log"] == log, || format!("{words:?}: {said}"))?;
        check(contents(ours.path())? == after, || format!("{words:?}: other bytes the second time"))?;
        if said["undo_log_size"].is_u64() {
            let size = fs::metadata(ours.path().join(&log))?.len();
            check(said["undo_log_size"] == size, || format!("{said}: {size} bytes"))?;
        }
    }
    Ok(())
}

fn the_bytes_are_there(runtime: Runtime, folder: &Path) -> Result<(), Failed> {
    let mut expected = fs::read(folder.join("image"))?;
    expected[1 << 20..(1 << 20) + (512 << 10)].fill(0);
    expected[2 << 20..(2 << 20) + (256 << 10)].fill(0);
    expected[..1 << 20].fill(0);
    let exported = runtime.run(folder, &["export", "-o", "-", "c0", "c2", "n1"]).stdout;
    check(exported.len() == 256 << 20, || format!("{} bytes", exported.len()))?;
    let (start, rest) = exported.split_at(expected.len());
    check(start == expected && rest.iter().all(|byte| *byte == 0), || "other bytes".into())
}

/// What `--json` prints follows the schema, with and without `--dry-run`; a dry run writes nothing.
fn schemas() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    new_life(Runtime::Native, folder.path())?;
    for (words, _) in LIFE {
        let before = contents(folder.path())?;
        for dry in [&["--json", "--quiet", "--dry-run"][..], &["--json", "--quiet"]] {
            let words = [words, dry].concat();
            let done = Runtime::Native.run(folder.path(), &words);
            let document: Value = serde_json::from_slice(&done.stdout)
                .map_err(|error| format!("{words:?}: {error}: {done:?}"))?;
            let schema = format!("../wasi-cli/schemas/{}.schema.json", words[0]);
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(schema);
            let schema: Value = serde_json::from_slice(&fs::read(path)?)?;
            let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
            if let Some(error) = validator.iter_errors(&document).next() {
                return Err(format!("{words:?}: {error} at {}", error.instance_path()).into());
            }
            if dry.contains(&"--dry-run") {
                check(contents(folder.path())? == before, || format!("{words:?}: written"))?;
            }
        }
    }
    Ok(())
}

fn check(holds: bool, told: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(told().into()) }
}
