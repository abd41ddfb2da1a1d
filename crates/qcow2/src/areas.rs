//! Which part of the file holds what, and whether qemu would still read a file of that size.

use core::ops::Range;

use crate::Error;

/// 512 bytes: the smallest cluster of the format.
pub const MIN_CLUSTER_BITS: u32 = 9;
/// 2 MiB: the largest cluster that qemu opens.
pub const MAX_CLUSTER_BITS: u32 = 21;
/// 64 KiB: what qemu chooses when it is not told.
pub const DEFAULT_CLUSTER_BITS: u32 = 16;

const MAX_L1_LEN: u64 = 32 << 20;
const MAX_REFCOUNT_TABLE_LEN: u64 = 8 << 20;
/// L1 and L2 entries hold bits 9 to 55 of an offset.
const MAX_FILE_LEN: u64 = 1 << 56;
/// Bytes of an entry of the L1 table, of an L2 table or of the refcount table.
pub(crate) const ENTRY_LEN: u64 = 8;
/// Bytes of a refcount.
pub(crate) const REFCOUNT_LEN: u64 = 2;

/// The smallest cluster size, as a power of two, at which a disk of `virtual_size` bytes fits whatever its
/// data ranges are.
///
/// Near and above 64 PiB no cluster size promises that, because a file ends there. The answer is then the
/// smallest that can describe the disk, and [`Layout::new`](crate::Layout::new) decides by the data.
/// `None` above 2 EiB (2^61 bytes), which qcow2 cannot describe at all.
#[must_use]
pub fn smallest_cluster_bits(virtual_size: u64) -> Option<u32> {
    let mut all = MIN_CLUSTER_BITS..=MAX_CLUSTER_BITS;
    all.clone()
        .find(|&bits| Areas::full(bits, virtual_size).is_ok())
        .or_else(|| all.find(|&bits| l1_entries(bits, virtual_size).is_ok()))
}

/// The areas of a file as ranges of bytes, each a whole number of clusters, each starting where the one before
/// ends. The header is the first cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Areas {
    pub(crate) cluster_bits: u32,
    pub(crate) l1_entries: u64,
    pub(crate) refcount_table: Range<u64>,
    pub(crate) refcount_blocks: Range<u64>,
    pub(crate) l1_table: Range<u64>,
    pub(crate) l2_tables: Range<u64>,
    pub(crate) data: Range<u64>,
}

impl Areas {
    /// Cannot overflow: `l1_entries` is within its limit, so there are at most 2^(19 + `cluster_bits`) data
    /// clusters, and everything else is a small fraction of that.
    pub(crate) fn new(
        cluster_bits: u32,
        l1_entries: u64,
        l2_tables: u64,
        data_clusters: u64,
    ) -> Result<Self, Error> {
        let cluster_size = 1 << cluster_bits;
        let l1_clusters = (l1_entries * ENTRY_LEN).div_ceil(cluster_size);
        let counted = 1 + l1_clusters + l2_tables + data_clusters;
        let (table, blocks) = refcount_clusters(cluster_size, counted);

        let mut end = cluster_size;
        let mut area = |clusters: u64| {
            let start = end;
            end += clusters << cluster_bits;
            start..end
        };
        let areas = Self {
            cluster_bits,
            l1_entries,
            refcount_table: area(table),
            refcount_blocks: area(blocks),
            l1_table: area(l1_clusters),
            l2_tables: area(l2_tables),
            data: area(data_clusters),
        };
        let max = max_file_len(cluster_bits);
        if areas.data.end > max {
            return Err(Error::FileTooLarge { len: areas.data.end, max, cluster_bits });
        }
        Ok(areas)
    }

    /// The areas when every cluster of the disk is data.
    fn full(cluster_bits: u32, virtual_size: u64) -> Result<Self, Error> {
        let l1_entries = l1_entries(cluster_bits, virtual_size)?;
        Self::new(cluster_bits, l1_entries, l1_entries, virtual_size.div_ceil(1 << cluster_bits))
    }

    pub(crate) fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }
}

/// How many L2 tables it takes to describe a disk of `virtual_size` bytes.
pub(crate) fn l1_entries(cluster_bits: u32, virtual_size: u64) -> Result<u64, Error> {
    if !(MIN_CLUSTER_BITS..=MAX_CLUSTER_BITS).contains(&cluster_bits) {
        return Err(Error::ClusterBits { bits: cluster_bits });
    }
    let entries = virtual_size.div_ceil(1 << (cluster_bits + table_bits(cluster_bits)));
    if entries > MAX_L1_LEN / ENTRY_LEN {
        let max = (MAX_L1_LEN / ENTRY_LEN) << (cluster_bits + table_bits(cluster_bits));
        return Err(Error::VirtualSizeTooLarge { virtual_size, max, cluster_bits });
    }
    Ok(entries)
}

/// An L2 table is one cluster of 2^`table_bits` entries.
pub(crate) fn table_bits(cluster_bits: u32) -> u32 {
    cluster_bits - ENTRY_LEN.ilog2()
}

/// Clusters of the refcount table and of the refcount blocks of a file with `counted` other clusters.
///
/// The blocks count themselves and the table too. Each round adds what the last one needed; the additions
/// shrink by the number of refcounts in a block (256 at least), so a handful of rounds do.
fn refcount_clusters(cluster_size: u64, counted: u64) -> (u64, u64) {
    let (mut table, mut blocks) = (0, 0);
    loop {
        let more_blocks = (counted + table + blocks).div_ceil(cluster_size / REFCOUNT_LEN);
        let more_table = (more_blocks * ENTRY_LEN).div_ceil(cluster_size);
        if (more_table, more_blocks) == (table, blocks) {
            return (table, blocks);
        }
        (table, blocks) = (more_table, more_blocks);
    }
}

/// The longest file whose refcount table qemu reads and whose last cluster an L2 entry can address.
fn max_file_len(cluster_bits: u32) -> u64 {
    let refcounts = (MAX_REFCOUNT_TABLE_LEN / ENTRY_LEN) * ((1 << cluster_bits) / REFCOUNT_LEN);
    (refcounts << cluster_bits).min(MAX_FILE_LEN)
}
