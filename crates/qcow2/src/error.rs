//! Why an image cannot be planned, or a plan not be followed.

use core::fmt;
use core::ops::Range;

/// Whose fault it is comes with the variant; sizes and offsets are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The caller's wish: qemu opens clusters of 2^9 to 2^21 bytes only.
    ClusterBits {
        /// What was asked for.
        bits: u32,
    },
    /// The caller's wish: the L1 table would be larger than the 32 MiB qemu reads.
    /// [`smallest_cluster_bits`](crate::smallest_cluster_bits) knows the way out.
    VirtualSizeTooLarge {
        /// Size of the virtual disk.
        virtual_size: u64,
        /// The most that clusters of this size can describe.
        max: u64,
        /// What was asked for.
        cluster_bits: u32,
    },
    /// The caller's wish: with this much data the file would outgrow the refcount table of 8 MiB that qemu
    /// reads, or the 2^56 bytes that an L2 entry can address.
    FileTooLarge {
        /// What the file would have.
        len: u64,
        /// The most that clusters of this size allow.
        max: u64,
        /// What was asked for.
        cluster_bits: u32,
    },
    /// The source of the ranges: this one ends before it starts.
    RangeReversed {
        /// The range as it came.
        range: Range<u64>,
    },
    /// The source of the ranges: this one starts before the end of an earlier one.
    RangeOutOfOrder {
        /// The range as it came.
        range: Range<u64>,
        /// Where the one before ended.
        previous_end: u64,
    },
    /// The source of the ranges: this one reaches past the end of the virtual disk.
    RangePastEnd {
        /// The range as it came.
        range: Range<u64>,
        /// Size of the virtual disk.
        virtual_size: u64,
    },
    /// The source of the ranges: another walk gave other ranges than the one the layout was planned from.
    /// What has been written of the file is useless.
    RangesChanged {
        /// Data clusters of the plan.
        planned_clusters: u64,
        /// Data clusters found when the difference was noticed; the same number when only their places differ.
        found_clusters: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClusterBits { bits } => {
                write!(f, "qcow2 clusters of 2^{bits} bytes: qemu takes 2^9 to 2^21")
            }
            Self::VirtualSizeTooLarge { virtual_size, max, cluster_bits } => write!(
                f,
                "a virtual size of {virtual_size} bytes: qcow2 with clusters of 2^{cluster_bits} bytes ends at {max}"
            ),
            Self::FileTooLarge { len, max, cluster_bits } => write!(
                f,
                "a file of {len} bytes: qcow2 with clusters of 2^{cluster_bits} bytes ends at {max}"
            ),
            Self::RangeReversed { range } => {
                write!(f, "data range {}..{} ends before it starts", range.start, range.end)
            }
            Self::RangeOutOfOrder { range, previous_end } => write!(
                f,
                "data range {}..{} starts before the end of an earlier one at {previous_end}",
                range.start, range.end
            ),
            Self::RangePastEnd { range, virtual_size } => write!(
                f,
                "data range {}..{} reaches past the virtual size of {virtual_size} bytes",
                range.start, range.end
            ),
            Self::RangesChanged { planned_clusters, found_clusters } => write!(
                f,
                "the data ranges changed while the image was written: \
                 {planned_clusters} clusters planned, {found_clusters} found"
            ),
        }
    }
}

impl core::error::Error for Error {}
