//! Components that get other numbers, because one before them is gone.
//!
//! The gap goes upward, one component at a time: first the entries of the component behind it get the free number, then
//! its record does. Until then both numbers mean this component, as nothing else has the free one, so a cut leaves
//! what is still clear; and as its cursor says how many entries it has, the check tells it from entries of a component
//! that is missing.

use alloc::vec::Vec;

use zerocopy::byteorder::{U16, U32};

use super::survey::{Survey, for_each_entry};
use super::{Loss, RecordChange, RepairError, Stage};
use crate::check::{Code, Fault, Numbering};
use crate::edit::{EntryEdit, Order};
use crate::format::{MapEntry, Record};
use crate::geometry::ComponentIndex;
use crate::io::ReadAt;
use crate::ordered::{Set, sort_by_key};

/// So many components at most get their numbers in one stage; the rest when it is asked again.
const MOST_AT_ONCE: usize = 64;

/// Closes the gap that a removed component left; whether there are steps.
pub(super) fn plan<D: ReadAt + Clone>(
    stage: &mut Stage<'_, D>,
    survey: Option<&Survey>,
) -> Result<bool, RepairError> {
    let code = Code::RemovedFromMiddle;
    let removed = stage.scene.report.findings.iter().find_map(|finding| match finding.fault {
        Fault::RemovedFromMiddle { missing, numbering, .. } => Some((missing, numbering)),
        _ => None,
    });
    let Some((missing, numbering)) = removed.filter(|_| stage.answers(code)) else { return Ok(false) };
    let Some(survey) = survey else { return Ok(false) };
    let codes = Set::from_iter([code]);
    let mut behind: Vec<(usize, Record)> = stage.members();
    behind.retain(|(_, record)| record.no.get() > missing.0);
    sort_by_key(&mut behind, |(_, record)| record.no.get());
    match numbering {
        Numbering::Unclear => {}
        Numbering::New => {
            let lowered = |record: &mut Record| record.no = U16::new(record.no.get() - 1);
            let changes = changes(stage, &behind, lowered);
            stage.records(codes, changes, None, Vec::new(), Order::default())?;
        }
        Numbering::Old => {
            let exact = changes(stage, &behind, |record| make_exact(survey, missing, record));
            if !exact.is_empty() {
                stage.records(codes, exact, None, Vec::new(), Order::default())?;
                return Ok(true);
            }
            for member in behind.iter().take(MOST_AT_ONCE) {
                let (old, new) = (ComponentIndex(member.1.no.get()), ComponentIndex(member.1.no.get() - 1));
                let Some(entries) = rename_entries(stage, |index| (index == old).then_some(new)) else {
                    return Ok(false);
                };
                let change = changes(stage, &[*member], |record| record.no = U16::new(new.0));
                stage.records(codes.clone(), change, None, entries, Order::MapThenRecords)?;
            }
        }
    }
    Ok(!stage.steps.is_empty())
}

/// Takes `missing` out of the count, as the kernel does; what is behind it gets other numbers then.
pub(super) fn lower_count<D: ReadAt + Clone>(
    stage: &mut Stage<'_, D>,
    survey: &Survey,
    missing: ComponentIndex,
) -> Result<(), RepairError> {
    let count = stage.volume.component_count;
    let known = survey.highest_component < Some(ComponentIndex(count));
    if !known || !stage.options.wants(Code::RemovedFromMiddle) {
        return Ok(());
    }
    let mut members = stage.members();
    sort_by_key(&mut members, |(_, record)| record.no.get());
    let changes = changes(stage, &members, |record| {
        record.md_count = U16::new(count - 1);
        if record.no.get() > missing.0 {
            make_exact(survey, missing, record);
        }
    });
    let loss = Some(Loss::Components { count: 1, first: missing });
    stage.records(Set::from_iter([Code::ComponentMissing]), changes, loss, Vec::new(), Order::default())
}

/// Lets the cursor say how many entries the component has: those of the first one behind the gap may be called by two
/// numbers.
fn make_exact(survey: &Survey, missing: ComponentIndex, record: &mut Record) {
    let number = record.no.get();
    let named =
        |number: u16| survey.parts.get(usize::from(number)).map_or(survey.behind, |part| part.entries);
    let entries = named(number) + if number == missing.0 + 1 { named(missing.0) } else { 0 };
    let next = u64::from(record.chunk_reserved.get()) + entries;
    record.chunk_next = U32::new(u32::try_from(next).unwrap_or(u32::MAX));
}

fn changes<D: ReadAt + Clone>(
    stage: &Stage<'_, D>,
    members: &[(usize, Record)],
    change: impl Fn(&mut Record),
) -> Vec<RecordChange> {
    let changed = |(seat, before): &(usize, Record)| {
        let mut after = *before;
        change(&mut after);
        let offset = stage.standing_record(*seat).unwrap_or_else(|| stage.record_offset(*seat));
        (after != *before).then_some(RecordChange { seat: *seat, offset, before: Some(*before), after })
    };
    members.iter().filter_map(changed).collect()
}

/// Gives the component in each allocated entry the number that `renamed` says, if any.
pub(super) fn rename_entries<D: ReadAt + Clone>(
    stage: &Stage<'_, D>,
    renamed: impl Fn(ComponentIndex) -> Option<ComponentIndex>,
) -> Option<Vec<EntryEdit>> {
    let (disk, order) = (stage.map_disk()?, stage.order());
    let mut entries = Vec::new();
    let whole = for_each_entry(stage.volume, &disk, order, |at, before| {
        let new = renamed(before.component).filter(|new| before.is_allocated() && *new != before.component);
        if let Some(component) = new {
            entries.push(EntryEdit::new(at, before, MapEntry { component, ..before }, order));
        }
    });
    whole.then_some(entries)
}
