//! qcow2 images: planned by `virstor-qcow2`, filled from the volume, written front to back.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;

use virstor::block::Block;
use virstor::plan::SegmentPlace;
use virstor_qcow2::{Layout, Piece, smallest_cluster_bits};

use super::copy::BLOCK;
use super::{Job, Reader};
use crate::args::FillLost;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// qemu's own choice: clusters of 64 KiB.
const CLUSTER_BITS: u32 = 16;

/// Writes the image to `file`.
pub(crate) fn to_file(job: &Job<'_>, mut file: &File, progress: &mut Progress) -> Result<(), Failure> {
    write(job, progress, &mut |bytes| file.write_all(bytes).map_err(|error| job.write_failure(&error)))
}

/// Writes the image to stdout.
pub(crate) fn to_stdout(job: &Job<'_>, progress: &mut Progress) -> Result<(), Failure> {
    write(job, progress, &mut |bytes| output::with_stdout(|out: &mut dyn io::Write| out.write_all(bytes)))
}

fn write(
    job: &Job<'_>,
    progress: &mut Progress,
    put: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let refused = |error: virstor_qcow2::Error| Failure::Operation(format!("qcow2: {error}"));
    let bits = smallest_cluster_bits(job.len()).unwrap_or(CLUSTER_BITS).max(CLUSTER_BITS);
    let layout = Layout::new(job.len(), bits, DataRanges::new(job)).map_err(refused)?;
    let mut reader = job.reader();
    let mut block = Block::new(usize::try_from(BLOCK).expect("a block is small").max(1 << bits));
    let mut written = 0;
    for piece in layout.pieces(|| DataRanges::new(job), BLOCK) {
        let piece = piece.map_err(refused)?;
        match &piece {
            Piece::Bytes(bytes) => put(bytes)?,
            Piece::Copy { virtual_offset, len } => {
                let bytes = &mut block[..usize::try_from(*len).expect("at most a block")];
                job.read_or_fill(&mut reader, job.range.start + virtual_offset, bytes)?;
                put(bytes)?;
            }
        }
        written += piece.len();
        progress.report("exporting", written, layout.total_len());
    }
    Ok(())
}

/// The ranges of the image that hold data, or text in its place, counted from its start.
struct DataRanges {
    lost_too: bool,
    reader: Reader,
    start: u64,
    rest: Range<u64>,
}

impl DataRanges {
    fn new(job: &Job<'_>) -> Self {
        let lost_too = job.missing == FillLost::Pattern;
        Self { lost_too, reader: job.reader(), start: job.range.start, rest: job.range.clone() }
    }
}

impl Iterator for DataRanges {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        loop {
            let segment = self.reader.segments(self.rest.clone()).next()?;
            self.rest.start = segment.end();
            let wanted = match segment.place {
                SegmentPlace::Data { .. } => true,
                SegmentPlace::Lost(_) => self.lost_too,
                SegmentPlace::Hole => false,
            };
            if wanted {
                return Some(segment.start - self.start..segment.end() - self.start);
            }
        }
    }
}
