//! What is on the disk: the record in the last sector of every component, and the entries of the map.
//!
//! Both are declared here once. Decoding judges nothing: any 92 bytes are a record, any 8 an entry, so that a
//! damaged set can still be shown. Field names are the kernel's (`md_virsize`), only here.
//!
//! ```text
//!  component 0                                                     every component
//!  |allocation map | reserved ... | chunk 2 | chunk 3 | ... | tail |record|
//!  byte 0                                                          size - sector size
//! ```
//!
//! Two byte orders live together: the record is little-endian always (`virstor_metadata_encode`), the map is
//! copied from memory as the machine has it (`virstor_check_and_run`, `g_virstor_start`), so a set made on
//! sparc64 or powerpc has a little-endian record and a big-endian map.

use core::fmt;
use core::mem::{offset_of, size_of};

use zerocopy::byteorder::{BigEndian, LittleEndian, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute};

use crate::geometry::{ComponentIndex, PhysicalChunk};

/// The start of every record: 13 letters and, usually, three NULs.
pub const MAGIC: &[u8; 13] = b"GEOM::VIRSTOR";

/// The one version that was ever written (`G_VIRSTOR_VERSION`).
pub const VERSION: u32 = 1;

/// Length of an encoded record, in bytes. The rest of the sector may hold garbage: kernels up to FreeBSD 9
/// wrote uninitialised memory there.
pub const RECORD_LEN: usize = 92;

/// Length of a map entry, in bytes.
pub const MAP_ENTRY_LEN: usize = 8;

/// Sector sizes a record is looked for at. The format does not store the sector size; it follows from where
/// the record stands.
pub const SECTOR_SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/// The record ("metadata"), as encoded at the start of a component's last sector.
///
/// The order is that of `virstor_metadata_encode`, **not** that of the C struct in `g_virstor_md.h`, which
/// puts `md_id` before `md_virsize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Record {
    /// [`MAGIC`], compared as a C string: bytes 14 and 15 do not count.
    pub md_magic: [u8; 16],
    /// [`VERSION`].
    pub md_version: U32<LittleEndian>,
    /// Name of the volume: raw bytes, usually NUL-padded.
    pub md_name: [u8; 16],
    /// Size of the virtual device in bytes.
    pub md_virsize: U64<LittleEndian>,
    /// Size of every chunk in bytes.
    pub md_chunk_size: U32<LittleEndian>,
    /// Random number drawn by `label`; any value, 0 included.
    pub md_id: U32<LittleEndian>,
    /// How many components the volume has.
    pub md_count: U16<LittleEndian>,
    /// Hardcoded provider name, or all zero; it may lack a NUL.
    pub provider: [u8; 16],
    /// Index of this component.
    pub no: U16<LittleEndian>,
    /// Size of this component in bytes, the record's sector included.
    pub provsize: U64<LittleEndian>,
    /// Chunks of this component that may be used, reserved ones included.
    pub chunk_count: U32<LittleEndian>,
    /// The allocation cursor when the record was last written.
    pub chunk_next: U32<LittleEndian>,
    /// How many low chunks are never handed out.
    pub chunk_reserved: U16<LittleEndian>,
    /// See [`ComponentFlags`].
    pub flags: U16<LittleEndian>,
}

const _: () = {
    assert!(size_of::<Record>() == RECORD_LEN);
    assert!(offset_of!(Record, md_version) == 0x10);
    assert!(offset_of!(Record, md_name) == 0x14);
    assert!(offset_of!(Record, md_virsize) == 0x24);
    assert!(offset_of!(Record, md_chunk_size) == 0x2c);
    assert!(offset_of!(Record, md_id) == 0x30);
    assert!(offset_of!(Record, md_count) == 0x34);
    assert!(offset_of!(Record, provider) == 0x36);
    assert!(offset_of!(Record, no) == 0x46);
    assert!(offset_of!(Record, provsize) == 0x48);
    assert!(offset_of!(Record, chunk_count) == 0x50);
    assert!(offset_of!(Record, chunk_next) == 0x54);
    assert!(offset_of!(Record, chunk_reserved) == 0x58);
    assert!(offset_of!(Record, flags) == 0x5a);
};

impl Record {
    /// The record at the start of `sector`.
    ///
    /// # Panics
    ///
    /// When `sector` is shorter than [`RECORD_LEN`].
    #[must_use]
    pub fn decode(sector: &[u8]) -> Self {
        Self::read_from_prefix(sector).expect("a sector is longer than a record").0
    }

    /// Whether the magic is right, compared as the kernel does: as C strings, so what follows the NUL does
    /// not count, but the NUL does.
    #[must_use]
    pub fn has_magic(&self) -> bool {
        c_string(&self.md_magic) == MAGIC
    }

    /// The name of the volume.
    #[must_use]
    pub fn name(&self) -> Name {
        Name(self.md_name)
    }

    /// The hardcoded provider name; empty when there is none.
    #[must_use]
    pub fn hardcoded(&self) -> Name {
        Name(self.provider)
    }

