//! Steps in words: what is done, why nothing is lost by it, what is given up, what FreeBSD does afterwards.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Action, EntryChange, Loss, Misplaced, RecordChange, Step};
use crate::counted::{Counted, counted};
use crate::format::{MapEntry, Record};

/// What people call the disk in a seat ("component 1 (disk1.img)").
pub type Namer<'a> = dyn Fn(usize) -> String + 'a;

impl Step {
    /// What it does, in one sentence without a full stop.
    #[must_use]
    pub fn does(&self, name: &Namer<'_>) -> String {
        match &self.action {
            Action::Records(changes) => records(changes, name),
            Action::ClearOldRecord { seat, offset } => {
                format!("clear the old record of {} at byte {offset}", name(*seat))
            }
            Action::Entries { way, count, first } => entries(*way, *count, first),
            Action::Copy { why, count, first } => {
                let (at, before, after) = first;
                format!(
                    "copy {} that {} to free chunks and let the map name the copies; first virtual chunk {}, \
                     from {} to {}",
                    chunks(*count),
                    reason(*why, *count == 1),
                    at.0,
                    place(before),
                    place(after)
                )
            }
            Action::Settle { count, first } => {
                let (at, before, after) = first;
                format!(
                    "move {} into holes, so that the chunks in use are the first of each component and the \
                     components are filled in order; first virtual chunk {}, from {} to {}",
                    chunks(*count),
                    at.0,
                    place(before),
                    place(after)
                )
            }
            Action::ConvertMap { count } => {
                format!("make the map little-endian: {}", counted(*count, "entry"))
            }
        }
    }

    /// Why it is safe, or what is given up: a sentence.
    #[must_use]
    pub fn why(&self) -> String {
        match &self.loss {
            Some(loss) => gives_up(loss),
            None => safe(&self.action).into(),
        }
    }

    /// What FreeBSD does afterwards, in one sentence.
    #[must_use]
    pub fn freebsd(&self) -> &'static str {
        match &self.action {
            Action::Records(_) => "FreeBSD finds the components by these records, and trusts what they say.",
            Action::ClearOldRecord { .. } => {
                "FreeBSD does not look there; other tools would find two records."
            }
            Action::Entries { way: EntryChange::GiveUp, .. } => {
                "FreeBSD reads zeros there, and gives the range a new chunk when it is written to."
            }
            Action::Entries { .. } => "FreeBSD reads what it read before, and accepts the entries.",
            Action::Copy { .. } => "FreeBSD reads the same bytes, from the new place.",
            Action::Settle { .. } => {
                "FreeBSD reads the same bytes, and the next chunk it hands out is one that nothing uses."
            }
            Action::ConvertMap { .. } => {
                "FreeBSD on little-endian machines starts the volume; on the old machine it does not any more."
            }
        }
    }
}

fn safe(action: &Action) -> &'static str {
    match action {
        Action::Records(_) => "no data and no map entry that can be read changes its meaning",
        Action::ClearOldRecord { .. } => "no chunk in use lies there",
        Action::Entries { .. } => "the entries name what they named before",
        Action::Copy { .. } => "the map names the copies only when they are durable",
        Action::Settle { .. } => {
            "chunks are copied over chunks that no entry names (the undo log keeps their bytes), and the map names \
             the copies only when they are durable"
        }
        Action::ConvertMap { .. } => "the entries name the same chunks in the other byte order",
    }
}

fn gives_up(loss: &Loss) -> String {
    match loss {
        Loss::Entries { count, first } => format!(
            "{}, first {}: their entries name nothing that can be read, and become holes",
            virtual_chunks(*count),
            first.0
        ),
        Loss::NoRoom { count, first } => format!(
            "{}, first {}: their chunks cannot stay where they are, and no other is free",
            virtual_chunks(*count),
            first.0
        ),
        Loss::Tails { count, first } => {
            format!(
                "the ends of {}, first {}: they lay behind the end of the disk",
                virtual_chunks(*count),
                first.0
            )
        }
        Loss::Orphans { chunks: count } => format!(
            "what lies in {} that no map entry names: the next writes may overwrite it",
            chunks(*count)
        ),
        Loss::Certainty(index) => format!(
            "the last sector of a disk that is taken for component {index} because no other is left: should it be \
             another's, that is lost"
        ),
        Loss::Components { count: 1, first } => format!(
            "component {first}, on which nothing lies: should it turn up again, it does not belong any more"
        ),
        Loss::Components { count, first } => format!(
            "{count} components, first {first}, on which nothing lies: should they turn up again, they do not belong \
             any more"
        ),
    }
}

