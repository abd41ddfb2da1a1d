//! The documents: what `--json` prints, and what the inspector shows.
//!
//! Field names are a contract with scripts: additions are welcome, renames are not. Sizes and offsets are in
//! bytes unless a field says otherwise.

pub mod change;
pub mod check;
pub mod collect;
pub mod ctl;
pub mod dump;
pub mod export;
pub mod info;
pub mod map;
pub mod overlay;
pub mod record;
pub mod repair;
pub mod report;
pub mod serve;
pub mod status;
pub mod undo;

/// Derives what every part of a document needs.
macro_rules! document {
    ($($item:item)*) => {
        $(
            #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            $item
        )*
    };
}
pub(crate) use document;
