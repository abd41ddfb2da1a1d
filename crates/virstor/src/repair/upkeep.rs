//! What the records say about allocation: cursors and flags that follow from the map.

use alloc::vec::Vec;

use super::survey::{Part, Survey};
use super::{Loss, RecordChange, RepairError, Stage};
use crate::check::{Code, Fault};
use crate::edit::Order;
use crate::format::{ComponentFlags, Record};
use crate::geometry::ComponentIndex;
use crate::io::ReadAt;
use crate::ordered::Set;

pub(super) fn plan<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
    let Some(survey) = stage.survey() else { return Ok(()) };
    let mut upkeep = Upkeep { codes: Set::default(), orphans: 0, changes: Vec::new() };
    let stale = stage.scene.report.findings.iter().filter_map(stale).collect::<Set<_>>();
    let current = current(stage, &survey);
    for (index, part) in survey.present().filter(|(index, _)| !stale.contains(index)) {
        let Some(seat) = stage.seat(index) else { continue };
        let component = &stage.volume.components[&index];
        let mut after = component.record;
        upkeep.cursor(stage, part, &mut after);
        upkeep.flags(stage, index, part, current, &mut after);
        let offset = component.len - u64::from(component.sector_size);
        if after != component.record {
            upkeep.changes.push(RecordChange { seat, offset, before: Some(component.record), after });
        }
    }
    let Upkeep { codes, orphans, changes } = upkeep;
    let loss = (orphans > 0).then_some(Loss::Orphans { chunks: orphans });
    stage.records(codes, changes, loss, Vec::new(), Order::MapThenRecords)
}

fn stale(finding: &crate::check::Finding) -> Option<ComponentIndex> {
    match finding.fault {
        Fault::StaleComponent { index, .. } => Some(index),
        _ => None,
    }
}

/// The component that allocation goes on with, where the mark is to be put right.
fn current<D: ReadAt + Clone>(stage: &Stage<'_, D>, survey: &Survey) -> Option<ComponentIndex> {
    if !stage.answers(Code::CurrentFlagMisplaced) {
        return None;
    }
    let has_room = |(_, part): &(ComponentIndex, &Part)| part.next() < u64::from(part.chunk_count);
    survey.present().find(has_room).or(survey.present().last()).map(|(index, _)| index)
}

struct Upkeep {
    codes: Set<Code>,
    orphans: u64,
    changes: Vec<RecordChange>,
}

impl Upkeep {
    fn cursor<D: ReadAt + Clone>(&mut self, stage: &Stage<'_, D>, part: &Part, record: &mut Record) {
        let recorded = u64::from(record.chunk_next.get());
        let Ok(next) = u32::try_from(part.next()) else { return };
        let nowhere = part.entries - part.counted;
        if recorded < u64::from(next) {
            let codes = [Code::StaleCursor, Code::UncleanStop, Code::AllocationPastEnd];
            let codes = codes.into_iter().filter(|code| stage.answers(*code));
            let known = self.codes.len();
            self.codes.extend(codes);
            if self.codes.len() > known || self.codes.contains(&Code::StaleCursor) {
                record.chunk_next.set(next);
            }
        } else if recorded > u64::from(next) + nowhere
            && stage.options.lossy
            && stage.answers(Code::EntriesLost)
        {
            self.codes.insert(Code::EntriesLost);
            self.orphans += recorded - u64::from(next);
            record.chunk_next.set(next);
        }
    }

    fn flags<D: ReadAt + Clone>(
        &mut self,
        stage: &Stage<'_, D>,
        index: ComponentIndex,
        part: &Part,
        current: Option<ComponentIndex>,
        record: &mut Record,
    ) {
        let found = record.component_flags();
        let mut flags = found.0;
        let needed = part.counted > 0 || index.0 == 0;
        if found.unknown() != 0 && stage.answers(Code::FlagsUnknown) {
            self.codes.insert(Code::FlagsUnknown);
            flags &= ComponentFlags::ALLOCATED | ComponentFlags::CURRENT;
            if !needed {
                flags &= !ComponentFlags::ALLOCATED;
            }
        }
        let allocated = found.contains(ComponentFlags::ALLOCATED);
        if needed && !allocated && stage.answers(Code::AllocatedFlagMissing) {
            self.codes.insert(Code::AllocatedFlagMissing);
            flags |= ComponentFlags::ALLOCATED;
        }
        if !needed && allocated && part.entries == 0 && stage.answers(Code::AllocatedFlagUnneeded) {
            self.codes.insert(Code::AllocatedFlagUnneeded);
            flags &= !ComponentFlags::ALLOCATED;
        }
        if let Some(current) = current {
            let wanted = if index == current {
                flags | ComponentFlags::CURRENT
            } else {
                flags & !ComponentFlags::CURRENT
            };
            if wanted != flags {
                self.codes.insert(Code::CurrentFlagMisplaced);
                flags = wanted;
            }
        }
        record.flags.set(flags);
    }
}
