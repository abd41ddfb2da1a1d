//! The command line: verbs, options, and the help that goes with them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::range::{self, RangeSpec};
use crate::{size, verb};

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
        The image is written under a temporary name (OUT.part) and renamed when it is whole.\n\
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
    #[arg(long, value_name = "N", value_parser = parse_sector_size)]
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
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_scan)]
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

/// Arguments of `info`.
#[derive(Debug, ClapArgs)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Print what FreeBSD would log while tasting, at this debug level, and nothing else
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, require_equals = true, default_missing_value = "2")]
    pub(crate) kernel_log: Option<u32>,
    /// kern.geom.virstor.chunk_watermark of the FreeBSD that is asked
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) chunk_watermark: u32,
    /// kern.geom.virstor.component_watermark of the FreeBSD that is asked
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) component_watermark: u32,
}

/// Arguments of `dump`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DumpArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `status`.
#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `map`.
#[derive(Debug, ClapArgs)]
pub(crate) struct MapArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Only sums
    #[arg(long, conflicts_with_all = ["reverse", "qemu"])]
    pub(crate) totals: bool,
    /// By component: which bytes of the volume lie on each stretch
    #[arg(long, conflicts_with = "qemu")]
    pub(crate) reverse: bool,
    /// The form of 'qemu-img map --output=json'
    #[arg(long)]
    pub(crate) qemu: bool,
    /// A mapfile of GNU ddrescue: '-' is lost, '+' is the rest; with --component, '+' is what matters there
    #[arg(long, conflicts_with_all = ["totals", "reverse", "qemu", "json", "range"])]
    pub(crate) ddrescue: bool,
    /// Draw the components, one line of blocks each
    #[arg(long, conflicts_with_all = ["totals", "reverse", "qemu", "json", "range", "ddrescue"])]
    pub(crate) picture: bool,
    /// Chunks that no entry names and that hold data, in the order of the disks: for maps that were lost
    #[arg(long, conflicts_with_all = ["totals", "reverse", "qemu", "range", "ddrescue", "picture"])]
    pub(crate) orphans: bool,
    /// The component to make a mapfile for: only what the volume has there is worth rescuing (--domain-mapfile)
    #[arg(long, value_name = "N", requires = "ddrescue")]
    pub(crate) component: Option<u16>,
    /// Only this part of the volume: START-END, START+LENGTH or START-
    #[arg(long, value_name = "RANGE", value_parser = range::parse)]
    pub(crate) range: Option<RangeSpec>,
}

/// Arguments of `check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Read the data, too: orphans, chunks of zeros, what lies outside of chunks
    #[arg(long)]
    pub(crate) deep: bool,
    /// Also draw the components, one line of blocks each
    #[arg(long, conflicts_with = "json")]
    pub(crate) picture: bool,
}

/// Arguments of `report`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `export`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to; '-' is stdout
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Kind of image [default: qcow2 for OUT.qcow2, else raw]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// What to do about lost ranges
    #[arg(long, value_enum, default_value = "error")]
    pub(crate) missing: FillLost,
    /// Only this part of the volume: START-END, START+LENGTH or START-
    #[arg(long, value_name = "RANGE", value_parser = range::parse)]
    pub(crate) range: Option<RangeSpec>,
    /// Replace OUT if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// Kind of image to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The bytes of the volume, holes where the host allows them
    Raw,
    /// qcow2 version 3
    Qcow2,
}

/// What to do about lost ranges in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FillLost {
    /// They are an error
    Error,
    /// They become zeros
    Zero,
    /// They become lines of text that name the byte, so that damaged files can be found by it
    Pattern,
}

/// What to do about lost ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Missing {
    /// They are an error
    Error,
    /// They read as zeros
    Zero,
}

/// Arguments of `compare`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// The raw image to compare with
    #[arg(long, value_name = "RAW")]
    pub(crate) with: PathBuf,
    /// Only this part of the volume: START-END, START+LENGTH or START-
    #[arg(long, value_name = "RANGE", value_parser = range::parse)]
    pub(crate) range: Option<RangeSpec>,
}

/// How to change a volume.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ChangeArgs {
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Where to write the log that 'virstor undo' takes [default: virstor-undo-NAME-N.log]
    #[arg(long, value_name = "FILE")]
    pub(crate) undo_log: Option<PathBuf>,
    /// Go on where something speaks against it
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `label`.
#[derive(Debug, ClapArgs)]
pub(crate) struct LabelArgs {
    /// Name of the volume, at most 15 bytes
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The components to be, in their order; NAME=FILE gives the provider name, FILE@4096 the sector size
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<OsString>,
    /// Size of the virtual device
    #[arg(long, value_name = "SIZE", default_value = "2T", value_parser = size::parse)]
    pub(crate) size: u64,
    /// Size of a chunk
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = size::parse)]
    pub(crate) chunk_size: u64,
    /// Put the names of the providers into the records
    #[arg(long)]
    pub(crate) hardcode: bool,
    /// What tells the volume from others of its name [default: drawn by chance]
    #[arg(long, value_name = "N")]
    pub(crate) id: Option<u32>,
    /// Sector size of the disks in bytes
    #[arg(long, value_name = "N", default_value = "512", value_parser = parse_sector_size)]
    pub(crate) sector_size: u32,
    /// Chunks are a multiple of this: 1M on FreeBSD 13 and later, 128K before
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = parse_maxphys)]
    pub(crate) maxphys: u32,
    /// Make the files, sparse, with this size each
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) create: Option<u64>,
    /// Write what this system's label writes, its faults included
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub(crate) compat: Option<Compat>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Whose bytes to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compat {
    /// 'gvirstor label'
    Freebsd,
}

