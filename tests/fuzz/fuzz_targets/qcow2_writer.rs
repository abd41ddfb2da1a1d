//! From any bytes to a disk, to a qcow2 image of it, to the disk that a reader finds in the image.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz qcow2_writer` from the repository's root.
#![no_main]

#[path = "../../../crates/qcow2/tests/support/comes_back.rs"]
mod comes_back;
#[path = "../../../crates/qcow2/tests/support/reader.rs"]
mod reader;
#[allow(dead_code, reason = "its random disks are for the seeded tests")]
#[path = "../../../crates/qcow2/tests/support/specimen.rs"]
mod specimen;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    comes_back::comes_back(&specimen::Specimen::decode(bytes), "found by the fuzzer");
});
