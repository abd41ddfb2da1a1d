//! An export as a list of parts: slices of the files, zeros, and the few bytes that are made here.
//!
//! Nothing is read but the map. Who writes the image puts the parts one behind the other; a browser does so by
//! reference, and none of the data passes through memory.

use std::ops::Range;
use std::rc::Rc;

use virstor::io::ReadAt;
use virstor::plan::{Segment, SegmentPlace, VolumeReader};
use virstor_inspect::Heap;
use virstor_inspect::heap::ComponentDisk;
use virstor_qcow2::{DEFAULT_CLUSTER_BITS, Layout, Piece, smallest_cluster_bits};

use crate::error::Refusal;

/// Memory for the map of each reader of a plan.
const MAP_MEMORY: u64 = 1 << 20;

/// The longest stretch that is resolved at once.
const COPY_CAP: u64 = 1 << 40;

/// What comes next in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A slice of a file.
    File {
        /// The number of the file.
        file: usize,
        /// Its first byte.
        offset: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// So many zeros.
    Zeros(u64),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// The form of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Every byte at its place.
    Raw,
    /// A qcow2 image, which has no room for holes.
    Qcow2,
    /// The bytes that lie on a component, one behind the other.
    Packed,
}

impl Format {
    /// The format of this name.
    ///
    /// # Errors
    ///
    /// [`Refusal::Format`] for other names.
    pub fn named(name: &str) -> Result<Self, Refusal> {
        match name {
            "raw" => Ok(Self::Raw),
            "qcow2" => Ok(Self::Qcow2),
            "packed" => Ok(Self::Packed),
            _ => Err(Refusal::Format { reason: format!("there is no format {name}") }),
        }
    }
}

/// The parts of an image, in order.
pub struct Image {
    parts: Box<dyn Iterator<Item = Result<Part, Refusal>>>,
}

impl Image {
    /// Plans the image of `range` of a volume; lost bytes become zeros.
    ///
    /// # Errors
    ///
    /// [`Refusal::Format`] when the format has no room for such a disk.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn new<D: ReadAt + Clone + 'static>(
        heap: &Rc<Heap<D>>,
        volume: usize,
        range: Range<u64>,
        format: Format,
    ) -> Result<Self, Refusal> {
        let parts = Parts::new(heap, volume, range.clone());
        Ok(Self {
            parts: match format {
                Format::Raw => Box::new(parts.map(Ok)),
                Format::Packed => Box::new(parts.filter(|part| matches!(part, Part::File { .. })).map(Ok)),
                Format::Qcow2 => qcow2(heap, volume, range)?,
            },
        })
    }
}

impl Iterator for Image {
    type Item = Result<Part, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        self.parts.next()
    }
}

type BoxedParts = Box<dyn Iterator<Item = Result<Part, Refusal>>>;

fn qcow2<D: ReadAt + Clone + 'static>(
    heap: &Rc<Heap<D>>,
    volume: usize,
    range: Range<u64>,
) -> Result<BoxedParts, Refusal> {
    let refused = |error: virstor_qcow2::Error| Refusal::Format { reason: error.to_string() };
    let len = range.end - range.start;
    let bits = smallest_cluster_bits(len).unwrap_or(DEFAULT_CLUSTER_BITS).max(DEFAULT_CLUSTER_BITS);
    let start = range.start;
    let heap = Rc::clone(heap);
    let ranges = {
        let heap = Rc::clone(&heap);
        move || data_ranges(&heap, volume, range.clone())
    };
    let layout = Layout::new(len, bits, ranges()).map_err(refused)?;
    let pieces = layout.pieces(ranges, COPY_CAP);
    Ok(Box::new(pieces.flat_map(move |piece| -> BoxedParts {
        match piece {
            Err(error) => Box::new(std::iter::once(Err(refused(error)))),
            Ok(Piece::Bytes(bytes)) => Box::new(std::iter::once(Ok(Part::Bytes(bytes)))),
            Ok(Piece::Copy { virtual_offset, len }) => {
                let first = start + virtual_offset;
                Box::new(Parts::new(&heap, volume, first..first + len).map(Ok))
            }
        }
    })))
}

/// The ranges that hold data, counted from the start of `range`.
fn data_ranges<D: ReadAt + Clone + 'static>(
    heap: &Heap<D>,
    volume: usize,
    range: Range<u64>,
) -> impl Iterator<Item = Range<u64>> + use<D> {
    let start = range.start;
    let segments = OwnedSegments { reader: heap.reader(volume, MAP_MEMORY), rest: range };
    segments
        .filter(|segment| matches!(segment.place, SegmentPlace::Data { .. }))
        .map(move |segment| segment.start - start..segment.end() - start)
}

/// The parts of a range, straight from the map.
struct Parts<D> {
    segments: OwnedSegments<D>,
}

impl<D: ReadAt + Clone> Parts<D> {
    fn new(heap: &Heap<D>, volume: usize, range: Range<u64>) -> Self {
        Self { segments: OwnedSegments { reader: heap.reader(volume, MAP_MEMORY), rest: range } }
    }
}

impl<D: ReadAt> Iterator for Parts<D> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let segment = self.segments.next()?;
        Some(match segment.place {
            SegmentPlace::Hole | SegmentPlace::Lost(_) => Part::Zeros(segment.len),
            SegmentPlace::Data { component, offset } => {
                let disk = self.segments.reader.disk(component).expect("a segment names what is there");
                Part::File { file: disk.disk().file(), offset: disk.start() + offset, len: segment.len }
            }
        })
    }
}

/// Segments of a reader of its own: it may be kept from call to call.
struct OwnedSegments<D> {
    reader: VolumeReader<ComponentDisk<D>>,
    rest: Range<u64>,
}

impl<D: ReadAt> Iterator for OwnedSegments<D> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        let segment = self.reader.segments(self.rest.clone()).next()?;
        self.rest.start = segment.end();
        Some(segment)
    }
}
