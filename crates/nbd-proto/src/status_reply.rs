//! Answers to block status requests: extents of each context that was selected
//! (`NBD_REPLY_TYPE_BLOCK_STATUS` and, for extended headers, `NBD_REPLY_TYPE_BLOCK_STATUS_EXT`).

use alloc::sync::Arc;
use zerocopy::big_endian::{U32, U64};

use crate::errors::Errno;
use crate::output::Output;
use crate::reply::{Addressee, ReplyStyle, Ticket};
use crate::wire::{self, DONE, chunk};

/// Flags of `base:allocation` ("`base:allocation` metadata context").
pub mod allocation {
    /// Not allocated behind the export; writing there may find no room.
    pub const HOLE: u32 = 1 << 0;
    /// Reads as zeroes.
    pub const ZERO: u32 = 1 << 1;
}

/// Most extents that are reported of one context at once. The document allows 2^20; clients ask again for
/// what they have not heard.
pub const MAX_EXTENTS: usize = 1 << 16;

/// Longest extent that fits 32 bits and keeps whatever alignment the request had.
const MAX_COMPACT_LEN: u64 = 0xffff_0000;

/// The right, and the duty, to answer one block status request. What is said of [`Ticket`] holds here too.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct StatusTicket {
    pub(crate) ticket: Ticket,
    /// Length of the request in bytes; not zero.
    pub(crate) len: u64,
    /// Bytes from the request's offset to the end of the export.
    pub(crate) available: u64,
    /// The client wants one extent of each context.
    pub(crate) one: bool,
    /// The contexts to report, as indices into the export's list.
    pub(crate) contexts: Arc<[usize]>,
}

impl StatusTicket {
    /// The client's own number for the request.
    #[must_use]
    pub fn cookie(&self) -> u64 {
        self.ticket.cookie()
    }

    /// Begins the answer at the end of `out`.
    pub fn reply(self, out: &mut Output) -> StatusReply<'_> {
        StatusReply { start: out.len(), out, ticket: self, visited: 0, chunk: None, open: true }
    }

    /// The status could not be found out.
    pub fn error(self, out: &mut Output, errno: Errno, message: &str) {
        self.ticket.error(out, errno, message);
    }
}

/// A block status request that is being answered, context by context.
///
/// ```
/// # use nbd_proto::{Output, StatusTicket, allocation};
/// # fn answer(offset: u64, ticket: StatusTicket, out: &mut Output) {
/// # let extent_at = |context: usize, offset: u64| (4096, allocation::HOLE);
/// let mut reply = ticket.reply(out);
/// while let Some(context) = reply.next_context() {
///     let mut at = offset;
///     loop {
///         let (len, status) = extent_at(context, at);
///         if !reply.extent(len, status) {
///             break;
///         }
///         at += len;
///     }
/// }
/// reply.finish();
/// # }
/// ```
///
/// Whatever is given, what is sent obeys the document: neighbours of one status are merged, nothing goes
/// beyond the export or, for a client that wants one extent, beyond the request, and a context of which
/// nothing was given has status 0.
///
/// One that is dropped before [`finish`](Self::finish) answers with `EIO`, so that `?` may be used while it
/// is being filled.
#[derive(Debug)]
#[must_use = "dropping this answers with an error"]
pub struct StatusReply<'a> {
    out: &'a mut Output,
    ticket: StatusTicket,
    /// Where the reply starts in `out`.
    start: usize,
    /// How many of the contexts have had their turn.
    visited: usize,
    /// The chunk at the end of `out`, whose head is still to be written.
    chunk: Option<Chunk>,
    open: bool,
}

/// The extents of one context so far.
#[derive(Debug)]
struct Chunk {
    /// Where its head is in `out`.
    start: usize,
    /// Number of extents, the last one included.
    count: usize,
    /// Bytes covered by all extents but the last.
    before: u64,
    /// Length and status of the last extent. Its length is zero only while there is none.
    last: (u64, u32),
    /// No more can be added.
    full: bool,
}

