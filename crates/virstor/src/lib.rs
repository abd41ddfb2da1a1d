//! The engine: FreeBSD GEOM *virstor* volumes as values.
#![no_std]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

extern crate alloc;

pub mod io;
