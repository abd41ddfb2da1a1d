//! Copying the pieces of an image from the components into a file: large blocks, and natively two at a time.

use std::fs::File;

use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::plan::ReadError;

use super::{Job, Reader};
use crate::disk;
use crate::failure::{Failure, host_reason};
use crate::progress::Progress;

/// Bytes that are read and written at once.
pub(crate) const BLOCK: u64 = 1 << 20;

/// Runs of zeros shorter than this are written, longer ones become holes.
const ZERO_RUN: usize = 64 << 10;

/// A piece of an image: at most a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// The component it lies on and where there; `None` for zeros.
    pub(crate) source: Option<(ComponentIndex, u64)>,
    /// Where it goes in the image.
    pub(crate) target: u64,
    /// Its length in bytes.
    pub(crate) len: u64,
}

/// Copies `pieces` into `file`. With `skip_zeros` the file is known to read as zeros where nothing is written.
pub(crate) fn perform(
    job: &Job<'_>,
    pieces: impl Iterator<Item = Piece> + Send,
    file: &File,
    skip_zeros: bool,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let source = job.reader();
    let total = if skip_zeros { job.totals.data } else { job.len() };
    let copier = Copier { source: &source, file, skip_zeros };
    let mut done = 0;
    workers::run(&copier, pieces, &mut |len| {
        done += len;
        progress.report("exporting", done, total);
    })
    .map_err(|error| match error {
        CopyError::Read(error) => job.read_failure(&error),
        CopyError::Write(error) => {
            Failure::Operation(format!("the image cannot be written: {}", host_reason(&error)))
        }
    })
}

/// Why a piece was not copied.
#[derive(Debug)]
enum CopyError {
    Read(ReadError),
    Write(std::io::Error),
}

struct Copier<'a> {
    source: &'a Reader,
    file: &'a File,
    skip_zeros: bool,
}

impl Copier<'_> {
    /// Copies one piece by way of `buffer`, which has room for a block.
    fn copy(&self, piece: Piece, buffer: &mut [u8]) -> Result<(), CopyError> {
        let buffer = &mut buffer[..usize::try_from(piece.len).expect("at most a block")];
        match piece.source {
            None => buffer.fill(0),
            Some((component, offset)) => {
                let disk = self.source.disk(component).expect("the plan names components that are there");
                let failed = |error| CopyError::Read(ReadError::Io { component, error });
                disk.read_at(offset, buffer).map_err(failed)?;
            }
        }
        if !self.skip_zeros {
            return self.write(piece.target, buffer);
        }
        let mut at = 0;
        while at < buffer.len() {
            let run = data_run(&buffer[at..]);
            if run > 0 {
                self.write(piece.target + at as u64, &buffer[at..at + run])?;
            }
            at += run + ZERO_RUN;
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), CopyError> {
        disk::write_all_at(self.file, offset, bytes).map_err(CopyError::Write)
    }
}

/// How many bytes there are before a stretch of zeros worth leaving out.
fn data_run(bytes: &[u8]) -> usize {
    let is_data = |part: &&[u8]| part.iter().any(|byte| *byte != 0);
    bytes.chunks(ZERO_RUN).take_while(is_data).map(<[u8]>::len).sum()
}

#[cfg(not(target_family = "wasm"))]
mod workers {
    //! Two threads: while one waits for a read, the other writes.

    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::{BLOCK, Copier, CopyError, Piece};

    /// More threads bring no more on the machines measured: two memory copies fill the bus.
    const THREADS: usize = 2;

    pub(super) fn run(
        copier: &Copier<'_>,
        pieces: impl Iterator<Item = Piece> + Send,
        done: &mut dyn FnMut(u64),
    ) -> Result<(), CopyError> {
        let pieces = &Mutex::new(pieces);
        std::thread::scope(|scope| {
            let (report, reports) = mpsc::channel();
            for _ in 0..THREADS {
                let report = report.clone();
                scope.spawn(move || {
                    let mut buffer = vec![0; usize::try_from(BLOCK).expect("a block is small")];
                    loop {
                        let next = pieces.lock().map(|mut pieces| pieces.next());
                        let Ok(Some(piece)) = next else { break };
                        let outcome = copier.copy(piece, &mut buffer).map(|()| piece.len);
                        let failed = outcome.is_err();
                        if report.send(outcome).is_err() || failed {
                            break;
                        }
                    }
                });
            }
            drop(report);
            // Leaving at the first error drops the receiver, and that stops the other thread.
            for outcome in reports {
                done(outcome?);
            }
            Ok(())
        })
    }
}

#[cfg(target_family = "wasm")]
mod workers {
    //! WASI has no threads.

    use super::{BLOCK, Copier, CopyError, Piece};

    pub(super) fn run(
        copier: &Copier<'_>,
        pieces: impl Iterator<Item = Piece>,
        done: &mut dyn FnMut(u64),
    ) -> Result<(), CopyError> {
        let mut buffer = vec![0; usize::try_from(BLOCK).expect("a block is small")];
        for piece in pieces {
            copier.copy(piece, &mut buffer)?;
            done(piece.len);
        }
        Ok(())
    }
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
