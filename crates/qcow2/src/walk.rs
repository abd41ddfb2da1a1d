//! From byte ranges to runs of clusters, and each run's place in the tables.

use core::iter::Fuse;
use core::ops::Range;

use crate::Error;
use crate::areas::table_bits;

/// Walks the data ranges of a disk as maximal runs of clusters, numbering clusters and L2 tables on the way.
#[derive(Debug)]
pub(crate) struct Walk<I: Iterator> {
    ranges: Fuse<I>,
    virtual_size: u64,
    cluster_bits: u32,
    previous_end: u64,
    /// Clusters that the next range may still extend.
    open: Option<Range<u64>>,
    /// First L1 index above those of all L2 tables so far.
    tables_end: u64,
    summary: Summary,
}

/// What a walk saw: equal for equal runs, and for practical purposes only for those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) clusters: u64,
    pub(crate) tables: u64,
    fingerprint: u64,
}

/// A run of clusters that hold data, no cluster before or after it doing so.
#[derive(Debug)]
pub(crate) struct Run {
    /// Clusters of the virtual disk.
    pub(crate) clusters: Range<u64>,
    /// How many data clusters come before it.
    pub(crate) data_index: u64,
    /// Where its entries start in the L2 tables laid end to end. They are contiguous there: of two tables
    /// that a run crosses, the second is the next one in the file too.
    pub(crate) l2_slot: u64,
    /// L1 indexes of the L2 tables that no run before it needed.
    pub(crate) new_tables: Range<u64>,
    /// How many L2 tables come before those.
    pub(crate) table_index: u64,
}

impl<I: Iterator<Item = Range<u64>>> Walk<I> {
    pub(crate) fn new(ranges: I, virtual_size: u64, cluster_bits: u32) -> Self {
        Self {
            ranges: ranges.fuse(),
            virtual_size,
            cluster_bits,
            previous_end: 0,
            open: None,
            tables_end: 0,
            summary: Summary { clusters: 0, tables: 0, fingerprint: 0xcbf2_9ce4_8422_2325 },
        }
    }

    /// What the walk has seen so far.
    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }

    pub(crate) fn next_run(&mut self) -> Result<Option<Run>, Error> {
        while let Some(range) = self.ranges.next() {
            self.check(&range)?;
            if range.is_empty() {
                continue;
            }
            self.previous_end = range.end;
            let clusters = range.start >> self.cluster_bits..((range.end - 1) >> self.cluster_bits) + 1;
            match &mut self.open {
                Some(open) if clusters.start <= open.end => open.end = clusters.end,
                open => {
                    if let Some(complete) = open.replace(clusters) {
                        return Ok(Some(self.number(complete)));
                    }
                }
            }
        }
        Ok(self.open.take().map(|last| self.number(last)))
    }

    fn check(&self, range: &Range<u64>) -> Result<(), Error> {
        let range = range.clone();
        if range.start > range.end {
            return Err(Error::RangeReversed { range });
        }
        if range.start < self.previous_end {
            return Err(Error::RangeOutOfOrder { range, previous_end: self.previous_end });
        }
        if range.end > self.virtual_size {
            return Err(Error::RangePastEnd { range, virtual_size: self.virtual_size });
        }
        Ok(())
    }

    fn number(&mut self, clusters: Range<u64>) -> Run {
        let table_bits = table_bits(self.cluster_bits);
        let before = self.summary;
        let first_table = clusters.start >> table_bits;
        let new_tables = first_table.max(self.tables_end)..((clusters.end - 1) >> table_bits) + 1;
        // The first table may be the last one of the run before.
        let first_table_index = before.tables - u64::from(first_table < self.tables_end);
        let within_table = clusters.start & ((1 << table_bits) - 1);

        self.tables_end = new_tables.end;
        self.summary.tables += new_tables.end - new_tables.start;
        self.summary.clusters += clusters.end - clusters.start;
        self.summary.fingerprint = [clusters.start, clusters.end]
            .iter()
            .fold(before.fingerprint, |hash, number| (hash ^ number).wrapping_mul(0x0100_0000_01b3));
        Run {
            clusters,
            data_index: before.clusters,
            l2_slot: (first_table_index << table_bits) + within_table,
            new_tables,
            table_index: before.tables,
        }
    }
}
