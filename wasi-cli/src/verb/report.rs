//! `report`: everything in one document, to be kept or sent.

use virstor::kernel::Tunables;
use virstor_inspect::document::report::Report;

use super::MAP_MEMORY;
use crate::args::ReportArgs;
use crate::failure::{Failure, Status};
use crate::progress::of_stages;
use crate::{heap, output};

pub(crate) fn run(args: &ReportArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let all = args.input.volume.is_none();
    let chosen = heap::choose(&heap, &args.input);
    let numbers = if all { None } else { Some(chosen.as_deref().unwrap_or_default()) };
    let report = Report::new(&heap, numbers, MAP_MEMORY, &mut of_stages(args.output));
    if args.output.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.markdown())?;
    }
    chosen?;
    if heap::unreadable(&heap) {
        heap::note_strangers(&heap, args.output);
        return Ok(Status::Failed);
    }
    Ok(if report.check.verdict == "clean" { Status::Fine } else { Status::Damage })
}
