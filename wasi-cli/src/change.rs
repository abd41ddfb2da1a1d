//! Changing a set: every verb that writes to FILEs does it through here.
//!
//! In this order: the plan stands; the files are opened for writing and locked; they still are what was looked
//! at; the undo log is begun; then, group by group, the log is durable before the disks change.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use virstor::format::Name;
use virstor::io::{IoError, ReadAt, Window};
use virstor::patch::{Patch, PatchError};
use virstor::undo::{ChangeError, DiskHeader, Guard, Header, Journal, Kept, LogSink};
use virstor_inspect::Heap;

use crate::args::{Input, Output};
use crate::disk::{Disk, WritableDisk};
use crate::failure::{Failure, host_reason};
use crate::heap::{self, FileSpec};
use crate::identity::Identity;
use crate::output::{note, shown};
use crate::progress::Progress;

/// A change that stands, and what it was decided on.
#[derive(Debug)]
pub(crate) struct Change {
    header: Header,
    places: Vec<Place>,
    patches: Vec<Patch>,
}

/// A disk that is changed: a part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What people call the file.
    pub(crate) label: String,
    /// Where it is opened.
    pub(crate) path: PathBuf,
    /// The disk's first byte in the file.
    pub(crate) start: u64,
    /// The disk's length in bytes.
    pub(crate) len: u64,
}

impl Place {
    /// The `len` bytes from `start` on of file `file` of the heap.
    ///
    /// # Panics
    ///
    /// When that file could not be opened.
    pub(crate) fn new(heap: &Heap<Disk>, file: usize, start: u64, len: u64) -> Self {
        let input = &heap.files()[file];
        let path = input.disk.as_ref().expect("it was looked at").path().into();
        Self { label: input.label.clone(), path, start, len }
    }
}

impl Change {
    /// What `verb` is going to do to volume `name`/`id`: `patches`, which name the disks by their position in
    /// `disks`. Each disk comes with the ranges of it on which the decision rests: they are read now, and
    /// once more before anything is changed.
    ///
    /// # Errors
    ///
    /// [`Failure::Operation`] when a disk cannot be read.
    pub(crate) fn new(
        verb: &str,
        (name, id): (Name, u32),
        disks: &[(Place, &Disk, Vec<Range<u64>>)],
        patches: Vec<Patch>,
    ) -> Result<Self, Failure> {
        let header = |(place, disk, guarded): &(Place, &Disk, Vec<Range<u64>>)| {
            heap::writable(&place.label, disk)?;
            let window = Window::new(*disk, place.start, place.len).expect("the place is within the file");
            DiskHeader::new(&place.label, place.start, &window, guarded)
                .map_err(|error| failure(place, &error))
        };
        let headers = disks.iter().map(header).collect::<Result<_, _>>()?;
        let header = Header { name, id, verb: verb.into(), disks: headers };
        Ok(Self { header, places: disks.iter().map(|(place, ..)| place.clone()).collect(), patches })
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// Does it, with an undo log in `log` or in the first file `virstor-undo-NAME-N.log` that does not exist; gives
    /// the log's path. `doing` says what is done, for the line of progress.
    ///
    /// # Errors
    ///
    /// [`Failure::Operation`]: a file cannot be opened or locked, is not what it was, or a disk or the log
    /// failed. The line says how to undo what was done, if something was.
    pub(crate) fn perform(
        &self,
        log: Option<&Path>,
        doing: &str,
        output: Output,
    ) -> Result<PathBuf, Failure> {
        let mut running = self.begin(log)?;
        let mut progress = Progress::new(output.progress, output.quiet);
        let (mut done, total) = (0, self.patches.iter().map(Patch::changed_len).sum());
        let mut report = |more| {
            done += more;
            progress.report(doing, done, total);
        };
        running.perform(&self.patches, Kept::Bytes, &mut report)?;
        drop(progress);
        running.finish()
    }

    /// Opens the files, proves that they are what they were, and begins the log, as [`perform`](Self::perform): for
    /// patches that come one after the other.
    ///
    /// # Errors
    ///
    /// As [`perform`](Self::perform); nothing was changed.
    pub(crate) fn begin(&self, log: Option<&Path>) -> Result<Running<'_>, Failure> {
        let disks = open_all(&self.places)?;
        for ((place, disk), known) in self.places.iter().zip(&disks).zip(&self.header.disks) {
            if let Some(Guard { offset, len, .. }) =
                known.changed(disk).map_err(|error| failure(place, &error))?
            {
                return Err(Failure::Operation(format!(
                    "{}: the {len} bytes at offset {} changed while it was looked at; nothing was done",
                    place.label,
                    offset + place.start
                )));
            }
        }
        let (sink, log) = LogFile::create(log, self.header.name)?;
        let journal = Journal::begin(&self.header, sink).map_err(|error| self.stopped(&error, &log))?;
        Ok(Running { change: self, disks, journal, log })
    }