fn entries(
    way: EntryChange,
    count: u64,
    (at, before, after): &(crate::geometry::VirtualChunk, MapEntry, MapEntry),
) -> String {
    let what = match way {
        EntryChange::Flags => "set the flags of",
        EntryChange::Unallocated => "make zero, as it is unallocated,",
        EntryChange::GiveUp => "give up",
    };
    let count = counted(count, "map entry");
    format!("{what} {count}; first entry {}, from {} to {}", at.0, raw(before), raw(after))
}

fn raw(entry: &MapEntry) -> String {
    format!("flags {:#06x}, component {}, chunk {}", entry.flags, entry.component, entry.chunk.0)
}

fn place(entry: &MapEntry) -> String {
    if entry.is_allocated() {
        format!("chunk {} of component {}", entry.chunk.0, entry.component)
    } else {
        "nowhere".into()
    }
}

fn reason(why: Misplaced, is_one: bool) -> &'static str {
    match (why, is_one) {
        (Misplaced::Shared, true) => "belongs to two virtual chunks",
        (Misplaced::Shared, false) => "belong to two virtual chunks",
        (Misplaced::InReserve, true) => "lies in the reserve",
        (Misplaced::InReserve, false) => "lie in the reserve",
        (Misplaced::InsideMap, true) => "lies in the map",
        (Misplaced::InsideMap, false) => "lie in the map",
        (Misplaced::OverRecord, true) => "reaches into the record",
        (Misplaced::OverRecord, false) => "reach into the record",
        (Misplaced::BehindLast, true) => "lies behind the last chunk",
        (Misplaced::BehindLast, false) => "lie behind the last chunk",
    }
}

fn chunks(count: u64) -> Counted {
    counted(count, "chunk")
}

fn virtual_chunks(count: u64) -> Counted {
    counted(count, "virtual chunk")
}

/// So many records are told one by one.
const LINE: usize = 4;

fn records(changes: &[RecordChange], name: &Namer<'_>) -> String {
    let mut told: Vec<String> = changes
        .iter()
        .take(LINE)
        .map(|change| match &change.before {
            None => format!("{}: a new record", name(change.seat)),
            Some(before) => format!("{}: {}", name(change.seat), fields(before, &change.after).join(", ")),
        })
        .collect();
    if let Some(more) = changes.len().checked_sub(LINE).filter(|more| *more > 0) {
        told.push(format!("and {more} more"));
    }
    format!("write records: {}", told.join("; "))
}

/// The fields that change, as the kernel calls them.
#[must_use]
pub fn fields(before: &Record, after: &Record) -> Vec<String> {
    let mut fields = Vec::new();
    let mut number = |field: &str, before: u64, after: u64| {
        if before != after {
            fields.push(format!("{field} {before} -> {after}"));
        }
    };
    number("md_version", before.md_version.get().into(), after.md_version.get().into());
    number("md_virsize", before.md_virsize.get(), after.md_virsize.get());
    number("md_chunk_size", before.md_chunk_size.get().into(), after.md_chunk_size.get().into());
    number("md_id", before.md_id.get().into(), after.md_id.get().into());
    number("md_count", before.md_count.get().into(), after.md_count.get().into());
    number("no", before.no.get().into(), after.no.get().into());
    number("provsize", before.provsize.get(), after.provsize.get());
    number("chunk_count", before.chunk_count.get().into(), after.chunk_count.get().into());
    number("chunk_next", before.chunk_next.get().into(), after.chunk_next.get().into());
    number("chunk_reserved", before.chunk_reserved.get().into(), after.chunk_reserved.get().into());
    if before.flags != after.flags {
        fields.push(format!("flags {:#x} -> {:#x}", before.flags.get(), after.flags.get()));
    }
    if before.md_name != after.md_name {
        fields.push(format!("md_name '{}' -> '{}'", before.name(), after.name()));
    }
    if before.provider != after.provider {
        fields.push(format!("provider '{}' -> '{}'", before.hardcoded(), after.hardcoded()));
    }
    if before.md_magic != after.md_magic {
        fields.push("md_magic".into());
    }
    fields
}
