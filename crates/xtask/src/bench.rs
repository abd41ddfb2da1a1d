//! The benchmark: the programs beside those that people use today, in one run on one machine. Whatever was made is
//! verified in every round, so that nothing wins by being wrong.

mod checking;
mod export;
mod import;
mod instructions;
mod machine;
mod measure;
mod opening;
mod peers;
mod scan;
mod serving;
mod volume;
mod write;

use crate::build::{self, Program};
use crate::process::which;
use crate::progress::{Steps, say};
use crate::workspace::Workspace;
use crate::{runtime, toolchain};
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use measure::Contender;
pub(crate) use measure::{RELAY, relay};
pub(crate) use write::{WRITES, writes};

/// How often everything is run, unless the user says otherwise.
const ROUNDS: usize = 5;

/// A folder in memory: there the figures are those of the programs, not of a disk.
const IN_MEMORY: &str = "/dev/shm";

/// What is measured, in this order.
const SUBJECTS: [Subject; 8] = [
    Subject {
        name: "export",
        what: "export beside its peers",
        report: |bench| export::report(bench).map(Some),
    },
    Subject {
        name: "import",
        what: "import beside its peers",
        report: |bench| import::report(bench).map(Some),
    },
    Subject {
        name: "write",
        what: "writing beside its peers",
        report: |bench| write::report(bench).map(Some),
    },
    Subject {
        name: "serve",
        what: "serving beside its peers",
        report: |bench| serving::report(bench).map(Some),
    },
    Subject { name: "open", what: "opening large volumes", report: |bench| opening::report(bench).map(Some) },
    Subject {
        name: "check",
        what: "checking large volumes",
        report: |bench| checking::report(bench).map(Some),
    },
    Subject { name: "scan", what: "passes over maps", report: |_| scan::report().map(Some) },
    Subject { name: "instructions", what: "counting instructions", report: |_| instructions::report() },
];

/// A part of the benchmark.
struct Subject {
    /// What `--only` calls it.
    name: &'static str,
    /// What the progress line says.
    what: &'static str,
    /// Its section of the report, where it can be measured here.
    report: fn(&Bench) -> Result<Option<String>>,
}

/// What is needed to run a subject.
struct Bench {
    workspace: Workspace,
    wasmtime: Option<PathBuf>,
    /// Where files are made; they do not outlive the run.
    folder: PathBuf,
    rounds: usize,
}

/// Builds the programs, measures them and their peers, and prints the report as it grows.
pub(crate) fn bench(args: &[OsString]) -> Result<()> {
    if matches!(args, [only] if only == "--instructions") {
        return instructions::report().map(|counts| counts.iter().for_each(|counts| say(counts)));
    }
    let options = Options::parse(args)?;
    let workspace = Workspace::ask_cargo()?;
    let wasmtime = runtime::wasmtime()?;
    if wasmtime.is_none() {
        say("not installed, so not measured: wasmtime");
    }
    let folder = options.folder(&workspace)?;
    let bench = Bench { workspace, wasmtime, folder, rounds: options.rounds };
    let measured = bench.measure(options.only.as_deref());
    fs::remove_dir_all(&bench.folder).with_context(|| format!("cannot remove {}", bench.folder.display()))?;
    let report = measured?;
    match options.out {
        Some(path) => fs::write(&path, &report).with_context(|| format!("cannot write {}", path.display())),
        None => Ok(()),
    }
}

/// What the figures are.
fn medians(rounds: usize) -> String {
    match rounds {
        1 => "One round, in which everybody runs once.".into(),
        _ => format!("Medians of {rounds} rounds, in each of which everybody runs once."),
    }
}

impl Bench {
    fn measure(&self, only: Option<&str>) -> Result<String> {
        let subjects = || SUBJECTS.iter().filter(|subject| only.is_none_or(|only| subject.name == only));
        let mut steps = Steps::new(1 + build::STEPS + subjects().count());
        steps.run("wasm targets", toolchain::ensure_targets)?;
        build::build_programs(&mut steps, &self.workspace)?;
        let programs = [which("qemu-img"), which("cp"), which("nbdcopy"), self.wasmtime.clone()];
        let programs: Vec<&Path> = programs.iter().filter_map(|program| program.as_deref()).collect();
        let mut report = Report::default();
        report.add(format!(
            "# Benchmark\n\n{}\n\n{}",
            medians(self.rounds),
            machine::describe(&self.folder, &programs)
        ));
        for subject in subjects() {
            if let Some(section) = steps.show(subject.what, || (subject.report)(self))? {
                report.add(section);
            }
        }
        report.add(format!("Load average at the end: {}\n", machine::load()));
        steps.finish("measured");
        Ok(report.0)
    }

