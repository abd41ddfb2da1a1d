//! Read plans: which bytes of the volume lie where.
//!
//! A range of the virtual device becomes [`Segment`]s in virtual order, merged where they go on without a
//! gap. Nothing but the map is read to make them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use crate::assemble::Volume;
use crate::format::{ByteOrder, MapEntry};
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::map::{Bounds, ComponentBounds, MapPages, Run, is_valid};

/// A stretch of the virtual device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its first byte on the virtual device.
    pub start: u64,
    /// Its length in bytes; never zero.
    pub len: u64,
    /// Where its bytes are.
    pub place: SegmentPlace,
}

/// Where the bytes of a segment are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentPlace {
    /// Nowhere: never written, reads as zeros.
    Hole,
    /// On a component, from `offset` (bytes) on.
    Data {
        /// Which component.
        component: ComponentIndex,
        /// Where on it, in bytes.
        offset: u64,
    },
    /// They were somewhere, and are not to be had.
    Lost(Lost),
}

/// Why bytes are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// They lie on a component that is not there.
    MissingComponent(ComponentIndex),
    /// Their map entry names a component or a chunk that cannot be.
    BadEntry,
    /// Their map entry could not be read, or there is no map: component 0 is missing or too short.
    NoMap,
    /// Their chunk reaches past the end of its component.
    PastEnd(ComponentIndex),
    /// They lie in an area of their component that is known to be unreadable.
    BadArea(ComponentIndex),
}

impl Segment {
    /// First byte behind it.
    #[inline]
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Whether `next`, which follows it on the device, also follows it where the bytes are.
    #[inline]
    #[must_use]
    pub fn goes_on_in(&self, next: &Self) -> bool {
        match (self.place, next.place) {
            (
                SegmentPlace::Data { component, offset },
                SegmentPlace::Data { component: next_component, offset: next_offset },
            ) => component == next_component && offset + self.len == next_offset,
            (here, there) => here == there,
        }
    }
}

/// Entries of the map, not zero, each of which names the chunk behind that of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The first.
    pub at: VirtualChunk,
    /// What it says; it need not be allocated, or name what there is.
    pub entry: MapEntry,
    /// How many there are.
    pub chunks: u64,
}

/// A volume that can be read: its geometry, the disks of its components, its map.
#[derive(Debug)]
pub struct VolumeReader<D> {
    volume: Volume,
    bounds: Vec<Option<ComponentBounds>>,
    disks: BTreeMap<ComponentIndex, D>,
    map: Option<MapPages<D>>,
}

impl<D: ReadAt + Clone> VolumeReader<D> {
    /// `disks` holds one disk per component of `volume`, of the length the volume knows. At most
    /// `map_memory` bytes of the map are kept.
    pub fn new(
        volume: Volume,
        disks: BTreeMap<ComponentIndex, D>,
        order: ByteOrder,
        map_memory: u64,
    ) -> Self {
        let map = disks
            .get(&ComponentIndex(0))
            .map(|disk| MapPages::new(disk.clone(), volume.map_entries(), order, map_memory));
        Self { bounds: volume.bounds(), volume, disks, map }
    }
}

impl<D: ReadAt> VolumeReader<D> {
    /// The volume that is read.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// The disk of a component that is there.
    pub fn disk(&self, component: ComponentIndex) -> Option<&D> {
        self.disks.get(&component)
    }

    /// Takes the disks out; [`replace`](Self::replace) puts some in again.
    pub(crate) fn take_disks(&mut self) -> BTreeMap<ComponentIndex, D> {
        core::mem::take(&mut self.disks)
    }

    /// Goes on with other components. Component 0 and its map stay what they are.
    pub(crate) fn replace(&mut self, volume: Volume, disks: BTreeMap<ComponentIndex, D>) {
        (self.bounds, self.volume, self.disks) = (volume.bounds(), volume, disks);
    }

    /// The byte order of the map.
    pub(crate) fn map_order(&self) -> ByteOrder {
        self.map.as_ref().map_or(ByteOrder::Little, MapPages::order)
    }

    /// The map, where component 0 is there.
    pub(crate) fn map_mut(&mut self) -> Option<&mut MapPages<D>> {
        self.map.as_mut()
    }

