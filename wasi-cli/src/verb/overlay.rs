//! `overlay`: what `serve --overlay` kept, shown, committed or given up.

use std::path::Path;
use std::sync::Arc;

use virstor::counted::counted;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt, Window};
use virstor::kernel::Tunables;
use virstor::patch::{Patch, PatchError};
use virstor::undo::{self, ChangeError, DiskHeader, Header};
use virstor_inspect::Heap;
use virstor_inspect::document::overlay::{OverlayAfter, OverlayChange, OverlayDiff};

use crate::args::{OverlayAction, OverlayArgs, OverlayCommitArgs, OverlayDiffArgs, OverlayDropArgs};
use crate::change::{self, LogFile};
use crate::disk::Disk;
use crate::disk::writable::Medium;
use crate::failure::{Failure, Status, host_reason};
use crate::overlay::{Contents, Overlay, Place};
use crate::progress::Progress;
use crate::verb::serve::writing::{WritableComponent, open_disks, overlay_head};
use crate::{heap, output};

pub(crate) fn run(args: &OverlayArgs) -> Result<Status, Failure> {
    match &args.action {
        OverlayAction::Diff(args) => diff(args),
        OverlayAction::Commit(args) => commit(args),
        OverlayAction::Drop(args) => give_up(args),
    }
}

fn diff(args: &OverlayDiffArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    let overlay = open(&heap, number, &args.overlay)?;
    let volume = &heap.volumes()[number];
    let change = |(component, offset, length, place): (ComponentIndex, u64, u64, Place)| OverlayChange {
        component: component.0,
        offset,
        length,
        zero: place == Place::Zeros,
        part: part(volume, component, offset, length),
    };
    let changes: Vec<OverlayChange> = overlay.contents().into_iter().map(change).collect();
    let bytes = changes.iter().map(|change| change.length).sum();
    let committing = overlay.is_committing();
    let document = OverlayDiff { volume: volume.name.to_string(), id: volume.id, committing, bytes, changes };
    if args.output.json {
        output::print_json(&document)?;
    } else {
        output::print(&text(&document))?;
    }
    Ok(Status::Fine)
}

/// What of a component the range touches: its record, the map, chunks.
fn part(volume: &virstor::assemble::Volume, index: ComponentIndex, offset: u64, length: u64) -> &'static str {
    let component = &volume.components[&index];
    let end = offset + length;
    if index.0 == 0 && u128::from(offset) < volume.map_len() {
        "map"
    } else if end > component.len - u64::from(component.sector_size) {
        "record"
    } else {
        "chunks"
    }
}

fn text(diff: &OverlayDiff) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(vec![
        ">component".into(),
        ">offset".into(),
        ">length".into(),
        "part".into(),
        "holds".into(),
    ])
    .chain(diff.changes.iter().map(|it| {
        let holds = if it.zero { "zeros" } else { "data" };
        vec![
            it.component.to_string(),
            it.offset.to_string(),
            it.length.to_string(),
            it.part.into(),
            holds.into(),
        ]
    }))
    .collect();
    let note = if diff.committing { "; a commit of it was begun" } else { "" };
    let (volume, id, bytes) = (&diff.volume, diff.id, counted(diff.bytes, "byte"));
    format!("overlay of {volume} (id {id}): {bytes}{note}\n{}", output::table(&rows, "  "))
}

fn commit(args: &OverlayCommitArgs) -> Result<Status, Failure> {
    change::refuse_twice(&args.input)?;
    let heap = heap::open_to_change(&args.input, args.output, true)?;
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    let overlay = Arc::new(open(&heap, number, &args.overlay)?);
    let contents = overlay.contents();
    let bytes = contents.iter().map(|(_, _, length, _)| length).sum();
    if !args.dry_run {
        if !contents.is_empty() {
            perform(&heap, number, &overlay, args)?;
        }
        remove(&args.overlay)?;
    }
    finish(args.output, "committed", bytes, args.dry_run)
}

