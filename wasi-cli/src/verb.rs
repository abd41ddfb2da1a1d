//! The verbs, one module each.

pub(crate) mod add;
pub(crate) mod backup_map;
pub(crate) mod check;
pub(crate) mod clear;
pub(crate) mod collect;
pub(crate) mod compact;
pub(crate) mod compare;
pub(crate) mod ctl;
pub(crate) mod dump;
pub(crate) mod export;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod generate;
pub(crate) mod grow;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod label;
pub(crate) mod map;
pub(crate) mod overlay;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod restore_map;
pub(crate) mod serve;
pub(crate) mod set;
pub(crate) mod status;
pub(crate) mod undo;

/// How much of a map is kept in memory while a volume is read, in bytes: all of it for volumes of up to 4 TiB in
/// chunks of 4 MiB. These verbs go through a map from front to back, where more would bring nothing.
pub(crate) const MAP_MEMORY: u64 = 8 << 20;
