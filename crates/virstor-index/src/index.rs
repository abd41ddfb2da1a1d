//! What one pass over a map leaves behind: pictures at any zoom, the runs, who owns a physical chunk.
//!
//! The pass is made in steps, so that pictures of what is known can be drawn between them. Memory: 16 MiB for
//! the picture, 8 MiB for the runs, a bit per physical chunk (64 MiB at most), and 4 bytes per physical chunk
//! as long as those are no more than 160 MiB.

use std::ops::Range;

use virstor::assemble::{Component, Volume};
use virstor::geometry::{ChunkSize, ComponentIndex};
use virstor::plan::{Segment, SegmentPlace};

use crate::disk::{Reader, Walk, segments};
use crate::picture::{Cell, Painter, merge, share};
use crate::runs::Runs;

/// The most tiles: 2^22 of 4 bytes.
const MOST_TILES: u64 = 1 << 22;

/// The most physical chunks that a bit each is kept for.
pub const MOST_LANE_CHUNKS: u64 = 1 << 29;

/// The most physical chunks whose owners are kept.
const MOST_OWNERS: u64 = 40 << 20;

/// Nobody owns the chunk.
const NOBODY: u32 = u32::MAX;

/// Bytes of the volume by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// On a component.
    pub data: u64,
    /// Never written.
    pub hole: u64,
    /// Not to be had.
    pub lost: u64,
}

/// The index of one volume's map, and the reader that it is made with.
#[derive(Debug)]
pub struct MapIndex {
    reader: Reader,
    /// First byte that was not looked at yet.
    next: u64,
    /// Chunks of a tile, as a power of two.
    tile_bits: u32,
    found: Found,
}

/// What was found in the stretch that was looked at.
#[derive(Debug)]
struct Found {
    chunk_size: ChunkSize,
    tiles: Vec<Cell>,
    painter: Painter,
    runs: Runs,
    sums: Sums,
    /// By the numbers of the components.
    lanes: Result<Vec<Option<Lane>>, u64>,
}

/// The chunks of a component.
#[derive(Debug)]
struct Lane {
    chunks: u64,
    used: Vec<u64>,
    owners: Option<Vec<u32>>,
}

