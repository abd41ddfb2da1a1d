//! Everything that is checked before a change may be merged.

use crate::build::{self, Program};
use crate::parity::Parity;
use crate::process::{cargo, cargo_with_bar, run, run_watched, search_path, shown};
use crate::progress::{Steps, say};
use crate::workspace::Workspace;
use crate::{runtime, toolchain, tools, web, web_test};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// Installs what the tests need, then performs every check; stops at the first that fails.
///
/// A tool that cannot be had leaves its tests out, which is said at the end; where `CI` is `true` it
/// is an error at once.
pub(crate) fn test_all() -> Result<()> {
    let workspace = Workspace::ask_cargo()?;
    let lints = lints(&workspace);
    let mut steps = Steps::new(1 + lints.len() + build::STEPS + web::STEPS + 4);
    let needs = steps.show("what the tests need", Needs::ensure)?;
    for (name, mut command) in lints {
        steps.run(&name, || run(&mut command))?;
    }
    steps.run("lints (FreeBSD, macOS, Windows)", || needs.lint_other_systems())?;
    build::build_programs(&mut steps, &workspace)?;
    let mut parity = Parity::default();
    let counts = steps.show("tests", || run_tests(&workspace, &needs, &mut parity))?;
    web::build(&mut steps, &workspace)?;
    steps.show("tests of the web inspector", || web_test::run_tests(&workspace, &mut parity))?;
    steps.run("documentation", || run(&mut documentation()))?;
    say(&format!("golden sets and vectors:\n\n{}", parity.table()));
    steps.finish(&format!("{} tests passed, {} were not run", counts.passed, counts.ignored));
    say_missing(&needs.missing);
    Ok(())
}

/// What tests use beside the project's own programs.
struct Needs {
    wasmtime: Option<PathBuf>,
    node: Option<PathBuf>,
    has_other_systems: bool,
    missing: Vec<Missing>,
}

/// Something that could not be had.
struct Missing {
    name: String,
    purpose: String,
    remedy: String,
}

impl Needs {
    fn ensure() -> Result<Needs> {
        toolchain::ensure_targets()?;
        toolchain::ensure_components()?;
        let mut missing = Vec::new();
        let wasmtime = ensure_wasmtime(&mut missing)?;
        let node = ensure_node(&mut missing);
        let has_other_systems = ensure_other_systems(&mut missing);
        ensure_tools(&mut missing);
        if in_ci() && !missing.is_empty() {
            say_missing(&missing);
            bail!("{} of the tools that the tests need are missing, and this is CI", missing.len());
        }
        Ok(Needs { wasmtime, node, has_other_systems, missing })
    }

    /// Compiles the native program for the other systems it is released for, without linking it.
    fn lint_other_systems(&self) -> Result<()> {
        if !self.has_other_systems {
            return Ok(());
        }
        let targets = toolchain::OTHER_SYSTEMS.iter().flat_map(|target| ["--target", target]);
        run(&mut clippy(&["--package", "virstor-cli"].into_iter().chain(targets).collect::<Vec<_>>()))
    }
}

fn ensure_wasmtime(missing: &mut Vec<Missing>) -> Result<Option<PathBuf>> {
    if runtime::wasmtime()?.is_none() {
        say("      installing wasmtime: a quarter of an hour on a small machine, and only once");
        complain(runtime::install_wasmtime());
    }
    let wasmtime = runtime::wasmtime()?;
    if wasmtime.is_none() {
        missing.push(Missing {
            name: "wasmtime".into(),
            purpose: "runs the program as a component".into(),
            remedy: shown(&runtime::install_wasmtime_command()?),
        });
    }
    Ok(wasmtime)
}

fn ensure_node(missing: &mut Vec<Missing>) -> Option<PathBuf> {
    let node = runtime::node();
    if node.is_none() {
        missing.push(Missing {
            name: "node".into(),
            purpose: "runs the program as a preview1 module".into(),
            remedy: "Node 20 or later, from https://nodejs.org/".into(),
        });
    }
    node
}

fn ensure_other_systems(missing: &mut Vec<Missing>) -> bool {
    let ensured = toolchain::ensure_other_systems();
    if let Err(error) = &ensured {
        missing.push(Missing {
            name: "Rust's libraries for other systems".into(),
            purpose: "the program compiles for FreeBSD, macOS and Windows".into(),
            remedy: format!("{error:#}"),
        });
    }
    ensured.is_ok()
}