    /// A log that is written nowhere, to see how long it will be.
    ///
    /// # Errors
    ///
    /// None, as nothing is written.
    pub(crate) fn rehearsal(&self) -> Result<Journal<NoLog>, Failure> {
        Journal::begin(&self.header, NoLog).map_err(|error| self.not_begun(&error))
    }

    /// What is said when a rehearsal stopped.
    pub(crate) fn not_begun(&self, error: &ChangeError) -> Failure {
        Failure::Operation(self.reason(error, "undo log"))
    }

    /// What is said when the change stopped; its log is at `log`.
    fn stopped(&self, error: &ChangeError, log: &Path) -> Failure {
        Failure::Operation(with_way_back(&self.reason(error, &shown(log)), log))
    }

    fn reason(&self, error: &ChangeError, log: &str) -> String {
        match error {
            ChangeError::Log(error) => format!("{log}: {error}"),
            ChangeError::Disk(PatchError { component, error }) => {
                let place = &self.places[component.as_usize()];
                let in_file = IoError { offset: error.offset + place.start, ..error.clone() };
                format!("{}: {in_file}", place.label)
            }
        }
    }
}

/// A change that was begun.
pub(crate) struct Running<'a> {
    change: &'a Change,
    disks: Vec<Window<std::sync::Arc<WritableDisk>>>,
    journal: Journal<LogFile>,
    log: PathBuf,
}

impl Running<'_> {
    /// Does `patches`; they are durable when it returns. `progress` hears how many bytes more are done.
    ///
    /// # Errors
    ///
    /// [`Failure::Operation`] when a disk or the log failed, with how to undo what was done.
    pub(crate) fn perform(
        &mut self,
        patches: &[Patch],
        kept: Kept,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let done = self.journal.perform(patches, kept, &self.disks, progress);
        done.map_err(|error| self.change.stopped(&error, &self.log))
    }

    /// `failure`, and how to undo what was done before it.
    pub(crate) fn stopped_by(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Operation(line) => Failure::Operation(with_way_back(&line, &self.log)),
            other => other,
        }
    }

    /// How long the log is, in bytes.
    pub(crate) fn log_len(&self) -> u64 {
        self.journal.log_len()
    }

    /// Ends the change; gives the path of its log.
    ///
    /// # Errors
    ///
    /// [`Failure::Operation`] when the log failed.
    pub(crate) fn finish(self) -> Result<PathBuf, Failure> {
        let Self { change, journal, log, .. } = self;
        journal.finish().map_err(|error| change.stopped(&error, &log))?;
        Ok(log)
    }
}

/// What stopped a change, and how to undo what was done of it.
fn with_way_back(line: &str, log: &Path) -> String {
    format!("{line}; 'virstor undo {} FILE...' takes back what was done", shown(log))
}

/// A log that goes nowhere.
pub(crate) struct NoLog;

