//! The words for what does not fit: a stable code for scripts, a sentence for people.

use virstor::assemble::{Problem, Unfit};
use virstor::format::Printable;
use virstor::io::ReadAt;
use virstor::kernel::Outcome;
use virstor::locate::{Located, Place};
use virstor::taste::Objection;

use crate::heap::{Heap, Stranger};

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
            format!("{} has {size} bytes, its record says {provsize}", file(*candidate)),
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
            format!("{} has sectors of {sector_size} bytes, others have another size", file(*candidate)),
            Some(*candidate),
        ),
        Problem::ChunksPastEnd { candidate, chunk_count, room } => (
            "chunks-past-end",
            format!(
                "{} has {chunk_count} chunks by its record, and there is room for {room} before its last sector",
                file(*candidate)
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
            format!("the map needs {needed} entries, and component 0 has room for {available}"),
            None,
        ),
    };
    Words { code, message, candidate }
}

fn hidden(located: &Located) -> String {
    let (start, len) = (located.start, located.len);
    match located.place {
        Place::Grown => {
            format!("the component is the first {len} bytes; FreeBSD looks at the end of the file")
        }
        _ => format!("the component is {len} bytes from offset {start} on; FreeBSD does not look there"),
    }
}

/// Where a component was found, for people; `None` when the file is the component.
pub(crate) fn place(located: &Located) -> Option<String> {
    match &located.place {
        Place::Whole => None,
        Place::Partition(name) => Some(format!("partition {name}")),
        Place::Grown => Some("start of the file, which has grown".into()),
        Place::Inside => Some("inside the file".into()),
    }
}

/// The stable code of a place.
pub(crate) fn place_code(place: &Place) -> &'static str {
    match place {
        Place::Whole => "whole",
        Place::Partition(_) => "partition",
        Place::Grown => "grown",
        Place::Inside => "inside",
    }
}

pub(crate) fn stranger<D: ReadAt + Clone>(heap: &Heap<D>, stranger: &Stranger) -> Words {
    let (code, message) = match stranger {
        Stranger::Unreadable(reason) => ("unreadable", reason.clone()),
        Stranger::Empty => ("empty", "the file is empty".into()),
        Stranger::NotVirstor { searched: 0 } => {
            ("not_virstor", "its last sector holds no virstor record".into())
        }
        Stranger::NotVirstor { searched } => {
            ("not_virstor", format!("no virstor record in its last {searched} bytes"))
        }
        Stranger::Unfit(candidate) => {
            let unfit = heap.assembly().unfit.iter().find(|(unfit, _)| unfit == candidate);
            let unfit = unfit.expect("the stranger was made from it").1;
            match unfit {
                Unfit::Version(version) => {
                    ("unknown_version", format!("its record has version {version}, and only 1 is known"))
                }
                Unfit::Nonsensical { count, chunk_size, virtual_size } => (
                    "nonsensical_record",
                    format!(
                        "its record says {count} components, chunk size {chunk_size}, virtual size {virtual_size}"
                    ),
                ),
            }
        }
    };
    Words { code, message, candidate: None }
}

/// Why FreeBSD did not take a provider; `None` when it did, or when it is none of the class's business.
pub(crate) fn refusal(label: &str, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Objected(Objection::Version { version }) => {
            Some(format!("{label} has version {version}, not 1"))
        }
        Outcome::Objected(Objection::Size { provsize, size }) => {
            Some(format!("{label} has {size} bytes, its record says {provsize}"))
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
