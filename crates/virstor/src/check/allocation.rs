//! Allocation: what the records say about it, what the map says, and what FreeBSD would do next.

use super::map_pass::MapPass;
use super::tally::Tally;
use super::{Code, Fault, Findings};
use crate::assemble::{Component, Volume};
use crate::format::ComponentFlags;
use crate::geometry::{ComponentIndex, PhysicalChunk};
use crate::ordered::Set;

/// Judges I5 to I8, and where FreeBSD's next allocations would go. The whole map was read. Of `stale`
/// components cursor and flags are not looked at: they have been found out.
pub(super) fn judge(volume: &Volume, pass: &MapPass, stale: &Set<ComponentIndex>, findings: &mut Findings) {
    let mut behind = Behind::default();
    for (index, component) in &volume.components {
        let tally = &pass.tallies[index.as_usize()];
        if !stale.contains(index) {
            judge_cursor(*index, component, tally, &mut behind, findings);
        }
        judge_density(*index, tally, findings);
    }
    if behind.components > 0 {
        findings.push(Fault::UncleanStop { components: behind.components, chunks: behind.chunks });
    }
    judge_zeroed_sectors(volume, pass, findings);
    for (index, component) in volume.components.iter().filter(|(index, _)| !stale.contains(index)) {
        judge_flags(*index, component, &pass.tallies[index.as_usize()], findings);
    }
    // With an entry that names nothing FreeBSD does not start, and the counts are no guide.
    let nowhere = [Code::EntryNamesNoComponent, Code::EntryNamesNoChunk, Code::EntryAtChunkCount];
    if volume.is_complete() && !nowhere.into_iter().any(|code| findings.has(code)) {
        judge_order(pass, findings);
        judge_next(volume, pass, !stale.is_empty(), findings);
        judge_current_flag(volume, pass, stale, findings);
    }
}

/// What the kernel takes for the first free chunk of a component: the reserve and one for each entry.
fn counted(tally: &Tally) -> u64 {
    u64::from(tally.reserved) + tally.entries
}

/// Cursors that are behind the map.
#[derive(Default)]
struct Behind {
    components: u64,
    chunks: u64,
}

fn judge_cursor(
    index: ComponentIndex,
    component: &Component,
    tally: &Tally,
    behind: &mut Behind,
    findings: &mut Findings,
) {
    let (recorded, counted) = (component.record.chunk_next.get(), counted(tally));
    // By position, not by count: entries that share a chunk are counted, but nobody handed it out twice.
    let handed_out = tally.highest.map_or(0, |highest| u64::from(highest) + 1);
    if let Some(chunks) = handed_out.checked_sub(u64::from(recorded)).filter(|chunks| *chunks > 0) {
        behind.components += 1;
        behind.chunks += chunks;
    }
    if u64::from(recorded) < counted {
        findings.push(Fault::StaleCursor { index, recorded, counted });
    } else if u64::from(recorded) > counted + tally.nowhere {
        findings.push(Fault::EntriesLost { index, recorded, counted });
    }
}

fn judge_density(index: ComponentIndex, tally: &Tally, findings: &mut Findings) {
    let Some(highest) = tally.highest.filter(|highest| *highest >= tally.reserved) else { return };
    let span = u64::from(highest - tally.reserved) + 1;
    let holes = span - tally.owned.count_from(tally.reserved);
    if holes == 0 {
        return;
    }
    let first_hole = PhysicalChunk(tally.owned.free_from(tally.reserved));
    let next = counted(tally);
    let victim = u32::try_from(next).ok().and_then(|next| tally.owned.owned_from(next));
    findings.push(match victim.map(PhysicalChunk) {
        Some(victim) => Fault::ChunkReuseAhead { index, next, victim, first_hole, holes },
        None => Fault::ChunkHole { index, first_hole, holes },
    });
}

/// A lost map sector leaves zeros before used sectors, and chunks that no entry names. Both have other causes
/// too; together, and with as many orphans as sectors, they are worth a look.
fn judge_zeroed_sectors(volume: &Volume, pass: &MapPass, findings: &mut Findings) {
    let orphans_of = |(index, component): (&ComponentIndex, &Component)| {
        let tally = &pass.tallies[index.as_usize()];
        let recorded = component.record.chunk_next.get().min(tally.chunk_count).min(tally.room);
        let end = tally.highest.map_or(0, |highest| u64::from(highest) + 1).max(u64::from(recorded));
        end.saturating_sub(u64::from(tally.reserved) + tally.owned.count_from(tally.reserved))
    };
    let orphans: u64 = volume.components.iter().map(orphans_of).sum();
    if let Some((first, entries)) = pass.first_zeros
        && orphans >= pass.zero_sectors
        && orphans > 0
    {
        findings.push(Fault::MapSectorsZeroed { first, entries, sectors: pass.zero_sectors, orphans });
    }
}

