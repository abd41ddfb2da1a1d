//! The programs that users run.

use crate::process::{cargo_with_bar, run};
use crate::progress::Steps;
use crate::workspace::{Workspace, dist, root};
use crate::{toolchain, web};
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds everything that can be built, and says where it is.
pub(crate) fn build_all() -> Result<()> {
    let workspace = Workspace::ask_cargo()?;
    let mut steps = Steps::new(1 + STEPS + web::STEPS);
    steps.run("wasm targets", toolchain::ensure_targets)?;
    build_programs(&mut steps, &workspace)?;
    web::build(&mut steps, &workspace)?;
    let programs = Program::ALL.map(|program| program.path(&workspace));
    steps.finish(&built_paths(programs.into_iter().chain([web::site(), web::single_file()])));
    Ok(())
}

/// How many steps [`build_programs`] takes.
pub(crate) const STEPS: usize = 2;

/// Brings all programs up to date.
pub(crate) fn build_programs(steps: &mut Steps, workspace: &Workspace) -> Result<()> {
    steps.run(Program::Native.step(), || Program::Native.build(workspace))?;
    steps.run("build virstor.wasm (wasip2) and virstor-wasip1.wasm (wasip1)", || {
        // Both at once: the end of each is work for one core.
        run(&mut command(&Program::WASM, &workspace.target())?)?;
        Program::WASM.into_iter().try_for_each(|program| program.deliver(workspace))
    })
}

/// Builds the web inspector alone.
pub(crate) fn build_web() -> Result<()> {
    let workspace = Workspace::ask_cargo()?;
    let mut steps = Steps::new(1 + web::STEPS);
    steps.run("wasm targets", toolchain::ensure_targets)?;
    web::build(&mut steps, &workspace)?;
    steps.finish(&built_paths([web::site(), web::single_file()]));
    Ok(())
}

fn built_paths(paths: impl IntoIterator<Item = PathBuf>) -> String {
    let paths: Vec<_> = paths.into_iter().map(|path| path.display().to_string()).collect();
    format!("built {}", paths.join(", "))
}

/// Builds the wasm programs a second time, from nothing and elsewhere, and errs when a byte is different.
pub(crate) fn reproduce() -> Result<()> {
    let workspace = Workspace::ask_cargo()?;
    let elsewhere = workspace.target().join("reproduce");
    let mut steps = Steps::new(1 + 2 * Program::WASM.len());
    steps.run("wasm targets", toolchain::ensure_targets)?;
    let mut hashes = Vec::new();
    for program in Program::WASM {
        steps.run(program.step(), || program.build(&workspace))?;
        let again = format!("{}, again", program.step());
        steps.run(&again, || run(&mut command(&[program], &elsewhere)?))?;
        let path = program.path(&workspace);
        let (first, second) = (hash_of(&path)?, hash_of(&program.output(&elsewhere))?);
        ensure!(first == second, "{} differs between two builds: {first}, {second}", path.display());
        hashes.push(format!("{first}  {}", path.display()));
    }
    fs::remove_dir_all(&elsewhere).with_context(|| format!("cannot remove {}", elsewhere.display()))?;
    steps.finish(&format!("the same twice:\n{}", hashes.join("\n")));
    Ok(())
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn hash_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// One of the forms in which `virstor` is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// For the machine that builds.
    Native,
    /// A component for wasmtime: everything, TCP included.
    Component,
    /// A preview1 module for any runtime, Node's own among them: everything but TCP.
    Module,
}

impl Program {
    pub(crate) const ALL: [Program; 3] = [Program::Native, Program::Component, Program::Module];
    /// Those that run anywhere.
    const WASM: [Program; 2] = [Program::Component, Program::Module];

    /// What building it is called in front of the user.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Program::Native => "build virstor (native)",
            Program::Component => "build virstor.wasm (wasip2)",
            Program::Module => "build virstor-wasip1.wasm (wasip1)",
        }
    }

    /// Where [`Program::build`] leaves it.
    pub(crate) fn path(self, workspace: &Workspace) -> PathBuf {
        match self {
            Program::Native => self.output(&workspace.target()),
            Program::Component => dist().join("virstor.wasm"),
            Program::Module => dist().join("virstor-wasip1.wasm"),
        }
    }

    /// Brings it up to date.
    pub(crate) fn build(self, workspace: &Workspace) -> Result<()> {
        run(&mut command(&[self], &workspace.target())?)?;
        self.deliver(workspace)
    }

    /// Puts it where users look for it.
    fn deliver(self, workspace: &Workspace) -> Result<()> {
        let (from, to) = (self.output(&workspace.target()), self.path(workspace));
        if from != to {
            fs::create_dir_all(dist())?;
            fs::copy(&from, &to)
                .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
        Ok(())
    }

    /// Where Cargo leaves it below `target_folder`.
    fn output(self, target_folder: &Path) -> PathBuf {
        match self.target() {
            None => target_folder.join("release").join(format!("virstor{}", std::env::consts::EXE_SUFFIX)),
            Some(target) => target_folder.join(target).join("release").join("virstor.wasm"),
        }
    }

    fn target(self) -> Option<&'static str> {
        match self {
            Program::Native => None,
            Program::Component => Some("wasm32-wasip2"),
            Program::Module => Some("wasm32-wasip1"),
        }
    }
}

/// How programs are built below `target_folder`. The native one is built alone.
fn command(programs: &[Program], target_folder: &Path) -> Result<Command> {
    let mut command = cargo_with_bar(["build", "--release", "--package", "virstor-cli"]);
    command.arg("--target-dir").arg(target_folder);
    for target in programs.iter().filter_map(|program| program.target()) {
        command.args(["--target", target, "--config", &same_everywhere(target)?]);
    }
    Ok(command)
}

/// A setting of Cargo that keeps the folders of this machine out of what is built for `target`, so that the same
/// sources give the same bytes anywhere.
fn same_everywhere(target: &str) -> Result<String> {
    let packages = match std::env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir().context("no home folder, where Cargo keeps sources")?.join(".cargo"),
    };
    let flag = |from: &Path, to| format!("'--remap-path-prefix={}={to}'", from.display());
    let (packages, ours) = (flag(&packages, "/cargo"), flag(root(), "/virstor"));
    Ok(format!("target.{target}.rustflags=[{packages}, {ours}]"))
}
