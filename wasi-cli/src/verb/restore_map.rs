//! `restore-map`: the records and the map of a volume back from a file.

use std::fmt::Write;

use virstor::assemble::Volume;
use virstor::counted::{agreeing, counted};
use virstor::format::MAP_ENTRY_LEN;
use virstor_inspect::Heap;
use virstor_inspect::document::collect::{RestoreMap, RestoredComponent};
use virstor_inspect::restore::{Restoration, RestoreError, restoration};

use super::backup_map;
use crate::args::RestoreMapArgs;
use crate::change::{self, Change, Place};
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::heap;
use crate::output::{self, shown};

pub(crate) fn run(args: &RestoreMapArgs) -> Result<Status, Failure> {
    change::refuse_twice(&args.input)?;
    let backup = heap::open_backup(&args.backup)?;
    let apply = args.apply && !args.dry_run;
    let set = heap::open_to_change(&args.input, args.output, apply)?;
    let failed =
        |error| Failure::Operation(format!("{}: the backup {}", shown(&args.backup), reason(&set, &error)));
    let restoration = restoration(&backup, 0, &set).map_err(failed)?;
    let mut undo_log = None;
    if apply && !restoration.patches.is_empty() {
        if restoration.dropped > 0 && !args.lossy {
            return Err(Failure::Operation(format!(
                "{} {} that the backup does not give {}: what was written there since would be lost; --lossy \
                 restores all the same",
                counted(restoration.dropped, "map entry"),
                agreeing(restoration.dropped, "names a chunk", "name chunks"),
                agreeing(restoration.dropped, "it", "them")
            )));
        }
        let (name, id) = restoration.volume;
        let same = |volume: &Volume| volume.name.bytes() == name.bytes() && volume.id == id;
        if let Some(number) = set.volumes().iter().position(same) {
            backup_map::before_change(&set, number, args.output)?;
        }
        let change = change_of(&backup, &set, &restoration)?;
        let log = change.perform(args.undo_log.as_deref(), "restoring", args.output)?;
        change::tell_log(&log, args.output);
        undo_log = Some(shown(&log));
    }
    let document = document(&set, &restoration, apply, undo_log);
    if args.output.json {
        output::print_json(&document)?;
    } else if !args.output.quiet {
        output::print(&text(&document, restoration.patches.is_empty()))?;
    }
    let left = !apply && !restoration.patches.is_empty();
    Ok(if left { Status::Damage } else { Status::Fine })
}

/// Why a backup cannot be restored, to follow "the backup".
pub(super) fn reason(set: &Heap<Disk>, error: &RestoreError) -> String {
    match error {
        RestoreError::Size { index, file, expected, found } => {
            let label = &set.files()[*file].label;
            format!("knows component {index} with {}, and {label} has {found}", counted(*expected, "byte"))
        }
        RestoreError::NothingFits => "fits none of the files".into(),
    }
}

fn change_of(backup: &Heap<Disk>, set: &Heap<Disk>, restoration: &Restoration) -> Result<Change, Failure> {
    let map_len = backup.volumes()[0].map_entries() * MAP_ENTRY_LEN as u64;
    let mut disks = Vec::new();
    for component in &restoration.components {
        let disk = set.files()[component.file].disk.as_ref().expect("it was looked at");
        let place = Place::new(set, component.file, component.start, component.len);
        let (offset, len) = component.sector;
        let record = offset..offset + u64::from(len);
        let map = (component.index.0 == 0).then_some(0..map_len);
        let guarded = map.into_iter().chain([record]).collect();
        disks.push((place, disk, guarded));
    }
    Change::new("restore-map", restoration.volume, &disks, restoration.patches.clone())
}

fn document(
    set: &Heap<Disk>,
    restoration: &Restoration,
    applied: bool,
    undo_log: Option<String>,
) -> RestoreMap {
    let (name, id) = restoration.volume;
    let component = |it: &virstor_inspect::restore::Restored| RestoredComponent {
        index: it.index.0,
        file: set.files()[it.file].label.clone(),
        start: it.start,
        record_changes: it.record_changes,
    };
    RestoreMap {
        volume: name.to_string(),
        id,
        applied,
        undo_log,
        components: restoration.components.iter().map(component).collect(),
        not_found: restoration.not_found.iter().map(|(index, _)| index.0).collect(),
        entries_changed: restoration.changed,
        entries_dropped: restoration.dropped,
        entries_unknown: restoration.unknown,
    }
}

/// A line for each component that the backup has and the files have not.
fn absent(document: &RestoreMap) -> String {
    let line = |number: &u16| format!("  component {number} of the backup is not among the files\n");
    document.not_found.iter().map(line).collect()
}

fn text(document: &RestoreMap, nothing_to_do: bool) -> String {
    let (volume, id) = (&document.volume, document.id);
    if nothing_to_do {
        let absent = absent(document);
        return format!("volume {volume} (id {id}): records and map are what the backup says\n{absent}");
    }
    let changed = document.entries_changed;
    let (is, are) = match document.applied {
        true => ("was", agreeing(changed, "was", "were")),
        false => ("would be", "would be"),
    };
    let mut text = format!("volume {volume} (id {id})\n");
    for component in document.components.iter().filter(|component| component.record_changes) {
        // Writing to a string cannot fail, here and below.
        _ = writeln!(text, "  component {} ({}): the record {is} put back", component.index, component.file);
    }
    if document.entries_changed > 0 {
        let dropped = match document.entries_dropped {
            0 => String::new(),
            1 => "; 1 of them names a chunk now that the backup does not give it".into(),
            dropped => format!("; {dropped} of them name chunks now that the backup does not give them"),
        };
        _ = writeln!(text, "  map: {} {are} put back{dropped}", counted(changed, "entry"));
    }
    text.push_str(&absent(document));
    if document.entries_unknown > 0 {
        _ = writeln!(
            text,
            "  {} {} not in the backup and {}",
            counted(document.entries_unknown, "entry"),
            agreeing(document.entries_unknown, "is", "are"),
            agreeing(document.entries_unknown, "stays as it is", "stay as they are")
        );
    }
    if !document.applied {
        text.push_str("nothing was written; --apply does it\n");
    }
    text
}
