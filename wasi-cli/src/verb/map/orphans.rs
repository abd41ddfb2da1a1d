//! `map --orphans`: data that no map entry names, for sets whose map was lost.

use std::ops::ControlFlow;

use virstor::check::Orphan;
use virstor_inspect::Heap;
use virstor_inspect::document::map::OrphanChunk;

use crate::args::Output;
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::progress::Progress;
use crate::{heap, output};

pub(super) fn run(heap: &Heap<Disk>, number: usize, how: Output) -> Result<Status, Failure> {
    heap::refuse_specimen(heap, number, "map --orphans")?;
    let volume = &heap.volumes()[number];
    let chunk_size = volume.chunk_size;
    let mut orphans = Vec::new();
    let mut progress = Progress::new(how.progress, how.quiet);
    let mut keep = |orphan: Orphan| {
        orphans.push(OrphanChunk {
            component: orphan.index.0,
            physical_chunk: orphan.chunk.0,
            offset: chunk_size.offset_of(orphan.chunk),
            first_byte: orphan.offset,
            looks_like: orphan.looks_like,
        });
    };
    heap.check_deep(number, &mut keep, &mut |_, done, total| {
        progress.report("looking for orphans", done, total);
        ControlFlow::Continue(())
    });
    drop(progress);
    if how.json {
        output::print_json_array(orphans.into_iter())?;
        return Ok(Status::Fine);
    }
    let heading = format!("{:>9} {:>10} {:>16}  looks like", "component", "chunk", "offset");
    let lines = orphans.iter().map(|orphan| {
        let OrphanChunk { component, physical_chunk, offset, looks_like, .. } = orphan;
        format!("{component:>9} {physical_chunk:>10} {offset:>16}  {}", looks_like.unwrap_or(""))
            .trim_end()
            .to_string()
    });
    output::print_lines(std::iter::once(heading).chain(lines))?;
    Ok(Status::Fine)
}
