//! From FILE arguments to a heap that was looked through.

use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use virstor::change::naming::other_part;
use virstor::counted::counted_len;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::kernel::Tunables;
use virstor::plan::ReadError;
use virstor::specimen::{FileInfo, Purpose, Specimen};
use virstor_inspect::ddrescue::Mapfile;
use virstor_inspect::document::map::lost;
use virstor_inspect::heap::Stranger;
use virstor_inspect::source::Source;
use virstor_inspect::{Heap, InputFile, Options};

use crate::args::{Input, Output};
use crate::bad;
use crate::disk::{Disk, HostDisk};
use crate::failure::Failure;
use crate::identity::Identity;
use crate::output::{note, shown};
use crate::progress::of_stages;

/// Opens the files and looks through them.
///
/// # Errors
///
/// [`Failure::Usage`] when `--prefer` names none of them. A file that cannot be opened is not an error here:
/// it is one of the heap's strangers.
pub(crate) fn open(input: &Input, output: Output, tunables: Tunables) -> Result<Heap<Disk>, Failure> {
    let inputs = inputs(input, output)?;
    let options = Options { scan_len: input.scan, tunables };
    Ok(Heap::look(inputs, options, &mut of_stages(output)))
}

/// As [`open`], for what changes the set. It is decided on all that was given, so a file of which nothing can be read must
/// not pass for one that is not there: where something is written (`writes`) it is refused, else it is named.
///
/// # Errors
///
/// As for [`open`], and [`Failure::Operation`] with the file and why it cannot be read.
pub(crate) fn open_to_change(input: &Input, output: Output, writes: bool) -> Result<Heap<Disk>, Failure> {
    let heap = open(input, output, Tunables::default())?;
    let unread = unread(&heap).next();
    if let Some((file, reason)) = unread.filter(|_| writes) {
        return Err(Failure::Operation(format!(
            "{file}: {reason}; nothing was changed; leave it out of the FILEs if it is lost"
        )));
    }
    note_unreadable(&heap, output);
    Ok(heap)
}

/// As [`open`], but maps are read only when something is asked about them: for what reads them itself.
///
/// # Errors
///
/// As for [`open`].
pub(crate) fn search(input: &Input, output: Output) -> Result<Heap<Disk>, Failure> {
    let inputs = inputs(input, output)?;
    let options = Options { scan_len: input.scan, ..Options::default() };
    Ok(Heap::search(inputs, options, &mut of_stages(output)))
}