fn ensure_tools(missing: &mut Vec<Missing>) {
    let packages = tools::packages(&tools::missing());
    if !packages.is_empty() && tools::can_install() {
        say(&format!("      installing {}", packages.join(" ")));
        complain(tools::install(&packages));
    }
    missing.extend(tools::missing().into_iter().map(|tool| Missing {
        name: tool.name.into(),
        purpose: tool.purpose.into(),
        remedy: format!("`sudo apt-get install {}` on Debian", tool.package),
    }));
}

/// A failed installation is reported where it happens; what it leaves missing is found by looking.
fn complain(result: Result<()>) {
    if let Err(error) = result {
        say(&format!("      {error:#}"));
    }
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

fn say_missing(missing: &[Missing]) {
    if missing.is_empty() {
        return;
    }
    say("NOT RUN are the tests that need:");
    for Missing { name, purpose, remedy } in missing {
        say(&format!("  {name} ({purpose}); to get it: {remedy}"));
    }
}

/// Everything short of running code, cheapest first.
fn lints(workspace: &Workspace) -> Vec<(String, Command)> {
    let mut lints = vec![
        ("format".to_owned(), cargo(["fmt", "--all", "--check"])),
        ("lints".to_owned(), clippy(&["--workspace", "--all-targets"])),
    ];
    let wasi = ["--package", "virstor-cli", "--target", "wasm32-wasip1", "--target", "wasm32-wasip2"];
    lints.push(("lints (wasm32-wasip1, wasm32-wasip2)".into(), clippy(&wasi)));
    let browser = ["--package", "virstor-wasm", "--target", "wasm32-unknown-unknown"];
    lints.push(("lints (wasm32-unknown-unknown)".into(), clippy(&browser)));
    let mut core = cargo_with_bar(["build", "--target", "wasm32-unknown-unknown"]);
    for package in workspace.no_std_packages() {
        core.args(["--package", &package]);
    }
    lints.push(("core without an operating system (wasm32-unknown-unknown)".to_owned(), core));
    lints
}

fn clippy(args: &[&str]) -> Command {
    let mut command = cargo_with_bar(["clippy"]);
    command.args(args).args(["--", "-D", "warnings"]);
    command
}

fn documentation() -> Command {
    let mut command = cargo_with_bar(["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// How many tests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    ignored: u64,
}

impl Counts {
    /// Adds what one test binary reports in its last line; other lines report nothing.
    fn add(&mut self, line: &str) {
        let Some(report) = line.trim_start().strip_prefix("test result: ") else { return };
        for part in report.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Runs all tests of the workspace, telling the cross-crate ones where everything is.
fn run_tests(workspace: &Workspace, needs: &Needs, parity: &mut Parity) -> Result<Counts> {
    // All that fails is wanted from one run: it may have been a long one.
    let mut command = cargo(["test", "--workspace", "--no-fail-fast"]);
    command.env("PATH", search_path());
    for (name, value) in variables(workspace, needs) {
        match value {
            Some(path) => command.env(name, path),
            None => command.env_remove(name),
        };
    }
    let mut counts = Counts::default();
    run_watched(&mut command, |line| {
        counts.add(line);
        parity.add_test(line);
    })?;
    Ok(counts)
}

/// What the cross-crate tests look for; what is missing is unset, and its tests are ignored.
fn variables(workspace: &Workspace, needs: &Needs) -> [(&'static str, Option<PathBuf>); 7] {
    let lacks = |name: &str| needs.missing.iter().any(|missing| missing.name == name);
    [
        ("VIRSTOR_NATIVE", Some(Program::Native.path(workspace))),
        ("VIRSTOR_WASIP1", Some(Program::Module.path(workspace))),
        ("VIRSTOR_WASIP2", Some(Program::Component.path(workspace))),
        ("VIRSTOR_WASMTIME", needs.wasmtime.clone()),
        ("VIRSTOR_NODE", needs.node.clone()),
        ("VIRSTOR_NODE_RUNNER", Some(runtime::node_runner())),
        ("VIRSTOR_PYTHON", (!lacks("nbd")).then(|| tools::PYTHON.into())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_summed_over_test_binaries() {
        let mut counts = Counts::default();
        counts.add("running 7 tests\n");
        counts.add("test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out\n");
        counts.add("test a_test_named_9 ignored ... ok\n");
        counts.add("\ntest result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n");
        assert_eq!(counts, Counts { passed: 6, ignored: 3 });
    }
}
