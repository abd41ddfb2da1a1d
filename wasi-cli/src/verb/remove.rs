//! `remove`: components leave a volume.

use virstor::change::remove::{RemoveError, plan};
use virstor::counted::{agreeing, counted, counted_len};
use virstor::geometry::ComponentIndex;
use virstor_inspect::document::change::Changed;

use crate::args::{Input, RemoveArgs};
use crate::change;
use crate::disk::HostDisk;
use crate::failure::{Failure, Status};
use crate::heap::{self, FileSpec};
use crate::output;
use crate::target::{Target, members};
use crate::verb::add::print;

pub(crate) fn run(args: &RemoveArgs) -> Result<Status, Failure> {
    change::refuse_same(&args.drop)?;
    let target = Target::open(&with_dropped(args)?, &args.change, args.output)?;
    let number = |file: &std::ffi::OsString| target.component_in(FileSpec::parse(file)?.path);
    let drop = args.drop.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let volume = target.set.volume();
    let removal =
        plan(&target.set, target.first(), &drop, args.evacuate).map_err(|error| refusal(&error, &target))?;

    let (removed, stay): (Vec<_>, Vec<_>) = volume.components.keys().partition(|index| drop.contains(index));
    let labels = |indexes: &[ComponentIndex]| -> Vec<String> {
        indexes.iter().map(|index| target.label(*index).to_string()).collect()
    };
    let records = &removal.plan.records;
    let free =
        records.iter().map(|record| u64::from(record.chunk_count.get() - record.chunk_next.get())).sum();
    let mut document = Changed {
        verb: "remove",
        volume: volume.name.to_string(),
        id: volume.id,
        virtual_size: volume.size(),
        components: members(records, &labels(&stay)),
        added: Vec::new(),
        removed: labels(&removed),
        moved_chunks: removal.moved,
        free_chunks: free,
        dry_run: args.change.dry_run,
        undo_log: None,
    };
    if !args.change.dry_run {
        let change = target.change("remove", removal.plan.patches, &[])?;
        let log = change.perform(args.change.undo_log.as_deref(), "removing", args.output)?;
        document.undo_log = Some(output::shown(&log));
        change::tell_log(&log, args.output);
    }
    let would = if document.dry_run { "would lose" } else { "has lost" };
    let line = format!(
        "volume {} {would} {}; {} {}",
        document.volume,
        counted_len(removed.len(), "component"),
        counted(removal.moved, "chunk"),
        if document.dry_run { "would move" } else { "moved" }
    );
    print(&document, &line, volume.chunk_size.bytes(), args.output)
}

/// The FILEs, and those to drop that are not among them.
fn with_dropped(args: &RemoveArgs) -> Result<Input, Failure> {
    let mut input = args.input.clone();
    for file in &args.drop {
        let path = FileSpec::parse(file)?.path;
        if !heap::is_input(&args.input, path)? {
            let failed = |reason| Failure::Operation(format!("{}: {reason}", output::shown(path)));
            HostDisk::open(path).map_err(failed)?;
            input.files.push(file.clone());
        }
    }
    Ok(input)
}

fn refusal(error: &RemoveError, target: &Target) -> Failure {
    Failure::Operation(match error {
        RemoveError::NoComponents => return Failure::Usage("no FILE is given after --drop".into()),
        RemoveError::Unknown(index) => format!("there is no component {index}"),
        RemoveError::HoldsMap => {
            format!("{}: is component 0, which holds the map and stays", target.label(ComponentIndex(0)))
        }
        RemoveError::InUse { component, chunks } => format!(
            "{}: {} {} in use; use --evacuate to move {} to other components",
            target.label(*component),
            counted(*chunks, "chunk"),
            agreeing(*chunks, "is", "are"),
            agreeing(*chunks, "it", "them")
        ),
        RemoveError::UsedBehind { component, behind, chunks } => format!(
            "{}: {} of {} behind it {} in use",
            target.label(*component),
            counted(*chunks, "chunk"),
            target.label(*behind),
            agreeing(*chunks, "is", "are")
        ),
        RemoveError::OutOfSpace { needed, free } => {
            let (chunks, have) = (counted(*needed, "chunk"), agreeing(*needed, "has", "have"));
            format!("{chunks} {have} to move, and the other components have room for {free}")
        }
        RemoveError::MapUnreadable(error) => return target.read_failure(ComponentIndex(0), error),
    })
}
