//! What the figures were measured on: without it they mean nothing.

use crate::process::{cargo, output_of, which};
use std::fs;
use std::path::Path;
use std::process::Command;

/// One line per fact, as a Markdown list.
pub(crate) fn describe(folder: &Path, programs: &[&Path]) -> String {
    let mut facts = vec![
        format!("processor: {} x {}", cores(), processor()),
        format!("system: {}", first_line(Command::new("uname").args(["-srm"]))),
        format!("memory: {}", memory()),
        format!("files on: {}", file_system(folder)),
        format!("virstor at commit: {}", commit()),
    ];
    let version = |program: &Path| first_line(Command::new(program).arg("--version"));
    facts.extend(programs.iter().map(|program| version(program)));
    facts.push(format!("load average: {}", load()));
    facts.iter().map(|fact| format!("- {fact}\n")).collect()
}

/// The load of the last one, five and fifteen minutes: who else was at work.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let numbers: Vec<&str> = text.split(' ').take(3).collect();
    if numbers.len() == 3 { numbers.join(" ") } else { "unknown".into() }
}

fn cores() -> String {
    std::thread::available_parallelism().map_or_else(|_| "?".into(), |cores| cores.to_string())
}

fn processor() -> String {
    field_of("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into())
}

fn memory() -> String {
    field_of("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".into())
}

fn file_system(folder: &Path) -> String {
    match which("stat") {
        Some(stat) => first_line(Command::new(stat).args(["--file-system", "--format=%T"]).arg(folder)),
        None => "unknown".into(),
    }
}

fn commit() -> String {
    let root = cargo(["--version"]);
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]);
    if let Some(folder) = root.get_current_dir() {
        git.current_dir(folder);
    }
    first_line(&mut git)
}

/// The value behind `name` in a file of lines like `name : value`.
fn field_of(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_line(command: &mut Command) -> String {
    let output = output_of(command).unwrap_or_default();
    output.lines().next().map_or_else(|| "unknown".into(), |line| line.trim().to_owned())
}
