//! A volume that is opened for writing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use virstor::format::Record;
use virstor::geometry::ComponentIndex;
use virstor::io::{ReadAt, Window};
use virstor::label::record_sector;
use virstor::write::VolumeWriter;
use virstor_inspect::Heap;
use virstor_inspect::document::check::{Check, FindingInfo};
use virstor_inspect::heap::ComponentDisk;

use crate::disk::Disk;
use crate::disk::WritableDisk;
use crate::disk::writable::Medium;
use crate::failure::Failure;
use crate::output::shown;
use crate::overlay::{self, Head, OverlayDisk};
use crate::verb;

/// The bytes of a component: a window on a file, or on what stands for it.
pub(crate) type WritableComponent = Window<Arc<dyn Medium>>;

/// A volume with the disks that are written to.
pub(crate) struct Writable {
    pub(crate) writer: Box<VolumeWriter<WritableComponent>>,
    pub(crate) disks: BTreeMap<ComponentIndex, WritableComponent>,
}

/// Opens a volume of `heap` for writing, and its files with it.
///
/// # Errors
///
/// When it is not sound, naming what `check` finds; when a file cannot be written or somebody else writes to it.
pub(crate) fn open(heap: &Heap<Disk>, number: usize) -> Result<Writable, Failure> {
    let volume = &heap.volumes()[number];
    if !volume.is_complete() {
        return Err(refusal(heap, number));
    }
    let disks = open_disks(heap, number)?;
    let writer = VolumeWriter::open(volume.clone(), disks.clone(), verb::MAP_MEMORY)
        .map_err(|_| refusal(heap, number))?;
    Ok(Writable { writer: Box::new(writer), disks })
}

/// Opens a volume of `heap` so that everything written to it goes to the overlay at `path`, which is begun where
/// there is none.
///
/// # Errors
///
/// As for [`open`]; the files of the set need not be writable, but nobody else may write to them.
pub(crate) fn open_overlay(heap: &Heap<Disk>, number: usize, path: &Path) -> Result<Writable, Failure> {
    let mut volume = heap.volumes()[number].clone();
    if !volume.is_complete() {
        return Err(refusal(heap, number));
    }
    if let Some(file) = keep_writers_out(heap, number) {
        return Err(Failure::Operation(format!("{file}: is locked by another program")));
    }
    let (overlay, originals) = overlay::Overlay::open_or_begin(path, overlay_head(heap, number)?)
        .map(Arc::new)
        .map_err(Failure::Operation)
        .and_then(|overlay| Ok((overlay, originals(heap, number)?)))?;
    let mut disks = BTreeMap::new();
    for (index, original) in originals {
        let len = original.size();
        let medium: Arc<dyn Medium> = Arc::new(OverlayDisk::new(Arc::clone(&overlay), index, original));
        let disk = Window::new(medium, 0, len).expect("it is as long as the component");
        // The records that count are those that were written to the overlay.
        let component = volume.components.get_mut(&index).expect("it is one of the volume's");
        let mut sector = vec![0; size_of::<Record>()];
        disk.read_at(len - u64::from(component.sector_size), &mut sector)
            .map_err(|error| Failure::Operation(format!("{}: {error}", shown(path))))?;
        component.record = Record::decode(&sector);
        disks.insert(index, disk);
    }
    let writer =
        VolumeWriter::open(volume, disks.clone(), verb::MAP_MEMORY).map_err(|_| refusal(heap, number))?;
    Ok(Writable { writer: Box::new(writer), disks })
}

/// Keeps other programs from writing to the files of a volume of `heap` for as long as that is there; gives the first
/// to which one writes already.
pub(crate) fn keep_writers_out(heap: &Heap<Disk>, number: usize) -> Option<&str> {
    let file =
        |component: &virstor::assemble::Component| &heap.files()[heap.located()[component.candidate].0];
    let mut files = heap.volumes()[number].components.values().map(file);
    let written = files.find(|file| file.disk.as_ref().is_ok_and(|disk| !disk.keep_writers_out()))?;
    Some(&written.label)
}

