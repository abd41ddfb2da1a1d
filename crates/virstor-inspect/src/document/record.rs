//! The record of a component, field by field, held against its siblings.

use virstor::assemble::Volume;
use virstor::format::{MAGIC, Printable, Record, VERSION};
use virstor::io::ReadAt;
use virstor::locate::Located;
use zerocopy::IntoBytes;

use super::document;
use crate::heap::Heap;

document! {
    /// A record as it stands on the disk.
    pub struct RecordInfo {
        /// The file it is in.
        pub file: String,
        /// Where it stands in that file, in bytes.
        pub offset: u64,
        /// The volume it belongs to, by its place in `info`; absent when it belongs to none.
        pub volume: Option<usize>,
        /// The number of the component it makes, if it makes one.
        pub component: Option<u16>,
        /// All fields, in the order in which they stand.
        pub fields: Vec<FieldInfo>,
    }

    /// A field of a record.
    pub struct FieldInfo {
        /// What the kernel calls it.
        pub name: &'static str,
        /// Where it stands in the file, in bytes.
        pub offset: u64,
        /// Its length in bytes.
        pub length: u64,
        /// Its bytes in hexadecimal.
        pub hex: String,
        /// What they say.
        pub value: String,
        /// What it is for: a sentence.
        pub meaning: &'static str,
        /// Whether it says what it should; absent where nothing else knows.
        pub agrees: Option<bool>,
        /// What it should say, and by whom: only where it does not.
        pub expected: Option<String>,
    }
}

impl RecordInfo {
    /// The records of all candidates of `heap`, in the order in which they were found.
    pub fn all<D: ReadAt + Clone>(heap: &Heap<D>) -> Vec<Self> {
        (0..heap.located().len()).map(|candidate| Self::new(heap, candidate)).collect()
    }

    fn new<D: ReadAt + Clone>(heap: &Heap<D>, candidate: usize) -> Self {
        let (file, located) = &heap.located()[candidate];
        let record = &located.tasted.record;
        let belongs = |volume: &Volume| volume.name == record.name() && volume.id == record.md_id.get();
        let volume = heap.volumes().iter().position(belongs);
        let component = volume.and_then(|volume| heap.volumes()[volume].index_of(candidate));
        let offset = located.start + located.tasted.offset;
        Self {
            file: heap.files()[*file].label.clone(),
            offset,
            volume,
            component: component.map(|component| component.0),
            fields: fields(offset, located, volume.map(|volume| &heap.volumes()[volume])),
        }
    }
}

/// What a field says, and what it should.
struct Claim {
    value: String,
    expected: Option<(String, &'static str)>,
}

impl Claim {
    /// Nothing else knows.
    fn alone(value: impl ToString) -> Self {
        Self { value: value.to_string(), expected: None }
    }

    fn held(value: impl ToString, expected: Option<impl ToString>, witness: &'static str) -> Self {
        let expected = expected.map(|expected| (expected.to_string(), witness));
        Self { value: value.to_string(), expected }
    }
}

fn fields(offset: u64, located: &Located, volume: Option<&Volume>) -> Vec<FieldInfo> {
    let record = &located.tasted.record;
    let bytes = record.as_bytes();
    let mut next = 0;
    let mut fields = Vec::new();
    for ((name, len, meaning), claim) in FIELDS.into_iter().zip(claims(record, located, volume)) {
        let agrees = claim.expected.as_ref().map(|(expected, _)| *expected == claim.value);
        let expected = claim.expected.filter(|_| agrees == Some(false));
        fields.push(FieldInfo {
            name,
            offset: offset + next as u64,
            length: len as u64,
            hex: bytes[next..next + len].iter().map(|byte| format!("{byte:02x}")).collect(),
            value: claim.value,
            meaning,
            agrees,
            expected: expected.map(|(value, witness)| format!("{value} ({witness})")),
        });
        next += len;
    }
    fields
}

/// Name, length and meaning of the fields, in the order of `virstor_metadata_encode`.
const FIELDS: [(&str, usize, &str); 14] = [
    ("md_magic", 16, "Marks the record; compared up to its first NUL."),
    ("md_version", 4, "Version of the format."),
    ("md_name", 16, "Name of the volume."),
    ("md_virsize", 8, "Size of the virtual device in bytes."),
    ("md_chunk_size", 4, "Size of every chunk in bytes."),
    ("md_id", 4, "The number that was drawn when the volume was labelled."),
    ("md_count", 2, "How many components the volume has."),
    ("provider", 16, "The name of the only provider that may carry the component; empty for any."),
    ("no", 2, "Number of this component."),
    ("provsize", 8, "Size of this component in bytes, the record's sector included."),
    ("chunk_count", 4, "Chunks of this component that may be used, reserved ones included."),
    ("chunk_next", 4, "The chunk that was next to be allocated when the record was written."),
    ("chunk_reserved", 2, "How many chunks at the start are never handed out."),
    ("flags", 2, "1: chunks of it are allocated; 2: allocation goes on here."),
];

/// One claim per field, in the order of [`FIELDS`].
fn claims(record: &Record, located: &Located, volume: Option<&Volume>) -> [Claim; 14] {
    const FIRST: &str = "the volume's first record";
    let component = volume.and_then(|volume| {
        let index = virstor::geometry::ComponentIndex(record.no.get());
        volume.components.get(&index).filter(|component| component.record == *record)
    });
    let first_chunks = volume.map(|volume| {
        let end = located.len.saturating_sub(u64::from(located.tasted.sector_size));
        end / volume.chunk_size.bytes()
    });
    let number_taken = volume.filter(|_| component.is_none()).map(|_| "another number");
    [
        Claim::held(
            Printable(virstor::format::c_string(&record.md_magic)),
            Some(Printable(MAGIC)),
            "the format",
        ),
        Claim::held(record.md_version.get(), Some(VERSION), "the format"),
        Claim::held(record.name(), volume.map(|volume| volume.name), FIRST),
        Claim::held(record.md_virsize.get(), volume.map(|volume| volume.recorded_size), FIRST),
        Claim::held(record.md_chunk_size.get(), volume.map(|volume| volume.chunk_size.bytes()), FIRST),
        Claim::held(record.md_id.get(), volume.map(|volume| volume.id), FIRST),
        Claim::held(record.md_count.get(), volume.map(|volume| volume.component_count), FIRST),
        Claim::alone(record.hardcoded()),
        Claim::held(record.no.get(), number_taken, "this one is taken or out of range"),
        Claim::held(record.provsize.get(), Some(located.len), "its size"),
        Claim::held(
            record.chunk_count.get(),
            first_chunks.map(|room| room.min(u64::from(record.chunk_count.get()))),
            "the most there is room for",
        ),
        Claim::alone(record.chunk_next.get()),
        Claim::alone(record.chunk_reserved.get()),
        Claim::alone(format!("{:#06x}", record.flags.get())),
    ]
}
