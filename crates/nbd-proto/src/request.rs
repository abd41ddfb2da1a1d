//! What a client wants done, after everything that can be checked has been.

use alloc::vec::Vec;

use crate::errors::Errno;
use crate::output::Output;
use crate::read_reply::ReadTicket;
use crate::reply::Ticket;
use crate::status_reply::StatusTicket;

/// One request ("Request types").
///
/// It is within the export, aligned to its smallest block, not longer than the limits, not empty, and the
/// export can do it: what is not so has been answered already. Offsets and lengths are in bytes.
///
/// Requests may be carried out and answered in any order, but for two rules ("Ordering of messages and
/// writes"): a flush covers every write answered before it, and a request with `fua` is answered when what
/// it wrote is durable.
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub enum Request {
    /// Give these bytes.
    Read {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u32,
        /// Answers with data and holes.
        ticket: ReadTicket,
    },
    /// Take these bytes.
    Write {
        /// First byte.
        offset: u64,
        /// What to write there.
        data: Vec<u8>,
        /// Answer only when it is durable.
        fua: bool,
        /// Answers.
        ticket: Ticket,
    },
    /// Make durable what writes have been answered.
    Flush {
        /// Answers.
        ticket: Ticket,
    },
    /// The client does not need these bytes any more: a hint.
    Trim {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
        /// Answer only when it is durable.
        fua: bool,
        /// Answers.
        ticket: Ticket,
    },
    /// Make these bytes read as zeroes.
    WriteZeroes {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
        /// Answer only when it is durable.
        fua: bool,
        /// Leave them allocated, so that a later write cannot lack room.
        no_hole: bool,
        /// Do it faster than writing would, or answer [`Errno::ENOTSUP`] and change nothing.
        fast_only: bool,
        /// Answers.
        ticket: Ticket,
    },
    /// These bytes will be read soon: a hint.
    Cache {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
        /// Answers.
        ticket: Ticket,
    },
    /// Say what is known of these bytes.
    BlockStatus {
        /// First byte.
        offset: u64,
        /// Number of bytes; a hint, for less or more may be answered.
        len: u64,
        /// Answers with extents.
        ticket: StatusTicket,
    },
}

impl Request {
    /// The client's own number for the request.
    #[must_use]
    pub fn cookie(&self) -> u64 {
        match self {
            Self::Read { ticket, .. } => ticket.cookie(),
            Self::BlockStatus { ticket, .. } => ticket.cookie(),
            Self::Write { ticket, .. }
            | Self::Flush { ticket }
            | Self::Trim { ticket, .. }
            | Self::WriteZeroes { ticket, .. }
            | Self::Cache { ticket, .. } => ticket.cookie(),
        }
    }

    /// Answers with an error, whatever was asked: with [`Errno::ESHUTDOWN`], say, when a server ends.
    pub fn error(self, out: &mut Output, errno: Errno, message: &str) {
        match self {
            Self::Read { ticket, .. } => ticket.error(out, errno, message),
            Self::BlockStatus { ticket, .. } => ticket.error(out, errno, message),
            Self::Write { ticket, .. }
            | Self::Flush { ticket }
            | Self::Trim { ticket, .. }
            | Self::WriteZeroes { ticket, .. }
            | Self::Cache { ticket, .. } => ticket.error(out, errno, message),
        }
    }
}