impl MapIndex {
    /// An index of the volume of `reader` that knows nothing yet.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        let volume = reader.volume();
        let mut tile_bits = 0;
        while volume.virtual_chunks() >> tile_bits > MOST_TILES {
            tile_bits += 1;
        }
        let tile_size = volume.chunk_size.bytes().saturating_mul(1 << tile_bits);
        let found = Found {
            chunk_size: volume.chunk_size,
            tiles: Vec::new(),
            painter: Painter::new(tile_size, 0, volume.size()),
            runs: Runs::default(),
            sums: Sums::default(),
            lanes: lanes(volume),
        };
        Self { reader, next: 0, tile_bits, found }
    }

    /// Goes on by at most `chunks` chunks; gives whether there is more.
    pub fn step(&mut self, chunks: u64) -> bool {
        let size = self.reader.volume().size();
        let end = self.next.saturating_add(chunks.saturating_mul(self.chunk_size())).min(size);
        if self.next == 0 {
            // Not before: of most volumes nobody looks at the map, and a page may be given very many.
            let tiles = self.reader.volume().virtual_chunks().div_ceil(1 << self.tile_bits);
            self.found.tiles.reserve_exact(usize::try_from(tiles).expect("they are bounded"));
        }
        // A stretch of entries without a map is one segment, however long.
        for segment in self.reader.segments(self.next..end) {
            self.found.take(&segment);
        }
        self.next = end;
        end < size
    }

    /// The volume that is looked at.
    #[must_use]
    pub fn volume(&self) -> &Volume {
        self.reader.volume()
    }

    /// The reader that the index is made with.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The segments of `range` (bytes of the volume), in order and without gaps, also where the index does not reach yet.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn segments(&mut self, range: Range<u64>) -> Walk<'_> {
        segments(&mut self.reader, range)
    }

    fn chunk_size(&self) -> u64 {
        self.found.chunk_size.bytes()
    }

    /// Chunks that were looked at.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.next / self.chunk_size()
    }

    /// Chunks in all.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.reader.volume().virtual_chunks()
    }

    /// What was found so far.
    #[must_use]
    pub fn sums(&self) -> Sums {
        self.found.sums
    }

    /// The runs found so far.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.found.runs
    }

    /// At most `cells` cells of `2^bits` chunks each, the first beginning at chunk `first`, a multiple of that. Cells
    /// that were not looked at yet, or lie behind the volume, are left out.
    #[must_use]
    pub fn picture(&mut self, first: u64, bits: u32, cells: usize) -> Vec<Cell> {
        if bits >= self.tile_bits {
            let tiles = usize::try_from(1_u64 << (bits - self.tile_bits)).unwrap_or(usize::MAX);
            let start = usize::try_from(first >> self.tile_bits).unwrap_or(usize::MAX);
            let known = self.found.tiles.get(start..).unwrap_or_default();
            return known.chunks(tiles).take(cells).map(merge).collect();
        }
        let cell_size = self.chunk_size() << bits;
        let start = first.saturating_mul(self.chunk_size()).min(self.next);
        let end = start.saturating_add(cell_size.saturating_mul(cells as u64)).min(self.next);
        let (mut painter, mut painted) = (Painter::new(cell_size, start, end), Vec::new());
        for segment in self.reader.segments(start..end) {
            painter.take(&segment, &mut |cell| painted.push(cell));
        }
        painted
    }

    /// At most `cells` cells of `2^bits` chunks of a component, from its chunk `first` on: how much of each is used, in
    /// 255ths. `None` for a component that is not there.
    ///
    /// # Errors
    ///
    /// The number of physical chunks of the volume, when they are too many.
    pub fn lane(
        &self,
        component: ComponentIndex,
        first: u64,
        bits: u32,
        cells: usize,
    ) -> Result<Option<Vec<u8>>, u64> {
        let lanes = self.found.lanes.as_ref().map_err(|chunks| *chunks)?;
        let lane = lanes.get(component.as_usize()).and_then(Option::as_ref);
        Ok(lane.map(|lane| lane.picture(first, bits, cells)))
    }

    fn known_lane(&self, component: ComponentIndex) -> Option<&Lane> {
        self.found.lanes.as_ref().ok()?.get(component.as_usize())?.as_ref()
    }

    /// How many chunks of a component are used.
    #[must_use]
    pub fn used(&self, component: ComponentIndex) -> Option<u64> {
        let lane = self.known_lane(component)?;
        Some(lane.used_in(0..lane.chunks))
    }

    /// The virtual chunk that lies on a physical one, as far as was looked: `None` when there is none, or when it is
    /// not kept (see [`owner_by_search`](Self::owner_by_search)).
    #[must_use]
    pub fn owner(&self, component: ComponentIndex, chunk: u64) -> Option<u64> {
        let lane = self.known_lane(component)?;
        let owner = lane.owners.as_ref()?.get(usize::try_from(chunk).ok()?)?;
        (*owner != NOBODY).then(|| u64::from(*owner))
    }

    /// As [`owner`](Self::owner), for volumes that are too large to keep the owners of: reads the map until it is found.
    pub fn owner_by_search(&mut self, component: ComponentIndex, chunk: u64) -> Option<u64> {
        let lane = self.known_lane(component)?;
        if lane.owners.is_some() || lane.used_in(chunk..chunk.saturating_add(1)) == 0 {
            return self.owner(component, chunk);
        }
        let wanted = chunk * self.chunk_size();
        let found = self.reader.segments(0..self.next).find_map(|segment| match segment.place {
            SegmentPlace::Data { component: there, offset } if there == component => {
                (offset..offset + segment.len).contains(&wanted).then(|| segment.start + (wanted - offset))
            }
            _ => None,
        });
        found.map(|byte| byte / self.chunk_size())
    }
}

/// A lane for each component that is there; their chunks, when they are too many.
fn lanes(volume: &Volume) -> Result<Vec<Option<Lane>>, u64> {
    let chunks = |component: &Component| {
        let room = component.len.div_ceil(volume.chunk_size.bytes());
        u64::from(component.record.chunk_count.get()).min(room)
    };
    let all: u64 = volume.components.values().map(chunks).sum();
    if all > MOST_LANE_CHUNKS {
        return Err(all);
    }
    let owners = all <= MOST_OWNERS && volume.virtual_chunks() < u64::from(NOBODY);
    let lane = |index: u16| {
        let component = volume.components.get(&ComponentIndex(index))?;
        Some(Lane::new(chunks(component), owners))
    };
    let count = volume.components.keys().next_back().map_or(0, |last| u32::from(last.0) + 1);
    Ok((0..=u16::MAX).take(count as usize).map(lane).collect())
}

