//! The metadata record as plain bytes at plain offsets, written a second time on purpose.

/// The fields of a component's metadata record, as `virstor_metadata_encode` in FreeBSD's
/// `sys/geom/virstor/g_virstor_md.c` lays them out, little-endian:
///
/// ```text
///   0 magic[16]   16 version u32   20 name[16]        36 virsize u64      44 chunk_size u32
///  48 id u32      52 count u16     54 provider[16]    70 no u16           72 provsize u64
///  80 chunk_count u32              84 chunk_next u32  88 chunk_reserved u16   90 flags u16     92 end
/// ```
///
/// The engine has its own encoding. This one shares nothing with it, so that each checks the other. Any value
/// may be put in any field: specimens are for hostile cases too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the on-disk record, named as the kernel names them")]
pub struct Record {
    pub magic: [u8; 16],
    pub version: u32,
    pub name: [u8; 16],
    pub virsize: u64,
    pub chunk_size: u32,
    pub id: u32,
    pub count: u16,
    pub provider: [u8; 16],
    pub no: u16,
    pub provsize: u64,
    pub chunk_count: u32,
    pub chunk_next: u32,
    pub chunk_reserved: u16,
    pub flags: u16,
}

impl Record {
    /// The encoded length in bytes.
    pub const LEN: usize = 92;
    /// What every record begins with.
    pub const MAGIC: [u8; 16] = *b"GEOM::VIRSTOR\0\0\0";
    /// In `flags`: the component has chunks in use.
    pub const ALLOCATED: u16 = 1;
    /// In `flags`: the next chunk comes from this component.
    pub const CURRENT: u16 = 2;

    /// The bytes on disk.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let mut put =
            |offset: usize, field: &[u8]| bytes[offset..offset + field.len()].copy_from_slice(field);
        put(0, &self.magic);
        put(16, &self.version.to_le_bytes());
        put(20, &self.name);
        put(36, &self.virsize.to_le_bytes());
        put(44, &self.chunk_size.to_le_bytes());
        put(48, &self.id.to_le_bytes());
        put(52, &self.count.to_le_bytes());
        put(54, &self.provider);
        put(70, &self.no.to_le_bytes());
        put(72, &self.provsize.to_le_bytes());
        put(80, &self.chunk_count.to_le_bytes());
        put(84, &self.chunk_next.to_le_bytes());
        put(88, &self.chunk_reserved.to_le_bytes());
        put(90, &self.flags.to_le_bytes());
        bytes
    }

    /// The record that `bytes` begin with. Nothing is judged, not even the magic.
    ///
    /// # Panics
    ///
    /// When there are fewer than [`LEN`](Self::LEN) bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        Self {
            magic: field(bytes, 0),
            version: u32::from_le_bytes(field(bytes, 16)),
            name: field(bytes, 20),
            virsize: u64::from_le_bytes(field(bytes, 36)),
            chunk_size: u32::from_le_bytes(field(bytes, 44)),
            id: u32::from_le_bytes(field(bytes, 48)),
            count: u16::from_le_bytes(field(bytes, 52)),
            provider: field(bytes, 54),
            no: u16::from_le_bytes(field(bytes, 70)),
            provsize: u64::from_le_bytes(field(bytes, 72)),
            chunk_count: u32::from_le_bytes(field(bytes, 80)),
            chunk_next: u32::from_le_bytes(field(bytes, 84)),
            chunk_reserved: u16::from_le_bytes(field(bytes, 88)),
            flags: u16::from_le_bytes(field(bytes, 90)),
        }
    }

    /// `text` as a name field holds it: followed by zeros, or by nothing when it has all 16 bytes.
    ///
    /// # Panics
    ///
    /// When `text` has more than 16 bytes.
    #[must_use]
    pub fn name_field(text: &str) -> [u8; 16] {
        let mut name = [0; 16];
        assert!(text.len() <= name.len(), "{text:?} does not fit 16 bytes");
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    }
}

fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes[offset..offset + N].try_into().expect("the slice was cut to this length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;

    /// Every byte of every field differs from its neighbours, so a swapped or shifted one shows.
    fn sample() -> Record {
        Record {
            magic: *b"0123456789abcdef",
            version: 0x1312_1110,
            name: *b"ghijklmnopqrstuv",
            virsize: 0x2b2a_2928_2726_2524,
            chunk_size: 0x2f2e_2d2c,
            id: 0x3332_3130,
            count: 0x3534,
            provider: *b"wxyzABCDEFGHIJKL",
            no: 0x4746,
            provsize: 0x4f4e_4d4c_4b4a_4948,
            chunk_count: 0x5352_5150,
            chunk_next: 0x5756_5554,
            chunk_reserved: 0x5958,
            flags: 0x5b5a,
        }
    }

    #[test]
    fn integers_stand_at_their_offsets_lowest_byte_first() {
        let bytes = sample().encode();
        // The sample's integers spell their own offsets.
        for range in [16..20, 36..54, 70..92] {
            for offset in range {
                assert_eq!(usize::from(bytes[offset]), offset);
            }
        }
        assert_eq!(hex(&bytes[..16]), hex(b"0123456789abcdef"));
    }

    #[test]
    fn decoding_gives_back_what_was_encoded() {
        assert_eq!(Record::decode(&sample().encode()), sample());
    }

    #[test]
    fn a_name_of_sixteen_bytes_has_no_nul() {
        assert_eq!(Record::name_field("sixteen_chars_nm"), *b"sixteen_chars_nm");
        assert_eq!(Record::name_field("da0"), *b"da0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}
