//! The `virstor` program: the engine on files, natively and as a WASI program.

mod args;
mod assume;
mod bad;
mod change;
mod contents;
mod disk;
mod failure;
mod heap;
mod identity;
mod new_file;
mod output;
mod overlay;
mod picture;
mod progress;
mod range;
mod size;
mod target;
mod verb;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Verb};
use crate::failure::{Failure, Status};

fn main() -> ExitCode {
    let outcome = match Args::try_parse() {
        Ok(args) => run(&args),
        Err(error) => Failure::from_clap(&error),
    };
    let status = outcome.unwrap_or_else(|failure| {
        output::complain(&failure.to_string());
        failure.status()
    });
    leave(status)
}

/// Ends with `status`, in every runtime.
#[cfg(not(all(target_os = "wasi", target_env = "p2")))]
fn leave(status: Status) -> ExitCode {
    status.into()
}

/// Ends with `status`. What std calls in a component knows only "fine" and "not fine", so the call that knows
/// numbers is made instead. Everything was flushed before.
#[cfg(all(target_os = "wasi", target_env = "p2"))]
fn leave(status: Status) -> ExitCode {
    if status != Status::Fine {
        wasi::cli::exit::exit_with_code(status as u8);
    }
    status.into()
}

/// Performs the verb: the program without its process.
fn run(args: &Args) -> Result<Status, Failure> {
    match &args.verb {
        Verb::Info(info) => verb::info::run(info),
        Verb::Dump(dump) => verb::dump::run(dump),
        Verb::Status(status) => verb::status::run(status),
        Verb::Map(map) => verb::map::run(map),
        Verb::Check(check) => verb::check::run(check),
        Verb::Export(export) => verb::export::run(export),
        Verb::Compare(compare) => verb::compare::run(compare),
        Verb::Label(label) => verb::label::run(label),
        Verb::Add(add) => verb::add::run(add),
        Verb::Remove(remove) => verb::remove::run(remove),
        Verb::Clear(clear) => verb::clear::run(clear),
        Verb::Grow(grow) => verb::grow::run(grow),
        Verb::Compact(compact) => verb::compact::run(compact),
        Verb::Import(import) => verb::import::run(import),
        Verb::Rename(rename) => verb::rename::run(rename),
        Verb::Set(set) => verb::set::run(set),
        Verb::Collect(collect) => verb::collect::run(collect),
        Verb::BackupMap(backup) => verb::backup_map::run(backup),
        Verb::RestoreMap(restore) => verb::restore_map::run(restore),
        Verb::Repair(repair) => verb::repair::run(repair),
        Verb::Report(report) => verb::report::run(report),
        Verb::Undo(undo) => verb::undo::run(undo),
        Verb::Overlay(overlay) => verb::overlay::run(overlay),
        Verb::Serve(serve) => verb::serve::run(serve),
        Verb::Ctl(ctl) => verb::ctl::run(ctl),
        #[cfg(not(target_family = "wasm"))]
        Verb::Generate(generate) => verb::generate::run(generate),
    }
}