    /// Why the map could not be read for byte `at` of the virtual device, where that made it [`Lost::NoMap`]. It is
    /// forgotten with the piece of the map around it, so that the next look tries again. `None` where no disk failed.
    pub fn take_map_error(&mut self, at: u64) -> Option<IoError> {
        let (chunk, _) = self.volume.chunk_size.split(at);
        self.map.as_mut()?.take_error(chunk)
    }

    /// The segments of `range` (bytes of the virtual device), in order and without gaps.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn segments(&mut self, range: Range<u64>) -> Segments<'_, D> {
        assert!(range.start <= range.end);
        assert!(range.end <= self.volume.size());
        Segments {
            volume: &self.volume,
            bounds: &self.bounds,
            disks: &self.disks,
            map: self.map.as_mut(),
            next: range.start,
            end: range.end,
            end_chunk: self.volume.chunk_size.chunks_in(range.end),
            here: None,
            pending: None,
        }
    }

    /// What the map says of its chunks, in order: stretches of entries that are alike. Nothing is judged, and
    /// nothing is left out but entries that cannot be read or are zero.
    pub fn rows(&mut self) -> impl Iterator<Item = Row> {
        let map = &mut self.map;
        let end = map.as_ref().map_or(0, MapPages::entries);
        let mut next = 0;
        core::iter::from_fn(move || {
            while next < end {
                let at = VirtualChunk(next);
                match map.as_mut()?.run(at, end - next) {
                    Run::Zero(chunks) | Run::Unreadable(chunks) => next += chunks,
                    Run::Row(entry, chunks) => {
                        next += chunks;
                        return Some(Row { at, entry, chunks });
                    }
                }
            }
            None
        })
    }

    /// Fills `buf` with the volume's bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`ReadError::Lost`] when one of the bytes is lost, [`ReadError::Io`] when a component cannot be read.
    ///
    /// # Panics
    ///
    /// When the range is not within the volume.
    pub fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let segments: Vec<Segment> = self.segments(offset..offset + buf.len() as u64).collect();
        for segment in segments {
            let start = usize::try_from(segment.start - offset).expect("within the buffer");
            let len = usize::try_from(segment.len).expect("within the buffer");
            self.read_segment(&segment, &mut buf[start..start + len])?;
        }
        Ok(())
    }

    /// Fills `buf` with the first bytes of `segment`.
    ///
    /// # Errors
    ///
    /// As [`VolumeReader::read`].
    pub fn read_segment(&self, segment: &Segment, buf: &mut [u8]) -> Result<(), ReadError> {
        match segment.place {
            SegmentPlace::Hole => buf.fill(0),
            SegmentPlace::Data { component, offset } => {
                let disk = self.disks.get(&component).expect("a segment names a component that is there");
                disk.read_at(offset, buf).map_err(|error| ReadError::Io { component, error })?;
            }
            SegmentPlace::Lost(why) => return Err(ReadError::Lost { start: segment.start, why }),
        }
        Ok(())
    }
}

/// Why a part of the volume cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// It is lost.
    Lost {
        /// The first lost byte of the virtual device.
        start: u64,
        /// Why.
        why: Lost,
    },
    /// The component's disk failed.
    Io {
        /// Which component.
        component: ComponentIndex,
        /// Where on it, and what the driver said.
        error: IoError,
    },
}

/// The segments of a range: see [`VolumeReader::segments`].
#[derive(Debug)]
pub struct Segments<'a, D> {
    volume: &'a Volume,
    bounds: &'a Bounds,
    disks: &'a BTreeMap<ComponentIndex, D>,
    map: Option<&'a mut MapPages<D>>,
    next: u64,
    end: u64,
    /// The chunk behind the last that the range touches.
    end_chunk: u64,
    /// The component that was met last: most often it is the next one, too.
    here: Option<Here>,
    pending: Option<Segment>,
}

/// What is known of a component.
#[derive(Debug, Clone)]
struct Here {
    index: ComponentIndex,
    len: u64,
    /// Bytes of it that are not known to be unreadable.
    clean: Range<u64>,
}

impl<D: ReadAt> Iterator for Segments<'_, D> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        while self.next < self.end {
            let piece = self.piece();
            self.next = piece.end();
            match &mut self.pending {
                Some(pending) if pending.goes_on_in(&piece) => pending.len += piece.len,
                pending => {
                    if let Some(done) = pending.replace(piece) {
                        return Some(done);
                    }
                }
            }
        }
        self.pending.take()
    }
}

