//! What a client may ask for before it chooses an export ("Option types").

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, IntoBytes};

use crate::handshake::{Handshake, Outcome, answer, refuse, refuse_tls, refuse_unknown};
use crate::output::Output;
use crate::reply::ReplyStyle;
use crate::server::{BlockSizes, Server};
use crate::wire::{self, MAX_STRING, info, option, option_reply};

/// The largest payload in bytes that clients may count on where they are told nothing ("Size constraints").
const ASSUMED_MAX_PAYLOAD: u32 = 1 << 25;

/// Data of an option that contradict themselves; says how, for the client.
pub(crate) struct Malformed(pub(crate) &'static str);

impl Handshake {
    /// Answers any option but the two that are answered in every state: `NBD_OPT_EXPORT_NAME` and
    /// `NBD_OPT_ABORT`.
    pub(crate) fn option(&mut self, server: &Server, kind: u32, data: &[u8], out: &mut Output) -> Outcome {
        let result = match kind {
            option::LIST => list(server, data, out),
            option::INFO | option::GO => match self.info(server, kind, data, out) {
                Ok(Some(export)) if kind == option::GO => return Outcome::Chosen(export),
                result => result.map(drop),
            },
            option::STRUCTURED_REPLY => self.structured_reply(data, out),
            option::EXTENDED_HEADERS if server.offers_extended_headers() => self.extended_headers(data, out),
            option::LIST_META_CONTEXT => self.list_meta_context(server, data, out),
            option::SET_META_CONTEXT => self.set_meta_context(server, data, out),
            option::STARTTLS => {
                refuse_tls(out);
                Ok(())
            }
            _ => {
                refuse_unknown(out, kind);
                Ok(())
            }
        };
        if let Err(Malformed(reason)) = result {
            refuse(out, kind, option_reply::ERR_INVALID, reason);
        }
        Outcome::Handled
    }

    /// `NBD_OPT_INFO` and `NBD_OPT_GO`; gives the export that was described.
    fn info(
        &self,
        server: &Server,
        kind: u32,
        data: &[u8],
        out: &mut Output,
    ) -> Result<Option<usize>, Malformed> {
        let request = InfoRequest::parse(data)?;
        let Some(index) = server.find(request.name) else {
            refuse(out, kind, option_reply::ERR_UNKNOWN, "there is no such export");
            return Ok(None);
        };
        let export = &server.exports()[index];
        let flags = U16::new(self.transmission_flags(server, index));
        let (size, exported) = (U64::new(export.size), U16::new(info::EXPORT));
        let mut inform = |pieces: &[&[u8]]| answer(out, kind, option_reply::INFO, pieces);
        inform(&[wire::InfoExport { kind: exported, size, flags }.as_bytes()]);
        if request.wants(info::NAME) {
            inform(&[&info::NAME.to_be_bytes(), export.name.as_bytes()]);
        }
        if request.wants(info::DESCRIPTION) && !export.description.is_empty() {
            inform(&[&info::DESCRIPTION.to_be_bytes(), export.description.as_bytes()]);
        }
        let max_payload = server.limits().max_payload;
        let guessable = export.blocks == BlockSizes::default() && max_payload >= ASSUMED_MAX_PAYLOAD;
        // Even a client that does not ask should hear of constraints that it cannot guess.
        if request.wants(info::BLOCK_SIZE) || !guessable {
            inform(&[block_size(export.blocks, max_payload).as_bytes()]);
        }
        answer(out, kind, option_reply::ACK, &[]);
        Ok(Some(index))
    }

    fn structured_reply(&mut self, data: &[u8], out: &mut Output) -> Result<(), Malformed> {
        no_data(data)?;
        if self.style == ReplyStyle::Extended {
            let reason = "extended headers have been negotiated";
            refuse(out, option::STRUCTURED_REPLY, option_reply::ERR_EXT_HEADER_REQD, reason);
            return Ok(());
        }
        self.style = ReplyStyle::Structured;
        answer(out, option::STRUCTURED_REPLY, option_reply::ACK, &[]);
        Ok(())
    }

    fn extended_headers(&mut self, data: &[u8], out: &mut Output) -> Result<(), Malformed> {
        no_data(data)?;
        self.style = ReplyStyle::Extended;
        answer(out, option::EXTENDED_HEADERS, option_reply::ACK, &[]);
        Ok(())
    }
}

/// `NBD_OPT_LIST`.
fn list(server: &Server, data: &[u8], out: &mut Output) -> Result<(), Malformed> {
    no_data(data)?;
    for export in server.exports() {
        let (name, description) = (export.name.as_bytes(), export.description.as_bytes());
        let name_len = u32::try_from(name.len()).expect("names are at most 4096 bytes");
        answer(out, option::LIST, option_reply::SERVER, &[&name_len.to_be_bytes(), name, description]);
    }
    answer(out, option::LIST, option_reply::ACK, &[]);
    Ok(())
}

fn block_size(blocks: BlockSizes, max_payload: u32) -> wire::InfoBlockSize {
    wire::InfoBlockSize {
        kind: U16::new(info::BLOCK_SIZE),
        minimum: U32::new(blocks.minimum),
        preferred: U32::new(blocks.preferred),
        maximum: U32::new(max_payload),
    }
}

fn no_data(data: &[u8]) -> Result<(), Malformed> {
    if data.is_empty() { Ok(()) } else { Err(Malformed("this option takes no data")) }
}

/// The data of `NBD_OPT_INFO` and `NBD_OPT_GO`.
struct InfoRequest<'a> {
    name: &'a [u8],
    /// Information types of two bytes each.
    types: &'a [U16],
}

impl<'a> InfoRequest<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(data);
        let name = fields.string()?;
        let count = usize::from(fields.number::<U16>()?.get());
        match <[U16]>::ref_from_bytes(fields.0) {
            Ok(types) if types.len() == count => Ok(Self { name, types }),
            _ => Err(Malformed("the number of information requests is not that of the data")),
        }
    }

    fn wants(&self, kind: u16) -> bool {
        self.types.contains(&U16::new(kind))
    }
}

/// Takes fields from the front of an option's data.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn number<N: FromBytes>(&mut self) -> Result<N, Malformed> {
        let (number, rest) = N::read_from_prefix(self.0).map_err(|_| Malformed("the data end too early"))?;
        self.0 = rest;
        Ok(number)
    }

    /// A length of 32 bits and so many bytes.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.number::<U32>()?.get();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let Some((string, rest)) = self.0.split_at_checked(len) else {
            return Err(Malformed("a string is longer than the data"));
        };
        if len > MAX_STRING {
            return Err(Malformed("a string is longer than 4096 bytes"));
        }
        self.0 = rest;
        Ok(string)
    }

    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("there are more data than announced")) }
    }
}
