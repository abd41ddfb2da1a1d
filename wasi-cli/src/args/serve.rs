//! Arguments of the verbs around the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{Input, Missing, Output, value};
use crate::verb;

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
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Where to keep what is overwritten [default: virstor-undo-NAME-N.log]
    #[arg(long, value_name = "FILE", value_parser = value::new_file())]
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
    #[arg(long, value_name = "N", default_value = "64", value_parser = value::clients)]
    pub(crate) max_clients: usize,
    /// How long a client may take for its handshake
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = value::seconds)]
    pub(crate) handshake_timeout: Duration,
    /// Drop clients from which nothing was heard for so long [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = value::seconds)]
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
