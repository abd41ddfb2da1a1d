//! `undo`: what was put back.

use super::document;

document! {
    /// What an undo log put back, or would.
    pub struct Undo {
        /// What is undone ("repair").
        pub verb: String,
        /// The volume.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// Whether what is undone had been done to its end.
        pub complete: bool,
        /// Whether nothing was written.
        pub dry_run: bool,
        /// The files.
        pub files: Vec<RestoredFile>,
    }

    /// A file of the log.
    pub struct RestoredFile {
        /// What it is called now.
        pub file: String,
        /// Where in it the component begins.
        pub start: u64,
        /// How many places in it are put back.
        pub places: u64,
        /// How many bytes these have.
        pub bytes: u64,
    }
}
