//! `ctl`: asks a running server.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::args::{CtlAction, CtlArgs};
use crate::failure::{Failure, Status};
use crate::output;
use crate::size::human;
use crate::verb::serve::control::ask;

/// How long the server may take: a component is written to and made durable.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &CtlArgs) -> Result<Status, Failure> {
    let (action, common, files) = match &args.action {
        CtlAction::Status(common) => ("status", common, &[][..]),
        CtlAction::Add(with) => ("add", &with.common, &with.files[..]),
        CtlAction::Remove(with) => ("remove", &with.common, &with.files[..]),
        CtlAction::Stop(common) => ("stop", common, &[][..]),
    };
    let status = ask(&common.control, &json!({ "action": action, "files": files }), PATIENCE)?;
    if common.output.json {
        output::print_json(&status)?;
    } else if !common.output.quiet {
        output::print(&text(action, &status))?;
    }
    Ok(Status::Fine)
}

fn text(action: &str, status: &Value) -> String {
    let number = |field: &str| status[field].as_u64().unwrap_or(0);
    let name = status["volume"].as_str().unwrap_or_default();
    let size = human(number("virtual_size"));
    let mut text = format!("volume {name} (id {}), {size}", number("id"));
    text.push_str(if action == "stop" { ": the server ends\n" } else { "\n" });
    // Writing to a string cannot fail, here and below.
    _ = writeln!(text, "  clients: {}, of which {} wait for room", number("clients"), number("waiting"));
    if let Some(free) = status["free_chunks"].as_u64() {
        _ = writeln!(text, "  free chunks: {free}");
    }
    for component in status["components"].as_array().into_iter().flatten() {
        let (index, file) = (&component["index"], component["file"].as_str().unwrap_or_default());
        let size = human(component["size"].as_u64().unwrap_or(0));
        _ = writeln!(text, "  component {index}: {file}, {size}");
    }
    text
}
