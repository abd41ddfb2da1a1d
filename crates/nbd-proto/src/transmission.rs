//! The transmission phase: from bytes to requests that are in order ("Transmission").

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use zerocopy::FromBytes;
use zerocopy::big_endian::{U32, U64};

use crate::errors::{Close, Errno};
use crate::in_flight::InFlight;
use crate::judgement::{Judged, Terms};
use crate::output::Output;
use crate::read_reply::ReadTicket;
use crate::reply::{Addressee, ReplyStyle, Ticket};
use crate::request::Request;
use crate::server::MAX_CONTEXTS;
use crate::status_reply::StatusTicket;
use crate::wire::{self, command, command_flag as flag};

/// Longest payload that is taken whole: the contexts to which a block status request is restricted.
const MAX_STATUS_PAYLOAD: u64 = 8 + 4 * MAX_CONTEXTS as u64;

/// How much room is made for a write before any of it has come, at most: most writes fit, and are not moved
/// as they grow.
const FIRST_ROOM: usize = 256 << 10;

/// A client that has chosen its export.
#[derive(Debug)]
pub(crate) struct Transmission {
    /// What was agreed on.
    pub(crate) terms: Terms,
    receiving: Receiving,
    in_flight: Arc<InFlight>,
}

/// Where in the stream of requests we are.
#[derive(Debug)]
enum Receiving {
    Header,
    /// In the payload of a write.
    Payload(Write),
    /// In a payload that nobody wants. It is counted, not kept; then the request is refused.
    Skip {
        left: u64,
        to: Addressee,
        refusal: Refusal,
    },
}

#[derive(Debug)]
struct Write {
    offset: u64,
    fua: bool,
    /// What has come of it.
    data: Vec<u8>,
    /// How many bytes are still to come.
    left: usize,
    ticket: Ticket,
}

/// What came of looking at the input.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It holds less than is needed.
    NeedInput,
    /// Too much is in flight to take another request.
    Busy,
    /// Something was dealt with.
    Handled,
    /// A request to be carried out.
    Request(Request),
    /// The transmission ends here.
    Close(Close),
}

