//! An entry of the allocation map, in the byte order of either kind of machine.

/// The byte order of a map: that of the machine that wrote it. Records are little-endian everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByteOrder {
    /// amd64, arm64 and most others.
    #[default]
    Little,
    /// sparc64, powerpc.
    Big,
}

/// One entry: eight bytes (`flags` u16, `provider_no` u16, `provider_chunk` u32). Any value may be in any
/// field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the fields are those of the on-disk entry, named as the kernel names them")]
pub struct MapEntry {
    pub flags: u16,
    pub provider_no: u16,
    pub provider_chunk: u32,
}

impl MapEntry {
    /// The encoded length in bytes.
    pub const LEN: usize = 8;
    /// In `flags`: the entry names a chunk. The kernel looks at no other bit.
    pub const ALLOCATED: u16 = 1;

    /// An entry as the kernel writes it for chunk `provider_chunk` of component `provider_no`.
    #[must_use]
    pub fn allocated(provider_no: u16, provider_chunk: u32) -> Self {
        Self { flags: Self::ALLOCATED, provider_no, provider_chunk }
    }

    /// Whether it names a chunk.
    #[must_use]
    pub fn is_allocated(self) -> bool {
        self.flags & Self::ALLOCATED != 0
    }

    /// The bytes on disk.
    #[must_use]
    pub fn encode(self, order: ByteOrder) -> [u8; Self::LEN] {
        let [a, b] = two(self.flags, order);
        let [c, d] = two(self.provider_no, order);
        let [e, f, g, h] = match order {
            ByteOrder::Little => self.provider_chunk.to_le_bytes(),
            ByteOrder::Big => self.provider_chunk.to_be_bytes(),
        };
        [a, b, c, d, e, f, g, h]
    }

    /// The entry that these bytes are.
    #[must_use]
    pub fn decode([a, b, c, d, e, f, g, h]: [u8; Self::LEN], order: ByteOrder) -> Self {
        match order {
            ByteOrder::Little => Self {
                flags: u16::from_le_bytes([a, b]),
                provider_no: u16::from_le_bytes([c, d]),
                provider_chunk: u32::from_le_bytes([e, f, g, h]),
            },
            ByteOrder::Big => Self {
                flags: u16::from_be_bytes([a, b]),
                provider_no: u16::from_be_bytes([c, d]),
                provider_chunk: u32::from_be_bytes([e, f, g, h]),
            },
        }
    }
}

fn two(value: u16, order: ByteOrder) -> [u8; 2] {
    match order {
        ByteOrder::Little => value.to_le_bytes(),
        ByteOrder::Big => value.to_be_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_keep_the_order_of_the_fields() {
        let entry = MapEntry { flags: 0x0102, provider_no: 0x0304, provider_chunk: 0x0506_0708 };
        assert_eq!(entry.encode(ByteOrder::Big), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(entry.encode(ByteOrder::Little), [2, 1, 4, 3, 8, 7, 6, 5]);
        for order in [ByteOrder::Little, ByteOrder::Big] {
            assert_eq!(MapEntry::decode(entry.encode(order), order), entry);
        }
    }
}
