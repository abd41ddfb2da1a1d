//! Components whose record is lost, and components that are gone.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use zerocopy::byteorder::{U16, U32, U64};

use super::Records;
use super::sizes::room;
use crate::assemble::Volume;
use crate::check::gaps;
use crate::check::unclaimed::own_chunks;
use crate::check::{Because, Code, Fault};
use crate::edit::{EntryEdit, Order};
use crate::format::{ByteOrder, ComponentFlags, MAGIC, MAP_ENTRY_LEN, MapEntry, RECORD_LEN, Record, VERSION};
use crate::geometry::ComponentIndex;
use crate::io::ReadAt;
use crate::map::scan;
use crate::ordered::Set;
use crate::repair::survey::Survey;
use crate::repair::{
    Action, Changes, EntryChange, Loss, Misplaced, NO_ENTRY, RecordChange, RepairError, Stage, Who, numbers,
    seat_number,
};

impl Records {
    /// The rest of the record is there; only its first 16 bytes are written anew.
    pub(super) fn magic<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        disk: usize,
    ) -> Result<bool, RepairError> {
        let Some(seat) = stage.seat_of(Who::Unclaimed(disk)) else { return Ok(false) };
        let mut bytes = [0; RECORD_LEN];
        let from = &stage.scene.seats[seat].disk;
        let offset = stage.record_offset(seat);
        from.read_at(offset, &mut bytes).map_err(|error| RepairError::Disk { seat, error })?;
        let record = self.target(stage, seat);
        *record = Record::decode(&bytes);
        record.md_magic = magic();
        Ok(true)
    }

    /// Makes the record of component `missing` from what its siblings share, its own disk and the map.
    pub(super) fn rebuild<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        candidate: usize,
        missing: ComponentIndex,
    ) -> bool {
        let Some(seat) = stage.seat_of(Who::Candidate(candidate)) else { return false };
        let record = new_record(stage, self.survey.as_ref(), seat, missing);
        *self.target(stage, seat) = record;
        self.rest.moved.insert(seat);
        true
    }

    /// Makes the record of component 0, which is known by its map.
    pub(super) fn find_first<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, disk: usize) -> bool {
        let Some(seat) = stage.seat_of(Who::Unclaimed(disk)) else { return false };
        let Some(own) = own_chunks(stage.volume, &stage.scene.seats[seat].disk, stage.map_order(seat)) else {
            return false;
        };
        let mut record = new_record(stage, None, seat, ComponentIndex(0));
        record.chunk_reserved = U16::new(own.reserved);
        record.chunk_next = U32::new(own.next);
        *self.target(stage, seat) = record;
        true
    }
}

impl<D: ReadAt + Clone> Stage<'_, D> {
    /// The byte order of a map of the volume at the start of the disk in a seat.
    fn map_order(&self, seat: usize) -> ByteOrder {
        let (disk, entries) = (&self.scene.seats[seat].disk, self.volume.virtual_chunks());
        let most = disk.size() / MAP_ENTRY_LEN as u64;
        let go_on = &mut |_, _| ControlFlow::Continue(());
        scan(disk, entries.min(most), &self.volume.bounds(), go_on).order
    }
}

/// The record of a component that has none.
fn new_record<D: ReadAt + Clone>(
    stage: &Stage<'_, D>,
    survey: Option<&Survey>,
    seat: usize,
    index: ComponentIndex,
) -> Record {
    let volume: &Volume = stage.volume;
    let part = survey.and_then(|survey| survey.parts.get(index.as_usize()));
    let room = room(stage, seat);
    let used = part.is_some_and(|part| part.entries > 0);
    let overlapping = part.is_some_and(|part| part.highest == Some(room));
    let map_chunks = volume.map_len().div_ceil(u128::from(volume.chunk_size.bytes()));
    let reserved = if index.0 == 0 { u16::try_from(2 * map_chunks).unwrap_or(u16::MAX) } else { 0 };
    let next = part.map_or(0, |part| part.entries) + u64::from(reserved);
    let flags = if used || index.0 == 0 { ComponentFlags::ALLOCATED } else { 0 };
    Record {
        md_magic: magic(),
        md_version: U32::new(VERSION),
        md_name: volume.name.0,
        md_virsize: U64::new(volume.recorded_size),
        md_chunk_size: U32::new(u32::try_from(volume.chunk_size.bytes()).expect("it has 32 bits on disk")),
        md_id: U32::new(volume.id),
        md_count: U16::new(volume.component_count),
        provider: [0; 16],
        no: U16::new(index.0),
        provsize: U64::new(stage.scene.seats[seat].disk.size()),
        chunk_count: U32::new(room.saturating_add(u32::from(overlapping))),
        chunk_next: U32::new(u32::try_from(next).unwrap_or(u32::MAX)),
        chunk_reserved: U16::new(reserved),
        flags: U16::new(flags),
    }
}

