//! The words for what does not fit: a stable code for scripts, a sentence for people.

use virstor::assemble::{Problem, Unfit};
use virstor::counted::counted;
use virstor::format::Printable;
use virstor::io::ReadAt;
use virstor::kernel::Outcome;
use virstor::locate::{Located, Place};
use virstor::taste::Objection;

use crate::heap::{Heap, Stranger};

/// A record needs one sector; there are none smaller.
const SMALLEST_SECTOR: u32 = virstor::format::SECTOR_SIZES[0];

/// A stable code and a sentence.
pub(crate) struct Words {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The candidate it is about.
    pub(crate) candidate: Option<usize>,
}

pub(crate) fn problem<D: ReadAt + Clone>(heap: &Heap<D>, problem: &Problem) -> Words {
    let file = |candidate: usize| heap.label_of(candidate);
    let (code, message, candidate) = match problem {
        Problem::Disagrees { candidate, field, value, expected } => (
            "record-disagrees",
            format!("{}: {field} is {value}, the first record says {expected}", file(*candidate)),
            Some(*candidate),
        ),
        Problem::Duplicate { candidate, kept, index } => (
            "duplicate-component",
            format!(
                "{} and {} both say they are component {index}; {} is used (--prefer chooses)",
                file(*kept),
                file(*candidate),
                file(*kept)
            ),
            Some(*candidate),
        ),
        Problem::NumberOutOfRange { candidate, index, count } => (
            "component-number-out-of-range",
            format!("{} says it is component {index} of {count}", file(*candidate)),
            Some(*candidate),
        ),
        Problem::SizeChanged { candidate, provsize, size } => (
            "size-changed",
            format!("{} has {}, its record says {provsize}", file(*candidate), counted(*size, "byte")),
            Some(*candidate),
        ),
        Problem::Hidden { candidate } => (
            "hidden-component",
            format!("{}: {}", file(*candidate), hidden(&heap.located()[*candidate].1)),
            Some(*candidate),
        ),
        Problem::HardcodedName { candidate } => (
            "hardcoded-name",
            format!(
                "{} is labelled for a provider called \"{}\": FreeBSD takes it under that name only",
                file(*candidate),
                heap.located()[*candidate].1.tasted.record.hardcoded()
            ),
            Some(*candidate),
        ),
        Problem::NameTaken { id } => (
            "name-taken",
            format!("a volume of the same name with id {id} comes first: FreeBSD refuses this one"),
            None,
        ),
        Problem::SectorSize { candidate, sector_size } => (
            "mixed-sector-size",
            format!(
                "{} has sectors of {}, others have another size",
                file(*candidate),
                counted(*sector_size, "byte")
            ),
            Some(*candidate),
        ),
        Problem::ChunksPastEnd { candidate, chunk_count, room } => (
            "chunks-past-end",
            format!(
                "{} has {} by its record, and there is room for {room} before its last sector",
                file(*candidate),
                counted(*chunk_count, "chunk")
            ),
            Some(*candidate),
        ),
        Problem::RaggedSize => (
            "virtual-size-not-multiple",
            "the virtual size is not a multiple of the chunk size; what is over is cut off".into(),
            None,
        ),
        Problem::MapTooLong { needed, available } => (
            "map-too-long",
            format!("the map needs {}, and component 0 has room for {available}", counted(*needed, "entry")),
            None,
        ),
    };
    Words { code, message, candidate }
}

fn hidden(located: &Located) -> String {
    let (start, len) = (located.start, located.len);
    match located.place {
        Place::Grown => {
            format!(
                "the component is the first {}; FreeBSD looks at the end of the file",
                counted(len, "byte")
            )
        }
        _ => format!(
            "the component is {} from offset {start} on; FreeBSD does not look there",
            counted(len, "byte")
        ),
    }
}

/// Where a component was found, for people; `None` when the file is the component.
pub(crate) fn place(located: &Located) -> Option<String> {
    match &located.place {
        Place::Whole => None,
        Place::Partition(name) => Some(format!("partition {name}")),
        Place::Grown => Some("start of the file, which has grown".into()),
        Place::Cut => Some("the file, the end of which is cut off".into()),
        Place::Inside => Some("inside the file".into()),
    }
}

/// The stable code of a place.
pub(crate) fn place_code(place: &Place) -> &'static str {
    match place {
        Place::Whole => "whole",
        Place::Partition(_) => "partition",
        Place::Grown => "grown",
        Place::Cut => "cut",
        Place::Inside => "inside",
    }
}

pub(crate) fn stranger<D: ReadAt + Clone>(heap: &Heap<D>, stranger: &Stranger) -> Words {
    let (code, message) = match stranger {
        Stranger::Unreadable(reason) => ("unreadable", reason.clone()),
        Stranger::Empty => ("empty", "the file is empty".into()),
        Stranger::NotVirstor { size, .. } if *size < u64::from(SMALLEST_SECTOR) => (
            "not_virstor",
            format!("its size is {size}, and a record takes a sector of at least {SMALLEST_SECTOR} bytes"),
        ),
        Stranger::NotVirstor { searched: 0, .. } => {
            ("not_virstor", "its last sector holds no virstor record".into())
        }
        Stranger::NotVirstor { searched, .. } => {
            ("not_virstor", format!("no virstor record in its last {}", counted(*searched, "byte")))
        }
        Stranger::OtherSectorSize { wanted, found } => (
            "not_virstor",
            format!(
                "no virstor record where sectors of {wanted} bytes, as asked for, have it; \
                 one stands there for sectors of {found}"
            ),
        ),
        Stranger::Unfit(candidate) => {
            let unfit = heap.assembly().unfit.iter().find(|(unfit, _)| unfit == candidate);
            let unfit = unfit.expect("the stranger was made from it").1;
            match unfit {
                Unfit::Version(version) => {
                    ("unknown_version", format!("its record has version {version}, and only 1 is known"))
                }
                Unfit::Nonsensical { count, chunk_size, virtual_size } => {
                    ("nonsensical_record", nonsense(count, chunk_size, virtual_size))
                }
            }
        }
    };
    Words { code, message, candidate: None }
}

/// Which number of a record makes it nonsense, and what it has to be.
fn nonsense(count: u16, chunk_size: u32, virtual_size: u64) -> String {
    if count < 1 {
        format!("its record says that there are {}; there is at least 1", counted(count, "component"))
    } else if chunk_size < 1 {
        format!("its record says that a chunk has {}; it has at least 1", counted(chunk_size, "byte"))
    } else {
        {
            let size = counted(virtual_size, "byte");
            format!("its record says that the volume has {size}, less than a chunk of {chunk_size}")
        }
    }
}

/// Why FreeBSD did not take a provider; `None` when it did, or when it is none of the class's business.
pub(crate) fn refusal(label: &str, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Objected(Objection::Version { version }) => {
            Some(format!("{label} has version {version}, not 1"))
        }
        Outcome::Objected(Objection::Size { provsize, size }) => {
            Some(format!("{label} has {}, its record says {provsize}", counted(*size, "byte")))
        }
        Outcome::Objected(Objection::HardcodedName) => {
            Some(format!("{label} is not called what its record wants"))
        }
        Outcome::Refused { reason, .. } => Some(format!("{label} is refused: {reason}")),
        Outcome::NotTasted | Outcome::Attached(_) | Outcome::Panicked => None,
    }
}

/// Bytes from a disk as text for a document.
pub(crate) fn printable(bytes: &[u8]) -> String {
    Printable(bytes).to_string()
}
