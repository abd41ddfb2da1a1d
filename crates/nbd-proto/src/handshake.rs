//! The handshake: the greeting, the client's flags, and the framing of options ("Handshake").

use zerocopy::FromBytes;
use zerocopy::big_endian::{U16, U32, U64};

use crate::errors::Close;
use crate::meta_context::Selection;
use crate::output::Output;
use crate::reply::ReplyStyle;
use crate::server::Server;
use crate::wire::{self, OptionHeader, handshake_flag as flag, option, option_reply, transmission_flag};

/// Most bytes of data of one option that is looked at; there is room for a name of 4096 bytes and for
/// queries. The data of a longer one is skipped.
pub(crate) const MAX_OPTION_DATA: usize = 16 << 10;

/// A client that has not chosen an export yet.
///
/// Everything here is negotiation and holds no resource of the embedder's: nothing is opened for a client
/// before it has chosen (CVE-2019-14850 was a server that did).
#[derive(Debug)]
pub(crate) struct Handshake {
    /// What the client answered to the greeting; `None` until then.
    client: Option<ClientFlags>,
    /// How many bytes of a refused option are still to come.
    skip: usize,
    /// How requests will be answered.
    pub(crate) style: ReplyStyle,
    /// What `NBD_OPT_SET_META_CONTEXT` selected last.
    pub(crate) selection: Option<Selection>,
}

#[derive(Debug, Clone, Copy)]
struct ClientFlags {
    fixed_newstyle: bool,
    no_zeroes: bool,
}

/// What came of looking at the input.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It holds less than a message.
    NeedInput,
    /// A message was dealt with.
    Handled,
    /// The client chose the export of this index.
    Chosen(usize),
    /// The handshake ends here.
    Close(Close),
}

impl Handshake {
    /// Greets the client.
    pub(crate) fn new(out: &mut Output) -> Self {
        let flags = U16::new(flag::FIXED_NEWSTYLE | flag::NO_ZEROES);
        wire::push(
            out,
            &wire::Greeting { magic: wire::GREETING_MAGIC, option_magic: wire::OPTION_MAGIC, flags },
        );
        Self { client: None, skip: 0, style: ReplyStyle::Simple, selection: None }
    }

    /// Takes one message from the front of `input`, or none when it is not whole.
    pub(crate) fn receive(
        &mut self,
        server: &Server,
        refuse_all: bool,
        input: &mut &[u8],
        out: &mut Output,
    ) -> Outcome {
        if self.skip > 0 {
            return self.skip(input);
        }
        let Some(client) = self.client else { return self.client_flags(input) };
        let Ok((header, rest)) = OptionHeader::read_from_prefix(input) else { return Outcome::NeedInput };
        if header.magic != wire::OPTION_MAGIC {
            return Outcome::Close(Close::BadOptionMagic(header.magic));
        }
        let (kind, announced) = (header.option.get(), header.len.get());
        if !client.fixed_newstyle && kind != option::EXPORT_NAME {
            return Outcome::Close(Close::OptionWithoutFixedNewstyle(kind));
        }
        let len = usize::try_from(announced).unwrap_or(usize::MAX);
        if len > MAX_OPTION_DATA {
            *input = rest;
            self.skip = len;
            if kind == option::SET_META_CONTEXT {
                // As where it is not too long.
                self.selection = None;
            }
            return oversized(kind, announced, out);
        }
        let Some((data, rest)) = rest.split_at_checked(len) else { return Outcome::NeedInput };
        *input = rest;
        match kind {
            option::EXPORT_NAME if refuse_all => Outcome::Close(Close::ShuttingDown),
            option::EXPORT_NAME => self.export_name(server, client.no_zeroes, data, out),
            // Data is against the rules here, but to be ignored.
            option::ABORT => abort(out),
            _ if refuse_all => {
                refuse(out, kind, option_reply::ERR_SHUTDOWN, "the server is being shut down");
                Outcome::Handled
            }
            _ => self.option(server, kind, data, out),
        }
    }

    /// "Transmission flags" of an export as this client may use it.
    pub(crate) fn transmission_flags(&self, server: &Server, export: usize) -> u16 {
        let mut flags = server.exports()[export].flags();
        if self.style != ReplyStyle::Simple {
            flags |= transmission_flag::SEND_DF;
        }
        if self.style == ReplyStyle::Extended && !self.contexts(export).is_empty() {
            flags |= transmission_flag::BLOCK_STATUS_PAYLOAD;
        }
        flags
    }

