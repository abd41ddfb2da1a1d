//! `label`: makes a volume.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use virstor::counted::{agreeing, counted};
use virstor::format::SECTOR_SIZES;
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::label::{LabelError, LabelPlan, MAX_NAME_LEN, Provider, Request, plan};
use virstor::patch::{PatchError, perform};
use virstor_inspect::document::change::Label;

use crate::args::{Compat, LabelArgs};
use crate::change::{self, Change, Place};
use crate::failure::{Failure, Status, host_reason};
use crate::heap::FileSpec;
use crate::output::{self, note, shown};
use crate::size::human;
use crate::target::{NewDisk, WhatItCarries};

pub(crate) fn run(args: &LabelArgs) -> Result<Status, Failure> {
    if args.files.len() > usize::from(u16::MAX) {
        let (count, most) = (args.files.len(), u16::MAX);
        return Err(Failure::Usage(format!(
            "{count} FILEs are given, and a volume has at most {most} components"
        )));
    }
    change::refuse_same(&args.files)?;
    match args.create {
        Some(size) => in_new_files(args, size),
        None => in_files(args),
    }
}

/// Makes a volume of files that are there.
fn in_files(args: &LabelArgs) -> Result<Status, Failure> {
    let open = |file| NewDisk::open(file, args.sector_size, WhatItCarries::by_force(args.change.force));
    let disks = args.files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let components: Vec<Component> = disks
        .iter()
        .map(|disk| Component {
            label: disk.label.clone(),
            name: disk.provider.clone(),
            size: disk.disk.size(),
            sector_size: disk.sector_size,
        })
        .collect();
    let plan = planned(args, &components)?;
    let mut document = document(&plan, &components, args);
    if !args.change.dry_run {
        let guarded: Vec<_> =
            disks.iter().map(|disk| (disk.place(), &disk.disk, vec![disk.last_sector()])).collect();
        let name = plan.components[0].record.name();
        let change = Change::new("label", (name, document.id), &guarded, plan.patches())?;
        let log = change.perform(args.change.undo_log.as_deref(), "labelling", args.output)?;
        document.undo_log = Some(shown(&log));
        change::tell_log(&log, args.output);
    }
    finish(&document, args)
}

/// Makes the files, too. Nothing can be lost, so there is no undo log; when something fails the files go again.
fn in_new_files(args: &LabelArgs, size: u64) -> Result<Status, Failure> {
    let component = |file: &OsString| {
        let spec = FileSpec::parse(file)?;
        let label = shown(spec.path);
        if spec.path.symlink_metadata().is_ok() {
            return Err(Failure::Operation(format!("{label}: exists; --create makes new files only")));
        }
        let sector_size = spec.sector_size.unwrap_or(args.sector_size);
        Ok((spec.path.to_path_buf(), Component { label, name: spec.provider(), size, sector_size }))
    };
    let (paths, components): (Vec<PathBuf>, Vec<Component>) =
        args.files.iter().map(component).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let plan = planned(args, &components)?;
    let document = document(&plan, &components, args);
    if !args.change.dry_run {
        let mut made = Vec::new();
        create_all(&paths, size, &mut made)
            .and_then(|()| write_new(&paths, &components, &plan))
            .inspect_err(|_| {
                for path in made {
                    // The failure that led here is what the user is told.
                    _ = std::fs::remove_file(path);
                }
            })?;
    }
    finish(&document, args)
}

fn create_all<'a>(paths: &'a [PathBuf], size: u64, made: &mut Vec<&'a Path>) -> Result<(), Failure> {
    for path in paths {
        let failed = |error: &std::io::Error| {
            Failure::Operation(format!("{}: cannot be made: {}", shown(path), host_reason(error)))
        };
        let create = |path: &Path| -> std::io::Result<File> {
            OpenOptions::new().read(true).write(true).create_new(true).open(path)
        };
        let file = create(path).map_err(|error| failed(&error))?;
        made.push(path);
        file.set_len(size).map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn write_new(paths: &[PathBuf], components: &[Component], plan: &LabelPlan) -> Result<(), Failure> {
    let place = |(path, component): (&PathBuf, &Component)| Place {
        label: component.label.clone(),
        path: path.clone(),
        start: 0,
        len: component.size,
    };
    let places: Vec<Place> = paths.iter().zip(components).map(place).collect();
    let disks = change::open_all(&places)?;
    perform(&plan.patches(), &disks).map_err(|PatchError { component, error }| {
        Failure::Operation(format!("{}: {error}", components[component.as_usize()].label))
    })
}

/// A component to be.
struct Component {
    label: String,
    name: Vec<u8>,
    size: u64,
    sector_size: u32,
}

fn planned(args: &LabelArgs, components: &[Component]) -> Result<LabelPlan, Failure> {
    let provider = |component: &'_ Component| {
        // Two folders may have files of one name; they are told apart only where the name is recorded.
        let name = if args.hardcode { component.name.clone() } else { component.label.clone().into_bytes() };
        (name, component.size, component.sector_size)
    };
    let named: Vec<_> = components.iter().map(provider).collect();
    let providers: Vec<Provider<'_>> = named
        .iter()
        .map(|(name, size, sector_size)| Provider { name, size: *size, sector_size: *sector_size })
        .collect();
    let id = match args.id {
        Some(id) => id,
        None => random_id()?,
    };
    plan(&Request {
        name: args.name.as_bytes(),
        id,
        virtual_size: args.size,
        chunk_size: args.chunk_size,
        maxphys: args.maxphys,
        hardcode: args.hardcode,
        providers: &providers,
        compat_freebsd: args.compat == Some(Compat::Freebsd),
    })
    .map_err(|error| refusal(&error, args, components))
}

