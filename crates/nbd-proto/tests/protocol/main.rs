//! The protocol, as conversations between a client and a server of four exports.
#![expect(clippy::cast_possible_truncation, reason = "tests choose numbers that fit")]

mod arbitrary;
mod client_words;
mod embedder;
mod limits;
mod replies;
mod server_words;
mod survival;
mod transcripts;
