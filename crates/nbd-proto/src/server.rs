//! What is served: exports and limits, checked once and shared by all connections.

use alloc::string::String;
use alloc::vec::Vec;

use crate::errors::ConfigError;
use crate::wire::{MAX_STRING, transmission_flag as flag};

/// Most contexts of one export: their queries must fit an option, and a request may name them all.
pub(crate) const MAX_CONTEXTS: usize = 64;

/// One disk that clients may choose by name.
///
/// [`Export::new`] gives a read-only one to start from:
///
/// ```
/// use nbd_proto::{Export, Features};
/// let export = Export {
///     features: Features { multi_conn: true, ..Features::default() },
///     contexts: vec!["base:allocation".into()],
///     ..Export::new("volume", 8 << 20)
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What clients call it. The empty name is that of the default export.
    pub name: String,
    /// A line for people, or nothing.
    pub description: String,
    /// In bytes.
    pub size: u64,
    /// What it can do.
    pub features: Features,
    /// In which blocks it likes to be read and written.
    pub blocks: BlockSizes,
    /// Names of the metadata contexts it can report ("Metadata querying"), such as `base:allocation`.
    /// Requests refer to them by their index in this list.
    pub contexts: Vec<String>,
}

impl Export {
    /// A read-only export of `size` bytes without contexts.
    #[must_use]
    pub fn new(name: impl Into<String>, size: u64) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            size,
            features: Features::default(),
            blocks: BlockSizes::default(),
            contexts: Vec::new(),
        }
    }

    /// "Transmission flags", but for those that depend on what was negotiated.
    pub(crate) fn flags(&self) -> u16 {
        let features = self.features;
        let writable = !features.read_only;
        let flags = [
            (features.read_only, flag::READ_ONLY),
            (features.flush, flag::SEND_FLUSH),
            (features.fua, flag::SEND_FUA),
            (features.rotational, flag::ROTATIONAL),
            (features.trim && writable, flag::SEND_TRIM),
            (features.write_zeroes && writable, flag::SEND_WRITE_ZEROES),
            (features.multi_conn, flag::CAN_MULTI_CONN),
            (features.cache, flag::SEND_CACHE),
            (features.fast_zero && features.write_zeroes && writable, flag::SEND_FAST_ZERO),
        ];
        flags.iter().filter(|(set, _)| *set).fold(flag::HAS_FLAGS, |all, (_, bit)| all | bit)
    }

    fn check(&self) -> Result<(), ConfigError> {
        for text in [&self.name, &self.description].into_iter().chain(&self.contexts) {
            if text.len() > MAX_STRING || text.contains('\0') {
                return Err(ConfigError::BadString(text.clone()));
            }
        }
        if self.contexts.len() > MAX_CONTEXTS {
            return Err(ConfigError::TooManyContexts(self.contexts.len()));
        }
        for (index, context) in self.contexts.iter().enumerate() {
            let well_formed = context.split_once(':').is_some_and(|(namespace, leaf)| {
                let printable = !namespace.contains(|c: char| c.is_whitespace() || c.is_control());
                printable && !namespace.is_empty() && !leaf.is_empty()
            });
            if !well_formed || self.contexts[..index].contains(context) {
                return Err(ConfigError::BadContext(context.clone()));
            }
        }
        if self.size > i64::MAX.unsigned_abs() {
            return Err(ConfigError::SizeTooLarge(self.size));
        }
        self.blocks.check(self.size)
    }
}

/// What an export can do. Requests for anything else are refused before they surface.
///
/// The default is read-only, and nothing more. A read-only export advertises neither trimming nor zeroing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Nothing can be written.
    pub read_only: bool,
    /// [`Request::Flush`](crate::Request::Flush) makes durable what was written.
    pub flush: bool,
    /// The `fua` of a request is honoured.
    pub fua: bool,
    /// [`Request::Trim`](crate::Request::Trim) is understood.
    pub trim: bool,
    /// [`Request::WriteZeroes`](crate::Request::WriteZeroes) is understood.
    pub write_zeroes: bool,
    /// The `fast_only` of that request is honoured, even if always with `ENOTSUP`.
    pub fast_zero: bool,
    /// All connections see one cache: what one flushed, every other one sees.
    pub multi_conn: bool,
    /// [`Request::Cache`](crate::Request::Cache) is understood.
    pub cache: bool,
    /// Seeking costs time here.
    pub rotational: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            read_only: true,
            flush: false,
            fua: false,
            trim: false,
            write_zeroes: false,
            fast_zero: false,
            multi_conn: false,
            cache: false,
            rotational: false,
        }
    }
}

