//! `set`: what the records of the components say beside the volume.

use virstor::change::naming::{NamingError, hardcode};
use virstor::check::Code;
use virstor::label::MAX_NAME_LEN;
use virstor_inspect::document::change::Renamed;

use crate::args::{SetArgs, Setting};
use crate::failure::{Failure, Status};
use crate::verb::rename::print;
use crate::{change, heap, output, target};

pub(crate) fn run(args: &SetArgs) -> Result<Status, Failure> {
    change::refuse_twice(&args.input)?;
    let heap = heap::open_to_change(&args.input, args.output, !args.change.dry_run)?;
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    // What a name does wrong is what this is for.
    let mended = [Code::HardcodedNameCut, Code::HardcodedNameDiffers];
    target::refuse_damaged_but(&heap, number, args.change.force, &mended)?;
    let volume = &heap.volumes()[number];
    let names: Vec<&[u8]> = volume
        .components
        .values()
        .map(|component| heap.candidates()[component.candidate].provider.as_slice())
        .collect();
    let wanted = (args.what == Setting::Hardcode).then_some(&names[..]);
    let patches = hardcode(volume, wanted).map_err(|error| match error {
        NamingError::ProviderName { component, len } => Failure::Usage(format!(
            "{}: the provider name has {len} bytes; a record holds {MAX_NAME_LEN}; give another as NAME=FILE",
            heap.label_of(volume.components[&component].candidate)
        )),
        NamingError::ProviderTwice { first, second } => Failure::Usage(format!(
            "{} and {} have one provider name; give them others as NAME=FILE",
            heap.label_of(volume.components[&first].candidate),
            heap.label_of(volume.components[&second].candidate)
        )),
        NamingError::NoName | NamingError::Name { .. } | NamingError::Missing(_) => {
            Failure::Operation("the records cannot be changed so".into())
        }
    })?;
    let changed_records = patches.iter().filter_map(virstor::patch::Patch::target).count() as u64;
    let mut components = target::named_members(&heap, &[number]);
    for (position, component) in components.iter_mut().enumerate() {
        component.provider =
            wanted.map_or_else(String::new, |names| virstor::format::Printable(names[position]).to_string());
    }
    let mut document = Renamed {
        verb: "set",
        volume: volume.name.to_string(),
        id: volume.id,
        components,
        changed_records,
        dry_run: args.change.dry_run,
        undo_log: None,
    };
    if !args.change.dry_run && changed_records > 0 {
        let change = target::renaming("set", &heap, &[number], patches)?;
        let log = change.perform(args.change.undo_log.as_deref(), "writing records", args.output)?;
        document.undo_log = Some(output::shown(&log));
        change::tell_log(&log, args.output);
    }
    let (would, tied) = match (document.dry_run, args.what) {
        (false, Setting::Hardcode) => ("are", "tied to their names"),
        (true, Setting::Hardcode) => ("would be", "tied to their names"),
        (false, Setting::NoHardcode) => ("are", "tied to no names"),
        (true, Setting::NoHardcode) => ("would be", "tied to no names"),
    };
    let line = format!("the components of volume {} {would} {tied}", document.volume);
    print(&document, &line, args.output)
}