    /// The flags of this component.
    #[must_use]
    pub fn component_flags(&self) -> ComponentFlags {
        ComponentFlags(self.flags.get())
    }

    /// The name of the volume as the kernel sees it: `strcmp` and `printf` do not stop at the end of the
    /// field, so a name of 16 bytes runs on into the fields of the C struct that follow it. Those are, in
    /// memory, `md_id` and then `md_virsize`.
    #[must_use]
    pub fn name_as_c_string(&self) -> alloc::vec::Vec<u8> {
        let mut memory = self.md_name.to_vec();
        memory.extend_from_slice(self.md_id.as_bytes());
        memory.extend_from_slice(self.md_virsize.as_bytes());
        c_string(&memory).to_vec()
    }

    /// The hardcoded name as the kernel sees it: an unterminated one runs on into `no`, then `provsize`.
    #[must_use]
    pub fn hardcoded_as_c_string(&self) -> alloc::vec::Vec<u8> {
        let mut memory = self.provider.to_vec();
        memory.extend_from_slice(self.no.as_bytes());
        memory.extend_from_slice(self.provsize.as_bytes());
        c_string(&memory).to_vec()
    }
}

/// The bytes before the first NUL, or all of them.
#[must_use]
pub fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A name field: 16 raw bytes, of which those before the first NUL are the name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub [u8; 16]);

impl Name {
    /// The name without its padding.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        c_string(&self.0)
    }

    /// Whether the field starts with a NUL.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Whether a NUL ends the name inside the field.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.0.contains(&0)
    }
}

/// The name for people: UTF-8 where it is, `\xNN` for other bytes and for control characters.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Printable(self.bytes()), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// Bytes from a disk, made fit for a terminal: what is not printable UTF-8 becomes `\xNN`, and letters that
/// are not seen but turn the text around them become `\u{NNNN}`.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for part in self.0.utf8_chunks() {
            for letter in part.valid().chars() {
                if letter.is_control() {
                    write!(f, "\\x{:02x}", u32::from(letter))?;
                } else if turns_text(letter) {
                    write!(f, "\\u{{{:04x}}}", u32::from(letter))?;
                } else {
                    f.write_char(letter)?;
                }
            }
            for byte in part.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether the letter has no shape and changes the order or the breaks of the text around it: a name with one
/// can make the rest of the line read as something else. Unicode's `Bidi_Control`, and its two separators.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a component is used for.
///
/// A wrapper rather than an enum: a flag this crate does not know must survive being read and written back,
/// and kernels left garbage here (`virstor_ctl_add` never sets the field).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentFlags(pub u16);

impl ComponentFlags {
    /// `VIRSTOR_PROVIDER_ALLOCATED`: chunks of this component are in use.
    pub const ALLOCATED: u16 = 1;
    /// `VIRSTOR_PROVIDER_CURRENT`: allocation goes on here.
    pub const CURRENT: u16 = 2;

    /// Whether all bits of `flags` are set.
    #[must_use]
    pub fn contains(self, flags: u16) -> bool {
        self.0 & flags == flags
    }

    /// The bits that mean nothing.
    #[must_use]
    pub fn unknown(self) -> u16 {
        self.0 & !(Self::ALLOCATED | Self::CURRENT)
    }
}

/// The byte order of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Made on amd64, i386, arm, riscv.
    Little,
    /// Made on sparc64 or powerpc.
    Big,
}

impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Little => "little",
            Self::Big => "big",
        })
    }
}

/// A map entry as it lies on the disk, `struct virstor_map_entry` in byte order `O`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawMapEntry<O: zerocopy::ByteOrder> {
    flags: U16<O>,
    provider_no: U16<O>,
    provider_chunk: U32<O>,
}

const _: () = {
    assert!(size_of::<RawMapEntry<LittleEndian>>() == MAP_ENTRY_LEN);
    assert!(offset_of!(RawMapEntry<LittleEndian>, provider_no) == 2);
    assert!(offset_of!(RawMapEntry<LittleEndian>, provider_chunk) == 4);
};

/// One entry of the allocation map: where a virtual chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapEntry {
    /// Bit 0 says allocated; no other bit has a meaning.
    pub flags: u16,
    /// The component that holds the chunk.
    pub component: ComponentIndex,
    /// The chunk on that component.
    pub chunk: PhysicalChunk,
}

impl MapEntry {
    /// `VIRSTOR_MAP_ALLOCATED`.
    pub const ALLOCATED: u16 = 1;

    /// The entry that `bytes` hold.
    #[inline]
    #[must_use]
    pub fn decode(bytes: [u8; MAP_ENTRY_LEN], order: ByteOrder) -> Self {
        match order {
            ByteOrder::Little => Self::from_raw::<LittleEndian>(transmute!(bytes)),
            ByteOrder::Big => Self::from_raw::<BigEndian>(transmute!(bytes)),
        }
    }

