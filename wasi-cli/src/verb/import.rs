//! `import`: a raw image into a volume.

use std::ops::Range;
use std::sync::Arc;

use virstor::change::fill;
use virstor::geometry::{ComponentIndex, VirtualChunk};
use virstor::io::{IoError, ReadAt, Window, WriteAt};
use virstor::kernel::Tunables;
use virstor::write::{VolumeWriter, WriteError};
use virstor_inspect::document::change::Imported;

use crate::args::ImportArgs;
use crate::change::{self, Place};
use crate::disk::{Disk, WritableDisk};
use crate::failure::{Failure, Status};
use crate::output::{note, shown};
use crate::progress::Progress;
use crate::size::human;
use crate::target::Target;
use crate::{heap, output, verb};

/// Bytes that are read, compared and written at once.
const BLOCK: u64 = 1 << 20;

/// Zeros of this many bytes within a new chunk are not written but left to the disk.
const GRAIN: usize = 64 << 10;

type Part = Window<Arc<WritableDisk>>;

pub(crate) fn run(args: &ImportArgs) -> Result<Status, Failure> {
    let shown_image = shown(&args.image);
    if heap::is_input(&args.input, &args.image)? {
        return Err(Failure::Usage(format!(
            "{shown_image} is one of the FILEs; it cannot be the image, too"
        )));
    }
    let target = Target::open(&args.input, &args.change, args.output)?;
    let image =
        Disk::open(&args.image).map_err(|reason| Failure::Operation(format!("{shown_image}: {reason}")))?;
    verb::compare::refuse_qcow2(&image, &shown_image)?;
    let volume = target.set.volume();
    if image.size() > volume.size() {
        let (name, size, most) = (volume.name, image.size(), volume.size());
        return Err(Failure::Operation(format!(
            "{shown_image}: has {size} bytes, and volume {name} has {most}; 'virstor grow' it first"
        )));
    }
    let used = target.set.used_chunks();
    if used > 0 && !args.change.force {
        return Err(Failure::Operation(format!(
            "volume {} holds data: {used} chunks are in use; use --force to overwrite it, without an undo log",
            volume.name
        )));
    }
    let mut document = Imported {
        image: shown_image,
        image_size: image.size(),
        volume: volume.name.to_string(),
        id: volume.id,
        data: 0,
        zero: 0,
        new_chunks: 0,
        verified: false,
        dry_run: args.change.dry_run,
        undo_log: None,
    };
    if used == 0 {
        fill_empty(&target, &image, args, &mut document)?;
    } else {
        overwrite(&target, &image, args, &mut document)?;
    }
    if args.verify && !args.change.dry_run {
        verify(args, &image)?;
        document.verified = true;
    }
    if args.output.json {
        output::print_json(&document)?;
    } else if !args.output.quiet {
        output::print(&text(&document))?;
    }
    Ok(Status::Fine)
}

fn text(document: &Imported) -> String {
    let would = if document.dry_run { "would be written" } else { "written" };
    let verified = if document.verified { "; volume and image are the same" } else { "" };
    format!(
        "volume {}: {} of {} {would}, {} are zero and take no space; {} new chunks{verified}\n",
        document.volume,
        human(document.data),
        human(document.image_size),
        human(document.zero),
        document.new_chunks
    )
}

/// Into a volume that holds nothing: the bytes go to free chunks, and become part of the volume all at once.
fn fill_empty(
    target: &Target,
    image: &Disk,
    args: &ImportArgs,
    document: &mut Imported,
) -> Result<(), Failure> {
    let volume = target.set.volume();
    let chunk_size = volume.chunk_size;
    let mut disks = if args.change.dry_run { Vec::new() } else { change::open_all(&target.places())? };
    let mut places = fill::places(&target.set);
    let mut chunks = Vec::new();
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    let mut buffer = vec![0; usize::try_from(chunk_size.bytes().min(BLOCK)).expect("at most a block")];
    let mut start = 0;
    while start < image.size() {
        let range = start..(start + chunk_size.bytes()).min(image.size());
        progress.report("importing", start, image.size());
        start = range.end;
        let Some(first_data) = first_data(image, range.clone(), &mut buffer, args)? else {
            document.zero += range.end - range.start;
            continue;
        };
        let Some((component, chunk)) = places.next() else {
            let free = target.set.free_chunks();
            return Err(Failure::Operation(format!(
                "{}: volume {} has room for {free} chunks, and the image holds data in more; nothing was changed",
                document.image, volume.name
            )));
        };
        let at = VirtualChunk(range.start / chunk_size.bytes());
        chunks.push(at);
        document.data += range.end - range.start;
        if let Some(disk) = disks.get(component.as_usize()) {
            let failed = |error: IoError| target.read_failure(component, &error);
            let chunk_start = chunk_size.offset_of(chunk);
            disk.write_zeros(chunk_start, first_data - range.start).map_err(failed)?;
            let mut next = first_data;
            while next < range.end {
                let len =
                    usize::try_from(range.end - next).map_or(buffer.len(), |rest| rest.min(buffer.len()));
                read(image, next, &mut buffer[..len], args)?;
                put(disk, chunk_start + (next - range.start), &buffer[..len]).map_err(failed)?;
                next += len as u64;
            }
            let written = range.end - range.start;
            disk.write_zeros(chunk_start + written, chunk_size.bytes() - written).map_err(failed)?;
        }
    }
    drop(progress);
    document.new_chunks = chunks.len() as u64;
    for (index, disk) in (0..=u16::MAX).map(ComponentIndex).zip(&disks) {
        disk.flush().map_err(|error| target.read_failure(index, &error))?;
    }
    // The locks go with the handles; the change takes them again.
    disks.clear();
    if args.change.dry_run || chunks.is_empty() {
        return Ok(());
    }
    let plan = fill::plan(&target.set, target.first(), &chunks)
        .map_err(|error| target.read_failure(ComponentIndex(0), &error))?;
    let change = target.change("import", plan.patches, &[])?;
    let log = change.perform(args.change.undo_log.as_deref(), "writing the map", args.output)?;
    document.undo_log = Some(shown(&log));
    change::tell_log(&log, args.output);
    Ok(())
}

