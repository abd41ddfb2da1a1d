//! What the README shows is what the program prints: every session in it is run on the sample set.

use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use virstor_testkit::golden::GoldenSet;
use virstor_tests::runtime::Runtime;

fn main() {
    let trial = Trial::test("every session of the README", sessions);
    let trial = trial.with_ignored_flag(!Runtime::Native.is_there());
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

fn sessions() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md"))?;
    let folder = tempfile::tempdir()?;
    GoldenSet::load("ufs2-little").unpack_to(folder.path())?;
    let mut steps = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        // Commands that print nothing here show what to type, not what comes of it.
        for step in block.split("$ ").skip(1).filter(|step| step.trim_end().contains('\n')) {
            let (command, printed) = step.split_once('\n').ok_or("a step has a command")?;
            let Some(arguments) = command.strip_prefix("virstor ") else { continue };
            check(folder.path(), arguments, printed.trim_end())?;
            steps += 1;
        }
    }
    if steps >= 4 { Ok(()) } else { Err(format!("only {steps} steps were found in the README").into()) }
}

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
