//! Instruction counts of the engine's hot paths: unlike times, the same on a busy machine, so that a change of a
//! percent can be seen.

use crate::process::{cargo, shown, which};
use crate::progress::say;
use crate::table::markdown;
use anyhow::{Context, Result, ensure};

/// Gives the section of the report, or nothing where valgrind is not installed.
pub(crate) fn report() -> Result<Option<String>> {
    if which("valgrind").is_none() {
        say("not installed, so not counted with: valgrind");
        return Ok(None);
    }
    let list =
        cargo(["bench", "--quiet", "--package", "virstor-inspect", "--bench", "instructions"]).output()?;
    let cases = String::from_utf8(list.stdout)?;
    let mut rows = Vec::new();
    for case in cases.lines() {
        let own = count(&[case])?.saturating_sub(count(&[case, "prepare"])?);
        rows.push(vec![case.to_owned(), format!("{:.2}", own as f64 / 1e6)]);
    }
    ensure!(!rows.is_empty(), "the benchmark lists no case");
    let table = markdown(&["path", "million instructions"], &rows);
    Ok(Some(format!(
        "## instructions of the engine\n\nCounted by callgrind, without preparation.\n\n{table}"
    )))
}

/// How many instructions a run of the engine's benchmark takes in all.
fn count(words: &[&str]) -> Result<u64> {
    const RUNNER: &str =
        r#"target."cfg(all())".runner = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]"#;
    let mut command = cargo(["bench", "--quiet", "--package", "virstor-inspect", "--bench", "instructions"]);
    command.args(["--config", RUNNER, "--"]).args(words);
    let output = command.output().with_context(|| shown(&command))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let number = collected.and_then(|(_, number)| number.trim().parse().ok());
    number.with_context(|| format!("{} reports no count: {said}", shown(&command)))
}
