//! Where an image goes: under a temporary name until it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use virstor_inspect::Heap;

use crate::disk::Disk;
use crate::failure::{Failure, host_reason};
use crate::identity::Identity;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Target {
    file: File,
    path: PathBuf,
    /// The name until then; `None` for a disk, which is written in place.
    temporary: Option<PathBuf>,
}

impl Target {
    /// Opens `path` for writing: as `path.part`, or itself where it is a disk.
    ///
    /// # Errors
    ///
    /// When it is one of the inputs, exists (without `force`), or cannot be made. Nothing was changed then.
    pub(crate) fn create(path: &Path, force: bool, heap: &Heap<Disk>) -> Result<Self, Failure> {
        let shown = path.display();
        let refused = |reason: String| Failure::Operation(format!("{shown}: {reason}"));
        let identity = Identity::of(path);
        let is_input = |label: &str| Identity::of(Path::new(label)).same(&identity);
        if heap.files().iter().any(|file| is_input(&file.label)) {
            return Err(refused("is one of the inputs".into()));
        }
        let existing = fs::metadata(path).ok().map(|metadata| metadata.file_type());
        if existing.is_some_and(|kind| kind.is_dir()) {
            return Err(refused("is a folder".into()));
        }
        if existing.is_some() && !force {
            return Err(refused("exists; --force replaces it".into()));
        }
        let temporary = existing.is_none_or(|kind| kind.is_file()).then(|| part_of(path));
        let open = |name: &Path, fresh: bool| {
            OpenOptions::new().read(true).write(true).create(fresh).truncate(fresh).open(name)
        };
        let file = match &temporary {
            Some(temporary) => open(temporary, true),
            None => open(path, false),
        };
        let file = file.map_err(|error| refused(format!("cannot be written: {}", host_reason(&error))))?;
        Ok(Self { file, path: path.into(), temporary })
    }

    /// The file to write to.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Takes away what was written, and adds to `failure` which file it was about.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        if let Some(temporary) = &self.temporary {
            // Whatever is left is called .part and cannot be taken for an image.
            _ = fs::remove_file(temporary);
        }
        failure
    }

    /// Makes the bytes durable, then gives the file its name.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::Operation(format!("{}: {}", self.path.display(), host_reason(&error)))
        };
        self.file.sync_all().map_err(failed)?;
        match &self.temporary {
            Some(temporary) => fs::rename(temporary, &self.path).map_err(failed),
            None => Ok(()),
        }
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(".part");
    name.into()
}
