//! The numbers and layouts of the NBD document, each written down once.
//!
//! All integers are big-endian ("Conventions"). Structures are named for the messages they are; how long
//! each one is on the wire is asserted below it.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::output::Output;

/// Longest string of the protocol in bytes ("Conventions").
pub(crate) const MAX_STRING: usize = 4096;

/// `NBDMAGIC`, the first word of the server.
pub(crate) const GREETING_MAGIC: [u8; 8] = *b"NBDMAGIC";
/// `IHAVEOPT`, which also opens every option of the client.
pub(crate) const OPTION_MAGIC: [u8; 8] = *b"IHAVEOPT";
pub(crate) const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
pub(crate) const REQUEST_MAGIC: u32 = 0x2560_9513;
pub(crate) const EXTENDED_REQUEST_MAGIC: u32 = 0x21e4_1c71;
pub(crate) const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
pub(crate) const STRUCTURED_REPLY_MAGIC: u32 = 0x668e_33ef;
pub(crate) const EXTENDED_REPLY_MAGIC: u32 = 0x6e8a_278c;

/// "Handshake flags" and "Client flags": the two fields share their bits.
pub(crate) mod handshake_flag {
    pub(crate) const FIXED_NEWSTYLE: u16 = 1 << 0;
    pub(crate) const NO_ZEROES: u16 = 1 << 1;
}

/// "Transmission flags".
pub(crate) mod transmission_flag {
    pub(crate) const HAS_FLAGS: u16 = 1 << 0;
    pub(crate) const READ_ONLY: u16 = 1 << 1;
    pub(crate) const SEND_FLUSH: u16 = 1 << 2;
    pub(crate) const SEND_FUA: u16 = 1 << 3;
    pub(crate) const ROTATIONAL: u16 = 1 << 4;
    pub(crate) const SEND_TRIM: u16 = 1 << 5;
    pub(crate) const SEND_WRITE_ZEROES: u16 = 1 << 6;
    pub(crate) const SEND_DF: u16 = 1 << 7;
    pub(crate) const CAN_MULTI_CONN: u16 = 1 << 8;
    pub(crate) const SEND_CACHE: u16 = 1 << 10;
    pub(crate) const SEND_FAST_ZERO: u16 = 1 << 11;
    pub(crate) const BLOCK_STATUS_PAYLOAD: u16 = 1 << 12;
}

/// "Option types".
pub(crate) mod option {
    pub(crate) const EXPORT_NAME: u32 = 1;
    pub(crate) const ABORT: u32 = 2;
    pub(crate) const LIST: u32 = 3;
    pub(crate) const STARTTLS: u32 = 5;
    pub(crate) const INFO: u32 = 6;
    pub(crate) const GO: u32 = 7;
    pub(crate) const STRUCTURED_REPLY: u32 = 8;
    pub(crate) const LIST_META_CONTEXT: u32 = 9;
    pub(crate) const SET_META_CONTEXT: u32 = 10;
    pub(crate) const EXTENDED_HEADERS: u32 = 11;
}

/// "Option reply types".
pub(crate) mod option_reply {
    pub(crate) const ACK: u32 = 1;
    pub(crate) const SERVER: u32 = 2;
    pub(crate) const INFO: u32 = 3;
    pub(crate) const META_CONTEXT: u32 = 4;
    pub(crate) const ERR_UNSUP: u32 = 1 << 31 | 1;
    pub(crate) const ERR_INVALID: u32 = 1 << 31 | 3;
    pub(crate) const ERR_UNKNOWN: u32 = 1 << 31 | 6;
    pub(crate) const ERR_SHUTDOWN: u32 = 1 << 31 | 7;
    pub(crate) const ERR_TOO_BIG: u32 = 1 << 31 | 9;
    pub(crate) const ERR_EXT_HEADER_REQD: u32 = 1 << 31 | 10;
}

/// The information types of `NBD_REP_INFO`.
pub(crate) mod info {
    pub(crate) const EXPORT: u16 = 0;
    pub(crate) const NAME: u16 = 1;
    pub(crate) const DESCRIPTION: u16 = 2;
    pub(crate) const BLOCK_SIZE: u16 = 3;
}

