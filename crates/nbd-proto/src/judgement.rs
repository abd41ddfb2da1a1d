//! Which requests are in order, and what the others are answered ("Error values").

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::errors::Errno;
use crate::reply::ReplyStyle;
use crate::server::{Limits, Server};
use crate::transmission::{Filter, Header, Refusal};
use crate::wire::{command, command_flag, transmission_flag as flag};

/// What the handshake settled. Every request is judged by it.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Index of the export.
    pub(crate) export: usize,
    /// Of the export, in bytes.
    pub(crate) size: u64,
    pub(crate) style: ReplyStyle,
    pub(crate) limits: Limits,
    /// Smallest block of the export, in bytes.
    minimum: u32,
    /// "Transmission flags", as they were sent to the client.
    flags: u16,
    /// The contexts that were selected, as indices into the export's list.
    contexts: Arc<[usize]>,
}

/// A command that may be carried out, with what its header does not say or says in another width.
#[derive(Debug)]
pub(crate) enum Judged {
    Read { len: u32 },
    Write { len: usize },
    Flush,
    Trim,
    WriteZeroes,
    Cache,
    BlockStatus { len: u64, contexts: Arc<[usize]> },
}

impl Judged {
    /// How many bytes of payload it moves, in either direction.
    pub(crate) fn bytes(&self) -> usize {
        match *self {
            Self::Read { len } => len as usize,
            Self::Write { len } => len,
            _ => 0,
        }
    }
}

impl Terms {
    pub(crate) fn new(
        server: &Server,
        export: usize,
        style: ReplyStyle,
        flags: u16,
        contexts: &[usize],
    ) -> Self {
        let description = &server.exports()[export];
        Self {
            export,
            size: description.size,
            style,
            limits: server.limits(),
            minimum: description.blocks.minimum,
            flags,
            contexts: contexts.into(),
        }
    }

    /// # Errors
    ///
    /// The first rule that the request breaks: what the export can do, the command's flags, where the request
    /// reaches, how long it is.
    pub(crate) fn judge(&self, header: &Header, filter: Option<Filter<'_>>) -> Result<Judged, Refusal> {
        self.judge_ability(header)?;
        if header.flags & !self.allowed_flags(header.kind) != 0 {
            return Err((Errno::EINVAL, "a flag does not apply to this command"));
        }
        match header.kind {
            command::READ => {
                self.judge_range(header.offset, header.len, Errno::EINVAL)?;
                let len = u32::try_from(header.len).ok().filter(|&len| len <= self.limits.max_payload);
                len.map(|len| Judged::Read { len }).ok_or(self.read_too_long())
            }
            command::WRITE => {
                self.judge_range(header.offset, header.len, Errno::ENOSPC)?;
                if header.len > u64::from(self.limits.max_payload) {
                    return Err((Errno::EINVAL, "the write is longer than the largest payload"));
                }
                let len = usize::try_from(header.payload).expect("a largest payload fits memory");
                Ok(Judged::Write { len })
            }
            command::FLUSH if header.offset != 0 || header.len != 0 => {
                Err((Errno::EINVAL, "a flush has neither offset nor length"))
            }
            command::FLUSH => Ok(Judged::Flush),
            command::TRIM => {
                self.judge_range(header.offset, header.len, Errno::EINVAL).map(|()| Judged::Trim)
            }
            command::WRITE_ZEROES => {
                self.judge_range(header.offset, header.len, Errno::ENOSPC).map(|()| Judged::WriteZeroes)
            }
            command::CACHE => {
                self.judge_range(header.offset, header.len, Errno::EINVAL).map(|()| Judged::Cache)
            }
            command::BLOCK_STATUS => self.judge_block_status(header, filter),
            _ => Err((Errno::EINVAL, "unknown command")),
        }
    }

