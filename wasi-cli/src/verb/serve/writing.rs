//! A volume that is opened for writing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use virstor::geometry::ComponentIndex;
use virstor::io::{ReadAt, Window};
use virstor::label::record_sector;
use virstor::write::VolumeWriter;
use virstor_inspect::Heap;
use virstor_inspect::document::check::{Check, FindingInfo};

use crate::disk::Disk;
use crate::disk::WritableDisk;
use crate::disk::writable::Medium;
use crate::failure::Failure;
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
    let writer = VolumeWriter::open(volume.clone(), disks.clone(), verb::MAP_MEMORY)
        .map_err(|_| refusal(heap, number))?;
    Ok(Writable { writer: Box::new(writer), disks })
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
