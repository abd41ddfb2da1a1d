//! `export`: the volume as an image.

mod copy;
mod qcow2;
mod raw;
mod target;

use std::ops::Range;

use virstor::kernel::Tunables;
use virstor::plan::{ReadError, VolumeReader};
use virstor_inspect::Heap;
use virstor_inspect::document::export::Export;
use virstor_inspect::document::map::Totals;
use virstor_inspect::heap::ComponentDisk;

use crate::args::{ExportArgs, Format, Missing};
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::progress::Progress;
use crate::size::human;
use crate::{heap, output, range, verb};

/// A reader of a volume on files of the host.
type Reader = VolumeReader<ComponentDisk<Disk>>;

/// What is exported: a range of a volume of a heap.
struct Job<'a> {
    heap: &'a Heap<Disk>,
    volume: usize,
    range: Range<u64>,
    totals: Totals,
}

impl Job<'_> {
    fn reader(&self) -> Reader {
        self.heap.reader(self.volume, verb::MAP_MEMORY)
    }

    /// Length of the image as a disk, in bytes.
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The failure that a read error is, naming the file.
    fn read_failure(&self, error: &ReadError) -> Failure {
        Failure::Operation(heap::read_error(self.heap, self.volume, error))
    }
}

pub(crate) fn run(args: &ExportArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let volume = heap::choose_one(&heap, &args.input, args.output)?;
    let range = range::within(args.range, heap.volumes()[volume].size())?;
    let to_stdout = args.out.as_os_str() == "-";
    if to_stdout && args.output.json {
        return Err(Failure::Usage("--json and an image cannot both go to stdout".into()));
    }
    let totals = Totals::new(heap.reader(volume, verb::MAP_MEMORY).segments(range.clone()));
    let job = Job { heap: &heap, volume, range, totals };
    refuse_lost(&job, args.missing)?;

    let format = args.format.unwrap_or_else(|| {
        let is_qcow2 = args.out.extension().is_some_and(|extension| extension == "qcow2");
        if is_qcow2 { Format::Qcow2 } else { Format::Raw }
    });
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    if to_stdout {
        match format {
            Format::Raw => raw::to_stdout(&job, &mut progress)?,
            Format::Qcow2 => qcow2::to_stdout(&job, &mut progress)?,
        }
    } else {
        let target = target::Target::create(&args.out, args.force, &heap)?;
        match format {
            Format::Raw => raw::to_file(&job, target.file(), &mut progress),
            Format::Qcow2 => qcow2::to_file(&job, target.file(), &mut progress),
        }
        .map_err(|failure| target.explain(failure))?;
        target.finish()?;
    }
    drop(progress);
    heap::note_strangers(&heap, args.output);
    if !to_stdout {
        report(args, &job, format)?;
    }
    Ok(if job.totals.lost > 0 { Status::Damage } else { Status::Fine })
}

fn refuse_lost(job: &Job<'_>, missing: Missing) -> Result<(), Failure> {
    if job.totals.lost == 0 || missing == Missing::Zero {
        return Ok(());
    }
    let volume = &job.heap.volumes()[job.volume];
    let absent: Vec<String> = volume.missing().take(8).map(|index| index.to_string()).collect();
    let why = if absent.is_empty() {
        "the map is damaged".into()
    } else {
        format!("component {} is missing", absent.join(", "))
    };
    Err(Failure::Operation(format!(
        "{} of {} bytes are lost, because {why}; --missing zero exports the rest with zeros there",
        job.totals.lost, job.totals.size
    )))
}

fn report(args: &ExportArgs, job: &Job<'_>, format: Format) -> Result<(), Failure> {
    let volume = &job.heap.volumes()[job.volume];
    let document = Export {
        output: args.out.display().to_string(),
        format: match format {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        },
        volume: volume.name.to_string(),
        id: volume.id,
        start: job.range.start,
        size: job.len(),
        data: job.totals.data,
        hole: job.totals.hole,
        lost: job.totals.lost,
    };
    if args.output.json {
        return output::print_json(&document);
    }
    if args.output.quiet {
        return Ok(());
    }
    let (size, data) = (human(document.size), human(document.data));
    let lost = match document.lost {
        0 => String::new(),
        lost => format!("; {} of it are lost and read as zeros", human(lost)),
    };
    output::print(&format!("{}: {size} written ({data} of data){lost}\n", document.output))
}

/// Fills `buf` with the volume's bytes from `offset` on, lost ones as zeros.
fn read_or_zero(reader: &mut Reader, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
    let segments: Vec<_> = reader.segments(offset..offset + buf.len() as u64).collect();
    for segment in segments {
        let start = usize::try_from(segment.start - offset).expect("within the buffer");
        let part = &mut buf[start..start + usize::try_from(segment.len).expect("within the buffer")];
        match segment.place {
            virstor::plan::SegmentPlace::Lost(_) => part.fill(0),
            _ => reader.read_segment(&segment, part)?,
        }
    }
    Ok(())
}
