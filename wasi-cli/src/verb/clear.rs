//! `clear`: gives a volume up.

use virstor::change::clear::plan;
use virstor::counted::{agreeing, counted_len};
use virstor_inspect::document::change::Cleared;

use crate::args::ClearArgs;
use crate::failure::{Failure, Status};
use crate::{change, heap, output, target};

pub(crate) fn run(args: &ClearArgs) -> Result<Status, Failure> {
    change::refuse_twice(&args.input)?;
    let heap = heap::open_to_change(&args.input, args.output, !args.change.dry_run)?;
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    let volume = &heap.volumes()[number];
    let (change, files) = target::clearing(&heap, number, plan(volume))?;
    let mut document = Cleared {
        volume: volume.name.to_string(),
        id: volume.id,
        files,
        dry_run: args.change.dry_run,
        undo_log: None,
    };
    if !args.change.dry_run {
        let log = change.perform(args.change.undo_log.as_deref(), "clearing", args.output)?;
        document.undo_log = Some(output::shown(&log));
        change::tell_log(&log, args.output);
    }
    if args.output.json {
        output::print_json(&document)?;
    } else if !args.output.quiet {
        let would = if document.dry_run { "would be" } else { "is" };
        let (name, count) = (&document.volume, document.files.len());
        let (records, turn) = (counted_len(count, "record"), agreeing(count as u64, "becomes", "become"));
        output::print(&format!("volume {name} {would} cleared: {records} {turn} zero\n"))?;
    }
    Ok(Status::Fine)
}