impl<D: ReadAt> Segments<'_, D> {
    /// The longest stretch from `next` on that one look into the map gives.
    #[inline]
    fn piece(&mut self) -> Segment {
        let chunk_size = self.volume.chunk_size.bytes();
        let (chunk, within) = self.volume.chunk_size.split(self.next);
        let rest = self.end - self.next;
        let wanted = self.end_chunk - chunk.0;
        let map = self.map.as_mut().filter(|map| chunk.0 < map.entries());
        let run = map.map_or(Run::Unreadable(wanted), |map| map.run(chunk, wanted));
        let len_of = |chunks: u64| (chunks.min(wanted) * chunk_size - within).min(rest);
        let (chunks, place) = match run {
            Run::Zero(chunks) => (chunks, SegmentPlace::Hole),
            Run::Unreadable(chunks) => (chunks, SegmentPlace::Lost(Lost::NoMap)),
            Run::Row(entry, chunks) if !entry.is_allocated() => (chunks, SegmentPlace::Hole),
            Run::Row(entry, chunks) => return self.within_row(entry, within, len_of(chunks)),
        };
        Segment { start: self.next, len: len_of(chunks), place }
    }

    /// `len` bytes of allocated chunks that lie in a row, from byte `within` of the first on, as far as they share a
    /// place.
    #[inline]
    fn within_row(&mut self, entry: MapEntry, within: u64, len: u64) -> Segment {
        let start = self.next;
        let lost = |why, len| Segment { start, len, place: SegmentPlace::Lost(why) };
        if !is_valid(entry, self.bounds) {
            return lost(Lost::BadEntry, len);
        }
        let Some(component_len) = self.go_to(entry.component) else {
            return lost(Lost::MissingComponent(entry.component), len);
        };
        let valid = self.valid_chunks_from(entry) * self.volume.chunk_size.bytes() - within;
        let offset = self.volume.chunk_size.offset_of(entry.chunk) + within;
        let there = component_len.saturating_sub(offset).min(len).min(valid);
        if there == 0 {
            return lost(Lost::PastEnd(entry.component), len);
        }
        self.readable(entry.component, offset, there)
    }

    /// The length of a component, unless it is missing.
    #[inline]
    fn go_to(&mut self, index: ComponentIndex) -> Option<u64> {
        if self.here.as_ref().is_none_or(|here| here.index != index) {
            let component = self.volume.components.get(&index)?;
            self.here = Some(Here { index, len: component.len, clean: 0..0 });
        }
        self.here.as_ref().map(|here| here.len)
    }

    /// The first of the `len` bytes from `offset` of the component at hand on that are alike in being readable.
    #[inline]
    fn readable(&mut self, component: ComponentIndex, offset: u64, len: u64) -> Segment {
        let (mut place, mut there) = (SegmentPlace::Data { component, offset }, len);
        let known =
            self.here.as_ref().filter(|here| here.clean.start <= offset && offset + len <= here.clean.end);
        if known.is_none() {
            match self.look_for_bad(component, offset) {
                Ok(clean) => there = len.min(clean),
                Err(bad) => (place, there) = (SegmentPlace::Lost(Lost::BadArea(component)), len.min(bad)),
            }
        }
        Segment { start: self.next, len: there, place }
    }

    /// How many bytes from `offset` on are not known to be unreadable, or how many are.
    #[cold]
    fn look_for_bad(&mut self, component: ComponentIndex, offset: u64) -> Result<u64, u64> {
        let end = self.here.as_ref().map_or(offset, |here| here.len);
        let bad = self.disks.get(&component).and_then(|disk| disk.unreadable(offset..end));
        let clean = match bad {
            Some(bad) if bad.start == offset => return Err(bad.end - bad.start),
            Some(bad) => offset..bad.start,
            None => offset..end,
        };
        let len = clean.end - clean.start;
        if let Some(here) = &mut self.here {
            here.clean = clean;
        }
        Ok(len)
    }

    /// How many chunks may be named from that of a valid entry on.
    #[inline]
    fn valid_chunks_from(&self, entry: MapEntry) -> u64 {
        let bounds = self.bounds[entry.component.as_usize()].expect("the component is there");
        u64::from(bounds.chunk_count - entry.chunk.0)
    }
}
