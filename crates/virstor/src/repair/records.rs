//! Who is who, and how large: records that are lost, wrong, or disagree.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use zerocopy::byteorder::{U16, U32, U64};

use super::survey::Survey;
use super::{
    Action, Changes, EntryChange, Loss, Misplaced, NO_ENTRY, RecordChange, RepairError, Stage, Who, numbers,
    seat_number,
};
use crate::assemble::{Problem, Volume};
use crate::check::sizes::can_be_rounded;
use crate::check::unclaimed::own_chunks;
use crate::check::{Because, Code, Fault, Torn};
use crate::edit::{EntryEdit, Order, RecordEdit};
use crate::format::{ByteOrder, ComponentFlags, MAGIC, MAP_ENTRY_LEN, MapEntry, Name, Record, VERSION};
use crate::geometry::{ComponentIndex, VirtualChunk};
use crate::io::ReadAt;
use crate::map::scan;
use crate::ordered::{self, Map, Set};

pub(super) fn plan<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
    let survey = stage.survey();
    let mut records =
        Records { survey, targets: Map::default(), codes: Set::default(), rest: Rest::default() };
    // What renames, counts or numbers comes alone: only then is every mixture that a cut can leave one that is
    // known.
    let report = stage.scene.report;
    let wanted = || report.findings.iter().filter(|finding| stage.options.wants(finding.code()));
    let (alone, others): (Vec<_>, Vec<_>) =
        wanted().map(|finding| &finding.fault).partition(|fault| is_for_all(fault));
    records.finish_renaming(stage);
    if !records.rest.alone && numbers::plan(stage, records.survey.as_ref())? {
        return Ok(());
    }
    for fault in alone.into_iter().chain(others) {
        if !records.rest.alone {
            records.answer(stage, fault)?;
        }
    }
    let changes = records.changes(stage);
    let Records { codes, rest, survey, .. } = records;
    let Rest { old_records, entries, .. } = rest;
    stage.records(codes, changes, None, entries, Order::default())?;
    for (seat, offset) in old_records {
        let mut edits = stage.edits();
        edits.zeros.push(((seat_number(seat), offset), u64::from(stage.volume.sector_size)));
        stage.step([Code::ComponentGrown], Action::ClearOldRecord { seat, offset }, None, &edits)?;
    }
    if stage.steps.is_empty() {
        restore_overwritten(stage, survey)?;
    }
    if stage.steps.is_empty() && stage.options.lossy {
        take_in_last_disk(stage)?;
    }
    if stage.steps.is_empty() && stage.options.lossy {
        drop_missing(stage)?;
    }
    Ok(())
}

/// Whether answering the fault changes what all records say together.
fn is_for_all(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Torn { .. }
            | Fault::TornRename { .. }
            | Fault::VolumeNameUnterminated { .. }
            | Fault::VirtualSizeRagged { .. }
            | Fault::MapNotWholeSectors { .. }
    )
}

