//! What of Rust the project needs beside cargo itself: targets and components, from rustup.

use crate::process::{cargo, output_of, run, succeeds, which};
use anyhow::{Result, bail};
use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;

/// The core in a browser, the program as a preview1 module, the program as a component.
const WASM_TARGETS: [&str; 3] = ["wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasip2"];

/// Other systems on which the native program is used; nothing is linked for them here, only looked through.
pub(crate) const OTHER_SYSTEMS: [&str; 3] =
    ["x86_64-unknown-freebsd", "aarch64-apple-darwin", "x86_64-pc-windows-gnu"];

/// Installs the wasm targets that are missing.
pub(crate) fn ensure_targets() -> Result<()> {
    ensure("target", missing_targets(WASM_TARGETS)?.into_iter())
}

/// Installs the targets of [`OTHER_SYSTEMS`] that are missing.
pub(crate) fn ensure_other_systems() -> Result<()> {
    ensure("target", missing_targets(OTHER_SYSTEMS)?.into_iter())
}

/// Which of `targets` this Rust has no libraries for.
fn missing_targets<const N: usize>(targets: [&'static str; N]) -> Result<Vec<&'static str>> {
    let sysroot = output_of(Command::new("rustc").args(["--print", "sysroot"]))?;
    // Asked of the disk and not of rustup, because a distribution's Rust has targets but no rustup.
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    Ok(targets.into_iter().filter(|target| !libraries.join(target).is_dir()).collect())
}

/// Installs the formatter and the linter where they are missing.
pub(crate) fn ensure_components() -> Result<()> {
    let components = [("clippy", "clippy"), ("rustfmt", "fmt")];
    let missing =
        components.into_iter().filter(|(_, command)| !succeeds(&mut cargo([*command, "--version"])));
    ensure("component", missing.map(|(component, _)| component))
}

fn ensure<'a>(kind: &str, missing: impl Iterator<Item = &'a str>) -> Result<()> {
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    if which("rustup").is_none() {
        bail!("this Rust lacks {}; with rustup: rustup {kind} add {0}", missing.join(" "));
    }
    let mut command = Command::new("rustup");
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    run(command.args([kind, "add"]).args(missing))
}
