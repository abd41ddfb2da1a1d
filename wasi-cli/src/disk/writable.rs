//! A file that is also written to: opened only when the plan stands and the user asked for it.

use std::fs::{OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom};
use std::path::Path;

use virstor::io::{IoError, ReadAt, WriteAt};

use super::{HostFile, read_error};
use crate::failure::host_reason;

/// A file that is read and written as a disk, by this program alone as far as the host can see to that.
#[derive(Debug)]
pub(crate) struct WritableDisk {
    file: HostFile,
    size: u64,
}

impl WritableDisk {
    /// Opens the existing file at `path` for writing, and locks it against other programs that ask.
    ///
    /// # Errors
    ///
    /// A reason for people: it may not be written, is locked, or (a disk on Linux) is mounted.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        #[cfg(target_os = "linux")]
        if is_block_device(path) {
            use std::os::unix::fs::OpenOptionsExt;
            // For a block device this means: not while it is mounted or part of something else.
            options.custom_flags(rustix::fs::OFlags::EXCL.bits().cast_signed());
        }
        let mut file = options.open(path).map_err(|error| host_reason(&error))?;
        // Where there are no locks (WASI, some network file systems) the user was told to see to it.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err("is locked by another program".into());
        }
        let size = file.seek(SeekFrom::End(0)).map_err(|error| host_reason(&error))?;
        Ok(Self { file: HostFile::for_writing(file, path), size })
    }
}

#[cfg(target_os = "linux")]
fn is_block_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
}

impl ReadAt for WritableDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.file.read_exact_at(offset, buf).map_err(|error| read_error(&error, offset, buf.len()))
    }
}

impl WriteAt for WritableDisk {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let written = self.file.write_all_at(offset, bytes);
        written.map_err(|error| IoError::writing(offset, bytes.len(), host_reason(&error)))
    }

    fn flush(&self) -> Result<(), IoError> {
        self.file.as_std().sync_all().map_err(|error| IoError::flushing(host_reason(&error)))
    }
}
