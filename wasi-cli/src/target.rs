//! The one volume that a verb changes: found, judged, and ready for a plan.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::{ControlFlow, Range};
use std::path::Path;

use virstor::change::SoundSet;
use virstor::check::Code;
use virstor::format::Record;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::label::Provider;
use virstor::patch::Patch;
use virstor::plan::VolumeReader;
use virstor::write::Unsound;
use virstor_inspect::Heap;
use virstor_inspect::document::change::{Member, NamedMember};
use virstor_inspect::document::check::Check;
use virstor_inspect::heap::ComponentDisk;

use crate::args::{ChangeArgs, Input, Output};
use crate::change::{self, Change, Place};
use crate::disk::Disk;
use crate::failure::Failure;
use crate::heap::{self, FileSpec};
use crate::identity::Identity;
use crate::output::shown;
use crate::{contents, verb};

/// A volume that may be changed.
pub(crate) struct Target {
    pub(crate) heap: Heap<Disk>,
    pub(crate) number: usize,
    pub(crate) set: SoundSet,
    reader: VolumeReader<ComponentDisk<Disk>>,
}

impl Target {
    /// The volume that `input` means.
    ///
    /// # Errors
    ///
    /// When there is none, or it is damaged: an error that a check finds is passed over with `--force`, what makes
    /// changes impossible is not.
    pub(crate) fn open(input: &Input, args: &ChangeArgs, output: Output) -> Result<Self, Failure> {
        change::refuse_twice(input)?;
        let heap = heap::open_to_change(input, output, !args.dry_run)?;
        let number = heap::choose_one(&heap, input, output)?;
        let volume = &heap.volumes()[number];
        if let Some(missing) = volume.missing().next() {
            let count = volume.component_count;
            return Err(Failure::Damage(format!(
                "volume {}: component {missing} of {count} is missing; all of them are needed to change it",
                volume.name
            )));
        }
        heap::refuse_unwritable(&heap, number)?;
        refuse_damaged(&heap, number, args.force)?;
        let reader = heap.reader(number, verb::MAP_MEMORY);
        let first = reader.disk(ComponentIndex(0)).expect("no component is missing");
        let set =
            SoundSet::examine(volume.clone(), first).map_err(|unsound| refusal(&heap, number, &unsound))?;
        Ok(Self { set, reader, number, heap })
    }

    /// The disk of component 0.
    pub(crate) fn first(&self) -> &ComponentDisk<Disk> {
        self.disk(ComponentIndex(0))
    }

    /// The disk of a component.
    pub(crate) fn disk(&self, index: ComponentIndex) -> &ComponentDisk<Disk> {
        self.reader.disk(index).expect("no component is missing")
    }

    /// The file of a component.
    pub(crate) fn label(&self, index: ComponentIndex) -> &str {
        self.heap.label_of(self.set.volume().components[&index].candidate)
    }

    /// The files of all components, in their order.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.set.volume().components.keys().map(|index| self.label(*index).to_string()).collect()
    }

    /// What `verb` is going to do to the components, and behind them to `new` disks.
    ///
    /// # Errors
    ///
    /// When what the plan rests on cannot be read.
    pub(crate) fn change(&self, verb: &str, patches: Vec<Patch>, new: &[NewDisk]) -> Result<Change, Failure> {
        let volume = self.set.volume();
        let map_len = u64::try_from(volume.map_len()).expect("it fits component 0");
        let mut disks: Vec<(Place, &Disk, Vec<Range<u64>>)> = Vec::new();
        for (index, component) in &volume.components {
            let (file, located) = &self.heap.located()[component.candidate];
            let record = located.len - u64::from(component.sector_size)..located.len;
            let map = (index.0 == 0).then_some(0..map_len);
            let place = Place::new(&self.heap, *file, located.start, located.len);
            let disk = self.heap.files()[*file].disk.as_ref().expect("it was looked at");
            disks.push((place, disk, map.into_iter().chain([record]).collect()));
        }
        disks.extend(new.iter().map(|new| (new.place(), &new.disk, vec![new.last_sector()])));
        Change::new(verb, (volume.name, volume.id), &disks, patches)
    }

    /// The number of the component that lies in `path`, alone.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when that is none or not one.
    pub(crate) fn component_in(&self, path: &Path) -> Result<ComponentIndex, Failure> {
        let identity = Identity::of(path);
        let volume = self.set.volume();
        let inside = |candidate: usize| {
            let file = &self.heap.files()[self.heap.located()[candidate].0];
            file.disk.as_ref().is_ok_and(|disk| Identity::of(disk.path()).same(&identity))
        };
        let mut found = volume.components.iter().filter(|(_, component)| inside(component.candidate));
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Ok(*index),
            (None, _) => {
                let (path, name) = (shown(path), volume.name);
                Err(Failure::Usage(format!("{path}: holds no component of volume {name}")))
            }
            (Some((one, _)), Some((other, _))) => {
                let path = shown(path);
                Err(Failure::Usage(format!("{path}: holds components {one} and {other}, not one")))
            }
        }
    }

    /// A read error of a component for people.
    pub(crate) fn read_failure(&self, component: ComponentIndex, error: &IoError) -> Failure {
        read_failure(&self.heap, self.number, component, error)
    }
}