/// "Size constraints" of an export, in bytes. The largest payload is the same for all ([`Limits`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSizes {
    /// Offsets and lengths must be multiples of this; a power of two up to 65,536.
    pub minimum: u32,
    /// Offsets and lengths had better be multiples of this; a power of two, at least 512.
    pub preferred: u32,
}

impl BlockSizes {
    fn check(self, size: u64) -> Result<(), ConfigError> {
        let Self { minimum, preferred } = self;
        let minimum_is_legal = minimum.is_power_of_two() && minimum <= 1 << 16;
        if !minimum_is_legal || !preferred.is_power_of_two() || preferred < minimum.max(512) {
            return Err(ConfigError::BadBlockSizes { minimum, preferred });
        }
        if !size.is_multiple_of(u64::from(minimum)) {
            return Err(ConfigError::SizeNotMultipleOfMinimum { size, minimum });
        }
        Ok(())
    }
}

/// What the document lets clients assume where a server says nothing.
impl Default for BlockSizes {
    fn default() -> Self {
        Self { minimum: 1, preferred: 4096 }
    }
}

/// How much of one client's work may be under way: the bounds on the memory it can occupy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that one read may ask for or one write may carry. At most 1 GiB; clients may assume
    /// 32 MiB.
    pub max_payload: u32,
    /// Most requests that have surfaced and not been answered.
    pub max_requests: usize,
    /// Most bytes that those requests read and write together. One request is admitted whatever its size.
    pub max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_payload: 32 << 20, max_requests: 128, max_bytes: 64 << 20 }
    }
}

/// Exports and limits that have been checked. Shared by all connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    exports: Vec<Export>,
    limits: Limits,
    extended_headers: bool,
}

impl Server {
    /// A server of `exports` with the default [`Limits`]. A client that names no export gets the one with
    /// the empty name, or else the first one.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says which rule of the document the settings break.
    pub fn new(exports: Vec<Export>) -> Result<Self, ConfigError> {
        if exports.is_empty() {
            return Err(ConfigError::NoExports);
        }
        for (index, export) in exports.iter().enumerate() {
            export.check()?;
            if exports[..index].iter().any(|other| other.name == export.name) {
                return Err(ConfigError::DuplicateExport(export.name.clone()));
            }
        }
        Self { exports, limits: Limits::default(), extended_headers: false }.with_limits(Limits::default())
    }

    /// The same server with other limits.
    ///
    /// # Errors
    ///
    /// [`ConfigError::BadMaxPayload`] and [`ConfigError::NoRequests`].
    pub fn with_limits(self, limits: Limits) -> Result<Self, ConfigError> {
        let preferred = self.exports.iter().map(|export| export.blocks.preferred).max().unwrap_or(0);
        if limits.max_payload < preferred || limits.max_payload > 1 << 30 {
            return Err(ConfigError::BadMaxPayload(limits.max_payload));
        }
        if limits.max_requests == 0 {
            return Err(ConfigError::NoRequests);
        }
        Ok(Self { limits, ..self })
    }

    /// The same server, offering 64-bit headers or not. They are an experimental extension of the document
    /// (its branch `extension-ext-header`), spoken by qemu since 8.2 and libnbd since 1.18.
    #[must_use]
    pub fn with_extended_headers(self, offered: bool) -> Self {
        Self { extended_headers: offered, ..self }
    }

    /// What is served, in the order given.
    #[must_use]
    pub fn exports(&self) -> &[Export] {
        &self.exports
    }

    /// The limits every connection obeys.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn offers_extended_headers(&self) -> bool {
        self.extended_headers
    }

    /// The index of the export a client means by `name`.
    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        let exact = self.exports.iter().position(|export| export.name.as_bytes() == name);
        exact.or(name.is_empty().then_some(0))
    }
}
