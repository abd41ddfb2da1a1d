//! The allocation map: read in pages, judged in one pass.
//!
//! The map lies at byte 0 of component 0, one entry per virtual chunk in virtual order. It can be large (2 GiB
//! for 1 PiB in 4 MiB chunks), so nothing here ever holds all of it.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::block::Block;
use crate::format::{ByteOrder, MAP_ENTRY_LEN, MapEntry};
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::ordered::Map;

/// The longest map that is read: 2^32 entries, 32 GiB. A kernel would need that much memory to hold it. A
/// hostile sparse file can claim more; what lies beyond counts as lost.
pub const MAX_ENTRIES: u64 = 1 << 32;

/// What entries may name on one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentBounds {
    /// Chunks below this are never handed out.
    pub reserved: u32,
    /// Chunks from this one on do not exist.
    pub chunk_count: u32,
}

/// What entries may name: one place per component, `None` where the component is missing.
pub type Bounds = [Option<ComponentBounds>];

/// What one pass over the map found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapReport {
    /// The byte order in which the entries make sense; little when neither does.
    pub order: ByteOrder,
    /// Entries with the allocated bit.
    pub allocated: u64,
    /// Of those, how many name each component: only valid entries, only components that are named and are
    /// there. A record may claim 65,535 components, so the missing ones are not told apart.
    pub used: Map<ComponentIndex, u64>,
    /// Allocated entries that name a component or a chunk which cannot be.
    pub bad: u64,
    /// Entries that could not be read.
    pub unreadable: u64,
    /// The first error met while reading.
    pub read_error: Option<IoError>,
    /// What a little-endian kernel stumbles over.
    pub first_invalid: Option<InvalidEntry>,
}

/// The first entry that a little-endian kernel refuses, allocated or not (`virstor_check_and_run`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEntry {
    /// Which entry.
    pub at: VirtualChunk,
    /// What it says.
    pub entry: MapEntry,
    /// Valid allocated entries before it, by component that is there: what the kernel has counted when it
    /// gives up.
    pub used_before: Map<ComponentIndex, u64>,
}

/// Bytes read at once by [`scan`].
const SCAN_BLOCK: usize = 1 << 20;

/// When a block cannot be read it is tried again in pieces of this length, so that a bad sector costs 512
/// entries, not 131,072.
const PIECE: usize = 4096;

