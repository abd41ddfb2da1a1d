//! Telling whether two paths are the same file.

use std::path::{Component, Path, PathBuf};

/// What stands for a file: equal for two paths to the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    path: PathBuf,
    #[cfg(unix)]
    inode: Option<(u64, u64)>,
}

impl Identity {
    /// The identity of the file at `path`, which need not exist.
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            // WASI has no canonical paths; there symbolic links and hard links go unnoticed.
            path: std::fs::canonicalize(path).unwrap_or_else(|_| lexical(path)),
            #[cfg(unix)]
            inode: std::fs::metadata(path).ok().map(|metadata| {
                use std::os::unix::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            }),
        }
    }

    /// Whether both are the same file, by name or behind a link.
    pub(crate) fn same(&self, other: &Self) -> bool {
        #[cfg(unix)]
        if self.inode.is_some() && self.inode == other.inode {
            return true;
        }
        self.path == other.path
    }
}

/// The path without `.` and `..`, as far as the text tells.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        assert_eq!(lexical(Path::new("./a/../b/./c")), Path::new("b/c"));
        assert_eq!(lexical(Path::new("../a")), Path::new("../a"));
    }
}
