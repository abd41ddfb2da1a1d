//! Findings: what is wrong with a set, how bad that is, and whether it can be mended.

use super::{Code, Fault};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Notice,
    /// A trap: nothing is lost yet, but FreeBSD would lose something.
    Warning,
    /// Something is wrong or lost now.
    Error,
    /// FreeBSD does not start the volume, or stops itself.
    Fatal,
}

/// What a repair of a finding costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// Not a byte of the virtual device that can be read now is given up.
    Safe,
    /// Something is given up for good.
    Lossy,
    /// There is none, or none without somebody's choice.
    None,
}

/// A finding: what is wrong, and whether it can be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// What mending it costs.
    pub repair: Repair,
}

impl Finding {
    /// The name of the kind of finding.
    #[must_use]
    pub fn code(&self) -> Code {
        self.fault.code()
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.fault.severity()
    }
}
