//! Exports that a session plans.

use js_sys::{BigUint64Array, Int32Array, Uint8Array};
use virstor_inspect::document::export::{Export, LostRange};
use wasm_bindgen::prelude::wasm_bindgen;

use super::{MOST_BYTES, MOST_ROWS, Session};
use crate::document;
use crate::error::Refusal;
use crate::image::{Format, Image, Part};

#[wasm_bindgen]
impl Session {
    /// Begins to plan an image of a range of a volume: `raw`, `qcow2`, or `packed` (the data alone).
    ///
    /// # Errors
    ///
    /// [`Refusal::Lost`] when bytes of the range are lost and `allow_lost` is not set, [`Refusal::Format`] when the
    /// format has no room.
    pub fn image(
        &mut self,
        volume: usize,
        start: u64,
        end: u64,
        format: &str,
        allow_lost: bool,
    ) -> Result<ImagePlan, Refusal> {
        let format = Format::named(format)?;
        let totals = self.totals_document(volume, start, end)?;
        let heap = self.heap()?;
        let mut components = heap.volumes()[volume].components.values();
        let described = components.find(|one| self.origins[heap.located()[one.candidate].0].specimen);
        if let Some(component) = described {
            return Err(Refusal::Specimen { file: heap.label_of(component.candidate).into() });
        }
        if totals.lost > 0 && !allow_lost {
            return Err(Refusal::Lost { lost: totals.lost, size: totals.size });
        }
        let image = Image::new(self.heap()?, volume, start..end, format)?;
        Ok(ImagePlan { image, added: self.origins.iter().map(|origin| origin.added).collect() })
    }

    /// The document of `export`, for an image that was written.
    #[wasm_bindgen(js_name = exportDocument)]
    pub fn export_document(
        &mut self,
        volume: usize,
        start: u64,
        end: u64,
        format: &str,
        output: &str,
    ) -> Result<Vec<u8>, Refusal> {
        let totals = self.totals_document(volume, start, end)?;
        let index = self.index(volume)?;
        let lost_ranges = LostRange::all(index.segments(start..end));
        let opened = index.volume();
        let format = match Format::named(format)? {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
            Format::Packed => "packed",
        };
        Ok(document::bytes(&Export {
            output: output.into(),
            format,
            volume: opened.name.to_string(),
            id: opened.id,
            start,
            size: end - start,
            data: totals.data,
            hole: totals.hole,
            lost: totals.lost,
            lost_ranges,
        }))
    }
}

/// An image as it is planned.
#[wasm_bindgen]
pub struct ImagePlan {
    image: Image,
    /// The number of the added file, for each of the session's.
    added: Vec<usize>,
}

#[wasm_bindgen]
impl ImagePlan {
    /// The parts that come next, at most `count`; none at the end.
    ///
    /// # Errors
    ///
    /// [`Refusal::Format`] when the map has changed since the plan was made.
    pub fn next(&mut self, count: usize) -> Result<ImageParts, Refusal> {
        let mut parts = ImageParts { parts: Vec::new() };
        let mut bytes = 0;
        while parts.parts.len() < count.min(MOST_ROWS) && bytes < MOST_BYTES {
            let Some(part) = self.image.next() else { break };
            let mut part = part?;
            match &mut part {
                Part::Bytes(made) => bytes += made.len(),
                Part::File { file, .. } => *file = self.added[*file],
                Part::Zeros(_) => {}
            }
            parts.parts.push(part);
        }
        Ok(parts)
    }
}

/// Parts of an image, as arrays of equal length.
#[wasm_bindgen]
pub struct ImageParts {
    parts: Vec<Part>,
}

#[wasm_bindgen]
impl ImageParts {
    /// The number of the file as it was added; -1 for zeros, -2 for bytes that are in [`bytes`](Self::bytes).
    #[must_use]
    pub fn file(&self) -> Int32Array {
        let file = |part: &Part| match part {
            Part::File { file, .. } => i32::try_from(*file).unwrap_or(i32::MAX),
            Part::Zeros(_) => -1,
            Part::Bytes(_) => -2,
        };
        Int32Array::from(&self.parts.iter().map(file).collect::<Vec<_>>()[..])
    }

    /// First bytes in the file, or in [`bytes`](Self::bytes).
    #[must_use]
    pub fn offset(&self) -> BigUint64Array {
        let mut made = 0;
        let offset = |part: &Part| match part {
            Part::File { offset, .. } => *offset,
            Part::Zeros(_) => 0,
            Part::Bytes(bytes) => {
                made += bytes.len() as u64;
                made - bytes.len() as u64
            }
        };
        BigUint64Array::from(&self.parts.iter().map(offset).collect::<Vec<_>>()[..])
    }

    /// Lengths in bytes.
    #[must_use]
    pub fn length(&self) -> BigUint64Array {
        let length = |part: &Part| match part {
            Part::File { len, .. } | Part::Zeros(len) => *len,
            Part::Bytes(bytes) => bytes.len() as u64,
        };
        BigUint64Array::from(&self.parts.iter().map(length).collect::<Vec<_>>()[..])
    }

    /// The bytes that were made, one after the other.
    #[must_use]
    pub fn bytes(&self) -> Uint8Array {
        let made = self.parts.iter().filter_map(|part| match part {
            Part::Bytes(bytes) => Some(&bytes[..]),
            _ => None,
        });
        Uint8Array::from(&made.collect::<Vec<_>>().concat()[..])
    }
}
