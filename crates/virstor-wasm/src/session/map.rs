//! What a session tells of the map: the index, pictures, runs, extents.

use js_sys::{BigInt64Array, BigUint64Array, Uint8Array, Uint16Array};
use virstor::geometry::ComponentIndex;
use virstor::plan::{Lost, Segment, SegmentPlace};
use virstor_index::{Cell, MOST_LANE_CHUNKS, MapIndex, NO_COMPONENT};
use virstor_inspect::document::map::{Extent, Totals};
use wasm_bindgen::prelude::wasm_bindgen;

use super::{MOST_ROWS, Session, within};
use crate::document;
use crate::error::Refusal;

/// The most cells of a picture.
const MOST_CELLS: usize = 1 << 20;

#[wasm_bindgen]
impl Session {
    /// Goes on reading a map into its index, by at most `chunks` chunks.
    #[wasm_bindgen(js_name = indexStep)]
    pub fn index_step(&mut self, volume: usize, chunks: u64) -> Result<IndexState, Refusal> {
        self.keep_blocks();
        let index = self.index(volume)?;
        index.step(chunks);
        Ok(IndexState::of(index))
    }

    /// How far the index of a map is.
    #[wasm_bindgen(js_name = indexState)]
    pub fn index_state(&mut self, volume: usize) -> Result<IndexState, Refusal> {
        Ok(IndexState::of(self.index(volume)?))
    }

    /// A picture of the virtual device: at most `cells` cells of `2^bits` chunks each, from chunk `first` on, which
    /// is a multiple of that. What the index does not know yet, or lies behind the end, is left out.
    pub fn picture(
        &mut self,
        volume: usize,
        first: u64,
        bits: u32,
        cells: usize,
    ) -> Result<Picture, Refusal> {
        self.keep_blocks();
        Picture::of(self.index(volume)?, first, bits, cells)
    }

    /// A picture of a component: how much of each cell is used, in 255ths. Otherwise as [`picture`](Self::picture).
    pub fn lane(
        &mut self,
        volume: usize,
        component: u16,
        first: u64,
        bits: u32,
        cells: usize,
    ) -> Result<Uint8Array, Refusal> {
        check_picture(first, bits, cells)?;
        let index = self.index(volume)?;
        let too_many = |chunks| Refusal::TooManyChunks { chunks, limit: MOST_LANE_CHUNKS };
        let lane = index.lane(ComponentIndex(component), first, bits, cells).map_err(too_many)?;
        let lane = lane.ok_or(Refusal::NoSuchComponent { component })?;
        Ok(Uint8Array::from(&lane[..]))
    }

    /// The virtual chunk that lies on a physical one, as far as the map was read.
    pub fn owner(&mut self, volume: usize, component: u16, chunk: u64) -> Result<Option<u64>, Refusal> {
        self.keep_blocks();
        Ok(self.index(volume)?.owner_by_search(ComponentIndex(component), chunk))
    }

    /// The runs from number `first` on, at most `count`, of those that the index knows.
    pub fn runs(&mut self, volume: usize, first: u64, count: usize) -> Result<Runs, Refusal> {
        self.keep_blocks();
        let index = self.index(volume)?;
        let runs = index.runs();
        let last = first.saturating_add(count.min(MOST_ROWS) as u64).min(runs.count());
        let (mut number, mut position) = runs.known_before(first);
        let known_end = index.done() * index.volume().chunk_size.bytes();
        let mut rows = Runs::default();
        while number < last {
            // A run may be as long as the map: where its end is known, it is not looked for.
            let end = index.runs().end_of(number);
            let range = position..end.map_or(known_end, |end| end.min(position + 1));
            let Some(mut segment) = index.segments(range).next() else { break };
            segment.len = end.map_or(segment.len, |end| end - position);
            position = segment.end();
            if number >= first {
                rows.push(segment);
            }
            number += 1;
        }
        Ok(rows)
    }

    /// The number of the run that byte `position` of the volume is in, where that is known.
    #[wasm_bindgen(js_name = runAt)]
    pub fn run_at(&mut self, volume: usize, position: u64) -> Result<Option<u64>, Refusal> {
        Ok(self.index(volume)?.runs().number_at(position))
    }

    /// The extents of the range, at most `count`, as [`runs`](Self::runs).
    pub fn extents(&mut self, volume: usize, start: u64, end: u64, count: usize) -> Result<Runs, Refusal> {
        self.keep_blocks();
        let index = self.index(volume)?;
        let range = within(start, end, index.volume().size())?;
        let mut rows = Runs::default();
        for segment in index.segments(range).take(count.min(MOST_ROWS)) {
            rows.push(segment);
        }
        Ok(rows)
    }

    /// The extents of the range as `map --json` has them, at most `count`.
    #[wasm_bindgen(js_name = extentObjects)]
    pub fn extent_objects(
        &mut self,
        volume: usize,
        start: u64,
        end: u64,
        count: usize,
    ) -> Result<Vec<u8>, Refusal> {
        self.keep_blocks();
        let index = self.index(volume)?;
        let chunk_size = index.volume().chunk_size.bytes();
        let range = within(start, end, index.volume().size())?;
        let segments = index.segments(range).take(count.min(MOST_ROWS));
        let extents: Vec<Extent> = segments.map(|segment| Extent::new(&segment, chunk_size)).collect();
        Ok(document::bytes(&extents))
    }

    /// How much of the range is what: the document of `map --totals`.
    pub fn totals(&mut self, volume: usize, start: u64, end: u64) -> Result<Vec<u8>, Refusal> {
        self.keep_blocks();
        Ok(document::bytes(&self.totals_document(volume, start, end)?))
    }
}

