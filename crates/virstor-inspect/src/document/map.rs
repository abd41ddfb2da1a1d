//! `map`: which bytes of the volume lie where.

use virstor::plan::{Lost, Segment, SegmentPlace};

use super::document;

document! {
    /// A stretch of the virtual device.
    pub struct Extent {
        /// Its first byte.
        pub start: u64,
        /// Its length in bytes.
        pub length: u64,
        /// `data`, `hole` or `lost`.
        pub state: &'static str,
        /// The component its bytes lie on, or would lie on were it there.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub component: Option<u16>,
        /// The chunk of the component it starts in.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub physical_chunk: Option<u64>,
        /// Its first byte on the component.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub offset: Option<u64>,
        /// Why it is lost: `missing_component`, `bad_entry`, `no_map`, `past_end` or `bad_area`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reason: Option<&'static str>,
    }

    /// An extent as `qemu-img map --output=json` prints it.
    pub struct QemuExtent {
        /// Its first byte.
        pub start: u64,
        /// Its length in bytes.
        pub length: u64,
        /// Always 0: there is no backing file.
        pub depth: u32,
        /// Whether its bytes are to be had.
        pub present: bool,
        /// Whether it reads as zeros.
        pub zero: bool,
        /// Whether it has bytes of its own.
        pub data: bool,
        /// Always false.
        pub compressed: bool,
    }

    /// How much of the volume is what.
    pub struct Totals {
        /// Size of the range looked at, in bytes.
        pub size: u64,
        /// Bytes that lie on a component.
        pub data: u64,
        /// Bytes that were never written.
        pub hole: u64,
        /// Bytes that are not to be had.
        pub lost: u64,
        /// Number of extents, merged where they go on.
        pub extents: u64,
        /// Bytes of data by component.
        pub components: Vec<ComponentTotal>,
    }

    /// The data on one component.
    pub struct ComponentTotal {
        /// Its number.
        pub component: u16,
        /// Bytes of the volume that lie on it.
        pub data: u64,
    }

    /// A chunk that no map entry names and that holds data (`map --orphans`).
    pub struct OrphanChunk {
        /// The component.
        pub component: u16,
        /// The chunk.
        pub physical_chunk: u32,
        /// Its first byte on the component.
        pub offset: u64,
        /// The first byte of it that is not zero, on the component.
        pub first_byte: u64,
        /// What its start looks like.
        pub looks_like: Option<&'static str>,
    }

    /// A stretch of a component that the volume uses (`map --reverse`).
    pub struct Owner {
        /// The component.
        pub component: u16,
        /// Its first byte on the component.
        pub offset: u64,
        /// The chunk of the component it starts in.
        pub physical_chunk: u64,
        /// Its length in bytes.
        pub length: u64,
        /// The first byte of the virtual device that lies there.
        pub start: u64,
    }
}

impl Extent {
    /// The extent that `segment` is; `chunk_size` in bytes.
    #[must_use]
    pub fn new(segment: &Segment, chunk_size: u64) -> Self {
        let empty = Self {
            start: segment.start,
            length: segment.len,
            state: "hole",
            component: None,
            physical_chunk: None,
            offset: None,
            reason: None,
        };
        match segment.place {
            SegmentPlace::Hole => empty,
            SegmentPlace::Data { component, offset } => Self {
                state: "data",
                component: Some(component.0),
                physical_chunk: Some(offset / chunk_size),
                offset: Some(offset),
                ..empty
            },
            SegmentPlace::Lost(why) => {
                let (reason, component) = lost(why);
                Self { state: "lost", component, reason: Some(reason), ..empty }
            }
        }
    }
}

/// The stable code of a loss, and the component it is about.
#[must_use]
pub fn lost(why: Lost) -> (&'static str, Option<u16>) {
    match why {
        Lost::MissingComponent(component) => ("missing_component", Some(component.0)),
        Lost::BadEntry => ("bad_entry", None),
        Lost::NoMap => ("no_map", None),
        Lost::PastEnd(component) => ("past_end", Some(component.0)),
        Lost::BadArea(component) => ("bad_area", Some(component.0)),
    }
}

impl QemuExtent {
    /// The extent that `segment` is.
    #[must_use]
    pub fn new(segment: &Segment) -> Self {
        let (hole, lost) = match segment.place {
            SegmentPlace::Hole => (true, false),
            SegmentPlace::Data { .. } => (false, false),
            SegmentPlace::Lost(_) => (false, true),
        };
        Self {
            start: segment.start,
            length: segment.len,
            depth: 0,
            present: !hole && !lost,
            zero: hole,
            data: !hole && !lost,
            compressed: false,
        }
    }
}

impl Totals {
    /// The sums over `segments`.
    pub fn new(segments: impl Iterator<Item = Segment>) -> Self {
        let mut totals = Self { size: 0, data: 0, hole: 0, lost: 0, extents: 0, components: Vec::new() };
        for segment in segments {
            totals.extents += 1;
            totals.size += segment.len;
            match segment.place {
                SegmentPlace::Hole => totals.hole += segment.len,
                SegmentPlace::Lost(_) => totals.lost += segment.len,
                SegmentPlace::Data { component, .. } => {
                    totals.data += segment.len;
                    totals.add(component.0, segment.len);
                }
            }
        }
        totals
    }

    fn add(&mut self, component: u16, data: u64) {
        match self.components.binary_search_by_key(&component, |total| total.component) {
            Ok(place) => self.components[place].data += data,
            Err(place) => self.components.insert(place, ComponentTotal { component, data }),
        }
    }
}

impl Owner {
    /// The owner that a segment is, if it is data; `chunk_size` in bytes.
    #[must_use]
    pub fn new(segment: &Segment, chunk_size: u64) -> Option<Self> {
        let SegmentPlace::Data { component, offset } = segment.place else { return None };
        Some(Self {
            component: component.0,
            offset,
            physical_chunk: offset / chunk_size,
            length: segment.len,
            start: segment.start,
        })
    }
}
