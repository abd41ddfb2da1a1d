//! `import`: a raw image into a volume.

use virstor::block::Block;
use virstor::change::import::{Group, Import, ImportError};
use virstor::counted::{agreeing, counted};
use virstor::io::{IoError, ReadAt};
use virstor::kernel::Tunables;
use virstor::patch::Patch;
use virstor::undo::{Journal, Kept};
use virstor_inspect::document::change::Imported;
use virstor_inspect::heap::ComponentDisk;

use crate::args::ImportArgs;
use crate::change::{self, Change, NoLog, Running};
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::output::shown;
use crate::progress::Progress;
use crate::size::human;
use crate::target::Target;
use crate::{heap, output, verb};

/// Bytes that are read and compared at once.
const BLOCK: u64 = 1 << 20;

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
        let (size, largest) = (image.size(), volume.size());
        return Err(failure(&target, args, &ImportError::TooLarge { size, largest }));
    }
    let used = target.set.used_chunks();
    if used > 0 && !args.change.force {
        return Err(Failure::Operation(format!(
            "volume {} holds data: {} {} in use; use --force to overwrite it",
            volume.name,
            counted(used, "chunk"),
            agreeing(used, "is", "are")
        )));
    }
    let mut document = Imported {
        image: shown_image,
        image_size: image.size(),
        volume: volume.name.to_string(),
        id: volume.id,
        data: 0,
        overwritten: 0,
        unchanged: 0,
        zero: 0,
        new_chunks: 0,
        verified: false,
        dry_run: args.change.dry_run,
        undo_log: None,
        undo_log_size: 0,
    };
    put_in(&target, &image, args, &mut document)?;
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
    let over = match document.overwritten {
        0 => String::new(),
        bytes => format!(" ({} of it over other data)", human(bytes)),
    };
    let unchanged = match document.unchanged {
        0 => String::new(),
        bytes => format!(", {} are there already", human(bytes)),
    };
    let line = format!(
        "volume {}: {} of {} {would}{over}{unchanged}, {} are zero and take no space; {}{verified}\n",
        document.volume,
        human(document.data),
        human(document.image_size),
        human(document.zero),
        counted(document.new_chunks, "new chunk")
    );
    match document.dry_run {
        true => format!(
            "{line}the undo log would take {} ({} bytes)\n",
            human(document.undo_log_size),
            document.undo_log_size
        ),
        false => line,
    }
}

/// Where the changes go.
enum Work<'a> {
    /// Nowhere: what they would take is counted.
    Rehearsal(Journal<NoLog>, Vec<&'a ComponentDisk<Disk>>),
    /// Nothing has changed yet, and there is no log.
    Waiting,
    Running(Running<'a>),
}

/// Does it, or looks how much it is.
fn put_in(target: &Target, image: &Disk, args: &ImportArgs, document: &mut Imported) -> Result<(), Failure> {
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    let mut look = |done| progress.report("looking at the image", done, image.size());
    let failed = |error: ImportError| failure(target, args, &error);
    let mut import = Import::new(&target.set, target.first(), image, &mut look).map_err(failed)?;
    let change = target.change("import", Vec::new(), &[])?;
    let disks: Vec<_> = target.set.volume().components.keys().map(|index| target.disk(*index)).collect();
    let mut work = match args.change.dry_run {
        true => Work::Rehearsal(change.rehearsal()?, disks.clone()),
        false => Work::Waiting,
    };
    loop {
        let group = match import.group(&disks) {
            Ok(Some(group)) => group,
            Ok(None) => break,
            Err(error) => return Err(work.stopped_by(failed(error))),
        };
        work.perform(&change, &group, args)?;
        let (done, total) = import.progress();
        progress.report("importing", done, total);
    }
    let patches = import.last(target.first()).map_err(|error| work.stopped_by(failed(error)))?;
    work.perform(&change, &Group { patches, kept: Kept::Bytes }, args)?;
    drop(progress);
    let tally = import.tally();
    document.data = tally.written;
    document.overwritten = tally.overwritten;
    document.unchanged = tally.unchanged;
    document.zero = tally.holes;
    document.new_chunks = import.new_chunks();
    match work {
        Work::Rehearsal(journal, _) => document.undo_log_size = journal.log_len(),
        Work::Waiting => {}
        Work::Running(running) => {
            document.undo_log_size = running.log_len();
            let log = running.finish()?;
            document.undo_log = Some(shown(&log));
            change::tell_log(&log, args.output);
        }
    }
    Ok(())
}

impl<'a> Work<'a> {
    fn perform(&mut self, change: &'a Change, group: &Group, args: &ImportArgs) -> Result<(), Failure> {
        let Group { patches, kept } = group;
        if patches.iter().all(|patch| *patch == Patch::Barrier) {
            return Ok(());
        }
        if matches!(self, Self::Waiting) {
            *self = Self::Running(change.begin(args.change.undo_log.as_deref())?);
        }
        match self {
            Self::Rehearsal(journal, disks) => {
                let done = journal.rehearse(patches, *kept, disks);
                done.map_err(|error| change.not_begun(&error))
            }
            Self::Running(running) => running.perform(patches, *kept, &mut |_| {}),
            Self::Waiting => unreachable!("it was begun"),
        }
    }

    /// `failure`, with what to do about it where something was changed.
    fn stopped_by(&self, failure: Failure) -> Failure {
        match self {
            Self::Running(running) => running.stopped_by(failure),
            Self::Rehearsal(..) | Self::Waiting => failure,
        }
    }
}

fn failure(target: &Target, args: &ImportArgs, error: &ImportError) -> Failure {
    let (image, name) = (shown(&args.image), target.set.volume().name);
    match error {
        ImportError::TooLarge { size, largest } => Failure::Operation(format!(
            "{image}: has {size} bytes, and volume {name} has {largest}; 'virstor grow' it first"
        )),
        ImportError::OutOfSpace { needed, free } => Failure::Operation(format!(
            "{image}: needs {}, and volume {name} has {}; 'virstor add' a component first",
            counted(*needed, "more chunk"),
            counted(*free, "free one")
        )),
        ImportError::Image(error) => unreadable(args, error),
        ImportError::Component { component, error } => target.read_failure(*component, error),
    }
}

fn unreadable(args: &ImportArgs, error: &IoError) -> Failure {
    Failure::Operation(format!("{}: {error}", shown(&args.image)))
}

/// Compares what the files hold now with the image.
fn verify(args: &ImportArgs, image: &Disk) -> Result<(), Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    let mut reader = heap.reader(number, verb::MAP_MEMORY);
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    let block = usize::try_from(BLOCK).expect("a block is small");
    let (mut ours, mut theirs) = (Block::new(block), Block::new(block));
    let mut next = 0;
    while next < image.size() {
        let len = usize::try_from(image.size() - next).map_or(block, |rest| rest.min(block));
        let failed = |error| Failure::Operation(heap::read_error(&heap, number, &error));
        reader.read(next, &mut ours[..len]).map_err(failed)?;
        image.read_at(next, &mut theirs[..len]).map_err(|error| unreadable(args, &error))?;
        if ours[..len] != theirs[..len] {
            let at = ours.iter().zip(&*theirs).position(|(a, b)| a != b).unwrap_or(0) as u64;
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
