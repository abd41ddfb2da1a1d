//! The web inspector: the engine for browsers, its glue, the page.

use crate::process::{cargo_with_bar, run, which};
use crate::progress::Steps;
use crate::sample;
use crate::workspace::{Workspace, dist, root};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_bindgen_cli_support::Bindgen;

/// The features that every browser has which can run the page; what else a newer compiler may use is refused.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Where the page's own files are.
fn source() -> PathBuf {
    root().join("web")
}

/// The page as it is hosted.
pub(crate) fn site() -> PathBuf {
    dist().join("web")
}

/// The page in one file.
pub(crate) fn single_file() -> PathBuf {
    dist().join("virstor-inspector.html")
}

/// Where the glue goes; the page imports it from there, and the repository does not keep it.
fn glue() -> PathBuf {
    source().join("src/engine/glue")
}

/// How many steps [`build`] takes.
pub(crate) const STEPS: usize = 3;

/// Builds everything of the web inspector, as far as it is not up to date.
pub(crate) fn build(steps: &mut Steps, workspace: &Workspace) -> Result<()> {
    steps.run("npm packages", ensure_packages)?;
    steps.run("build the engine for browsers", || build_engine(workspace))?;
    steps.run("build the web inspector", || build_page(workspace))
}

/// Installs the packages that `package-lock.json` names, unless they are there.
fn ensure_packages() -> Result<()> {
    let lock = root().join("package-lock.json");
    // npm leaves a copy of what it has installed; it is newer than the lock file then.
    let installed = root().join("node_modules/.package-lock.json");
    let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    if time(&installed).is_some_and(|installed| time(&lock).is_some_and(|lock| lock <= installed)) {
        return Ok(());
    }
    run(npm()?.args(["ci", "--no-audit", "--no-fund", "--loglevel", "error"]))
}

/// Builds the engine for browsers, and the glue through which the page calls it.
fn build_engine(workspace: &Workspace) -> Result<()> {
    let mut command = cargo_with_bar(["build", "--profile", "web", "--package", "virstor-wasm"]);
    run(command.args(["--target", "wasm32-unknown-unknown"]))?;
    let module = workspace.target().join("wasm32-unknown-unknown/web/virstor_wasm.wasm");
    fs::create_dir_all(glue())?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(&module).web(true)?.typescript(true).remove_name_section(true);
    // The page hands the compiled module to its workers.
    bindgen.omit_default_module_path(true);
    bindgen.generate(glue()).context("wasm-bindgen")?;
    let bound = glue().join("virstor_wasm_bg.wasm");
    let mut optimizer = node(&root().join("node_modules/binaryen/bin/wasm-opt"))?;
    // A function put into its only caller saves bytes and costs 8 % of what is transferred: it is less like its likes.
    optimizer.args(["-Oz", "--converge", "--one-caller-inline-max-function-size=0"]);
    optimizer.args(["--strip-debug", "--strip-producers"]).args(WASM_FEATURES);
    run(optimizer.arg(&bound).arg("-o").arg(&bound))
}

/// Builds the page: once for hosts, once as a single file.
fn build_page(workspace: &Workspace) -> Result<()> {
    let sample = workspace.target().join("sample");
    sample::unpack_into(&sample)?;
    for mut check in typechecks()? {
        run(&mut check)?;
    }
    let vite = root().join("node_modules/vite/bin/vite.js");
    for mode in ["site", "single"] {
        let mut command = node(&vite)?;
        command.env("VIRSTOR_SAMPLE", &sample).args([
            "build",
            "--logLevel",
            "warn",
            "--mode",
            mode,
            "--config",
        ]);
        run(command.arg(source().join("vite.config.ts")))?;
    }
    fs::rename(dist().join("single/index.html"), single_file())?;
    fs::remove_dir_all(dist().join("single"))?;
    Ok(())
}

/// The checks of types: the page's, and the service worker's, which lives in another world.
fn typechecks() -> Result<Vec<Command>> {
    let check = |project: &str| {
        let mut command = node(&root().join("node_modules/typescript/bin/tsc"))?;
        command.arg("--noEmit").arg("--project").arg(source().join(project));
        Ok(command)
    };
    ["tsconfig.json", "tsconfig.service-worker.json"].into_iter().map(check).collect()
}

/// Node with a script, in the repository's root.
pub(crate) fn node(script: &Path) -> Result<Command> {
    let Some(node) = crate::runtime::node() else {
        bail!("the web inspector is built with Node 20 or later, from https://nodejs.org/");
    };
    let mut command = Command::new(node);
    command.arg(script).current_dir(root());
    Ok(command)
}

fn npm() -> Result<Command> {
    let npm = which("npm").context("npm is not installed; it comes with Node, from https://nodejs.org/")?;
    let mut command = Command::new(npm);
    command.current_dir(root());
    Ok(command)
}