fn judge_flags(index: ComponentIndex, component: &Component, tally: &Tally, findings: &mut Findings) {
    let flags = component.record.component_flags();
    let (allocated, entries) = (flags.contains(ComponentFlags::ALLOCATED), tally.entries);
    let needed = entries > 0 || index.0 == 0;
    if flags.unknown() != 0 {
        findings.push(Fault::FlagsUnknown { index, flags: flags.0 });
    } else if allocated && !needed && tally.nowhere == 0 {
        findings.push(Fault::AllocatedFlagUnneeded { index });
    }
    if needed && !allocated {
        findings.push(Fault::AllocatedFlagMissing { index, entries });
    }
}

/// The component that `free` says has room, as the kernel looks for it: the first, or else the last.
fn current(tallies: &[Tally], free: impl Fn(usize, &Tally) -> bool) -> usize {
    let first = tallies.iter().enumerate().position(|(number, tally)| free(number, tally));
    first.unwrap_or(tallies.len() - 1)
}

fn has_room(_: usize, tally: &Tally) -> bool {
    counted(tally) < u64::from(tally.chunk_count)
}

fn judge_order(pass: &MapPass, findings: &mut Findings) {
    let tallies = &pass.tallies;
    let current = current(tallies, has_room);
    let later = tallies.iter().enumerate().skip(current + 1).find(|(_, tally)| tally.entries > 0);
    if let Some((later, _)) = later {
        let free = u64::from(tallies[current].chunk_count).saturating_sub(counted(&tallies[current]));
        let (index, later, orphans) = (place(current), place(later), findings.has(Code::EntriesLost));
        findings.push(Fault::AllocationOutOfOrder { index, free, later, orphans });
    }
}

fn judge_next(volume: &Volume, pass: &MapPass, stale: bool, findings: &mut Findings) {
    let tallies = &pass.tallies;
    // The component is chosen by the cursors on disk, before they are corrected (`virstor_check_and_run`).
    let recorded = |number: usize, tally: &Tally| {
        volume.components[&place(number)].record.chunk_next.get() < tally.chunk_count
    };
    let now = past_end(tallies, current(tallies, recorded), stale, false);
    // Closing the volume writes the corrected cursors, so the next start may choose another.
    if let Some(fault) = now.or_else(|| past_end(tallies, current(tallies, has_room), stale, true)) {
        findings.push(fault);
    }
}

/// Where allocation leaves the chunks that exist when it starts on component `current`: the kernel goes from
/// a full component to the next without looking whether that has room (`allocate_chunk`).
fn past_end(tallies: &[Tally], current: usize, stale: bool, after_stop: bool) -> Option<Fault> {
    let room = |tally: &Tally| u64::from(tally.chunk_count).saturating_sub(counted(tally));
    let mut before = room(&tallies[current]);
    for (number, tally) in tallies.iter().enumerate().skip(current + 1) {
        if room(tally) == 0 {
            return Some(Fault::AllocationPastEnd {
                index: place(number),
                chunk: counted(tally),
                chunk_count: tally.chunk_count,
                current: place(current),
                before,
                after_stop,
                stale,
            });
        }
        before += room(tally);
    }
    None
}

/// The mark may lag: the kernel moves it when it takes a chunk of the next component, not when one is full.
fn judge_current_flag(volume: &Volume, pass: &MapPass, stale: &Set<ComponentIndex>, findings: &mut Findings) {
    if !stale.is_empty() || findings.has(Code::FlagsUnknown) {
        return;
    }
    let marked = |(index, component): (&ComponentIndex, &Component)| {
        component.record.component_flags().contains(ComponentFlags::CURRENT).then_some(*index)
    };
    let mut holders = volume.components.iter().filter_map(marked);
    let (first, more) = (holders.next(), holders.count() as u64);
    let current = current(&pass.tallies, has_room);
    let lags = pass.tallies[current].entries == 0 && current > 0;
    let good = first == Some(place(current)) || (lags && first == Some(place(current - 1)));
    if more > 0 || !good {
        let count = more + u64::from(first.is_some());
        findings.push(Fault::CurrentFlagMisplaced { expected: place(current), marked: first, count });
    }
}

fn place(number: usize) -> ComponentIndex {
    ComponentIndex(u16::try_from(number).expect("a volume has at most 65535 components"))
}
