//! The one pass over the map: who owns what, and every entry that is not as it should be.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::ControlFlow;

use super::ownership::Ownership;
use super::tally::Tally;
use super::waiting::{Gathering, Waiting};
use super::{Code, Fault, Findings};
use crate::assemble::Volume;
use crate::format::{ByteOrder, MAP_ENTRY_LEN, MapEntry};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::{IoError, ReadAt};
use crate::map::{Stretch, stream};
use crate::ordered;

/// What the pass found out.
#[derive(Debug)]
pub(super) struct MapPass {
    /// By component, missing ones included.
    pub(super) tallies: Vec<Tally>,
    /// Allocated entries.
    pub(super) allocated: u64,
    /// Of those, how many name the component behind the last.
    pub(super) behind: u64,
    /// Whether all of the map was there, could be read, and was read.
    pub(super) whole: bool,
    /// Sectors of zeros before the last used one, and the first stretch of them.
    pub(super) zero_sectors: u64,
    pub(super) first_zeros: Option<(VirtualChunk, u64)>,
    /// Entries naming a watched chunk of a missing component: the chunk, and its first owner.
    pub(super) watched: Vec<(ComponentIndex, PhysicalChunk, VirtualChunk)>,
    /// The byte order the entries were judged in.
    pub(super) order: ByteOrder,
    clashes: Clashes,
    /// Which entries are good at first sight, by component.
    good: Vec<Good>,
    /// Claims on chunks that are not settled yet: by good entries, which are not counted before.
    waiting: Waiting,
    unreadable: u64,
    read_error: Option<IoError>,
    /// Entries that only one byte order can have made.
    plausible: u64,
    pub(super) plausible_swapped: u64,
    /// Entries of a sector.
    sector: u64,
    /// First entry of the sector behind the last that is not all zero.
    sector_end: u64,
    watch: Vec<PhysicalChunk>,
}

/// Chunks that have a second owner, with that, and how many more there are: the first in the map are listed.
#[derive(Debug, Default)]
struct Clashes {
    listed: Vec<Clash>,
    unlisted: u64,
}

/// A chunk of a component, and a later owner of it.
type Clash = (ComponentIndex, PhysicalChunk, VirtualChunk);

impl Clashes {
    fn push(&mut self, clash: Clash) {
        self.listed.push(clash);
        // They come in almost any order, so some more are kept than will be listed.
        if self.listed.len() >= 8 * super::LISTED {
            self.keep_first();
        }
    }

    fn keep_first(&mut self) {
        ordered::sort_by_key(&mut self.listed, |(.., second)| *second);
        self.unlisted += self.listed.len().saturating_sub(super::LISTED) as u64;
        self.listed.truncate(super::LISTED);
    }
}

/// The chunks of a component that entries may name. Of a missing component there are none.
#[derive(Debug, Clone, Copy)]
struct Good {
    lowest: u32,
    chunks: u32,
    /// The first of its stretches, if claims on it wait.
    stretch: Option<u32>,
}

impl Good {
    fn new(index: ComponentIndex, tally: &Tally, waiting: &Waiting) -> Self {
        let lowest = tally.reserved.max(tally.in_map);
        let stretches = waiting.stretches_of(index);
        let stretch = u32::try_from(stretches.start).ok().filter(|_| !stretches.is_empty());
        Self { lowest, chunks: tally.good_end().saturating_sub(lowest), stretch }
    }
}

/// So many entries that name chunk after chunk are judged as one.
const ROW: usize = 4;

/// Most owners of watched chunks that are remembered: one for each disk that may be probed.
const WATCHED: usize = 1024;