/// Why a request is not carried out: for the client's program and for people.
pub(crate) type Refusal = (Errno, &'static str);

impl Transmission {
    pub(crate) fn new(terms: Terms, in_flight: Arc<InFlight>) -> Self {
        Self { terms, receiving: Receiving::Header, in_flight }
    }

    /// Takes one message, or a part of a payload, from the front of `input`.
    pub(crate) fn receive(&mut self, refuse_all: bool, input: &mut &[u8], out: &mut Output) -> Outcome {
        match self.receiving {
            Receiving::Header => self.header(refuse_all, input, out),
            Receiving::Payload(_) | Receiving::Skip { .. } => self.payload(input, out),
        }
    }

    fn header(&mut self, refuse_all: bool, input: &mut &[u8], out: &mut Output) -> Outcome {
        let style = self.terms.style;
        let (header, rest) = match Header::read(style, input) {
            Ok(Some(read)) => read,
            Ok(None) => return Outcome::NeedInput,
            Err(magic) => return Outcome::Close(Close::BadRequestMagic(magic)),
        };
        let max = self.terms.limits.max_payload;
        if style == ReplyStyle::Extended && header.payload > u64::from(max) {
            return Outcome::Close(Close::PayloadTooLarge { len: header.payload, max });
        }
        if header.kind == command::DISC {
            return Outcome::Close(Close::Disconnect);
        }
        let Some((filter, after)) = header.filter(rest) else { return Outcome::NeedInput };
        let to = Addressee { style, cookie: header.cookie, offset: header.offset };
        let judged = if refuse_all {
            Err((Errno::ESHUTDOWN, "the server is being shut down"))
        } else {
            self.terms.judge(&header, filter)
        };
        match judged {
            Err(refusal) => {
                *input = rest;
                self.receiving = Receiving::Skip { left: header.payload, to, refusal };
                self.payload(input, out)
            }
            Ok(judged) => {
                let limits = self.terms.limits;
                let permit = self.in_flight.admit(judged.bytes(), limits.max_requests, limits.max_bytes);
                let Some(permit) = permit else { return Outcome::Busy };
                *input = after;
                self.accept(&header, judged, Ticket { to, _permit: permit }, input, out)
            }
        }
    }

    /// Makes a request of what was found to be in order. What asks for no bytes is done at once.
    fn accept(
        &mut self,
        header: &Header,
        judged: Judged,
        ticket: Ticket,
        input: &mut &[u8],
        out: &mut Output,
    ) -> Outcome {
        let Header { offset, len, .. } = *header;
        let fua = header.has(flag::FUA);
        let request = match judged {
            Judged::Write { len } => {
                let data = Vec::new();
                self.receiving = Receiving::Payload(Write { offset, fua, data, left: len, ticket });
                return self.payload(input, out);
            }
            Judged::Read { len: 0 } => {
                let empty = ReadTicket { ticket, len: 0, unfragmented: false };
                empty.reply(out).finish();
                return Outcome::Handled;
            }
            Judged::Trim | Judged::WriteZeroes | Judged::Cache if len == 0 => {
                ticket.done(out);
                return Outcome::Handled;
            }
            Judged::Read { len } => {
                let ticket = ReadTicket { ticket, len, unfragmented: header.has(flag::DF) };
                Request::Read { offset, len, ticket }
            }
            Judged::Flush => Request::Flush { ticket },
            Judged::Trim => Request::Trim { offset, len, fua, ticket },
            Judged::WriteZeroes => {
                let (no_hole, fast_only) = (header.has(flag::NO_HOLE), header.has(flag::FAST_ZERO));
                Request::WriteZeroes { offset, len, fua, no_hole, fast_only, ticket }
            }
            Judged::Cache => Request::Cache { offset, len, ticket },
            Judged::BlockStatus { len, contexts } => {
                let (available, one) = (self.terms.size - offset, header.has(flag::REQ_ONE));
                let ticket = StatusTicket { ticket, len, available, one, contexts };
                Request::BlockStatus { offset, len, ticket }
            }
        };
        Outcome::Request(request)
    }

    /// Takes what there is of a payload from the front of `input`, and deals with it when that was all.
    fn payload(&mut self, input: &mut &[u8], out: &mut Output) -> Outcome {
        match mem::replace(&mut self.receiving, Receiving::Header) {
            Receiving::Payload(mut write) => {
                write.take(input);
                if write.left > 0 {
                    self.receiving = Receiving::Payload(write);
                    return Outcome::NeedInput;
                }
                let Write { offset, fua, data, ticket, .. } = write;
                if data.is_empty() {
                    ticket.done(out);
                    return Outcome::Handled;
                }
                Outcome::Request(Request::Write { offset, data, fua, ticket })
            }
            Receiving::Skip { left, to, refusal } => {
                let count = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                *input = &input[count..];
                let left = left - count as u64;
                if left > 0 {
                    self.receiving = Receiving::Skip { left, to, refusal };
                    return Outcome::NeedInput;
                }
                let (errno, message) = refusal;
                to.error(out, errno, message, None);
                Outcome::Handled
            }
            Receiving::Header => Outcome::Handled,
        }
    }
}

impl Write {
    /// Moves what there is of the payload from the front of `input`.
    ///
    /// The room for it grows with what has come, so that announcing a large write costs a client its bytes,
    /// and never beyond the length announced.
    fn take(&mut self, input: &mut &[u8]) {
        let count = self.left.min(input.len());
        let room = self.data.capacity() - self.data.len();
        if room < count {
            let growth = count.max(self.data.len()).max(FIRST_ROOM);
            self.data.reserve_exact(growth.min(self.left));
        }
        let (taken, rest) = input.split_at(count);
        self.data.extend_from_slice(taken);
        self.left -= count;
        *input = rest;
    }
}

/// The head of a request, compact or extended.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) flags: u16,
    pub(crate) kind: u16,
    pub(crate) cookie: u64,
    pub(crate) offset: u64,
    /// How many bytes of the export it is about, or how many bytes follow; often both.
    pub(crate) len: u64,
    /// How many bytes follow.
    pub(crate) payload: u64,
}

