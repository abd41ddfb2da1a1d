//! The command line: verbs, options, and the help that goes with them.

mod change;
mod look;
mod repair;
mod serve;
mod value;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

pub(crate) use self::change::*;
pub(crate) use self::look::*;
pub(crate) use self::repair::*;
pub(crate) use self::serve::*;

/// Look into, check, recover, create and serve FreeBSD GEOM virstor volumes.
///
/// FILEs are images or disks, in any order; they may belong to several volumes and may include strangers.
/// Components are found in GPT, MBR and BSD partitions and in images that have grown. Nothing is ever written
/// to a FILE by a verb that does not say so, and what is overwritten goes into an undo log first.
#[derive(Debug, Parser)]
#[command(name = "virstor", version, max_term_width = 100, disable_help_subcommand = false)]
#[command(
    after_help = "Exit status: 0 fine, 1 damage was repaired, 4 damage found, 8 the operation failed, 16 wrong usage.\n\
    'virstor help VERB' explains a verb and gives an example."
)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Volumes found, their components, what is missing, what FreeBSD would do
    #[command(after_help = "Example: virstor info disk0.img disk1.img disk2.img\n\
        Exit status: 0 every volume is whole, 4 something is missing or no volume was found, 8 a FILE cannot be read.")]
    Info(InfoArgs),
    /// The raw record of each file, every field, also of damaged ones
    #[command(after_help = "Example: virstor dump disk1.img\n\
        The first lines are those of 'gvirstor dump'; what it leaves out follows.")]
    Dump(DumpArgs),
    /// The XML that FreeBSD would show for the set (kern.geom.confxml)
    #[command(after_help = "Example: virstor status disk*.img\n\
        Values that the kernel's 32-bit arithmetic gets wrong are followed by a comment.")]
    Status(StatusArgs),
    /// Which bytes of the volume lie where
    #[command(after_help = "Example: virstor map --totals disk*.img\n\
        Exit status: 0 nothing is lost, 4 some ranges are.")]
    Map(MapArgs),
    /// What is wrong with the volumes, what FreeBSD would do about it, and whether it can be mended
    #[command(after_help = "Example: virstor check disk*.img\n\
        A warning is a trap: nothing is lost yet, but FreeBSD would lose something. A leftover of another volume of\n\
        the same name is checked only when chosen by --volume.\n\
        Exit status: 0 nothing above a notice, 4 damage or a trap was found, 8 a FILE cannot be read.")]
    Check(CheckArgs),
    /// Everything in one document: what info, check and map --totals say, as Markdown
    #[command(after_help = "Example: virstor report disk*.img > report.md\n\
        With --json the documents of these verbs, in one.\n\
        Exit status: as for check.")]
    Report(ReportArgs),
    /// Write the volume to a raw (sparse) or qcow2 image
    #[command(after_help = "Example: virstor export -o home.raw disk*.img\n\
        The image is written under a temporary name (OUT.part) and renamed when it is whole. An OUT.part that is there,\n\
        as an interrupted export leaves it, is replaced with --force only.\n\
        Exit status: 0 done, 4 done but lost ranges were filled with zeros, 8 not done.")]
    Export(ExportArgs),
    /// Compare the volume with a raw image
    #[command(after_help = "Example: virstor compare disk*.img --with home.raw\n\
        Exit status: 0 they are the same, 4 they differ, 8 they could not be compared.")]
    Compare(CompareArgs),
    /// Make a volume
    #[command(after_help = "Example: virstor label home --size 2T --create 10G disk0.img disk1.img\n\
        Files that carry a volume, a partition table or a file system are refused without --force.\n\
        Exit status: 0 done, 8 refused or failed, 16 wrong usage.")]
    Label(LabelArgs),
    /// Add components to a volume
    #[command(after_help = "Example: virstor add disk*.img --new more0.img more1.img")]
    Add(AddArgs),
    /// Remove components from a volume
    #[command(after_help = "Example: virstor remove disk*.img --drop disk2.img --evacuate\n\
        Component 0 holds the map and stays. Without --evacuate no chunk of the others may be in use.")]
    Remove(RemoveArgs),
    /// Give a volume up: make its records zero
    #[command(after_help = "Example: virstor clear disk*.img\n\
        Data and map stay where they are, and the undo log brings the records back.")]
    Clear(ClearArgs),
    /// Make the virtual device larger
    #[command(after_help = "Example: virstor grow disk*.img --size 4T\n\
        It takes no space: components are added with 'virstor add'.")]
    Grow(GrowArgs),
    /// Give back the space of chunks that hold nothing
    #[command(after_help = "Example: virstor compact disk*.img\n\
        Chunks that are all zero come back, and with --discard those a file lists, whatever they hold.")]
    Compact(CompactArgs),
    /// Put a raw image into a volume
    #[command(after_help = "Example: virstor import -i home.raw disk*.img --verify\n\
        Zeros take no space. Data in the volume is overwritten only with --force.\n\
        The undo log keeps what stood in every place that is written to; --dry-run says how long it will be.")]
    Import(ImportArgs),
    /// Give a volume another name
    #[command(after_help = "Example: virstor rename new-home disk*.img\n\
        After a crash in the midst of it some components have the old name; the same command, or 'virstor repair', ends\n\
        the work.")]
    Rename(RenameArgs),
    /// Tie components to the names of their providers, or to none
    #[command(after_help = "Example: virstor set hardcode da0=disk0.img da1=disk1.img")]
    Set(SetArgs),
    /// A specimen of the files, for bug reports and second opinions: records, maps and sizes, no data
    #[command(after_help = "Example: virstor collect -o home.specimen disk*.img\n\
        The specimen is a FILE like others to info, map and check, and stands for all the files it was made of.\n\
        What the volume holds is not in it, but names of volumes, files and partitions are.\n\
        Exit status: 0 done, 4 no volume was found, 8 not done, or a FILE cannot be read.")]
    Collect(CollectArgs),
    /// Records and map of a volume into a file: there is no second copy of the map anywhere
    #[command(
        name = "backup-map",
        after_help = "Example: virstor backup-map -o home.backup disk*.img\n\
        The backup is read back and compared. It is also a specimen: 'virstor info home.backup' works.\n\
        Exit status: 0 done, 4 done but a part of the map cannot be read, or there is no map, 8 not done."
    )]
    BackupMap(BackupMapArgs),
    /// Records and map of a volume back from a file
    #[command(
        name = "restore-map",
        after_help = "Example: virstor restore-map home.backup disk*.img\n\
        Without --apply it only says what would change. Files without a record are taken for what they were by their\n\
        sizes and names.\n\
        Exit status: 0 the set says what the backup says, 4 it does not yet, 8 it was refused or failed."
    )]
    RestoreMap(RestoreMapArgs),
    /// Plan how to mend what 'check' finds, and do it when asked to
    #[command(after_help = "Example: virstor repair disk*.img, then virstor repair --apply disk*.img\n\
        Nothing is written without --apply. Before the first byte changes an undo log is written; 'virstor undo'\n\
        puts every byte back. Steps that give something up need --lossy.\n\
        Exit status: 0 nothing to mend, 1 damage was mended, 4 damage is left, 8 not done.")]
    Repair(RepairArgs),
    /// Put back every byte that a verb changed, from the undo log it wrote
    #[command(after_help = "Example: virstor undo virstor-undo-home-1.log disk*.img\n\
        Nothing is written unless every sector holds what the change found or left there.\n\
        Exit status: 0 everything is as it was, 8 it was refused or failed.")]
    Undo(UndoArgs),
    /// What 'serve --overlay' kept: show it, write it to the FILEs, or give it up
    #[command(after_help = "Example: virstor overlay commit today.overlay disk*.img\n\
        Exit status: 0 done, 8 it was refused or failed.")]
    Overlay(OverlayArgs),
    /// Serve the volume over NBD, read-only unless told otherwise
    #[command(after_help = "Example: virstor serve disk*.img, then qemu-img info nbd://127.0.0.1\n\
        Exports are the volume, its components (component/0) and the partitions inside it (p1, s1a).\n\
        Metadata contexts: base:allocation; virstor:component (0 none, 1 + N component N, 0xffffffff unknown);\n\
        virstor:damage (0 data, 1 hole, 2 lost, 3 suspect).\n\
        Exit status: 0 it served and was asked to end, 4 no volume was found, 8 it cannot serve or listen.")]
    Serve(ServeArgs),
    /// Ask a server that is running: what it has, to add or remove components, to end
    #[command(after_help = "Example: virstor ctl add --control run disk9.img\n\
        Exit status: 0 done, 8 the server refused or does not answer.")]
    Ctl(CtlArgs),
    /// Man pages, shell completions and JSON Schemas, made from the same definitions
    #[cfg(not(target_family = "wasm"))]
    #[command(after_help = "Example: virstor generate completions bash > virstor.bash")]
    Generate(GenerateArgs),
}

