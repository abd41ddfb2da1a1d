//! The decision: what one disk's qcow2 file will look like.

use core::ops::Range;

use crate::areas::{Areas, l1_entries};
use crate::walk::{Summary, Walk};
use crate::{Error, Pieces};

/// Everything that is decided before the file is written. A few hundred bytes, whatever the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    virtual_size: u64,
    areas: Areas,
    summary: Summary,
}

impl Layout {
    /// Plans the file for a disk of `virtual_size` bytes in clusters of 2^`cluster_bits` bytes (see
    /// [`smallest_cluster_bits`](crate::smallest_cluster_bits)).
    ///
    /// `ranges` are the bytes of the disk that hold data, ascending and not overlapping, aligned to nothing;
    /// empty ones mean nothing. A cluster that a range touches is copied whole. All others are holes, which
    /// take no space and read as zeros.
    ///
    /// The format counts bytes, qemu 512-byte sectors, and it rounds down. So the size in the header is rounded
    /// up to the next sector; the bytes added read as zeros. An empty disk is a file too.
    ///
    /// # Errors
    ///
    /// Every [`Error`] but [`Error::RangesChanged`].
    pub fn new(
        virtual_size: u64,
        cluster_bits: u32,
        ranges: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Self, Error> {
        let l1_entries = l1_entries(cluster_bits, virtual_size)?;
        let mut walk = Walk::new(ranges.into_iter(), virtual_size, cluster_bits);
        while walk.next_run()?.is_some() {}
        let summary = walk.summary();
        let areas = Areas::new(cluster_bits, l1_entries, summary.tables, summary.clusters)?;
        Ok(Self { virtual_size, areas, summary })
    }

    /// Size of the disk in bytes, as given.
    #[must_use]
    pub fn virtual_size(&self) -> u64 {
        self.virtual_size
    }

    /// Size of the disk in bytes, as the header will say it: in whole sectors of 512 bytes.
    #[must_use]
    pub fn disk_size(&self) -> u64 {
        self.virtual_size.next_multiple_of(512)
    }

    /// Bytes of a cluster.
    #[must_use]
    pub fn cluster_size(&self) -> u64 {
        self.areas.cluster_size()
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn total_len(&self) -> u64 {
        self.areas.data.end
    }

    /// Bytes of the file in front of the data: what [`Piece::Bytes`](crate::Piece::Bytes) will add up to,
    /// save for the zeros that complete the disk's last cluster.
    #[must_use]
    pub fn tables_len(&self) -> u64 {
        self.areas.data.start
    }

    /// The file, front to back.
    ///
    /// `ranges` gives the ranges of the plan again each time it is called: three times at most, for the L1
    /// table, the L2 tables and the data. No [`Piece::Copy`](crate::Piece::Copy) is longer than `copy_cap`
    /// bytes rounded down to whole clusters, but one cluster is the least.
    pub fn pieces<F, I>(&self, ranges: F, copy_cap: u64) -> Pieces<F, I>
    where
        F: FnMut() -> I,
        I: Iterator<Item = Range<u64>>,
    {
        Pieces::new(self.clone(), ranges, copy_cap)
    }

    pub(crate) fn areas(&self) -> &Areas {
        &self.areas
    }

    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }
}
