//! Raw images: every byte at its place; what is not written is a hole.

use virstor::block::Block;
use virstor::plan::{Segment, SegmentPlace};

use super::Job;
use super::copy::{self, BLOCK, Filling, Piece};
use crate::args::FillLost;
use crate::disk::HostFile;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// Writes the image to `file`, which may be a disk that holds other things.
pub(crate) fn to_file(job: &Job<'_>, file: &HostFile, progress: &mut Progress) -> Result<(), Failure> {
    let write_failed = |error: std::io::Error| job.write_failure(&error);
    let is_file = file.as_std().metadata().map_err(write_failed)?.is_file();
    if is_file {
        // The largest file there can be has 2^63 - 1 bytes; std has other words for that.
        if i64::try_from(job.len()).is_err() {
            return Err(write_failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        file.as_std().set_len(job.len()).map_err(write_failed)?;
    }
    let mut planner = job.reader();
    let start = job.range.start;
    let pieces = planner.segments(job.range.clone()).flat_map(|segment| split(job, segment, start));
    // A fresh file reads as zeros where nothing was written; a disk does not.
    let pieces = pieces.filter(|piece| !is_file || piece.filling != Filling::Zeros);
    copy::perform(job, pieces, file, is_file, progress)
}

/// The segment in blocks; `start` is the first byte of the image.
fn split(job: &Job<'_>, segment: Segment, start: u64) -> impl Iterator<Item = Piece> {
    let pattern = job.missing == FillLost::Pattern;
    let blocks = (0..segment.len).step_by(usize::try_from(BLOCK).expect("a block is small"));
    blocks.map(move |done| Piece {
        filling: match segment.place {
            SegmentPlace::Data { component, offset } => Filling::Data(component, offset + done),
            SegmentPlace::Lost(_) if pattern => Filling::Pattern(segment.start + done),
            SegmentPlace::Hole | SegmentPlace::Lost(_) => Filling::Zeros,
        },
        target: segment.start - start + done,
        len: BLOCK.min(segment.len - done),
    })
}

/// Writes the image to stdout, zeros and all.
pub(crate) fn to_stdout(job: &Job<'_>, progress: &mut Progress) -> Result<(), Failure> {
    let mut reader = job.reader();
    let mut block = Block::new(usize::try_from(BLOCK).expect("a block is small"));
    let mut offset = job.range.start;
    while offset < job.range.end {
        let len = usize::try_from((job.range.end - offset).min(BLOCK)).expect("at most a block");
        let bytes = &mut block[..len];
        job.read_or_fill(&mut reader, offset, bytes)?;
        output::with_stdout(|out| out.write_all(bytes))?;
        offset += len as u64;
        progress.report("exporting", offset - job.range.start, job.len());
    }
    Ok(())
}