/// Reads the first `entries` entries of the map on `disk` and judges each by `bounds`. `progress` hears how
/// many bytes of how many are done and may stop the pass; what was seen until then is reported.
///
/// # Panics
///
/// When the disk is shorter than the map: clip `entries` first.
pub fn scan(
    disk: &(impl ReadAt + ?Sized),
    entries: u64,
    bounds: &Bounds,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> MapReport {
    let mut scan = Scan::new(bounds);
    let read_error = stream(disk, entries, progress, &mut |at, stretch| scan.take(at, stretch));
    scan.finish(read_error)
}

/// A stretch of the map as it was read.
pub(crate) enum Stretch<'a> {
    /// All-zero entries.
    Zeros,
    /// Entries, not all of them zero.
    Entries(&'a [[u8; MAP_ENTRY_LEN]]),
    /// This many entries that cannot be read.
    Unreadable(u64),
}

/// Reads the first `entries` entries of the map on `disk`, once and in order, and hands them to `take`, each
/// stretch with the number of its first entry. Gives the first error met. The rest is as for [`scan`].
pub(crate) fn stream(
    disk: &(impl ReadAt + ?Sized),
    entries: u64,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    take: &mut impl FnMut(u64, Stretch<'_>),
) -> Option<IoError> {
    let len = entries * MAP_ENTRY_LEN as u64;
    assert!(len <= disk.size(), "the caller clips the map to its disk");
    let mut block = Block::new(usize::try_from(len).map_or(SCAN_BLOCK, |len| len.min(SCAN_BLOCK)));
    let mut first_error = None;
    let mut offset = 0;
    while offset < len && progress(offset, len).is_continue() {
        let bytes = usize::try_from(len - offset).map_or(SCAN_BLOCK, |rest| rest.min(SCAN_BLOCK));
        let block = &mut block[..bytes];
        let whole = disk.read_at(offset, block);
        for (index, piece) in block.chunks_mut(PIECE).enumerate() {
            let start = offset + (index * PIECE) as u64;
            let at = start / MAP_ENTRY_LEN as u64;
            let readable = whole.is_ok() || disk.read_at(start, piece).is_ok();
            if !readable {
                take(at, Stretch::Unreadable((piece.len() / MAP_ENTRY_LEN) as u64));
            } else if is_zero(piece) {
                take(at, Stretch::Zeros);
            } else {
                take(at, Stretch::Entries(piece.as_chunks::<MAP_ENTRY_LEN>().0));
            }
        }
        if let Err(error) = whole {
            first_error.get_or_insert(error);
        }
        offset += bytes as u64;
    }
    first_error
}

/// One pass in progress: both byte orders are judged at once, because which one it is shows only at the end.
struct Scan<'a> {
    bounds: &'a Bounds,
    little: Tally,
    big: Tally,
    unreadable: u64,
    first_invalid: Option<InvalidEntry>,
    /// An all-zero entry names chunk 0 of component 0, and the kernel bounds-checks it like any other.
    zero_is_valid: bool,
}

impl<'a> Scan<'a> {
    fn new(bounds: &'a Bounds) -> Self {
        let zero = MapEntry::decode([0; MAP_ENTRY_LEN], ByteOrder::Little);
        Self {
            bounds,
            little: Tally::new(bounds.len()),
            big: Tally::new(bounds.len()),
            unreadable: 0,
            first_invalid: None,
            zero_is_valid: is_valid(zero, bounds),
        }
    }

    fn take(&mut self, at: u64, stretch: Stretch<'_>) {
        match stretch {
            Stretch::Zeros => self.zeros(at),
            Stretch::Entries(entries) => {
                for (at, entry) in (at..).zip(entries) {
                    self.entry(at, *entry);
                }
            }
            Stretch::Unreadable(entries) => self.unreadable += entries,
        }
    }

    fn zeros(&mut self, at: u64) {
        if !self.zero_is_valid && self.first_invalid.is_none() {
            self.remember_invalid(at, MapEntry::decode([0; MAP_ENTRY_LEN], ByteOrder::Little));
        }
    }

    fn entry(&mut self, at: u64, bytes: [u8; MAP_ENTRY_LEN]) {
        if bytes == [0; MAP_ENTRY_LEN] {
            return self.zeros(at);
        }
        let little = MapEntry::decode(bytes, ByteOrder::Little);
        let valid = is_valid(little, self.bounds);
        if !valid && self.first_invalid.is_none() {
            self.remember_invalid(at, little);
        }
        if little.is_allocated() {
            self.little.count(little, valid, self.bounds);
        }
        let big = MapEntry::decode(bytes, ByteOrder::Big);
        if big.is_allocated() {
            self.big.count(big, is_valid(big, self.bounds), self.bounds);
        }
    }

    fn remember_invalid(&mut self, at: u64, entry: MapEntry) {
        let at = VirtualChunk(at);
        self.first_invalid = Some(InvalidEntry { at, entry, used_before: self.little.used(self.bounds) });
    }

    fn finish(self, read_error: Option<IoError>) -> MapReport {
        let big_endian = self.big.plausible > self.little.plausible;
        let (order, tally) =
            if big_endian { (ByteOrder::Big, self.big) } else { (ByteOrder::Little, self.little) };
        MapReport {
            order,
            allocated: tally.allocated,
            used: tally.used(self.bounds),
            bad: tally.bad,
            unreadable: self.unreadable,
            read_error,
            first_invalid: self.first_invalid,
        }
    }
}

/// The allocated entries of a map, counted in one byte order.
struct Tally {
    allocated: u64,
    bad: u64,
    /// Entries that no other byte order could have made: flags exactly 1, in range, not in the reserve.
    plausible: u64,
    used: Vec<u64>,
}

impl Tally {
    fn new(components: usize) -> Self {
        Self { allocated: 0, bad: 0, plausible: 0, used: vec![0; components] }
    }

    fn count(&mut self, entry: MapEntry, valid: bool, bounds: &Bounds) {
        self.allocated += 1;
        if !valid {
            self.bad += 1;
            return;
        }
        let component = entry.component.as_usize();
        self.used[component] += 1;
        let reserved = bounds[component].map_or(0, |bounds| bounds.reserved);
        if entry.flags == MapEntry::ALLOCATED && entry.chunk.0 >= reserved {
            self.plausible += 1;
        }
    }

    fn used(&self, bounds: &Bounds) -> Map<ComponentIndex, u64> {
        let named = (0..=u16::MAX).map(ComponentIndex).zip(self.used.iter().copied().zip(bounds));
        let there = named.filter(|(_, (used, bounds))| *used > 0 && bounds.is_some());
        there.map(|(index, (used, _))| (index, used)).collect()
    }
}

/// Whether `entry` names a component and a chunk that exist. Of a missing component any chunk may exist.
#[inline]
#[must_use]
pub fn is_valid(entry: MapEntry, bounds: &Bounds) -> bool {
    match bounds.get(entry.component.as_usize()) {
        None => false,
        Some(None) => true,
        Some(Some(bounds)) => entry.chunk.0 < bounds.chunk_count,
    }
}

#[inline]
fn is_zero(bytes: &[u8]) -> bool {
    let (groups, rest) = bytes.as_chunks::<64>();
    groups.iter().all(|group| are_zero(group.as_chunks().0)) && rest.iter().all(|byte| *byte == 0)
}

/// By words: a browser's processor is not known to have wider ones, and takes bytes one at a time.
#[inline]
fn are_zero(entries: &[[u8; MAP_ENTRY_LEN]]) -> bool {
    entries.iter().fold(0, |all, entry| all | u64::from_ne_bytes(*entry)) == 0
}

/// Bytes of a page: what a random lookup reads.
const PAGE: u64 = 64 << 10;

/// Entries of a page.
const PAGE_ENTRIES: u64 = PAGE / MAP_ENTRY_LEN as u64;

/// The map as it is looked up: pages of 64 KiB, at most a given number of them in memory.
#[derive(Debug)]
pub struct MapPages<D> {
    disk: D,
    entries: u64,
    order: ByteOrder,
    /// The page that was looked at last. Most lookups go on where the one before stopped, and searching the others
    /// for it would cost more than all the rest.
    current: Option<Page>,
    others: Map<u64, Page>,
    capacity: usize,
    clock: u64,
    /// Entries that were set and are not on the disk yet: they survive their page.
    unsettled: BTreeMap<VirtualChunk, MapEntry>,
}

#[derive(Debug)]
struct Page {
    number: u64,
    bytes: Vec<u8>,
    /// Bit n: the n-th piece of 4 KiB could not be read.
    unreadable: u16,
    /// What the disk said to the first of them.
    error: Option<IoError>,
    /// When another page was looked at instead of it.
    last_use: u64,
}

/// A stretch of the map whose entries are alike, as far as one page tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// This many all-zero entries: holes.
    Zero(u64),
    /// This many entries that are not zero: this one, and others that differ only in naming the chunks behind its
    /// own, one after the other.
    Row(MapEntry, u64),
    /// This many entries that cannot be read.
    Unreadable(u64),
}

