//! The names of the kinds of findings, as scripts see them, and the hazard and the invariant each belongs to.

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

/// The kinds of findings that are about single entries.
pub(crate) const OF_ENTRIES: [Code; 10] = [
    Code::EntryUnknownFlags,
    Code::UnallocatedNotZero,
    Code::EntryNamesNoComponent,
    Code::EntryAtChunkCount,
    Code::EntryNamesNoChunk,
    Code::EntryPastEnd,
    Code::EntryInsideMap,
    Code::EntryInReserve,
    Code::LastChunkOverlaps,
    Code::ChunkShared,
];
