//! Copying the pieces of an image from the components into a file: in the kernel where it can, else in large blocks.
//!
//! By one thread: two were measured to take more processor time and no less time, because they wait for each other at
//! the file they both write to.

#[cfg(target_os = "linux")]
mod in_kernel;

use virstor::block::Block;
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::plan::ReadError;

use super::{Job, Reader, lost};
use crate::disk::HostFile;
use crate::failure::Failure;
use crate::progress::Progress;

/// Bytes that are read and written at once.
pub(crate) const BLOCK: u64 = 1 << 20;

/// Runs of zeros shorter than this are written, longer ones become holes.
const ZERO_RUN: usize = 64 << 10;

/// What a piece is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    Zeros,
    /// What lies on a component, and where there.
    Data(ComponentIndex, u64),
    /// Text in place of what is lost, from this byte of the volume on.
    Pattern(u64),
}

/// A piece of an image: at most a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// What it is filled with.
    pub(crate) filling: Filling,
    /// Where it goes in the image.
    pub(crate) target: u64,
    /// Its length in bytes.
    pub(crate) len: u64,
}

/// Copies `pieces` into `file`. With `skip_zeros` the file is known to read as zeros where nothing is written.
pub(crate) fn perform(
    job: &Job<'_>,
    pieces: impl Iterator<Item = Piece>,
    file: &HostFile,
    skip_zeros: bool,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let total = if skip_zeros { job.filled() } else { job.len() };
    let mut copier = Copier {
        job,
        source: job.reader(),
        file,
        skip_zeros,
        buffer: Block::new(usize::try_from(BLOCK).expect("a block is small")),
        #[cfg(target_os = "linux")]
        kernel: in_kernel::KernelCopy::default(),
    };
    let mut done = 0;
    for piece in pieces {
        copier.copy(piece)?;
        done += piece.len;
        progress.report("exporting", done, total);
    }
    Ok(())
}

struct Copier<'a> {
    job: &'a Job<'a>,
    source: Reader,
    file: &'a HostFile,
    skip_zeros: bool,
    buffer: Block,
    #[cfg(target_os = "linux")]
    kernel: in_kernel::KernelCopy,
}

impl Copier<'_> {
    fn copy(&mut self, piece: Piece) -> Result<(), Failure> {
        #[cfg(target_os = "linux")]
        if self.skip_zeros && self.copy_in_kernel(piece) {
            return Ok(());
        }
        self.read(piece)?;
        self.write(piece)
    }

    #[cfg(target_os = "linux")]
    fn copy_in_kernel(&mut self, piece: Piece) -> bool {
        let Filling::Data(component, offset) = piece.filling else { return false };
        let window = self.source.disk(component).expect("the plan names components that are there");
        let disk = self.job.heap.files()[window.disk().file()].disk.as_ref();
        let Some(file) = disk.ok().and_then(|disk| disk.file()) else { return false };
        let from = in_kernel::Spot { file: file.as_std(), offset: window.start() + offset };
        let to = in_kernel::Spot { file: self.file.as_std(), offset: piece.target };
        self.kernel.copy(component, from, to, piece.len)
    }

    /// Fills the buffer with the piece.
    fn read(&mut self, piece: Piece) -> Result<(), Failure> {
        let buffer = &mut self.buffer[..usize::try_from(piece.len).expect("at most a block")];
        let (component, offset) = match piece.filling {
            Filling::Data(component, offset) => (component, offset),
            Filling::Zeros => {
                buffer.fill(0);
                return Ok(());
            }
            Filling::Pattern(start) => {
                lost::pattern(start, buffer);
                return Ok(());
            }
        };
        let disk = self.source.disk(component).expect("the plan names components that are there");
        let failed = |error| self.job.read_failure(&ReadError::Io { component, error });
        disk.read_at(offset, buffer).map_err(failed)
    }

    /// Writes the piece from the buffer, without its zeros where it may.
    fn write(&self, piece: Piece) -> Result<(), Failure> {
        let bytes = &self.buffer[..usize::try_from(piece.len).expect("at most a block")];
        if !self.skip_zeros {
            return self.put(piece.target, bytes);
        }
        let mut at = 0;
        while at < bytes.len() {
            let run = data_run(&bytes[at..]);
            if run > 0 {
                self.put(piece.target + at as u64, &bytes[at..at + run])?;
            }
            at += run + ZERO_RUN;
        }
        Ok(())
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all_at(offset, bytes).map_err(|error| self.job.write_failure(&error))
    }
}

/// How many bytes there are before a stretch of zeros worth leaving out.
fn data_run(bytes: &[u8]) -> usize {
    let is_data = |part: &&[u8]| part.iter().any(|byte| *byte != 0);
    bytes.chunks(ZERO_RUN).take_while(is_data).map(<[u8]>::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_ends_where_a_stretch_of_zeros_begins() {
        let mut bytes = vec![0; 3 * ZERO_RUN];
        assert_eq!(data_run(&bytes), 0);
        bytes[ZERO_RUN - 1] = 1;
        assert_eq!(data_run(&bytes), ZERO_RUN);
        bytes[ZERO_RUN] = 1;
        assert_eq!(data_run(&bytes), 2 * ZERO_RUN);
        assert_eq!(data_run(&[1, 0]), 2);
    }
}
