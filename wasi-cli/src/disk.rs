//! Files of the host as disks of the engine. A [`Disk`] is opened for reading, never for writing; a verb that
//! changes a set opens a [`WritableDisk`] beside it.

#[cfg_attr(unix, path = "disk/unix.rs")]
#[cfg_attr(windows, path = "disk/windows.rs")]
#[cfg_attr(not(any(unix, windows)), path = "disk/seeking.rs")]
mod positional;

#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod direct;

pub(crate) mod writable;

use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use virstor::io::{IoError, ReadAt};
use virstor_inspect::source::Source;

pub(crate) use self::writable::WritableDisk;
use crate::failure::host_reason;

/// A file that is read as a disk, as it is or with something put over it. Clones share the handle.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    source: Source<HostDisk>,
    path: Arc<Path>,
}

/// A file of the host as it is.
#[derive(Debug, Clone)]
pub(crate) struct HostDisk {
    file: Arc<HostFile>,
    size: u64,
}

impl Disk {
    /// Opens `path` for reading.
    ///
    /// # Errors
    ///
    /// As [`HostDisk::open`].
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        HostDisk::open(path).map(|disk| Self::new(Source::file(disk), path))
    }

    /// What is read as `source`, which comes from the file at `path`.
    pub(crate) fn new(source: Source<HostDisk>, path: &Path) -> Self {
        Self { source, path: path.into() }
    }

    /// The same with something put over it.
    pub(crate) fn map(self, put: impl FnOnce(Source<HostDisk>) -> Source<HostDisk>) -> Self {
        Self { source: put(self.source), ..self }
    }

    /// What it is read as.
    pub(crate) fn source(&self) -> &Source<HostDisk> {
        &self.source
    }

    /// Where the file was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps programs that ask from writing to the file for as long as there is a clone of this; false when one writes
    /// to it already.
    pub(crate) fn keep_writers_out(&self) -> bool {
        let lock = |disk: &HostDisk| disk.file.as_std().try_lock_shared();
        // Where there are no locks (WASI, some network file systems) the user was told to see to it.
        !matches!(self.source.beneath().map(lock), Some(Err(TryLockError::WouldBlock)))
    }

    /// The file itself, where it is read as it is.
    #[cfg(target_os = "linux")]
    pub(crate) fn file(&self) -> Option<&HostFile> {
        self.source.plain().map(|disk| &*disk.file)
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.source.read_at(offset, buf)
    }

    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        self.source.unreadable(range)
    }

    #[cfg(target_os = "linux")]
    fn data_from(&self, offset: u64) -> u64 {
        use rustix::fs::{SeekFrom, seek};
        use rustix::io::Errno;
        let Some(file) = self.file() else { return offset };
        match seek(file.as_std(), SeekFrom::Data(offset)) {
            Ok(stored) => stored,
            Err(Errno::NXIO) => u64::MAX,
            Err(_) => offset,
        }
    }
}

impl HostDisk {
    /// Opens `path` for reading.
    ///
    /// # Errors
    ///
    /// A reason for people: it does not exist, is a folder, may not be read, is neither file nor disk.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let reason = |error: io::Error| host_reason(&error);
        let kind = std::fs::metadata(path).map_err(reason)?.file_type();
        if kind.is_dir() {
            return Err("is a folder".into());
        }
        if !kind.is_file() && !is_disk(kind) {
            return Err("is neither a file nor a disk".into());
        }
        let file = File::open(path).map_err(reason)?;
        // The end is where seeking says it is: the metadata of a disk has no length.
        let size = (&file).seek(SeekFrom::End(0)).map_err(reason)?;
        Ok(Self { file: Arc::new(HostFile::for_reading(file, path)), size })
    }
}

impl ReadAt for HostDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.file.read_exact_at(offset, buf).map_err(|error| read_error(&error, offset, buf.len()))
    }
}

fn read_error(error: &io::Error, offset: u64, len: usize) -> IoError {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends before; has it shrunk?".into(),
        _ => host_reason(error),
    };
    IoError::new(offset, len, reason)
}

/// An open file that is read and written at given places, whatever its cursor.
#[derive(Debug)]
pub(crate) struct HostFile {
    file: File,
    #[cfg(all(target_os = "wasi", target_env = "p2"))]
    direct: Option<direct::Direct>,
}

impl HostFile {
    /// `file`, which is `path`, opened for reading.
    pub(crate) fn for_reading(file: File, path: &Path) -> Self {
        Self::new(file, path, false)
    }

    /// `file`, which is `path`, opened for reading and writing.
    pub(crate) fn for_writing(file: File, path: &Path) -> Self {
        Self::new(file, path, true)
    }

    #[cfg(not(all(target_os = "wasi", target_env = "p2")))]
    fn new(file: File, _: &Path, _: bool) -> Self {
        Self { file }
    }

    #[cfg(all(target_os = "wasi", target_env = "p2"))]
    fn new(file: File, path: &Path, writable: bool) -> Self {
        Self { file, direct: direct::Direct::open(path, writable) }
    }

    /// The file as std knows it.
    pub(crate) fn as_std(&self) -> &File {
        &self.file
    }

    /// Fills `buf` with the bytes from `offset` on.
    pub(crate) fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        #[cfg(all(target_os = "wasi", target_env = "p2"))]
        if self.direct.as_ref().is_some_and(|direct| direct.read_exact_at(offset, buf)) {
            return Ok(());
        }
        positional::read_exact_at(&self.file, offset, buf)
    }

    /// Writes all of `bytes` at `offset`.
    pub(crate) fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        #[cfg(all(target_os = "wasi", target_env = "p2"))]
        if self.direct.as_ref().is_some_and(|direct| direct.write_all_at(offset, bytes)) {
            return Ok(());
        }
        positional::write_all_at(&self.file, offset, bytes)
    }
}

#[cfg(unix)]
fn is_disk(kind: std::fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    // FreeBSD's disks are character devices; Linux's are not, and opening one of those can do things (a
    // watchdog starts, a tape rewinds).
    kind.is_block_device()
        || (kind.is_char_device() && !cfg!(any(target_os = "linux", target_os = "android")))
}

#[cfg(not(unix))]
fn is_disk(kind: std::fs::FileType) -> bool {
    // WASI cannot tell disks from other special files; a folder was sorted out before.
    !kind.is_dir()
}
