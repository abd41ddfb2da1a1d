//! A file that is also written to: opened only when the plan stands and the user asked for it.

use std::fs::{OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use virstor::io::{IoError, ReadAt, WriteAt};

use super::{HostFile, read_error};
use crate::failure::host_reason;

/// A disk that can be told that some of its bytes are of no use any more.
pub(crate) trait Medium: WriteAt + Send + Sync {
    /// The `len` bytes from `offset` on may become zero, if that is less work than leaving them is worth.
    ///
    /// # Errors
    ///
    /// As for writing.
    fn discard(&self, offset: u64, len: u64) -> Result<(), IoError> {
        _ = (offset, len);
        Ok(())
    }

    /// Leaves it to others: it is not locked any more, and whoever still has it is told so.
    fn give_up(&self) {}
}

/// A file that is read and written as a disk, by this program alone as far as the host can see to that. Clones share
/// the handle.
#[derive(Debug, Clone)]
pub(crate) struct WritableDisk(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    file: HostFile,
    size: u64,
    /// Whether it can shrink or be deleted: disks cannot.
    is_file: bool,
    /// What the host said when it failed to make bytes durable. It may have forgotten them since, and would say
    /// that all is well when it is asked again.
    lost: Mutex<Option<String>>,
    /// Whether it was left to others.
    given_up: AtomicBool,
}

/// Zeros up to this length are written, longer ones punched: a hole costs the host's bookkeeping.
#[cfg(target_os = "linux")]
const SHORT: u64 = 32 << 10;

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
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let size = file.seek(SeekFrom::End(0)).map_err(|error| host_reason(&error))?;
        let file = HostFile::for_writing(file, path);
        Ok(Self(Arc::new(Opened {
            file,
            size,
            is_file,
            lost: Mutex::default(),
            given_up: AtomicBool::default(),
        })))
    }

    /// Checks that there still is what was opened: a write would make a file that shrank long again, with zeros
    /// where its bytes were.
    fn check(&self) -> Result<(), String> {
        self.check_kept()?;
        if !self.0.is_file {
            return Ok(());
        }
        let metadata = self.0.file.as_std().metadata().map_err(|error| host_reason(&error))?;
        if metadata.len() < self.0.size {
            return Err(format!("the file has shrunk to {} bytes", metadata.len()));
        }
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::nlink(&metadata) == 0 {
            return Err("the file was deleted".into());
        }
        Ok(())
    }

    fn check_kept(&self) -> Result<(), String> {
        if self.0.given_up.load(Ordering::SeqCst) {
            Err("it was removed from the volume".into())
        } else {
            Ok(())
        }
    }

    fn check_write(&self, offset: u64, len: u64) -> Result<(), IoError> {
        let short = usize::try_from(len).unwrap_or(usize::MAX);
        if offset.checked_add(len).is_none_or(|end| end > self.0.size) {
            return Err(IoError::writing(offset, short, "past the end"));
        }
        self.check().map_err(|reason| IoError::writing(offset, short, reason))
    }

    /// Makes a hole; whether that worked.
    #[cfg(target_os = "linux")]
    fn punch(&self, offset: u64, len: u64) -> bool {
        use rustix::fs::{FallocateFlags, fallocate};
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(self.0.file.as_std(), how, offset, len).is_ok()
    }
}

impl ReadAt for WritableDisk {
    fn size(&self) -> u64 {
        self.0.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.check_kept().map_err(|reason| IoError::new(offset, buf.len(), reason))?;
        self.0.file.read_exact_at(offset, buf).map_err(|error| read_error(&error, offset, buf.len()))
    }
}

impl WriteAt for WritableDisk {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.check_write(offset, bytes.len() as u64)?;
        let failed = |error: io::Error| IoError::writing(offset, bytes.len(), host_reason(&error));
        self.0.file.write_all_at(offset, bytes).map_err(failed)
    }

    fn flush(&self) -> Result<(), IoError> {
        let mut lost = self.0.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &*lost {
            return Err(IoError::flushing(reason));
        }
        self.check().map_err(IoError::flushing)?;
        self.0.file.as_std().sync_data().map_err(|error| {
            let reason = lost.insert(host_reason(&error));
            IoError::flushing(reason.as_str())
        })
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), IoError> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        self.check_write(offset, len)?;
        #[cfg(target_os = "linux")]
        if len > SHORT && self.punch(offset, len) {
            return Ok(());
        }
        let mut done = 0;
        while done < len {
            let piece = usize::try_from(len - done).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
            let failed = |error: io::Error| IoError::writing(offset + done, piece, host_reason(&error));
            self.0.file.write_all_at(offset + done, &ZEROS[..piece]).map_err(failed)?;
            done += piece as u64;
        }
        Ok(())
    }
}

impl Medium for WritableDisk {
    #[cfg(target_os = "linux")]
    fn discard(&self, offset: u64, len: u64) -> Result<(), IoError> {
        self.check_write(offset, len)?;
        // A hint: a file system without holes keeps the bytes.
        self.punch(offset, len);
        Ok(())
    }

    fn give_up(&self) {
        self.0.given_up.store(true, Ordering::SeqCst);
        // One that cannot be unlocked is when the last client is gone that has it.
        _ = self.0.file.as_std().unlock();
    }
}

#[cfg(target_os = "linux")]
fn is_block_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
}