    /// The contexts selected for an export, as indices into its list. A selection made for another export
    /// does not count.
    pub(crate) fn contexts(&self, export: usize) -> &[usize] {
        match &self.selection {
            Some(selection) if selection.export == export => &selection.contexts,
            _ => &[],
        }
    }

    /// "Client flags".
    fn client_flags(&mut self, input: &mut &[u8]) -> Outcome {
        let Ok((flags, rest)) = U32::read_from_prefix(input) else { return Outcome::NeedInput };
        let (known, flags) = (u32::from(flag::FIXED_NEWSTYLE | flag::NO_ZEROES), flags.get());
        if flags & !known != 0 {
            return Outcome::Close(Close::UnknownClientFlags(flags));
        }
        *input = rest;
        self.client = Some(ClientFlags {
            fixed_newstyle: flags & u32::from(flag::FIXED_NEWSTYLE) != 0,
            no_zeroes: flags & u32::from(flag::NO_ZEROES) != 0,
        });
        Outcome::Handled
    }

    fn skip(&mut self, input: &mut &[u8]) -> Outcome {
        if input.is_empty() {
            return Outcome::NeedInput;
        }
        let count = self.skip.min(input.len());
        self.skip -= count;
        *input = &input[count..];
        Outcome::Handled
    }

    /// `NBD_OPT_EXPORT_NAME`: the old way in, which knows no errors.
    fn export_name(&self, server: &Server, no_zeroes: bool, name: &[u8], out: &mut Output) -> Outcome {
        if self.style == ReplyStyle::Extended {
            return Outcome::Close(Close::ExportNameWithExtendedHeaders);
        }
        let Some(export) = server.find(name) else { return Outcome::Close(Close::UnknownExport) };
        let size = U64::new(server.exports()[export].size);
        let flags = U16::new(self.transmission_flags(server, export));
        wire::push(out, &wire::ExportNameReply { size, flags });
        if !no_zeroes {
            out.extend_from_slice(&[0; 124]);
        }
        Outcome::Chosen(export)
    }
}

/// Appends one reply to an option ("Fixed newstyle negotiation").
///
/// Its data are pieces of the server's own configuration and fit 32 bits by far.
pub(crate) fn answer(out: &mut Output, option: u32, kind: u32, data: &[&[u8]]) {
    let len = data.iter().map(|piece| piece.len()).sum::<usize>();
    let len = U32::new(u32::try_from(len).expect("strings are at most 4096 bytes"));
    let magic = U64::new(wire::OPTION_REPLY_MAGIC);
    wire::push(out, &wire::OptionReplyHeader { magic, option: U32::new(option), kind: U32::new(kind), len });
    data.iter().for_each(|piece| out.extend_from_slice(piece));
}

/// Appends the reply that refuses an option, with a reason for people.
pub(crate) fn refuse(out: &mut Output, option: u32, error: u32, reason: &str) {
    answer(out, option, error, &[reason.as_bytes()]);
}

fn abort(out: &mut Output) -> Outcome {
    answer(out, option::ABORT, option_reply::ACK, &[]);
    Outcome::Close(Close::Abort)
}

/// Answers an option whose data will be skipped without waiting for them.
fn oversized(kind: u32, len: u32, out: &mut Output) -> Outcome {
    match kind {
        option::EXPORT_NAME => return Outcome::Close(Close::ExportNameTooLong(len)),
        option::ABORT => return abort(out),
        option::STARTTLS => refuse_tls(out),
        option::LIST | option::INFO..=option::SET_META_CONTEXT => {
            refuse(out, kind, option_reply::ERR_TOO_BIG, "too much data for this option");
        }
        _ => refuse_unknown(out, kind),
    }
    Outcome::Handled
}

/// "NOTLS mode". TLS can be had from a proxy before this server.
pub(crate) fn refuse_tls(out: &mut Output) {
    refuse(out, option::STARTTLS, option_reply::ERR_UNSUP, "this server does not speak TLS");
}

pub(crate) fn refuse_unknown(out: &mut Output, kind: u32) {
    refuse(out, kind, option_reply::ERR_UNSUP, "this server does not know that option");
}
