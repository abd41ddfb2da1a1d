//! An undo log that lies on a disk of a machine, so that its writes are cut off, too.

use virstor::io::{IoError, WriteAt};
use virstor::undo::LogSink;

use crate::MachineDisk;

/// A log from the first byte of a disk on: appending is writing behind what is there.
#[derive(Debug)]
pub struct DiskLog {
    disk: MachineDisk,
    at: u64,
}

impl DiskLog {
    /// An empty log on `disk`, whatever is on that.
    #[must_use]
    pub fn new(disk: MachineDisk) -> Self {
        Self { disk, at: 0 }
    }
}

impl LogSink for DiskLog {
    fn append(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.disk.write_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), IoError> {
        self.disk.flush()
    }
}