/// Reads the map of `volume` from `disk`, which is component 0, and puts what is wrong with its entries into
/// `findings`. Chunks of missing components that are in `watch` have their owners remembered.
///
/// The map is read once. When it makes sense in big-endian order only it is read again, and when chunks are
/// shared it is read again for their first owners.
pub(super) fn read_map<D: ReadAt + ?Sized>(
    volume: &Volume,
    disk: Option<&D>,
    watch: Vec<PhysicalChunk>,
    findings: &mut Findings,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> MapPass {
    let Some(disk) = disk else { return MapPass::new(volume, ByteOrder::Little, watch) };
    let before = findings.clone();
    let mut pass = MapPass::new(volume, ByteOrder::Little, watch);
    pass.run(volume, disk, findings, progress);
    if pass.plausible_swapped > pass.plausible {
        *findings = before;
        pass = MapPass::new(volume, ByteOrder::Big, pass.watch);
        pass.run(volume, disk, findings, progress);
        findings.push(Fault::MapBigEndian { allocated: pass.allocated });
    }
    pass.list_shared(volume, disk, findings);
    if let Some(error) = pass.read_error.take() {
        findings.push(Fault::MapUnreadable { entries: pass.unreadable, error: Box::new(error) });
    }
    pass
}

impl MapPass {
    fn new(volume: &Volume, order: ByteOrder, watch: Vec<PhysicalChunk>) -> Self {
        let tally = |number| {
            let index = ComponentIndex(number);
            let component = volume.components.get(&index);
            component.map_or_else(Tally::default, |component| Tally::new(volume, index, component))
        };
        let tallies = (0..volume.component_count).map(tally).collect();
        let sector = u64::from(volume.sector_size) / MAP_ENTRY_LEN as u64;
        Self::with(tallies, sector, order, watch, Gathering::FASTEST)
    }

    fn with(
        tallies: Vec<Tally>,
        sector: u64,
        order: ByteOrder,
        watch: Vec<PhysicalChunk>,
        gathering: Gathering,
    ) -> Self {
        let by_number = || (0..=u16::MAX).map(ComponentIndex).zip(&tallies);
        let waiting = Waiting::new(by_number().map(|(index, tally)| (index, tally.good_end())), gathering);
        let good = by_number().map(|(index, tally)| Good::new(index, tally, &waiting)).collect();
        Self {
            tallies,
            allocated: 0,
            behind: 0,
            whole: false,
            zero_sectors: 0,
            first_zeros: None,
            watched: Vec::new(),
            order,
            clashes: Clashes::default(),
            good,
            waiting,
            unreadable: 0,
            read_error: None,
            plausible: 0,
            plausible_swapped: 0,
            sector,
            sector_end: 0,
            watch,
        }
    }

    fn run<D: ReadAt + ?Sized>(
        &mut self,
        volume: &Volume,
        disk: &D,
        findings: &mut Findings,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) {
        let entries = readable_entries(volume);
        let mut stopped = false;
        let mut noticing = |done, all| {
            let flow = progress(done, all);
            stopped |= flow.is_break();
            flow
        };
        let take = &mut |at, stretch: Stretch<'_>| match (stretch, self.order) {
            (Stretch::Zeros, _) => {}
            (Stretch::Entries(entries), ByteOrder::Little) => self.entries::<false>(at, entries, findings),
            (Stretch::Entries(entries), ByteOrder::Big) => self.entries::<true>(at, entries, findings),
            (Stretch::Unreadable(entries), _) => {
                self.unreadable += entries;
                self.enter_sectors(at, at + entries - 1);
            }
        };
        self.read_error = stream(disk, entries, &mut noticing, take);
        self.settle_all(entries);
        // An all-zero map has no used sector; then all of it may be what was lost.
        if self.sector_end == 0 && self.sector > 0 {
            self.zero_sectors = entries.div_ceil(self.sector);
            self.first_zeros = Some((VirtualChunk(0), entries));
        }
        self.whole = !stopped && self.unreadable == 0 && entries == volume.virtual_chunks();
    }

    fn entries<const BIG: bool>(
        &mut self,
        start: u64,
        entries: &[[u8; MAP_ENTRY_LEN]],
        findings: &mut Findings,
    ) {
        let mut position = 0;
        while let Some(entry) = entries.get(position) {
            let first = word::<BIG>(*entry);
            if first == 0 {
                position += 1;
                continue;
            }
            // What was written in one go lies in one piece: such a run is judged as a whole.
            let (mut run, mut next) = (1, first.checked_add(NEXT_CHUNK));
            while let (Some(entry), Some(wanted)) = (entries.get(position + run), next)
                && word::<BIG>(*entry) == wanted
            {
                (run, next) = (run + 1, wanted.checked_add(NEXT_CHUNK));
            }
            let at = start + position as u64;
            let taken = if run < ROW { self.scattered::<BIG>(at, &entries[position..]) } else { 0 };
            if taken > 0 {
                self.enter_sectors(at, at + taken as u64 - 1);
                position += taken;
                continue;
            }
            self.enter_sectors(at, at + run as u64 - 1);
            self.run_of_entries(at, first, run as u64, findings);
            position += run;
        }
    }

    /// Takes good entries from `at` on, up to the first that is not or that names the chunk behind the one before.
    /// Gives how many these are.
    fn scattered<const BIG: bool>(&mut self, at: u64, entries: &[[u8; MAP_ENTRY_LEN]]) -> usize {
        let (mut taken, mut row) = (0, 0);
        for (at, bytes) in (at..).zip(entries) {
            let word = word::<BIG>(*bytes);
            let entry = entry_of(word);
            let Some(good) = self.good.get(entry.component.as_usize()).copied() else { break };
            let chunk = entry.chunk.0;
            if word == row
                || entry.flags != MapEntry::ALLOCATED
                || chunk.wrapping_sub(good.lowest) >= good.chunks
            {
                break;
            }
            if let Some(first) = good.stretch {
                let stretch = first as usize + self.waiting.stretch_of(chunk);
                if !self.waiting.push(stretch, chunk, at) {
                    self.waiting.begin();
                    self.settle(stretch, at);
                    self.waiting.push(stretch, chunk, at);
                }
            } else {
                let tally = &mut self.tallies[entry.component.as_usize()];
                tally.entries += 1;
                tally.highest = tally.highest.max(Some(chunk));
                if !tally.owned.claim_one(chunk) {
                    self.clashes.push((entry.component, entry.chunk, VirtualChunk(at)));
                }
            }
            row = word.wrapping_add(NEXT_CHUNK);
            taken += 1;
        }
        self.plausible += taken;
        self.allocated += taken;
        usize::try_from(taken).expect("no more than there are entries")
    }

    /// Notes that the entries from `first` to `last` are not zero, and which whole sectors before them are.
    fn enter_sectors(&mut self, first: u64, last: u64) {
        if last < self.sector_end || self.sector == 0 {
            return;
        }
        let sector_start = first / self.sector * self.sector;
        if let Some(gap) = sector_start.checked_sub(self.sector_end).filter(|gap| *gap > 0) {
            self.zero_sectors += gap / self.sector;
            self.first_zeros.get_or_insert((VirtualChunk(self.sector_end), gap));
        }
        self.sector_end = (last / self.sector + 1) * self.sector;
    }

    /// `run` entries from `at` on, the first is `first`, each names the chunk behind the one before.
    fn run_of_entries(&mut self, at: u64, first: u64, run: u64, findings: &mut Findings) {
        let entry = entry_of(first);
        let last = entry.chunk.0 + u32::try_from(run - 1).expect("a run is within a piece of the map");
        if entry.flags == MapEntry::ALLOCATED
            && let Some(tally) = self.tallies.get_mut(entry.component.as_usize())
            && entry.chunk.0 >= tally.reserved.max(tally.in_map)
            && last < tally.good_end()
        {
            self.plausible += run;
            self.allocated += run;
            return self.own(at, entry.component, entry.chunk.0, last);
        }
        if entry.flags == MapEntry::ALLOCATED
            && self.watch.is_empty()
            && let Some(tally) = self.tallies.get_mut(entry.component.as_usize())
            && !tally.present
        {
            self.plausible += run;
            self.allocated += run;
            tally.entries += run;
            tally.highest = tally.highest.max(Some(last));
            return;
        }
        for step in 0..run {
            self.odd_entry(VirtualChunk(at + step), entry_of(first + step * NEXT_CHUNK), findings);
        }
    }

    /// Counts good entries that name the chunks from `first` to `last` of a component that is there.
    fn own(&mut self, at: u64, index: ComponentIndex, first: u32, last: u32) {
        if let Some(start) = self.good[index.as_usize()].stretch {
            let stretches = self.waiting.stretches_of(index);
            let start = start as usize;
            let (from, to) = (start + self.waiting.stretch_of(first), start + self.waiting.stretch_of(last));
            (from..stretches.end.min(to + 1)).for_each(|stretch| self.settle(stretch, at));
        }
        let tally = &mut self.tallies[index.as_usize()];
        tally.entries += u64::from(last - first) + 1;
        tally.highest = tally.highest.max(Some(last));
        let clashes = &mut self.clashes;
        tally.owned.claim(first, last, &mut |chunk| {
            clashes.push((index, PhysicalChunk(chunk), VirtualChunk(at + u64::from(chunk - first))));
        });
    }

    /// Settles the claims that wait on a stretch: those of entries before `before`.
    #[inline(never)]
    fn settle(&mut self, stretch: usize, before: u64) {
        let due = self.waiting.take(stretch, before);
        let index = due.component;
        let tally = &mut self.tallies[index.as_usize()];
        tally.entries += due.len() as u64;
        let (owned, mut highest) = (&mut tally.owned, None);
        for (chunk, at) in due {
            highest = highest.max(Some(chunk));
            if !owned.claim_one(chunk) {
                self.clashes.push((index, PhysicalChunk(chunk), VirtualChunk(at)));
            }
        }
        tally.highest = tally.highest.max(highest);
    }

    /// Settles all claims that wait: those of entries before `before`.
    fn settle_all(&mut self, before: u64) {
        self.waiting.all().for_each(|stretch| self.settle(stretch, before));
        self.waiting.end();
    }

    /// One entry that is not zero and not known to be good.
    fn odd_entry(&mut self, at: VirtualChunk, entry: MapEntry, findings: &mut Findings) {
        let count = self.tallies.len();
        let tally = self.tallies.get(entry.component.as_usize());
        let valid = tally.is_some_and(|tally| !tally.present || entry.chunk.0 < tally.chunk_count);
        if swapped(entry, self.order).flags == MapEntry::ALLOCATED {
            self.count_swapped(entry);
        }
        if !entry.is_allocated() {
            return findings.push(Fault::UnallocatedNotZero { at, entry, valid });
        }
        self.allocated += 1;
        let Some(tally) = tally_mut(&mut self.tallies, entry.component) else {
            let count = u16::try_from(count).expect("there is one for each component");
            self.behind += u64::from(entry.component.0 == count);
            return findings.push(Fault::EntryNamesNoComponent { at, entry, count });
        };
        if !valid {
            tally.nowhere += 1;
            let chunk_count = tally.chunk_count;
            return findings.push(Fault::EntryNamesNoChunk { at, entry, chunk_count });
        }
        if entry.flags == MapEntry::ALLOCATED {
            self.plausible += 1;
        } else {
            findings.push(Fault::EntryUnknownFlags { at, entry });
        }
        let chunk = entry.chunk.0;
        if !tally.present {
            tally.entries += 1;
            tally.highest = tally.highest.max(Some(chunk));
            if self.watch.binary_search(&entry.chunk).is_ok() && self.watched.len() < WATCHED {
                self.watched.push((entry.component, entry.chunk, at));
            }
            return;
        }
        if chunk < tally.in_map {
            tally.inside_map += 1;
            findings.push(Fault::EntryInsideMap { at, entry });
        } else if chunk < tally.reserved {
            let reserved = u16::try_from(tally.reserved).expect("it has 16 bits on disk");
            findings.push(Fault::EntryInReserve { at, entry, reserved });
        } else if chunk >= tally.room {
            tally.overlapping.get_or_insert((entry.chunk, at));
            if chunk > tally.room {
                // Not owned: the bits are for chunks that the disk has room for, whatever the record says.
                tally.entries += 1;
                tally.past_end += 1;
                return findings.push(Fault::EntryPastEnd { at, entry, size: tally.len });
            }
        }
        self.own(at.0, entry.component, chunk, chunk);
    }

    /// Counts an entry for the other byte order when it makes sense there.
    fn count_swapped(&mut self, entry: MapEntry) {
        let other = swapped(entry, self.order);
        let fits =
            |tally: &Tally| !tally.present || (tally.reserved..tally.chunk_count).contains(&other.chunk.0);
        if self.tallies.get(other.component.as_usize()).is_some_and(fits) {
            self.plausible_swapped += 1;
        }
    }

    /// Reads the map again for the first owners of shared chunks, if there are such.
    fn list_shared<D: ReadAt + ?Sized>(&mut self, volume: &Volume, disk: &D, findings: &mut Findings) {
        let mut clashes = core::mem::take(&mut self.clashes);
        clashes.keep_first();
        let Clashes { listed: clashes, unlisted } = clashes;
        if clashes.is_empty() {
            return;
        }
        findings.count(Code::ChunkShared, unlisted);
        let mut wanted: Vec<Ownership> = Vec::new();
        wanted.resize_with(self.tallies.len(), Ownership::default);
        for (index, chunk, _) in &clashes {
            wanted[index.as_usize()].claim(chunk.0, chunk.0, &mut |_| {});
        }
        let mut first: Vec<Option<VirtualChunk>> = vec![None; clashes.len()];
        let unknown = Cell::new(clashes.len());
        let order = self.order;
        let mut look = |at: u64, bytes: &[u8; MAP_ENTRY_LEN]| {
            let entry = MapEntry::decode(*bytes, order);
            let wanted = wanted.get(entry.component.as_usize());
            if entry.is_allocated() && wanted.is_some_and(|wanted| wanted.contains(entry.chunk.0)) {
                let same = |clash: &(ComponentIndex, PhysicalChunk, VirtualChunk)| {
                    (clash.0, clash.1) == (entry.component, entry.chunk)
                };
                for (clash, owner) in clashes.iter().zip(&mut first).filter(|(clash, _)| same(clash)) {
                    if clash.2.0 > at && owner.is_none() {
                        *owner = Some(VirtualChunk(at));
                        unknown.set(unknown.get() - 1);
                    }
                }
            }
        };
        let mut until_known = |_, _| match unknown.get() {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        stream(disk, readable_entries(volume), &mut until_known, &mut |at, stretch| {
            if let Stretch::Entries(entries) = stretch {
                (at..).zip(entries).for_each(|(at, entry)| look(at, entry));
            }
        });
        for ((index, chunk, second), first) in clashes.into_iter().zip(first) {
            findings.push(Fault::ChunkShared { index, chunk, first, second });
        }
    }
}

/// How many entries stand before the last sector of component 0: what is there is the record.
pub(crate) fn readable_entries(volume: &Volume) -> u64 {
    let before_record = volume
        .components
        .get(&ComponentIndex(0))
        .map_or(0, |first| first.len.saturating_sub(u64::from(first.sector_size)) / MAP_ENTRY_LEN as u64);
    volume.map_entries().min(before_record)
}

fn tally_mut(tallies: &mut [Tally], index: ComponentIndex) -> Option<&mut Tally> {
    tallies.get_mut(index.as_usize())
}

/// What lies between an entry, as one number, and that of the next chunk.
const NEXT_CHUNK: u64 = 1 << 32;

/// An entry as one number: flags lowest, then the component, then the chunk.
fn word<const BIG: bool>(bytes: [u8; MAP_ENTRY_LEN]) -> u64 {
    if BIG {
        let entry = MapEntry::decode(bytes, ByteOrder::Big);
        u64::from_le_bytes(entry.encode(ByteOrder::Little))
    } else {
        u64::from_le_bytes(bytes)
    }
}

fn entry_of(word: u64) -> MapEntry {
    MapEntry::decode(word.to_le_bytes(), ByteOrder::Little)
}

/// What the bytes of `entry`, which was read in `order`, say in the other one.
pub(crate) fn swapped(entry: MapEntry, order: ByteOrder) -> MapEntry {
    let other = match order {
        ByteOrder::Little => ByteOrder::Big,
        ByteOrder::Big => ByteOrder::Little,
    };
    MapEntry::decode(entry.encode(order), other)
}

#[cfg(test)]
mod tests;