impl<D: ReadAt> MapPages<D> {
    /// The first `entries` entries on `disk`, which is component 0, keeping at most `memory` bytes of them
    /// (and at least one page).
    ///
    /// # Panics
    ///
    /// When the disk is shorter than the map.
    pub fn new(disk: D, entries: u64, order: ByteOrder, memory: u64) -> Self {
        assert!(entries <= disk.size() / MAP_ENTRY_LEN as u64, "the caller clips the map to its disk");
        let capacity = usize::try_from((memory / PAGE).max(1)).unwrap_or(usize::MAX);
        let (others, unsettled) = (Map::default(), BTreeMap::new());
        Self { disk, entries, order, current: None, others, capacity, clock: 0, unsettled }
    }

    /// How many entries there are to read.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The entries from `chunk` on that are alike, at least one, at most `at_most` and at most to the end of the
    /// page.
    ///
    /// # Panics
    ///
    /// When `chunk` is not in the map.
    pub fn run(&mut self, chunk: VirtualChunk, at_most: u64) -> Run {
        assert!(chunk.0 < self.entries, "the chunk is in the map");
        let order = self.order;
        let (number, within) = (chunk.0 / PAGE_ENTRIES, chunk.0 % PAGE_ENTRIES);
        let page = self.page(number);
        let start = usize::try_from(within).expect("less than a page") * MAP_ENTRY_LEN;
        let piece_end = ((start / PIECE + 1) * PIECE).min(page.bytes.len());
        if page.unreadable >> (start / PIECE) & 1 == 1 {
            return Run::Unreadable(((piece_end - start) / MAP_ENTRY_LEN) as u64);
        }
        // An unreadable piece holds zeros, so the run must not reach into one.
        let end = if page.unreadable == 0 { page.bytes.len() } else { piece_end };
        let entries = page.bytes[start..end].as_chunks::<MAP_ENTRY_LEN>().0;
        let wanted = usize::try_from(at_most.max(1)).unwrap_or(usize::MAX);
        let entries = &entries[..entries.len().min(wanted)];
        if entries[0] == [0; MAP_ENTRY_LEN] {
            Run::Zero(leading_zeros(entries) as u64)
        } else {
            let first = MapEntry::decode(entries[0], order);
            Run::Row(first, row_len(entries, first, order) as u64)
        }
    }

