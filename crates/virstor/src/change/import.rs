//! An image that comes into a volume, whatever the volume holds.
//!
//! Image and log may be far larger than memory, so this is no list of patches but a source of them: group after group,
//! for a [`Journal`](crate::undo::Journal) to do.
//!
//! ```text
//!  1  data for holes of the volume, into free chunks that no entry names
//!  2  data over data, where it differs
//!  3  the map and the records, which make the free chunks part of the volume
//! ```
//!
//! Whether there is room is known before the first of them. Until 2 begins a cut leaves the volume as it was. In the
//! midst of 2 it holds some of the image, which the log takes back: data cannot be replaced at once, and free chunks to
//! put it aside are not to be counted on. Into a volume without data there is no 2, and it is the old one or the new
//! one but for 3, which a repair ends.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Place, SoundSet, fill, map};
use crate::block::Block;
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::patch::Patch;
use crate::undo::Kept;
use crate::write::is_zero;

/// An image on its way into a volume.
#[derive(Debug)]
pub struct Import<'a, I> {
    set: &'a SoundSet,
    image: &'a I,
    /// What is written, stretch by stretch.
    stretches: Vec<Stretch>,
    new: Vec<VirtualChunk>,
    /// The stretch that comes next, and how much of it is done, in bytes.
    next: usize,
    within: u64,
    tally: Tally,
}

/// What becomes of the bytes of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Bytes that are written: into new chunks, or over others.
    pub written: u64,
    /// Those among them that are written over other bytes of the volume.
    pub overwritten: u64,
    /// Bytes that the volume has already.
    pub unchanged: u64,
    /// Zeros for which the volume needs no place.
    pub holes: u64,
}

/// Some of the changes.
#[derive(Debug)]
pub struct Group {
    /// What is to be done, without barriers.
    pub patches: Vec<Patch>,
    /// What the log has to keep of it.
    pub kept: Kept,
}

/// Why an image cannot come into a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportError {
    /// The image is larger than the volume.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// That of the volume.
        largest: u64,
    },
    /// There are not enough free chunks.
    OutOfSpace {
        /// How many it needs.
        needed: u64,
        /// How many there are.
        free: u64,
    },
    /// The image cannot be read.
    Image(IoError),
    /// A component cannot be read.
    Component {
        /// Which.
        component: ComponentIndex,
        /// Where on it.
        error: IoError,
    },
}

/// The part of the image that belongs in one chunk, and where that lies.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// First byte in the image.
    start: u64,
    /// Bytes of the image; the rest of a new chunk becomes zero.
    len: u64,
    place: Place,
    is_new: bool,
}

/// Bytes that are read and compared at once.
const BLOCK: usize = 1 << 20;

/// Bytes of the image that are looked at for a group, and a block more.
const GROUP: usize = 32 << 20;

/// Zeros of this many bytes within a new chunk are not written but left to the disk.
const NEW_GRAIN: usize = 64 << 10;

/// Old data is left alone in pieces of this many bytes.
const OLD_GRAIN: usize = 4 << 10;

impl<'a, I: ReadAt> Import<'a, I> {
    /// Finds out what `image` needs in `set`, whose component 0 is `first`: reads the map, and of the image the
    /// parts for which the volume has no place, up to their first byte that is not zero. `progress` hears how many
    /// bytes of the image were looked at.
    ///
    /// # Errors
    ///
    /// [`ImportError`]. Nothing has changed.
    pub fn new(
        set: &'a SoundSet,
        first: &(impl ReadAt + ?Sized),
        image: &'a I,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, ImportError> {
        let (size, largest) = (image.size(), set.volume.size());
        if size > largest {
            return Err(ImportError::TooLarge { size, largest });
        }
        let of_map = |error| ImportError::Component { component: ComponentIndex(0), error };
        let mut placed = map::allocated(set, first).map_err(of_map)?.into_iter().peekable();
        let mut places = fill::places(set);
        let (mut new_stretches, mut old_stretches, mut new) = (Vec::new(), Vec::new(), Vec::new());
        let (mut tally, mut needed) = (Tally::default(), 0);
        let chunk_size = set.volume.chunk_size.bytes();
        let mut buffer = Block::new(BLOCK);
        for number in 0..size.div_ceil(chunk_size) {
            let (at, start) = (VirtualChunk(number), number * chunk_size);
            let len = chunk_size.min(size - start);
            progress(start);
            if let Some((_, place)) = placed.next_if(|(allocated, _)| *allocated == at) {
                old_stretches.push(Stretch { start, len, place, is_new: false });
            } else if holds_data(image, start..start + len, &mut buffer).map_err(ImportError::Image)? {
                needed += 1;
                if let Some(place) = places.next() {
                    new.push(at);
                    new_stretches.push(Stretch { start, len, place, is_new: true });
                }
            } else {
                tally.holes += len;
            }
        }
        if needed > new.len() as u64 {
            return Err(ImportError::OutOfSpace { needed, free: set.free_chunks() });
        }
        let mut stretches: Vec<Stretch> = new_stretches;
        stretches.append(&mut old_stretches);
        Ok(Self { set, image, stretches, new, next: 0, within: 0, tally })
    }

    /// How many bytes of the image [`group`](Self::group) has looked at, of all that it will look at.
    pub fn progress(&self) -> (u64, u64) {
        let bytes = |stretches: &[Stretch]| stretches.iter().map(|stretch| stretch.len).sum::<u64>();
        (bytes(&self.stretches[..self.next]) + self.within, bytes(&self.stretches))
    }

