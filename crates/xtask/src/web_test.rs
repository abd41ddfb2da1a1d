//! The tests of the web inspector: in real browsers, beside the program.

use crate::build::Program;
use crate::parity::Parity;
use crate::process::{run, run_watched, which};
use crate::progress::Steps;
use crate::workspace::{Workspace, root};
use crate::{site, toolchain, tools, web};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use virstor_testkit::GoldenSet;

/// The browsers, and the variables that tell the tests where they are.
const BROWSERS: [(&str, &str); 2] = [("VIRSTOR_CHROMIUM", "chromium"), ("VIRSTOR_FIREFOX", "firefox-esr")];

/// Builds what the tests need, and runs them alone.
pub(crate) fn test_web() -> Result<()> {
    let workspace = Workspace::ask_cargo()?;
    let mut steps = Steps::new(web::STEPS + 4);
    steps.run("wasm targets", toolchain::ensure_targets)?;
    steps.run("browsers", ensure_browsers)?;
    steps.run(Program::Native.step(), || Program::Native.build(&workspace))?;
    web::build(&mut steps, &workspace)?;
    steps.show("tests of the web inspector", || run_tests(&workspace, &mut Parity::default()))?;
    steps.finish("the web inspector passes its tests");
    Ok(())
}

/// Serves the page and runs the tests against it, in the browsers that are installed.
pub(crate) fn run_tests(workspace: &Workspace, parity: &mut Parity) -> Result<()> {
    let golden = workspace.target().join("web-tests/golden");
    unpack_golden(&golden)?;
    let mut command = node_tests(&test_files()?)?;
    tell(&mut command, workspace)?;
    run_watched(command.env("VIRSTOR_GOLDEN", golden), |line| parity.add_page(line))
}

/// Measures the page in the browsers that are installed.
pub(crate) fn bench_web() -> Result<()> {
    let workspace = Workspace::ask_cargo()?;
    let mut steps = Steps::new(web::STEPS + 2);
    steps.run("wasm targets", toolchain::ensure_targets)?;
    web::build(&mut steps, &workspace)?;
    let mut command = web::node(&root().join("tests/web/bench.mjs"))?;
    tell(&mut command, &workspace)?;
    steps.show("the web inspector", || run(&mut command))?;
    steps.finish("measured");
    Ok(())
}

/// Serves the page, and tells `command` where it is and where everything else is.
fn tell(command: &mut Command, workspace: &Workspace) -> Result<()> {
    let address = site::serve(&web::site())?;
    command
        .env("VIRSTOR_SITE", format!("http://{address}/"))
        .env("VIRSTOR_SINGLE_FILE", web::single_file())
        .env("VIRSTOR_NATIVE", Program::Native.path(workspace));
    for (variable, browser) in BROWSERS {
        match which(browser) {
            Some(path) => command.env(variable, path),
            None => command.env_remove(variable),
        };
    }
    Ok(())
}

fn ensure_browsers() -> Result<()> {
    let missing: Vec<&str> =
        BROWSERS.into_iter().map(|(_, name)| name).filter(|name| which(name).is_none()).collect();
    if missing.is_empty() { Ok(()) } else { tools::install(&missing) }
}

/// Puts the components of every golden set into a folder of its name.
fn unpack_golden(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for name in GoldenSet::names() {
        let folder = folder.join(&name);
        fs::create_dir_all(&folder)?;
        GoldenSet::load(&name).unpack_to(&folder).with_context(|| format!("cannot unpack {name}"))?;
    }
    Ok(())
}

fn test_files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join("tests/web"))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Node's own test runner, one file after the other: each starts browsers, and the budgets are for an idle machine.
fn node_tests(files: &[PathBuf]) -> Result<Command> {
    let mut command = web::node(Path::new("--test"))?;
    command.args(["--test-concurrency", "1", "--test-reporter", "spec"]).args(files);
    Ok(command)
}
