//! What the entries of the map name: nothing that cannot be, and nothing twice.
//!
//! The first entry that names a chunk keeps it; each later one gets a copy. Chunks that lie where none may (in the
//! reserve, in the map, over the record) are copied to free ones, bytes as they read now. What cannot be read at
//! all becomes a hole, when something may be given up.

use alloc::vec::Vec;

use super::survey::{Survey, for_each_entry};
use super::{
    Action, Changes, EntryChange, Loss, MOST_CHANGES, Misplaced, NO_ENTRY, RepairError, Stage, seat_number,
};
use crate::check::ownership::Ownership;
use crate::check::{Code, OF_ENTRIES};
use crate::edit::{Edits, EntryEdit};
use crate::format::{ByteOrder, MapEntry};
use crate::geometry::VirtualChunk;
use crate::io::ReadAt;

pub(super) fn plan<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
    if !OF_ENTRIES.into_iter().any(|code| stage.answers(code)) || stage.volume.components.is_empty() {
        return Ok(());
    }
    let (Some(disk), Some(survey)) = (stage.map_disk(), stage.survey()) else { return Ok(()) };
    let mut claimed: Vec<Ownership> = Vec::new();
    claimed.resize_with(survey.parts.len(), Ownership::default);
    let contested = stage.report_has(Code::EntryInsideMap);
    let mut judge = Judge { survey, contested, claimed, changed: 0, piles: Vec::new() };
    let order = stage.order();
    for_each_entry(stage.volume, &disk, order, |at, entry| {
        if judge.changed < MOST_CHANGES {
            judge.entry(stage, at, entry);
        }
    });
    for pile in judge.piles {
        let first = pile.changes.first.expect("a pile begins with its first");
        let count = pile.changes.count;
        let action = match pile.kind.copy {
            Some(why) => Action::Copy { why, count, first },
            None => Action::Entries { way: pile.kind.way, count, first },
        };
        let loss = match pile.kind.loses {
            None => None,
            Some(Loses::Entry) => Some(Loss::Entries { count, first: first.0 }),
            Some(Loses::ForWantOfRoom) => Some(Loss::NoRoom { count, first: first.0 }),
            Some(Loses::Tail) => Some(Loss::Tails { count, first: first.0 }),
        };
        stage.step([pile.kind.code], action, loss, &pile.edits)?;
    }
    Ok(())
}

/// Entries that are answered in the same way: one step.
struct Pile {
    kind: Kind,
    changes: Changes,
    edits: Edits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    code: Code,
    way: EntryChange,
    copy: Option<Misplaced>,
    loses: Option<Loses>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loses {
    Entry,
    ForWantOfRoom,
    Tail,
}

struct Judge {
    survey: Survey,
    /// Whether chunks with data lie in the map: what is there may be theirs, and only what moves them may write there.
    contested: bool,
    /// The chunks that entries before this one name.
    claimed: Vec<Ownership>,
    changed: usize,
    piles: Vec<Pile>,
}

impl Judge {
    fn entry<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, at: VirtualChunk, entry: MapEntry) {
        let plain = MapEntry { flags: MapEntry::ALLOCATED, ..entry };
        let change = |code, way| Kind { code, way, copy: None, loses: None };
        if !entry.is_allocated() {
            let kind = change(Code::UnallocatedNotZero, EntryChange::Unallocated);
            return self.change(stage, kind, at, entry, NO_ENTRY);
        }
        let Some(part) = self.survey.parts.get(entry.component.as_usize()) else {
            _ = self.give_up(stage, Code::EntryNamesNoComponent, Loses::Entry, at, entry);
            return;
        };
        let (chunk, present) = (entry.chunk.0, part.present);
        let (room, chunk_count) = (part.room, part.chunk_count);
        let (in_map, reserved) = (part.in_map, part.reserved);
        if present && chunk >= chunk_count {
            let code = if chunk == chunk_count { Code::EntryAtChunkCount } else { Code::EntryNamesNoChunk };
            _ = match chunk <= room {
                true => self.copy(stage, code, Misplaced::BehindLast, at, entry),
                false => self.give_up(stage, code, Loses::Entry, at, entry),
            };
            return;
        }
        if present && chunk > room {
            _ = self.give_up(stage, Code::EntryPastEnd, Loses::Entry, at, entry);
            return;
        }
        let mut stays = true;
        if present && chunk == room {
            stays = !self.copy(stage, Code::LastChunkOverlaps, Misplaced::OverRecord, at, entry);
        } else if chunk < in_map {
            stays = !self.copy(stage, Code::EntryInsideMap, Misplaced::InsideMap, at, entry);
        } else if chunk < reserved {
            stays = !self.copy(stage, Code::EntryInReserve, Misplaced::InReserve, at, entry);
        }
        let mut second = false;
        if present && stays {
            let claimed = &mut self.claimed[entry.component.as_usize()];
            claimed.claim(chunk, chunk, &mut |_| second = true);
        }
        if second {
            stays = !self.copy(stage, Code::ChunkShared, Misplaced::Shared, at, entry);
        }
        if stays && entry != plain {
            self.change(stage, change(Code::EntryUnknownFlags, EntryChange::Flags), at, entry, plain);
        }
    }

