//! `info`: what is there.

use std::fmt::Write;

use virstor::counted::counted;
use virstor::kernel::Tunables;
use virstor_inspect::document::info::{ComponentInfo, Info, KernelInfo, VolumeInfo};

use crate::args::InfoArgs;
use crate::failure::{Failure, Status};
use crate::size::human;
use crate::{heap, output};

pub(crate) fn run(args: &InfoArgs) -> Result<Status, Failure> {
    let tunables = Tunables {
        debug: args.kernel_log.unwrap_or(Tunables::default().debug),
        chunk_watermark: args.chunk_watermark,
        component_watermark: args.component_watermark,
    };
    let heap = heap::open(&args.input, args.output, tunables)?;
    if args.kernel_log.is_some() {
        output::print_lines(heap.kernel().log().map(ToString::to_string))?;
        return Ok(Status::Fine);
    }
    let chosen = heap::choose(&heap, &args.input);
    let info = Info::new(&heap, chosen.as_deref().unwrap_or_default());
    if args.output.json {
        output::print_json(&info)?;
    } else if chosen.is_ok() {
        output::print(&text(&info))?;
    }
    chosen?;
    if heap::unreadable(&heap) {
        if args.output.json {
            heap::note_strangers(&heap, args.output);
        }
        return Ok(Status::Failed);
    }
    let whole = info.volumes.iter().all(VolumeInfo::is_whole);
    Ok(if whole { Status::Fine } else { Status::Damage })
}

fn text(info: &Info) -> String {
    let mut text = info.volumes.iter().map(volume).collect::<Vec<_>>().join("\n");
    if !info.other_files.is_empty() {
        text.push_str("\nother files:\n");
        for other in &info.other_files {
            // Writing to a string cannot fail, here and below.
            _ = writeln!(text, "  {}: {}", other.file, other.message);
        }
    }
    text
}

fn volume(volume: &VolumeInfo) -> String {
    let mut text = String::new();
    let name = if volume.name.is_empty() { "(without a name)" } else { &volume.name };
    let (size, chunk) = (human(volume.virtual_size), human(volume.chunk_size));
    _ = writeln!(text, "volume {name} (id {}): {size}, in chunks of {chunk}", volume.id);
    _ = writeln!(text, "  state     {}", state(volume));
    _ = writeln!(text, "  FreeBSD   {}", kernel(&volume.kernel));
    _ = writeln!(text, "  chunks    {}", use_of(volume));
    _ = writeln!(text, "  sectors   {} bytes; {}-endian map", volume.sector_size, volume.map.byte_order);
    text.push('\n');
    text.push_str(&output::table(&components(volume), "  "));
    if !volume.problems.is_empty() {
        text.push_str("\n  what does not fit:\n");
        for problem in &volume.problems {
            _ = writeln!(text, "  - {}", problem.message);
        }
    }
    text
}

fn state(volume: &VolumeInfo) -> String {
    let count = counted(volume.component_count, "component");
    if !volume.complete {
        let present = volume.components.len();
        return format!("incomplete: {present} of {count}; missing {}", volume.missing);
    }
    let damaged =
        volume.map.bad_entries + volume.map.unreadable_entries + (volume.virtual_chunks - volume.map.entries);
    match damaged {
        0 => format!("complete: {} of {count}", volume.component_count),
        _ => format!("damaged: {} cannot be used", counted(damaged, "map entry")),
    }
}

fn kernel(kernel: &KernelInfo) -> String {
    let mut text = match (kernel.taste.as_str(), &kernel.device) {
        ("starts", Some(device)) => format!("starts it as /dev/{device}"),
        ("panics", _) => format!("PANICS when it sees this set: {}", kernel.reason),
        _ => format!("does not start it: {}", kernel.reason),
    };
    if kernel.confxml == "panics" && kernel.taste != "panics" {
        text.push_str("; and any read of its configuration (gvirstor list, gpart show) PANICS the kernel");
    }
    text
}

fn use_of(volume: &VolumeInfo) -> String {
    let (virtual_chunks, allocated) = (volume.virtual_chunks, volume.allocated_chunks);
    if !volume.has_map() {
        return format!(
            "{virtual_chunks} virtual; how many are allocated or free is unknown without the map"
        );
    }
    let bytes = human(allocated.saturating_mul(volume.chunk_size));
    let free: u64 = volume.components.iter().map(free).sum();
    let free = counted(free, "physical chunk");
    format!("{virtual_chunks} virtual, {allocated} of them allocated ({bytes}); {free} free")
}

fn free(component: &ComponentInfo) -> u64 {
    let usable = u64::from(component.chunk_count.saturating_sub(u32::from(component.chunk_reserved)));
    usable.saturating_sub(component.used_chunks)
}

fn components(volume: &VolumeInfo) -> Vec<Vec<String>> {
    let heading = ["  ", "file", ">size", ">chunks", ">reserved", ">used", ">free", "flags", "where"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for component in &volume.components {
        let place = match (component.place.as_str(), &component.partition) {
            ("whole", _) => String::new(),
            (_, Some(partition)) => format!("partition {partition}"),
            ("grown", _) => "file has grown".into(),
            ("cut", _) => "file is cut off".into(),
            _ => format!("at offset {}", component.offset),
        };
        rows.push(vec![
            format!("{:>2}", component.index),
            component.file.clone(),
            human(component.size),
            component.chunk_count.to_string(),
            component.chunk_reserved.to_string(),
            volume.if_mapped(component.used_chunks),
            volume.if_mapped(free(component)),
            component.flags.join(" "),
            place,
        ]);
    }
    rows
}
