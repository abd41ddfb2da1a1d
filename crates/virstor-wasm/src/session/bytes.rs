//! Bytes of a session's volumes, components and files: read, and searched.

use std::ops::Range;
use std::rc::Rc;

use js_sys::{BigUint64Array, Uint8Array};
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::plan::{ReadError, Segment, SegmentPlace};
use virstor_index::{AnyDisk as Disk, Reader, segments};
use virstor_inspect::Heap;
use virstor_inspect::heap::ComponentDisk;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{MOST_BYTES, Session, reader_of, to_usize, within};
use crate::error::Refusal;
use crate::search::{Hunt, Stretch};

#[wasm_bindgen]
impl Session {
    /// The size in bytes of what `space` names: see [`read`](Self::read).
    #[wasm_bindgen(js_name = sizeOf)]
    pub fn size_of(&mut self, space: &str, number: usize, component: u16) -> Result<u64, Refusal> {
        match space {
            "volume" => Ok(self.index(number)?.volume().size()),
            "component" => Ok(self.component(number, component)?.size()),
            _ => Ok(self.file(number)?.size()),
        }
    }

    /// `len` bytes from `offset` on, of volume `number` (`"volume"`), of a component of it (`"component"`), or of file
    /// `number` (`"file"`). Lost bytes of a volume are zeros, and named.
    pub fn read(
        &mut self,
        space: &str,
        number: usize,
        component: u16,
        offset: u64,
        len: usize,
    ) -> Result<Bytes, Refusal> {
        self.keep_blocks();
        let mut bytes = vec![0; len.min(MOST_BYTES)];
        let range = within(
            offset,
            offset.saturating_add(bytes.len() as u64),
            self.size_of(space, number, component)?,
        )?;
        let mut lost = Vec::new();
        match space {
            "volume" => lost = self.read_volume(number, range, &mut bytes)?,
            "component" => {
                let disk = self.component(number, component)?;
                let label = &self.files[disk.disk().file()].label;
                disk.read_at(offset, &mut bytes).map_err(|error| Refusal::io(label, disk.start(), &error))?;
            }
            _ => {
                let label = &self.files[number].label;
                self.file(number)?
                    .read_at(offset, &mut bytes)
                    .map_err(|error| Refusal::io(label, 0, &error))?;
            }
        }
        Ok(Bytes { bytes, lost })
    }

    /// Begins to look for `needle` from `start` to `end` of what `space` names (as for [`read`](Self::read)).
    pub fn search(
        &mut self,
        space: &str,
        number: usize,
        component: u16,
        start: u64,
        end: u64,
        needle: &[u8],
    ) -> Result<Search, Refusal> {
        if needle.is_empty() {
            return Err(Refusal::EmptyNeedle);
        }
        let range = within(start, end, self.size_of(space, number, component)?)?;
        let hunt = Hunt::new(needle, range.start, range.end);
        let target = match space {
            "volume" => {
                let heap = Rc::clone(self.heap()?);
                Target::Volume { reader: Box::new(reader_of(&heap, number)), heap, number }
            }
            "component" => Target::Component(self.component(number, component)?),
            _ => Target::File(number, self.file(number)?),
        };
        let labels = self.files.iter().map(|file| file.label.clone()).collect();
        Ok(Search { hunt, target, labels })
    }
}

impl Session {
    fn component(&mut self, volume: usize, component: u16) -> Result<ComponentDisk<Disk>, Refusal> {
        self.index(volume)?;
        component_of(self.heap()?, volume, ComponentIndex(component))
            .ok_or(Refusal::NoSuchComponent { component })
    }

    fn file(&self, file: usize) -> Result<Disk, Refusal> {
        let disk = self.files.get(file).and_then(|file| file.disk.as_ref().ok());
        disk.cloned().ok_or(Refusal::NoSuchFile { file })
    }

