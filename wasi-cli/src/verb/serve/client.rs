//! One client: its bytes in, our bytes out, by whatever transport.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nbd_proto::{Close, Connection, Event, LONGEST_MESSAGE, Output, Request};

use super::exports::Offer;
use super::service::Service;

/// Room for what a client says at once, in bytes.
const INPUT: usize = if LONGEST_MESSAGE > 64 << 10 { LONGEST_MESSAGE } else { 64 << 10 };

/// When to stop answering and send, in bytes. One message may lead beyond it. Natively, copies over one connection take half
/// as long again with 64 KiB; a component may give no more at once anyway, and its host finds that in the cache.
const ENOUGH: usize = if cfg!(target_env = "p2") { 64 << 10 } else { 512 << 10 };

/// When to stop answering and send, in time. One request may take longer. A component serves the others only then.
const LONG_ENOUGH: Duration = Duration::from_millis(20);

/// Answers longer than this are written into a buffer that clients share one after the other, in bytes.
const LARGE: usize = 1 << 20;

/// How much more room than that a buffer has that is not the client's own, in bytes.
const MARGIN: usize = 512 << 10;

/// The server's end of a connection, without the connection.
///
/// A transport calls [`advance`](Self::advance), sends all of [`output`](Self::output), and then does what
/// `advance` said. What it sends at once is a batch of replies: as many as the input gives, up to a bound.
pub(crate) struct Client {
    number: u64,
    service: Arc<Service>,
    /// What it may choose from.
    offer: Arc<Offer>,
    connection: Connection,
    has_chosen: bool,
    /// A request that waits for room; nothing is taken from the input before it is answered.
    held: Option<Request>,
    input: Box<[u8]>,
    /// What of `input` has been received and not dealt with.
    pending: std::ops::Range<usize>,
    out: Output,
    /// How much of `out` has been sent.
    sent: usize,
    /// How many requests `out` answers.
    answered: usize,
}

/// What to do when all output has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Receive into [`Client::room`], and call `advance` again.
    Receive,
    /// Call `advance` again.
    Continue,
    /// Call `advance` again after a moment: a request waits for room.
    Hold,
    /// Close.
    Close(Close),
}

impl Client {
    /// A client that has just arrived; the greeting is its first output.
    pub(crate) fn new(service: &Arc<Service>) -> Self {
        let mut out = Output::new();
        let offer = service.offer();
        let connection = Connection::new(Arc::clone(&offer.server), &mut out);
        let number = service.journal().arrived();
        let input = vec![0; INPUT].into();
        let service = Arc::clone(service);
        Self {
            number,
            service,
            offer,
            connection,
            has_chosen: false,
            held: None,
            input,
            pending: 0..0,
            out,
            sent: 0,
            answered: 0,
        }
    }

    /// Deals with what was received, until there is no more of it or enough to send.
    pub(crate) fn advance(&mut self) -> Next {
        if let Some(request) = self.held.take()
            && !self.carry_out(request)
        {
            return Next::Hold;
        }
        let began = Instant::now();
        loop {
            let received = self.connection.receive(&self.input[self.pending.clone()], &mut self.out);
            self.pending.start += received.consumed;
            match received.event {
                Event::Handled => {}
                Event::Chosen { .. } => {
                    self.has_chosen = true;
                    self.service.begin_use();
                }
                Event::Request(request) => {
                    self.make_room(&request);
                    if !self.carry_out(request) {
                        return Next::Hold;
                    }
                }
                Event::NeedInput => return Next::Receive,
                Event::Busy => unreachable!("every request is answered before the next"),
                Event::Close(close) => return Next::Close(close),
            }
            if self.out.len() >= ENOUGH || began.elapsed() >= LONG_ENOUGH {
                return Next::Continue;
            }
        }
    }

    /// Has a request carried out; false when it has to wait, and then it is held.
    fn carry_out(&mut self, request: Request) -> bool {
        let export = self.connection.export().expect("requests follow a choice");
        self.held = self.service.carry_out(self.number, (&self.offer, export), request, &mut self.out);
        if self.held.is_none() {
            self.service.give_up_waiting(self.number);
            self.answered += 1;
        }
        self.held.is_none()
    }

    /// What is to be sent.
    pub(crate) fn output(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// How many requests are answered by the output, what was sent of it included.
    #[cfg(all(target_os = "wasi", target_env = "p2"))]
    pub(crate) fn answered(&self) -> usize {
        self.answered
    }

    /// The first `count` bytes of the output have been sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.out.len() {
            self.out.clear();
            (self.sent, self.answered) = (0, 0);
            self.give_back();
        }
    }

    /// Leaves what is not sent to be sent with what is answered next.
    #[cfg(all(target_os = "wasi", target_env = "p2"))]
    pub(crate) fn carry(&mut self) {
        self.out.remove_front(self.sent);
        self.sent = 0;
    }

    /// Sees to it that a long answer finds a buffer that is long already.
    fn make_room(&mut self, request: &Request) {
        let &Request::Read { len, .. } = request else { return };
        if len as usize > LARGE && self.out.capacity() < len as usize {
            let mut large = self.service.large_buffer();
            large.extend_from_slice(&self.out);
            self.out = large;
        }
    }

    fn give_back(&mut self) {
        if self.out.capacity() > LARGE + MARGIN {
            self.service.give_back(std::mem::take(&mut self.out));
        }
    }

    /// Where to receive; never empty after [`Next::Receive`].
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.input.copy_within(self.pending.clone(), 0);
        self.pending = 0..self.pending.len();
        &mut self.input[self.pending.end..]
    }

    /// So many bytes have been put into the room.
    pub(crate) fn received(&mut self, count: usize) {
        self.pending.end += count;
    }

    /// Whether it ever chose an export: its handshake is over.
    pub(crate) fn has_chosen(&self) -> bool {
        self.has_chosen
    }

    /// Notes that it is gone, and why.
    pub(crate) fn left(mut self, why: &str) {
        self.give_back();
        self.service.give_up_waiting(self.number);
        if self.has_chosen {
            self.service.end_use();
        }
        self.service.journal().left(self.number, why);
    }
}
