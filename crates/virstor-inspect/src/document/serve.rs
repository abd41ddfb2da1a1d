//! `serve`: where, and what.

use super::document;

document! {
    /// A server that has begun to listen.
    pub struct Serve {
        /// Where: NBD URIs of the volume, with the ports that were really bound.
        pub listening: Vec<String>,
        /// What, the default export first.
        pub exports: Vec<ServedExport>,
    }

    /// A disk that clients may choose.
    pub struct ServedExport {
        /// Its name.
        pub name: String,
        /// What it is, for people.
        pub description: String,
        /// Its size in bytes.
        pub size: u64,
    }
}