impl LogSink for NoLog {
    fn append(&mut self, _: &[u8]) -> Result<(), IoError> {
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

/// Opens the places for writing: each file once.
///
/// # Errors
///
/// [`Failure::Operation`] with the file's name, when one cannot be opened or has become shorter.
pub(crate) fn open_all(places: &[Place]) -> Result<Vec<Window<std::sync::Arc<WritableDisk>>>, Failure> {
    let mut opened: Vec<(&Path, std::sync::Arc<WritableDisk>)> = Vec::new();
    let mut disks = Vec::new();
    for place in places {
        let known = opened.iter().find(|(path, _)| *path == place.path).map(|(_, disk)| disk.clone());
        let disk = match known {
            Some(disk) => disk,
            None => {
                let disk = WritableDisk::open(&place.path);
                let disk = disk.map_err(|reason| Failure::Operation(format!("{}: {reason}", place.label)))?;
                let disk = std::sync::Arc::new(disk);
                opened.push((&place.path, disk.clone()));
                disk
            }
        };
        let size = disk.size();
        disks.push(Window::new(disk, place.start, place.len).ok_or_else(|| {
            let needed = place.start.saturating_add(place.len);
            Failure::Operation(format!(
                "{}: has {size} bytes, {needed} are needed; nothing was done",
                place.label
            ))
        })?);
    }
    Ok(disks)
}

/// Refuses to go on when two FILEs are one: what is written through one would change the other.
///
/// # Errors
///
/// [`Failure::Usage`] with both names.
pub(crate) fn refuse_twice(input: &Input) -> Result<(), Failure> {
    refuse_same(&input.files)
}

/// As [`refuse_twice`], for all files of a command line.
///
/// # Errors
///
/// [`Failure::Usage`] with both names.
pub(crate) fn refuse_same<'a>(files: impl IntoIterator<Item = &'a OsString>) -> Result<(), Failure> {
    let mut seen: Vec<(&Path, Identity)> = Vec::new();
    for text in files {
        let path = FileSpec::parse(text)?.path;
        let identity = Identity::of(path);
        if let Some((first, _)) = seen.iter().find(|(_, other)| other.same(&identity)) {
            let (path, first) = (shown(path), shown(first));
            return Err(Failure::Usage(format!("{path} is the same file as {first}; give each file once")));
        }
        seen.push((path, identity));
    }
    Ok(())
}

/// Says where the undo log is and what it is good for.
pub(crate) fn tell_log(log: &Path, output: Output) {
    if !output.quiet {
        let log = shown(log);
        note(&format!("the undo log is {log}; 'virstor undo {log} FILE...' puts every byte back"));
    }
}

fn failure(place: &Place, error: &IoError) -> Failure {
    let in_file = IoError { offset: error.offset + place.start, ..error.clone() };
    Failure::Operation(format!("{}: {in_file}", place.label))
}

/// The log in a file of its own.
pub(crate) struct LogFile {
    file: File,
    len: u64,
}

/// So many logs of one volume may lie in a folder.
const MOST_LOGS: u32 = 100_000;

impl LogFile {
    /// A new file: `wanted`, or the next free name in the current folder. What exists is never overwritten.
    ///
    /// # Errors
    ///
    /// [`Failure::Operation`] with its name.
    pub(crate) fn create(wanted: Option<&Path>, name: Name) -> Result<(Self, PathBuf), Failure> {
        let create = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
        let complain = |path: &Path, error: &std::io::Error| {
            let (path, reason) = (shown(path), host_reason(error));
            Failure::Operation(format!("{path}: cannot make the undo log: {reason}; nothing was done"))
        };
        if let Some(path) = wanted {
            let file = create(path).map_err(|error| complain(path, &error))?;
            return Self::new(file, path.into());
        }
        let name = file_name(name);
        for number in 1..MOST_LOGS {
            let path = PathBuf::from(format!("virstor-undo-{name}-{number}.log"));
            match create(&path) {
                Ok(file) => return Self::new(file, path),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(complain(&path, &error)),
            }
        }
        Err(Failure::Operation(format!("there are {MOST_LOGS} undo logs of {name} here; move them away")))
    }

    fn new(file: File, path: PathBuf) -> Result<(Self, PathBuf), Failure> {
        sync_folder_of(&path);
        Ok((Self { file, len: 0 }, path))
    }
}

impl LogSink for LogFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| IoError::writing(self.len, bytes.len(), host_reason(&error)))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), IoError> {
        self.file.sync_all().map_err(|error| IoError::flushing(host_reason(&error)))
    }
}

/// Makes durable that the file is there, where that takes more than syncing the file.
#[cfg(unix)]
fn sync_folder_of(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder that may be written to but not read cannot be synced; the file system decides then.
    _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(not(unix))]
fn sync_folder_of(_: &Path) {}

/// The volume's name as a part of a file's: what is not plain becomes `_`.
pub(crate) fn file_name(name: Name) -> String {
    let plain = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(*byte),
        _ => '_',
    };
    let plain: String = name.bytes().iter().map(plain).collect();
    if plain.is_empty() { "unnamed".into() } else { plain }
}
