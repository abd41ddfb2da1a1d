//! `undo`: puts back what a verb changed.

use std::path::Path;

use virstor::counted::counted;
use virstor::io::{IoError, Window};
use virstor::patch::PatchError;
use virstor::undo::{Difference, LogError, Mismatch, UndoError, UndoLog};
use virstor_inspect::document::undo::{RestoredFile, Undo};

use crate::args::UndoArgs;
use crate::change::{self, Place};
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::heap::FileSpec;
use crate::output::{self, shown};
use crate::progress::Progress;

pub(crate) fn run(args: &UndoArgs) -> Result<Status, Failure> {
    change::refuse_same(&args.files)?;
    let path = shown(&args.log);
    let log = Disk::open(&args.log).map_err(|reason| Failure::Operation(format!("{path}: {reason}")))?;
    let log = UndoLog::open(log).map_err(|error| match error {
        LogError::Damaged { offset } => {
            Failure::Operation(format!("{path}: is damaged at byte {offset}; nothing was put back"))
        }
        error => log_failure(&args.log, &error),
    })?;
    let files = args.files.iter().map(File::open).collect::<Result<Vec<_>, _>>()?;
    let places = assign(&log, &args.log, &files)?;
    if !args.dry_run {
        let disks = change::open_all(&places)?;
        let mut progress = Progress::new(args.output.progress, args.output.quiet);
        let mut report = |done, total| progress.report("undoing", done, total);
        let undone = log.undo(&disks, &mut report);
        drop(progress);
        undone.map_err(|error| undo_failure(&args.log, &places, &error))?;
    }
    let document = document(&log, &places, args.dry_run);
    let document = document.map_err(|error| log_failure(&args.log, &error))?;
    if args.output.json {
        output::print_json(&document)?;
    } else if !args.output.quiet {
        output::print(&text(&document))?;
    }
    Ok(Status::Fine)
}

/// A FILE that is looked at.
struct File {
    label: String,
    disk: Disk,
}

impl File {
    fn open(text: &std::ffi::OsString) -> Result<Self, Failure> {
        let path = FileSpec::parse(text)?.path;
        let label = shown(path);
        let disk = Disk::open(path).map_err(|reason| Failure::Operation(format!("{label}: {reason}")))?;
        Ok(Self { label, disk })
    }

    fn base_name(label: &str) -> &str {
        label.rsplit('/').next().unwrap_or(label)
    }
}

/// Which file each disk of the log is: the one that fits, and of several the one of its name.
fn assign(log: &UndoLog<Disk>, path: &Path, files: &[File]) -> Result<Vec<Place>, Failure> {
    let mut places: Vec<Place> = Vec::new();
    let mut unplaced: Option<(String, &str)> = None;
    for (number, known) in log.header().disks.iter().enumerate() {
        let named = |file: &&File| File::base_name(&file.label) == File::base_name(&known.label);
        // The log is read for each file, and it may be long: the one of that name is asked first.
        let (likely, others): (Vec<&File>, Vec<&File>) = files.iter().partition(named);
        let mut fitting = Vec::new();
        let mut why = None;
        for file in likely.into_iter().chain(others) {
            let free = |place: &Place| place.path != *file.disk.path() || place.start != known.start;
            if !places.iter().all(free) {
                continue;
            }
            let verified = match Window::new(&file.disk, known.start, known.size) {
                Some(window) => log.verify(number, &window),
                None => {
                    let (expected, found) = (known.start + known.size, virstor::io::ReadAt::size(&file.disk));
                    Err(Mismatch::Differs(Difference::Size { expected, found }))
                }
            };
            match verified {
                Ok(()) => {
                    fitting.push(file);
                    if named(&file) {
                        break;
                    }
                }
                Err(Mismatch::Log(error)) => return Err(log_failure(path, &error)),
                Err(mismatch) if why.is_none() || named(&file) => {
                    why = Some(mismatch_line(&file.label, known.start, &mismatch));
                }
                Err(_) => {}
            }
        }
        let chosen = match &fitting[..] {
            [] => {
                let why =
                    why.map(|why| format!("{why}; it is not what {} knows as {}", shown(path), known.label));
                unplaced.get_or_insert((why.unwrap_or_default(), &known.label));
                continue;
            }
            [only] => *only,
            several => several.iter().copied().find(named).ok_or_else(|| {
                let (label, one, other) = (&known.label, &several[0].label, &several[1].label);
                Failure::Usage(format!("both {one} and {other} could be {label}; give one of them"))
            })?,
        };
        let (label, path) = (chosen.label.clone(), chosen.disk.path().into());
        places.push(Place { label, path, start: known.start, len: known.size });
    }
    let taken = |file: &File| places.iter().any(|place| place.path == *file.disk.path());
    match unplaced {
        None => Ok(places),
        Some((_, label)) if files.iter().all(taken) => {
            Err(Failure::Operation(format!("{label} is not among the FILEs, and {} needs it", shown(path))))
        }
        Some((why, _)) => Err(Failure::Operation(why)),
    }
}

