//! Arguments of the verbs that only look.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::{Input, Output, value};
use crate::range::{self, RangeSpec};

/// Arguments of `info`.
#[derive(Debug, ClapArgs)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) output: Output,
    /// Print what FreeBSD would log while tasting, at this debug level, and nothing else
    #[arg(
        long,
        value_name = "LEVEL",
        conflicts_with = "json",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = value::number,
    )]
    pub(crate) kernel_log: Option<u32>,
    /// kern.geom.virstor.chunk_watermark of the FreeBSD that is asked
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value::number)]
    pub(crate) chunk_watermark: u32,
    /// kern.geom.virstor.component_watermark of the FreeBSD that is asked
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value::number)]
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
    #[arg(long, value_name = "N", requires = "ddrescue", value_parser = value::component)]
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
    /// Replace OUT and OUT.part if they exist
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
    /// Only this part of the volume: START-END, START+LENGTH or START-; RAW is of the whole volume, so START is an
    /// offset of it as well
    #[arg(long, value_name = "RANGE", value_parser = range::parse)]
    pub(crate) range: Option<RangeSpec>,
}