impl StatusReply<'_> {
    /// Turns to the next context: its index in the export's list. `None` after the last.
    pub fn next_context(&mut self) -> Option<usize> {
        // The last chunk stays open: `finish` marks it as the last.
        let context = *self.ticket.contexts.get(self.visited)?;
        self.end_chunk(0);
        self.visited += 1;
        let start = self.to().begin_chunk(self.out);
        let id = U32::new(u32::try_from(context).expect("an export has few contexts"));
        if self.extended() {
            // The count is written when it is known.
            wire::push(self.out, &wire::ExtendedStatusPayload { context: id, count: U32::ZERO });
        } else {
            wire::push(self.out, &wire::StatusPayload { context: id });
        }
        self.chunk = Some(Chunk { start, count: 0, before: 0, last: (0, 0), full: false });
        Some(context)
    }

    /// The next `len` bytes have this status in the current context. Says whether more would be of use; what
    /// is given although it would not be is ignored.
    ///
    /// # Panics
    ///
    /// When `len` is zero, or before [`next_context`](Self::next_context).
    pub fn extent(&mut self, len: u64, status: u32) -> bool {
        assert!(len > 0, "an extent of no bytes leads nowhere");
        let extended = self.extended();
        let StatusTicket { len: wanted, available, one, .. } = self.ticket;
        let chunk = self.chunk.as_mut().expect("an extent belongs to a context");
        let merges = chunk.count > 0 && chunk.last.1 == status;
        let starts = !merges && (chunk.count == 0 || !one && chunk.count < MAX_EXTENTS);
        if chunk.full || !merges && !starts {
            chunk.full = true;
            return false;
        }
        if starts {
            chunk.before += chunk.last.0;
            chunk.last = (0, status);
            chunk.count += 1;
        }
        let bound = if one { wanted } else { available } - chunk.before;
        let bound = if extended { bound } else { bound.min(MAX_COMPACT_LEN) };
        let room = bound - chunk.last.0;
        chunk.last.0 += len.min(room);
        chunk.full = len > room || chunk.before + chunk.last.0 >= wanted;
        let (last, wants_more) = (chunk.last, !chunk.full);
        self.write_descriptor(starts, last);
        wants_more
    }

    /// Completes the answer.
    pub fn finish(mut self) {
        self.open = false;
        while self.visited < self.ticket.contexts.len() {
            self.next_context();
        }
        self.end_chunk(DONE);
    }

    /// Gives up; nothing that was given is sent.
    pub fn fail(mut self, errno: Errno, message: &str) {
        self.abandon(errno, message);
    }

    fn abandon(&mut self, errno: Errno, message: &str) {
        self.open = false;
        self.out.truncate(self.start);
        self.to().error(self.out, errno, message, None);
    }

    fn to(&self) -> Addressee {
        self.ticket.ticket.to
    }

    fn extended(&self) -> bool {
        self.to().style == ReplyStyle::Extended
    }

    /// Appends a descriptor, or replaces the last one.
    fn write_descriptor(&mut self, append: bool, (len, status): (u64, u32)) {
        if self.extended() {
            let descriptor =
                wire::ExtendedDescriptor { len: U64::new(len), status: U64::new(u64::from(status)) };
            put(self.out, append, &descriptor);
        } else {
            let len = U32::new(u32::try_from(len).expect("compact extents are bounded"));
            put(self.out, append, &wire::Descriptor { len, status: U32::new(status) });
        }
    }

    fn end_chunk(&mut self, flags: u16) {
        if self.chunk.as_ref().is_some_and(|chunk| chunk.count == 0) {
            // Status 0 claims nothing and is always right.
            self.extent(self.ticket.len, 0);
        }
        let Some(Chunk { start, count, .. }) = self.chunk.take() else { return };
        let kind = if self.extended() { chunk::BLOCK_STATUS_EXT } else { chunk::BLOCK_STATUS };
        if self.extended() {
            let count = U32::new(u32::try_from(count).expect("extents are bounded"));
            let at = start + self.to().chunk_head_len() + size_of::<wire::StatusPayload>();
            wire::overwrite(self.out, at, &count);
        }
        self.to().end_chunk(self.out, start, flags, kind);
    }
}

fn put<D: zerocopy::IntoBytes + zerocopy::Immutable>(out: &mut Output, append: bool, descriptor: &D) {
    if append {
        wire::push(out, descriptor);
    } else {
        let at = out.len() - size_of::<D>();
        wire::overwrite(out, at, descriptor);
    }
}

impl Drop for StatusReply<'_> {
    fn drop(&mut self) {
        if self.open {
            self.abandon(Errno::EIO, "the status was given up");
        }
    }
}
