//! Findings in words: what is wrong, and what FreeBSD does about it.

use alloc::format;
use alloc::string::String;

use super::{Because, Fault, Numbering, Torn};
use crate::counted::{agreeing, counted};
use crate::format::Printable;
use crate::geometry::ComponentIndex;

/// Something a finding speaks of that people know by another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// A component of the volume.
    Component(ComponentIndex),
    /// A candidate, by the index under which it was offered for assembly.
    Candidate(usize),
    /// An unclaimed disk, by its index.
    Disk(usize),
}

impl Fault {
    /// What is wrong, in one sentence without a full stop. `name` says what to call a party: "component 1
    /// (disk1.img)".
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one line or two for each kind of fault")]
    pub fn message(&self, name: &dyn Fn(Party) -> String) -> String {
        let component = |index: &ComponentIndex| name(Party::Component(*index));
        let candidate = |candidate: &usize| name(Party::Candidate(*candidate));
        match self {
            Self::ComponentMissing { index: ComponentIndex(0), .. } => {
                "component 0 is missing, and the allocation map with it".into()
            }
            Self::ComponentMissing { index, entries: None } => format!("component {index} is missing"),
            Self::ComponentMissing { index, entries: Some(0) } => {
                format!("component {index} is missing; no data lies on it")
            }
            Self::ComponentMissing { index, entries: Some(entries) } => {
                format!("component {index} is missing, and {} on it", chunks_lie(*entries))
            }
            Self::RecordVersion { candidate: number, index, version, .. } => format!(
                "the record of {} (component {index}) says version {version}; only version 1 was ever made",
                candidate(number)
            ),
            Self::RecordNonsensical { candidate: number, count, chunk_size, virtual_size } => format!(
                "the record of {} describes no volume: {}, chunks of {}, virtual size {virtual_size}",
                candidate(number),
                counted(*count, "component"),
                counted(*chunk_size, "byte")
            ),
            Self::MagicDamaged { disk, index, magic } => format!(
                "{} ends in the record of component {index}, but for its magic, which reads '{}'",
                name(Party::Disk(*disk)),
                Printable(magic)
            ),
            Self::RecordLost { disk, index, entries, because } => format!(
                "{} has no record, and {}",
                name(Party::Disk(*disk)),
                match because {
                    Because::Map => format!(
                        "starts with the map of this volume ({}): it is component {index}",
                        counted(*entries, "entry")
                    ),
                    Because::OneOfSeveral => format!(
                        "starts with the map of this volume ({}): it may be component {index}",
                        counted(*entries, "entry")
                    ),
                    Because::Elimination => format!(
                        "nothing else is left that could be component {index}; {} there, and it is long enough",
                        chunks_lie(*entries)
                    ),
                }
            ),
            Self::OrphanData { chunks, below, first } => {
                let looks =
                    first.looks_like.map_or_else(String::new, |what| format!(", which looks like {what}"));
                let handed_out = match below {
                    0 => String::new(),
                    below => format!("; {below} of them {} handed out once", agreeing(*below, "was", "were")),
                };
                format!(
                    "{} holds data in {} that no map entry names, the first is chunk {}{looks}{handed_out}",
                    component(&first.index),
                    counted(*chunks, "chunk"),
                    first.chunk.0
                )
            }
            Self::ZeroChunks { index, chunks, first } => format!(
                "{} in use on {} {} nothing but zeros, the first is chunk {}",
                counted(*chunks, "chunk"),
                component(index),
                agreeing(*chunks, "holds", "hold"),
                first.0
            ),
            Self::TailData { index, offset } => format!(
                "{} holds data between its last chunk and its record, from byte {offset} on",
                component(index)
            ),
            Self::ReserveNotEmpty { offset } => format!(
                "there is data in the reserve behind the map, from byte {offset} of component 0 on: an older, longer \
                 map perhaps"
            ),
            Self::DataUnreadable { index, bytes, start, .. } => format!(
                "{} of the volume {} where {} could not be read, the first at byte {start}",
                counted(*bytes, "byte"),
                agreeing(*bytes, "lies", "lie"),
                component(index)
            ),
            Self::RecordOverwritten { disk, index, chunk, owner, start } => format!(
                "the record of component {index} on {} was overwritten by chunk {}, which reaches into its sector \
                 and holds virtual chunk {}; the sector at byte {start} of the volume is damaged",
                name(Party::Disk(*disk)),
                chunk.0,
                owner.0
            ),
            Self::RecordCopied { candidate: number, original, index, missing } => format!(
                "{} carries the record of component {index} ({}) with another cursor; component {missing} has none",
                candidate(number),
                candidate(original)
            ),
            Self::Duplicate { candidate: number, kept, index, differs } => format!(
                "both {} and {} are component {index}; {}",
                candidate(kept),
                candidate(number),
                if *differs { "their records differ" } else { "their records are the same" }
            ),
            Self::NameShared { id, .. } => format!("another volume has the same name and the id {id}"),
            Self::Torn { way, old_count, new_count, updated, outdated } => format!(
                "{} a component stopped half-way: {} {} {}, {outdated} {} {old_count}",
                match way {
                    Torn::Add => "adding",
                    Torn::Remove => "removing",
                },
                counted(*updated, "record"),
                agreeing(*updated, "says", "say"),
                counted(*new_count, "component"),
                agreeing(*outdated, "says", "say")
            ),
            Self::TornRename { old_name, new_name, updated, outdated } => format!(
                "renaming {old_name} to {new_name} stopped half-way: {} {} the new name, {outdated} {} the old one",
                counted(*updated, "record"),
                agreeing(*updated, "has", "have"),
                agreeing(*outdated, "has", "have")
            ),
            Self::RemovedFromMiddle { candidate: number, index, missing, entries, numbering } => format!(
                "component {missing} was removed, and {} kept the number {index}{}",
                candidate(number),
                match (entries, numbering) {
                    (0, _) => String::new(),
                    (_, Numbering::Unclear) => format!("; {} on the removed one", chunks_lie(*entries)),
                    _ => format!(
                        "; {} {} the one behind it by the free number",
                        counted(*entries, "map entry"),
                        agreeing(*entries, "names", "name")
                    ),
                }
            ),
            Self::NumberBeyondCount { candidate: number, index, count } => {
                format!("{} says it is component {index} of {count}", candidate(number))
            }
            Self::StaleComponent { index, count, expected, entries, .. } => format!(
                "the record of {} is older than its siblings': it knows {}, they know {expected}; its data may be as old, \
                 and {} on it",
                component(index),
                counted(*count, "component"),
                chunks_lie(*entries)
            ),
            Self::RecordsDisagree { candidate: number, field, value, expected, .. } => format!(
                "the record of {} has {field} {value}, the first one has {expected}",
                candidate(number)
            ),
            Self::SizeChanged { index, provsize, size, entries, .. } => format!(
                "{} has {}, its record says {provsize}{}",
                component(index),
                counted(*size, "byte"),
                if *entries > 0 {
                    format!("; {} behind its end", chunks_lie(*entries))
                } else {
                    String::new()
                }
            ),
            Self::ComponentGrown { index, provsize } => format!(
                "the record of {} stands at the end of its first {}, and the file goes on",
                component(index),
                counted(*provsize, "byte")
            ),
            Self::ComponentInside { index, start } => {
                format!("{} starts at byte {start} of its file, in no partition", component(index))
            }
            Self::HardcodedNameCut { index, name, certain: true } => format!(
                "{} wants the provider name '{name}', which fills its field: the name was too long",
                component(index)
            ),
            Self::HardcodedNameCut { index, name, .. } => format!(
                "{} wants the provider name '{name}', which may be the first 15 letters of a longer one",
                component(index)
            ),
            Self::HardcodedNameDiffers { index, name } => {
                format!("{} wants to be offered under the provider name '{name}'", component(index))
            }
            Self::VolumeNameUnterminated { name } => {
                format!("the name of the volume, '{name}', fills its field")
            }
            Self::VolumeNameEmpty => "the volume has no name".into(),
            Self::SectorSizeDiffers { index, sector_size, expected } => {
                format!(
                    "{} has sectors of {}, the volume has {expected}",
                    component(index),
                    counted(*sector_size, "byte")
                )
            }
            Self::LastChunkOverlaps { index, chunk_count, room, owner } => format!(
                "{} has room for {} before its record, which says {chunk_count}; {}",
                component(index),
                counted(*room, "chunk"),
                match owner {
                    None => "the rest is not used yet".into(),
                    Some((chunk, owner)) => {
                        format!("chunk {} holds virtual chunk {}", chunk.0, owner.0)
                    }
                }
            ),
            Self::ComponentTooSmall { index, chunk_count, reserved, size } => format!(
                "{} is smaller than label demands: {}, {}, {reserved} of them reserved",
                component(index),
                counted(*size, "byte"),
                counted(*chunk_count, "chunk")
            ),
            Self::VirtualSizeRagged { recorded, rounded } => format!(
                "the virtual size, {}, is no multiple of the chunk size; whole chunks make {rounded}",
                counted(*recorded, "byte")
            ),
            Self::MapNotWholeSectors { entries, unread } => {
                format!(
                    "the map has {}, the last {unread} of which {} not fill a sector",
                    counted(*entries, "entry"),
                    agreeing(*unread, "does", "do")
                )
            }
            Self::MapTooLong { needed, available } => {
                format!("the map needs {}, component 0 has room for {available}", counted(*needed, "entry"))
            }
            Self::MapOverlapsRecord { map_len, room } => format!(
                "the map has {} and reaches into the record of component 0, which starts at {room}",
                counted(*map_len, "byte")
            ),
            Self::ReserveTooSmall { reserved, needed, entries } => format!(
                "component 0 reserves {}, the map needs {needed}{}",
                counted(*reserved, "chunk"),
                if *entries > 0 { format!("; {} in it", chunks_lie(*entries)) } else { String::new() }
            ),
            Self::MapUnreadable { entries, error } => {
                format!("{} of the map cannot be read: {error}", counted(*entries, "entry"))
            }
            Self::MapBigEndian { allocated } => {
                format!(
                    "the map was written by a big-endian machine (sparc64, powerpc): {}",
                    counted(*allocated, "entry")
                )
            }
            Self::EntryNamesNoComponent { at, entry, count } => {
                let are = agreeing(*count, "is", "are");
                format!("map entry {} names component {}, and there {are} {count}", at.0, entry.component)
            }
            Self::EntryNamesNoChunk { at, entry, chunk_count } => format!(
                "map entry {} names chunk {} of {}, which has {chunk_count}",
                at.0,
                entry.chunk.0,
                component(&entry.component)
            ),
            Self::EntryPastEnd { at, entry, size } => format!(
                "map entry {} names chunk {} of {}, which ends at byte {size}",
                at.0,
                entry.chunk.0,
                component(&entry.component)
            ),
            Self::EntryInsideMap { at, entry } => format!(
                "map entry {} names chunk {} of component 0, which the map lies in",
                at.0, entry.chunk.0
            ),
            Self::EntryInReserve { at, entry, reserved } => format!(
                "map entry {} names chunk {} of {}, where the first {reserved} {} reserved",
                at.0,
                entry.chunk.0,
                component(&entry.component),
                agreeing(*reserved, "is", "are")
            ),
            Self::EntryUnknownFlags { at, entry } => {
                format!("map entry {} has the flags {:#06x}; only 0x0001 means something", at.0, entry.flags)
            }
            Self::UnallocatedNotZero { at, entry, .. } => format!(
                "map entry {} is not allocated, but not zero: flags {:#06x}, component {}, chunk {}",
                at.0, entry.flags, entry.component, entry.chunk.0
            ),
            Self::ChunkShared { index, chunk, first, second } => format!(
                "chunk {} of {} belongs to virtual chunk {} and to one more: {}",
                chunk.0,
                component(index),
                second.0,
                first.map_or("unknown".into(), |first| format!("{}", first.0))
            ),
            Self::MapSectorsZeroed { first, entries, sectors, orphans } => format!(
                "{} {} in use and no map entry names {}, and {} of the map {} zero, first the {} from {}: they may \
                 have been lost",
                counted(*orphans, "chunk"),
                agreeing(*orphans, "is", "are"),
                agreeing(*orphans, "it", "them"),
                counted(*sectors, "whole sector"),
                agreeing(*sectors, "is", "are"),
                counted(*entries, "entry"),
                first.0
            ),
            Self::EntriesLost { index, recorded, counted: known } => format!(
                "{} handed out its chunks up to {recorded}, the map knows {known}: {} never reached the map",
                component(index),
                counted(u64::from(*recorded).saturating_sub(*known), "entry")
            ),
            Self::ChunkReuseAhead { index, next, victim, first_hole, holes } => format!(
                "{} has {} below used ones, from chunk {} on: its next new chunk is {next}, and chunk {} is in use",
                component(index),
                counted(*holes, "unused chunk"),
                first_hole.0,
                victim.0
            ),
            Self::ChunkHole { index, first_hole, holes } => format!(
                "{} has {} below used ones, from chunk {} on",
                component(index),
                counted(*holes, "unused chunk"),
                first_hole.0
            ),
            Self::AllocationPastEnd { index, chunk, chunk_count, current, before, after_stop, .. } => {
                format!(
                    "{} allocation starts on component {current}, and after {} comes chunk {chunk} of {}, which has \
                     {chunk_count}",
                    if *after_stop { "after the next stop" } else { "at the next start" },
                    counted(*before, "chunk"),
                    component(index)
                )
            }
            Self::AllocationOutOfOrder { index, free, later, .. } => format!(
                "{} has {}, and component {later} behind it is in use",
                component(index),
                counted(*free, "free chunk")
            ),
            Self::StaleCursor { index, recorded, counted: known } => format!(
                "the record of {} says its next chunk is {recorded}, by the map it is {known}",
                component(index)
            ),
            Self::UncleanStop { components, chunks } => format!(
                "the volume was not closed after {} on {} {} handed out",
                counted(*chunks, "chunk"),
                counted(*components, "component"),
                agreeing(*chunks, "was", "were")
            ),
            Self::FlagsUnknown { index, flags } => {
                format!("the flags of {} are garbage: {flags:#06x}", component(index))
            }
            Self::AllocatedFlagMissing { index, entries } => {
                format!("{} is not marked as allocated, and {} on it", component(index), chunks_lie(*entries))
            }
            Self::AllocatedFlagUnneeded { index } => {
                format!("{} is marked as allocated, and nothing lies on it", component(index))
            }
            Self::CurrentFlagMisplaced { expected, marked: None, .. } => {
                format!("no component is marked as the current one; it would be {}", component(expected))
            }
            Self::CurrentFlagMisplaced { expected, marked: Some(marked), count } => format!(
                "component {marked} is marked as the current one{}; it would be {}",
                if *count > 1 { format!(", with {} more", count - 1) } else { String::new() },
                component(expected)
            ),
        }
    }

