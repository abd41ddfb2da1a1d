//! One client, from its first byte to its last.

use alloc::sync::Arc;

use crate::errors::Close;
use crate::handshake::{self, Handshake, MAX_OPTION_DATA};
use crate::in_flight::InFlight;
use crate::judgement::Terms;
use crate::output::Output;
use crate::request::Request;
use crate::server::Server;
use crate::transmission::{self, Transmission};
use crate::wire::OptionHeader;

/// The longest message that is taken whole, in bytes: an input buffer must have room for it. (What is longer,
/// a write, is taken in pieces.)
pub const LONGEST_MESSAGE: usize = size_of::<OptionHeader>() + MAX_OPTION_DATA;

/// The server's end of one connection.
///
/// It owns no buffer but that of a write which is being received. The driver
///
/// - sends what [`new`](Self::new), [`receive`](Self::receive) and answered tickets append to an output
///   buffer, in the order it was appended, as a whole (a reply that is sent in two pieces may wait for an
///   acknowledgement between them);
/// - hands what comes from the client to [`receive`](Self::receive), which says how much of it was used and
///   what to do next;
/// - carries out the [`Request`]s that come of it and answers their tickets, in any order;
/// - after [`Event::Close`], answers the tickets that are left, sends everything, and closes.
///
/// A client that vanishes needs no words: drop it all.
#[derive(Debug)]
pub struct Connection {
    server: Arc<Server>,
    phase: Phase,
    in_flight: Arc<InFlight>,
    shutting_down: bool,
}

#[derive(Debug)]
enum Phase {
    Handshake(Handshake),
    Transmission(Transmission),
    Closed(Close),
}

/// What one call of [`Connection::receive`] came to.
#[derive(Debug)]
#[must_use]
pub struct Received {
    /// How many bytes of the input were used up. The rest is to be given again, followed by what comes.
    pub consumed: usize,
    /// What to do next.
    pub event: Event,
}

/// What to do next.
#[derive(Debug)]
#[must_use]
pub enum Event {
    /// Read more from the client: what is left of the input is less than a message.
    NeedInput,
    /// Answer some ticket before calling again: as much is in flight as [`Limits`](crate::Limits) allow.
    Busy,
    /// Call again: a message was dealt with here, and there may be another one in the input. This is the
    /// moment to send the output if it has grown large.
    Handled,
    /// The client chose the export of this index, and will send requests now.
    Chosen {
        /// Index into [`Server::exports`].
        export: usize,
    },
    /// Carry this out and answer it.
    Request(Request),
    /// Read no more; send the output once the tickets in flight have been answered; close.
    Close(Close),
}

impl Connection {
    /// Begins a connection; its greeting is appended to `out`.
    #[must_use]
    pub fn new(server: Arc<Server>, out: &mut Output) -> Self {
        let phase = Phase::Handshake(Handshake::new(out));
        Self { server, phase, in_flight: Arc::default(), shutting_down: false }
    }

    /// Looks at the client's bytes: deals with one message at the front of `input`, or with as much of a
    /// payload as there is. Answers that need no decision of the embedder's are appended to `out`.
    ///
    /// How the bytes were cut up on their way changes neither events nor answers.
    pub fn receive(&mut self, input: &[u8], out: &mut Output) -> Received {
        let mut rest = input;
        let event = match &mut self.phase {
            Phase::Handshake(handshake) => {
                match handshake.receive(&self.server, self.shutting_down, &mut rest, out) {
                    handshake::Outcome::NeedInput => Event::NeedInput,
                    handshake::Outcome::Handled => Event::Handled,
                    handshake::Outcome::Chosen(export) => self.enter_transmission(export),
                    handshake::Outcome::Close(close) => self.close(close),
                }
            }
            Phase::Transmission(transmission) => {
                match transmission.receive(self.shutting_down, &mut rest, out) {
                    transmission::Outcome::NeedInput => Event::NeedInput,
                    transmission::Outcome::Busy => Event::Busy,
                    transmission::Outcome::Handled => Event::Handled,
                    transmission::Outcome::Request(request) => Event::Request(request),
                    transmission::Outcome::Close(close) => self.close(close),
                }
            }
            Phase::Closed(close) => Event::Close(*close),
        };
        Received { consumed: input.len() - rest.len(), event }
    }

    /// From now on every option and every request is refused because the server is being shut down. Tickets
    /// in flight may still be answered, with [`Errno::ESHUTDOWN`](crate::Errno::ESHUTDOWN) if need be.
    pub fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    /// The index of the export that the client chose.
    #[must_use]
    pub fn export(&self) -> Option<usize> {
        match &self.phase {
            Phase::Transmission(transmission) => Some(transmission.terms.export),
            _ => None,
        }
    }

    /// How many requests have surfaced, or are being received, and have not been answered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.requests()
    }

    fn enter_transmission(&mut self, export: usize) -> Event {
        if let Phase::Handshake(handshake) = &self.phase {
            let flags = handshake.transmission_flags(&self.server, export);
            let contexts = handshake.contexts(export);
            let terms = Terms::new(&self.server, export, handshake.style, flags, contexts);
            self.phase = Phase::Transmission(Transmission::new(terms, Arc::clone(&self.in_flight)));
        }
        Event::Chosen { export }
    }

    /// Drops what was being received, so that it does not count as in flight.
    fn close(&mut self, close: Close) -> Event {
        self.phase = Phase::Closed(close);
        Event::Close(close)
    }
}
