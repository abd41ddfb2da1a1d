//! `add`: components for a volume.

use std::fmt::Write;

use virstor::change::add::{AddError, plan};
use virstor::counted::{agreeing, counted, counted_len};
use virstor::io::ReadAt;
use virstor::label::MAX_NAME_LEN;
use virstor_inspect::document::change::Changed;

use crate::args::{AddArgs, Output};
use crate::change;
use crate::failure::{Failure, Status};
use crate::output;
use crate::size::human;
use crate::target::{NewDisk, Target, WhatItCarries, members};

pub(crate) fn run(args: &AddArgs) -> Result<Status, Failure> {
    if args.new.len() >= usize::from(u16::MAX) {
        let (count, most) = (args.new.len(), u16::MAX);
        return Err(Failure::Usage(format!(
            "{count} FILEs are given, and a volume has at most {most} components"
        )));
    }
    change::refuse_same(args.input.files.iter().chain(&args.new))?;
    let target = Target::open(&args.input, &args.change, args.output)?;
    let volume = target.set.volume();
    let open = |file| NewDisk::open(file, volume.sector_size, WhatItCarries::by_force(args.change.force));
    let new = args.new.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let providers: Vec<_> = new.iter().map(NewDisk::provider).collect();
    let plan = plan(&target.set, &providers, args.hardcode).map_err(|error| refusal(&error, &new))?;

    let added: Vec<String> = new.iter().map(|new| new.label.clone()).collect();
    let files = [target.labels(), added.clone()].concat();
    let new_chunks = plan.records[usize::from(volume.component_count)..].iter();
    let new_chunks: u64 = new_chunks.map(|record| u64::from(record.chunk_count.get())).sum();
    let mut document = Changed {
        verb: "add",
        volume: volume.name.to_string(),
        id: volume.id,
        virtual_size: volume.size(),
        components: members(&plan.records, &files),
        added,
        removed: Vec::new(),
        moved_chunks: 0,
        free_chunks: target.set.free_chunks() + new_chunks,
        dry_run: args.change.dry_run,
        undo_log: None,
    };
    if !args.change.dry_run {
        let change = target.change("add", plan.patches, &new)?;
        let log = change.perform(args.change.undo_log.as_deref(), "adding", args.output)?;
        document.undo_log = Some(output::shown(&log));
        change::tell_log(&log, args.output);
    }
    let room = new.iter().map(|new| new.disk.size()).sum();
    let would = if document.dry_run { "would get" } else { "has" };
    let line = format!(
        "volume {} {would} {} with {} and {}",
        document.volume,
        counted_len(new.len(), "new component"),
        human(room),
        counted(new_chunks, "chunk")
    );
    print(&document, &line, volume.chunk_size.bytes(), args.output)
}

/// Prints what `add`, `remove` and `grow` did: `line`, and what there is now.
pub(crate) fn print(
    document: &Changed,
    line: &str,
    chunk_size: u64,
    output: Output,
) -> Result<Status, Failure> {
    if output.json {
        output::print_json(document)?;
    } else if !output.quiet {
        let mut text = format!("{line}\n");
        let free = document.free_chunks;
        // Writing to a string cannot fail.
        _ = writeln!(
            text,
            "  {} in {}; {} ({}) {} free",
            human(document.virtual_size),
            counted_len(document.components.len(), "component"),
            counted(free, "chunk"),
            human(free.saturating_mul(chunk_size)),
            agreeing(free, "is", "are")
        );
        output::print(&text)?;
    }
    Ok(Status::Fine)
}

pub(crate) fn refusal(error: &AddError, new: &[NewDisk]) -> Failure {
    let file = |number: &usize| &new[*number].label;
    match error {
        AddError::NoComponents => Failure::Usage("no FILE is given after --new".into()),
        AddError::TooManyComponents { count } => {
            let most = u16::MAX;
            Failure::Usage(format!("the volume would have {count} components, and {most} is the most"))
        }
        AddError::SectorSizesDiffer { new, sector_size, expected } => Failure::Usage(format!(
            "{}: has sectors of {sector_size} bytes, and the volume of {expected}",
            file(new)
        )),
        AddError::BrokenSector { new, size, sector_size } => Failure::Operation(format!(
            "{}: its size of {size} bytes is not a multiple of its sectors of {sector_size}",
            file(new)
        )),
        AddError::TooSmall { new, size, needed } => {
            Failure::Operation(format!("{}: has {size} bytes, and needs {needed}", file(new)))
        }
        AddError::TooManyChunks { new, chunks } => Failure::Operation(format!(
            "{}: has {}, and {} is the most",
            file(new),
            counted(*chunks, "chunk"),
            u32::MAX
        )),
        AddError::ProviderName { new, len } => Failure::Usage(format!(
            "{}: the provider name has {len} bytes; a record holds {MAX_NAME_LEN}; give another as NAME=FILE",
            file(new)
        )),
        AddError::ProviderTwice { new, other } => Failure::Usage(format!(
            "{}: component {other} has its provider name; give another as NAME=FILE",
            file(new)
        )),
    }
}
