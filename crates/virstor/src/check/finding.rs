//! Findings: what can be wrong with a set, as values with the numbers in them.
//!
//! A [`Fault`] holds what a repair needs to know; its [`Code`] is the name that scripts see. Text is made
//! from faults in one place, `text.rs`.

use alloc::boxed::Box;

use super::deep::Orphan;
use crate::format::{MapEntry, Name};
use crate::geometry::{ComponentIndex, PhysicalChunk, VirtualChunk};
use crate::io::IoError;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Notice,
    /// A trap: nothing is lost yet, but FreeBSD would lose something.
    Warning,
    /// Something is wrong or lost now.
    Error,
    /// FreeBSD does not start the volume, or stops itself.
    Fatal,
}

/// What a repair of a finding costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// Not a byte of the virtual device that can be read now is given up.
    Safe,
    /// Something is given up for good.
    Lossy,
    /// There is none, or none without somebody's choice.
    None,
}

/// A finding: what is wrong, and whether it can be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// What mending it costs.
    pub repair: Repair,
}

impl Finding {
    /// The name of the kind of finding.
    #[must_use]
    pub fn code(&self) -> Code {
        self.fault.code()
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.fault.severity()
    }
}

/// Declares the codes with their names, the hazard and the invariant each belongs to.
macro_rules! codes {
    ($($variant:ident $text:literal $hazard:tt $invariant:tt $doc:literal)*) => {
        /// The kinds of findings. A code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $doc] $variant,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As scripts see it.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The number of the hazard it is a trace of (`H-1` ...), see HAZARDS.md.
            #[must_use]
            pub fn hazard(self) -> Option<u8> {
                match self { $(Self::$variant => codes!(@number $hazard),)* }
            }

            /// The number of the invariant that is broken (`I1` ...), see the documentation of [`check`](super).
            #[must_use]
            pub fn invariant(self) -> Option<u8> {
                match self { $(Self::$variant => codes!(@number $invariant),)* }
            }
        }
    };
    (@number -) => { None };
    (@number $number:literal) => { Some($number) };
}

