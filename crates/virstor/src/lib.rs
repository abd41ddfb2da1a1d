//! The engine: FreeBSD GEOM *virstor* volumes as values.
#![no_std]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

extern crate alloc;

pub mod assemble;
pub mod block;
pub mod change;
pub mod check;
pub mod counted;
pub mod edit;
pub mod format;
pub mod geometry;
pub mod io;
pub mod kernel;
pub mod label;
pub mod locate;
pub mod map;
pub mod ordered;
pub mod overlay;
pub mod patch;
pub mod plan;
pub mod repair;
pub mod specimen;
pub mod taste;
pub mod undo;
pub mod write;
