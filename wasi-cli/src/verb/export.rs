//! `export`: the volume as an image.

mod copy;
mod lost;
mod qcow2;
mod raw;

use std::io;
use std::ops::Range;
use std::path::Path;

use virstor::counted::{agreeing, counted};
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::kernel::Tunables;
use virstor::plan::{ReadError, SegmentPlace, VolumeReader};
use virstor_inspect::Heap;
use virstor_inspect::document::export::Export;
use virstor_inspect::document::info::Missing;
use virstor_inspect::document::map::Totals;
use virstor_inspect::heap::ComponentDisk;

use crate::args::{ExportArgs, FillLost, Format};
use crate::disk::Disk;
use crate::failure::{Failure, Status, host_reason};
use crate::new_file::NewFile;
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
    missing: FillLost,
    out: &'a Path,
}

impl Job<'_> {
    fn reader(&self) -> Reader {
        self.heap.reader(self.volume, verb::MAP_MEMORY)
    }

    /// Length of the image as a disk, in bytes.
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// How many bytes of it are written.
    fn filled(&self) -> u64 {
        self.totals.data + if self.missing == FillLost::Pattern { self.totals.lost } else { 0 }
    }

    /// Fills `buf` with the volume's bytes from `offset` on, and lost ones as the user wants it.
    fn read_or_fill(&self, reader: &mut Reader, offset: u64, buf: &mut [u8]) -> Result<(), Failure> {
        let segments: Vec<_> = reader.segments(offset..offset + buf.len() as u64).collect();
        for segment in segments {
            let start = usize::try_from(segment.start - offset).expect("within the buffer");
            let part = &mut buf[start..start + usize::try_from(segment.len).expect("within the buffer")];
            match (segment.place, self.missing) {
                (SegmentPlace::Lost(_), FillLost::Pattern) => lost::pattern(segment.start, part),
                (SegmentPlace::Lost(_), _) => part.fill(0),
                _ => reader.read_segment(&segment, part).map_err(|error| self.read_failure(&error))?,
            }
        }
        Ok(())
    }

    /// The failure that a read error is, naming the file.
    fn read_failure(&self, error: &ReadError) -> Failure {
        Failure::Operation(heap::read_error(self.heap, self.volume, error))
    }

    /// The failure that a write error is, naming the image and what it takes.
    fn write_failure(&self, error: &io::Error) -> Failure {
        let (out, reason) = (self.out.display(), host_reason(error));
        let (len, data) = (self.len(), self.totals.data);
        Failure::Operation(format!("{out}: cannot be written ({len} bytes, {data} of them data): {reason}"))
    }
}

pub(crate) fn run(args: &ExportArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let volume = heap::choose_one(&heap, &args.input, args.output)?;
    heap::refuse_specimen(&heap, volume, "export")?;
    let range = range::within(args.range, heap.volumes()[volume].size())?;
    let to_stdout = args.out.as_os_str() == "-";
    if to_stdout && args.output.json {
        return Err(Failure::Usage("--json and an image cannot both go to stdout".into()));
    }
    let totals = Totals::new(heap.reader(volume, verb::MAP_MEMORY).segments(range.clone()));
    let job = Job { heap: &heap, volume, range, totals, missing: args.missing, out: &args.out };
    refuse_lost(&job)?;

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
        let target = NewFile::create(&args.out, args.force, &args.input)?;
        let written = match format {
            Format::Raw => raw::to_file(&job, target.file(), &mut progress),
            Format::Qcow2 => qcow2::to_file(&job, target.file().as_std(), &mut progress),
        };
        if let Err(failure) = written {
            target.discard();
            return Err(failure);
        }
        target.finish()?;
    }
    drop(progress);
    heap::note_strangers(&heap, args.output);
    if !to_stdout {
        report(args, &job, format)?;
    }
    Ok(if job.totals.lost > 0 { Status::Damage } else { Status::Fine })
}

fn refuse_lost(job: &Job<'_>) -> Result<(), Failure> {
    if job.totals.lost == 0 || job.missing != FillLost::Error {
        return Ok(());
    }
    // With zeros for all of it the image would hold nothing, and the disks may hold all.
    let advice = if job.totals.lost < job.totals.size || job.heap.has_map(job.volume) {
        "--missing zero exports the rest with zeros there"
    } else {
        "'virstor map --orphans' lists the chunks that hold data, and what it looks like"
    };
    Err(Failure::Operation(format!(
        "{} of {} {} lost, because {}; {}",
        job.totals.lost,
        counted(job.totals.size, "byte"),
        agreeing(job.totals.lost, "is", "are"),
        why_lost(job),
        advice
    )))
}

/// The likeliest reason: what is wrong with the whole before what is wrong with single entries.
fn why_lost(job: &Job<'_>) -> String {
    let (volume, report) = (&job.heap.volumes()[job.volume], job.heap.map_report(job.volume));
    let (needed, entries) = (volume.virtual_chunks(), volume.map_entries());
    let first = volume.components.get(&ComponentIndex(0));
    let Some(first) = first.map(|first| job.heap.label_of(first.candidate)) else {
        return "component 0, which has the map, is missing".into();
    };
    if entries < needed {
        return format!("the map needs {}, and {first} has room for {entries}", counted(needed, "entry"));
    }
    if report.unreadable > 0 {
        return format!(
            "{} of {} on {first} cannot be read",
            report.unreadable,
            counted(entries, "map entry")
        );
    }
    let missing = Missing::of(volume);
    match (missing.runs(), report.bad) {
        ([], 0) if bad_areas(job) => "areas of components could not be rescued (--bad)".into(),
        ([], 0) => "map entries name chunks behind the end of their component".into(),
        ([], bad) => format!(
            "{bad} of {} on {first} {} that cannot be",
            counted(entries, "map entry"),
            agreeing(bad, "names a chunk", "name chunks")
        ),
        ([run], _) if run.start() == run.end() => format!("component {missing} is missing"),
        _ => format!("components {missing} are missing"),
    }
}

/// Whether a component has areas that could not be rescued.
fn bad_areas(job: &Job<'_>) -> bool {
    let disks = job.heap.disks(&job.heap.volumes()[job.volume]);
    disks.values().any(|disk| disk.unreadable(0..disk.size()).is_some())
}

fn report(args: &ExportArgs, job: &Job<'_>, format: Format) -> Result<(), Failure> {
    let volume = &job.heap.volumes()[job.volume];
    let document = Export {
        output: output::shown(&args.out),
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
        lost_ranges: lost::ranges(job),
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
        lost => {
            let (lost, read) = (human(lost), if job.missing == FillLost::Zero { "zeros" } else { "text" });
            format!("; {lost} of it are lost and read as {read}")
        }
    };
    let list = lost::list(&document.lost_ranges);
    output::print(&format!("{}: {size} written ({data} of data){lost}\n{list}", document.output))
}
