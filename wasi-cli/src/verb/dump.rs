//! `dump`: the raw records.

use virstor::kernel::Tunables;
use virstor_inspect::document::dump::Dump;

use crate::args::DumpArgs;
use crate::failure::{Failure, Status};
use crate::{heap, output};

pub(crate) fn run(args: &DumpArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let dumps = Dump::all(&heap);
    if args.output.json {
        output::print_json(&dumps)?;
    } else {
        output::print(&dumps.iter().map(text).collect::<Vec<_>>().join("\n"))?;
    }
    if dumps.is_empty() {
        heap::choose(&heap, &args.input)?;
    }
    heap::note_strangers(&heap, args.output);
    Ok(if heap::unreadable(&heap) { Status::Failed } else { Status::Fine })
}

/// The labels of `gvirstor dump`, then what it leaves out. Sizes are exact here, not cut to megabytes.
fn text(dump: &Dump) -> String {
    let hardcoded = if dump.hardcoded.is_empty() { "(not hardcoded)".into() } else { dump.hardcoded.clone() };
    let free = i64::from(dump.chunk_count) - i64::from(dump.chunk_next);
    let mut fields = vec![
        ("Magic string", dump.magic.clone()),
        ("Metadata version", dump.version.to_string()),
        ("Device name", dump.name.clone()),
        ("Device ID", dump.id.to_string()),
        ("Provider index", dump.index.to_string()),
        ("Active providers", dump.component_count.to_string()),
        ("Hardcoded provider", hardcoded),
        ("Virtual size", format!("{} bytes", dump.virtual_size)),
        ("Chunk size", format!("{} bytes", dump.chunk_size)),
        ("Chunks on provider", dump.chunk_count.to_string()),
        ("Chunks free", free.to_string()),
        ("Reserved chunks", dump.chunk_reserved.to_string()),
        ("Next chunk", dump.chunk_next.to_string()),
        ("Flags", format!("{:#06x}", dump.flags)),
        ("Recorded provider size", format!("{} bytes", dump.provsize)),
        ("Provider size", format!("{} bytes", dump.size)),
        ("Sector size", format!("{} bytes", dump.sector_size)),
        ("Record at offset", dump.record_offset.to_string()),
    ];
    if let Some(found) = &dump.found {
        fields.push(("Found in", format!("{found}, from offset {} on", dump.component_offset)));
    }
    let lines = fields.iter().map(|(label, value)| format!("{label:>24}: {value}\n"));
    format!("Metadata on {}:\n{}", dump.file, lines.collect::<String>())
}