impl Found {
    #[inline]
    fn take(&mut self, segment: &Segment) {
        let tiles = &mut self.tiles;
        self.painter.take(segment, &mut |cell| tiles.push(cell));
        self.runs.take(segment);
        match segment.place {
            SegmentPlace::Hole => self.sums.hole += segment.len,
            SegmentPlace::Lost(_) => self.sums.lost += segment.len,
            SegmentPlace::Data { component, offset } => {
                self.sums.data += segment.len;
                let lanes = self.lanes.as_mut().ok();
                if let Some(lane) = lanes.and_then(|lanes| lanes.get_mut(component.as_usize())?.as_mut()) {
                    lane.own(segment.start, offset, segment.len, self.chunk_size);
                }
            }
        }
    }
}

impl Lane {
    fn new(chunks: u64, with_owners: bool) -> Self {
        let len = usize::try_from(chunks).expect("the caller bounds the sum");
        Self { chunks, used: vec![0; len.div_ceil(64)], owners: with_owners.then(|| vec![NOBODY; len]) }
    }

    /// Notes that `len` bytes from `start` of the volume on lie at `offset`.
    #[inline]
    fn own(&mut self, start: u64, offset: u64, len: u64, chunk_size: ChunkSize) {
        let (first, within) = chunk_size.split(offset);
        let end = (first.0 + chunk_size.chunks_in(within + len)).min(self.chunks);
        if first.0 >= end {
            return;
        }
        let Words { first: word, last, head, tail } = Words::of(first.0..end);
        if word == last {
            self.used[word] |= head & tail;
        } else {
            self.used[word] |= head;
            self.used[word + 1..last].fill(u64::MAX);
            self.used[last] |= tail;
        }
        if let Some(owners) = &mut self.owners {
            let virtual_chunk = u32::try_from(chunk_size.split(start).0.0).unwrap_or(NOBODY);
            for (step, owner) in (0..).zip(&mut owners[place(first.0)..place(end)]) {
                *owner = virtual_chunk.saturating_add(step);
            }
        }
    }

    fn picture(&self, first: u64, bits: u32, cells: usize) -> Vec<u8> {
        let width = 1_u64 << bits;
        let starts = (0..cells as u64).map(|cell| first.saturating_add(cell.saturating_mul(width)));
        let there = starts.take_while(|start| *start < self.chunks);
        there
            .map(|start| {
                let end = start.saturating_add(width).min(self.chunks);
                share(self.used_in(start..end), end - start)
            })
            .collect()
    }

    fn used_in(&self, range: Range<u64>) -> u64 {
        let (start, end) = (range.start.min(self.chunks), range.end.min(self.chunks));
        if start >= end {
            return 0;
        }
        let Words { first, last, head, tail } = Words::of(start..end);
        let words = self.used[first..=last].iter().enumerate();
        let ones = words.map(|(index, word)| {
            let head = if index == 0 { head } else { u64::MAX };
            let tail = if first + index == last { tail } else { u64::MAX };
            u64::from((word & head & tail).count_ones())
        });
        ones.sum()
    }
}

/// Where the bits of a range of chunks are.
struct Words {
    first: usize,
    last: usize,
    /// Which bits of the first word, and of the last one: both, where that is the same.
    head: u64,
    tail: u64,
}

impl Words {
    /// Of a range that is not empty.
    #[inline]
    fn of(chunks: Range<u64>) -> Self {
        let last = chunks.end - 1;
        Self {
            first: place(chunks.start / 64),
            last: place(last / 64),
            head: u64::MAX << (chunks.start % 64),
            tail: u64::MAX >> (63 - last % 64),
        }
    }
}

#[inline]
fn place(chunk: u64) -> usize {
    usize::try_from(chunk).expect("it is below the number of chunks")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last number that fits is nobody's, and so is all that lies behind it.
    #[test]
    fn owners_without_a_number_are_nobody() {
        let chunk_size = ChunkSize::new(4096).expect("not zero");
        for (first, expected) in [
            (7, [NOBODY, 7, 8, 9]),
            (u64::from(NOBODY) - 1, [NOBODY, NOBODY - 1, NOBODY, NOBODY]),
            (1 << 40, [NOBODY; 4]),
        ] {
            let mut lane = Lane::new(4, true);
            lane.own(first * 4096, 4096, 3 * 4096, chunk_size);
            assert_eq!(lane.owners.as_deref(), Some(&expected[..]), "from {first} on");
            assert_eq!(lane.used, [0b1110]);
        }
    }
}
