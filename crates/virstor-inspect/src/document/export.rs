//! `export` and `compare`: what was done, in numbers.

use virstor::plan::{Segment, SegmentPlace};

use super::document;
use super::map::lost;

/// So many lost ranges are listed; a map can have a hole in every other entry.
const LISTED: usize = 100_000;

document! {
    /// An image that was written.
    pub struct Export {
        /// Where; `-` is stdout.
        pub output: String,
        /// `raw` or `qcow2`.
        pub format: &'static str,
        /// Name of the volume.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// First byte of the volume that was exported.
        pub start: u64,
        /// How many bytes of the volume were exported.
        pub size: u64,
        /// Bytes of those that lie on a component.
        pub data: u64,
        /// Bytes that were never written.
        pub hole: u64,
        /// Bytes that are not to be had; the image has zeros there, or the pattern.
        pub lost: u64,
        /// The first 100000 stretches of those.
        pub lost_ranges: Vec<LostRange>,
    }

    /// Bytes of a volume that are not to be had.
    pub struct LostRange {
        /// The first.
        pub start: u64,
        /// How many.
        pub length: u64,
        /// Why, as in `map`.
        pub reason: &'static str,
        /// The component they lie on.
        pub component: Option<u16>,
    }

    /// A volume held against an image.
    pub struct Compare {
        /// Whether all bytes are the same and, without a range, the sizes.
        pub identical: bool,
        /// Name of the volume.
        pub volume: String,
        /// Its size in bytes.
        pub volume_size: u64,
        /// Size of the image in bytes.
        pub image_size: u64,
        /// Bytes that were compared.
        pub compared: u64,
        /// How many of them differ.
        pub different: u64,
        /// The first that does.
        pub first_difference: Option<u64>,
        /// Bytes of the volume that are not to be had and were not compared.
        pub lost: u64,
        /// Bytes that were to be compared and lie behind the end of the image.
        pub absent: u64,
    }
}

impl LostRange {
    /// The lost ones of `segments`, as far as they are listed.
    pub fn all(segments: impl Iterator<Item = Segment>) -> Vec<Self> {
        let range = |segment: Segment| {
            let SegmentPlace::Lost(why) = segment.place else { return None };
            let (reason, component) = lost(why);
            Some(Self { start: segment.start, length: segment.len, reason, component })
        };
        segments.filter_map(range).take(LISTED).collect()
    }
}