impl<D: ReadAt + Clone> Stage<'_, D> {
    /// Makes a step of records that change, and of entries that name components by their new numbers.
    pub(super) fn records(
        &mut self,
        codes: Set<Code>,
        changes: Vec<RecordChange>,
        loss: Option<Loss>,
        entries: Vec<EntryEdit>,
        order: Order,
    ) -> Result<(), RepairError> {
        if changes.is_empty() && entries.is_empty() {
            return Ok(());
        }
        let mut edits = self.edits();
        for change in &changes {
            let edit = self.record_edit(change)?;
            edits.records.push(edit);
        }
        (edits.entries, edits.order, edits.one_by_one) = (entries, order, true);
        self.step(codes, Action::Records(changes), loss, &edits)
    }

    fn record_edit(&self, change: &RecordChange) -> Result<RecordEdit, RepairError> {
        let disk = self.overlay.disk(change.seat);
        let sector = disk.size() - self.record_offset(change.seat);
        let sector = usize::try_from(sector).expect("a sector is small");
        let mut before = alloc::vec![0; sector];
        let read = disk.read_at(change.offset, &mut before);
        read.map_err(|error| RepairError::Disk { seat: change.seat, error })?;
        Ok(RecordEdit::put(seat_number(change.seat), change.offset, before, &change.after))
    }

    /// The byte order of a map of the volume at the start of the disk in a seat.
    fn map_order(&self, seat: usize) -> ByteOrder {
        let (disk, entries) = (&self.scene.seats[seat].disk, self.volume.virtual_chunks());
        let most = disk.size() / MAP_ENTRY_LEN as u64;
        let go_on = &mut |_, _| ControlFlow::Continue(());
        scan(disk, entries.min(most), &self.volume.bounds(), go_on).order
    }

    fn candidate_record(&self, candidate: usize) -> Record {
        self.scene.subject.candidates[candidate].located.tasted.record
    }

    /// Where the record of the disk in a seat stands now, if it has one.
    pub(super) fn standing_record(&self, seat: usize) -> Option<u64> {
        match self.scene.seats[seat].who {
            Who::Candidate(candidate) => Some(self.scene.subject.candidates[candidate].located.tasted.offset),
            Who::Unclaimed(_) => None,
        }
    }

    /// The seats that have records, whatever these say.
    fn records_at_hand(&self) -> impl Iterator<Item = (usize, Record)> {
        self.scene.seats.iter().enumerate().filter_map(|(seat, it)| match it.who {
            Who::Candidate(candidate) => Some((seat, self.candidate_record(candidate))),
            Who::Unclaimed(_) => None,
        })
    }

    /// The seats of all records of the volume, those without a place in it included.
    pub(super) fn members(&self) -> Vec<(usize, Record)> {
        let placed = self.volume.components.values().map(|component| component.candidate);
        let beyond = self.volume.problems.iter().filter_map(|problem| match problem {
            Problem::NumberOutOfRange { candidate, .. } => Some(*candidate),
            _ => None,
        });
        let seat =
            |candidate| Some((self.seat_of(Who::Candidate(candidate))?, self.candidate_record(candidate)));
        placed.chain(beyond).filter_map(seat).collect()
    }
}

struct Records {
    survey: Option<Survey>,
    /// What the records become, by seat.
    targets: Map<usize, Target>,
    codes: Set<Code>,
    rest: Rest,
}

struct Target {
    before: Option<Record>,
    after: Record,
}

/// What has to be done beside the records.
#[derive(Default)]
struct Rest {
    old_records: Vec<(usize, u64)>,
    entries: Vec<EntryEdit>,
    /// Something is answered that changes what all records say together.
    alone: bool,
    /// The records are written in the order of their numbers backward.
    backward: bool,
    /// The disk that is written last.
    last: Option<usize>,
    /// The disks whose record goes to their end, wherever it stood.
    moved: Set<usize>,
}

impl Records {
    fn changes<D: ReadAt + Clone>(&self, stage: &Stage<'_, D>) -> Vec<RecordChange> {
        let change = |(seat, target): (&usize, &Target)| {
            // Where it stands, unless it was decided that the disk ends elsewhere.
            let standing = stage.standing_record(*seat).filter(|_| !self.rest.moved.contains(seat));
            let offset = standing.unwrap_or_else(|| stage.record_offset(*seat));
            (target.before != Some(target.after)).then_some(RecordChange {
                seat: *seat,
                offset,
                before: target.before,
                after: target.after,
            })
        };
        let mut changes: Vec<RecordChange> = self.targets.iter().filter_map(change).collect();
        // Records are updated by number, as in the kernel; what a cut leaves is then told by the check.
        let number = |change: &RecordChange| change.before.unwrap_or(change.after).no.get();
        ordered::sort_by_key(&mut changes, |change| (Some(change.seat) == self.rest.last, number(change)));
        if self.rest.backward {
            changes.reverse();
        }
        changes
    }