/// Which files, and how to look at them.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Input {
    /// Images or disks; NAME=FILE gives the provider name FreeBSD would see, FILE@4096 the sector size
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<OsString>,
    /// Choose a volume where there are several
    #[arg(long, value_name = "NAME[/ID]")]
    pub(crate) volume: Option<String>,
    /// Where two files claim the same place, take this one
    #[arg(long, value_name = "FILE")]
    pub(crate) prefer: Vec<OsString>,
    /// Sector size of the disks in bytes [default: found by where the record sits]
    #[arg(long, value_name = "N", value_parser = value::sector_size)]
    pub(crate) sector_size: Option<u32>,
    /// What could not be rescued from a disk: the mapfile of ddrescue for the image; without FILE= the one called
    /// like it (c1.map for c1)
    #[arg(long, value_name = "[FILE=]MAPFILE")]
    pub(crate) bad: Vec<OsString>,
    /// Read a set without records as chunk-size=SIZE,order=FILE:FILE..[,virtual-size=SIZE][,sector-size=N][,name=NAME]
    /// [,id=N]; '-' in the order is a component that is missing
    #[arg(long, value_name = "WHAT", value_parser = crate::assume::parse)]
    pub(crate) assume: Option<crate::assume::Assume>,
    /// How much of a file to search for a record that is not at its end: a size, 'all' or 'none'
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = value::scan)]
    pub(crate) scan: u64,
}

/// How to print.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct Output {
    /// Print one JSON document on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Say only what was asked for
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Show progress on stderr
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: ProgressMode,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A line, when stderr is a terminal
    Auto,
    /// One JSON object a line
    Json,
    /// Not at all
    None,
}

/// How to change a volume.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ChangeArgs {
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Where to write the log that 'virstor undo' takes [default: virstor-undo-NAME-N.log]
    #[arg(long, value_name = "FILE", value_parser = value::new_file())]
    pub(crate) undo_log: Option<PathBuf>,
    /// Go on where something speaks against it
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `generate`.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, ClapArgs)]
pub(crate) struct GenerateArgs {
    /// What to make
    #[command(subcommand)]
    pub(crate) what: Generate,
}

/// What `generate` makes.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// Man pages, one file each, into a folder
    Man {
        /// The folder; it is made if need be
        folder: PathBuf,
    },
    /// Shell completions, on stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// JSON Schemas of what '--json' prints, one file per verb, into a folder
    Schemas {
        /// The folder; it is made if need be
        folder: PathBuf,
    },
}
