//! Components that get other numbers, because one before them is gone.
//!
//! The gap goes upward, one component at a time: first the entries of the component behind it get the free number, then
//! its record does. Until then both numbers mean this component, as nothing else has the free one, so a cut leaves
//! what is still clear; and as its cursor says how many entries it has, the check tells it from entries of a component
//! that is missing.
//!
//! A gap may be several numbers wide. The count is lowered by one before it moves: that a component has a number the
//! count does not know is what tells that it moves. Once it has come to the end the count is lowered by the rest.

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

/// So many components at least get their numbers in one stage, and this part of those that wait for one; the rest when
/// it is asked again. So there are few stages however many components there are.
const AT_ONCE: usize = 64;
const PART_AT_ONCE: usize = 16;

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
    let Some((_, first)) = behind.first() else { return Ok(false) };
    let (first, width) = (first.no.get(), first.no.get() - missing.0);
    match numbering {
        Numbering::Unclear => {}
        Numbering::New => {
            let lowered = |record: &mut Record| record.no = U16::new(record.no.get() - width);
            let changes = changes(stage, &behind, lowered);
            stage.records(codes, changes, None, Vec::new(), Order::default())?;
        }
        Numbering::Old => {
            let exact = changes(stage, &behind, |record| make_exact(survey, missing, first, record));
            if !exact.is_empty() {
                stage.records(codes, exact, None, Vec::new(), Order::default())?;
                return Ok(true);
            }
            for member in behind.iter().take(AT_ONCE.max(behind.len() / PART_AT_ONCE)) {
                let (old, new) =
                    (ComponentIndex(member.1.no.get()), ComponentIndex(member.1.no.get() - width));
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

/// Takes the components that are gone, and on which nothing lies, out of the volume. `gone` has all that are, upward.
///
/// Those behind the last that is there only have to leave the count. Else the count is lowered by one, as the kernel
/// does; what is behind the highest gap gets other numbers then.
pub(super) fn drop_gone<D: ReadAt + Clone>(
    stage: &mut Stage<'_, D>,
    survey: &Survey,
    gone: &[ComponentIndex],
) -> Result<(), RepairError> {
    let count = stage.volume.component_count;
    let mut members = stage.members();
    sort_by_key(&mut members, |(_, record)| record.no.get());
    let (Some(highest), Some((_, last))) = (gone.last(), members.last()) else { return Ok(()) };
    let behind = count.saturating_sub(last.no.get().saturating_add(1));
    let known = survey.highest_component < Some(ComponentIndex(count));
    if behind == 0 && !(known && stage.options.wants(Code::RemovedFromMiddle)) {
        return Ok(());
    }
    let fewer = behind.max(1);
    let changes = changes(stage, &members, |record| {
        record.md_count = U16::new(count - fewer);
        if record.no.get() > highest.0 {
            make_exact(survey, *highest, highest.0 + 1, record);
        }
    });
    let first = gone[gone.len() - usize::from(fewer)];
    let loss = Some(Loss::Components { count: fewer, first });
    stage.records(Set::from_iter([Code::ComponentMissing]), changes, loss, Vec::new(), Order::default())
}

/// Lets the cursor say how many entries the component has: those of the `first` one behind the gap that begins with
/// `missing` may be called by two numbers.
fn make_exact(survey: &Survey, missing: ComponentIndex, first: u16, record: &mut Record) {
    let number = record.no.get();
    let named =
        |number: u16| survey.parts.get(usize::from(number)).map_or(survey.behind, |part| part.entries);
    let entries = named(number) + if number == first { named(missing.0) } else { 0 };
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
