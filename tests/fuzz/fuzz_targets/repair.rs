//! From any bytes to a heap of files, through check and repair, to another check.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz repair` from the repository's root.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| virstor_tests::repair_side::check(bytes));