    /// The program in all its forms, with these arguments.
    fn programs(&self, args: &[&str]) -> Vec<Contender> {
        let contender = |program: &Program| {
            let path = program.path(&self.workspace).into_os_string();
            let (name, mut words) = match (program, &self.wasmtime) {
                (Program::Native, _) => ("virstor", vec![path]),
                (_, None) => return None,
                (Program::Component, Some(wasmtime)) => ("virstor, component", in_wasmtime(wasmtime, path)),
                (Program::Module, Some(wasmtime)) => ("virstor, preview1", in_wasmtime(wasmtime, path)),
            };
            words.extend(args.iter().map(OsString::from));
            Some(Contender { name: name.into(), words })
        };
        Program::ALL.iter().filter_map(contender).collect()
    }

    /// Removes all files, so that the next subject has the room.
    fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

/// Removes what an earlier run made.
fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn in_wasmtime(wasmtime: &Path, program: OsString) -> Vec<OsString> {
    let words = [wasmtime.as_os_str(), OsStr::new("run"), OsStr::new("--dir"), OsStr::new(".")];
    words.into_iter().map(OsStr::to_owned).chain([program]).collect()
}

/// What was found out so far, printed as it comes.
#[derive(Default)]
struct Report(String);

impl Report {
    fn add(&mut self, section: String) {
        say(&section);
        self.0 += &section;
        self.0 += "\n";
    }
}

/// What the user asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    rounds: usize,
    dir: Option<PathBuf>,
    out: Option<PathBuf>,
    /// The name of the one subject that is wanted.
    only: Option<String>,
}

impl Options {
    fn parse(args: &[OsString]) -> Result<Options> {
        let mut options = Options { rounds: ROUNDS, ..Options::default() };
        for pair in args.chunks(2) {
            match pair {
                [name, value] if name == "--rounds" => {
                    let rounds = value.to_str().and_then(|value| value.parse().ok());
                    options.rounds = rounds
                        .filter(|rounds| *rounds > 0)
                        .with_context(|| format!("{} is no number of rounds", value.display()))?;
                }
                [name, value] if name == "--dir" => options.dir = Some(value.into()),
                [name, value] if name == "--out" => options.out = Some(value.into()),
                [name, value] if name == "--only" => {
                    let subject = SUBJECTS.iter().find(|subject| value == subject.name);
                    let names = SUBJECTS.map(|subject| subject.name).join(", ");
                    let subject =
                        subject.with_context(|| format!("{} is none of {names}", value.display()))?;
                    options.only = Some(subject.name.into());
                }
                _ => bail!(
                    "not understood; options: --rounds N, --dir DIR, --out FILE, --only SUBJECT; or --instructions"
                ),
            }
        }
        Ok(options)
    }

    /// Makes a new folder: where the user wants it, else in memory, else where Cargo builds.
    fn folder(&self, workspace: &Workspace) -> Result<PathBuf> {
        let parent = match &self.dir {
            Some(dir) => dir.clone(),
            None if Path::new(IN_MEMORY).is_dir() => PathBuf::from(IN_MEMORY),
            None => workspace.target(),
        };
        let folder = parent.join(format!("virstor-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(fs::canonicalize(folder)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        Options::parse(&text.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn one_round_has_no_median() {
        assert_eq!(medians(1), "One round, in which everybody runs once.");
        assert_eq!(medians(5), "Medians of 5 rounds, in each of which everybody runs once.");
    }

    #[test]
    fn options_come_in_any_order_and_may_be_left_out() {
        assert_eq!(parse("").unwrap(), Options { rounds: ROUNDS, ..Options::default() });
        assert_eq!(
            parse("--out o --rounds 2 --dir d --only serve").unwrap(),
            Options { rounds: 2, dir: Some("d".into()), out: Some("o".into()), only: Some("serve".into()) }
        );
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for text in ["--rounds", "--rounds 0", "--rounds many", "--fast yes", "--only cooking", "c0"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
