//! `overlay`: what an overlay holds, and what became of it.

use super::document;

document! {
    /// What `overlay diff` shows.
    pub struct OverlayDiff {
        /// The volume.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// Whether a commit was begun and not finished.
        pub committing: bool,
        /// How many bytes it holds, in whole blocks of 4096.
        pub bytes: u64,
        /// Where they belong, in order.
        pub changes: Vec<OverlayChange>,
    }

    /// A stretch of a component that was written to.
    pub struct OverlayChange {
        /// The component.
        pub component: u16,
        /// The first byte on it.
        pub offset: u64,
        /// How many bytes.
        pub length: u64,
        /// Whether they are zero and take no room in the overlay.
        pub zero: bool,
        /// `map`, `record` or `chunks`: what the stretch begins in, or for a record ends in.
        pub part: &'static str,
    }

    /// What `overlay commit` and `overlay drop` did.
    pub struct OverlayAfter {
        /// `committed` or `dropped`.
        pub outcome: &'static str,
        /// How many bytes it held.
        pub bytes: u64,
        /// Whether it was only asked, and nothing done.
        pub dry_run: bool,
    }
}
