//! The server side of the NBD protocol, as a state machine that eats and yields bytes.
//!
//! The crate knows nothing of sockets, threads, files or clocks, nor of what is behind an export. A driver
//! moves bytes; an embedder carries out requests; both may be one loop:
//!
//! ```text
//!           bytes            bytes                        Event::Request
//!   client -------> driver -------> Connection::receive ------------------> embedder
//!          <-------        <------- one Output <---------------------------
//!                                                 Ticket::done, ReadTicket::reply, ...
//! ```
//!
//! A [`Server`] holds the exports; a [`Connection`] is one client. [`Connection::receive`] takes the client's
//! bytes and gives [`Event`]s. A [`Request`] in one of them is in order: what the protocol forbids has been
//! answered before. It carries a ticket, which is used up by answering it:
//!
//! ```
//! use std::sync::Arc;
//! use nbd_proto::{Connection, Event, Export, Output, Request, Server};
//!
//! /// Serves `disk` to a client that said `input`; gives what to answer.
//! fn serve(disk: &[u8], mut input: &[u8]) -> Output {
//!     let server = Server::new(vec![Export::new("disk", disk.len() as u64)]).expect("a plain export");
//!     let mut out = Output::new();
//!     let mut connection = Connection::new(Arc::new(server), &mut out);
//!     loop {
//!         let received = connection.receive(input, &mut out);
//!         input = &input[received.consumed..];
//!         match received.event {
//!             Event::Request(Request::Read { offset, len, ticket }) => {
//!                 let start = usize::try_from(offset).expect("it is within the export");
//!                 let mut reply = ticket.reply(&mut out);
//!                 reply.data(len as usize).copy_from_slice(&disk[start..][..len as usize]);
//!                 reply.finish();
//!             }
//!             Event::Request(_) => unreachable!("a plain export can only be read"),
//!             Event::Handled | Event::Chosen { .. } => {}
//!             Event::NeedInput | Event::Busy | Event::Close(_) => return out,
//!         }
//!     }
//! }
//! # assert_eq!(&serve(&[0; 512], &[])[..8], b"NBDMAGIC");
//! ```
//!
//! # What is spoken
//!
//! Fixed newstyle, without TLS; every option of the document but `NBD_OPT_STARTTLS`, which is refused; every
//! command but `NBD_CMD_RESIZE`, an experiment; simple and structured replies, and
//! [on request](Server::with_extended_headers) the extended headers of the branch `extension-ext-header`.
//! Oldstyle negotiation is not spoken.
//!
//! Words in quotes in this documentation are headings or sentences of
//! [the protocol document](https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md).
//!
//! # What a client can make this crate do
//!
//! Nothing a client sends makes it panic. The memory it holds for a client is bounded: nothing during the
//! handshake but a list of up to 64 contexts, and afterwards the payload of one write, whose room grows with
//! what has been received, up to [`Limits::max_payload`]. One call of [`Connection::receive`] appends at most
//! the answer to one message: a listing of all exports, or one error. What has surfaced is bounded by
//! [`Limits`] and then reported as [`Event::Busy`]. Time is the driver's affair: a client that is silent in
//! its handshake should be dropped after a while.
#![no_std]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

extern crate alloc;

mod connection;
mod errors;
mod handshake;
mod in_flight;
mod judgement;
mod meta_context;
mod options;
mod output;
mod read_reply;
mod reply;
mod request;
mod server;
mod status_reply;
mod transmission;
mod wire;

pub use connection::{Connection, Event, LONGEST_MESSAGE, Received};
pub use errors::{Close, ConfigError, Errno};
pub use output::Output;
pub use read_reply::{ReadReply, ReadTicket};
pub use reply::Ticket;
pub use request::Request;
pub use server::{BlockSizes, Export, Features, Limits, Server};
pub use status_reply::{MAX_EXTENTS, StatusReply, StatusTicket, allocation};
