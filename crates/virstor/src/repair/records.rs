//! Who is who, and how large: records that are wrong or disagree; those that are lost are in `lost`, sizes in `sizes`.

mod lost;
mod sizes;

use alloc::vec::Vec;

use zerocopy::byteorder::{U16, U32, U64};

use super::survey::Survey;
use super::{Action, Loss, RecordChange, RepairError, Stage, Who, numbers, seat_number};
use crate::assemble::Problem;
use crate::check::{Because, Code, Fault, Torn};
use crate::edit::{EntryEdit, Order, RecordEdit};
use crate::format::{Name, Record, VERSION};
use crate::geometry::ComponentIndex;
use crate::io::ReadAt;
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
        lost::restore_overwritten(stage, survey)?;
    }
    if stage.steps.is_empty() && stage.options.lossy {
        lost::take_in_last_disk(stage)?;
    }
    if stage.steps.is_empty() && stage.options.lossy {
        lost::drop_missing(stage)?;
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

    pub(super) fn record_edit(&self, change: &RecordChange) -> Result<RecordEdit, RepairError> {
        let disk = self.overlay.disk(change.seat);
        let sector = disk.size() - self.record_offset(change.seat);
        let sector = usize::try_from(sector).expect("a sector is small");
        let mut before = alloc::vec![0; sector];
        let read = disk.read_at(change.offset, &mut before);
        read.map_err(|error| RepairError::Disk { seat: change.seat, error })?;
        Ok(RecordEdit::put(seat_number(change.seat), change.offset, before, &change.after))
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
