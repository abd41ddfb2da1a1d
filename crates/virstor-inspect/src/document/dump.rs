//! `dump`: the record of each file, field by field, judged by nobody.

use virstor::format::Record;
use virstor::io::ReadAt;
use virstor::locate::Located;

use super::document;
use crate::heap::Heap;
use crate::words;

document! {
    /// The record found in a file, with every field of it.
    pub struct Dump {
        /// The file.
        pub file: String,
        /// First byte of the component in the file.
        pub component_offset: u64,
        /// Where the record stands, counted from the start of the file.
        pub record_offset: u64,
        /// The partition it is in, or another remark on how it was found.
        pub found: Option<String>,
        /// The sector size that puts the record there.
        pub sector_size: u32,
        /// Size of the component in bytes, as found.
        pub size: u64,
        /// `md_magic`.
        pub magic: String,
        /// `md_version`.
        pub version: u32,
        /// `md_name`.
        pub name: String,
        /// `md_name` as 16 bytes in hexadecimal.
        pub name_hex: String,
        /// `md_virsize`, in bytes.
        pub virtual_size: u64,
        /// `md_chunk_size`, in bytes.
        pub chunk_size: u32,
        /// `md_id`.
        pub id: u32,
        /// `md_count`.
        pub component_count: u16,
        /// `provider`: the hardcoded name.
        pub hardcoded: String,
        /// `provider` as 16 bytes in hexadecimal.
        pub hardcoded_hex: String,
        /// `no`.
        pub index: u16,
        /// `provsize`, in bytes.
        pub provsize: u64,
        /// `chunk_count`.
        pub chunk_count: u32,
        /// `chunk_next`.
        pub chunk_next: u32,
        /// `chunk_reserved`.
        pub chunk_reserved: u16,
        /// `flags`.
        pub flags: u16,
    }
}

impl Dump {
    /// The records of all files of `heap`, in the order given.
    pub fn all<D: ReadAt + Clone>(heap: &Heap<D>) -> Vec<Self> {
        let dump = |(file, located): &(usize, Located)| Self::new(&heap.files()[*file].label, located);
        heap.located().iter().map(dump).collect()
    }

    fn new(file: &str, located: &Located) -> Self {
        let record: &Record = &located.tasted.record;
        Self {
            file: file.into(),
            component_offset: located.start,
            record_offset: located.start + located.tasted.offset,
            found: words::place(located),
            sector_size: located.tasted.sector_size,
            size: located.len,
            magic: words::printable(virstor::format::c_string(&record.md_magic)),
            version: record.md_version.get(),
            name: record.name().to_string(),
            name_hex: hex(&record.md_name),
            virtual_size: record.md_virsize.get(),
            chunk_size: record.md_chunk_size.get(),
            id: record.md_id.get(),
            component_count: record.md_count.get(),
            hardcoded: record.hardcoded().to_string(),
            hardcoded_hex: hex(&record.provider),
            index: record.no.get(),
            provsize: record.provsize.get(),
            chunk_count: record.chunk_count.get(),
            chunk_next: record.chunk_next.get(),
            chunk_reserved: record.chunk_reserved.get(),
            flags: record.flags.get(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
