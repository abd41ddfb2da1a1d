//! What a fault is about: a component, a chunk, an entry of the map, a candidate, a disk.

use super::Fault;
use super::deep::Orphan;
use crate::format::MapEntry;
use crate::geometry::{ComponentIndex, VirtualChunk};

impl Fault {
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

    /// Whether it is about a record with a number that no change which was cut off leaves: it may be that of any component that
    /// is missing.
    pub(crate) fn is_far_beyond_count(&self) -> bool {
        matches!(self, Self::NumberBeyondCount { index, count, .. } if index.0 > *count)
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