/// Writes everything to the files of the set, with an undo log.
fn perform(
    heap: &Heap<Disk>,
    number: usize,
    overlay: &Arc<Overlay>,
    args: &OverlayCommitArgs,
) -> Result<(), Failure> {
    let volume = &heap.volumes()[number];
    let mut disks: Vec<WritableComponent> = open_disks(heap, number)?.into_values().collect();
    let label = |index: ComponentIndex| heap.label_of(volume.components[&index].candidate);
    let failed =
        |index: ComponentIndex, error: &IoError| Failure::Operation(format!("{}: {error}", label(index)));
    let header = |(index, disk): (&ComponentIndex, &WritableComponent)| {
        DiskHeader::new(label(*index), disk.start(), disk, &[]).map_err(|error| failed(*index, &error))
    };
    let headers = volume.components.keys().zip(&disks).map(header).collect::<Result<_, _>>()?;
    let header = Header { name: volume.name, id: volume.id, verb: "overlay commit".into(), disks: headers };
    // One more disk, to copy from.
    let source = ComponentIndex(u16::try_from(disks.len()).expect("an overlay has few components"));
    let medium: Arc<dyn Medium> = Arc::new(Contents(Arc::clone(overlay)));
    let len = medium.size();
    disks.push(Window::new(medium, 0, len).expect("it is the whole"));
    let patch = |(component, offset, len, place): (ComponentIndex, u64, u64, Place)| match place {
        Place::Here(at) => Patch::Copy { from: (source, at), to: (component, offset), len },
        Place::Zeros | Place::Original => Patch::Zero { component, offset, len },
    };
    let mut patches: Vec<Patch> = overlay.contents().into_iter().map(patch).collect();
    patches.push(Patch::Barrier);

    let shown = output::shown(&args.overlay);
    let (mut log, path) = LogFile::create(args.undo_log.as_deref(), volume.name)?;
    overlay.begin_commit().map_err(|error| Failure::Operation(format!("{shown}: {error}")))?;
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    let mut report = |done, total| progress.report("committing", done, total);
    let done = undo::perform(&header, &patches, &disks, &mut log, &mut report);
    drop(progress);
    done.map_err(|error| {
        let line = match error {
            ChangeError::Log(error) => format!("{}: {error}", output::shown(&path)),
            ChangeError::Disk(PatchError { component, error }) if component == source => {
                format!("{shown}: {error}")
            }
            ChangeError::Disk(PatchError { component, error }) => {
                format!("{}: {error}", label(component))
            }
        };
        let log = output::shown(&path);
        let remedy = format!("run it again to go on, or 'virstor undo {log} FILE...' to go back");
        Failure::Operation(format!("{line}; {remedy}"))
    })?;
    change::tell_log(&path, args.output);
    Ok(())
}

fn give_up(args: &OverlayDropArgs) -> Result<Status, Failure> {
    let overlay = Overlay::open(&args.overlay).map_err(Failure::Operation)?;
    if overlay.is_committing() {
        let path = output::shown(&args.overlay);
        let remedy = "'virstor overlay commit' ends it";
        return Err(Failure::Operation(format!("{path}: a commit of it was begun; {remedy}")));
    }
    let bytes = overlay.contents().iter().map(|(_, _, length, _)| length).sum();
    remove(&args.overlay)?;
    finish(args.output, "dropped", bytes, false)
}

/// The overlay at `path`, which has to be that of the volume.
fn open(heap: &Heap<Disk>, number: usize, path: &Path) -> Result<Overlay, Failure> {
    let head = overlay_head(heap, number)?;
    let overlay = Overlay::open(path).map_err(Failure::Operation)?;
    overlay.expect(path, &head).map_err(Failure::Operation)?;
    Ok(overlay)
}

fn remove(path: &Path) -> Result<(), Failure> {
    std::fs::remove_file(path).map_err(|error| {
        let (path, reason) = (output::shown(path), host_reason(&error));
        Failure::Operation(format!("{path}: cannot remove it: {reason}"))
    })
}

fn finish(
    out: crate::args::Output,
    outcome: &'static str,
    bytes: u64,
    dry_run: bool,
) -> Result<Status, Failure> {
    if out.json {
        output::print_json(&OverlayAfter { outcome, bytes, dry_run })?;
    } else if !out.quiet {
        let would = if dry_run { "would be " } else { "" };
        output::print(&format!("{would}{outcome}: {}\n", counted(bytes, "byte")))?;
    }
    Ok(Status::Fine)
}