    /// Why the entry of `chunk` cannot be read. It is forgotten, so that the next look tries again.
    pub(crate) fn take_error(&mut self, chunk: VirtualChunk) -> Option<IoError> {
        self.put_current_away();
        self.others.remove(&(chunk.0 / PAGE_ENTRIES))?.error
    }

    /// The entry of `chunk`.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(crate) fn entry(&mut self, chunk: VirtualChunk) -> Result<MapEntry, IoError> {
        let mut bytes = [0; MAP_ENTRY_LEN];
        bytes.copy_from_slice(self.bytes(chunk, MAP_ENTRY_LEN)?);
        Ok(MapEntry::decode(bytes, self.order))
    }

    /// The `len` bytes of the map from the entry of `first` on, which must lie in one piece of 4 KiB, or in
    /// one page and begin with it.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub(crate) fn bytes(&mut self, first: VirtualChunk, len: usize) -> Result<&[u8], IoError> {
        let (number, within) = (first.0 / PAGE_ENTRIES, first.0 % PAGE_ENTRIES);
        let start = usize::try_from(within).expect("less than a page") * MAP_ENTRY_LEN;
        let wanted = start / PIECE..(start + len).div_ceil(PIECE);
        if wanted.into_iter().any(|piece| self.page(number).unreadable >> piece & 1 == 1)
            && let Some(error) = self.take_error(first)
        {
            return Err(error);
        }
        Ok(&self.page(number).bytes[start..start + len])
    }

    /// Changes the entry of `chunk` as it is looked up, not on the disk.
    pub(crate) fn set(&mut self, chunk: VirtualChunk, entry: MapEntry) {
        self.unsettled.insert(chunk, entry);
        self.put_current_away();
        let order = self.order;
        if let Some(page) = self.others.get_mut(&(chunk.0 / PAGE_ENTRIES)) {
            page.set(chunk, entry, order);
        }
    }

    /// The entry of `chunk` that was set is on the disk now.
    pub(crate) fn settle(&mut self, chunk: VirtualChunk) {
        self.unsettled.remove(&chunk);
    }

    /// The byte order of the entries.
    pub(crate) fn order(&self) -> ByteOrder {
        self.order
    }

    fn page(&mut self, number: u64) -> &Page {
        if self.current.as_ref().is_none_or(|page| page.number != number) {
            self.put_current_away();
            let page = self.others.remove(&number).unwrap_or_else(|| self.load(number));
            self.current = Some(page);
        }
        self.current.as_ref().expect("it was put there just now")
    }

    fn put_current_away(&mut self) {
        if let Some(page) = self.current.take() {
            self.clock += 1;
            self.others.insert(page.number, Page { last_use: self.clock, ..page });
        }
    }

    /// A buffer for one more page: once all are in use, that of the page nobody has asked for the longest.
    fn spare_buffer(&mut self) -> Vec<u8> {
        if self.others.len() < self.capacity {
            return Vec::new();
        }
        let oldest = self.others.values().min_by_key(|page| page.last_use).map(|page| page.number);
        let oldest = oldest.and_then(|number| self.others.remove(&number));
        oldest.map_or_else(Vec::new, |page| page.bytes)
    }

    fn load(&mut self, number: u64) -> Page {
        let offset = number * PAGE;
        let len = (self.entries * MAP_ENTRY_LEN as u64 - offset).min(PAGE);
        let mut bytes = self.spare_buffer();
        bytes.resize(usize::try_from(len).expect("at most a page"), 0);
        let (mut unreadable, mut error) = (0, None);
        if self.disk.read_at(offset, &mut bytes).is_err() {
            for (index, piece) in bytes.chunks_mut(PIECE).enumerate() {
                if let Err(why) = self.disk.read_at(offset + (index * PIECE) as u64, piece) {
                    unreadable |= 1 << index;
                    error.get_or_insert(why);
                    piece.fill(0);
                }
            }
        }
        let mut page = Page { number, bytes, unreadable, error, last_use: 0 };
        let first = number * PAGE_ENTRIES;
        for (chunk, entry) in self.unsettled.range(VirtualChunk(first)..VirtualChunk(first + PAGE_ENTRIES)) {
            page.set(*chunk, *entry, self.order);
        }
        page
    }
}