    /// How many chunks are handed out for it.
    pub fn new_chunks(&self) -> u64 {
        self.new.len() as u64
    }

    /// What became of the bytes of the image that were looked at so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The next changes of data, sometimes none; `None` when there are no more: then comes [`last`](Self::last).
    /// `disks` holds one disk per component.
    ///
    /// # Errors
    ///
    /// [`ImportError`] when image or volume cannot be read.
    pub fn group(&mut self, disks: &[impl ReadAt]) -> Result<Option<Group>, ImportError> {
        let Some(first) = self.stretches.get(self.next).copied() else { return Ok(None) };
        let kept = if first.is_new { Kept::Hashes } else { Kept::Bytes };
        let (mut patches, mut done) = (Vec::new(), 0);
        while let Some(stretch) = self.stretches.get(self.next).copied() {
            if done >= GROUP || stretch.is_new != first.is_new {
                break;
            }
            done += self.block(stretch, disks, &mut patches)?;
        }
        Ok(Some(Group { patches, kept }))
    }

    /// What makes the new chunks part of the volume; nothing when there are none. All that [`group`](Self::group) gave is
    /// durable before.
    ///
    /// # Errors
    ///
    /// [`ImportError`] when the map cannot be read.
    pub fn last(&self, first: &(impl ReadAt + ?Sized)) -> Result<Vec<Patch>, ImportError> {
        if self.new.is_empty() {
            return Ok(Vec::new());
        }
        let plan = fill::plan(self.set, first, &self.new);
        plan.map(|plan| plan.patches)
            .map_err(|error| ImportError::Component { component: ComponentIndex(0), error })
    }

    /// Goes on by a block of `stretch`; gives its length.
    fn block(
        &mut self,
        stretch: Stretch,
        disks: &[impl ReadAt],
        patches: &mut Vec<Patch>,
    ) -> Result<usize, ImportError> {
        let (component, chunk) = stretch.place;
        let chunk_size = self.set.volume.chunk_size;
        let offset = chunk_size.offset_of(chunk) + self.within;
        let len = usize::try_from(stretch.len - self.within).map_or(BLOCK, |rest| rest.min(BLOCK));
        let mut image = vec![0; len];
        self.image.read_at(stretch.start + self.within, &mut image).map_err(ImportError::Image)?;
        if stretch.is_new {
            put(image, None, NEW_GRAIN, (component, offset), patches);
            self.tally.written += len as u64;
        } else {
            let mut old = vec![0; len];
            let disk = &disks[component.as_usize()];
            disk.read_at(offset, &mut old).map_err(|error| ImportError::Component { component, error })?;
            let before = patches.len();
            put(image, Some(&old), OLD_GRAIN, (component, offset), patches);
            let changed: u64 = patches[before..].iter().map(Patch::changed_len).sum();
            self.tally.written += changed;
            self.tally.overwritten += changed;
            self.tally.unchanged += len as u64 - changed;
        }
        self.within += len as u64;
        if self.within == stretch.len {
            if stretch.is_new && stretch.len < chunk_size.bytes() {
                let offset = chunk_size.offset_of(chunk) + stretch.len;
                patches.push(Patch::Zero { component, offset, len: chunk_size.bytes() - stretch.len });
            }
            (self.next, self.within) = (self.next + 1, 0);
        }
        Ok(len)
    }
}

/// Patches that put `image` at `offset`, in grains: what is `old` already stays, zeros are left to the disk.
fn put(
    image: Vec<u8>,
    old: Option<&[u8]>,
    grain: usize,
    (component, offset): (ComponentIndex, u64),
    patches: &mut Vec<Patch>,
) {
    #[derive(PartialEq, Eq)]
    enum What {
        Same,
        Zero,
        Data,
    }
    let what = |start: usize| {
        let range = start..image.len().min(start + grain);
        let bytes = &image[range.clone()];
        match old {
            Some(old) if old[range] == *bytes => What::Same,
            _ if is_zero(bytes) => What::Zero,
            _ => What::Data,
        }
    };
    let mut start = 0;
    while start < image.len() {
        let kind = what(start);
        let mut end = start + grain;
        while end < image.len() && what(end) == kind {
            end += grain;
        }
        if kind == What::Data && start == 0 && end >= image.len() {
            patches.push(Patch::Write { component, offset, bytes: image });
            return;
        }
        let bytes = &image[start..end.min(image.len())];
        let offset = offset + start as u64;
        match kind {
            What::Same => {}
            What::Zero => patches.push(Patch::Zero { component, offset, len: bytes.len() as u64 }),
            What::Data => patches.push(Patch::Write { component, offset, bytes: bytes.to_vec() }),
        }
        start = end;
    }
}

/// Whether not all bytes of `range` are zero. Data seldom begins with many zeros, so little is read first.
fn holds_data(image: &impl ReadAt, range: Range<u64>, buffer: &mut [u8]) -> Result<bool, IoError> {
    let (mut next, mut piece) = (range.start.max(image.data_from(range.start)), 4096);
    while next < range.end {
        let len = usize::try_from(range.end - next).map_or(piece, |rest| rest.min(piece));
        image.read_at(next, &mut buffer[..len])?;
        if !is_zero(&buffer[..len]) {
            return Ok(true);
        }
        (next, piece) = (next + len as u64, (piece * 8).min(buffer.len()));
    }
    Ok(false)
}
