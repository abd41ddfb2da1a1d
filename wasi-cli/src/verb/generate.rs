//! `generate`: what an installer wants, made from the definitions the program itself runs on.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use virstor_inspect::document::{
    change, check, collect, ctl, dump, export, info, map, overlay, repair, report, serve, status, undo,
};

use crate::args::{Args, Generate, GenerateArgs};
use crate::failure::{Failure, Status, host_reason};
use crate::output;

pub(crate) fn run(args: &GenerateArgs) -> Result<Status, Failure> {
    match &args.what {
        Generate::Man { folder } => man(folder)?,
        Generate::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "virstor", &mut script);
            output::with_stdout(|out| out.write_all(&script))?;
        }
        Generate::Schemas { folder } => schemas(folder)?,
    }
    Ok(Status::Fine)
}

fn man(folder: &Path) -> Result<(), Failure> {
    make(folder)?;
    clap_mangen::generate_to(Args::command().disable_help_subcommand(true), folder)
        .map_err(|error| Failure::Operation(format!("{}: {}", folder.display(), host_reason(&error))))
}

/// One schema for each verb and each form of its `--json`.
fn schemas(folder: &Path) -> Result<(), Failure> {
    make(folder)?;
    let schemas = [
        ("info", schemars::schema_for!(info::Info)),
        ("dump", schemars::schema_for!(Vec<dump::Dump>)),
        ("status", schemars::schema_for!(status::Status)),
        ("label", schemars::schema_for!(change::Label)),
        ("add", schemars::schema_for!(change::Changed)),
        ("remove", schemars::schema_for!(change::Changed)),
        ("grow", schemars::schema_for!(change::Changed)),
        ("clear", schemars::schema_for!(change::Cleared)),
        ("compact", schemars::schema_for!(change::Compacted)),
        ("import", schemars::schema_for!(change::Imported)),
        ("rename", schemars::schema_for!(change::Renamed)),
        ("set", schemars::schema_for!(change::Renamed)),
        ("collect", schemars::schema_for!(collect::Collect)),
        ("backup-map", schemars::schema_for!(collect::Collect)),
        ("restore-map", schemars::schema_for!(collect::RestoreMap)),
        ("repair", schemars::schema_for!(repair::RepairDocument)),
        ("report", schemars::schema_for!(report::Report)),
        ("repair-plan", schemars::schema_for!(repair::SavedPlan)),
        ("undo", schemars::schema_for!(undo::Undo)),
        ("map", schemars::schema_for!(Vec<map::Extent>)),
        ("map-totals", schemars::schema_for!(map::Totals)),
        ("map-reverse", schemars::schema_for!(Vec<map::Owner>)),
        ("map-orphans", schemars::schema_for!(Vec<map::OrphanChunk>)),
        ("map-qemu", schemars::schema_for!(Vec<map::QemuExtent>)),
        ("check", schemars::schema_for!(check::Check)),
        ("export", schemars::schema_for!(export::Export)),
        ("compare", schemars::schema_for!(export::Compare)),
        ("serve", schemars::schema_for!(serve::Serve)),
        ("overlay-diff", schemars::schema_for!(overlay::OverlayDiff)),
        ("ctl", schemars::schema_for!(ctl::Ctl)),
        ("overlay", schemars::schema_for!(overlay::OverlayAfter)),
    ];
    for (name, schema) in schemas {
        let path = folder.join(format!("{name}.schema.json"));
        let text = serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n";
        let failed = |error| Failure::Operation(format!("{}: {}", path.display(), host_reason(&error)));
        fs::write(&path, text).map_err(failed)?;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::Operation(format!("{}: {}", folder.display(), host_reason(&error)));
    fs::create_dir_all(folder).map_err(failed)
}