    /// Fills `bytes` with the range, lost ones as zeros; gives those.
    fn read_volume(
        &mut self,
        volume: usize,
        range: Range<u64>,
        bytes: &mut [u8],
    ) -> Result<Vec<Segment>, Refusal> {
        let index = self.index(volume)?;
        let segments: Vec<Segment> = index.segments(range.clone()).collect();
        let mut lost = Vec::new();
        for segment in segments {
            let start = to_usize(segment.start - range.start);
            let part = &mut bytes[start..start + to_usize(segment.len)];
            if matches!(segment.place, SegmentPlace::Lost(_)) {
                lost.push(segment);
                continue;
            }
            let read = self.indexes[volume].reader().read_segment(&segment, part);
            read.map_err(|error| read_refusal(self.heap.as_deref(), volume, &error))?;
        }
        Ok(lost)
    }
}

/// Bytes that were read.
#[wasm_bindgen]
pub struct Bytes {
    bytes: Vec<u8>,
    lost: Vec<Segment>,
}

#[wasm_bindgen]
impl Bytes {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Uint8Array {
        Uint8Array::from(&self.bytes[..])
    }

    /// The lost ones among them, which are zeros here: start and length of each stretch in turn.
    #[must_use]
    pub fn lost(&self) -> BigUint64Array {
        let pairs: Vec<u64> = self.lost.iter().flat_map(|segment| [segment.start, segment.len]).collect();
        BigUint64Array::from(&pairs[..])
    }
}

/// A search under way.
#[wasm_bindgen]
pub struct Search {
    hunt: Hunt,
    target: Target,
    labels: Vec<String>,
}

enum Target {
    Volume { reader: Box<Reader>, heap: Rc<Heap<Disk>>, number: usize },
    Component(ComponentDisk<Disk>),
    File(usize, Disk),
}

#[wasm_bindgen]
impl Search {
    /// Goes on by at most 4 MiB, or over a hole; gives where hits begin.
    ///
    /// # Errors
    ///
    /// [`Refusal::Io`] when a file cannot be read.
    pub fn step(&mut self) -> Result<BigUint64Array, Refusal> {
        let Self { hunt, target, labels } = self;
        if hunt.is_done() {
            return Ok(BigUint64Array::new_with_length(0));
        }
        let hits = match target {
            Target::File(file, disk) => hunt
                .step(Stretch::Bytes(u64::MAX), |offset, buf| disk.read_at(offset, buf))
                .map_err(|error| Refusal::io(&labels[*file], 0, &error)),
            Target::Component(disk) => hunt
                .step(Stretch::Bytes(u64::MAX), |offset, buf| disk.read_at(offset, buf))
                .map_err(|error| Refusal::io(&labels[disk.disk().file()], disk.start(), &error)),
            Target::Volume { reader, heap, number } => {
                let end = reader.volume().size();
                let segment =
                    segments(reader, hunt.next()..end).next().expect("the search is within the volume");
                let is_data = matches!(segment.place, SegmentPlace::Data { .. });
                let stretch =
                    if is_data { Stretch::Bytes(segment.len) } else { Stretch::Nothing(segment.len) };
                hunt.step(stretch, |_, buf| reader.read_segment(&segment, buf))
                    .map_err(|error| read_refusal(Some(heap), *number, &error))
            }
        }?;
        Ok(BigUint64Array::from(&hits[..]))
    }

    /// First byte that was not looked at.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.hunt.next()
    }

    /// Whether all was looked at.
    #[wasm_bindgen(js_name = isDone)]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.hunt.is_done()
    }
}

fn read_refusal(heap: Option<&Heap<Disk>>, volume: usize, error: &ReadError) -> Refusal {
    match error {
        ReadError::Lost { start, .. } => Refusal::OutOfRange { start: *start, end: *start, size: 0 },
        ReadError::Io { component, error } => {
            let heap = heap.expect("it was read from");
            let disk = component_of(heap, volume, *component).expect("it was read from");
            Refusal::io(&heap.files()[disk.disk().file()].label, disk.start(), error)
        }
    }
}

fn component_of(heap: &Heap<Disk>, volume: usize, component: ComponentIndex) -> Option<ComponentDisk<Disk>> {
    heap.disks(&heap.volumes()[volume]).remove(&component)
}
