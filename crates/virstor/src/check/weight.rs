//! What kind of fault a fault is, how bad it is, and what mending it costs.

use super::{Because, Code, Fault, Numbering, Repair, Severity, Torn};
use crate::geometry::ComponentIndex;

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
            Self::ComponentMissing { entries: Some(0), index } if index.0 > 0 => Repair::Lossy,
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
}
