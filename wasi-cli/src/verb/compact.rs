//! `compact`: chunks that hold nothing come back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use virstor::change::compact::{chunks_within, plan, zero_chunks};
use virstor::counted::counted;
use virstor::geometry::{ComponentIndex, VirtualChunk};
use virstor::write::WriteError;
use virstor_inspect::document::change::{Compacted, FreedOn};

use crate::args::CompactArgs;
use crate::failure::{Failure, Status, host_reason};
use crate::output::{self, shown};
use crate::progress::Progress;
use crate::size::human;
use crate::target::Target;
use crate::{change, range};

/// Longest list of ranges that is read, in bytes.
const LONGEST_LIST: u64 = 64 << 20;

pub(crate) fn run(args: &CompactArgs) -> Result<Status, Failure> {
    let target = Target::open(&args.input, &args.change, args.output)?;
    let volume = target.set.volume();
    let chunks = match &args.discard {
        Some(list) => listed(&target, list)?,
        None => zeros(&target, args)?,
    };
    let map_failure = |error| target.read_failure(ComponentIndex(0), &error);
    let compaction = plan(&target.set, target.first(), &chunks).map_err(map_failure)?;
    let freed_on = |(number, freed): (u16, &u64)| FreedOn {
        index: number,
        file: target.label(ComponentIndex(number)).to_string(),
        freed_chunks: *freed,
    };
    let mut document = Compacted {
        volume: volume.name.to_string(),
        id: volume.id,
        used_chunks: target.set.used_chunks(),
        freed_chunks: compaction.freed,
        freed_bytes: compaction.freed * volume.chunk_size.bytes(),
        moved_chunks: compaction.moved,
        components: (0..).zip(&compaction.freed_by_component).map(freed_on).collect(),
        dry_run: args.change.dry_run,
        undo_log: None,
    };
    if !args.change.dry_run && compaction.freed > 0 {
        let change = target.change("compact", compaction.plan.patches, &[])?;
        let log = change.perform(args.change.undo_log.as_deref(), "compacting", args.output)?;
        document.undo_log = Some(shown(&log));
        change::tell_log(&log, args.output);
    }
    if args.output.json {
        output::print_json(&document)?;
    } else if !args.output.quiet {
        output::print(&text(&document))?;
    }
    Ok(Status::Fine)
}

fn text(document: &Compacted) -> String {
    let would = if document.dry_run { "would come back" } else { "came back" };
    let (freed, used) = (document.freed_chunks, document.used_chunks);
    let mut text = format!(
        "volume {}: {freed} of {} ({}) {would}; {} {}\n",
        document.volume,
        counted(used, "chunk"),
        human(document.freed_bytes),
        document.moved_chunks,
        if document.dry_run { "would move" } else { "moved" }
    );
    for component in document.components.iter().filter(|component| component.freed_chunks > 0) {
        let (index, file, freed) = (component.index, &component.file, component.freed_chunks);
        text.push_str(&format!("  component {index} ({file}): {}\n", counted(freed, "chunk")));
    }
    text
}

fn zeros(target: &Target, args: &CompactArgs) -> Result<BTreeSet<VirtualChunk>, Failure> {
    let indexes = target.set.volume().components.keys();
    let disks: BTreeMap<_, _> = indexes.map(|index| (*index, target.disk(*index))).collect();
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    let chunk_size = target.set.volume().chunk_size.bytes();
    let mut report = |done: u64, all: u64| {
        progress.report("searching for zeros", done * chunk_size, all * chunk_size);
        ControlFlow::Continue(())
    };
    zero_chunks(&target.set, &disks, &mut report).map_err(|error| match error {
        WriteError::Io { component, error } => target.read_failure(component, &error),
        WriteError::OutOfSpace { .. } | WriteError::Lost { .. } => {
            Failure::Operation("the map changed while it was read".into())
        }
    })
}

/// The chunks within the ranges of a file, one a line.
fn listed(target: &Target, list: &Path) -> Result<BTreeSet<VirtualChunk>, Failure> {
    let path = shown(list);
    let failed = |error: std::io::Error| Failure::Operation(format!("{path}: {}", host_reason(&error)));
    let len = std::fs::metadata(list).map_err(failed)?.len();
    if len > LONGEST_LIST {
        return Err(Failure::Operation(format!(
            "{path}: has {len} bytes; a list has at most {LONGEST_LIST}"
        )));
    }
    let text = std::fs::read_to_string(list).map_err(failed)?;
    let mut ranges = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: String| Failure::Usage(format!("{path}: line {number}: {why}"));
        let spec = range::parse(line.trim()).map_err(wrong)?;
        let within = range::within(Some(spec), target.set.volume().size());
        ranges.push(within.map_err(|failure| wrong(failure.to_string()))?);
    }
    Ok(chunks_within(&target.set, &ranges))
}
