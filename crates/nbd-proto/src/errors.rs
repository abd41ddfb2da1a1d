//! What goes wrong, sorted by blame: the client's request, the client's conduct, the embedder's settings.

use alloc::string::String;
use core::fmt;

/// An error a client is told about ("Error values"). There are no others in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Errno {
    /// Writing to an export that is read-only.
    EPERM = 1,
    /// The storage behind the export failed.
    EIO = 5,
    /// The document asks servers not to use this one "if at all possible".
    ENOMEM = 12,
    /// The request is malformed, unknown, misaligned, or reads past the end.
    EINVAL = 22,
    /// Writing past the end, or there is no room left behind the export.
    ENOSPC = 28,
    /// Reserved for too long reads and for too long commands without payload.
    EOVERFLOW = 75,
    /// Reserved for writing zeroes with `fast_only` where that would be slow.
    ENOTSUP = 95,
    /// The server is being shut down.
    ESHUTDOWN = 108,
}

impl Errno {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a connection is over. What it is told afterwards it does not hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// The client ended the handshake (`NBD_OPT_ABORT`).
    Abort,
    /// The client ended the transmission (`NBD_CMD_DISC`).
    Disconnect,
    /// `NBD_OPT_EXPORT_NAME` cannot answer with an error, and there is no such export.
    UnknownExport,
    /// `NBD_OPT_EXPORT_NAME` cannot answer with an error, and the server is being shut down.
    ShuttingDown,
    /// The client set handshake flags that were not offered to it.
    UnknownClientFlags(u32),
    /// What should have been an option began with these bytes.
    BadOptionMagic([u8; 8]),
    /// A client that does not know fixed newstyle, and so cannot understand our answer, sent this option.
    OptionWithoutFixedNewstyle(u32),
    /// `NBD_OPT_EXPORT_NAME` with a name of so many bytes.
    ExportNameTooLong(u32),
    /// `NBD_OPT_EXPORT_NAME` after extended headers had been negotiated.
    ExportNameWithExtendedHeaders,
    /// What should have been a request began with this number.
    BadRequestMagic(u32),
    /// An extended request announced a payload beyond the bound.
    PayloadTooLarge {
        /// The bytes announced.
        len: u64,
        /// The bytes allowed.
        max: u32,
    },
}

impl Close {
    /// Whether the client took its leave as it should.
    #[must_use]
    pub fn is_orderly(self) -> bool {
        matches!(self, Self::Abort | Self::Disconnect)
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort => write!(f, "the client ended the handshake"),
            Self::Disconnect => write!(f, "the client disconnected"),
            Self::UnknownExport => write!(f, "the client asked for an export that does not exist"),
            Self::ShuttingDown => write!(f, "the server is being shut down"),
            Self::UnknownClientFlags(flags) => write!(f, "the client set unknown handshake flags {flags:#x}"),
            Self::BadOptionMagic(bytes) => write!(f, "expected an option, found {bytes:02x?}"),
            Self::OptionWithoutFixedNewstyle(option) => {
                write!(f, "the client sent option {option} without fixed newstyle")
            }
            Self::ExportNameTooLong(len) => write!(f, "the client sent an export name of {len} bytes"),
            Self::ExportNameWithExtendedHeaders => {
                write!(f, "the client chose an export the old way after extended headers")
            }
            Self::BadRequestMagic(magic) => write!(f, "expected a request, found {magic:#010x}"),
            Self::PayloadTooLarge { len, max } => {
                write!(f, "the client announced a payload of {len} bytes where {max} are allowed")
            }
        }
    }
}

/// What is wrong with the settings of a [`Server`](crate::Server).
///
/// It never depends on what a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nothing to serve.
    NoExports,
    /// Two exports of one name.
    DuplicateExport(String),
    /// A name, description or context that is longer than 4096 bytes or contains a NUL.
    BadString(String),
    /// A context whose name is not `namespace:leaf`, or that an export has twice.
    BadContext(String),
    /// More contexts than a request may name: 64 for one export.
    TooManyContexts(usize),
    /// An export that is larger than 2^63 - 1 bytes, which clients keep in a signed number.
    SizeTooLarge(u64),
    /// An export whose last bytes no request could address.
    SizeNotMultipleOfMinimum {
        /// Size of the export in bytes.
        size: u64,
        /// Its smallest block in bytes.
        minimum: u32,
    },
    /// The smallest block must be a power of two up to 65,536, the preferred one a power of two that is not
    /// smaller than that and 512 ("Size constraints").
    BadBlockSizes {
        /// The smallest block in bytes.
        minimum: u32,
        /// The preferred block in bytes.
        preferred: u32,
    },
    /// `max_payload` is below a preferred block or above 1 GiB.
    BadMaxPayload(u32),
    /// `max_requests` is zero.
    NoRequests,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoExports => write!(f, "there is nothing to export"),
            Self::DuplicateExport(name) => write!(f, "two exports are named {name:?}"),
            Self::BadString(text) => {
                write!(
                    f,
                    "{:?}... has a NUL or more than 4096 bytes",
                    text.chars().take(40).collect::<String>()
                )
            }
            Self::BadContext(name) => write!(f, "{name:?} is not a new context named namespace:leaf"),
            Self::TooManyContexts(count) => write!(f, "an export has {count} contexts, more than 64"),
            Self::SizeTooLarge(size) => write!(f, "an export of {size} bytes is larger than 2^63 - 1"),
            Self::SizeNotMultipleOfMinimum { size, minimum } => {
                write!(f, "a size of {size} bytes is not a multiple of the smallest block, {minimum}")
            }
            Self::BadBlockSizes { minimum, preferred } => {
                write!(f, "block sizes {minimum} (smallest) and {preferred} (preferred) break the rules")
            }
            Self::BadMaxPayload(max) => {
                write!(f, "a largest payload of {max} bytes is below a preferred block or above 1 GiB")
            }
            Self::NoRequests => write!(f, "at least one request must be allowed in flight"),
        }
    }
}

impl core::error::Error for ConfigError {}