impl Page {
    /// Puts the entry of `chunk`, which is in this page, into its place.
    fn set(&mut self, chunk: VirtualChunk, entry: MapEntry, order: ByteOrder) {
        let start = usize::try_from(chunk.0 % PAGE_ENTRIES).expect("less than a page") * MAP_ENTRY_LEN;
        self.bytes[start..start + MAP_ENTRY_LEN].copy_from_slice(&entry.encode(order));
    }
}

/// How many of the entries name one chunk after the other, from `first` on, which is the first of them.
#[inline]
fn row_len(entries: &[[u8; MAP_ENTRY_LEN]], first: MapEntry, order: ByteOrder) -> usize {
    let most = usize::try_from(u32::MAX - first.chunk.0).map_or(usize::MAX, |after| after.saturating_add(1));
    let entries = &entries[..entries.len().min(most)];
    // As a number in its byte order an entry has its chunk at the upper end or at the lower one.
    match order {
        ByteOrder::Little => count_on(entries, u64::from_le_bytes, 1 << 32),
        ByteOrder::Big => count_on(entries, u64::from_be_bytes, 1),
    }
}

/// How many of the entries are numbers that grow by `step`.
#[inline]
fn count_on(
    entries: &[[u8; MAP_ENTRY_LEN]],
    number: impl Fn([u8; MAP_ENTRY_LEN]) -> u64,
    step: u64,
) -> usize {
    let mut next = number(entries[0]);
    let goes_on = |entry: &&[u8; MAP_ENTRY_LEN]| {
        let same = number(**entry) == next;
        next = next.wrapping_add(step);
        same
    };
    entries.iter().take_while(goes_on).count()
}

#[inline]
fn leading_zeros(entries: &[[u8; MAP_ENTRY_LEN]]) -> usize {
    let groups = entries.as_chunks::<8>().0;
    let zero_groups = groups.iter().take_while(|group| are_zero(*group)).count();
    let rest = &entries[zero_groups * 8..];
    zero_groups * 8 + rest.iter().take_while(|entry| **entry == [0; MAP_ENTRY_LEN]).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::PhysicalChunk;

    #[test]
    fn rows_and_holes_end_where_the_entries_cease_to_be_alike() {
        let entry = |flags, component, chunk| MapEntry {
            flags,
            component: ComponentIndex(component),
            chunk: PhysicalChunk(chunk),
        };
        let last = u32::MAX;
        let cases: [(&[MapEntry], usize); 8] = [
            (&[entry(1, 0, 7)], 1),
            (&[entry(1, 0, 7), entry(1, 0, 8), entry(1, 0, 9), entry(1, 0, 9)], 3),
            (&[entry(1, 0, 7), entry(1, 1, 8)], 1),
            (&[entry(1, 0, 7), entry(3, 0, 8)], 1),
            (&[entry(1, 0, 0xffff), entry(1, 0, 0x1_0000), entry(1, 0, 0x1_0001)], 3),
            // Behind the last chunk that has a number there is none, whatever the bytes say.
            (&[entry(1, 0, last - 1), entry(1, 0, last), entry(1, 0, 0), entry(1, 0, 1)], 2),
            (&[entry(1, 0, last), entry(1, 1, 0)], 1),
            (&[entry(0, u16::MAX, last), entry(1, 0, 0)], 1),
        ];
        for (entries, wanted) in cases {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let bytes: Vec<_> = entries.iter().map(|entry| entry.encode(order)).collect();
                assert_eq!(row_len(&bytes, entries[0], order), wanted, "{entries:?} {order:?}");
            }
        }
        for zeros in 0..40 {
            let mut entries = vec![[0; MAP_ENTRY_LEN]; zeros];
            assert_eq!(leading_zeros(&entries), zeros);
            for byte in 0..MAP_ENTRY_LEN {
                let mut other = [0; MAP_ENTRY_LEN];
                other[byte] = 0x80;
                entries.splice(zeros.., [other, [0; MAP_ENTRY_LEN]]);
                assert_eq!(leading_zeros(&entries), zeros);
                assert!(!is_zero(entries.as_flattened()));
            }
        }
    }
}