/// Writes `bytes` to a chunk whose old contents are nobody's, leaving long zeros to the disk.
fn put(disk: &Part, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
    let grains = || bytes.chunks(GRAIN).map(|grain| grain.iter().all(|byte| *byte == 0));
    if !grains().any(|zero| zero) {
        return disk.write_at(offset, bytes);
    }
    for (number, (grain, zero)) in bytes.chunks(GRAIN).zip(grains()).enumerate() {
        let offset = offset + (number * GRAIN) as u64;
        if zero {
            disk.write_zeros(offset, grain.len() as u64)?;
        } else {
            disk.write_at(offset, grain)?;
        }
    }
    Ok(())
}

/// The first byte of the block of `range` in which the image is not zero, or `None`.
fn first_data(
    image: &Disk,
    range: Range<u64>,
    buffer: &mut [u8],
    args: &ImportArgs,
) -> Result<Option<u64>, Failure> {
    let mut next = range.start.max(stored_from(image, range.start));
    while next < range.end {
        let len = usize::try_from(range.end - next).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        read(image, next, &mut buffer[..len], args)?;
        if !is_zero(&buffer[..len]) {
            return Ok(Some(next));
        }
        next += len as u64;
    }
    Ok(None)
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

fn read(image: &Disk, offset: u64, buffer: &mut [u8], args: &ImportArgs) -> Result<(), Failure> {
    let failed = |error: IoError| Failure::Operation(format!("{}: {error}", shown(&args.image)));
    image.read_at(offset, buffer).map_err(failed)
}

/// The first byte from `offset` on that the file system stores, where it knows; a sector's start.
#[cfg(target_os = "linux")]
fn stored_from(image: &Disk, offset: u64) -> u64 {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    let Some(file) = image.file() else { return offset };
    match seek(file.as_std(), SeekFrom::Data(offset)) {
        Ok(stored) => stored,
        Err(Errno::NXIO) => u64::MAX,
        Err(_) => offset,
    }
}

#[cfg(not(target_os = "linux"))]
fn stored_from(_: &Disk, offset: u64) -> u64 {
    offset
}

/// Into a volume that holds data, in place.
fn overwrite(
    target: &Target,
    image: &Disk,
    args: &ImportArgs,
    document: &mut Imported,
) -> Result<(), Failure> {
    if !args.output.quiet {
        note("data is overwritten in place; there is no undo log");
    }
    if args.change.dry_run {
        return Ok(());
    }
    let places: Vec<Place> = target.places();
    let disks = (0..=u16::MAX).map(ComponentIndex).zip(change::open_all(&places)?).collect();
    let mut writer = VolumeWriter::open(target.set.volume().clone(), disks, verb::MAP_MEMORY)
        .map_err(|unsound| crate::target::refusal(&target.heap, target.number, &unsound))?;
    let failed = |error: WriteError| match error {
        WriteError::Io { component, error } => target.read_failure(component, &error),
        WriteError::OutOfSpace { needed, free } => Failure::Operation(format!(
            "volume {}: {needed} more chunks are needed, and {free} are free; what was written before stays",
            target.set.volume().name
        )),
        WriteError::Lost { start, .. } => {
            Failure::Operation(format!("byte {start} of the volume is lost: the map changed"))
        }
    };
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    let free_before = writer.space().free_chunks;
    let mut buffer = vec![0; usize::try_from(BLOCK).expect("a block is small")];
    let mut next = 0;
    while next < image.size() {
        let len = usize::try_from(image.size() - next).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        read(image, next, &mut buffer[..len], args)?;
        if is_zero(&buffer[..len]) {
            writer.write_zeros(next..next + len as u64).map_err(failed)?;
            document.zero += len as u64;
        } else {
            writer.write(next, &buffer[..len]).map_err(failed)?;
            document.data += len as u64;
        }
        next += len as u64;
        progress.report("importing", next, image.size());
    }
    writer.close().map_err(failed)?;
    document.new_chunks = free_before - writer.space().free_chunks;
    Ok(())
}

/// Compares what the files hold now with the image.
fn verify(args: &ImportArgs, image: &Disk) -> Result<(), Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    let mut reader = heap.reader(number, verb::MAP_MEMORY);
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    let block = usize::try_from(BLOCK).expect("a block is small");
    let (mut ours, mut theirs) = (vec![0; block], vec![0; block]);
    let mut next = 0;
    while next < image.size() {
        let len = usize::try_from(image.size() - next).map_or(block, |rest| rest.min(block));
        let failed = |error| Failure::Operation(heap::read_error(&heap, number, &error));
        reader.read(next, &mut ours[..len]).map_err(failed)?;
        read(image, next, &mut theirs[..len], args)?;
        if ours[..len] != theirs[..len] {
            let at = ours.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(0) as u64;
            let image = shown(&args.image);
            return Err(Failure::Operation(format!(
                "{image}: volume and image differ at byte {}",
                next + at
            )));
        }
        next += len as u64;
        progress.report("verifying", next, image.size());
    }
    Ok(())
}
