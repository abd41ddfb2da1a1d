//! Where an image goes: under a temporary name until it is whole.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::args::Input;
use crate::disk::HostFile;
use crate::failure::{Failure, host_reason};
use crate::heap;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: HostFile,
    path: PathBuf,
    /// The name until then; `None` for a disk, which is written in place.
    temporary: Option<PathBuf>,
}

impl NewFile {
    /// Opens `path` for writing: as `path.part`, or itself where it is a disk.
    ///
    /// # Errors
    ///
    /// When it, or `path.part`, is one of the inputs; when either exists (without `force`), or cannot be made.
    /// Nothing was changed then.
    pub(crate) fn create(path: &Path, force: bool, input: &Input) -> Result<Self, Failure> {
        let refused = |reason: String| Failure::Operation(format!("{}: {reason}", path.display()));
        if heap::is_input(input, path)? {
            return Err(refused("is one of the inputs".into()));
        }
        let existing = fs::metadata(path).ok().map(|metadata| metadata.file_type());
        if existing.is_some_and(|kind| kind.is_dir()) {
            return Err(refused("is a folder".into()));
        }
        // A link that leads nowhere exists, too.
        if !force && fs::symlink_metadata(path).is_ok() {
            return Err(refused("exists; --force replaces it".into()));
        }
        let temporary = existing.is_none_or(|kind| kind.is_file()).then(|| part_of(path));
        let file = match &temporary {
            Some(temporary) => {
                refuse_to_replace(temporary, input, force)?;
                let mut options = OpenOptions::new();
                options.read(true).write(true).create(true).truncate(true).create_new(!force);
                options.open(temporary)
            }
            None => OpenOptions::new().read(true).write(true).open(path),
        };
        let file = file.map_err(|error| refused(format!("cannot be written: {}", host_reason(&error))))?;
        let file = HostFile::for_writing(file, temporary.as_deref().unwrap_or(path));
        Ok(Self { file, path: path.into(), temporary })
    }

    /// The file to write to.
    pub(crate) fn file(&self) -> &HostFile {
        &self.file
    }

    /// Takes away what was written.
    pub(crate) fn discard(self) {
        if let Some(temporary) = &self.temporary {
            // Whatever is left is called .part and cannot be taken for an image.
            _ = fs::remove_file(temporary);
        }
    }

    /// Makes the bytes durable, then gives the file its name.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::Operation(format!("{}: {}", self.path.display(), host_reason(&error)))
        };
        match (&self.temporary, self.file.as_std().sync_all()) {
            (Some(temporary), Ok(())) => fs::rename(temporary, &self.path).map_err(failed),
            // A device that has no cache to write out says so, and has all the bytes.
            (None, Err(error)) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            (_, outcome) => outcome.map_err(failed),
        }
    }
}

/// An older `.part` is likely an image that was broken off, but who may have it or need it is not known here: it is
/// written over with `force` only, and what is not a file never is.
fn refuse_to_replace(temporary: &Path, input: &Input, force: bool) -> Result<(), Failure> {
    let refused = |reason: &str| {
        let shown = temporary.display();
        Err(Failure::Operation(format!("{shown}: {reason}, and the image is written there first")))
    };
    if heap::is_input(input, temporary)? {
        return refused("is one of the inputs");
    }
    match fs::symlink_metadata(temporary) {
        Ok(metadata) if metadata.is_symlink() => refused("is a link"),
        Ok(metadata) if !metadata.is_file() => refused("is not a file"),
        Ok(_) if !force => Err(Failure::Operation(format!(
            "{}: exists, perhaps left by an interrupted run, and the image is written there first; --force replaces it",
            temporary.display()
        ))),
        _ => Ok(()),
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(".part");
    name.into()
}
