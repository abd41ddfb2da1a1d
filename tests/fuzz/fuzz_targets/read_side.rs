//! From any bytes to a heap of files, through search, assembly, map, kernel and documents, to bytes read.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz read_side` from the repository's root.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| virstor_tests::read_side::check(bytes));
