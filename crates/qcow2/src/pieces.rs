//! The file in order, piece by piece.

use alloc::vec;
use alloc::vec::Vec;
use core::iter::FusedIterator;
use core::ops::Range;

use crate::areas::{ENTRY_LEN, REFCOUNT_LEN};
use crate::header::header_cluster;
use crate::walk::{Run, Walk};
use crate::{Error, Layout};

/// The most bytes that a [`Piece::Bytes`] has: the largest cluster.
pub const MAX_BYTES_LEN: u64 = 2 << 20;

/// Tables come in pieces of so many bytes, or of one cluster where that is more.
const TABLE_PIECE_LEN: u64 = 64 << 10;

/// The cluster or L2 table behind this L1 or L2 entry is used once: it may be written in place.
const COPIED: u64 = 1 << 63;

/// What comes next in the file. No piece is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Bytes of the virtual disk, never past its end. Holes among them are the copier's to read as zeros.
    Copy {
        /// Where they start on the virtual disk: a multiple of the cluster size.
        virtual_offset: u64,
        /// How many they are: whole clusters, or up to the end of the disk.
        len: u64,
    },
}

impl Piece {
    /// How many bytes of the file it makes.
    #[expect(clippy::len_without_is_empty, reason = "no piece is empty")]
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Copy { len, .. } => *len,
        }
    }
}

/// The pieces of a file, each starting where the one before ended; see [`Layout::pieces`].
///
/// They add up to [`Layout::total_len`] bytes. When the ranges turn out to be others than those of the plan,
/// the last item is [`Error::RangesChanged`] (or what is wrong with a range), and the pieces before it add up
/// to less: a file that came out whole is the one that was planned.
#[derive(Debug)]
pub struct Pieces<F, I: Iterator> {
    layout: Layout,
    ranges: F,
    copy_cap: u64,
    /// Bytes of the file so far.
    position: u64,
    /// The walk of the area that `position` is in, once it needs one.
    walk: Option<Walk<I>>,
    /// Table entries taken from the walk that belong behind the piece just given.
    entries: Option<Entries>,
    /// Bytes of the disk taken from the walk and not copied yet. Ends on a cluster.
    to_copy: Range<u64>,
}

/// Consecutive entries of a table, pointing at consecutive clusters.
#[derive(Debug)]
struct Entries {
    slots: Range<u64>,
    first: u64,
}

impl<F: FnMut() -> I, I: Iterator<Item = Range<u64>>> Pieces<F, I> {
    pub(crate) fn new(layout: Layout, ranges: F, copy_cap: u64) -> Self {
        let cluster_size = layout.cluster_size();
        let copy_cap = (copy_cap & !(cluster_size - 1)).max(cluster_size);
        Self { layout, ranges, copy_cap, position: 0, walk: None, entries: None, to_copy: 0..0 }
    }

    fn next_piece(&mut self) -> Result<Piece, Error> {
        let areas = self.layout.areas().clone();
        if [areas.l1_table.start, areas.l2_tables.start, areas.data.start].contains(&self.position) {
            self.walk = None;
        }
        if self.position < areas.refcount_table.start {
            Ok(Piece::Bytes(header_cluster(&areas, self.layout.disk_size())))
        } else if self.position < areas.refcount_table.end {
            Ok(self.refcount_table(&areas.refcount_table, &areas.refcount_blocks))
        } else if self.position < areas.refcount_blocks.end {
            Ok(self.refcounts(&areas.refcount_blocks))
        } else if self.position < areas.l1_table.end {
            self.mapping_table(&areas.l1_table, Self::l1_entries)
        } else if self.position < areas.l2_tables.end {
            self.mapping_table(&areas.l2_tables, Self::l2_entries)
        } else {
            self.data()
        }
    }

    fn refcount_table(&self, table: &Range<u64>, blocks: &Range<u64>) -> Piece {
        let mut bytes = self.zeroed_part(table);
        let first = blocks.start + (self.position - table.start) / ENTRY_LEN * self.layout.cluster_size();
        put_entries(&mut bytes, (first..blocks.end).step_by(self.cluster_step()));
        Piece::Bytes(bytes)
    }

    /// A one for every cluster of the file, then zeros.
    fn refcounts(&self, blocks: &Range<u64>) -> Piece {
        let mut bytes = self.zeroed_part(blocks);
        let file_clusters = self.layout.total_len() / self.layout.cluster_size();
        let earlier = (self.position - blocks.start) / REFCOUNT_LEN;
        let here = usize::try_from(file_clusters.saturating_sub(earlier)).unwrap_or(usize::MAX);
        for refcount in bytes.chunks_exact_mut(to_usize(REFCOUNT_LEN)).take(here) {
            refcount.copy_from_slice(&1_u16.to_be_bytes());
        }
        Piece::Bytes(bytes)
    }

