//! Where things are: the repository, what Cargo builds, what outlives `cargo clean`.

use crate::process::cargo;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The repository's root folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate is two folders below the root")
}

/// The folder of the wasm programs that users take away.
pub(crate) fn dist() -> PathBuf {
    root().join("dist")
}

/// The folder of what is expensive to get: shared by all checkouts, untouched by `cargo clean`.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        // The XDG specification has relative paths ignored.
        Some(folder) if Path::new(&folder).is_absolute() => PathBuf::from(folder),
        _ => std::env::home_dir().context("no home folder to keep a cache in")?.join(".cache"),
    };
    Ok(base.join("virstor"))
}

/// What Cargo says of the workspace.
pub(crate) struct Workspace(Value);

impl Workspace {
    pub(crate) fn ask_cargo() -> Result<Workspace> {
        let output = cargo(["metadata", "--format-version", "1", "--no-deps"]).output()?;
        let metadata = serde_json::from_slice(&output.stdout).with_context(|| {
            format!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim())
        })?;
        Ok(Workspace(metadata))
    }

    /// Where Cargo builds; `target` unless the user's configuration says otherwise.
    pub(crate) fn target(&self) -> PathBuf {
        self.0["target_directory"].as_str().map_or_else(|| root().join("target"), PathBuf::from)
    }

    /// The packages that claim to need no operating system, by their category.
    pub(crate) fn no_std_packages(&self) -> Vec<String> {
        let packages = self.0["packages"].as_array().into_iter().flatten();
        packages
            .filter(|package| {
                let categories = package["categories"].as_array();
                categories.is_some_and(|categories| categories.iter().any(|category| category == "no-std"))
            })
            .filter_map(|package| package["name"].as_str().map(str::to_owned))
            .collect()
    }
}
