//! Documents on their way to JavaScript: CBOR (RFC 8949), as far as documents need it.
//!
//! What makes JavaScript's objects field by field calls the browser for every one of them, and every such call may
//! fail. Bytes are written without either, in half the code. What has 64 bits in Rust takes eight bytes here whatever
//! its value: so the reader knows what is a `BigInt`.

use std::fmt;

use serde::ser::{self, Serialize};

/// The document as CBOR. Lists and maps are of indefinite length.
pub(crate) fn bytes(document: &impl Serialize) -> Vec<u8> {
    let mut writer = Writer { out: Vec::new() };
    let Ok(()) = document.serialize(&mut writer);
    writer.out
}

/// The kinds of items, as their first byte has them.
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const TEXT: u8 = 3;
}

const LIST: u8 = 0x9f;
const MAP: u8 = 0xbf;
const END: u8 = 0xff;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An item's kind and its number, which has at most 32 bits.
    fn head(&mut self, major: u8, number: u32) {
        let [.., third, fourth] = number.to_be_bytes();
        match number {
            0..24 => self.out.push(major << 5 | fourth),
            24..0x100 => self.out.extend([major << 5 | 24, fourth]),
            0x100..0x1_0000 => self.out.extend([major << 5 | 25, third, fourth]),
            _ => {
                self.out.push(major << 5 | 26);
                self.out.extend(number.to_be_bytes());
            }
        }
    }

    fn long(&mut self, major: u8, number: u64) {
        self.out.push(major << 5 | 27);
        self.out.extend(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.head(major::TEXT, u32::try_from(text.len()).expect("a document has less than 4 GiB"));
        self.out.extend(text.as_bytes());
    }

    fn byte(&mut self, byte: u8) -> Result<(), Never> {
        self.out.push(byte);
        Ok(())
    }

    fn begin(&mut self, kind: u8) -> Result<&mut Self, Never> {
        self.out.push(kind);
        Ok(self)
    }
}

/// What goes wrong when a document is written into memory.
#[derive(Debug)]
enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

impl ser::Error for Never {
    fn custom<T: fmt::Display>(_: T) -> Self {
        unreachable!("documents derive how they are written, which refuses nothing")
    }
}

impl ser::Serializer for &mut Writer {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn serialize_bool(self, value: bool) -> Result<(), Never> {
        self.byte(if value { TRUE } else { FALSE })
    }

    fn serialize_i8(self, value: i8) -> Result<(), Never> {
        self.serialize_i32(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Never> {
        self.serialize_i32(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Never> {
        let major = if value < 0 { major::NEGATIVE } else { major::UNSIGNED };
        self.head(major, (value ^ (value >> 31)).cast_unsigned());
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Never> {
        let major = if value < 0 { major::NEGATIVE } else { major::UNSIGNED };
        self.long(major, (value ^ (value >> 63)).cast_unsigned());
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Never> {
        self.serialize_u32(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Never> {
        self.serialize_u32(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Never> {
        self.head(major::UNSIGNED, value);
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Never> {
        self.long(major::UNSIGNED, value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Never> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Never> {
        self.out.push(0xfb);
        self.out.extend(value.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Never> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Never> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), Never> {
        self.byte(NULL)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Never> {
        self.byte(NULL)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Never> {
        self.byte(NULL)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Never> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        self.out.push(MAP);
        self.text(variant);
        let Ok(()) = value.serialize(&mut *self);
        self.byte(END)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Never> {
        self.begin(LIST)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Never> {
        self.begin(LIST)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Never> {
        self.begin(LIST)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, Never> {
        self.out.push(MAP);
        self.text(variant);
        self.begin(LIST)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Never> {
        self.begin(MAP)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Never> {
        self.begin(MAP)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, Never> {
        self.out.push(MAP);
        self.text(variant);
        self.begin(MAP)
    }
}

/// What is written item by item: these differ in the name of a method, and in how many begun items end with them.
macro_rules! items {
    ($($trait:ident: $method:ident, $end:expr;)*) => {$(
        impl ser::$trait for &mut Writer {
            type Ok = ();
            type Error = Never;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Never> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Never> {
                self.out.extend($end);
                Ok(())
            }
        }
    )*};
}

items! {
    SerializeSeq: serialize_element, [END];
    SerializeTuple: serialize_element, [END];
    SerializeTupleStruct: serialize_field, [END];
    SerializeTupleVariant: serialize_field, [END, END];
}

/// The same for what is written field by field.
macro_rules! fields {
    ($($trait:ident: $end:expr;)*) => {$(
        impl ser::$trait for &mut Writer {
            type Ok = ();
            type Error = Never;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Never> {
                self.text(key);
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Never> {
                self.out.extend($end);
                Ok(())
            }
        }
    )*};
}

fields! {
    SerializeStruct: [END];
    SerializeStructVariant: [END, END];
}

impl ser::SerializeMap for &mut Writer {
    type Ok = ();
    type Error = Never;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Never> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Never> {
        self.byte(END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 8949, appendix A.
    #[test]
    fn short_numbers_and_texts_are_as_in_the_standard() {
        let hex = |value: &[u8]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&bytes(&23_u8)), "17");
        assert_eq!(hex(&bytes(&24_u16)), "1818");
        assert_eq!(hex(&bytes(&1000_u32)), "1903e8");
        assert_eq!(hex(&bytes(&1_000_000_u32)), "1a000f4240");
        assert_eq!(hex(&bytes(&1_000_000_000_000_u64)), "1b000000e8d4a51000");
        assert_eq!(hex(&bytes(&-1000_i32)), "3903e7");
        assert_eq!(hex(&bytes(&i32::MIN)), "3a7fffffff");
        assert_eq!(hex(&bytes(&-4.1_f64)), "fbc010666666666666");
        assert_eq!(hex(&bytes(&"\u{6c34}")), "63e6b0b4");
        assert_eq!(hex(&bytes(&None::<u8>)), "f6");
        assert_eq!(hex(&bytes(&[true, false])), "9ff5f4ff");
    }

    #[test]
    fn a_number_of_64_bits_has_eight_bytes_however_small() {
        assert_eq!(bytes(&7_u64), [0x1b, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(bytes(&-1_i64), [0x3b, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_struct_is_a_map_of_its_fields() {
        #[derive(serde::Serialize)]
        struct Named {
            a: u8,
            b: Option<&'static str>,
        }
        let named = Named { a: 1, b: Some("x") };
        assert_eq!(bytes(&named), [MAP, 0x61, b'a', 1, 0x61, b'b', 0x61, b'x', END]);
    }
}