    /// The next part of the L1 table or of the L2 tables. Before its last part is given, `more` has given
    /// `None`, and so the walk has been compared with the plan.
    fn mapping_table(
        &mut self,
        area: &Range<u64>,
        more: fn(&mut Self) -> Result<Option<Entries>, Error>,
    ) -> Result<Piece, Error> {
        let mut bytes = self.zeroed_part(area);
        let start = (self.position - area.start) / ENTRY_LEN;
        let end = start + bytes.len() as u64 / ENTRY_LEN;
        loop {
            let entries = match self.entries.take() {
                Some(kept) => kept,
                None => match more(self)? {
                    Some(fresh) => fresh,
                    None => break,
                },
            };
            let Entries { slots, first } = entries;
            let here = slots.start.min(end)..slots.end.min(end);
            let count = here.end - here.start;
            let offsets = (first..).step_by(self.cluster_step()).take(to_usize(count));
            put_entries(&mut bytes[to_usize((here.start - start) * ENTRY_LEN)..], offsets);
            if slots.end > end {
                let first = first + count * self.layout.cluster_size();
                self.entries = Some(Entries { slots: slots.start + count..slots.end, first });
                break;
            }
        }
        Ok(Piece::Bytes(bytes))
    }

    fn l1_entries(&mut self) -> Result<Option<Entries>, Error> {
        let run = self.next_run()?;
        let tables = self.layout.areas().l2_tables.start;
        Ok(run.map(|run| Entries {
            first: COPIED | (tables + run.table_index * self.layout.cluster_size()),
            slots: run.new_tables,
        }))
    }

    fn l2_entries(&mut self) -> Result<Option<Entries>, Error> {
        let run = self.next_run()?;
        let data = self.layout.areas().data.start;
        Ok(run.map(|run| Entries {
            first: COPIED | (data + run.data_index * self.layout.cluster_size()),
            slots: run.l2_slot..run.l2_slot + (run.clusters.end - run.clusters.start),
        }))
    }

    fn data(&mut self) -> Result<Piece, Error> {
        if self.to_copy.is_empty() {
            let run = self.next_run()?.ok_or_else(|| self.changed())?;
            let cluster_bits = self.layout.areas().cluster_bits;
            self.to_copy = run.clusters.start << cluster_bits..run.clusters.end << cluster_bits;
        }
        let Range { start, end } = self.to_copy;
        let disk_end = self.layout.virtual_size();
        let piece = if start < disk_end {
            Piece::Copy { virtual_offset: start, len: self.copy_cap.min(end.min(disk_end) - start) }
        } else {
            Piece::Bytes(vec![0; to_usize(end - start)])
        };
        self.to_copy.start += piece.len();
        if self.position + piece.len() == self.layout.total_len() {
            // Whatever it gives beyond the plan is an error.
            self.next_run()?;
        }
        Ok(piece)
    }

    /// The next run of the area's walk, as long as the walk agrees with the plan; at its end, `None`.
    fn next_run(&mut self) -> Result<Option<Run>, Error> {
        let walk = self.walk.get_or_insert_with(|| {
            Walk::new((self.ranges)(), self.layout.virtual_size(), self.layout.areas().cluster_bits)
        });
        let run = walk.next_run()?;
        let (seen, planned) = (walk.summary(), self.layout.summary());
        let agrees = match run {
            Some(_) => seen.clusters <= planned.clusters && seen.tables <= planned.tables,
            None => seen == planned,
        };
        if agrees { Ok(run) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Error {
        Error::RangesChanged {
            planned_clusters: self.layout.summary().clusters,
            found_clusters: self.walk.as_ref().map_or(0, |walk| walk.summary().clusters),
        }
    }

    /// Room for what comes next in `area`.
    fn zeroed_part(&self, area: &Range<u64>) -> Vec<u8> {
        let len = TABLE_PIECE_LEN.max(self.layout.cluster_size()).min(area.end - self.position);
        vec![0; to_usize(len)]
    }

    fn cluster_step(&self) -> usize {
        to_usize(self.layout.cluster_size())
    }
}

impl<F: FnMut() -> I, I: Iterator<Item = Range<u64>>> Iterator for Pieces<F, I> {
    type Item = Result<Piece, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let total_len = self.layout.total_len();
        if self.position == total_len {
            return None;
        }
        let piece = self.next_piece();
        self.position = piece.as_ref().map_or(total_len, |piece| self.position + piece.len());
        Some(piece)
    }
}

impl<F: FnMut() -> I, I: Iterator<Item = Range<u64>>> FusedIterator for Pieces<F, I> {}

fn put_entries(table: &mut [u8], offsets: impl Iterator<Item = u64>) {
    for (entry, offset) in table.chunks_exact_mut(to_usize(ENTRY_LEN)).zip(offsets) {
        entry.copy_from_slice(&offset.to_be_bytes());
    }
}

fn to_usize(within_piece: u64) -> usize {
    usize::try_from(within_piece).expect("a piece has at most 2 MiB")
}
