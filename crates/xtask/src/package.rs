//! What a release consists of, beside the programs: an npm package, man pages, completions, schemas, checksums.

use crate::build::{self, Program, hash_of};
use crate::process::{output_of, run, which};
use crate::progress::{Steps, say};
use crate::workspace::{Workspace, dist, root};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The shells that completions are made for.
const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

/// Builds everything, and leaves a release in `dist/`.
pub(crate) fn package() -> Result<()> {
    build::build_all()?;
    let native = Program::Native.path(&Workspace::ask_cargo()?);
    let mut steps = Steps::new(3);
    steps.run("man pages, completions, schemas", || documents(&native))?;
    steps.show("npm package", npm)?;
    steps.run("checksums", checksums)?;
    steps.finish(&format!("packaged in {}", dist().display()));
    Ok(())
}

fn documents(native: &Path) -> Result<()> {
    for what in ["man", "schemas"] {
        run(Command::new(native).args(["generate", what]).arg(dist().join(what)))?;
    }
    let folder = fresh("completions")?;
    for shell in SHELLS {
        let script = output_of(Command::new(native).args(["generate", "completions", shell]))?;
        fs::write(folder.join(format!("virstor.{shell}")), script)?;
    }
    Ok(())
}

/// `npx virstor` is the preview1 module in Node: nothing to compile, nothing to trust but what wasm can do.
fn npm() -> Result<()> {
    let folder = fresh("npm")?;
    let copies = [
        (root().join("wasi-cli/node/virstor.mjs"), "virstor.mjs"),
        (dist().join("virstor-wasip1.wasm"), "virstor-wasip1.wasm"),
        (root().join("README.md"), "README.md"),
        (root().join("LICENSE"), "LICENSE"),
    ];
    for (from, name) in &copies {
        fs::copy(from, folder.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let ours: Value = serde_json::from_slice(&fs::read(root().join("package.json"))?)?;
    let package = json!({
        "name": ours["name"],
        "version": ours["version"],
        "description": ours["description"],
        "license": ours["license"],
        "type": "module",
        "engines": ours["engines"],
        "bin": { "virstor": "virstor.mjs" },
        "files": copies.map(|(_, name)| name),
    });
    fs::write(folder.join("package.json"), serde_json::to_string_pretty(&package)? + "\n")?;
    match which("npm") {
        Some(npm) => {
            run(Command::new(npm).args(["pack", "--silent", "--pack-destination", ".."]).current_dir(folder))
        }
        None => {
            say("      npm is not installed, so the package is not packed");
            Ok(())
        }
    }
}

/// `SHA256SUMS` of the files that are downloaded one by one.
fn checksums() -> Result<()> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dist())? {
        let path = entry?.path();
        let name = path.file_name().expect("an entry of a folder has a name").to_string_lossy().into_owned();
        if path.is_file() && name != "SHA256SUMS" {
            lines.push(format!("{}  {name}\n", hash_of(&path)?));
        }
    }
    lines.sort_by(|one, other| one[64..].cmp(&other[64..]));
    fs::write(dist().join("SHA256SUMS"), lines.concat())?;
    Ok(())
}

/// An empty folder in `dist/`.
fn fresh(name: &str) -> Result<PathBuf> {
    let folder = dist().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
