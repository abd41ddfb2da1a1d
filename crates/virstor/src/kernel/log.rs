//! What the class prints.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt;

use crate::format::MapEntry;

/// `LVL_*` of `g_virstor.h`, those that tasting uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Printed always.
    Announce,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// News.
    Info,
    /// Steps.
    Debug,
}

impl Level {
    /// The number that `kern.geom.virstor.debug` is compared with.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Announce => 0,
            Self::Error => 1,
            Self::Warning => 2,
            Self::Info => 5,
            Self::Debug => 10,
        }
    }
}

/// A line on the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// From which debug level on it is printed.
    pub level: Level,
    /// The line without its prefix.
    pub text: String,
    panic: bool,
}

impl LogLine {
    pub(super) fn new(level: Level, text: String) -> Self {
        Self { level, text, panic: false }
    }

    pub(super) fn panic(message: &str) -> Self {
        Self { level: Level::Announce, text: message.into(), panic: true }
    }
}

/// The line as the console shows it.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.panic {
            write!(f, "PANIC {}", self.text)
        } else {
            write!(f, "GEOM_VIRSTOR[{}]: {}", self.level.number(), self.text)
        }
    }
}

pub(super) fn stale_components(device: &str) -> String {
    format!(
        "Some stale or invalid components exist for virstor device named {device}. You will need to <CLEAR> \
         all stale components and maybe reconfigure the virstor device. Tune kern.geom.virstor.debug sysctl \
         up for more information."
    )
}

pub(super) fn map_error(device: &str, provider: &str, offset: u64, errno: u32) -> String {
    format!("Error reading allocation map for {device} from {provider} (offset {offset}) (error {errno})")
}

pub(super) fn invalid_entry(
    device: &str,
    at: u64,
    entry: MapEntry,
    component_count: u16,
    chunk_count: u32,
) -> Vec<String> {
    let function = "virstor_check_and_run";
    let (provider_no, provider_chunk) = (entry.component, entry.chunk.0);
    vec![
        format!("{function}: Invalid entry {at} in map for {device}"),
        format!(
            "{function}: provider_no: {provider_no}, n_components: {component_count} provider_chunk: \
             {provider_chunk}, chunk_count: {chunk_count}"
        ),
    ]
}
