//! Arguments of the verbs that mend and keep.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{Input, Output, value};

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
    #[arg(long, value_name = "PLAN", value_parser = value::new_file())]
    pub(crate) plan_out: Option<PathBuf>,
    /// Carry out exactly this saved plan
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["apply", "plan_out", "only", "lossy", "convert_endian"])]
    pub(crate) apply_plan: Option<PathBuf>,
    /// Only mend findings with these codes
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = value::code)]
    pub(crate) only: Vec<virstor::check::Code>,
    /// Also mend by giving something up for good; the plan says what
    #[arg(long)]
    pub(crate) lossy: bool,
    /// Make the map of a big-endian machine little-endian
    #[arg(long)]
    pub(crate) convert_endian: bool,
    /// Where to write the log that 'virstor undo' takes [default: virstor-undo-NAME-N.log]
    #[arg(long, value_name = "FILE", value_parser = value::new_file())]
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
    /// Replace OUT and OUT.part if they exist
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
    /// Where to; '-' is stdout, from which nothing is read back
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Replace OUT and OUT.part if they exist
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
    /// Write nothing, not even with --apply
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also give up what was written since to chunks that the backup does not know
    #[arg(long)]
    pub(crate) lossy: bool,
    /// Where the undo log goes [default: virstor-undo-NAME-N.log in the current folder]
    #[arg(long, value_name = "LOG", value_parser = value::new_file())]
    pub(crate) undo_log: Option<PathBuf>,
}
