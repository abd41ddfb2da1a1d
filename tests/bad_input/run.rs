//! Runs a row of the table.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tempfile::TempDir;
use virstor_testkit::sha256_hex;
use virstor_tests::runtime::Runtime;

use crate::rows::{Row, Stdout};

/// How long a row may take, in an optimized build on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How much address space the program gets, in KiB.
pub(crate) const MEMORY: u32 = 256 << 10;

/// Contents are compared up to this length; of longer files the length is.
const COMPARED: u64 = 2 << 20;

/// What a row took.
pub(crate) struct Cost {
    pub(crate) name: &'static str,
    pub(crate) wall: Duration,
}

pub(crate) fn run(row: &Row) -> Result<Cost, Failed> {
    let folder = TempDir::new()?;
    (row.make)(folder.path());
    let before = listing(folder.path());
    let (Ended { status, wall }, stdout, stderr) = execute(row, folder.path())?;
    let told =
        format!("status {status}\nstdout {:.400}\nstderr {stderr:.2000}", stdout.escape_ascii().to_string());

    check(status.code() == Some(row.status), &format!("the status is not {}", row.status), &told)?;
    check(lines_match(&stderr, row.stderr), &format!("stderr is not {:?}", row.stderr), &told)?;
    for line in stderr.lines() {
        check(line.starts_with("virstor: "), "a line does not say who speaks", &told)?;
        check(!line.chars().any(char::is_control), "a line plays tricks on the terminal", &told)?;
    }
    let printed = String::from_utf8_lossy(&stdout);
    match row.stdout {
        Stdout::Empty => check(stdout.is_empty(), "something is printed", &told)?,
        Stdout::Has(text) => check(printed.contains(text), &format!("{text:?} is not printed"), &told)?,
        Stdout::Any | Stdout::Nowhere | Stdout::Full | Stdout::Closed => {}
    }
    let tricky = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    let image = row.arguments.contains(&"-");
    check(image || !printed.chars().any(tricky), "stdout plays tricks on the terminal", &told)?;

    let mut after = listing(folder.path());
    for name in row.creates {
        check(after.remove(Path::new(name)).is_some(), &format!("{name} is not there"), &told)?;
    }
    check(after == before, &format!("the files changed: {before:?} to {after:?}"), &told)?;
    Ok(Cost { name: row.name, wall })
}

fn check(holds: bool, what: &str, told: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what}\n{told}").into()) }
}

/// Whether the lines are those of `patterns`, one each, where `*` stands for anything.
fn lines_match(text: &str, patterns: &[&str]) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    lines.len() == patterns.len() && lines.iter().zip(patterns).all(|(line, pattern)| matches(line, pattern))
}

fn matches(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

fn execute(row: &Row, folder: &Path) -> Result<(Ended, Vec<u8>, String), Failed> {
    let outside = TempDir::new()?;
    let (out, err) = (outside.path().join("out"), outside.path().join("err"));
    let stdout = match row.stdout {
        Stdout::Full => File::options().write(true).open("/dev/full")?.into(),
        Stdout::Closed => Stdio::piped(),
        Stdout::Nowhere => Stdio::null(),
        _ => File::create(&out)?.into(),
    };
    // The shell sets the limit; std cannot without unsafe code.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v $0; exec \"$@\"", &MEMORY.to_string()]);
    command.arg(Runtime::Native.command(folder, &[]).get_program());
    command.args(row.arguments).args((row.more_arguments)(folder));
    command.current_dir(folder).stdin(Stdio::null()).stdout(stdout).stderr(File::create(&err)?);
    let mut child = command.spawn()?;
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_exact(&mut [0])?;
    }
    let ended = wait(&mut child)?;
    let printed = if out.exists() { fs::read(&out)? } else { Vec::new() };
    Ok((ended, printed, String::from_utf8_lossy(&fs::read(&err)?).into_owned()))
}

/// How a process ended and what it took.
struct Ended {
    status: ExitStatus,
    wall: Duration,
}

/// Waits until `child` has ended, but not for ever: another thread watches the time.
fn wait(child: &mut Child) -> Result<Ended, Failed> {
    let begun = Instant::now();
    let process = child.id().to_string();
    let (done, watched) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let late = watched.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        if late {
            // When this fails, it has ended at the last moment.
            _ = Command::new("kill").args(["-9", &process]).status();
        }
        late
    });
    let status = child.wait()?;
    drop(done);
    if watch.join().map_err(|_| "the watch does not panic")? {
        return Err(format!("still running after {} s", PATIENCE.as_secs()).into());
    }
    Ok(Ended { status, wall: begun.elapsed() })
}

/// What is in the folder, by name: the digest of a short file, the length of a long one, the kind of others.
fn listing(folder: &Path) -> BTreeMap<PathBuf, String> {
    let entries = fs::read_dir(folder).expect("the folder was just made");
    entries
        .map(|entry| {
            let entry = entry.expect("the folder can be listed");
            let metadata = entry.path().symlink_metadata().expect("nobody else is at work here");
            let what = if metadata.is_file() && metadata.len() <= COMPARED {
                // A file that may not be read has not been written either.
                fs::read(entry.path()).map_or_else(|error| error.to_string(), |bytes| sha256_hex(&bytes))
            } else {
                format!("{:?} {}", metadata.file_type(), if metadata.is_file() { metadata.len() } else { 0 })
            };
            (PathBuf::from(entry.file_name()), what)
        })
        .collect()
}