fn document(log: &UndoLog<Disk>, places: &[Place], dry_run: bool) -> Result<Undo, LogError> {
    let mut files: Vec<RestoredFile> = places
        .iter()
        .map(|place| RestoredFile { file: place.label.clone(), start: place.start, places: 0, bytes: 0 })
        .collect();
    log.for_each_place(|disk, _, len| {
        files[disk].places += 1;
        files[disk].bytes += len as u64;
    })?;
    let header = log.header();
    Ok(Undo {
        verb: header.verb.clone(),
        volume: header.name.to_string(),
        id: header.id,
        complete: log.is_complete(),
        dry_run,
        files,
    })
}

fn text(undo: &Undo) -> String {
    // The log may have been written by anybody.
    let (volume, verb) = (&undo.volume, shown(&undo.verb));
    let begun = if undo.complete { "" } else { ", which was not finished" };
    if !undo.complete && undo.files.iter().all(|file| file.places == 0) {
        return format!(
            "'{verb}' of volume {volume}{begun}: its log ends before anything was changed; nothing is put back\n"
        );
    }
    let mut text = match undo.dry_run {
        true => format!("'{verb}' of volume {volume}{begun}: everything can be put back\n"),
        false => format!("'{verb}' of volume {volume}{begun}: everything is as it was before\n"),
    };
    for file in undo.files.iter().filter(|file| file.places > 0) {
        let (bytes, places) = (counted(file.bytes, "byte"), counted(file.places, "place"));
        text.push_str(&format!("  {}: {bytes} in {places}\n", file.file));
    }
    text
}

fn undo_failure(log: &Path, places: &[Place], error: &UndoError) -> Failure {
    match error {
        UndoError::Mismatch { disk, mismatch: Mismatch::Log(error) } => {
            _ = disk;
            log_failure(log, error)
        }
        UndoError::Mismatch { disk, mismatch } => {
            let place = &places[*disk];
            let line = mismatch_line(&place.label, place.start, mismatch);
            Failure::Operation(format!("{line}; nothing was done"))
        }
        UndoError::Log(error) => log_failure(log, error),
        UndoError::Disk(PatchError { component, error }) => {
            let place = &places[component.as_usize()];
            let in_file = IoError { offset: error.offset + place.start, ..error.clone() };
            Failure::Operation(format!("{}: {in_file}; run it again to go on", place.label))
        }
    }
}

fn mismatch_line(label: &str, start: u64, mismatch: &Mismatch) -> String {
    match mismatch {
        Mismatch::Differs(Difference::Size { expected, found }) => {
            format!("{label}: has {}, and had {expected}", counted(*found, "byte"))
        }
        Mismatch::Differs(Difference::Sector { offset }) => {
            format!("{label}: the sector at offset {} was changed since", offset + start)
        }
        Mismatch::Differs(Difference::Range { offset, len }) => {
            format!("{label}: some of the {len} bytes at offset {} were changed since", offset + start)
        }
        Mismatch::Disk(error) => {
            let in_file = IoError { offset: error.offset + start, ..error.clone() };
            format!("{label}: {in_file}")
        }
        Mismatch::Log(_) => format!("{label}: the log cannot be read"),
    }
}

fn log_failure(path: &Path, error: &LogError) -> Failure {
    let path = shown(path);
    Failure::Operation(match error {
        LogError::NotALog => format!("{path}: is no undo log, or its first bytes are damaged"),
        LogError::Version(version) => {
            format!("{path}: has version {version} of the undo log; this program knows version 1")
        }
        LogError::Damaged { offset } => format!("{path}: is damaged at byte {offset}"),
        LogError::Torn { offset } => format!(
            "{path}: breaks off at byte {offset}, before it says what was changed; nothing was put back, and if a crash cut it \
             there nothing had been changed"
        ),
        LogError::Io(error) => format!("{path}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_says_plays_no_tricks_on_the_terminal() {
        let (verb, volume) = ("\u{1b}[7m\nx".into(), "dev".into());
        let undo = Undo { verb, volume, id: 7, complete: true, dry_run: true, files: Vec::new() };
        assert_eq!(text(&undo), "'\\x1b[7m\\x0ax' of volume dev: everything can be put back\n");
    }
}