codes! {
    // Which components there are.
    ComponentMissing "component-missing" 20 1 "A component is not there."
    RecordVersion "unknown-record-version" - 2 "A record has a version that was never made."
    RecordNonsensical "nonsensical-record" 4 9 "A record describes nothing: no size, chunks or components."
    MagicDamaged "record-magic-damaged" - 2 "A disk ends in a record of this volume but for its magic."
    RecordLost "record-lost" - 1 "A disk without a record is a missing component."
    RecordOverwritten "last-chunk-overwrote-metadata" 1 3 "A chunk that reaches into the last sector has replaced the record."
    RecordCopied "record-copied-from-sibling" 13 1 "A component carries the record of another."
    Duplicate "duplicate-component" 18 1 "Two candidates claim one place."
    NameShared "name-shared" 18 1 "Another volume has the same name."
    TornAdd "torn-add" 10 1 "Adding a component stopped half-way."
    TornRemove "torn-remove" 8 1 "Removing a component stopped half-way."
    TornRename "torn-rename" - 1 "Renaming the volume stopped half-way."
    RemovedFromMiddle "removed-from-middle" 8 1 "A component was removed and those behind it kept their numbers."
    NumberBeyondCount "component-number-too-high" 18 1 "A component has a number the volume does not know."
    StaleComponent "stale-component" 18 1 "A component is older than its siblings."
    RecordsDisagree "records-disagree" - 1 "Records of one volume differ in what they share."
    SizeChanged "component-size-changed" 17 2 "A component is not as long as its record says."
    ComponentGrown "component-grown" 17 2 "A record does not stand at the end of the disk."
    ComponentInside "component-inside-file" - 2 "A component starts inside a file, outside any partition."
    HardcodedNameCut "hardcoded-name-never-matches" 14 2 "A hardcoded name is too long for its field."
    HardcodedNameDiffers "hardcoded-name-differs" 14 2 "A component wants another provider name."
    VolumeNameUnterminated "volume-name-unterminated" 14 - "The volume's name fills its field."
    VolumeNameEmpty "volume-name-empty" - - "The volume has no name."
    SectorSizeDiffers "sector-size-differs" - 2 "A component has another sector size than the first."
    // What the records say about sizes.
    LastChunkOverlaps "last-chunk-overlaps-metadata" 1 3 "The chunks of a component reach into its record."
    ComponentTooSmall "component-too-small" 3 - "A component is smaller than label demands."
    VirtualSizeRagged "virtual-size-not-multiple" 4 9 "The virtual size is no multiple of the chunk size."
    MapNotWholeSectors "map-not-whole-sectors" 4 9 "The map ends within a sector."
    MapTooLong "map-longer-than-component" 3 9 "The map is longer than component 0."
    MapOverlapsRecord "map-overlaps-metadata" 3 9 "The map reaches into the record."
    ReserveTooSmall "reserve-smaller-than-map" 2 9 "Chunks that the map lies in may be handed out."
    // The map.
    DataUnreadable "data-unreadable" - - "Data lies where a disk is known to be unreadable."
    MapUnreadable "map-unreadable" 21 - "A part of the map cannot be read."
    MapBigEndian "map-big-endian" - 10 "The map was written by a big-endian machine."
    EntryNamesNoComponent "entry-names-no-component" - 4 "An entry names a component that cannot be."
    EntryAtChunkCount "entry-at-chunk-count" 6 4 "An entry names the chunk behind the last."
    EntryNamesNoChunk "entry-names-no-chunk" - 4 "An entry names a chunk that cannot be."
    EntryPastEnd "entry-past-end" 17 3 "An entry names a chunk behind the end of its component."
    EntryInsideMap "entry-inside-map" 2 4 "An entry names a chunk that the map lies in."
    EntryInReserve "entry-in-reserve" - 4 "An entry names a reserved chunk."
    EntryUnknownFlags "entry-unknown-flags" - 10 "An allocated entry has flags without a meaning."
    UnallocatedNotZero "unallocated-entry-not-zero" - 10 "An entry that is not allocated is not zero."
    ChunkShared "chunk-shared" 5 4 "Two virtual chunks share a physical one."
    MapSectorsZeroed "map-sectors-zeroed" 19 - "Sectors of the map may have been lost."
    // What only the data tells.
    OrphanData "orphan-data" 5 - "Chunks that no entry names hold data."
    ZeroChunks "zero-chunks" - - "Chunks in use hold nothing but zeros."
    TailData "data-behind-chunks" - - "There is data between the last chunk and the record."
    ReserveNotEmpty "reserve-not-empty" 30 - "There is data behind the map, where a longer one may have been."
    // Allocation.
    EntriesLost "map-entries-lost" 5 7 "More chunks were handed out than the map names."
    ChunkReuseAhead "chunk-reuse-ahead" 5 5 "FreeBSD will hand out a chunk that is in use."
    ChunkHole "chunk-hole" 5 5 "An unused chunk lies below a used one."
    AllocationPastEnd "allocation-past-end" 6 7 "FreeBSD will hand out a chunk that does not exist."
    AllocationOutOfOrder "allocation-out-of-order" - 6 "A component is in use although an earlier one has room."
    StaleCursor "stale-cursor" 15 7 "A record's cursor is behind the map."
    UncleanStop "unclean-stop" 16 7 "The volume was not closed after its last allocation."
    FlagsUnknown "unknown-component-flags" 11 8 "A component has flags without a meaning."
    AllocatedFlagMissing "allocated-flag-missing" 15 8 "A component in use is not marked as allocated."
    AllocatedFlagUnneeded "allocated-flag-unneeded" 11 8 "A component without used chunks is marked as allocated."
    CurrentFlagMisplaced "current-flag-misplaced" - 8 "The current component is not marked, or another is."
}

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
        /// Map entries that name it.
        entries: u64,
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
    /// Some records have another name, and are another volume for it. Names change upward, so component 0 has the new one.
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