    /// Copies the chunk that `entry` names to a free one, if there is one, and lets the entry name that; or gives it
    /// up. Whether the entry changes.
    fn copy<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        code: Code,
        why: Misplaced,
        at: VirtualChunk,
        entry: MapEntry,
    ) -> bool {
        let lossy = matches!(why, Misplaced::BehindLast | Misplaced::InsideMap);
        if !self.may_change(stage, code, at) || (lossy && !stage.options.lossy) {
            return false;
        }
        let (Some(from), chunk_size) = (stage.seat(entry.component), stage.volume.chunk_size) else {
            return false;
        };
        let start = chunk_size.offset_of(entry.chunk);
        let size = stage.scene.seats[from].disk.size();
        // Behind the last chunk there is the record: what lies there is not the chunk's.
        let sector = if why == Misplaced::BehindLast { u64::from(stage.volume.sector_size) } else { 0 };
        let len = size.saturating_sub(sector).saturating_sub(start).min(chunk_size.bytes());
        if len == 0 {
            return self.give_up(stage, code, Loses::Entry, at, entry);
        }
        let Some((component, chunk)) = self.survey.take_free() else {
            // What is shared, or only reserved, can stay: it reads as it did.
            if matches!(why, Misplaced::Shared | Misplaced::InReserve) {
                return false;
            }
            return self.give_up(stage, code, Loses::ForWantOfRoom, at, entry);
        };
        let seat = stage.seat(component).expect("only components that are there have free chunks");
        let (from, to) = (seat_number(from), seat_number(seat));
        let target = chunk_size.offset_of(chunk);
        let loses = (why == Misplaced::BehindLast && len < chunk_size.bytes()).then_some(Loses::Tail);
        let kind = Kind { code, way: EntryChange::Flags, copy: Some(why), loses };
        let order = stage.order();
        let after = MapEntry { flags: MapEntry::ALLOCATED, component, chunk };
        let pile = self.pile(stage, kind);
        pile.edits.copies.push(((from, start), (to, target), len));
        if len < chunk_size.bytes() {
            pile.edits.zeros.push(((to, target + len), chunk_size.bytes() - len));
        }
        pile.push(at, entry, after, order);
        self.changed += 1;
        true
    }

    fn give_up<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        code: Code,
        loses: Loses,
        at: VirtualChunk,
        entry: MapEntry,
    ) -> bool {
        if stage.options.lossy {
            let kind = Kind { code, way: EntryChange::GiveUp, copy: None, loses: Some(loses) };
            self.change(stage, kind, at, entry, NO_ENTRY);
        }
        stage.options.lossy && stage.options.wants(code)
    }

    fn change<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        kind: Kind,
        at: VirtualChunk,
        before: MapEntry,
        after: MapEntry,
    ) {
        if self.may_change(stage, kind.code, at) {
            self.pile(stage, kind).push(at, before, after, stage.order());
            self.changed += 1;
        }
    }

    fn may_change<D>(&self, stage: &Stage<'_, D>, code: Code, at: VirtualChunk) -> bool {
        let is_contested = self.contested && stage.volume.is_behind_reserve(at);
        stage.options.wants(code) && (stage.options.lossy || !is_contested)
    }

    fn pile<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, kind: Kind) -> &mut Pile {
        let known = self.piles.iter().position(|pile| pile.kind == kind);
        let position = known.unwrap_or_else(|| {
            self.piles.push(Pile { kind, changes: Changes::default(), edits: stage.edits() });
            self.piles.len() - 1
        });
        &mut self.piles[position]
    }
}

impl Pile {
    fn push(&mut self, at: VirtualChunk, before: MapEntry, after: MapEntry, order: ByteOrder) {
        self.edits.entries.push(EntryEdit::new(at, before, after, order));
        self.changes.push(at, before, after);
    }
}