/// A number by chance, from the host.
fn random_id() -> Result<u32, Failure> {
    getrandom::u32().map_err(|error| {
        Failure::Operation(format!("there is no chance to draw an id from: {error}; give one by --id"))
    })
}

fn document(plan: &LabelPlan, components: &[Component], args: &LabelArgs) -> Label {
    let files: Vec<String> = components.iter().map(|component| component.label.clone()).collect();
    Label { dry_run: args.change.dry_run, ..Label::new(plan, &files) }
}

fn finish(document: &Label, args: &LabelArgs) -> Result<Status, Failure> {
    if !args.output.quiet {
        for text in &document.notes {
            note(&text.message);
        }
        if args.compat.is_some() {
            note("these are the bytes that FreeBSD's own label writes, its faults included");
        }
    }
    if args.output.json {
        output::print_json(document)?;
    } else if !args.output.quiet {
        output::print(&text(document))?;
    }
    Ok(Status::Fine)
}

fn text(label: &Label) -> String {
    let mut text = String::new();
    let would = if label.dry_run { " would be" } else { "" };
    let (virtual_size, chunk_size) = (human(label.virtual_size), human(label.chunk_size));
    // Writing to a string cannot fail, here and below.
    _ = writeln!(
        text,
        "volume {} (id {}){would}: {virtual_size} in {} of {chunk_size}, sectors of {} bytes",
        label.name,
        label.id,
        counted(label.virtual_chunks, "chunk"),
        label.sector_size
    );
    _ = writeln!(
        text,
        "  map: {} in {}; {} {} reserved for it",
        human(label.map_size),
        counted(label.map_chunks, "chunk"),
        counted(label.reserved_chunks, "chunk"),
        agreeing(label.reserved_chunks, "is", "are")
    );
    _ = writeln!(
        text,
        "  room: {}; full when {} ({} bytes) are written",
        counted(label.physical_chunks, "physical chunk"),
        human(label.usable_bytes),
        label.usable_bytes
    );
    let mut rows = vec![[">component", "file", ">bytes", ">chunks"].map(String::from).to_vec()];
    for member in &label.components {
        let (index, size) = (member.index.to_string(), member.size.to_string());
        rows.push(vec![index, member.file.clone(), size, member.chunk_count.to_string()]);
    }
    text + &output::table(&rows, "  ")
}

fn refusal(error: &LabelError, args: &LabelArgs, components: &[Component]) -> Failure {
    let file = |component: &ComponentIndex| &components[component.as_usize()].label;
    let usage = |line| Failure::Usage(line);
    let refused = |line| Failure::Operation(line);
    match error {
        LabelError::NoName => usage("the volume needs a name".into()),
        LabelError::Name { len } => usage(format!(
            "the name '{}' has {len} bytes; a record holds {MAX_NAME_LEN}, and no NUL",
            shown(&args.name)
        )),
        LabelError::NoComponents => usage("no FILE is given".into()),
        LabelError::TooManyComponents { count } => {
            usage(format!("{count} FILEs are given, and a volume has at most {} components", u16::MAX))
        }
        LabelError::ProviderTwice { first, second } => usage(format!(
            "{} and {} have one provider name; give them others as NAME=FILE",
            file(first),
            file(second)
        )),
        LabelError::ProviderName { component, len } => usage(format!(
            "{}: the provider name has {len} bytes; a record holds {MAX_NAME_LEN}; give another as NAME=FILE",
            file(component)
        )),
        LabelError::SectorSize { component, sector_size } => {
            usage(format!("{}: a sector size is one of {SECTOR_SIZES:?}, not {sector_size}", file(component)))
        }
        LabelError::SectorSizesDiffer { component, sector_size, expected } => usage(format!(
            "{}: has sectors of {sector_size} bytes and {} of {expected}; a volume has one size",
            file(component),
            components[0].label
        )),
        LabelError::BrokenSector { component, size, sector_size } => refused(format!(
            "{}: its size of {size} bytes is not a multiple of its sectors of {sector_size}",
            file(component)
        )),
        LabelError::Zero => {
            let numbers = [("--size", args.size), ("--chunk-size", args.chunk_size)];
            let zero = numbers.iter().find(|(_, number)| *number == 0).map_or("--maxphys", |(name, _)| *name);
            usage(format!("{zero} must not be 0"))
        }
        LabelError::ChunkSizeTooLarge { chunk_size, largest } => {
            usage(format!("a chunk of {chunk_size} bytes is too large; {largest} is the most"))
        }
        LabelError::ChunkSizeNotSectors { chunk_size, sector_size } => usage(format!(
            "a chunk of {} is no multiple of the sectors of {sector_size}",
            counted(*chunk_size, "byte")
        )),
        LabelError::VirtualSizeTooSmall { asked, chunk_size } => usage(format!(
            "a virtual size of {} is less than a chunk of {chunk_size}",
            counted(*asked, "byte")
        )),
        LabelError::VirtualSizeTooLarge { asked, largest } => usage(format!(
            "a virtual size of {asked} bytes is too large; {largest} is the most with these chunks"
        )),
        LabelError::MapTooLarge { map_len, largest } => usage(format!(
            "the map would take {map_len} bytes, and {largest} is the most that can be reserved; take larger chunks"
        )),
        LabelError::TooSmall { component, size, needed } => {
            let (volume, chunk) = (args.size, args.chunk_size);
            refused(format!(
                "{}: has {}, and needs {needed} with chunks of {chunk} (--chunk-size) in a volume of {volume} (--size)",
                file(component),
                counted(*size, "byte")
            ))
        }
        LabelError::TooManyChunks { component, chunks } => refused(format!(
            "{}: has {}, and {} is the most",
            file(component),
            counted(*chunks, "chunk"),
            u32::MAX
        )),
    }
}