/// "Request types".
pub(crate) mod command {
    pub(crate) const READ: u16 = 0;
    pub(crate) const WRITE: u16 = 1;
    pub(crate) const DISC: u16 = 2;
    pub(crate) const FLUSH: u16 = 3;
    pub(crate) const TRIM: u16 = 4;
    pub(crate) const CACHE: u16 = 5;
    pub(crate) const WRITE_ZEROES: u16 = 6;
    pub(crate) const BLOCK_STATUS: u16 = 7;
}

/// "Command flags".
pub(crate) mod command_flag {
    pub(crate) const FUA: u16 = 1 << 0;
    pub(crate) const NO_HOLE: u16 = 1 << 1;
    pub(crate) const DF: u16 = 1 << 2;
    pub(crate) const REQ_ONE: u16 = 1 << 3;
    pub(crate) const FAST_ZERO: u16 = 1 << 4;
    pub(crate) const PAYLOAD_LEN: u16 = 1 << 5;
}

/// "Structured reply types".
pub(crate) mod chunk {
    pub(crate) const NONE: u16 = 0;
    pub(crate) const OFFSET_DATA: u16 = 1;
    pub(crate) const OFFSET_HOLE: u16 = 2;
    pub(crate) const BLOCK_STATUS: u16 = 5;
    pub(crate) const BLOCK_STATUS_EXT: u16 = 6;
    pub(crate) const ERROR: u16 = 1 << 15 | 1;
    pub(crate) const ERROR_OFFSET: u16 = 1 << 15 | 2;
}

/// "Structured reply flags": this chunk is the last one of its reply.
pub(crate) const DONE: u16 = 1 << 0;

/// Declares a message: its fields in wire order, and its size in bytes, asserted.
macro_rules! message {
    ($(#[$doc:meta])* $name:ident, $size:literal { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
        #[repr(C)]
        pub(crate) struct $name { $(pub(crate) $field: $type,)* }
        const _: () = assert!(size_of::<$name>() == $size);
    };
}

message! {
    /// "Newstyle negotiation": what the server says first.
    Greeting, 18 { magic: [u8; 8], option_magic: [u8; 8], flags: U16, }
}
message! {
    /// "Newstyle negotiation": the head of every option.
    OptionHeader, 16 { magic: [u8; 8], option: U32, len: U32, }
}
message! {
    /// "Fixed newstyle negotiation": the head of every answer to an option.
    OptionReplyHeader, 20 { magic: U64, option: U32, kind: U32, len: U32, }
}
message! {
    /// The answer to `NBD_OPT_EXPORT_NAME`, before its 124 zeroes.
    ExportNameReply, 10 { size: U64, flags: U16, }
}
message! { InfoExport, 12 { kind: U16, size: U64, flags: U16, } }
message! { InfoBlockSize, 14 { kind: U16, minimum: U32, preferred: U32, maximum: U32, } }
message! {
    /// "Request message", compact.
    RequestHeader, 28 { magic: U32, flags: U16, kind: U16, cookie: U64, offset: U64, len: U32, }
}
message! {
    /// "Request message", extended.
    ExtendedRequestHeader, 32 { magic: U32, flags: U16, kind: U16, cookie: U64, offset: U64, len: U64, }
}
message! { SimpleReplyHeader, 16 { magic: U32, error: U32, cookie: U64, } }
message! { StructuredReplyHeader, 20 { magic: U32, flags: U16, kind: U16, cookie: U64, len: U32, } }
message! {
    ExtendedReplyHeader, 32 { magic: U32, flags: U16, kind: U16, cookie: U64, offset: U64, len: U64, }
}
message! { HolePayload, 12 { offset: U64, len: U32, } }
message! { ErrorPayload, 6 { error: U32, message_len: U16, } }
message! { StatusPayload, 4 { context: U32, } }
message! { ExtendedStatusPayload, 8 { context: U32, count: U32, } }
message! { Descriptor, 8 { len: U32, status: U32, } }
message! { ExtendedDescriptor, 16 { len: U64, status: U64, } }

/// Appends one message to the output.
pub(crate) fn push(out: &mut Output, message: &(impl IntoBytes + Immutable)) {
    out.extend_from_slice(message.as_bytes());
}

/// Writes one message over the output from `at` on.
///
/// # Panics
///
/// When the output is shorter than that: only places that were pushed before are overwritten.
pub(crate) fn overwrite(out: &mut [u8], at: usize, message: &(impl IntoBytes + Immutable)) {
    let bytes = message.as_bytes();
    out[at..at + bytes.len()].copy_from_slice(bytes);
}
