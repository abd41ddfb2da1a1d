//! Other programs: finding them, running them, saying how they failed.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Folders of programs that an ordinary user's `PATH` may leave out on Debian.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// `PATH` and the system's own folders behind it.
pub(crate) fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.iter().map(PathBuf::from));
    std::env::join_paths(folders).unwrap_or(path)
}

/// The full path of the first program of that name in [`search_path`].
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&search_path()).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// Cargo, in the repository's root.
pub(crate) fn cargo<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(workspace::root());
    command
}

/// Cargo with its progress bar where somebody can see it move, and silent elsewhere.
pub(crate) fn cargo_with_bar<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = cargo(args);
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    command
}

/// Runs a command to its end; anything but success is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", shown(command)))?;
    succeed(command, status)
}

/// As [`run`], and shows `watch` every line that the command writes to its standard output, which goes on to ours.
pub(crate) fn run_watched(command: &mut Command, mut watch: impl FnMut(&str)) -> Result<()> {
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot run {}", shown(command)))?;
    let mut lines = BufReader::new(child.stdout.take().expect("stdout was piped"));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        std::io::stdout().write_all(&line)?;
        watch(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait()?;
    succeed(command, status)
}

/// What a command writes to its standard output; anything but success is an error that names it.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", shown(command)))?;
    succeed(command, output.status)
        .with_context(|| String::from_utf8_lossy(&output.stderr).trim_end().to_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command can be run and succeeds; nobody hears of it.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// An error that names the command, unless it succeeded.
pub(crate) fn succeed(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{} failed: {status}", shown(command));
    }
    Ok(())
}

/// The command as a user would type it, programs without their folders.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    command.get_args().fold(format!("`{}", program.display()), |mut text, arg| {
        write!(text, " {}", arg.display()).expect("a String takes all text");
        text
    }) + "`"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_with_its_arguments() {
        let error = run(Command::new("false").args(["--one", "two"])).unwrap_err();
        assert_eq!(error.to_string(), "`false --one two` failed: exit status: 1");
    }

    #[test]
    fn a_program_is_found_by_its_name_and_only_then() {
        assert!(which("cargo").is_some_and(|path| path.is_absolute()));
        assert_eq!(which("no-program-has-this-name"), None);
    }
}