    /// "Command flags": which ones a command may carry here.
    fn allowed_flags(&self, kind: u16) -> u16 {
        let when = |condition: bool, flag: u16| if condition { flag } else { 0 };
        let own = match kind {
            command::READ => when(self.has(flag::SEND_DF), command_flag::DF),
            command::WRITE => when(self.style == ReplyStyle::Extended, command_flag::PAYLOAD_LEN),
            command::WRITE_ZEROES => {
                command_flag::NO_HOLE | when(self.has(flag::SEND_FAST_ZERO), command_flag::FAST_ZERO)
            }
            command::BLOCK_STATUS => {
                let payload = when(self.has(flag::BLOCK_STATUS_PAYLOAD), command_flag::PAYLOAD_LEN);
                command_flag::REQ_ONE | payload
            }
            _ => 0,
        };
        // Clients are known to set it where nothing is written.
        own | when(self.has(flag::SEND_FUA), command_flag::FUA)
    }

    fn judge_ability(&self, header: &Header) -> Result<(), Refusal> {
        match header.kind {
            command::WRITE | command::TRIM | command::WRITE_ZEROES if self.has(flag::READ_ONLY) => {
                Err((Errno::EPERM, "the export is read-only"))
            }
            command::FLUSH if !self.has(flag::SEND_FLUSH) => Err((Errno::EINVAL, "flush was not offered")),
            command::TRIM if !self.has(flag::SEND_TRIM) => Err((Errno::EINVAL, "trim was not offered")),
            command::WRITE_ZEROES if !self.has(flag::SEND_WRITE_ZEROES) => {
                Err((Errno::EINVAL, "writing zeroes was not offered"))
            }
            command::CACHE if !self.has(flag::SEND_CACHE) => Err((Errno::EINVAL, "cache was not offered")),
            command::BLOCK_STATUS if self.contexts.is_empty() => {
                Err((Errno::EINVAL, "no metadata context was selected"))
            }
            _ => Ok(()),
        }
    }

    fn judge_range(&self, offset: u64, len: u64, past_the_end: Errno) -> Result<(), Refusal> {
        if offset.checked_add(len).is_none_or(|end| end > self.size) {
            return Err((past_the_end, "the request reaches past the end of the export"));
        }
        let minimum = u64::from(self.minimum);
        if !offset.is_multiple_of(minimum) || !len.is_multiple_of(minimum) {
            return Err((Errno::EINVAL, "the request is not aligned to the smallest block"));
        }
        Ok(())
    }

    fn judge_block_status(&self, header: &Header, filter: Option<Filter<'_>>) -> Result<Judged, Refusal> {
        let (len, contexts) = match filter {
            Some(filter) => (filter.len, self.restricted_to(&filter)?),
            None if header.has(command_flag::PAYLOAD_LEN) => {
                return Err((Errno::EINVAL, "the payload is no list of contexts"));
            }
            None => (header.len, Arc::clone(&self.contexts)),
        };
        self.judge_range(header.offset, len, Errno::EINVAL)?;
        if len == 0 {
            return Err((Errno::EINVAL, "nothing is no place to have a status"));
        }
        Ok(Judged::BlockStatus { len, contexts })
    }

    fn restricted_to(&self, filter: &Filter<'_>) -> Result<Arc<[usize]>, Refusal> {
        let ids: Vec<usize> = filter.contexts.iter().map(|id| id.get() as usize).collect();
        let selected = ids.iter().all(|id| self.contexts.contains(id));
        let repeats = ids.iter().enumerate().any(|(index, id)| ids[..index].contains(id));
        if ids.is_empty() || !selected || repeats {
            return Err((Errno::EINVAL, "the payload must name selected contexts, each once"));
        }
        Ok(ids.into())
    }

    /// `NBD_EOVERFLOW` is for clients who know that a read may be answered in pieces.
    fn read_too_long(&self) -> Refusal {
        let errno = if self.has(flag::SEND_DF) { Errno::EOVERFLOW } else { Errno::EINVAL };
        (errno, "the read is longer than the largest payload")
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}
