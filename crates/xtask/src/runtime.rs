//! What runs the wasm program: wasmtime where there is one, else Node.

use crate::build::Program;
use crate::process::{cargo, output_of, run, which};
use crate::workspace::{Workspace, cache, root};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// The version that gets installed: one with long-term support.
const WASMTIME_VERSION: &str = "48.0.8";

/// What of wasmtime the project uses; the rest would double the time that installing takes.
const WASMTIME_FEATURES: &str = "run,compile,cranelift,parallel-compilation,cache,component-model,wat";

/// The first tested version whose `wasi:cli/exit` gives a component the whole range of exit
/// statuses without being asked to on the command line.
const OLDEST_WASMTIME: u32 = 48;

/// The first whose `node:wasi` returns the exit status unasked, and that is still maintained.
const OLDEST_NODE: u32 = 20;

/// Something that can run one of the wasm programs.
pub(crate) enum Runtime {
    /// Runs the component.
    Wasmtime(PathBuf),
    /// Runs the preview1 module.
    Node(PathBuf),
}

impl Runtime {
    /// The best that this machine has. Installs nothing.
    pub(crate) fn choose() -> Result<Runtime> {
        if let Some(wasmtime) = wasmtime()? {
            return Ok(Runtime::Wasmtime(wasmtime));
        }
        match node() {
            Some(node) => Ok(Runtime::Node(node)),
            None => bail!("neither wasmtime {OLDEST_WASMTIME} nor Node {OLDEST_NODE} or later is installed"),
        }
    }

    /// For a progress line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Runtime::Wasmtime(_) => "wasmtime",
            Runtime::Node(_) => "Node's WASI",
        }
    }

    /// The program that it runs.
    pub(crate) fn program(&self) -> Program {
        match self {
            Runtime::Wasmtime(_) => Program::Component,
            Runtime::Node(_) => Program::Module,
        }
    }

    /// The program with these arguments, allowed to see `folder` as `.` and no other.
    pub(crate) fn command(&self, workspace: &Workspace, folder: &Path, args: &[OsString]) -> Command {
        let mut command = match self {
            Runtime::Wasmtime(wasmtime) => {
                let mut command = Command::new(wasmtime);
                command.args(["run", "--dir", "."]);
                if needs_network(args) {
                    command.args(["-S", "inherit-network"]);
                }
                command.arg(self.program().path(workspace));
                command
            }
            Runtime::Node(node) => {
                let mut command = Command::new(node);
                command.arg(node_runner());
                command
            }
        };
        command.args(args).current_dir(folder);
        command
    }
}

/// Runs the program on the folder that the user is in, and gives its exit status.
pub(crate) fn run_in_callers_folder(args: &[OsString]) -> Result<ExitCode> {
    let workspace = Workspace::ask_cargo()?;
    let runtime = Runtime::choose()?;
    crate::toolchain::ensure_targets()?;
    runtime.program().build(&workspace)?;
    // npm starts its scripts in the root and leaves the user's folder in a variable.
    let folder = match std::env::var_os("INIT_CWD") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_dir()?,
    };
    let mut command = runtime.command(&workspace, &folder, args);
    let status = command.status().with_context(|| format!("cannot run {}", runtime.name()))?;
    Ok(ExitCode::from(shell_status(status)))
}

/// A wasmtime that is recent enough, from `PATH` or the project's cache.
pub(crate) fn wasmtime() -> Result<Option<PathBuf>> {
    let candidates = [which("wasmtime"), Some(cached_wasmtime()?)];
    Ok(candidates.into_iter().flatten().find(|path| is_at_least(path, OLDEST_WASMTIME)))
}

/// The command that installs wasmtime where [`wasmtime`] finds it.
pub(crate) fn install_wasmtime_command() -> Result<Command> {
    let mut command = cargo(["install", "wasmtime-cli", "--version", WASMTIME_VERSION, "--locked"]);
    command.args(["--no-default-features", "--features", WASMTIME_FEATURES]);
    command.arg("--root").arg(wasmtime_folder()?);
    Ok(command)
}

/// Installs wasmtime into the cache: some minutes on a large machine, a quarter of an hour on a small.
pub(crate) fn install_wasmtime() -> Result<()> {
    run(&mut install_wasmtime_command()?)
}

/// A Node that is recent enough.
pub(crate) fn node() -> Option<PathBuf> {
    which("node").filter(|path| is_at_least(path, OLDEST_NODE))
}

/// The script that runs the preview1 module in Node.
pub(crate) fn node_runner() -> PathBuf {
    root().join("wasi-cli/node/virstor.mjs")
}

/// The verbs that talk TCP. The others could not reach the network if they wanted to.
fn needs_network(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "serve" || arg == "ctl")
}

fn wasmtime_folder() -> Result<PathBuf> {
    Ok(cache()?.join(format!("wasmtime-{WASMTIME_VERSION}")))
}

fn cached_wasmtime() -> Result<PathBuf> {
    Ok(wasmtime_folder()?.join("bin").join(format!("wasmtime{}", std::env::consts::EXE_SUFFIX)))
}

fn is_at_least(program: &Path, oldest: u32) -> bool {
    let version = output_of(Command::new(program).arg("--version"));
    version.is_ok_and(|version| major(&version).is_some_and(|major| major >= oldest))
}

/// The first number in what a program says of its version.
fn major(version: &str) -> Option<u32> {
    let digits = version.trim_start_matches(|character: char| !character.is_ascii_digit());
    digits.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// The status as a shell would give it: a program that a signal ended has 128 and its number.
fn shell_status(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or_else(|| killed(status))
}

#[cfg(unix)]
fn killed(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    status.signal().and_then(|signal| u8::try_from(128 + signal).ok()).unwrap_or(u8::MAX)
}

#[cfg(not(unix))]
fn killed(_: ExitStatus) -> u8 {
    u8::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(major("wasmtime 48.0.8 (0123abcd 2026-08-20)\n"), Some(48));
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("wasmtime-cli 6.0.1"), Some(6));
        assert_eq!(major("unknown"), None);
        assert_eq!(major(""), None);
    }

    #[test]
    fn only_verbs_that_talk_tcp_get_the_network() {
        let args = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(needs_network(&args("--quiet serve c0 c1")));
        assert!(needs_network(&args("ctl status")));
        assert!(!needs_network(&args("export -o server.raw c0 c1")));
    }
}
