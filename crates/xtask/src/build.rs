//! The programs that users run.

use crate::process::{cargo_with_bar, run};
use crate::progress::Steps;
use crate::workspace::{Workspace, dist};
use crate::{toolchain, web};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Builds everything that can be built, and says where it is.
pub(crate) fn build_all() -> Result<()> {
    let workspace = Workspace::ask_cargo()?;
    let mut steps = Steps::new(1 + Program::ALL.len() + web::STEPS);
    steps.run("wasm targets", toolchain::ensure_targets)?;
    for program in Program::ALL {
        steps.run(program.step(), || program.build(&workspace))?;
    }
    web::build(&mut steps, &workspace)?;
    let programs = Program::ALL.map(|program| program.path(&workspace));
    steps.finish(&built_paths(programs.into_iter().chain([web::site(), web::single_file()])));
    Ok(())
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
            Program::Native => built(workspace, Path::new("release"), std::env::consts::EXE_SUFFIX),
            Program::Component => dist().join("virstor.wasm"),
            Program::Module => dist().join("virstor-wasip1.wasm"),
        }
    }

    /// Brings it up to date.
    pub(crate) fn build(self, workspace: &Workspace) -> Result<()> {
        let mut command = cargo_with_bar(["build", "--release", "--package", "virstor-cli"]);
        if let Some(target) = self.target() {
            command.args(["--target", target]);
        }
        run(&mut command)?;
        match self.target() {
            Some(target) => {
                deliver(&built(workspace, &Path::new(target).join("release"), ".wasm"), &self.path(workspace))
            }
            None => Ok(()),
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

fn built(workspace: &Workspace, profile: &Path, suffix: &str) -> PathBuf {
    workspace.target().join(profile).join(format!("virstor{suffix}"))
}

fn deliver(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(dist())?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