/// The components with `records`, whose files are `files`, for people.
pub(crate) fn members(records: &[Record], files: &[String]) -> Vec<Member> {
    records.iter().zip(files).map(|(record, file)| Member::new(record, file)).collect()
}

fn read_failure(heap: &Heap<Disk>, number: usize, component: ComponentIndex, error: &IoError) -> Failure {
    let error = virstor::plan::ReadError::Io { component, error: error.clone() };
    Failure::Operation(heap::read_error(heap, number, &error))
}

/// Refuses a volume with errors.
pub(crate) fn refuse_damaged(heap: &Heap<Disk>, number: usize, force: bool) -> Result<(), Failure> {
    refuse_damaged_but(heap, number, force, &[])
}

/// Refuses a volume with errors, but for those of the kinds `mended`, which the verb is for.
pub(crate) fn refuse_damaged_but(
    heap: &Heap<Disk>,
    number: usize,
    force: bool,
    mended: &[Code],
) -> Result<(), Failure> {
    if force {
        return Ok(());
    }
    let check = Check::new(heap, &[number], false, &mut |_, _, _| ControlFlow::Continue(()));
    let is_mended = |code: &str| mended.iter().any(|mended| mended.text() == code);
    let mut errors = check
        .findings
        .iter()
        .filter(|finding| matches!(finding.severity, "error" | "fatal") && !is_mended(finding.code));
    let Some(first) = errors.next() else { return Ok(()) };
    let more = match errors.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Err(Failure::Operation(format!(
        "volume {} is damaged: {} [{}]{more}; 'virstor repair' it first, or use --force",
        heap.volumes()[number].name,
        first.message,
        first.code
    )))
}

/// Why a volume is not changed, in a line.
pub(crate) fn refusal(heap: &Heap<Disk>, number: usize, unsound: &Unsound) -> Failure {
    let volume = &heap.volumes()[number];
    let why = match unsound {
        Unsound::Missing(index) => format!("component {index} is missing"),
        Unsound::MapUnreadable(error) => return read_failure(heap, number, ComponentIndex(0), error),
        Unsound::Problem(_) => "its records do not fit each other or their disks".into(),
        Unsound::BrokenSectors { len, sector_size } => {
            format!("{len} bytes of chunk or map are no whole sectors of {sector_size}")
        }
        Unsound::MapNotReserved { map_len, reserved } => {
            format!("the map takes {map_len} bytes, and {reserved} are reserved for it")
        }
        Unsound::Entry { at, entry } => format!(
            "map entry {} names chunk {} of component {}, which cannot be",
            at.0, entry.chunk.0, entry.component
        ),
        Unsound::OverRecord { at, entry } => format!(
            "map entry {} names chunk {} of component {}, which reaches into the record",
            at.0, entry.chunk.0, entry.component
        ),
        Unsound::Shared { at, entry } => format!(
            "map entry {} names chunk {} of component {}, as one before it does",
            at.0, entry.chunk.0, entry.component
        ),
        Unsound::NotDense { at, entry, used } => format!(
            "map entry {} names chunk {} of component {}, which has {used} chunks in use and holes among them",
            at.0, entry.chunk.0, entry.component
        ),
    };
    Failure::Operation(format!("volume {} is not written to: {why}; 'virstor repair' it first", volume.name))
}

/// A file that is to become a component.
pub(crate) struct NewDisk {
    pub(crate) label: String,
    pub(crate) disk: Disk,
    pub(crate) provider: Vec<u8>,
    pub(crate) sector_size: u32,
}

/// What becomes of what a file carries that is to become a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhatItCarries {
    /// It is lost.
    Goes,
    /// The file is refused, and this is what can be done about it.
    Stays(&'static str),
}

impl WhatItCarries {
    /// What `--force` decides.
    pub(crate) fn by_force(force: bool) -> Self {
        if force { Self::Goes } else { Self::Stays("use --force to overwrite it") }
    }
}

