//! The program, natively and in every WebAssembly runtime.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use process_control::{ChildExt, Control};

/// Longer than anything takes on a busy machine, shorter than a stuck test is fun.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Where the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runtime {
    /// On the host.
    Native,
    /// As a component in wasmtime.
    Component,
    /// As a preview1 module in wasmtime.
    Module,
    /// As a preview1 module in Node's own WASI.
    Node,
}

/// How the program ended and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: String,
}

impl Runtime {
    /// All of them, the native one first.
    pub const ALL: [Self; 4] = [Self::Native, Self::Component, Self::Module, Self::Node];

    /// The name tests carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Component => "component",
            Self::Module => "module",
            Self::Node => "node",
        }
    }

    /// What is missing to run it here; `None` when nothing is.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let needs: &[&str] = match self {
            Self::Native => &["VIRSTOR_NATIVE"],
            Self::Component => &["VIRSTOR_WASIP2", "VIRSTOR_WASMTIME"],
            Self::Module => &["VIRSTOR_WASIP1", "VIRSTOR_WASMTIME"],
            Self::Node => &["VIRSTOR_WASIP1", "VIRSTOR_NODE", "VIRSTOR_NODE_RUNNER"],
        };
        let missing = |name: &&&str| !file(name).is_some_and(|path| path.exists());
        needs.iter().find(missing).map(|name| format!("{name} ('npm test' sets it)"))
    }

    /// Whether it can be run here; see [`have`].
    #[must_use]
    pub fn is_there(self) -> bool {
        let missing = self.missing();
        have(missing.is_none(), &missing.unwrap_or_default())
    }

    /// Runs the program in `folder`, which is all it can see in the WebAssembly runtimes.
    ///
    /// # Panics
    ///
    /// When the runtime cannot be started (ask [`Runtime::missing`] first) or the program does not end.
    #[must_use]
    pub fn run(self, folder: &Path, arguments: &[&str]) -> Run {
        let output = output(&mut self.command(folder, arguments));
        Run {
            status: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What runs the program in `folder`; a server may use the network.
    ///
    /// # Panics
    ///
    /// As [`Runtime::run`].
    #[must_use]
    pub fn command(self, folder: &Path, arguments: &[&str]) -> Command {
        let path = |name| file(name).unwrap_or_else(|| panic!("{name} is set"));
        let wasmtime = |program| {
            let mut command = Command::new(path("VIRSTOR_WASMTIME"));
            command.args(["run", "--dir", "."]);
            if arguments.first() == Some(&"serve") {
                command.args(["-S", "inherit-network"]);
            }
            command.arg(path(program));
            command
        };
        let mut command = match self {
            Self::Native => Command::new(path("VIRSTOR_NATIVE")),
            Self::Component => wasmtime("VIRSTOR_WASIP2"),
            Self::Module => wasmtime("VIRSTOR_WASIP1"),
            Self::Node => {
                let mut command = Command::new(path("VIRSTOR_NODE"));
                command.arg(path("VIRSTOR_NODE_RUNNER"));
                command
            }
        };
        command.args(arguments).current_dir(folder);
        command
    }
}

/// Runs `command` with nothing on its stdin; gives how it ended and what it printed.
///
/// # Panics
///
/// When it cannot be started, or has not ended after [`PATIENCE`]: it is killed then, so that one stuck program
/// is a failure with a name and not the end of the whole run.
#[must_use]
pub fn output(command: &mut Command) -> Output {
    try_output(command).unwrap_or_else(|reason| panic!("{reason}"))
}

/// As [`output`], for who can go on without.
///
/// # Errors
///
/// Why there is no output.
pub fn try_output(command: &mut Command) -> Result<Output, String> {
    /// For what a program that has ended left behind in its pipes.
    const REST: Duration = Duration::from_secs(10);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| format!("{command:?}: {error}"))?;
    let (sender, output) = mpsc::channel();
    // In a thread, because a program's own children may hold its pipes open when it has long ended.
    thread::spawn(move || {
        let ended = child.controlled_with_output().time_limit(PATIENCE).terminate_for_timeout().wait();
        // Nobody may want it any more.
        _ = sender.send(ended);
    });
    match output.recv_timeout(PATIENCE + REST) {
        Ok(Ok(Some(output))) => Ok(output.into_std_lossy()),
        Ok(Ok(None)) => Err(format!("{command:?} still runs after {PATIENCE:?}")),
        Ok(Err(error)) => Err(format!("{command:?}: {error}")),
        Err(_) => Err(format!("{command:?} has ended, but what it started still has its pipes")),
    }
}

/// Whether a tool was `found`. A missing one leaves its tests out, which the harness reports as ignored; in CI
/// it ends the run, and `remedy` says what would help.
#[expect(clippy::print_stderr, clippy::exit, reason = "a harness has no other way to refuse to run")]
#[must_use]
pub fn have(found: bool, remedy: &str) -> bool {
    if !found && env::var("CI").is_ok_and(|ci| ci == "true") {
        eprintln!("this is CI, and a tool is missing: {remedy}");
        std::process::exit(1);
    }
    found
}

/// Where a variable, or else a build in the usual place, says that a file is.
fn file(variable: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository");
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    let built = match variable {
        "VIRSTOR_NATIVE" => "target/release/virstor",
        "VIRSTOR_WASIP1" => "dist/virstor-wasip1.wasm",
        "VIRSTOR_WASIP2" => "dist/virstor.wasm",
        "VIRSTOR_NODE_RUNNER" => "wasi-cli/node/virstor.mjs",
        _ => return None,
    };
    Some(root.join(built))
}
