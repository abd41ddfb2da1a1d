//! From any bytes of a client whose handshake is over to what it is answered.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz nbd_transmission` from the repository's root.
#![no_main]
#![allow(dead_code, reason = "the modules are those of the protocol's tests, which use all of them")]

mod client_words {
    /// What the tests' clients send where it does not matter.
    pub(crate) const PAYLOAD: u8 = 0x77;
}
#[path = "../../../crates/nbd-proto/tests/protocol/embedder.rs"]
mod embedder;
#[path = "../../../crates/nbd-proto/tests/protocol/survival.rs"]
mod survival;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| survival::survives_in_transmission(bytes));
