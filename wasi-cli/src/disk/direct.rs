//! Files of a component past std: positional calls of `wasi:filesystem`, which cost half of what std's streams do.
//!
//! Nothing here reports errors. What does not work is done again by std, whose errors are those of every other
//! runtime.

use std::path::Path;

use wasi::filesystem::preopens;
use wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};

/// A second handle of a file.
#[derive(Debug)]
pub(super) struct Direct(Descriptor);

impl Direct {
    /// Opens the existing file `path` again; for writing too where that is allowed.
    pub(super) fn open(path: &Path, writable: bool) -> Option<Self> {
        let path = path.to_str()?;
        let write = if writable { DescriptorFlags::WRITE } else { DescriptorFlags::empty() };
        let flags = DescriptorFlags::READ | write;
        let opened = preopens::get_directories().into_iter().filter_map(|(folder, name)| {
            let (name, within) = (plain(&name), relative(path, &name)?);
            let file = folder.open_at(PathFlags::SYMLINK_FOLLOW, within, OpenFlags::empty(), flags).ok()?;
            Some((name.len(), Self(file)))
        });
        // As in wasi-libc, the longest name decides, and of several the last.
        opened.max_by_key(|(len, _)| *len).map(|(_, file)| file)
    }

    /// Fills `buf` with the bytes from `offset` on; false when that did not work.
    pub(super) fn read_exact_at(&self, mut offset: u64, mut buf: &mut [u8]) -> bool {
        while !buf.is_empty() {
            // wasmtime gives at most 64 KiB, whatever it is asked for.
            let Ok((bytes, _)) = self.0.read(buf.len() as u64, offset) else { return false };
            let Some((filled, rest)) = buf.split_at_mut_checked(bytes.len()) else { return false };
            if filled.is_empty() {
                return false;
            }
            filled.copy_from_slice(&bytes);
            buf = rest;
            offset += bytes.len() as u64;
        }
        true
    }

    /// Writes all of `bytes` at `offset`; false when that did not work.
    pub(super) fn write_all_at(&self, mut offset: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let Ok(written) = self.0.write(bytes, offset) else { return false };
            let rest = usize::try_from(written).ok().and_then(|written| bytes.get(written..));
            match rest {
                Some(rest) if written > 0 => bytes = rest,
                _ => return false,
            }
            offset += written;
        }
        true
    }
}

/// `path` as seen from the folder that the program knows as `name`, if it lies there.
fn relative<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (path, name) = (plain(path), plain(name));
    if name.is_empty() {
        return Some(path);
    }
    path.strip_prefix(name)?.strip_prefix('/').map(plain)
}

/// The path without what leads nowhere: there is one root, and it is also the current folder.
fn plain(path: &str) -> &str {
    let mut path = path;
    while let Some(rest) = path.strip_prefix('/').or_else(|| path.strip_prefix("./")) {
        path = rest;
    }
    if path == "." { "" } else { path.trim_end_matches('/') }
}
