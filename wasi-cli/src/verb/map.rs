//! `map`: which bytes of the volume lie where.

mod ddrescue;
mod orphans;

use virstor::counted::counted;
use virstor::kernel::Tunables;
use virstor::plan::SegmentPlace;
use virstor_inspect::document::map::{Extent, Owner, QemuExtent, Totals};

use crate::args::MapArgs;
use crate::failure::{Failure, Status};
use crate::size::human;
use crate::{heap, output, picture, range, verb};

pub(crate) fn run(args: &MapArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    let mut reader = heap.reader(number, verb::MAP_MEMORY);
    if args.picture {
        picture::print(&heap, number)?;
        return Ok(Status::Fine);
    }
    if args.orphans {
        return orphans::run(&heap, number, args.output);
    }
    if args.ddrescue {
        return ddrescue::run(&heap, number, args.component, args.output);
    }
    let chunk_size = reader.volume().chunk_size.bytes();
    let range = range::within(args.range, reader.volume().size())?;
    let mut lost = false;
    let segments = reader.segments(range).inspect(|segment| {
        lost |= matches!(segment.place, SegmentPlace::Lost(_));
    });

    if args.totals {
        let totals = Totals::new(segments);
        if args.output.json {
            output::print_json(&totals)?;
        } else {
            output::print(&totals_text(&totals))?;
        }
    } else if args.reverse {
        let mut owners: Vec<Owner> =
            segments.filter_map(|segment| Owner::new(&segment, chunk_size)).collect();
        owners.sort_by_key(|owner| (owner.component, owner.offset, owner.start));
        if args.output.json {
            output::print_json_array(owners.into_iter())?;
        } else {
            let heading = format!("{:>9} {:>16} {:>16} {:>16}", "component", "offset", "length", "volume");
            let lines = owners.iter().map(|owner| {
                format!(
                    "{:>9} {:>16} {:>16} {:>16}",
                    owner.component, owner.offset, owner.length, owner.start
                )
            });
            output::print_lines(std::iter::once(heading).chain(lines))?;
        }
    } else if args.qemu {
        output::print_json_array(segments.map(|segment| QemuExtent::new(&segment)))?;
    } else {
        let extents = segments.map(|segment| Extent::new(&segment, chunk_size));
        if args.output.json {
            output::print_json_array(extents)?;
        } else {
            let heading = format!(
                "{:>16} {:>16}  {:5} {:>9} {:>16}",
                "start", "length", "state", "component", "offset"
            );
            output::print_lines(std::iter::once(heading).chain(extents.map(|extent| line(&extent))))?;
        }
    }
    heap::note_unreadable(&heap, args.output);
    Ok(if lost { Status::Damage } else { Status::Fine })
}

fn line(extent: &Extent) -> String {
    let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    let (component, offset) = (number(extent.component.map(u64::from)), number(extent.offset));
    let reason = extent.reason.map_or_else(String::new, |reason| format!("  {}", reason.replace('_', " ")));
    let (start, length, state) = (extent.start, extent.length, extent.state);
    format!("{start:>16} {length:>16}  {state:5} {component:>9} {offset:>16}{reason}").trim_end().into()
}

fn totals_text(totals: &Totals) -> String {
    let percent = |part: u64| (u128::from(part) * 1000).checked_div(u128::from(totals.size)).unwrap_or(0);
    let row = |name: &str, bytes: u64| {
        let tenths = percent(bytes);
        let share = format!(">{}.{} %", tenths / 10, tenths % 10);
        vec![name.to_string(), bytes.to_string(), human(bytes), share]
    };
    let mut rows = vec![
        ["", ">bytes", ">size", ">share"].map(String::from).to_vec(),
        row("data", totals.data),
        row("hole", totals.hole),
        row("lost", totals.lost),
        row("all", totals.size),
    ];
    for component in &totals.components {
        rows.push(row(&format!("on component {}", component.component), component.data));
    }
    let extents = counted(totals.extents, "extent");
    format!("{}{extents}\n", output::table(&rows, ""))
}
