//! What the README and the pages for people show is what the program prints: every session in them is run, on the
//! sample set or on the one that a comment above the session names.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use virstor_testkit::golden::GoldenSet;
use virstor_tests::runtime::Runtime;

fn main() {
    let page = |path: &'static str, least| {
        let trial = Trial::test(format!("every session of {path}"), move || sessions(path, least));
        trial.with_ignored_flag(!Runtime::Native.is_there())
    };
    let trials = vec![page("README.md", 4), page("docs/virstor-does-not-come-up.md", 15)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Runs what stands on the page at `path`, which has at least that many steps.
fn sessions(path: &str, least: usize) -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join(path))?;
    let mut folder = sample("ufs2-little")?;
    let mut steps = 0;
    let mut parts = page.split("```console\n");
    let mut before = parts.next().unwrap_or_default();
    for part in parts {
        let (block, after) = part.split_once("```").unwrap_or((part, ""));
        if let Some(name) = before.rsplit_once("<!-- set: ").and_then(|(_, name)| name.split_once(" -->")) {
            folder = sample(name.0)?;
        }
        if let Some(damage) = before.rsplit_once("<!-- then: ").and_then(|(_, name)| name.split_once(" -->"))
        {
            self::damage(folder.path(), damage.0)?;
        }
        before = after;
        // Commands that print nothing here show what to type, not what comes of it.
        for step in block.split("$ ").skip(1).filter(|step| step.trim_end().contains('\n')) {
            let (command, printed) = step.split_once('\n').ok_or("a step has a command")?;
            let Some(arguments) = command.strip_prefix("virstor ") else { continue };
            check(folder.path(), arguments, printed.trim_end())?;
            steps += 1;
        }
    }
    if steps >= least { Ok(()) } else { Err(format!("only {steps} steps were found in {path}").into()) }
}

/// A folder with a golden set, as it is or, with what is behind its name and a comma, damaged.
fn sample(name: &str) -> Result<tempfile::TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    let (name, damage) = name.split_once(", ").unwrap_or((name, ""));
    GoldenSet::load(name).unpack_to(folder.path())?;
    self::damage(folder.path(), damage)?;
    Ok(folder)
}

/// Does something to the components in a folder: c0, c1 and so on.
fn damage(folder: &Path, what: &str) -> Result<(), Failed> {
    match what {
        "" => {}
        "without records" => {
            for path in (0..9).map(|number| folder.join(format!("c{number}"))).filter(|path| path.exists()) {
                let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
                file.seek(SeekFrom::End(-512))?;
                file.write_all(&[0; 512])?;
            }
        }
        "with a mapfile" => std::fs::write(folder.join("c1.map"), MAPFILE)?,
        _ => return Err(format!("there is no damage called '{what}'").into()),
    }
    Ok(())
}

/// What ddrescue leaves of a disk with two bad sectors.
const MAPFILE: &str = "0x00050400     +               1\n\
    0x00000000  0x00050000  +\n\
    0x00050000  0x00000400  -\n\
    0x00050400  0x000AFC00  +\n";

fn check(folder: &Path, arguments: &str, printed: &str) -> Result<(), Failed> {
    let (arguments, with_status) =
        arguments.strip_suffix("; echo $?").map_or((arguments, false), |arguments| (arguments, true));
    let run = Runtime::Native.run(folder, &arguments.split_whitespace().collect::<Vec<_>>());
    let mut ours = String::from_utf8(run.stdout)? + &run.stderr;
    if with_status {
        ours.push_str(&run.status.ok_or("it was killed")?.to_string());
    }
    if ours.trim_end() == printed {
        return Ok(());
    }
    Err(format!("virstor {arguments}\n--- prints\n{ours}\n--- the README says\n{printed}").into())
}