impl Fault {
    /// The kind of fault.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::ComponentMissing { .. } => Code::ComponentMissing,
            Self::RecordVersion { .. } => Code::RecordVersion,
            Self::RecordNonsensical { .. } => Code::RecordNonsensical,
            Self::MagicDamaged { .. } => Code::MagicDamaged,
            Self::RecordLost { .. } => Code::RecordLost,
            Self::DataUnreadable { .. } => Code::DataUnreadable,
            Self::OrphanData { .. } => Code::OrphanData,
            Self::ZeroChunks { .. } => Code::ZeroChunks,
            Self::TailData { .. } => Code::TailData,
            Self::ReserveNotEmpty { .. } => Code::ReserveNotEmpty,
            Self::RecordOverwritten { .. } => Code::RecordOverwritten,
            Self::RecordCopied { .. } => Code::RecordCopied,
            Self::Duplicate { .. } => Code::Duplicate,
            Self::NameShared { .. } => Code::NameShared,
            Self::Torn { way: Torn::Add, .. } => Code::TornAdd,
            Self::Torn { way: Torn::Remove, .. } => Code::TornRemove,
            Self::TornRename { .. } => Code::TornRename,
            Self::RemovedFromMiddle { .. } => Code::RemovedFromMiddle,
            Self::NumberBeyondCount { .. } => Code::NumberBeyondCount,
            Self::StaleComponent { .. } => Code::StaleComponent,
            Self::RecordsDisagree { .. } => Code::RecordsDisagree,
            Self::SizeChanged { .. } => Code::SizeChanged,
            Self::ComponentGrown { .. } => Code::ComponentGrown,
            Self::ComponentInside { .. } => Code::ComponentInside,
            Self::HardcodedNameCut { .. } => Code::HardcodedNameCut,
            Self::HardcodedNameDiffers { .. } => Code::HardcodedNameDiffers,
            Self::VolumeNameUnterminated { .. } => Code::VolumeNameUnterminated,
            Self::VolumeNameEmpty => Code::VolumeNameEmpty,
            Self::SectorSizeDiffers { .. } => Code::SectorSizeDiffers,
            Self::LastChunkOverlaps { .. } => Code::LastChunkOverlaps,
            Self::ComponentTooSmall { .. } => Code::ComponentTooSmall,
            Self::VirtualSizeRagged { .. } => Code::VirtualSizeRagged,
            Self::MapNotWholeSectors { .. } => Code::MapNotWholeSectors,
            Self::MapTooLong { .. } => Code::MapTooLong,
            Self::MapOverlapsRecord { .. } => Code::MapOverlapsRecord,
            Self::ReserveTooSmall { .. } => Code::ReserveTooSmall,
            Self::MapUnreadable { .. } => Code::MapUnreadable,
            Self::MapBigEndian { .. } => Code::MapBigEndian,
            Self::EntryNamesNoComponent { .. } => Code::EntryNamesNoComponent,
            Self::EntryNamesNoChunk { entry, chunk_count, .. } if entry.chunk.0 == *chunk_count => {
                Code::EntryAtChunkCount
            }
            Self::EntryNamesNoChunk { .. } => Code::EntryNamesNoChunk,
            Self::EntryPastEnd { .. } => Code::EntryPastEnd,
            Self::EntryInsideMap { .. } => Code::EntryInsideMap,
            Self::EntryInReserve { .. } => Code::EntryInReserve,
            Self::EntryUnknownFlags { .. } => Code::EntryUnknownFlags,
            Self::UnallocatedNotZero { .. } => Code::UnallocatedNotZero,
            Self::ChunkShared { .. } => Code::ChunkShared,
            Self::MapSectorsZeroed { .. } => Code::MapSectorsZeroed,
            Self::EntriesLost { .. } => Code::EntriesLost,
            Self::ChunkReuseAhead { .. } => Code::ChunkReuseAhead,
            Self::ChunkHole { .. } => Code::ChunkHole,
            Self::AllocationPastEnd { .. } => Code::AllocationPastEnd,
            Self::AllocationOutOfOrder { .. } => Code::AllocationOutOfOrder,
            Self::StaleCursor { .. } => Code::StaleCursor,
            Self::UncleanStop { .. } => Code::UncleanStop,
            Self::FlagsUnknown { .. } => Code::FlagsUnknown,
            Self::AllocatedFlagMissing { .. } => Code::AllocatedFlagMissing,
            Self::AllocatedFlagUnneeded { .. } => Code::AllocatedFlagUnneeded,
            Self::CurrentFlagMisplaced { .. } => Code::CurrentFlagMisplaced,
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::ComponentMissing { .. }
            | Self::RecordVersion { .. }
            | Self::RecordNonsensical { .. }
            | Self::MagicDamaged { .. }
            | Self::RecordLost { .. }
            | Self::RecordOverwritten { .. }
            | Self::RecordCopied { .. }
            | Self::NameShared { refused: true, .. }
            | Self::TornRename { .. }
            | Self::RemovedFromMiddle { .. }
            | Self::SizeChanged { .. }
            | Self::ComponentGrown { .. }
            | Self::ComponentInside { .. }
            | Self::HardcodedNameCut { certain: true, .. }
            | Self::SectorSizeDiffers { .. }
            | Self::ComponentTooSmall { index: ComponentIndex(0), chunk_count: 0, .. }
            | Self::VirtualSizeRagged { .. }
            | Self::MapTooLong { .. }
            | Self::MapUnreadable { .. }
            | Self::MapBigEndian { .. }
            | Self::EntryNamesNoComponent { .. }
            | Self::EntryNamesNoChunk { .. }
            | Self::UnallocatedNotZero { valid: false, .. } => Severity::Fatal,
            Self::Duplicate { differs: true, .. }
            | Self::Torn { .. }
            | Self::NumberBeyondCount { .. }
            | Self::StaleComponent { .. }
            | Self::RecordsDisagree { .. }
            | Self::DataUnreadable { .. }
            | Self::LastChunkOverlaps { owner: Some(_), .. }
            | Self::MapOverlapsRecord { .. }
            | Self::EntryPastEnd { .. }
            | Self::EntryInsideMap { .. }
            | Self::ChunkShared { .. }
            | Self::EntriesLost { .. } => Severity::Error,
            Self::Duplicate { .. }
            | Self::NameShared { .. }
            | Self::HardcodedNameCut { .. }
            | Self::VolumeNameUnterminated { .. }
            | Self::LastChunkOverlaps { .. }
            | Self::MapNotWholeSectors { .. }
            | Self::ReserveTooSmall { .. }
            | Self::EntryInReserve { .. }
            | Self::EntryUnknownFlags { .. }
            | Self::UnallocatedNotZero { .. }
            | Self::MapSectorsZeroed { .. }
            | Self::OrphanData { below: 1.., .. }
            | Self::ChunkReuseAhead { .. }
            | Self::ChunkHole { .. }
            | Self::AllocationPastEnd { .. }
            | Self::UncleanStop { .. }
            | Self::FlagsUnknown { .. }
            | Self::AllocatedFlagMissing { .. } => Severity::Warning,
            Self::HardcodedNameDiffers { .. }
            | Self::OrphanData { .. }
            | Self::ZeroChunks { .. }
            | Self::TailData { .. }
            | Self::ReserveNotEmpty { .. }
            | Self::VolumeNameEmpty
            | Self::ComponentTooSmall { .. }
            | Self::AllocationOutOfOrder { .. }
            | Self::StaleCursor { .. }
            | Self::AllocatedFlagUnneeded { .. }
            | Self::CurrentFlagMisplaced { .. } => Severity::Notice,
        }
    }

    /// Whether mending it takes a free chunk.
    #[must_use]
    pub(super) fn takes_chunk(&self) -> bool {
        matches!(
            self,
            Self::RecordOverwritten { .. }
                | Self::LastChunkOverlaps { owner: Some(_), .. }
                | Self::EntryInReserve { .. }
                | Self::ChunkShared { .. }
        )
    }

    /// What mending it costs when `free` chunks of the components are unused.
    #[must_use]
    pub(super) fn repair(&self, free: u64) -> Repair {
        let safe_if = |safe| if safe { Repair::Safe } else { Repair::None };
        let lossy_unless = |safe| if safe { Repair::Safe } else { Repair::Lossy };
        match self {
            // Without a component that nothing lies on the volume is smaller, and whole.
            Self::ComponentMissing { entries: 0, index } if index.0 > 0 => Repair::Lossy,
            Self::ComponentMissing { .. }
            | Self::RecordLost { because: Because::OneOfSeveral, .. }
            | Self::DataUnreadable { .. }
            | Self::OrphanData { .. }
            | Self::ZeroChunks { .. }
            | Self::TailData { .. }
            | Self::ReserveNotEmpty { .. }
            | Self::RecordNonsensical { .. }
            | Self::Duplicate { .. }
            | Self::NameShared { .. }
            | Self::NumberBeyondCount { .. }
            | Self::StaleComponent { .. }
            | Self::ComponentInside { .. }
            | Self::HardcodedNameDiffers { .. }
            | Self::VolumeNameEmpty
            | Self::SectorSizeDiffers { .. }
            | Self::ComponentTooSmall { .. }
            | Self::MapTooLong { .. }
            | Self::MapOverlapsRecord { .. }
            | Self::MapUnreadable { .. }
            | Self::MapSectorsZeroed { .. } => Repair::None,
            Self::RecordLost { because: Because::Map, .. } => Repair::Safe,
            // Nothing on the disk itself says so, and what its last sector holds is replaced.
            Self::RecordLost { because: Because::Elimination, .. } => Repair::Lossy,
            Self::RecordVersion { fits, .. } => safe_if(*fits),
            Self::RecordsDisagree { outvoted, .. } => safe_if(*outvoted),
            Self::RemovedFromMiddle { numbering, .. } => safe_if(*numbering != Numbering::Unclear),
            Self::ReserveTooSmall { needed, entries, .. } => {
                safe_if(*entries == 0 && *needed <= u64::from(u16::MAX))
            }
            // The chunk has to leave the last sector, or what is left of its data there goes.
            Self::RecordOverwritten { .. } => lossy_unless(free > 0),
            Self::LastChunkOverlaps { owner, .. } => lossy_unless(owner.is_none() || free > 0),
            Self::AllocationPastEnd { stale, .. } => safe_if(!*stale),
            Self::AllocationOutOfOrder { orphans, .. } => lossy_unless(!*orphans),
            // A file that was cut within its last sector has to be made longer, and no patch does that.
            Self::SizeChanged { whole_sectors: false, .. } => Repair::None,
            Self::SizeChanged { entries, .. } => lossy_unless(*entries == 0),
            Self::EntryInReserve { .. } | Self::ChunkShared { .. } => safe_if(free > 0),
            Self::EntryNamesNoComponent { .. }
            | Self::EntryNamesNoChunk { .. }
            | Self::EntryPastEnd { .. }
            | Self::EntryInsideMap { .. }
            | Self::EntriesLost { .. } => Repair::Lossy,
            Self::MagicDamaged { .. }
            | Self::RecordCopied { .. }
            | Self::Torn { .. }
            | Self::TornRename { .. }
            | Self::ComponentGrown { .. }
            | Self::HardcodedNameCut { .. }
            | Self::VolumeNameUnterminated { .. }
            | Self::VirtualSizeRagged { .. }
            | Self::MapNotWholeSectors { .. }
            | Self::MapBigEndian { .. }
            | Self::EntryUnknownFlags { .. }
            | Self::UnallocatedNotZero { .. }
            | Self::ChunkReuseAhead { .. }
            | Self::ChunkHole { .. }
            | Self::StaleCursor { .. }
            | Self::UncleanStop { .. }
            | Self::FlagsUnknown { .. }
            | Self::AllocatedFlagMissing { .. }
            | Self::AllocatedFlagUnneeded { .. }
            | Self::CurrentFlagMisplaced { .. } => Repair::Safe,
        }
    }

    /// The component that is missing for another reason than that it is not there.
    pub(crate) fn explains(&self) -> Option<ComponentIndex> {
        match self {
            Self::MagicDamaged { index, .. }
            | Self::RecordVersion { index, .. }
            | Self::RecordLost { index, .. }
            | Self::RecordOverwritten { index, .. } => Some(*index),
            Self::RecordCopied { missing, .. } | Self::RemovedFromMiddle { missing, .. } => Some(*missing),
            _ => None,
        }
    }

    /// The component it is about, where it is about one.
    #[must_use]
    pub fn component(&self) -> Option<ComponentIndex> {
        match self {
            Self::ComponentMissing { index, .. }
            | Self::RecordVersion { index, .. }
            | Self::MagicDamaged { index, .. }
            | Self::RecordLost { index, .. }
            | Self::DataUnreadable { index, .. }
            | Self::OrphanData { first: Orphan { index, .. }, .. }
            | Self::ZeroChunks { index, .. }
            | Self::TailData { index, .. }
            | Self::RecordOverwritten { index, .. }
            | Self::RecordCopied { missing: index, .. }
            | Self::Duplicate { index, .. }
            | Self::RemovedFromMiddle { index, .. }
            | Self::NumberBeyondCount { index, .. }
            | Self::StaleComponent { index, .. }
            | Self::RecordsDisagree { index, .. }
            | Self::SizeChanged { index, .. }
            | Self::ComponentGrown { index, .. }
            | Self::ComponentInside { index, .. }
            | Self::HardcodedNameCut { index, .. }
            | Self::HardcodedNameDiffers { index, .. }
            | Self::SectorSizeDiffers { index, .. }
            | Self::LastChunkOverlaps { index, .. }
            | Self::ComponentTooSmall { index, .. }
            | Self::ChunkShared { index, .. }
            | Self::EntriesLost { index, .. }
            | Self::ChunkReuseAhead { index, .. }
            | Self::ChunkHole { index, .. }
            | Self::AllocationPastEnd { index, .. }
            | Self::AllocationOutOfOrder { index, .. }
            | Self::StaleCursor { index, .. }
            | Self::FlagsUnknown { index, .. }
            | Self::AllocatedFlagMissing { index, .. }
            | Self::AllocatedFlagUnneeded { index }
            | Self::CurrentFlagMisplaced { expected: index, .. } => Some(*index),
            Self::MapTooLong { .. }
            | Self::ReserveNotEmpty { .. }
            | Self::MapNotWholeSectors { .. }
            | Self::MapOverlapsRecord { .. }
            | Self::ReserveTooSmall { .. }
            | Self::MapUnreadable { .. }
            | Self::MapBigEndian { .. }
            | Self::MapSectorsZeroed { .. } => Some(ComponentIndex(0)),
            Self::RecordNonsensical { .. }
            | Self::NameShared { .. }
            | Self::Torn { .. }
            | Self::TornRename { .. }
            | Self::VolumeNameUnterminated { .. }
            | Self::VolumeNameEmpty
            | Self::VirtualSizeRagged { .. }
            | Self::UncleanStop { .. } => None,
            _ => self.entry().map(|(_, entry)| entry.component),
        }
    }

    /// The map entry it is about, and which one that is.
    #[must_use]
    pub fn entry(&self) -> Option<(VirtualChunk, MapEntry)> {
        match self {
            Self::EntryNamesNoComponent { at, entry, .. }
            | Self::EntryNamesNoChunk { at, entry, .. }
            | Self::EntryPastEnd { at, entry, .. }
            | Self::EntryInsideMap { at, entry }
            | Self::EntryInReserve { at, entry, .. }
            | Self::EntryUnknownFlags { at, entry }
            | Self::UnallocatedNotZero { at, entry, .. } => Some((*at, *entry)),
            _ => None,
        }
    }

    /// The chunk of the component that it is about.
    #[must_use]
    pub fn physical_chunk(&self) -> Option<u64> {
        match self {
            Self::RecordOverwritten { chunk, .. }
            | Self::DataUnreadable { first: (chunk, _), .. }
            | Self::OrphanData { first: Orphan { chunk, .. }, .. }
            | Self::ZeroChunks { first: chunk, .. }
            | Self::ChunkShared { chunk, .. }
            | Self::ChunkReuseAhead { victim: chunk, .. }
            | Self::ChunkHole { first_hole: chunk, .. } => Some(u64::from(chunk.0)),
            Self::LastChunkOverlaps { room, owner, .. } => {
                Some(u64::from(owner.map_or(*room, |(chunk, _)| chunk.0)))
            }
            Self::AllocationPastEnd { chunk, .. } => Some(*chunk),
            _ => self.entry().map(|(_, entry)| u64::from(entry.chunk.0)),
        }
    }

    /// The virtual chunk that it is about.
    #[must_use]
    pub fn virtual_chunk(&self) -> Option<VirtualChunk> {
        match self {
            Self::RecordOverwritten { owner, .. } | Self::DataUnreadable { first: (_, owner), .. } => {
                Some(*owner)
            }
            Self::ChunkShared { second, .. } => Some(*second),
            Self::LastChunkOverlaps { owner, .. } => owner.map(|(_, owner)| owner),
            Self::MapSectorsZeroed { first, .. } => Some(*first),
            _ => self.entry().map(|(at, _)| at),
        }
    }

    /// The candidate that it is about, where the component's place does not tell.
    #[must_use]
    pub fn candidate(&self) -> Option<usize> {
        match self {
            Self::RecordVersion { candidate, .. }
            | Self::RecordNonsensical { candidate, .. }
            | Self::RecordCopied { candidate, .. }
            | Self::Duplicate { candidate, .. }
            | Self::RemovedFromMiddle { candidate, .. }
            | Self::NumberBeyondCount { candidate, .. }
            | Self::StaleComponent { candidate, .. }
            | Self::RecordsDisagree { candidate, .. } => Some(*candidate),
            _ => None,
        }
    }

    /// The unclaimed disk that it is about.
    #[must_use]
    pub fn unclaimed_disk(&self) -> Option<usize> {
        match self {
            Self::MagicDamaged { disk, .. }
            | Self::RecordLost { disk, .. }
            | Self::RecordOverwritten { disk, .. } => Some(*disk),
            _ => None,
        }
    }
}