/// The files that are to be looked through, each once.
fn inputs(input: &Input, output: Output) -> Result<Vec<InputFile<Disk>>, Failure> {
    let mut files: Vec<(FileSpec<'_>, Identity)> = Vec::new();
    for text in &input.files {
        let spec = FileSpec::parse(text)?;
        let identity = Identity::of(spec.path);
        if let Some((first, _)) = files.iter().find(|(_, other)| other.same(&identity)) {
            if !output.quiet {
                let (path, first) = (spec.path.display(), first.path.display());
                note(&format!("{path} is the same file as {first}; it is looked at once"));
            }
            continue;
        }
        files.push((spec, identity));
    }
    let preferred = preferred(input, &files)?;
    let mut inputs = Vec::new();
    let paths: Vec<&Path> = files.iter().map(|(spec, _)| spec.path).collect();
    let bad = bad::mapfiles(&input.bad, &paths)?;
    for (number, (spec, _)) in files.iter().enumerate() {
        let bad = bad.iter().find(|(about, _)| *about == number).map(|(_, mapfile)| mapfile);
        inputs.extend(opened(spec, bad, preferred.contains(&number), input, output));
    }
    if let Some(assume) = &input.assume {
        assume.put_over(&mut inputs, &paths)?;
    }
    Ok(inputs)
}

/// What a FILE is: itself, or the files that it is a specimen of.
fn opened(
    spec: &FileSpec<'_>,
    bad: Option<&Mapfile>,
    preferred: bool,
    input: &Input,
    output: Output,
) -> Vec<InputFile<Disk>> {
    let sector_size = spec.sector_size.or(input.sector_size);
    let label = shown(spec.path);
    let file = |disk| {
        vec![InputFile { label: label.clone(), provider: spec.provider(), disk, sector_size, preferred }]
    };
    let disk = match HostDisk::open(spec.path) {
        Ok(disk) => disk,
        Err(reason) => return file(Err(reason)),
    };
    if !Specimen::is_one(&disk) {
        let areas = bad.map_or_else(Vec::new, |mapfile| mapfile.bad_areas(disk.size()));
        return file(Ok(Disk::new(Source::file(disk).with_bad_areas(areas), spec.path)));
    }
    let specimen = match Specimen::open(disk) {
        Ok(specimen) => Arc::new(specimen),
        Err(error) => return file(Err(error.to_string())),
    };
    if !output.quiet {
        let files = counted_len(specimen.files().len(), "file");
        note(&format!("{label} is a specimen of {files}: what the volume holds is not in it"));
    }
    let part = |(number, info): (usize, &FileInfo)| {
        let part = part(&specimen, number, info, spec.path);
        InputFile { sector_size: sector_size.or(part.sector_size), preferred, ..part }
    };
    specimen.files().enumerate().map(part).collect()
}

/// Opens a backup of records and map: a heap with one volume.
///
/// # Errors
///
/// [`Failure::Operation`] when it cannot be read, or is none.
pub(crate) fn open_backup(path: &Path) -> Result<Heap<Disk>, Failure> {
    let shown = shown(path);
    let failed = |reason: String| Failure::Operation(format!("{shown}: {reason}"));
    let specimen = Specimen::open(HostDisk::open(path).map_err(failed)?);
    let specimen = Arc::new(specimen.map_err(|error| failed(error.to_string()))?);
    if specimen.purpose() != Purpose::Backup {
        return Err(failed("is a specimen, not a backup; 'virstor backup-map' makes one".into()));
    }
    let part = |(number, info): (usize, &FileInfo)| part(&specimen, number, info, path);
    let files = specimen.files().enumerate().map(part).collect();
    let heap = Heap::look(files, Options::default(), &mut |_, _, _| ControlFlow::Continue(()));
    match heap.volumes().len() {
        1 => Ok(heap),
        count => {
            Err(failed(format!("describes {}, and a backup describes one", counted_len(count, "volume"))))
        }
    }
}

/// A file that a specimen at `path` stands for.
fn part(specimen: &Arc<Specimen<HostDisk>>, number: usize, info: &FileInfo, path: &Path) -> InputFile<Disk> {
    InputFile {
        label: shown(&info.label),
        provider: info.provider.clone(),
        disk: Ok(Disk::new(Source::specimen(specimen.disk(number)), path)),
        sector_size: info.sector_size,
        preferred: false,
    }
}

/// Refuses what takes the volume's data where that is not there.
///
/// # Errors
///
/// [`Failure::Operation`] when a component of the volume comes from a specimen.
pub(crate) fn refuse_specimen(heap: &Heap<Disk>, volume: usize, verb: &str) -> Result<(), Failure> {
    for component in heap.volumes()[volume].components.values() {
        let file = &heap.files()[heap.located()[component.candidate].0];
        if let Some(disk) = file.disk.as_ref().ok().filter(|disk| disk.source().is_specimen()) {
            let path = shown(disk.path());
            return Err(Failure::Operation(format!(
                "{path}: is a specimen, which does not hold what '{verb}' needs: the data of the volume"
            )));
        }
    }
    Ok(())
}

/// Refuses to change a volume of which something is read that is not in its files.
///
/// # Errors
///
/// [`Failure::Operation`] when a component comes from a specimen, has an assumed record, or areas given as bad.
pub(crate) fn refuse_unwritable(heap: &Heap<Disk>, volume: usize) -> Result<(), Failure> {
    for component in heap.volumes()[volume].components.values() {
        let file = &heap.files()[heap.located()[component.candidate].0];
        file.disk.as_ref().map_or(Ok(()), |disk| writable(&file.label, disk))?;
    }
    Ok(())
}

/// Whether `disk` is what is written to when its file is.
///
/// # Errors
///
/// As [`refuse_unwritable`]; `label` is what people call it.
pub(crate) fn writable(label: &str, disk: &Disk) -> Result<(), Failure> {
    if disk.source().plain().is_some() {
        return Ok(());
    }
    let what = match (disk.source().is_specimen(), disk.source().is_assumed()) {
        (true, _) => "is in a specimen",
        (_, true) => "has an assumed record",
        _ => "has areas that are given as bad",
    };
    Err(Failure::Operation(format!("{label}: {what}, so nothing can be written to it")))
}

/// Whether `path` leads to one of the files.
///
/// # Errors
///
/// As for [`open`].
pub(crate) fn is_input(input: &Input, path: &Path) -> Result<bool, Failure> {
    let identity = Identity::of(path);
    for text in &input.files {
        if Identity::of(FileSpec::parse(text)?.path).same(&identity) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The numbers of the volumes the user means: all, or the one chosen.
///
/// # Errors
///
/// When there is no volume at all: [`Failure::Operation`] if a file could not be read, else
/// [`Failure::Damage`]. [`Failure::Usage`] when the chosen one is not there.
pub(crate) fn choose(heap: &Heap<Disk>, input: &Input) -> Result<Vec<usize>, Failure> {
    let all: Vec<usize> = (0..heap.volumes().len()).collect();
    if all.is_empty() {
        return Err(nothing_found(heap));
    }
    let Some(wanted) = &input.volume else { return Ok(all) };
    let (name, id) = match wanted.rsplit_once('/').map(|(name, id)| (name, id.parse::<u32>())) {
        Some((name, Ok(id))) => (name, Some(id)),
        _ => (wanted.as_str(), None),
    };
    let matches = |number: &usize| {
        let volume = &heap.volumes()[*number];
        volume.name.to_string() == name && id.is_none_or(|id| id == volume.id)
    };
    let chosen: Vec<usize> = all.into_iter().filter(matches).collect();
    if chosen.is_empty() {
        return Err(Failure::Usage(format!("there is no volume {wanted} here; found: {}", names(heap))));
    }
    Ok(chosen)
}

/// The one volume the user means: the chosen one, or the only one that is complete.
///
/// # Errors
///
/// As [`choose`], and [`Failure::Usage`] when there are several.
pub(crate) fn choose_one(heap: &Heap<Disk>, input: &Input, output: Output) -> Result<usize, Failure> {
    let chosen = choose(heap, input)?;
    let complete = |number: &usize| heap.volumes()[*number].is_complete();
    let mut likely = chosen.iter().copied().filter(complete);
    match (&chosen[..], likely.next(), likely.next()) {
        ([number], _, _) => Ok(*number),
        ([one, other], None, _) if other_part(heap.volumes(), *one) == Some(*other) => {
            if !output.quiet {
                note(&format!("{} are one volume whose renaming was cut", names(heap)));
            }
            let has_first = heap.volumes()[*one].components.contains_key(&ComponentIndex(0));
            Ok(if has_first { *one } else { *other })
        }
        (_, Some(number), None) => {
            if !output.quiet {
                let (name, id) = (heap.volumes()[number].name, heap.volumes()[number].id);
                note(&format!("of {} only {name}/{id} is complete; it is used", names(heap)));
            }
            Ok(number)
        }
        _ => {
            let names = names(heap);
            Err(Failure::Usage(format!("there are several volumes; choose one by --volume: {names}")))
        }
    }
}

/// Whether a file could not be read, which the exit status must not hide.
pub(crate) fn unreadable(heap: &Heap<Disk>) -> bool {
    unread(heap).next().is_some()
}

/// The files that could not be read, and why.
fn unread(heap: &Heap<Disk>) -> impl Iterator<Item = (&str, &str)> {
    heap.strangers().iter().filter_map(|(file, stranger)| match stranger {
        Stranger::Unreadable(reason) => Some((heap.files()[*file].label.as_str(), reason.as_str())),
        _ => None,
    })
}

/// Says which files could not be read: what was asked for may have worked without them.
pub(crate) fn note_unreadable(heap: &Heap<Disk>, output: Output) {
    if output.quiet {
        return;
    }
    for (file, reason) in unread(heap) {
        note(&format!("{file}: {reason}"));
    }
}

/// Says which files could not be read or are strangers.
pub(crate) fn note_strangers(heap: &Heap<Disk>, output: Output) {
    if output.quiet {
        return;
    }
    for other in virstor_inspect::document::info::Info::new(heap, &[]).other_files {
        note(&format!("{}: {}", other.file, other.message));
    }
}

/// A read error of a volume for people: which file, and where in it.
pub(crate) fn read_error(heap: &Heap<Disk>, volume: usize, error: &ReadError) -> String {
    match error {
        ReadError::Lost { start, why } => {
            format!("byte {start} of the volume is lost: {}", lost(*why).0.replace('_', " "))
        }
        ReadError::Io { component, error } => {
            let candidate = heap.volumes()[volume].components[component].candidate;
            let start = heap.located()[candidate].1.start;
            let in_file = IoError { offset: error.offset + start, ..error.clone() };
            format!("{}: {in_file}", heap.label_of(candidate))
        }
    }
}

/// The volumes, as far as a line has room.
fn names(heap: &Heap<Disk>) -> String {
    const LINE: usize = 8;
    let volumes = heap.volumes();
    let names = volumes.iter().take(LINE).map(|volume| format!("{}/{}", volume.name, volume.id));
    let names = names.collect::<Vec<_>>().join(", ");
    match volumes.len().saturating_sub(LINE) {
        0 => names,
        more => format!("{names} and {more} more ('virstor info' lists them)"),
    }
}

/// That there is no volume. A file that cannot be read is named first: it may be the one.
fn nothing_found(heap: &Heap<Disk>) -> Failure {
    let others = virstor_inspect::document::info::Info::new(heap, &[]).other_files;
    let unclaimed: Vec<_> = heap.unclaimed().iter().map(|file| heap.unclaimed_disk(file)).collect();
    let has_record = |file: usize| {
        let has_record = |other: &Stranger| matches!(other, Stranger::OtherSectorSize { .. });
        heap.strangers().iter().any(|(number, other)| *number == file && has_record(other))
    };
    let without = heap.unclaimed().iter().zip(&unclaimed).filter(|(file, _)| !has_record(file.file));
    for (file, disk) in without {
        if let Some(suggestion) = virstor_inspect::assume::suggest(disk, &unclaimed) {
            crate::assume::note(&heap.files()[file.file].label, &suggestion);
        }
    }
    let unreadable = others.iter().find(|other| other.reason == "unreadable");
    let line = match (unreadable.or(others.first()), others.len()) {
        (None, _) => "no virstor volume here".into(),
        (Some(only), 1) => format!("{}: {}", only.file, only.message),
        (Some(named), count) => {
            let (file, message, more) = (&named.file, &named.message, counted_len(count - 1, "more file"));
            format!("no virstor volume here: {file}: {message}; and {more}")
        }
    };
    if unreadable.is_some() { Failure::Operation(line) } else { Failure::Damage(line) }
}

fn preferred(input: &Input, files: &[(FileSpec<'_>, Identity)]) -> Result<Vec<usize>, Failure> {
    let number = |wanted: &OsString| {
        let wanted = Path::new(wanted);
        let identity = Identity::of(wanted);
        let found = files.iter().position(|(spec, other)| spec.path == wanted || other.same(&identity));
        found.ok_or_else(|| {
            Failure::Usage(format!("--prefer {}: not one of the files given", wanted.display()))
        })
    };
    input.prefer.iter().map(number).collect()
}

/// A FILE argument: `[NAME=]FILE[@SECTORSIZE]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileSpec<'a> {
    pub(crate) path: &'a Path,
    name: Option<&'a str>,
    pub(crate) sector_size: Option<u32>,
}

impl<'a> FileSpec<'a> {
    /// Takes the text apart; a file that exists under the whole text is taken as it stands, and so is a name
    /// that is no text.
    pub(crate) fn parse(argument: &'a OsStr) -> Result<Self, Failure> {
        let whole = Self { path: Path::new(argument), name: None, sector_size: None };
        let Some(text) = argument.to_str().filter(|_| !whole.path.exists()) else { return Ok(whole) };
        let (mut path, mut spec) = (text, whole);
        if let Some((before, sector)) = text.rsplit_once('@')
            && let Ok(sector) = sector.parse::<u32>()
        {
            if !virstor::format::SECTOR_SIZES.contains(&sector) {
                return Err(Failure::Usage(format!(
                    "{text}: a sector size is a power of two from 512 to 65536, not {sector}"
                )));
            }
            (path, spec.sector_size) = (before, Some(sector));
        }
        if !Path::new(path).exists()
            && let Some((name, after)) = path.split_once('=')
        {
            (spec.name, path) = (Some(name), after);
        }
        if path.is_empty() {
            return Err(Failure::Usage(format!("'{text}' names no file")));
        }
        spec.path = Path::new(path);
        Ok(spec)
    }

    /// What FreeBSD would call it: the name given, or the file's own without its folders and `/dev/`.
    pub(crate) fn provider(&self) -> Vec<u8> {
        let base = || self.path.file_name().unwrap_or(self.path.as_os_str());
        let name = self.name.map_or_else(base, OsStr::new);
        name.as_encoded_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_argument_may_carry_a_name_and_a_sector_size() {
        let spec = |path, name, sector_size| FileSpec { path: Path::new(path), name, sector_size };
        for (text, expected) in [
            ("c0", spec("c0", None, None)),
            ("da0=c0", spec("c0", Some("da0"), None)),
            ("c0@4096", spec("c0", None, Some(4096))),
            ("gpt/x=dir/c0@512", spec("dir/c0", Some("gpt/x"), Some(512))),
            ("mail@home", spec("mail@home", None, None)),
        ] {
            assert_eq!(FileSpec::parse(OsStr::new(text)).expect(text), expected);
        }
        assert!(FileSpec::parse(OsStr::new("c0@1000")).is_err());
        assert_eq!(FileSpec::parse(OsStr::new("dir/c0")).expect("plain").provider(), b"c0");
    }
}
