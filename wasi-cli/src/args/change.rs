//! Arguments of the verbs that make and change volumes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::{ChangeArgs, Input, Output, value};
use crate::size;

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
    #[arg(long, value_name = "N", value_parser = value::number)]
    pub(crate) id: Option<u32>,
    /// Sector size of the disks in bytes
    #[arg(long, value_name = "N", default_value = "512", value_parser = value::sector_size)]
    pub(crate) sector_size: u32,
    /// Chunks are a multiple of this: 1M on FreeBSD 13 and later, 128K before
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = value::maxphys)]
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