impl Session {
    pub(super) fn totals_document(&mut self, volume: usize, start: u64, end: u64) -> Result<Totals, Refusal> {
        let index = self.index(volume)?;
        let range = within(start, end, index.volume().size())?;
        Ok(Totals::new(index.segments(range)))
    }
}

/// How far the index of a map is, in chunks and runs, and what it found, in bytes.
#[wasm_bindgen]
#[derive(Debug, Clone, Copy)]
pub struct IndexState {
    /// Chunks that were looked at.
    pub done: u64,
    /// Chunks in all.
    pub chunks: u64,
    /// Runs among those looked at.
    pub runs: u64,
    /// Bytes that lie on a component.
    pub data: u64,
    /// Bytes never written.
    pub hole: u64,
    /// Bytes not to be had.
    pub lost: u64,
}

impl IndexState {
    fn of(index: &MapIndex) -> Self {
        let sums = index.sums();
        Self {
            done: index.done(),
            chunks: index.chunks(),
            runs: index.runs().count(),
            data: sums.data,
            hole: sums.hole,
            lost: sums.lost,
        }
    }
}

/// Cells of a picture, as arrays of equal length.
#[wasm_bindgen]
pub struct Picture {
    cells: Vec<Cell>,
}

impl Picture {
    /// A picture of a volume: see [`Session::picture`].
    ///
    /// # Errors
    ///
    /// [`Refusal::BadPicture`].
    pub(crate) fn of(index: &mut MapIndex, first: u64, bits: u32, cells: usize) -> Result<Self, Refusal> {
        check_picture(first, bits, cells)?;
        Ok(Self { cells: index.picture(first, bits, cells) })
    }
}

#[wasm_bindgen]
impl Picture {
    /// Shares of data in 255ths.
    #[must_use]
    pub fn data(&self) -> Uint8Array {
        Uint8Array::from(&self.cells.iter().map(|cell| cell.data).collect::<Vec<_>>()[..])
    }

    /// Shares of lost bytes in 255ths.
    #[must_use]
    pub fn lost(&self) -> Uint8Array {
        Uint8Array::from(&self.cells.iter().map(|cell| cell.lost).collect::<Vec<_>>()[..])
    }

    /// The component that has the data; 65535 where there is none.
    #[must_use]
    pub fn component(&self) -> Uint16Array {
        Uint16Array::from(&self.cells.iter().map(|cell| cell.component).collect::<Vec<_>>()[..])
    }
}

/// Rows of a table of runs, as arrays of equal length.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Runs {
    rows: Vec<Segment>,
}

#[wasm_bindgen]
impl Runs {
    /// First bytes on the volume.
    #[must_use]
    pub fn start(&self) -> BigUint64Array {
        BigUint64Array::from(&self.rows.iter().map(|row| row.start).collect::<Vec<_>>()[..])
    }

    /// Lengths in bytes.
    #[must_use]
    pub fn length(&self) -> BigUint64Array {
        BigUint64Array::from(&self.rows.iter().map(|row| row.len).collect::<Vec<_>>()[..])
    }

    /// 0: hole; 1: data; 2: lost with a missing component; 3: lost by a bad entry; 4: lost without a map; 5: lost past
    /// the end of a component; 6: lost in an area that cannot be read.
    #[must_use]
    pub fn state(&self) -> Uint8Array {
        let state = |row: &Segment| match row.place {
            SegmentPlace::Hole => 0,
            SegmentPlace::Data { .. } => 1,
            SegmentPlace::Lost(Lost::MissingComponent(_)) => 2,
            SegmentPlace::Lost(Lost::BadEntry) => 3,
            SegmentPlace::Lost(Lost::NoMap) => 4,
            SegmentPlace::Lost(Lost::PastEnd(_)) => 5,
            SegmentPlace::Lost(Lost::BadArea(_)) => 6,
        };
        Uint8Array::from(&self.rows.iter().map(state).collect::<Vec<_>>()[..])
    }

    /// The component that the bytes lie on or would lie on; 65535 where there is none.
    #[must_use]
    pub fn component(&self) -> Uint16Array {
        let component = |row: &Segment| match row.place {
            SegmentPlace::Data { component, .. }
            | SegmentPlace::Lost(
                Lost::MissingComponent(component) | Lost::PastEnd(component) | Lost::BadArea(component),
            ) => component.0,
            _ => NO_COMPONENT,
        };
        Uint16Array::from(&self.rows.iter().map(component).collect::<Vec<_>>()[..])
    }

    /// First bytes on the component; -1 where there is none.
    #[must_use]
    pub fn offset(&self) -> BigInt64Array {
        let offset = |row: &Segment| match row.place {
            SegmentPlace::Data { offset, .. } => i64::try_from(offset).unwrap_or(i64::MAX),
            _ => -1,
        };
        BigInt64Array::from(&self.rows.iter().map(offset).collect::<Vec<_>>()[..])
    }

    fn push(&mut self, segment: Segment) {
        self.rows.push(segment);
    }
}

fn check_picture(first: u64, bits: u32, cells: usize) -> Result<(), Refusal> {
    if cells > MOST_CELLS {
        return Err(Refusal::BadPicture { value: cells as u64, bound: "at most 1048576 cells" });
    }
    if bits > 48 {
        return Err(Refusal::BadPicture { value: u64::from(bits), bound: "at most 2^48 chunks in a cell" });
    }
    if !first.is_multiple_of(1 << bits) {
        return Err(Refusal::BadPicture { value: first, bound: "a multiple of the chunks in a cell" });
    }
    Ok(())
}