    /// The bytes of the entry.
    #[must_use]
    pub fn encode(self, order: ByteOrder) -> [u8; MAP_ENTRY_LEN] {
        let (flags, no, chunk) = (self.flags, self.component.0, self.chunk.0);
        match order {
            ByteOrder::Little => transmute!(raw::<LittleEndian>(flags, no, chunk)),
            ByteOrder::Big => transmute!(raw::<BigEndian>(flags, no, chunk)),
        }
    }

    /// Whether the virtual chunk has a physical one. The kernel looks at bit 0 only.
    #[must_use]
    pub fn is_allocated(self) -> bool {
        self.flags & Self::ALLOCATED != 0
    }

    fn from_raw<O: zerocopy::ByteOrder>(raw: RawMapEntry<O>) -> Self {
        Self {
            flags: raw.flags.get(),
            component: ComponentIndex(raw.provider_no.get()),
            chunk: PhysicalChunk(raw.provider_chunk.get()),
        }
    }
}

fn raw<O: zerocopy::ByteOrder>(flags: u16, provider_no: u16, provider_chunk: u32) -> RawMapEntry<O> {
    RawMapEntry {
        flags: U16::new(flags),
        provider_no: U16::new(provider_no),
        provider_chunk: U32::new(provider_chunk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record made by hand from the field table: name mydata, 2 TiB, 4 MiB, id 0x1234abcd, two components,
    /// hardcoded ada4, number 0, 500107862016 bytes, 119235 chunks, next 2, reserved 2, flags 3.
    const MYDATA: [u8; RECORD_LEN] = [
        0x47, 0x45, 0x4f, 0x4d, 0x3a, 0x3a, 0x56, 0x49, 0x52, 0x53, 0x54, 0x4f, 0x52, 0, 0, 0, 1, 0, 0, 0,
        0x6d, 0x79, 0x64, 0x61, 0x74, 0x61, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0x40,
        0, 0xcd, 0xab, 0x34, 0x12, 2, 0, 0x61, 0x64, 0x61, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0x60, 0xc0, 0x70, 0x74, 0, 0, 0, 0xc3, 0xd1, 1, 0, 2, 0, 0, 0, 2, 0, 3, 0,
    ];

    #[test]
    fn a_record_reads_as_its_field_table_says() {
        let record = Record::decode(&MYDATA);
        assert!(record.has_magic());
        assert_eq!(record.md_version.get(), VERSION);
        assert_eq!(record.name().bytes(), b"mydata");
        assert_eq!(record.md_virsize.get(), 2 << 40);
        assert_eq!(record.md_chunk_size.get(), 4 << 20);
        assert_eq!(record.md_id.get(), 0x1234_abcd);
        assert_eq!(record.md_count.get(), 2);
        assert_eq!(record.hardcoded().bytes(), b"ada4");
        assert_eq!(record.no.get(), 0);
        assert_eq!(record.provsize.get(), 500_107_862_016);
        assert_eq!(record.chunk_count.get(), 119_235);
        assert_eq!(record.chunk_next.get(), 2);
        assert_eq!(record.chunk_reserved.get(), 2);
        assert_eq!(record.component_flags(), ComponentFlags(3));
        assert_eq!(record.as_bytes(), MYDATA);
    }

    #[test]
    fn the_magic_is_a_c_string() {
        let mut record = Record::decode(&MYDATA);
        record.md_magic[14..].copy_from_slice(b"xx");
        assert!(record.has_magic(), "what follows the NUL does not count");
        record.md_magic[13] = b'!';
        assert!(!record.has_magic(), "the NUL does");
    }

    #[test]
    fn an_unterminated_name_runs_on_into_the_id() {
        let mut record = Record::decode(&MYDATA);
        record.md_name = *b"abcdefghijklmnop";
        record.md_id = U32::new(0x4142_4344);
        record.md_virsize = U64::new(8 << 20);
        assert_eq!(record.name_as_c_string(), b"abcdefghijklmnopDCBA");
        assert!(!record.name().is_terminated());
    }

    #[test]
    fn an_entry_reads_back_in_both_byte_orders() {
        let entry = MapEntry { flags: 1, component: ComponentIndex(2), chunk: PhysicalChunk(0x0102_0304) };
        assert_eq!(entry.encode(ByteOrder::Little), [1, 0, 2, 0, 4, 3, 2, 1]);
        assert_eq!(entry.encode(ByteOrder::Big), [0, 1, 0, 2, 1, 2, 3, 4]);
        for order in [ByteOrder::Little, ByteOrder::Big] {
            assert_eq!(MapEntry::decode(entry.encode(order), order), entry);
        }
    }

    #[test]
    fn names_are_shown_without_terminal_tricks() {
        assert_eq!(alloc::format!("{}", Printable(b"a\x1b[2Jb\xffc\xc3\xbc")), "a\\x1b[2Jb\\xffcü");
        assert_eq!(alloc::format!("{}", Printable("gpj\u{202e}.exe".as_bytes())), "gpj\\u{202e}.exe");
    }
}
