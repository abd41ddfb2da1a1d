//! Faults: what can be wrong with a set, as values with the numbers in them.
//!
//! A [`Fault`] holds what a repair needs to know; what follows from it is in `weight.rs`, what it is about in
//! `about.rs`. Text is made from faults in one place, `text.rs`.

use alloc::boxed::Box;

use super::deep::Orphan;
use crate::format::{MapEntry, Name};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::IoError;

/// Which way the components of a torn update were to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Torn {
    /// Towards more components.
    Add,
    /// Towards fewer.
    Remove,
}

/// How the map calls the components behind one that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// By the numbers in their records; the first of them by the removed one's, too, when it is about to get that.
    Old,
    /// By one less, or not at all.
    New,
    /// Their cursors fit neither.
    Unclear,
}

/// Why a disk without a record is taken for a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// It starts with a map that fits the volume, and no other disk does.
    Map,
    /// It starts with such a map, and so does another, or its end does not fit what the map names there.
    OneOfSeveral,
    /// No other component is missing, no other disk is left, and it is long enough.
    Elimination,
}

/// What is wrong. Candidates are named by the index under which they were offered for assembly, unclaimed
/// disks by theirs in the list handed to [`check`](super::check).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields that only repeat the words of their variant")]
pub enum Fault {
    /// Nothing that was offered has this place.
    ComponentMissing {
        index: ComponentIndex,
        /// Map entries that name it, where all of the map can be read.
        entries: Option<u64>,
    },
    /// A record with the right name and id, and a version nobody wrote.
    RecordVersion {
        candidate: usize,
        index: ComponentIndex,
        version: u32,
        /// Whether all else fits the volume and the disk.
        fits: bool,
    },
    /// A record that describes nothing.
    RecordNonsensical { candidate: usize, count: u16, chunk_size: u32, virtual_size: u64 },
    /// An unclaimed disk whose last sector is the record of a missing component, but for the magic.
    MagicDamaged { disk: usize, index: ComponentIndex, magic: [u8; 16] },
    /// An unclaimed disk that is the missing component.
    RecordLost {
        disk: usize,
        index: ComponentIndex,
        /// Entries of the map it starts with, or that name it.
        entries: u64,
        /// Why it is.
        because: Because,
    },
    /// Chunks that no entry names hold data: what was there before, or entries that were lost.
    OrphanData {
        chunks: u64,
        /// How many of them were handed out once: the record's cursor, or used chunks, are behind them.
        below: u64,
        first: Orphan,
    },
    /// Chunks in use hold nothing but zeros.
    ZeroChunks { index: ComponentIndex, chunks: u64, first: PhysicalChunk },
    /// There is data between the last chunk and the record.
    TailData {
        index: ComponentIndex,
        /// Where on the component, in bytes.
        offset: u64,
    },
    /// There is data behind the map, in the reserve.
    ReserveNotEmpty {
        /// Where on component 0, in bytes.
        offset: u64,
    },
    /// Data lies in areas of a component that are known to be unreadable.
    DataUnreadable {
        index: ComponentIndex,
        /// Bytes of the volume that lie there.
        bytes: u64,
        /// The first of them.
        start: u64,
        /// The chunk it is in.
        first: (PhysicalChunk, VirtualChunk),
    },
    /// An unclaimed disk whose last sector looks like data that was updated as if it were a record.
    RecordOverwritten {
        disk: usize,
        index: ComponentIndex,
        /// The chunk that holds the last sector.
        chunk: PhysicalChunk,
        /// Whose data it is.
        owner: VirtualChunk,
        /// First damaged byte of the virtual device; one sector from there on.
        start: u64,
    },
    /// The update of a component whose record could not be read wrote its predecessor's there.
    RecordCopied {
        /// Who carries the wrong record.
        candidate: usize,
        /// Whose record it is.
        original: usize,
        index: ComponentIndex,
        /// The place it should have.
        missing: ComponentIndex,
    },
    /// Two candidates claim one place.
    Duplicate {
        candidate: usize,
        kept: usize,
        index: ComponentIndex,
        /// Whether their records differ.
        differs: bool,
    },
    /// Another volume has the same name.
    NameShared {
        /// The id of the other.
        id: u32,
        /// Whether the other one was offered first and so owns the name.
        refused: bool,
    },
    /// The update of all records stopped half-way.
    Torn {
        way: Torn,
        old_count: u16,
        new_count: u16,
        /// Records that have the new count.
        updated: u64,
        /// Records that have the old one.
        outdated: u64,
    },
    /// Some records have another name, and are another volume for it. Names change upward, so component 0 has the
    /// new one.
    TornRename {
        old_name: Name,
        new_name: Name,
        /// Records that have the new name.
        updated: u64,
        /// Records that have the old one.
        outdated: u64,
    },
    /// The components behind a removed one kept their numbers.
    RemovedFromMiddle {
        candidate: usize,
        /// Its number, which should be one less.
        index: ComponentIndex,
        missing: ComponentIndex,
        /// Map entries that name the removed component.
        entries: u64,
        /// How the map calls the components behind it.
        numbering: Numbering,
    },
    /// A number the volume does not know, for no known reason.
    NumberBeyondCount { candidate: usize, index: ComponentIndex, count: u16 },
    /// A record that missed an update which both earlier and later ones have.
    StaleComponent {
        candidate: usize,
        index: ComponentIndex,
        /// The component count it knows.
        count: u16,
        /// The one its siblings know.
        expected: u16,
        /// Map entries that name it.
        entries: u64,
    },
    /// Records differ in what they share.
    RecordsDisagree {
        candidate: usize,
        index: ComponentIndex,
        /// The kernel's name of the field.
        field: &'static str,
        value: u64,
        /// What the record says that FreeBSD tastes first.
        expected: u64,
        /// Whether most records say what the first does.
        outvoted: bool,
    },
    /// The record is at the end, and names another size.
    SizeChanged {
        index: ComponentIndex,
        provsize: u64,
        size: u64,
        /// Map entries that name chunks which are not there any more.
        entries: u64,
        /// Whether the disk ends where a sector does: there is no place for a record elsewhere.
        whole_sectors: bool,
    },
    /// The disk goes on behind the record.
    ComponentGrown { index: ComponentIndex, provsize: u64 },
    /// The component starts inside a file.
    ComponentInside { index: ComponentIndex, start: u64 },
    /// The hardcoded name is as long as its field or was cut to fit.
    HardcodedNameCut {
        index: ComponentIndex,
        name: Name,
        /// Whether no provider can match, or just the one at hand does not.
        certain: bool,
    },
    /// The component wants another provider name.
    HardcodedNameDiffers { index: ComponentIndex, name: Name },
    /// The kernel's name of the volume runs on into the fields behind it.
    VolumeNameUnterminated { name: Name },
    /// The provider is called `virstor/`.
    VolumeNameEmpty,
    /// FreeBSD refuses mixed sector sizes.
    SectorSizeDiffers { index: ComponentIndex, sector_size: u32, expected: u32 },
    /// Chunks reach into the record or past the end.
    LastChunkOverlaps {
        index: ComponentIndex,
        chunk_count: u32,
        /// How many chunks there is room for; the first that overlaps.
        room: u32,
        /// The first virtual chunk that lies on an overlapping one.
        owner: Option<(PhysicalChunk, VirtualChunk)>,
    },
    /// Smaller than `label` demands: four chunks, and the map.
    ComponentTooSmall { index: ComponentIndex, chunk_count: u32, reserved: u16, size: u64 },
    /// The virtual size is no multiple of the chunk size.
    VirtualSizeRagged { recorded: u64, rounded: u64 },
    /// The kernel reads whole sectors of the map only.
    MapNotWholeSectors {
        entries: u64,
        /// Entries at the end that it does not read.
        unread: u64,
    },
    /// The map is longer than component 0 or than any map.
    MapTooLong { needed: u64, available: u64 },
    /// The map reaches into the record.
    MapOverlapsRecord { map_len: u64, room: u64 },
    /// `chunk_reserved` of component 0 has 16 bits, and `label` lets it wrap.
    ReserveTooSmall {
        reserved: u16,
        /// Chunks that the map lies in.
        needed: u64,
        /// Map entries that name one of them.
        entries: u64,
    },
    /// A part of the map cannot be read.
    MapUnreadable { entries: u64, error: Box<IoError> },
    /// The entries make sense in big-endian order only.
    MapBigEndian { allocated: u64 },
    /// An allocated entry names a component that cannot be.
    EntryNamesNoComponent { at: VirtualChunk, entry: MapEntry, count: u16 },
    /// An allocated entry names a chunk that cannot be.
    EntryNamesNoChunk { at: VirtualChunk, entry: MapEntry, chunk_count: u32 },
    /// An allocated entry names a chunk behind the end.
    EntryPastEnd { at: VirtualChunk, entry: MapEntry, size: u64 },
    /// An allocated entry names a chunk that the map lies in.
    EntryInsideMap { at: VirtualChunk, entry: MapEntry },
    /// An allocated entry names a chunk that is never handed out.
    EntryInReserve { at: VirtualChunk, entry: MapEntry, reserved: u16 },
    /// An allocated entry has flags without a meaning.
    EntryUnknownFlags { at: VirtualChunk, entry: MapEntry },
    /// An entry that is not allocated is not zero.
    UnallocatedNotZero {
        at: VirtualChunk,
        entry: MapEntry,
        /// Whether the kernel's bounds check lets it pass: it looks at these, too.
        valid: bool,
    },
    /// Two virtual chunks share a physical one.
    ChunkShared {
        index: ComponentIndex,
        chunk: PhysicalChunk,
        /// The first that names it; absent when the map could not be read a second time.
        first: Option<VirtualChunk>,
        second: VirtualChunk,
    },
    /// Whole sectors of zeros lie before used ones, and chunks are used that no entry names.
    MapSectorsZeroed {
        first: VirtualChunk,
        /// Entries of the first such stretch.
        entries: u64,
        /// All such sectors.
        sectors: u64,
        /// Chunks in use, by cursor or position, that no entry names.
        orphans: u64,
    },
    /// The cursor on disk is ahead of the map.
    EntriesLost { index: ComponentIndex, recorded: u32, counted: u64 },
    /// The kernel's count of entries is not above all used chunks.
    ChunkReuseAhead {
        index: ComponentIndex,
        /// The chunk FreeBSD takes for free.
        next: u64,
        /// The first used chunk it will hand out.
        victim: PhysicalChunk,
        first_hole: PhysicalChunk,
        holes: u64,
    },
    /// Unused chunks below used ones, masked by entries that share chunks.
    ChunkHole { index: ComponentIndex, first_hole: PhysicalChunk, holes: u64 },
    /// FreeBSD moves to a component without looking whether it has room.
    AllocationPastEnd {
        index: ComponentIndex,
        /// The chunk it hands out; the component has this many or fewer.
        chunk: u64,
        chunk_count: u32,
        /// The component it allocates from until then.
        current: ComponentIndex,
        /// Free chunks that are handed out before.
        before: u64,
        /// Whether it happens only after one more clean stop.
        after_stop: bool,
        /// Whether a component is older than its siblings: its cursor is not to be trusted, nor to be changed.
        stale: bool,
    },
    /// Chunks are used behind a component that has room.
    AllocationOutOfOrder {
        index: ComponentIndex,
        free: u64,
        later: ComponentIndex,
        /// Whether chunks were handed out that no entry names: filling the room may overwrite them.
        orphans: bool,
    },
    /// The cursor on disk is behind the map.
    StaleCursor { index: ComponentIndex, recorded: u32, counted: u64 },
    /// Some cursor is behind the map.
    UncleanStop {
        components: u64,
        /// Chunks handed out since the records were written.
        chunks: u64,
    },
    /// A component has flags without a meaning.
    FlagsUnknown { index: ComponentIndex, flags: u16 },
    /// A component in use is not marked as allocated.
    AllocatedFlagMissing { index: ComponentIndex, entries: u64 },
    /// A component without used chunks is marked as allocated.
    AllocatedFlagUnneeded { index: ComponentIndex },
    /// The current component is not marked, or another is.
    CurrentFlagMisplaced {
        expected: ComponentIndex,
        /// The first that is marked.
        marked: Option<ComponentIndex>,
        /// How many are.
        count: u64,
    },
}