/// What an overlay of a volume of `heap` has to be of.
///
/// # Errors
///
/// When a component is missing or cannot be read, or there are too many.
pub(crate) fn overlay_head(heap: &Heap<Disk>, number: usize) -> Result<Head, Failure> {
    let volume = &heap.volumes()[number];
    let disks = originals(heap, number)?;
    let head = Head::new(volume, |index| disks[&index].clone()).map_err(|(index, error)| {
        let file = heap.label_of(volume.components[&index].candidate);
        Failure::Operation(format!("{file}: {error}"))
    })?;
    head.ok_or_else(|| {
        let count = volume.component_count;
        Failure::Operation(format!(
            "an overlay has room for {} components, not {count}",
            overlay::MOST_COMPONENTS
        ))
    })
}

/// The components, as they are looked at.
fn originals(
    heap: &Heap<Disk>,
    number: usize,
) -> Result<BTreeMap<ComponentIndex, ComponentDisk<Disk>>, Failure> {
    if !heap.volumes()[number].is_complete() {
        return Err(refusal(heap, number));
    }
    let reader = heap.reader(number, 0);
    let disk = |index: &ComponentIndex| reader.disk(*index).expect("none is missing").clone();
    Ok(heap.volumes()[number].components.keys().map(|index| (*index, disk(index))).collect())
}

/// Opens and locks the files of a volume for writing.
///
/// # Errors
///
/// When one cannot be, or is not what was looked at.
pub(crate) fn open_disks(
    heap: &Heap<Disk>,
    number: usize,
) -> Result<BTreeMap<ComponentIndex, WritableComponent>, Failure> {
    crate::heap::refuse_unwritable(heap, number)?;
    let volume = &heap.volumes()[number];
    let mut disks = BTreeMap::new();
    // Two components may lie in one file, which is opened and locked once.
    let mut files: BTreeMap<usize, Arc<dyn Medium>> = BTreeMap::new();
    for (index, component) in &volume.components {
        let (file, located) = &heap.located()[component.candidate];
        let input = &heap.files()[*file];
        let failed = |reason| Failure::Operation(format!("{}: {reason}", input.label));
        let medium = match files.get(file) {
            Some(medium) => Arc::clone(medium),
            None => {
                let disk = input.disk.as_ref().map_err(|reason| failed(reason.clone()))?;
                let medium: Arc<dyn Medium> = Arc::new(WritableDisk::open(disk.path()).map_err(failed)?);
                if medium.size() != disk.size() {
                    let (size, before) = (medium.size(), disk.size());
                    return Err(failed(format!("it has {size} bytes now, and had {before} a moment ago")));
                }
                files.insert(*file, Arc::clone(&medium));
                medium
            }
        };
        let disk =
            Window::new(medium, located.start, located.len).ok_or_else(|| failed("it shrank".into()))?;
        if !has_record(&disk, component) {
            let reason = "its record is not what it was a moment ago; does another program write to it?";
            return Err(failed(reason.into()));
        }
        disks.insert(*index, disk);
    }
    Ok(disks)
}

/// Whether the record is the one that was found when the files were looked through, before they were locked.
fn has_record(disk: &impl ReadAt, component: &virstor::assemble::Component) -> bool {
    let wanted = record_sector(&component.record, component.sector_size);
    let mut sector = vec![0; size_of_val(&component.record)];
    let offset = component.len - u64::from(component.sector_size);
    disk.read_at(offset, &mut sector).is_ok() && wanted.starts_with(&sector)
}

/// Why a volume is not written to: what `check` says of it.
fn refusal(heap: &Heap<Disk>, number: usize) -> Failure {
    let check = Check::new(heap, &[number], false, &mut |_, _, _| ControlFlow::Continue(()));
    let grave = |finding: &&FindingInfo| matches!(finding.severity, "error" | "fatal");
    let mut findings: Vec<&FindingInfo> = check.findings.iter().filter(grave).collect();
    if findings.is_empty() {
        findings = check.findings.iter().filter(|finding| finding.severity != "notice").collect();
    }
    let volume = &heap.volumes()[number];
    let name = format!("{}/{}", volume.name, volume.id);
    let what = findings.first().map_or_else(String::new, |first| {
        let more = match findings.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!(": {} [{}]{more}", first.message, first.code)
    });
    let remedy = "'virstor check' tells more and 'virstor repair' mends what can be mended";
    Failure::Operation(format!("{name} is not sound enough to be written to{what}; {remedy}"))
}
