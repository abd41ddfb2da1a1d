//! The engine in a browser's worker.
//!
//! A [`Session`](session::Session) is handed files, looks through them with `virstor-inspect`, and answers: documents
//! (those of the program's `--json`), pictures of the map as typed arrays, bytes at any offset, plans of exports.
//! Everything is synchronous: a file is read by `FileReaderSync`, which only a worker has.
//!
//! ```text
//! File -> source (FileReaderSync) -> cache (blocks) -> heap, volumes -> session -> typed arrays, documents
//! ```
//!
//! Offsets and sizes are `BigInt` in JavaScript, numbers of chunks too; what has 32 bits or less is a `Number`.
//! A refusal is thrown as a document with a `code` ([`error::Refusal`]).

pub mod cache;
pub mod digest;
pub mod error;
pub mod image;
pub mod repair;
pub mod search;
pub mod session;
pub mod source;

mod document;

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once, when the module is instantiated: a panic says where it was, in the browser's console.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}