/// Arguments of `add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The components to be
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) new: Vec<OsString>,
    /// Put the names of their providers into their records
    #[arg(long)]
    pub(crate) hardcode: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `remove`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The components that leave; they need not be among the FILEs
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) drop: Vec<OsString>,
    /// Move their chunks to the other components before
    #[arg(long)]
    pub(crate) evacuate: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `clear`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ClearArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `grow`.
#[derive(Debug, ClapArgs)]
pub(crate) struct GrowArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The new size of the virtual device
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) size: u64,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `compact`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CompactArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    /// Give back only the chunks within the ranges that this file lists: one START-END or START+LENGTH a line
    #[arg(long, value_name = "LIST")]
    pub(crate) discard: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `import`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The raw image
    #[arg(short = 'i', long = "input", value_name = "RAW")]
    pub(crate) image: PathBuf,
    /// Compare volume and image afterwards
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `rename`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RenameArgs {
    /// The new name, at most 15 bytes
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `set`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SetArgs {
    /// What to set
    #[arg(value_enum)]
    pub(crate) what: Setting,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What `set` sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setting {
    /// The provider names given go into the records
    Hardcode,
    /// The records name no provider
    NoHardcode,
}

/// Arguments of `repair`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Carry the plan out
    #[arg(long)]
    pub(crate) apply: bool,
    /// Save the plan to this file, for --apply-plan
    #[arg(long, value_name = "PLAN")]
    pub(crate) plan_out: Option<PathBuf>,
    /// Carry out exactly this saved plan
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["apply", "plan_out", "only", "lossy", "convert_endian"])]
    pub(crate) apply_plan: Option<PathBuf>,
    /// Only mend findings with these codes
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_code)]
    pub(crate) only: Vec<virstor::check::Code>,
    /// Also mend by giving something up for good; the plan says what
    #[arg(long)]
    pub(crate) lossy: bool,
    /// Make the map of a big-endian machine little-endian
    #[arg(long)]
    pub(crate) convert_endian: bool,
    /// Where to write the log that 'virstor undo' takes [default: virstor-undo-NAME-N.log]
    #[arg(long, value_name = "FILE")]
    pub(crate) undo_log: Option<PathBuf>,
    /// Write nothing, not even with --apply
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `undo`.
#[derive(Debug, ClapArgs)]
pub(crate) struct UndoArgs {
    /// The undo log
    #[arg(value_name = "LOG")]
    pub(crate) log: PathBuf,
    /// The images or disks that were changed, in any order
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<OsString>,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Only say whether it could be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `collect`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CollectArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to; '-' is stdout
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Replace OUT if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `backup-map`.
#[derive(Debug, ClapArgs)]
pub(crate) struct BackupMapArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Replace OUT if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `restore-map`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RestoreMapArgs {
    /// What 'backup-map' made
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: PathBuf,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Do it
    #[arg(long)]
    pub(crate) apply: bool,
    /// Also give up what was written since to chunks that the backup does not know
    #[arg(long)]
    pub(crate) lossy: bool,
    /// Where the undo log goes [default: virstor-undo-NAME-N.log in the current folder]
    #[arg(long, value_name = "LOG")]
    pub(crate) undo_log: Option<PathBuf>,
}

/// Arguments of `overlay`.
#[derive(Debug, ClapArgs)]
pub(crate) struct OverlayArgs {
    /// What to do with it
    #[command(subcommand)]
    pub(crate) action: OverlayAction,
}

/// What is done with an overlay.
#[derive(Debug, Subcommand)]
pub(crate) enum OverlayAction {
    /// What it holds: which bytes of which component, and of the volume
    Diff(OverlayDiffArgs),
    /// Write it to the FILEs, with an undo log, and remove it; after a cut, run it again
    Commit(OverlayCommitArgs),
    /// Remove it: the FILEs are as they were
    Drop(OverlayDropArgs),
}

/// Arguments of `overlay diff`.
#[derive(Debug, ClapArgs)]
pub(crate) struct OverlayDiffArgs {
    /// The overlay
    pub(crate) overlay: PathBuf,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `overlay commit`.
#[derive(Debug, ClapArgs)]
pub(crate) struct OverlayCommitArgs {
    /// The overlay
    pub(crate) overlay: PathBuf,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Where to keep what is overwritten [default: virstor-undo-NAME-N.log]
    #[arg(long, value_name = "FILE")]
    pub(crate) undo_log: Option<PathBuf>,
}

/// Arguments of `overlay drop`.
#[derive(Debug, ClapArgs)]
pub(crate) struct OverlayDropArgs {
    /// The overlay
    pub(crate) overlay: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `serve`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Listen for TCP here; port 0 is any that is free [default: 127.0.0.1:10809]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = verb::serve::parse_address)]
    pub(crate) listen: Vec<SocketAddr>,
    /// Listen on a Unix socket of this path
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Option<PathBuf>,
    /// Serve one client over stdin and stdout
    #[arg(long, conflicts_with_all = ["listen", "json"])]
    #[cfg_attr(unix, arg(conflicts_with = "unix"))]
    pub(crate) stdio: bool,
    /// Let clients write to the volume and its partitions; it has to be sound
    #[arg(long, conflicts_with = "overlay")]
    pub(crate) write: bool,
    /// Let clients write, and keep what they write in this file: no FILE is opened for writing. It is made if need
    /// be, and goes on where it was left
    #[arg(long, value_name = "OVERLAY")]
    pub(crate) overlay: Option<PathBuf>,
    /// What to do with a write for which the volume has no room
    #[arg(long, value_enum, value_name = "HOW", default_value = "error")]
    pub(crate) when_full: WhenFull,
    /// Take requests of 'virstor ctl' in this folder, which is made if need be
    #[arg(long, value_name = "FOLDER")]
    pub(crate) control: Option<PathBuf>,
    /// What to do about lost ranges
    #[arg(long, value_enum, default_value = "error")]
    pub(crate) missing: Missing,
    /// Most clients at once
    #[arg(long, value_name = "N", default_value = "64", value_parser = parse_clients)]
    pub(crate) max_clients: usize,
    /// How long a client may take for its handshake
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub(crate) handshake_timeout: Duration,
    /// Drop clients from which nothing was heard for so long [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) idle_timeout: Option<Duration>,
    /// End when the last client is gone
    #[arg(long)]
    pub(crate) exit_after_last: bool,
    /// Print sums at the end, on stderr
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) stats: Option<StatsForm>,
    /// Print every request, on stderr
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) log: Option<LogForm>,
}

