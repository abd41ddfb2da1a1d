//! `collect`, `backup-map` and `restore-map`: what went into a specimen, and what came back out of one.

use super::document;
use crate::collect::Collected;

document! {
    /// A specimen that was made.
    pub struct Collect {
        /// Where; `-` is stdout.
        pub output: String,
        /// Files it stands for.
        pub files: u64,
        /// What these have in all, in bytes.
        pub described: u64,
        /// Map entries in it, those that are zero included.
        pub entries: u64,
        /// Map entries that could not be read and are not in it.
        pub unreadable: u64,
        /// Its own length in bytes.
        pub size: u64,
    }

    /// What a backup of records and map changes in a set.
    pub struct RestoreMap {
        /// Name of the volume.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// Whether it was done, or would only be.
        pub applied: bool,
        /// The log that puts every byte back.
        pub undo_log: Option<String>,
        /// The components that were found.
        pub components: Vec<RestoredComponent>,
        /// Numbers of components in the backup for which nothing was found.
        pub not_found: Vec<u16>,
        /// Map entries that change.
        pub entries_changed: u64,
        /// Of these, entries that name a chunk now which the backup does not give them.
        pub entries_dropped: u64,
        /// Entries that are not in the backup and stay.
        pub entries_unknown: u64,
    }

    /// A component of a backup that was found.
    pub struct RestoredComponent {
        /// Its number.
        pub index: u16,
        /// The file.
        pub file: String,
        /// Its first byte in the file.
        pub start: u64,
        /// Whether its record changes.
        pub record_changes: bool,
    }
}

impl Collect {
    /// The document about a specimen that went to `output`.
    #[must_use]
    pub fn new(output: String, collected: &Collected) -> Self {
        let Collected { files, described, entries, unreadable, len } = *collected;
        Self { output, files, described, entries, unreadable, size: len }
    }
}
