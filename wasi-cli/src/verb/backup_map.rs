//! `backup-map`: the records and the map of a volume into a file; also before every change of one.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use virstor::geometry::ComponentIndex;
use virstor::kernel::Tunables;
use virstor_inspect::Heap;
use virstor_inspect::collect::{Collected, back_up};
use virstor_inspect::restore::restoration;

use super::collect::{finish, into_file, report, to_stdout};
use crate::args::{BackupMapArgs, Output};
use crate::change::file_name;
use crate::disk::{Disk, HostFile};
use crate::failure::{Failure, Status, host_reason};
use crate::heap;
use crate::new_file::NewFile;
use crate::output::{note, shown};
use crate::progress::of_stages;

pub(crate) fn run(args: &BackupMapArgs) -> Result<Status, Failure> {
    let is_stdout = args.out.as_os_str() == "-";
    if is_stdout && args.output.json {
        return Err(Failure::Usage("--json and a backup cannot both go to stdout".into()));
    }
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let volume = heap::choose_one(&heap, &args.input, args.output)?;
    if !has_map(&heap, volume) {
        return Err(Failure::Damage(
            "component 0, which has the map, is missing; there is nothing to back up".into(),
        ));
    }
    if is_stdout {
        let made = to_stdout(|sink| back_up(&heap, volume, sink, &mut of_stages(args.output)))?;
        heap::note_unreadable(&heap, args.output);
        note_missing(&heap, volume, args.output);
        return Ok(status(&made));
    }
    let target = NewFile::create(&args.out, args.force, &args.input)?;
    let made = write(&heap, volume, &args.out, target.file(), args.output);
    let made = finish(target, made)?;
    verify(&heap, volume, &args.out)?;
    heap::note_unreadable(&heap, args.output);
    note_missing(&heap, volume, args.output);
    report(&args.out, &made, args.output)?;
    Ok(status(&made))
}

fn status(made: &Collected) -> Status {
    if made.unreadable > 0 { Status::Damage } else { Status::Fine }
}

/// Makes a backup of volume `number` before something is changed, as `virstor-map-NAME-N.backup` in the current
/// folder, the first that does not exist. Gives its path; `None` when component 0 is missing, so that there is no map.
///
/// # Errors
///
/// [`Failure::Operation`] when it cannot be written or does not read back as what the disks say.
pub(crate) fn before_change(
    heap: &Heap<Disk>,
    number: usize,
    output: Output,
) -> Result<Option<PathBuf>, Failure> {
    if !has_map(heap, number) {
        return Ok(None);
    }
    let (path, file) = next_free(heap.volumes()[number].name)?;
    write(heap, number, &path, &file, output)?;
    file.as_std().sync_all().map_err(|error| failed(&path, &error))?;
    verify(heap, number, &path)?;
    if !output.quiet {
        note(&format!("records and map as they are were saved to {}", shown(&path)));
    }
    Ok(Some(path))
}

/// Says of which components no record is in the backup.
fn note_missing(heap: &Heap<Disk>, number: usize, output: Output) {
    /// So many are named.
    const NAMED: usize = 8;
    let volume = &heap.volumes()[number];
    let mut missing = volume.missing();
    let named: Vec<String> = missing.by_ref().take(NAMED).map(|index| index.to_string()).collect();
    if named.is_empty() || output.quiet {
        return;
    }
    let more = match missing.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    note(&format!(
        "not in the backup: component {}{more} of {}, which is not here",
        named.join(", "),
        volume.component_count
    ));
}

fn has_map(heap: &Heap<Disk>, volume: usize) -> bool {
    heap.volumes()[volume].components.contains_key(&ComponentIndex(0))
}

fn write(
    heap: &Heap<Disk>,
    volume: usize,
    path: &Path,
    file: &HostFile,
    output: Output,
) -> Result<Collected, Failure> {
    let mut progress = of_stages(output);
    into_file(path, file, |sink| back_up(heap, volume, sink, &mut progress))
}

/// Reads the backup at `path` as if to restore from it: there must be nothing to do.
fn verify(heap: &Heap<Disk>, number: usize, path: &Path) -> Result<(), Failure> {
    let failed = |why: String| Failure::Operation(format!("{}: the backup {why}", shown(path)));
    let backup = heap::open_backup(path)?;
    match restoration(&backup, 0, heap) {
        Ok(restoration) if restoration.patches.is_empty() && restoration.not_found.is_empty() => Ok(()),
        // Whoever looks at a set with rivals has to say which one he means.
        Ok(_) if heap.volumes()[number].problems.is_empty() => {
            Err(failed("does not say what the disks say; did they change meanwhile?".into()))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(failed(super::restore_map::reason(heap, &error))),
    }
}

fn next_free(name: virstor::format::Name) -> Result<(PathBuf, HostFile), Failure> {
    /// So many backups of one volume may lie in a folder.
    const MOST: u32 = 100_000;
    let name = file_name(name);
    for number in 1..MOST {
        let path = PathBuf::from(format!("virstor-map-{name}-{number}.backup"));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                let file = HostFile::for_writing(file, &path);
                return Ok((path, file));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, &error)),
        }
    }
    Err(Failure::Operation(format!("there are {MOST} backups of the map of {name} here; move them away")))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Operation(format!("{}: cannot be written: {}", shown(path), host_reason(error)))
}
