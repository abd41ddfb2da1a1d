//! What records say of sizes: of the disk, of the volume, of the reserve.

use alloc::vec::Vec;

use zerocopy::byteorder::{U16, U32, U64};

use super::Records;
use crate::check::sizes::can_be_rounded;
use crate::edit::EntryEdit;
use crate::format::MAP_ENTRY_LEN;
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::ReadAt;
use crate::repair::Stage;

impl Records {
    /// Makes the record say how long the disk is. Chunks that it gained are used only where nothing lies behind the
    /// component: the kernel, having filled them, would go on behind the end of the next one if that is full.
    pub(super) fn resize<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, index: ComponentIndex) -> bool {
        let Some(seat) = stage.seat(index) else { return false };
        let size = stage.scene.seats[seat].disk.size();
        let room = room(stage, seat);
        let survey = self.survey.as_ref();
        let behind = survey
            .is_none_or(|survey| survey.parts.iter().skip(index.as_usize() + 1).any(|part| part.entries > 0));
        let highest = survey.and_then(|survey| survey.parts.get(index.as_usize())?.highest);
        self.rest.moved.insert(seat);
        let record = self.target(stage, seat);
        let old = record.chunk_count.get();
        // A chunk that the new record cuts into is moved by a later step, as long as it exists.
        let needed = room.saturating_add(u32::from(highest == Some(room) && old > room));
        let fitting = if old > room {
            needed
        } else if behind {
            old
        } else {
            room
        };
        record.provsize = U64::new(size);
        record.chunk_count = U32::new(fitting);
        true
    }

    /// Remembers to clear the record at the old end, unless a chunk in use lies over it.
    pub(super) fn clear_old<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        index: ComponentIndex,
        provsize: u64,
    ) -> bool {
        let (Some(seat), Some(survey)) = (stage.seat(index), self.survey.as_ref()) else { return true };
        let sector = u64::from(stage.volume.sector_size);
        let Some(offset) = provsize.checked_sub(sector) else { return true };
        let chunk = u32::try_from(offset / stage.volume.chunk_size.bytes()).unwrap_or(u32::MAX);
        let owner = survey.parts[index.as_usize()].highest.is_some_and(|highest| highest >= chunk);
        if !owner && offset + sector < stage.scene.seats[seat].disk.size() {
            self.rest.old_records.push((seat, offset));
        }
        true
    }

    /// Makes the virtual size whole chunks, and so many that the map has whole sectors, as label does.
    pub(super) fn round_size<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>) -> bool {
        let (volume, chunk_size) = (stage.volume, stage.volume.chunk_size.bytes());
        let per_sector = u64::from(volume.sector_size) / MAP_ENTRY_LEN as u64;
        let chunks = volume.virtual_chunks();
        let Some(survey) = &self.survey else { return false };
        let lowest = survey.parts.first().and_then(|first| first.owned.owned_from(0));
        if !can_be_rounded(volume, lowest) {
            return false;
        }
        let rounded = chunks.next_multiple_of(per_sector);
        let size = rounded * chunk_size;
        // What stood behind the end of the map is nobody's, as no chunk in use lies there.
        let Some(seat) = stage.seat(ComponentIndex(0)) else { return false };
        let mut entries = Vec::new();
        for at in chunks..rounded {
            let mut before = [0; MAP_ENTRY_LEN];
            if stage.scene.seats[seat].disk.read_at(at * MAP_ENTRY_LEN as u64, &mut before).is_err() {
                return false;
            }
            if before != [0; MAP_ENTRY_LEN] {
                entries.push(EntryEdit { at: VirtualChunk(at), before, after: [0; MAP_ENTRY_LEN] });
            }
        }
        self.rest.entries = entries;
        self.rest.alone = true;
        // As long as the record that decides is the old one, the finding is there.
        self.rest.last = Self::deciding(stage);
        self.all(stage, |record| record.md_virsize = U64::new(size));
        true
    }

    /// Reserves what the map needs, twice if no chunk in use is in the way.
    pub(super) fn reserve<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, needed: u64) -> bool {
        let Some(survey) = &self.survey else { return false };
        let part = &survey.parts[0];
        let used_from = part.owned.owned_from(0).map_or(u64::MAX, u64::from);
        let reserved = (2 * needed).min(used_from).min(u64::from(part.end())).max(needed);
        let Ok(reserved) = u16::try_from(reserved.min(u64::from(u16::MAX))) else { return false };
        if u64::from(reserved) < needed {
            return false;
        }
        self.edit(stage, ComponentIndex(0), |record| {
            record.chunk_reserved = U16::new(reserved);
            let next = record.chunk_next.get().max(u32::from(reserved));
            record.chunk_next = U32::new(next);
        })
    }
}

/// How many chunks the disk has room for before its record.
pub(super) fn room<D: ReadAt + Clone>(stage: &Stage<'_, D>, seat: usize) -> u32 {
    u32::try_from(stage.record_offset(seat) / stage.volume.chunk_size.bytes()).unwrap_or(u32::MAX)
}