    /// The seat of the record that decides what the volume is.
    fn deciding<D: ReadAt + Clone>(stage: &Stage<'_, D>) -> Option<usize> {
        let decides = |(_, record): &(usize, Record)| {
            record.md_virsize.get() == stage.volume.recorded_size && record.name() == stage.volume.name
        };
        let mut members = stage.members();
        ordered::sort_by_key(&mut members, |(seat, _)| *seat);
        members.into_iter().find(decides).map(|(seat, _)| seat)
    }

    /// Goes on where shortening a name of 16 letters was cut off: some records have the new name, so there seem to be
    /// two volumes.
    fn finish_renaming<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>) {
        let code = Code::VolumeNameUnterminated;
        if stage.volume.is_complete() || !stage.options.wants(code) {
            return;
        }
        let letters = |name: Name| name.0[..15] == stage.volume.name.0[..15];
        let members = stage.records_at_hand().filter(|(_, record)| letters(record.name()));
        let (long, short): (Vec<_>, Vec<_>) = members.partition(|(_, record)| !record.name().is_terminated());
        if short.is_empty() {
            return;
        }
        for (seat, _) in long {
            self.target(stage, seat).md_name[15] = 0;
            self.codes.insert(code);
            self.rest.alone = true;
        }
    }

    /// Gives the components the new name that have the old one.
    fn finish_name<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, old: Name, new: Name) -> bool {
        for (seat, _) in stage.records_at_hand().filter(|(_, record)| record.name() == old) {
            self.target(stage, seat).md_name = new.0;
        }
        self.rest.alone = true;
        true
    }

    /// The record that `seat` is to have, as decided so far.
    fn target<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, seat: usize) -> &mut Record {
        let before = match stage.scene.seats[seat].who {
            Who::Candidate(candidate) => Some(stage.candidate_record(candidate)),
            Who::Unclaimed(_) => None,
        };
        let new = || Target {
            before,
            after: before.unwrap_or_else(|| Record::decode(&[0; crate::format::RECORD_LEN])),
        };
        &mut self.targets.get_or_insert_with(seat, new).after
    }

    /// Changes the records of all members.
    fn all<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, change: impl Fn(&mut Record)) {
        for (seat, _) in stage.members() {
            change(self.target(stage, seat));
        }
    }

    fn answer<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, fault: &Fault) -> Result<(), RepairError> {
        let answered = match fault {
            Fault::MagicDamaged { disk, .. } => self.magic(stage, *disk)?,
            Fault::RecordVersion { candidate, fits: true, .. } => {
                self.edit_candidate(stage, *candidate, |record| record.md_version = U32::new(VERSION))
            }
            Fault::RecordCopied { candidate, missing, .. } => self.rebuild(stage, *candidate, *missing),
            Fault::RecordLost { disk, because: Because::Map, .. } => self.find_first(stage, *disk),
            Fault::Torn { way, old_count, new_count, .. } => {
                self.finish_torn(stage, *way, *old_count, *new_count)
            }
            Fault::TornRename { old_name, new_name, .. } => self.finish_name(stage, *old_name, *new_name),
            Fault::RecordsDisagree { candidate, field, expected, outvoted: true, .. } => {
                self.edit_candidate(stage, *candidate, |record| set(record, field, *expected))
            }
            Fault::SizeChanged { index, entries, whole_sectors: true, .. } => {
                (*entries == 0 || stage.options.lossy) && self.resize(stage, *index)
            }
            Fault::ComponentGrown { index, provsize } => {
                self.resize(stage, *index) && self.clear_old(stage, *index, *provsize)
            }
            Fault::HardcodedNameCut { index, .. } => {
                self.edit(stage, *index, |record| record.provider = [0; 16])
            }
            Fault::VolumeNameUnterminated { .. } => {
                self.all(stage, |record| record.md_name[15] = 0);
                self.rest.alone = true;
                true
            }
            Fault::VirtualSizeRagged { .. } | Fault::MapNotWholeSectors { .. } => self.round_size(stage),
            Fault::LastChunkOverlaps { index, room, owner: None, .. } => {
                self.edit(stage, *index, |record| record.chunk_count = U32::new(*room))
            }
            Fault::ReserveTooSmall { needed, entries: 0, .. } => self.reserve(stage, *needed),
            _ => false,
        };
        if answered {
            self.codes.insert(fault.code());
        }
        Ok(())
    }

    fn edit<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        index: ComponentIndex,
        change: impl Fn(&mut Record),
    ) -> bool {
        let Some(seat) = stage.seat(index) else { return false };
        change(self.target(stage, seat));
        true
    }

    fn edit_candidate<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        candidate: usize,
        change: impl Fn(&mut Record),
    ) -> bool {
        let Some(seat) = stage.seat_of(Who::Candidate(candidate)) else { return false };
        change(self.target(stage, seat));
        true
    }

    /// The rest of the record is there; only its first 16 bytes are written anew.
    fn magic<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, disk: usize) -> Result<bool, RepairError> {
        let Some(seat) = stage.seat_of(Who::Unclaimed(disk)) else { return Ok(false) };
        let mut bytes = [0; crate::format::RECORD_LEN];
        let from = &stage.scene.seats[seat].disk;
        let offset = stage.record_offset(seat);
        from.read_at(offset, &mut bytes).map_err(|error| RepairError::Disk { seat, error })?;
        let record = self.target(stage, seat);
        *record = Record::decode(&bytes);
        record.md_magic = magic();
        Ok(true)
    }

    /// Makes the record of component `missing` from what its siblings share, its own disk and the map.
    fn rebuild<D: ReadAt + Clone>(
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
    fn find_first<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, disk: usize) -> bool {
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

    /// Finishes adding or removing a component where that loses nothing, and else rolls it back.
    fn finish_torn<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        way: Torn,
        old_count: u16,
        new_count: u16,
    ) -> bool {
        self.rest.alone = true;
        let (small, large) = (old_count.min(new_count), old_count.max(new_count));
        let members = stage.members();
        let has = |number: u16| members.iter().any(|(_, record)| record.no.get() == number);
        let named = |number: u16| {
            let highest = self.survey.as_ref().and_then(|survey| survey.highest_component);
            highest.is_some_and(|highest| highest.0 >= number)
        };
        let count = match way {
            // Without its last component the larger volume would wait for ever.
            Torn::Add if has(large - 1) || named(small) => large,
            Torn::Add => small,
            Torn::Remove if named(small) => large,
            Torn::Remove => small,
        };
        // The records that have the new count are the first ones, and stay so.
        self.rest.backward = count == old_count;
        self.all(stage, |record| record.md_count = U16::new(count));
        true
    }

    /// Makes the record say how long the disk is. Chunks that it gained are used only where nothing lies behind the
    /// component: the kernel, having filled them, would go on behind the end of the next one if that is full.
    fn resize<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, index: ComponentIndex) -> bool {
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
    fn clear_old<D: ReadAt + Clone>(
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
    fn round_size<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>) -> bool {
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
    fn reserve<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, needed: u64) -> bool {
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

fn set(record: &mut Record, field: &str, value: u64) {
    match field {
        "md_virsize" => record.md_virsize = U64::new(value),
        "md_chunk_size" => {
            record.md_chunk_size = U32::new(u32::try_from(value).expect("it has 32 bits on disk"))
        }
        "md_count" => record.md_count = U16::new(u16::try_from(value).expect("it has 16 bits on disk")),
        _ => {}
    }
}

fn magic() -> [u8; 16] {
    let mut magic = [0; 16];
    magic[..MAGIC.len()].copy_from_slice(MAGIC);
    magic
}

/// How many chunks the disk has room for before its record.
fn room<D: ReadAt + Clone>(stage: &Stage<'_, D>, seat: usize) -> u32 {
    u32::try_from(stage.record_offset(seat) / stage.volume.chunk_size.bytes()).unwrap_or(u32::MAX)
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
fn restore_overwritten<D: ReadAt + Clone>(
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
fn take_in_last_disk<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
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
fn drop_missing<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
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
    match gone.iter().all(empty) {
        true => numbers::drop_gone(stage, &survey, &gone),
        false => Ok(()),
    }
}
