//! Answers that carry no more than a status: done, or an error ("Simple reply message", "Structured reply
//! chunk message", and "Extended reply chunk message" of the extension).

use zerocopy::IntoBytes;
use zerocopy::big_endian::{U16, U32, U64};

use crate::errors::Errno;
use crate::in_flight::Permit;
use crate::output::Output;
use crate::wire::{self, DONE, MAX_STRING, chunk};

/// Which of the three kinds of reply the handshake led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyStyle {
    Simple,
    Structured,
    Extended,
}

/// The right, and the duty, to answer one request with [`done`](Self::done) or [`error`](Self::error).
///
/// Tickets may be answered in any order, into any buffer, on any thread; the bytes must reach the client
/// whole. A ticket that is dropped leaves its client waiting for ever, which is right only when the
/// connection is gone.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct Ticket {
    pub(crate) to: Addressee,
    /// Held for its drop.
    pub(crate) _permit: Permit,
}

impl Ticket {
    /// The client's own number for the request.
    #[must_use]
    pub fn cookie(&self) -> u64 {
        self.to.cookie
    }

    /// The request was carried out.
    pub fn done(self, out: &mut Output) {
        self.to.done(out);
    }

    /// The request failed. `message` is for people; where the client has room for it, up to 4096 bytes of
    /// it are sent.
    ///
    /// See [`Errno`] for the numbers that are reserved for certain requests.
    pub fn error(self, out: &mut Output, errno: Errno, message: &str) {
        self.to.error(out, errno, message, None);
    }
}

/// Whom a reply is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addressee {
    pub(crate) style: ReplyStyle,
    pub(crate) cookie: u64,
    /// Of the request; extended replies repeat it.
    pub(crate) offset: u64,
}

impl Addressee {
    /// Success without data. In structured style this is a simple reply, which is shorter, and allowed "if
    /// the reply has no data payload" and does not answer a read.
    pub(crate) fn done(self, out: &mut Output) {
        match self.style {
            ReplyStyle::Simple | ReplyStyle::Structured => self.simple(out, 0),
            ReplyStyle::Extended => self.chunk(out, DONE, chunk::NONE, &[]),
        }
    }

    /// A last chunk that adds nothing.
    pub(crate) fn done_by_chunk(self, out: &mut Output) {
        self.chunk(out, DONE, chunk::NONE, &[]);
    }

    /// An error, for which structured style always uses a chunk: it has room for the message, and a read
    /// may not be answered otherwise. `at` is the offset in the export where it happened.
    pub(crate) fn error(self, out: &mut Output, errno: Errno, message: &str, at: Option<u64>) {
        if self.style == ReplyStyle::Simple {
            return self.simple(out, errno.number());
        }
        let message = cut(message, MAX_STRING).as_bytes();
        let error = U32::new(errno.number());
        let message_len = U16::new(u16::try_from(message.len()).expect("cut to 4096 bytes"));
        let payload = wire::ErrorPayload { error, message_len };
        match at {
            None => self.chunk(out, DONE, chunk::ERROR, &[payload.as_bytes(), message]),
            Some(at) => {
                let pieces = [payload.as_bytes(), message, &at.to_be_bytes()];
                self.chunk(out, DONE, chunk::ERROR_OFFSET, &pieces);
            }
        }
    }

    /// The head of a simple reply; a read's data follow when `error` is zero.
    pub(crate) fn simple(self, out: &mut Output, error: u32) {
        let (magic, cookie) = (U32::new(wire::SIMPLE_REPLY_MAGIC), U64::new(self.cookie));
        wire::push(out, &wire::SimpleReplyHeader { magic, error: U32::new(error), cookie });
    }

    /// Appends a whole chunk.
    fn chunk(self, out: &mut Output, flags: u16, kind: u16, payload: &[&[u8]]) {
        let start = self.begin_chunk(out);
        payload.iter().for_each(|piece| out.extend_from_slice(piece));
        self.end_chunk(out, start, flags, kind);
    }

    /// Makes room for a chunk's head; the payload is then appended to `out`. Gives where the chunk starts.
    pub(crate) fn begin_chunk(self, out: &mut Output) -> usize {
        let start = out.len();
        out.extend_to_fill(self.chunk_head_len());
        start
    }

    /// Writes the head of the chunk that starts at `start` and reaches to the end of `out`.
    pub(crate) fn end_chunk(self, out: &mut [u8], start: usize, flags: u16, kind: u16) {
        let len = out.len() - start - self.chunk_head_len();
        let (flags, kind, cookie) = (U16::new(flags), U16::new(kind), U64::new(self.cookie));
        if self.style == ReplyStyle::Extended {
            let (magic, offset) = (U32::new(wire::EXTENDED_REPLY_MAGIC), U64::new(self.offset));
            let len = U64::new(len as u64);
            let head = wire::ExtendedReplyHeader { magic, flags, kind, cookie, offset, len };
            wire::overwrite(out, start, &head);
        } else {
            let magic = U32::new(wire::STRUCTURED_REPLY_MAGIC);
            let len = U32::new(u32::try_from(len).expect("payloads are at most 1 GiB"));
            let head = wire::StructuredReplyHeader { magic, flags, kind, cookie, len };
            wire::overwrite(out, start, &head);
        }
    }

    pub(crate) fn chunk_head_len(self) -> usize {
        match self.style {
            ReplyStyle::Extended => size_of::<wire::ExtendedReplyHeader>(),
            _ => size_of::<wire::StructuredReplyHeader>(),
        }
    }
}

/// The first `max` bytes of a text, or a few less where a character would be torn.
fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.expect("0 is a boundary")]
}
