//! The host's disk gets full in the midst of a verb, or while a server writes: what failed is named, nothing that was there is
//! lost, and with room it works.
//!
//! Each trial has a small file system of its own in memory, in a namespace of its own, so nobody has to be root.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;
use virstor_testkit::pattern;
use virstor_tests::runtime::{self, Runtime, have};

/// Verbs that make sparse files larger, and the files afterwards.
const VERBS: [(&str, &[&str], &str); 5] = [
    ("import", &["import", "--force", "-i", "../image", "c0", "c1", "c2"], "c0 c1 c2"),
    ("add", &["add", "c0", "c1", "c2", "--new", "n0"], "c0 c1 c2 n0"),
    ("remove", &["remove", "c0", "c1", "c2", "--drop", "c1", "--evacuate"], "c0 c2"),
    ("grow", &["grow", "c0", "c1", "c2", "--size", "8G"], "c0 c1 c2"),
    (
        "label",
        &["label", "v", "n0", "--id", "3", "--size", "8M", "--chunk-size", "128K", "--maxphys", "128K"],
        "n0",
    ),
];

/// KiB that are left on the disk, from nothing on.
const LEFT: [u32; 8] = [0, 4, 8, 16, 64, 160, 300, 600];

fn main() {
    let arguments = Arguments::from_args();
    let namespaces = command("mount -t tmpfs none /tmp", &[]).status().is_ok_and(|status| status.success());
    let there = have(namespaces, "'unshare -rm' that may mount") && Runtime::Native.is_there();
    let nbdcopy = Command::new("nbdcopy").arg("--version").stdout(Stdio::null()).status();
    let nbdcopy = have(nbdcopy.is_ok_and(|status| status.success()), "nbdcopy");
    let mut trials: Vec<Trial> = VERBS
        .into_iter()
        .map(|(name, words, after)| {
            Trial::test(format!("components::{name}"), move || full_components(words, after))
                .with_ignored_flag(!there)
        })
        .collect();
    trials.push(Trial::test("undo log", full_log).with_ignored_flag(!there));
    trials.push(Trial::test("server", full_server).with_ignored_flag(!there || !nbdcopy));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Runs `script` where it may mount, with `arguments` as `$1` and so on.
fn command(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-e", "-c", script, "sh"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A folder with an image, a volume that holds data, a new file, and a place to mount at.
fn folder() -> Result<TempDir, Failed> {
    let folder = TempDir::new()?;
    let mut image = vec![0; 3 << 20];
    for start in (0..image.len()).step_by(512 << 10) {
        pattern(9, start as u64, &mut image[start..start + (200 << 10)]);
    }
    fs::write(folder.path().join("image"), &image)?;
    let mut solid = vec![0; 4 << 20];
    pattern(4, 0, &mut solid);
    fs::write(folder.path().join("solid"), solid)?;
    // Component 0 is full of it, and component 1 is begun.
    pattern(3, 0, &mut image);
    fs::write(folder.path().join("old"), &image[..2 << 20])?;
    for name in ["set", "mnt"] {
        fs::create_dir(folder.path().join(name))?;
    }
    let set = folder.path().join("set");
    fs::File::create(set.join("n0"))?.set_len(2 << 20)?;
    let label = "label dev --id 7 --size 8M --chunk-size 128K --maxphys 128K --create 2M c0 c1 c2";
    for words in [label, "import -i ../old c0 c1 c2 --undo-log ../made"] {
        let done = Runtime::Native.run(&set, &words.split(' ').collect::<Vec<_>>());
        check(done.status == Some(0), || format!("{done:?}"))?;
    }
    Ok(folder)
}

/// Runs `script` in `folder`; gives what it printed.
fn run(folder: &Path, script: &str, arguments: &[&str]) -> Result<String, Failed> {
    let program = Runtime::Native.command(folder, &[]).get_program().to_owned();
    let mut command = command(&[PRELUDE, script].concat(), arguments);
    let output = runtime::output(command.current_dir(folder).env("VIRSTOR", program));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    check(output.status.success(), || format!("{arguments:?}: {printed}\n{complaint}"))?;
    Ok(printed)
}

/// The set on a disk of its own, and how to leave so many KiB on it.
const PRELUDE: &str = r#"
mount -t tmpfs -o size=64m none mnt
cp --sparse=always set/* mnt
cd mnt
leave() {
    used=$(df -k --output=used . | tail -1)
    mount -o remount,size=$((used + $1 + (used + $1 == 0)))k .
}
roomy() {
    mount -o remount,size=64m .
}
sums() {
    sha256sum c0 c1 c2 n0
}
sums > ../sums
"#;

/// The files of the set cannot get larger: the verb says so, and the log takes back what it did.
fn full_components(words: &[&str], after: &str) -> Result<(), Failed> {
    let script = r#"
        left=$1 after=$2
        shift 2
        leave "$left"
        status=0
        "$VIRSTOR" "$@" --undo-log ../log --quiet 2> ../err || status=$?
        echo "$status"
        cat ../err
        if [ "$status" != 0 ]; then
            "$VIRSTOR" undo ../log c0 c1 c2 n0 --quiet
            sums | cmp - ../sums
            roomy
            rm ../log
            "$VIRSTOR" "$@" --undo-log ../log --quiet
        fi
        roomy
        "$VIRSTOR" check $after --quiet > /dev/null
        "$VIRSTOR" undo ../log c0 c1 c2 n0 --quiet
        sums | cmp - ../sums
    "#;
    let mut failed = 0;
    for left in LEFT {
        let folder = folder()?;
        let left = left.to_string();
        let printed = run(folder.path(), script, &[&[left.as_str(), after], words].concat())?;
        let (status, complaint) = printed.split_once('\n').ok_or("it prints a status")?;
        if status == "0" {
            continue;
        }
        failed += 1;
        let told = || format!("{left} KiB left: {status}: {complaint}");
        let names_place = ["virstor: c", "virstor: n0"].iter().any(|start| complaint.starts_with(start))
            && complaint.contains(": cannot write ")
            && complaint.contains(" bytes at offset ")
            && complaint.contains(": no space left on device; 'virstor undo ../log FILE...' takes back");
        check(status == "8" && complaint.lines().count() == 1 && names_place, told)?;
    }
    check(failed > 0, || "there was always room".into())
}

/// The log cannot get longer: nothing is done that it could not take back.
fn full_log() -> Result<(), Failed> {
    let script = r#"
        cp --sparse=always c0 c1 c2 n0 ..
        rm c0 c1 c2 n0
        leave "$1"
        cd ..
        status=0
        "$VIRSTOR" import --force -i image c0 c1 c2 --undo-log mnt/log --quiet 2> err || status=$?
        echo "$status"
        cat err
        "$VIRSTOR" undo mnt/log c0 c1 c2 --quiet 2> err || cat err
        sums | cmp - sums
    "#;
    for left in [4, 64, 300] {
        let folder = folder()?;
        let printed = run(folder.path(), script, &[&left.to_string()])?;
        let mut lines = printed.lines();
        check(lines.next() == Some("8"), || printed.clone())?;
        let complaint = lines.next().unwrap_or_default();
        let names = complaint.starts_with("virstor: mnt/log: cannot write ")
            && complaint.contains(": no space left on device");
        check(names && lines.next().is_none(), || format!("{left} KiB left: {printed}"))?;
    }
    Ok(())
}

/// A server whose files cannot get larger refuses the write, keeps what was flushed, and goes on where there is room.
fn full_server() -> Result<(), Failed> {
    let script = r#"
        copy() {
            "$VIRSTOR" serve --quiet --unix ../socket --write --exit-after-last c0 c1 c2 &
            for _ in $(seq 600); do [ ! -S ../socket ] || break; sleep 0.05; done
            outcome=0
            nbdcopy ../solid "nbd+unix:///?socket=../socket" || outcome=$?
            wait $!
            return $outcome
        }
        leave "$1"
        status=0
        copy 2> ../err || status=$?
        echo "$status"
        cat ../err
        roomy
        "$VIRSTOR" repair --apply c0 c1 c2 --undo-log ../log --quiet > /dev/null || [ $? = 1 ]
        "$VIRSTOR" check c0 c1 c2 --quiet > /dev/null
        if [ "$status" != 0 ]; then
            copy
        fi
        "$VIRSTOR" check c0 c1 c2 --quiet > /dev/null
        "$VIRSTOR" export -o ../out c0 c1 c2 --quiet
        cmp -n 4194304 ../out ../solid
    "#;
    let mut failed = 0;
    for left in [0, 16, 300] {
        let folder = folder()?;
        let printed = run(folder.path(), script, &[&left.to_string()])?;
        let (status, complaint) = printed.split_once('\n').ok_or("it prints a status")?;
        failed += usize::from(status != "0");
        check(status == "0" || !complaint.is_empty(), || printed.clone())?;
    }
    check(failed > 0, || "there was always room".into())
}

fn check(holds: bool, told: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(told().into()) }
}
