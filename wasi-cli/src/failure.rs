//! Exit status and the errors that lead to it.

use std::fmt;
use std::process::ExitCode;

use crate::output;

/// How the program ends, in the numbers of fsck(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// All is well.
    Fine = 0,
    /// There was damage, and it was mended.
    Repaired = 1,
    /// There is damage: found, or left.
    Damage = 4,
    /// The operation failed: input, output, space, or it was refused.
    Failed = 8,
    /// The command line makes no sense.
    Usage = 16,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Why a verb did not do what was asked, in one line.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments are wrong.
    Usage(String),
    /// What they ask for did not work, or is refused.
    Operation(String),
    /// There is nothing to work on, or too much of it is gone.
    Damage(String),
    /// Whoever read our output has seen enough.
    ReaderGone,
}

impl Failure {
    /// The status the program ends with.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Usage(_) => Status::Usage,
            Self::Operation(_) => Status::Failed,
            Self::Damage(_) => Status::Damage,
            Self::ReaderGone => Status::Fine,
        }
    }

    /// What clap has to say: help goes to stdout, everything else becomes one line.
    pub(crate) fn from_clap(error: &clap::Error) -> Result<Status, Self> {
        if !error.use_stderr() {
            output::print(&error.render().to_string())?;
            return Ok(Status::Fine);
        }
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.trim_start_matches("error: ").trim_end_matches(':').to_string();
        Err(Self::Usage(
            if line.is_empty()
                || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            {
                match verb_of(&text) {
                    Some(verb) => {
                        format!("{verb}: not said what to do; 'virstor help {verb}' lists what there is")
                    }
                    None => "no verb given; 'virstor help' lists them".into(),
                }
            } else {
                format!("{line}; see 'virstor help'")
            },
        ))
    }
}

/// The verb that a help text of clap's is about: the second word of its usage, unless that stands for any.
fn verb_of(help: &str) -> Option<&str> {
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: "))?;
    usage.split_whitespace().nth(1).filter(|word| !word.starts_with(['<', '[']))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(line) | Self::Operation(line) | Self::Damage(line) => f.write_str(line),
            Self::ReaderGone => Ok(()),
        }
    }
}

/// An error of the host, for people: lower case, without Rust's "(os error 2)".
pub(crate) fn host_reason(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::IsADirectory {
        return "is a folder".into();
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
