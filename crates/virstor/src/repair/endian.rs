//! A map that a big-endian machine wrote, made little-endian.

use alloc::vec::Vec;

use super::survey::for_each_entry;
use super::{Action, MOST_CHANGES, RepairError, Stage};
use crate::check::Code;
use crate::edit::EntryEdit;
use crate::format::{ByteOrder, MapEntry};
use crate::geometry::VirtualChunk;
use crate::io::ReadAt;

/// All entries at once: with a map that is half of one order and half of the other nobody could go on. So there is a
/// bound to what is converted here; a volume beyond it has more than a million chunks in use, on a kind of machine
/// that was out of use before disks were so large.
const MOST_CONVERTED: usize = MOST_CHANGES;

pub(super) fn plan<D: ReadAt + Clone>(stage: &mut Stage<'_, D>) -> Result<(), RepairError> {
    let code = Code::MapBigEndian;
    let asked =
        stage.options.convert_endian || stage.options.only.as_ref().is_some_and(|only| only.contains(&code));
    if !asked || stage.order() != ByteOrder::Big || !stage.answers(code) {
        return Ok(());
    }
    let Some(disk) = stage.map_disk() else { return Ok(()) };
    let mut entries = Vec::new();
    let mut too_many = false;
    let whole = for_each_entry(stage.volume, &disk, ByteOrder::Big, |at, entry| {
        match entries.len() < MOST_CONVERTED {
            true => entries.push(converted(at, entry)),
            false => too_many = true,
        }
    });
    if !whole || too_many {
        return Ok(());
    }
    let count = entries.len() as u64;
    let mut edits = stage.edits();
    edits.entries = entries;
    stage.step([code], Action::ConvertMap { count }, None, &edits)
}

fn converted(at: VirtualChunk, entry: MapEntry) -> EntryEdit {
    EntryEdit { at, before: entry.encode(ByteOrder::Big), after: entry.encode(ByteOrder::Little) }
}
