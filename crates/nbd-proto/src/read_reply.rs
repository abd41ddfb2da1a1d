//! Answers to reads: data and holes, in order, straight into the output.

use zerocopy::big_endian::{U32, U64};

use crate::errors::Errno;
use crate::output::Output;
use crate::reply::{Addressee, ReplyStyle, Ticket};
use crate::wire::{self, DONE, chunk};

/// The right, and the duty, to answer one read. What is said of [`Ticket`] holds here too.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct ReadTicket {
    pub(crate) ticket: Ticket,
    pub(crate) len: u32,
    /// "Don't fragment": the client wants one chunk, whatever it takes.
    pub(crate) unfragmented: bool,
}

impl ReadTicket {
    /// The client's own number for the request.
    #[must_use]
    pub fn cookie(&self) -> u64 {
        self.ticket.cookie()
    }

    /// Begins the answer at the end of `out`.
    pub fn reply(self, out: &mut Output) -> ReadReply<'_> {
        let (start, next) = (out.len(), self.ticket.to.offset);
        let end = next + u64::from(self.len);
        if self.ticket.to.style == ReplyStyle::Simple {
            self.ticket.to.simple(out, 0);
        }
        ReadReply { out, ticket: self, start, next, end, chunk: None, handed_out: 0, open: true }
    }

    /// The read failed before any of it was answered.
    pub fn error(self, out: &mut Output, errno: Errno, message: &str) {
        self.ticket.error(out, errno, message);
    }
}

/// A read that is being answered, from its first byte to its last.
///
/// ```text
///            offset                                     offset + len
///   request    |--------------------------------------------|
///   pieces     | data | data |        hole         |  data  |   any number
///   structured | OFFSET_DATA |     OFFSET_HOLE     |  O._D. |   as few chunks as possible
///   DF         | OFFSET_DATA  0  0  0  0  0  0  0          |   one chunk; a mere hole stays a hole
///   simple     | data           0  0  0  0  0  0  0         |
/// ```
///
/// End it with [`finish`](Self::finish) or [`fail`](Self::fail). One that is dropped before answers with
/// `EIO`, so that `?` may be used while it is being filled.
#[derive(Debug)]
#[must_use = "dropping this answers with an error"]
pub struct ReadReply<'a> {
    out: &'a mut Output,
    ticket: ReadTicket,
    /// Where the reply starts in `out`.
    start: usize,
    /// Everything before this offset of the export has been given.
    next: u64,
    /// Where the request ends in the export.
    end: u64,
    /// The chunk at the end of `out`, whose head is still to be written.
    chunk: Option<Chunk>,
    /// Length of the data piece at the end of `out`, which a failure takes back.
    handed_out: usize,
    open: bool,
}

#[derive(Debug)]
struct Chunk {
    /// Where its head is in `out`.
    start: usize,
    /// Where its content starts in the export.
    offset: u64,
    content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Data,
    Hole,
}

impl ReadReply<'_> {
    /// How many bytes are still to be given.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.end - self.next
    }

    /// The next `len` bytes, to be filled whatever they are: an earlier answer may have left them.
    ///
    /// # Panics
    ///
    /// When fewer than `len` bytes remain.
    pub fn data(&mut self, len: usize) -> &mut [u8] {
        assert!(len as u64 <= self.remaining(), "{len} bytes given where {} remain", self.remaining());
        if len > 0 {
            self.continue_with(Content::Data);
        }
        self.next += len as u64;
        self.handed_out = len;
        self.out.extend_to_fill(len)
    }

    /// The next `len` bytes read as zeroes.
    ///
    /// # Panics
    ///
    /// When fewer than `len` bytes remain.
    pub fn hole(&mut self, len: u64) {
        assert!(len <= self.remaining(), "{len} bytes given where {} remain", self.remaining());
        let everything = len == u64::from(self.ticket.len);
        let explicit = self.style() == ReplyStyle::Simple || self.ticket.unfragmented && !everything;
        if explicit {
            self.data(usize::try_from(len).expect("a request fits memory")).fill(0);
        } else if len > 0 {
            self.continue_with(Content::Hole);
            self.next += len;
        }
        // Zeroes need no filling, so there is nothing to take back.
        self.handed_out = 0;
    }

    /// Completes the answer.
    ///
    /// # Panics
    ///
    /// When bytes remain.
    pub fn finish(mut self) {
        assert_eq!(self.remaining(), 0, "a read was finished before all of it was given");
        self.open = false;
        if self.style() == ReplyStyle::Simple {
            return;
        }
        // No error can come up any more, so the last chunk may say that it is the last.
        if !self.end_chunk(DONE) {
            self.to().done_by_chunk(self.out);
        }
    }

    /// Gives up at the piece that was handed out last, or behind the last hole. What was given before that
    /// still reaches a client that can make use of it.
    pub fn fail(mut self, errno: Errno, message: &str) {
        self.abandon(errno, message);
    }

    fn abandon(&mut self, errno: Errno, message: &str) {
        self.open = false;
        let to = self.to();
        if to.style == ReplyStyle::Simple {
            self.out.truncate(self.start);
            return to.error(self.out, errno, message, None);
        }
        self.out.truncate(self.out.len() - self.handed_out);
        self.next -= self.handed_out as u64;
        if let Some(empty) = self.chunk.take_if(|chunk| chunk.offset == self.next) {
            self.out.truncate(empty.start);
        }
        self.end_chunk(0);
        let at = (self.next < self.end).then_some(self.next);
        to.error(self.out, errno, message, at);
    }

    fn to(&self) -> Addressee {
        self.ticket.ticket.to
    }

    fn style(&self) -> ReplyStyle {
        self.to().style
    }

    /// Sees to it that the chunk at the end of `out` is one of such content.
    fn continue_with(&mut self, content: Content) {
        let fits = self.chunk.as_ref().is_some_and(|chunk| chunk.content == content);
        if fits || self.style() == ReplyStyle::Simple {
            return;
        }
        self.end_chunk(0);
        let start = self.to().begin_chunk(self.out);
        if content == Content::Data {
            self.out.extend_from_slice(&self.next.to_be_bytes());
        }
        self.chunk = Some(Chunk { start, offset: self.next, content });
    }

    /// Writes the head of the current chunk; says whether there was one.
    fn end_chunk(&mut self, flags: u16) -> bool {
        let Some(Chunk { start, offset, content }) = self.chunk.take() else { return false };
        let kind = match content {
            Content::Data => chunk::OFFSET_DATA,
            Content::Hole => {
                let len = u32::try_from(self.next - offset).expect("reads are at most 1 GiB");
                let (offset, len) = (U64::new(offset), U32::new(len));
                wire::push(self.out, &wire::HolePayload { offset, len });
                chunk::OFFSET_HOLE
            }
        };
        self.to().end_chunk(self.out, start, flags, kind);
        true
    }
}

impl Drop for ReadReply<'_> {
    fn drop(&mut self) {
        if self.open {
            self.abandon(Errno::EIO, "the read was given up");
        }
    }
}