/// What to do with a write for which the volume has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhenFull {
    /// Answer that there is none
    Error,
    /// Let it wait until a component is added ('virstor ctl add')
    Wait,
}

/// Arguments of `ctl`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CtlArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: CtlAction,
}

/// What a server is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum CtlAction {
    /// What it serves, how much room there is, how many clients there are
    Status(CtlCommon),
    /// Add FILEs to the volume as new components
    Add(CtlFiles),
    /// Remove components of which no chunk is in use
    Remove(CtlFiles),
    /// End, as a signal would have it
    Stop(CtlCommon),
}

/// Which server.
#[derive(Debug, ClapArgs)]
pub(crate) struct CtlCommon {
    /// The folder that the server was given by --control
    #[arg(long, value_name = "FOLDER")]
    pub(crate) control: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Which server, and what it is to add or remove.
#[derive(Debug, ClapArgs)]
pub(crate) struct CtlFiles {
    #[command(flatten)]
    pub(crate) common: CtlCommon,
    /// Images or disks, by the names that the server knows them by
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,
}

/// How sums are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsForm {
    /// One JSON object
    Json,
}

/// How requests are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// One JSON object a line
    Jsonl,
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

fn parse_sector_size(text: &str) -> Result<u32, String> {
    let bytes = size::parse(text)?;
    let known = virstor::format::SECTOR_SIZES.into_iter().find(|known| u64::from(*known) == bytes);
    known.ok_or_else(|| format!("a sector size is a power of two from 512 to 65536, not {bytes}"))
}

fn parse_maxphys(text: &str) -> Result<u32, String> {
    let bytes = size::parse(text)?;
    u32::try_from(bytes).map_err(|_| format!("maxphys is below 4G, not {bytes}"))
}

fn parse_code(text: &str) -> Result<virstor::check::Code, String> {
    let known = virstor::check::Code::ALL.iter().copied().find(|code| code.text() == text);
    known.ok_or_else(|| format!("'{text}' is no code; 'virstor check' shows them in brackets"))
}

fn parse_scan(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        "none" => Ok(0),
        _ => size::parse(text),
    }
}

fn parse_clients(text: &str) -> Result<usize, String> {
    let clients = text.parse().ok().filter(|clients| (1..=10_000).contains(clients));
    clients.ok_or_else(|| format!("'{text}' is not a number of clients from 1 to 10000"))
}

/// Seconds, at least one and at most a year.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=31_536_000).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("'{text}' is not a number of seconds from 1 to 31536000"))
}