    /// What FreeBSD does about it, in one sentence.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one line or two for each kind of fault")]
    pub fn freebsd(&self) -> &'static str {
        match self {
            Self::ComponentMissing { .. } => {
                "FreeBSD waits for it and gives no device; reading the configuration meanwhile (gvirstor list, gpart \
                 show) panics the machine."
            }
            Self::RecordVersion { .. } => "FreeBSD logs the version and does not take the component.",
            Self::RecordNonsensical { .. } => "FreeBSD calls the metadata nonsensical and makes no device.",
            Self::MagicDamaged { .. } => "FreeBSD sees no virstor there, so the volume stays incomplete.",
            Self::RecordLost { .. } => "FreeBSD sees no virstor there, so the volume stays incomplete.",
            Self::OrphanData { below: 1.., .. } => {
                "FreeBSD reads zeros where the entries are missing, and writes over these chunks next."
            }
            Self::OrphanData { .. } => {
                "FreeBSD does not look; when it hands a chunk out, what is in it can be read."
            }
            Self::ZeroChunks { .. } => "FreeBSD never gives a chunk back; compact does.",
            Self::TailData { .. } => "FreeBSD never reads it.",
            Self::ReserveNotEmpty { .. } => "FreeBSD never reads it; it matters only when the volume grows.",
            Self::DataUnreadable { .. } => {
                "FreeBSD starts the volume, and reads there fail as those of the disk do."
            }
            Self::RecordOverwritten { .. } => {
                "FreeBSD destroyed the record itself, sees no virstor there, and the volume stays incomplete."
            }
            Self::RecordCopied { .. } => {
                "FreeBSD refuses the second component of one number, so the volume stays incomplete."
            }
            Self::Duplicate { .. } => "FreeBSD takes the one it tastes first, whichever that is.",
            Self::NameShared { refused: true, .. } => {
                "FreeBSD refuses this volume, because it tastes the other one first."
            }
            Self::NameShared { .. } => "FreeBSD takes the volume it tastes first and refuses the other.",
            Self::Torn { .. } => {
                "FreeBSD believes the record it tastes first, so the order of disks decides."
            }
            Self::TornRename { .. } => {
                "FreeBSD takes the components for two volumes, and waits for the rest of each for ever."
            }
            Self::RemovedFromMiddle { .. } => {
                "FreeBSD refuses the component with the high number and waits for the removed one for ever."
            }
            Self::NumberBeyondCount { .. } => "FreeBSD refuses the component.",
            Self::StaleComponent { .. } => {
                "FreeBSD uses the old component like any other, and believes its record if it tastes it first."
            }
            Self::RecordsDisagree { .. } => "FreeBSD believes the record it tastes first, and compares none.",
            Self::SizeChanged { .. } => {
                "FreeBSD passes over the component without a word, so the volume stays incomplete."
            }
            Self::ComponentGrown { .. } | Self::ComponentInside { .. } => {
                "FreeBSD looks for the record in the last sector only, so the volume stays incomplete."
            }
            Self::HardcodedNameCut { .. } => {
                "FreeBSD compares the whole provider name with what is left of it, and they never match."
            }
            Self::HardcodedNameDiffers { .. } => "FreeBSD takes the component under that name only.",
            Self::VolumeNameUnterminated { .. } => {
                "FreeBSD reads on into the id, so the device gets a longer and stranger name."
            }
            Self::VolumeNameEmpty => "FreeBSD makes the device 'virstor/'.",
            Self::SectorSizeDiffers { .. } => {
                "FreeBSD refuses the component, and then those that follow and have the right size."
            }
            Self::LastChunkOverlaps { owner: None, .. } => {
                "FreeBSD will put data over the record when the chunk is used, and then find no component there."
            }
            Self::LastChunkOverlaps { .. } => {
                "FreeBSD reads the record as data; a write to the end of the chunk destroys the record."
            }
            Self::ComponentTooSmall { index: ComponentIndex(0), chunk_count: 0, .. } => {
                "FreeBSD finds every entry of the map invalid and gives no device."
            }
            Self::ComponentTooSmall { .. } => "FreeBSD's label says so, labels it all the same, and uses it.",
            Self::VirtualSizeRagged { .. } => "FreeBSD panics when it tastes the last component.",
            Self::MapNotWholeSectors { .. } => {
                "FreeBSD reads whole sectors of the map only, and takes the rest from uninitialised memory."
            }
            Self::MapTooLong { .. } => "FreeBSD cannot read the map and gives no device.",
            Self::MapOverlapsRecord { .. } => {
                "FreeBSD writes entries over the record and the record over entries."
            }
            Self::ReserveTooSmall { .. } => {
                "FreeBSD hands out chunks that the map lies in, and overwrites it."
            }
            Self::MapUnreadable { .. } => {
                "FreeBSD gives no device after the first read error, and panics when the volume is stopped."
            }
            Self::MapBigEndian { .. } => {
                "FreeBSD on a little-endian machine finds the entries invalid and gives no device."
            }
            Self::EntryNamesNoComponent { .. } | Self::UnallocatedNotZero { valid: false, .. } => {
                "FreeBSD gives no device for one such entry, and may panic when it logs it."
            }
            Self::EntryNamesNoChunk { .. } => "FreeBSD gives no device for one such entry.",
            Self::EntryPastEnd { .. } => {
                "FreeBSD drops writes there and reports success; reads give whatever was in memory."
            }
            Self::EntryInsideMap { .. } => {
                "FreeBSD does not notice: writes to the chunk destroy the map, and map updates the chunk."
            }
            Self::EntryInReserve { .. } => {
                "FreeBSD does not notice, and skips a chunk when it allocates, which leaves a hole."
            }
            Self::EntryUnknownFlags { .. } => "FreeBSD looks at bit 0 only.",
            Self::UnallocatedNotZero { .. } => "FreeBSD reads the chunk as zeros.",
            Self::ChunkShared { .. } => "FreeBSD does not notice: a write to one changes the other.",
            Self::MapSectorsZeroed { .. } => {
                "FreeBSD reads zeros where the entries are gone, and hands their chunks out again."
            }
            Self::EntriesLost { .. } => {
                "FreeBSD corrects its cursor, reads zeros where the entries are missing, and hands the chunks out again."
            }
            Self::ChunkReuseAhead { .. } => {
                "FreeBSD counts entries instead of looking, and will give a used chunk a second owner."
            }
            Self::ChunkHole { .. } => {
                "FreeBSD counts entries instead of looking; now shared chunks make up for the hole."
            }
            Self::AllocationPastEnd { .. } => {
                "FreeBSD writes there, over the record and past the end, and gives no device at the next start."
            }
            Self::AllocationOutOfOrder { .. } => {
                "FreeBSD goes back to the earlier component after a clean stop."
            }
            Self::StaleCursor { .. } => "FreeBSD counts the entries at the start and corrects the cursor.",
            Self::UncleanStop { .. } => {
                "FreeBSD does not notice; chunks handed out last may hold old contents of the disk."
            }
            Self::FlagsUnknown { .. } => {
                "FreeBSD's add leaves them to chance; its remove looks at bit 0 alone before it wipes the record."
            }
            Self::AllocatedFlagMissing { .. } => {
                "FreeBSD's remove accepts the component and wipes its record, data or not."
            }
            Self::AllocatedFlagUnneeded { .. } => "FreeBSD's remove refuses the component.",
            Self::CurrentFlagMisplaced { .. } => "FreeBSD never reads this mark.",
        }
    }
}

/// "1 chunk of data lies", "2 chunks of data lie".
fn chunks_lie(chunks: u64) -> String {
    format!("{} of data {}", counted(chunks, "chunk"), agreeing(chunks, "lies", "lie"))
}