impl Header {
    /// The head at the front of `input` and what is behind it; `None` when it is not whole.
    ///
    /// # Errors
    ///
    /// What stands in place of the magic number.
    fn read(style: ReplyStyle, input: &[u8]) -> Result<Option<(Self, &[u8])>, u32> {
        if style == ReplyStyle::Extended {
            let Ok((head, rest)) = wire::ExtendedRequestHeader::read_from_prefix(input) else {
                return Ok(None);
            };
            let header = Self::from_extended(head)?;
            return Ok(Some((header, rest)));
        }
        let Ok((head, rest)) = wire::RequestHeader::read_from_prefix(input) else { return Ok(None) };
        let header = Self::from_compact(head)?;
        Ok(Some((header, rest)))
    }

    fn from_compact(head: wire::RequestHeader) -> Result<Self, u32> {
        let wire::RequestHeader { magic, flags, kind, cookie, offset, len } = head;
        if magic.get() != wire::REQUEST_MAGIC {
            return Err(magic.get());
        }
        let (kind, len) = (kind.get(), u64::from(len.get()));
        let payload = if kind == command::WRITE { len } else { 0 };
        Ok(Self { flags: flags.get(), kind, cookie: cookie.get(), offset: offset.get(), len, payload })
    }

    fn from_extended(head: wire::ExtendedRequestHeader) -> Result<Self, u32> {
        let wire::ExtendedRequestHeader { magic, flags, kind, cookie, offset, len } = head;
        if magic.get() != wire::EXTENDED_REQUEST_MAGIC {
            return Err(magic.get());
        }
        let (flags, kind, len) = (flags.get(), kind.get(), len.get());
        // A write must have the flag, but the client in qemu (10.0 was seen) forgets it, and sends the payload.
        let payload = if flags & flag::PAYLOAD_LEN != 0 || kind == command::WRITE { len } else { 0 };
        Ok(Self { flags, kind, cookie: cookie.get(), offset: offset.get(), len, payload })
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// The payload that restricts a block status request, if there may be one, and what is behind it; `None`
    /// when it is not whole.
    fn filter<'a>(&self, rest: &'a [u8]) -> Option<(Option<Filter<'a>>, &'a [u8])> {
        let expected = self.kind == command::BLOCK_STATUS && self.has(flag::PAYLOAD_LEN);
        if !expected || self.payload > MAX_STATUS_PAYLOAD {
            return Some((None, rest));
        }
        let len = usize::try_from(self.payload).expect("it is a few hundred bytes");
        let (payload, after) = rest.split_at_checked(len)?;
        Some((Filter::parse(payload), after))
    }
}

/// The payload of a block status request, in an extended header.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    /// How many bytes of the export the request is about.
    pub(crate) len: u64,
    /// The IDs of the contexts it is about.
    pub(crate) contexts: &'a [U32],
}

impl<'a> Filter<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let (len, contexts) = U64::read_from_prefix(payload).ok()?;
        Some(Self { len: len.get(), contexts: <[U32]>::ref_from_bytes(contexts).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Limits;

    #[test]
    fn the_room_for_a_write_grows_with_what_has_come_and_not_beyond_its_length() {
        let len = 1 << 20;
        let Limits { max_requests, max_bytes, .. } = Limits::default();
        let permit = Arc::new(InFlight::default()).admit(len, max_requests, max_bytes);
        let to = Addressee { style: ReplyStyle::Simple, cookie: 0, offset: 0 };
        let ticket = Ticket { to, _permit: permit.expect("nothing else is in flight") };
        let mut write = Write { offset: 0, fua: false, data: Vec::new(), left: len, ticket };
        while write.left > 0 {
            write.take(&mut [0; 1000].as_slice());
            let (come, room) = (write.data.len(), write.data.capacity());
            assert!(room <= (come * 2).max(FIRST_ROOM), "{room} bytes of room for {come}");
            assert!(room <= len);
        }
    }
}