/// A chunk that reached into the last sector has replaced the record: the chunk gets another place, as it reads now,
/// and then the record is written anew.
pub(super) fn restore_overwritten<D: ReadAt + Clone>(
    stage: &mut Stage<'_, D>,
    survey: Option<Survey>,
) -> Result<(), RepairError> {
    let code = Code::RecordOverwritten;
    let Some(mut survey) = survey.filter(|_| stage.answers(code)) else { return Ok(()) };
    let findings = &stage.scene.report.findings;
    let overwritten = findings.iter().find_map(|finding| match finding.fault {
        Fault::RecordOverwritten { disk, index, chunk, owner, .. } => Some((disk, index, chunk, owner)),
        _ => None,
    });
    let Some((disk, index, chunk, owner)) = overwritten else { return Ok(()) };
    let Some(seat) = stage.seat_of(Who::Unclaimed(disk)) else { return Ok(()) };
    let Some(map) = stage.map_disk() else { return Ok(()) };
    let mut bytes = [0; MAP_ENTRY_LEN];
    let read = map.read_at(owner.0 * MAP_ENTRY_LEN as u64, &mut bytes);
    let map_seat = stage.seat(ComponentIndex(0)).unwrap_or(seat);
    read.map_err(|error| RepairError::Disk { seat: map_seat, error })?;
    // Its flags may be any with bit 0.
    let before = MapEntry::decode(bytes, stage.order());
    let free = survey.take_free();
    let after = free.map(|(component, chunk)| MapEntry { flags: MapEntry::ALLOCATED, component, chunk });
    let Some(after) = after.or(stage.options.lossy.then_some(NO_ENTRY)) else { return Ok(()) };
    let mut edits = stage.edits();
    if after.is_allocated() {
        let to = stage.seat(after.component).expect("only components that are there have free chunks");
        let (from, to) = (seat_number(seat), seat_number(to));
        let chunk_size = stage.volume.chunk_size;
        let start = chunk_size.offset_of(chunk);
        let len = (stage.scene.seats[seat].disk.size() - start).min(chunk_size.bytes());
        let target = chunk_size.offset_of(after.chunk);
        edits.copies.push(((from, start), (to, target), len));
        if len < chunk_size.bytes() {
            edits.zeros.push(((to, target + len), chunk_size.bytes() - len));
        }
    }
    edits.entries.push(EntryEdit::new(owner, before, after, stage.order()));
    let mut record = new_record(stage, Some(&survey), seat, index);
    let room = room(stage, seat);
    record.chunk_count = U32::new(room);
    record.chunk_next = U32::new(record.chunk_next.get().saturating_sub(1));
    let offset = stage.record_offset(seat);
    let change = RecordChange { seat, offset, before: None, after: record };
    edits.records.push(stage.record_edit(&change)?);
    let mut changes = Changes::default();
    changes.push(owner, before, after);
    let first = changes.first.expect("it was pushed");
    let (action, loss) = if after.is_allocated() {
        (Action::Copy { why: Misplaced::OverRecord, count: 1, first }, None)
    } else {
        let action = Action::Entries { way: EntryChange::GiveUp, count: 1, first };
        (action, Some(Loss::NoRoom { count: 1, first: owner }))
    };
    stage.step([code], action, loss, &edits)
}

/// The only disk that is left becomes the only component that is missing.
pub(super) fn take_in_last_disk<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
    let code = Code::RecordLost;
    let eliminated = stage.scene.report.findings.iter().find_map(|finding| match finding.fault {
        Fault::RecordLost { disk, index, because: Because::Elimination, .. } => Some((disk, index)),
        _ => None,
    });
    let Some((disk, index)) = eliminated.filter(|_| stage.answers(code)) else { return Ok(()) };
    let (Some(seat), Some(survey)) = (stage.seat_of(Who::Unclaimed(disk)), stage.survey()) else {
        return Ok(());
    };
    let after = new_record(stage, Some(&survey), seat, index);
    let change = RecordChange { seat, offset: stage.record_offset(seat), before: None, after };
    let loss = Some(Loss::Certainty(index));
    stage.records(Set::from_iter([code]), Vec::from([change]), loss, Vec::new(), Order::default())
}

/// The components that are gone are taken out of the volume, where nothing lies on any of them.
pub(super) fn drop_missing<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
    let Some(survey) = stage.survey().filter(|_| stage.answers(Code::ComponentMissing)) else {
        return Ok(());
    };
    let findings = &stage.scene.report.findings;
    let explained: Vec<ComponentIndex> =
        findings.iter().filter_map(|finding| finding.fault.explains()).collect();
    let empty = |index: &ComponentIndex| {
        index.0 > 0 && survey.parts[index.as_usize()].entries == 0 && !explained.contains(index)
    };
    let gone: Vec<ComponentIndex> = stage.volume.missing().collect();
    let strays = findings.iter().any(|finding| finding.fault.is_far_beyond_count());
    // A disk of which nothing can be read may be one of them.
    let unread = stage.scene.subject.unread;
    match gone.iter().all(empty) && !strays && !unread && gaps::can_be_closed(stage.volume) {
        true => numbers::drop_gone(stage, &survey, &gone),
        false => Ok(()),
    }
}

fn magic() -> [u8; 16] {
    let mut magic = [0; 16];
    magic[..MAGIC.len()].copy_from_slice(MAGIC);
    magic
}
