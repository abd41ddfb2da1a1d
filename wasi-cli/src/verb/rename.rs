//! `rename`: another name for a volume.

use virstor::assemble::Volume;
use virstor::change::naming::{NamingError, is_rest_of, rename};
use virstor::counted::counted;
use virstor::label::MAX_NAME_LEN;
use virstor_inspect::Heap;
use virstor_inspect::document::change::Renamed;

use crate::args::RenameArgs;
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::output::note;
use crate::{change, heap, output, target};

pub(crate) fn run(args: &RenameArgs) -> Result<Status, Failure> {
    change::refuse_twice(&args.input)?;
    let heap = heap::open_to_change(&args.input, args.output, !args.change.dry_run)?;
    let parts = parts(&heap, args)?;
    let volumes: Vec<&Volume> = parts.iter().map(|number| &heap.volumes()[*number]).collect();
    if parts.len() > 1 && !args.output.quiet {
        let (one, other) = (volumes[0].name, volumes[1].name);
        note(&format!("{one} and {other} are one volume whose renaming was cut; it is ended"));
    }
    if !args.change.force {
        for number in parts.iter().filter(|number| heap.volumes()[**number].is_complete()) {
            target::refuse_damaged(&heap, *number, false)?;
        }
    }
    let patches = rename(&volumes, args.name.as_bytes()).map_err(|error| refusal(&error, args))?;
    let changed_records = patches.iter().filter_map(virstor::patch::Patch::target).count() as u64;
    let mut components = target::named_members(&heap, &parts);
    components.sort_by_key(|component| component.index);
    let mut document = Renamed {
        verb: "rename",
        volume: output::shown(&args.name),
        id: volumes[0].id,
        components,
        changed_records,
        dry_run: args.change.dry_run,
        undo_log: None,
    };
    if !args.change.dry_run && changed_records > 0 {
        let change = target::renaming("rename", &heap, &parts, patches)?;
        let log = change.perform(args.change.undo_log.as_deref(), "renaming", args.output)?;
        document.undo_log = Some(output::shown(&log));
        change::tell_log(&log, args.output);
    }
    let would = if document.dry_run { "would be" } else { "is" };
    print(&document, &format!("volume {} {would} {}", volumes[0].name, document.volume), args.output)
}

/// The volume, or the two parts of one.
fn parts(heap: &Heap<Disk>, args: &RenameArgs) -> Result<Vec<usize>, Failure> {
    if let [one, other] = heap.volumes()
        && is_rest_of(one, other)
    {
        return Ok(vec![0, 1]);
    }
    let number = heap::choose_one(heap, &args.input, args.output)?;
    let volume = &heap.volumes()[number];
    let rest = heap.volumes().iter().position(|other| is_rest_of(volume, other));
    Ok(std::iter::once(number).chain(rest).collect())
}

/// Prints what `rename` and `set` did: `line`.
pub(crate) fn print(document: &Renamed, line: &str, output: crate::args::Output) -> Result<Status, Failure> {
    if output.json {
        output::print_json(document)?;
    } else if !output.quiet {
        let records = counted(document.changed_records, "record");
        let changed = if document.dry_run { "would change" } else { "changed" };
        output::print(&format!("{line}; {records} {changed}\n"))?;
    }
    Ok(Status::Fine)
}

fn refusal(error: &NamingError, args: &RenameArgs) -> Failure {
    match error {
        NamingError::NoName => Failure::Usage("the volume needs a name".into()),
        NamingError::Name { len } => Failure::Usage(format!(
            "the name '{}' has {len} bytes; a record holds {MAX_NAME_LEN}, and no NUL",
            output::shown(&args.name)
        )),
        NamingError::Missing(index) => {
            Failure::Damage(format!("component {index} is missing, and would keep its old name"))
        }
        NamingError::ProviderName { component, len } => Failure::Usage(format!(
            "component {component}: the provider name has {len} bytes; a record holds {MAX_NAME_LEN}"
        )),
        NamingError::ProviderTwice { first, second } => {
            Failure::Usage(format!("components {first} and {second} have one provider name"))
        }
    }
}
