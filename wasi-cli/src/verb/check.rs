//! `check`: what is wrong, grouped by what can be done about it.

use std::fmt::Write;

use virstor_inspect::document::check::{Check, FindingInfo, worth_checking};

use crate::args::CheckArgs;
use crate::failure::{Failure, Status};
use crate::progress::of_stages;
use crate::{heap, output, picture};

pub(crate) fn run(args: &CheckArgs) -> Result<Status, Failure> {
    let heap = heap::search(&args.input, args.output)?;
    let all = args.input.volume.is_none();
    let chosen = match heap::choose(&heap, &args.input) {
        Ok(_) if all => Ok(worth_checking(&heap)),
        other => other,
    };
    let numbers = chosen.as_deref().unwrap_or_default();
    if args.deep {
        numbers.iter().try_for_each(|number| heap::refuse_specimen(&heap, *number, "check --deep"))?;
    }
    let check = Check::with_data(&heap, numbers, all, args.deep, &mut of_stages(args.output));
    if args.output.json {
        output::print_json(&check)?;
    } else if chosen.is_ok() || !check.findings.is_empty() {
        output::print(&text(&check))?;
        if args.picture {
            numbers.iter().try_for_each(|number| picture::print(&heap, *number))?;
        }
    }
    chosen?;
    if heap::unreadable(&heap) {
        heap::note_strangers(&heap, args.output);
        return Ok(Status::Failed);
    }
    Ok(if check.verdict == "clean" { Status::Fine } else { Status::Damage })
}

/// Whether a finding is of a group.
type Belongs = fn(&FindingInfo) -> bool;

/// What can be done about findings, in the order in which it is said.
const GROUPS: [(&str, Belongs); 4] = [
    ("can be mended without losing anything ('virstor repair')", |finding| {
        above_notice(finding) && finding.repair == "safe"
    }),
    ("can be mended by giving something up ('virstor repair --lossy')", |finding| {
        above_notice(finding) && finding.repair == "lossy"
    }),
    ("needs somebody's decision, or is past mending; save what can be read ('virstor export')", |finding| {
        above_notice(finding) && finding.repair == "none"
    }),
    ("worth knowing", |finding| !above_notice(finding)),
];

fn above_notice(finding: &FindingInfo) -> bool {
    finding.severity != "notice"
}

/// What is left without component 0.
const WITHOUT_MAP: &str =
    "Without the map nothing can be exported; 'virstor map --orphans' lists the chunks that hold data.";

fn text(check: &Check) -> String {
    let mut text = String::new();
    for (number, volume) in check.volumes.iter().enumerate() {
        let name = if volume.name.is_empty() { "(without a name)" } else { &volume.name };
        // Writing to a string cannot fail, here and below.
        _ = writeln!(text, "volume {name} (id {}): {}", volume.id, volume.verdict);
        text.push_str(&findings(check, Some(number)));
    }
    let strays = findings(check, None);
    if !strays.is_empty() {
        text.push_str("records that belong to no volume\n");
        text.push_str(&strays);
    }
    text
}

fn findings(check: &Check, volume: Option<usize>) -> String {
    let mut text = String::new();
    for (heading, belongs) in GROUPS {
        let group: Vec<&FindingInfo> =
            check.findings.iter().filter(|finding| finding.volume == volume && belongs(finding)).collect();
        if !group.is_empty() {
            _ = writeln!(text, "\n  {heading}:");
        }
        for finding in group {
            let hazard = finding.hazard.as_ref().map_or_else(String::new, |hazard| format!(", {hazard}"));
            let (severity, message, code) = (finding.severity, &finding.message, finding.code);
            _ = writeln!(text, "  - {severity}: {message} [{code}{hazard}]");
            _ = writeln!(text, "    {}", finding.freebsd);
            if finding.code == "component-missing" && finding.component == Some(0) {
                _ = writeln!(text, "    {WITHOUT_MAP}");
            }
        }
    }
    for more in check.unlisted.iter().filter(|more| more.volume == volume) {
        _ = writeln!(text, "\n  and {} more of {}", more.count, more.code);
    }
    text
}
