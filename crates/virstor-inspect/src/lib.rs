//! From a heap of files to volumes, and the documents that say what was found.
//!
//! The program and the web inspector differ in how they get at bytes; what they show comes from here, so
//! that it is the same everywhere. Like the engine this opens nothing: files come in as
//! [`ReadAt`](virstor::io::ReadAt).
//!
//! ```text
//! InputFile -> partitions, locate -> candidates -> assemble -> volumes -> map scan, kernel -> documents
//! ```
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod assume;
pub mod collect;
pub mod ddrescue;
pub mod document;
pub mod heap;
pub mod picture;
pub mod repair;
pub mod restore;
pub mod size;
pub mod source;
mod words;

pub use heap::{Heap, InputFile, Options, Stage};
