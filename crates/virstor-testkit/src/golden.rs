//! The golden sets: component images that FreeBSD's own code made, and what it said about them.
//!
//! `tests/golden/NAME/` holds `images.tar.zst` (the component files, holes kept) and `expect.json`. The
//! catalogue is `tests/README.md`.

mod archive;
mod expect;
mod taste_order;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use virstor::io::ReadAt;

pub use self::expect::{
    ComponentState, Device, Expect, ExpectedMap, ExpectedRecord, Extent, FileDigest, FileSystemCase,
    InvariantsKernel, KernelCase, KernelState, NonzeroBlock, OrderOutcome, OtherOrders, Outcome, Probe,
    ProviderFile, Softc, WrittenPattern,
};
pub use self::taste_order::Provider;
use crate::SparseDisk;

/// One golden set, unpacked in memory.
#[derive(Debug, Clone)]
pub struct GoldenSet {
    /// The name of its folder.
    pub name: String,
    /// What the kernel did with it.
    pub expect: Expect,
    /// The component files by name.
    pub files: BTreeMap<String, SparseDisk>,
}

impl GoldenSet {
    /// The names of all sets, sorted.
    ///
    /// # Panics
    ///
    /// When the repository's `tests/golden` cannot be listed.
    #[must_use]
    pub fn names() -> Vec<String> {
        let entries = fs::read_dir(root()).unwrap_or_else(|error| panic!("{}: {error}", root().display()));
        let folders = entries
            .map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", root().display())))
            .filter(|entry| entry.path().is_dir());
        let mut names: Vec<_> = folders
            .map(|entry| entry.file_name().into_string().expect("the sets have ASCII names"))
            .collect();
        names.sort();
        names
    }

    /// The set in `tests/golden/NAME`.
    ///
    /// # Panics
    ///
    /// When there is none of that name, or one of its files cannot be read or understood.
    #[must_use]
    pub fn load(name: &str) -> Self {
        let folder = root().join(name);
        let expect = Expect::load(&folder.join("expect.json"));
        let images = folder.join("images.tar.zst");
        let files = archive::unpack(&images).unwrap_or_else(|error| panic!("{}: {error}", images.display()));
        Self { name: name.to_owned(), expect, files }
    }

    /// All sets, each loaded when its turn comes.
    ///
    /// # Panics
    ///
    /// As [`names`](Self::names) and [`load`](Self::load) do.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::names().into_iter().map(|name| Self::load(&name))
    }

    /// What the set shows.
    #[must_use]
    pub fn description(&self) -> &str {
        match &self.expect {
            Expect::Kernel(case) => &case.description,
            Expect::FileSystem(case) => &case.description,
        }
    }

    /// What the kernel did; `None` for a set that only carries a file system.
    #[must_use]
    pub fn kernel(&self) -> Option<&KernelCase> {
        match &self.expect {
            Expect::Kernel(case) => Some(case),
            Expect::FileSystem(_) => None,
        }
    }

    /// Whether the kernel brought the volume up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match &self.expect {
            Expect::Kernel(case) => case.result.up,
            Expect::FileSystem(_) => true,
        }
    }

    /// The SHA-256 of the whole virtual device, where the kernel could read it.
    #[must_use]
    pub fn device_sha256(&self) -> Option<&str> {
        match &self.expect {
            Expect::Kernel(case) => case.device_sha256.as_deref(),
            Expect::FileSystem(case) => Some(&case.device_sha256),
        }
    }

    /// The providers in the order in which the kernel tasted them: that of `taste_order`, else of the file
    /// names.
    #[must_use]
    pub fn providers(&self) -> Vec<Provider> {
        match &self.expect {
            Expect::Kernel(case) => case.providers_in_order(),
            Expect::FileSystem(_) => self.files.keys().map(|file| Provider::parse(file, 512)).collect(),
        }
    }

    /// The component in `file`.
    ///
    /// # Panics
    ///
    /// When the set has no such file.
    #[must_use]
    pub fn disk(&self, file: &str) -> &SparseDisk {
        self.files.get(file).unwrap_or_else(|| panic!("golden set {} has no file {file}", self.name))
    }

    /// Writes the component files into the folder `directory`, which exists, keeping holes, and gives their
    /// paths in tasting order. Files of the same names are replaced.
    ///
    /// # Errors
    ///
    /// When a file cannot be made or written.
    pub fn unpack_to(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        for (name, disk) in &self.files {
            write_sparsely(disk, &directory.join(name))?;
        }
        Ok(self.providers().iter().map(|provider| directory.join(&provider.file)).collect())
    }
}

/// Writes `disk` to the file `path`: only what is not zero takes room.
///
/// # Errors
///
/// When the file cannot be made or written.
pub fn write_sparsely(disk: &SparseDisk, path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.set_len(disk.size())?;
    for (offset, bytes) in disk.used() {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)?;
    }
    Ok(())
}

fn root() -> PathBuf {
    crate::fixtures().join("golden")
}

#[cfg(test)]
mod tests;
