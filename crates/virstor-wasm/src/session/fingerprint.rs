//! Whether a session's files are what they were.

use std::rc::Rc;

use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor_index::AnyDisk as Disk;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{Session, to_usize};
use crate::error::Refusal;

#[wasm_bindgen]
impl Session {
    /// A digest over the metadata of all components: every record's sector, and every map up to `most` bytes. Taken
    /// before and after a long piece of work, it tells whether the set changed under it.
    pub fn fingerprint(&mut self, most: u64) -> Result<String, Refusal> {
        self.cache.borrow_mut().clear();
        let heap = Rc::clone(self.heap()?);
        let mut digest = crate::digest::Digest::new();
        for (file, located) in heap.located() {
            let input = &heap.files()[*file];
            let Ok(disk) = &input.disk else { continue };
            let start = located.start + located.tasted.offset;
            let len = u64::from(located.tasted.sector_size).min(disk.size() - start);
            take(&mut digest, disk, start, len).map_err(|error| Refusal::io(&input.label, 0, &error))?;
        }
        for volume in heap.volumes() {
            let Some(first) = volume.components.get(&ComponentIndex(0)) else { continue };
            let (file, located) = &heap.located()[first.candidate];
            let input = &heap.files()[*file];
            let Ok(disk) = &input.disk else { continue };
            let len = volume.map_entries().saturating_mul(8).min(most);
            take(&mut digest, disk, located.start, len)
                .map_err(|error| Refusal::io(&input.label, 0, &error))?;
        }
        Ok(digest.hex())
    }
}

fn take(
    digest: &mut crate::digest::Digest,
    disk: &Disk,
    start: u64,
    len: u64,
) -> Result<(), virstor::io::IoError> {
    let mut buffer = vec![0; to_usize(len.min(1 << 20))];
    let mut done = 0;
    while done < len {
        let piece = &mut buffer[..to_usize((len - done).min(1 << 20))];
        disk.read_at(start + done, piece)?;
        digest.update(piece);
        done += piece.len() as u64;
    }
    Ok(())
}
