//! `grow`: a larger virtual device.

use virstor::change::grow::{GrowError, plan};
use virstor::counted::{agreeing, counted};
use virstor::geometry::ComponentIndex;
use virstor_inspect::document::change::Changed;

use crate::args::GrowArgs;
use crate::change;
use crate::failure::{Failure, Status};
use crate::output::{self, note};
use crate::size::human;
use crate::target::{Target, members};
use crate::verb::add::print;

pub(crate) fn run(args: &GrowArgs) -> Result<Status, Failure> {
    let target = Target::open(&args.input, &args.change, args.output)?;
    let volume = target.set.volume();
    let growth = plan(&target.set, target.first(), args.size).map_err(|error| refusal(&error, &target))?;
    if growth.virtual_size != args.size && !args.output.quiet {
        note(&format!(
            "the virtual size becomes {} bytes instead of {}: whole chunks, and a map of whole sectors",
            growth.virtual_size, args.size
        ));
    }
    let records = &growth.plan.records;
    let free =
        records.iter().map(|record| u64::from(record.chunk_count.get() - record.chunk_next.get())).sum();
    let mut document = Changed {
        verb: "grow",
        volume: volume.name.to_string(),
        id: volume.id,
        virtual_size: growth.virtual_size,
        components: members(records, &target.labels()),
        added: Vec::new(),
        removed: Vec::new(),
        moved_chunks: growth.moved,
        free_chunks: free,
        dry_run: args.change.dry_run,
        undo_log: None,
    };
    if !args.change.dry_run {
        let change = target.change("grow", growth.plan.patches, &[])?;
        let log = change.perform(args.change.undo_log.as_deref(), "growing", args.output)?;
        document.undo_log = Some(output::shown(&log));
        change::tell_log(&log, args.output);
    }
    let would = if document.dry_run { "would grow" } else { "grew" };
    let line = format!(
        "volume {} {would} from {} to {}; {} {}, {} {} reserved for the map",
        document.volume,
        human(volume.size()),
        human(growth.virtual_size),
        counted(growth.moved, "chunk"),
        if document.dry_run { "would move" } else { "moved" },
        growth.reserved,
        if document.dry_run { "would be" } else { agreeing(growth.reserved, "is", "are") }
    );
    print(&document, &line, volume.chunk_size.bytes(), args.output)
}

fn refusal(error: &GrowError, target: &Target) -> Failure {
    match error {
        GrowError::NotLarger { asked, size, current } => {
            let rounded = match asked == size {
                true => String::new(),
                false => format!(", in whole chunks and a map of whole sectors {size},"),
            };
            Failure::Usage(format!(
                "the volume has {current} bytes, and {asked}{rounded} is not more; a volume only grows"
            ))
        }
        GrowError::TooLarge { asked, largest } => Failure::Usage(format!(
            "a virtual size of {asked} bytes is too large; {largest} is the most with these chunks"
        )),
        GrowError::MapTooLarge { map_len, largest } => Failure::Usage(format!(
            "the map would take {map_len} bytes, and {largest} is the most that can be reserved"
        )),
        GrowError::ComponentTooSmall { needed, chunks } => Failure::Operation(format!(
            "{}: has {}, and the map would take {needed}",
            target.label(ComponentIndex(0)),
            counted(*chunks, "chunk")
        )),
        GrowError::OutOfSpace { needed, free } => Failure::Operation(format!(
            "{} {} to make room for the map, and {free} {} free; add a component",
            counted(*needed, "chunk"),
            agreeing(*needed, "has", "have"),
            agreeing(*free, "is", "are")
        )),
        GrowError::Io(error) => target.read_failure(ComponentIndex(0), error),
    }
}