impl NewDisk {
    /// The file that `argument` names, if it carries nothing that can be recognised, or that is to go.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is refused.
    pub(crate) fn open(
        argument: &OsString,
        usual_sector_size: u32,
        carried: WhatItCarries,
    ) -> Result<Self, Failure> {
        let spec = FileSpec::parse(argument)?;
        let label = shown(spec.path);
        let failed = |reason| Failure::Operation(format!("{label}: {reason}"));
        let disk = Disk::open(spec.path).map_err(failed)?;
        let sector_size = spec.sector_size.unwrap_or(usual_sector_size);
        if let WhatItCarries::Stays(advice) = carried
            && let Some(what) = contents::recognise(&disk).map_err(|error| failed(error.to_string()))?
        {
            return Err(failed(format!("carries {what}; {advice}")));
        }
        Ok(Self { provider: spec.provider(), label, disk, sector_size })
    }

    /// As the engine sees it.
    pub(crate) fn provider(&self) -> Provider<'_> {
        Provider { name: &self.provider, size: self.disk.size(), sector_size: self.sector_size }
    }

    /// All of it.
    pub(crate) fn place(&self) -> Place {
        let path = self.disk.path().into();
        Place { label: self.label.clone(), path, start: 0, len: self.disk.size() }
    }

    /// Its last sector.
    pub(crate) fn last_sector(&self) -> Range<u64> {
        let size = self.disk.size();
        size.saturating_sub(u64::from(self.sector_size))..size
    }
}

/// The change that makes the records of a volume zero, whatever state it is in, and the files they are in.
///
/// # Errors
///
/// When a record cannot be read.
pub(crate) fn clearing(
    heap: &Heap<Disk>,
    number: usize,
    patches: Vec<Patch>,
) -> Result<(Change, Vec<String>), Failure> {
    let volume = &heap.volumes()[number];
    let files = volume.components.values();
    let files = files.map(|component| heap.label_of(component.candidate).to_string()).collect();
    Ok((of_records("clear", heap, &[number], patches)?, files))
}

/// The change of records of a volume, or of the volumes that are its parts.
///
/// # Errors
///
/// When a record cannot be read.
pub(crate) fn renaming(
    verb: &str,
    heap: &Heap<Disk>,
    parts: &[usize],
    patches: Vec<Patch>,
) -> Result<Change, Failure> {
    of_records(verb, heap, parts, patches)
}

/// The components of `parts` and the providers their records name.
pub(crate) fn named_members(heap: &Heap<Disk>, parts: &[usize]) -> Vec<NamedMember> {
    let components = parts.iter().flat_map(|number| &heap.volumes()[*number].components);
    components
        .map(|(index, component)| NamedMember {
            index: index.0,
            file: heap.label_of(component.candidate).to_string(),
            provider: component.record.hardcoded().to_string(),
        })
        .collect()
}

/// A change of nothing but records. Some components may be missing, so numbers become places among those that are
/// there.
fn of_records(
    verb: &str,
    heap: &Heap<Disk>,
    parts: &[usize],
    patches: Vec<Patch>,
) -> Result<Change, Failure> {
    let volumes = parts.iter().map(|number| &heap.volumes()[*number]);
    let mut components: Vec<_> = volumes.clone().flat_map(|volume| &volume.components).collect();
    components.sort_by_key(|(index, _)| **index);
    let places: BTreeMap<ComponentIndex, ComponentIndex> = (0..=u16::MAX)
        .map(ComponentIndex)
        .zip(&components)
        .map(|(place, (index, _))| (**index, place))
        .collect();
    let patches = patches.into_iter().map(|patch| on_disk(patch, &places)).collect();
    let disks: Vec<_> = components
        .into_iter()
        .map(|(_, component)| {
            let (file, located) = &heap.located()[component.candidate];
            let record = located.len - u64::from(component.sector_size)..located.len;
            let disk = heap.files()[*file].disk.as_ref().expect("it was looked at");
            (Place::new(heap, *file, located.start, located.len), disk, vec![record])
        })
        .collect();
    let volume = &heap.volumes()[parts[0]];
    Change::new(verb, (volume.name, volume.id), &disks, patches)
}

/// The patch with its component replaced by the place of its disk.
fn on_disk(patch: Patch, places: &BTreeMap<ComponentIndex, ComponentIndex>) -> Patch {
    let place = |component: ComponentIndex| places[&component];
    match patch {
        Patch::Write { component, offset, bytes } => {
            Patch::Write { component: place(component), offset, bytes }
        }
        Patch::Zero { component, offset, len } => Patch::Zero { component: place(component), offset, len },
        Patch::Copy { from, to, len } => {
            Patch::Copy { from: (place(from.0), from.1), to: (place(to.0), to.1), len }
        }
        Patch::Barrier => Patch::Barrier,
    }
}
