//! From any bytes to sessions and verbs on a set, beside a vector of bytes.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz sequence` from the repository's root.
#![no_main]
#![allow(dead_code, unused_imports, reason = "shared with the tests of writing, of which this is one")]

#[path = "../../../crates/virstor/tests/write/changes.rs"]
mod changes;
#[path = "../../../crates/virstor/tests/write/log.rs"]
mod log;
#[path = "../../../crates/virstor/tests/write/members.rs"]
mod members;
#[path = "../../../crates/virstor/tests/write/model.rs"]
mod model;
#[path = "../../../crates/virstor/tests/write/on_disk.rs"]
mod on_disk;
#[path = "../../../crates/virstor/tests/write/power.rs"]
mod power;
#[path = "../../../crates/virstor/tests/write/sequence.rs"]
mod sequence;
#[path = "../../../crates/virstor/tests/write/set.rs"]
mod set;
#[path = "../../../crates/virstor/tests/check/support.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sequence::check(bytes));
