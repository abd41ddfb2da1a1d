//! The records of a volume, against each other: who is there, who is not, and who says what.

use alloc::vec::Vec;

use super::map_pass::MapPass;
use super::unclaimed::{LastSector, by_elimination, lost_record};
use super::{Code, Fault, Findings, Numbering, Subject, Torn};
use crate::assemble::{Candidate, Component, Problem, Unfit, Volume};
use crate::change::naming::other_part;
use crate::format::{Name, Record};
use crate::geometry::ComponentIndex;
use crate::io::ReadAt;
use crate::locate::Place;
use crate::ordered::{self, Map, Set};
use crate::taste::same_device;

/// Judges I1 and I2. Gives the components whose records are older than their siblings': what else these
/// records say need not be judged.
pub(super) fn judge<D: ReadAt>(
    subject: &Subject<'_, D>,
    pass: &MapPass,
    last_sectors: &[LastSector],
    findings: &mut Findings,
) -> Set<ComponentIndex> {
    let volume = subject.volume();
    judge_name(subject, findings);
    for (index, component) in &volume.components {
        let candidate = &subject.candidates[component.candidate];
        judge_place(*index, component, candidate, pass, findings);
        if component.sector_size != volume.sector_size {
            let (sector_size, expected) = (component.sector_size, volume.sector_size);
            findings.push(Fault::SectorSizeDiffers { index: *index, sector_size, expected });
        }
    }
    let mut members = Members::new(subject, pass, findings);
    members.judge_unfit();
    members.judge_duplicates();
    members.judge_removed();
    members.judge_renaming(subject);
    let stale = members.judge_counts();
    members.judge_shared_fields();
    let Members { missing, findings, .. } = members;
    // What was said of a lost record says that the component is there.
    let found = |index: &ComponentIndex| index.0 == 0 && findings.has(Code::RecordLost);
    let missing: Vec<ComponentIndex> = missing.into_iter().filter(|index| !found(index)).collect();
    let alone = missing.len() == 1;
    for index in missing {
        let entries = pass.whole.then(|| pass.tallies[index.as_usize()].entries);
        let eliminated = || by_elimination(subject, pass, last_sectors, index).filter(|_| alone);
        let lost = lost_record(volume, pass, last_sectors, index).or_else(eliminated);
        findings.push(lost.unwrap_or(Fault::ComponentMissing { index, entries }));
    }
    stale
}

/// Whether `record` names `volume`, whatever else it says.
pub(super) fn belongs(volume: &Volume, record: &Record) -> bool {
    record.name().bytes() == volume.name.bytes() && record.md_id.get() == volume.id
}

/// The fault of a record that makes no component.
pub(super) fn unfit(candidate: usize, unfit: Unfit, record: &Record, fits: bool) -> Fault {
    match unfit {
        Unfit::Version(version) => {
            Fault::RecordVersion { candidate, index: ComponentIndex(record.no.get()), version, fits }
        }
        Unfit::Nonsensical { count, chunk_size, virtual_size } => {
            Fault::RecordNonsensical { candidate, count, chunk_size, virtual_size }
        }
    }
}

fn judge_name<D>(subject: &Subject<'_, D>, findings: &mut Findings) {
    let volume = subject.volume();
    let name = volume.name;
    if name.is_empty() {
        findings.push(Fault::VolumeNameEmpty);
    } else if !name.is_terminated() {
        findings.push(Fault::VolumeNameUnterminated { name });
    }
    let owner = volume.problems.iter().find_map(|problem| match problem {
        Problem::NameTaken { id } => Some(*id),
        _ => None,
    });
    for (number, other) in subject.assembly.volumes.iter().enumerate() {
        if number != subject.volume && other.name.bytes() == name.bytes() {
            findings.push(Fault::NameShared { id: other.id, refused: owner == Some(other.id) });
        }
    }
}

/// Judges whether FreeBSD finds the component where it lies, and under the name it has.
fn judge_place(
    index: ComponentIndex,
    component: &Component,
    candidate: &Candidate,
    pass: &MapPass,
    findings: &mut Findings,
) {
    let (provsize, size) = (component.record.provsize.get(), component.len);
    match candidate.located.place {
        Place::Grown => findings.push(Fault::ComponentGrown { index, provsize }),
        Place::Inside => {
            findings.push(Fault::ComponentInside { index, start: candidate.located.start });
        }
        // What is cut off shows as a changed size.
        Place::Whole | Place::Partition(_) | Place::Cut => {}
    }
    if provsize != size {
        let entries = pass.tallies[index.as_usize()].past_end;
        let whole_sectors = size.is_multiple_of(u64::from(component.sector_size));
        findings.push(Fault::SizeChanged { index, provsize, size, entries, whole_sectors });
    }
    let wanted = component.record.hardcoded_as_c_string();
    if !wanted.is_empty() && !same_device(&wanted, &candidate.provider) {
        findings.push(hardcoded_name(index, component.record.hardcoded(), &candidate.provider));
    }
}

/// The longest name that `label -h` keeps whole.
const LONGEST_NAME: usize = 15;

fn hardcoded_name(index: ComponentIndex, name: Name, provider: &[u8]) -> Fault {
    let cut = provider.len() > LONGEST_NAME && provider.starts_with(name.bytes());
    match name.bytes().len() {
        ..LONGEST_NAME => Fault::HardcodedNameDiffers { index, name },
        LONGEST_NAME => Fault::HardcodedNameCut { index, name, certain: cut },
        _ => Fault::HardcodedNameCut { index, name, certain: true },
    }
}

/// All records of one volume, also those that found no place in it.
struct Members<'a> {
    volume: &'a Volume,
    candidates: &'a [Candidate],
    unfit: &'a [(usize, Unfit)],
    pass: &'a MapPass,
    findings: &'a mut Findings,
    /// By number; where several have the same one, the one in the volume.
    by_number: Map<ComponentIndex, usize>,
    /// Numbers that nothing has and no finding explains.
    missing: Set<ComponentIndex>,
}

impl<'a> Members<'a> {
    fn new<D>(subject: &Subject<'a, D>, pass: &'a MapPass, findings: &'a mut Findings) -> Self {
        let volume = subject.volume();
        let placed = volume.components.iter().map(|(index, component)| (*index, component.candidate));
        let beyond = volume.problems.iter().filter_map(|problem| match problem {
            Problem::NumberOutOfRange { candidate, index, .. } => Some((*index, *candidate)),
            _ => None,
        });
        Self {
            volume,
            candidates: subject.candidates,
            unfit: &subject.assembly.unfit,
            pass,
            findings,
            by_number: beyond.chain(placed).collect(),
            missing: volume.missing().collect(),
        }
    }

    fn record(&self, candidate: usize) -> &'a Record {
        &self.candidates[candidate].located.tasted.record
    }

    fn entries(&self, index: ComponentIndex) -> u64 {
        self.pass.tallies.get(index.as_usize()).map_or(0, |tally| tally.entries)
    }

    fn judge_unfit(&mut self) {
        for (candidate, why) in self.unfit {
            let record = self.record(*candidate);
            if belongs(self.volume, record) {
                let place = ComponentIndex(record.no.get());
                let fits = self.missing.contains(&place) && self.agrees(*candidate);
                self.findings.push(unfit(*candidate, *why, record, fits));
                self.missing.remove(&place);
            }
        }
    }

    /// Whether a record says what the volume and its own disk do.
    fn agrees(&self, candidate: usize) -> bool {
        let record = self.record(candidate);
        record.md_virsize.get() == self.volume.recorded_size
            && u64::from(record.md_chunk_size.get()) == self.volume.chunk_size.bytes()
            && record.md_count.get() == self.volume.component_count
            && record.provsize.get() == self.candidates[candidate].located.len
    }

    fn judge_duplicates(&mut self) {
        for problem in &self.volume.problems {
            let Problem::Duplicate { candidate, kept, index } = *problem else { continue };
            let differs = self.record(candidate) != self.record(kept);
            let victim = self.overwritten(candidate, kept);
            let missing = self.missing.from(&index).next().or(self.missing.first()).copied();
            self.findings.push(match (victim, missing) {
                (Some((candidate, original)), Some(missing)) => {
                    self.missing.remove(&missing);
                    Fault::RecordCopied { candidate, original, index, missing }
                }
                _ => Fault::Duplicate { candidate, kept, index, differs },
            });
        }
    }

    /// Which of two records for one place was written over another component's, and which is the original.
    ///
    /// When a record cannot be read the kernel writes the one it read before in its place, with the cursor
    /// and the flags of the component it belongs to (`update_metadata`). So all but these are alike.
    fn overwritten(&self, candidate: usize, kept: usize) -> Option<(usize, usize)> {
        let (one, other) = (self.record(candidate), self.record(kept));
        let local =
            |record: &Record| (record.provider, record.provsize, record.chunk_count, record.chunk_reserved);
        if local(one) != local(other) || (one.chunk_next, one.flags) == (other.chunk_next, other.flags) {
            return None;
        }
        // Its own record would not have another size, nor a cursor within the reserve.
        let foreign = |candidate: usize| {
            let record = self.record(candidate);
            record.provsize.get() != self.candidates[candidate].located.len
                || record.chunk_next.get() < u32::from(record.chunk_reserved.get())
        };
        Some(if foreign(kept) && !foreign(candidate) { (kept, candidate) } else { (candidate, kept) })
    }

    /// `remove` of any component but the last leaves the numbers behind it as they were, and lowers the count.
    fn judge_removed(&mut self) {
        let count = self.volume.component_count;
        let index = ComponentIndex(count);
        let Some(candidate) = self.by_number.get(&index).copied() else { return };
        let Some(last) = self.missing.last().copied() else { return };
        // Where several are gone the gap that moves is the highest, and as wide as it was.
        let below = (0..=last.0).rev().map(ComponentIndex);
        let missing = below.take_while(|index| self.missing.contains(index)).last().unwrap_or(last);
        let known = self.by_number.len() + self.missing.len() == usize::from(count) + 1;
        let lies_there = |index: &ComponentIndex| *index != missing && self.entries(*index) > 0;
        if known && !self.missing.iter().any(lies_there) {
            let entries = self.entries(missing);
            let numbering = self.numbering(missing, ComponentIndex(last.0 + 1), index);
            self.findings.push(Fault::RemovedFromMiddle { candidate, index, missing, entries, numbering });
            self.missing.retain(|index| *index < missing);
            self.by_number.remove(&index);
        }
    }

    /// Names change record by record, upward: in between there seem to be two volumes.
    fn judge_renaming<D>(&mut self, subject: &Subject<'_, D>) {
        let Some(other) = other_part(&subject.assembly.volumes, subject.volume) else { return };
        let other = &subject.assembly.volumes[other];
        let has_first = self.volume.components.contains_key(&ComponentIndex(0));
        let (new, old) = if has_first { (self.volume, other) } else { (other, self.volume) };
        self.findings.push(Fault::TornRename {
            old_name: old.name,
            new_name: new.name,
            updated: new.components.len() as u64,
            outdated: old.components.len() as u64,
        });
        self.missing.clear();
    }

    /// How the map calls the components behind the gap that begins with `missing`, from `first` to `last`.
    ///
    /// Each cursor says how many entries its component has. Where numbers are closed up one after the other, entries
    /// first, those of the first component behind the gap are called by two numbers.
    fn numbering(&self, missing: ComponentIndex, first: ComponentIndex, last: ComponentIndex) -> Numbering {
        let named = |number: u16| {
            self.pass.tallies.get(usize::from(number)).map_or(self.pass.behind, |tally| tally.entries)
        };
        let handed_out = |number: u16| {
            let record = self.by_number.get(&ComponentIndex(number)).map(|candidate| self.record(*candidate));
            record.map(|record| {
                u64::from(record.chunk_next.get()).saturating_sub(record.chunk_reserved.get().into())
            })
        };
        let kept = |number: u16| named(number) + if number == first.0 { named(missing.0) } else { 0 };
        let mut behind = first.0..=last.0;
        if !self.pass.whole {
            return Numbering::Unclear;
        }
        if (missing.0..=last.0).all(|number| named(number) == 0) {
            return Numbering::New;
        }
        if behind.clone().all(|number| handed_out(number) == Some(kept(number))) {
            return Numbering::Old;
        }
        let renamed = |number: u16| handed_out(number) == Some(named(number - (first.0 - missing.0)));
        if named(last.0) == 0 && behind.clone().all(renamed) {
            return Numbering::New;
        }
        // The map is older than the removal. Cursors may be, too.
        let older = named(missing.0) == 0 && named(last.0) > 0;
        match older && behind.all(|number| handed_out(number) <= Some(named(number))) {
            true => Numbering::Old,
            false => Numbering::Unclear,
        }
    }

    /// Judges what the records say about how many components there are, which changes when one is added or
    /// removed: all records are rewritten then, in the order of their numbers (`update_metadata`).
    fn judge_counts(&mut self) -> Set<ComponentIndex> {
        let known: Vec<(ComponentIndex, u16)> = self
            .by_number
            .iter()
            .map(|(index, candidate)| (*index, self.record(*candidate).md_count.get()))
            .collect();
        let mut stale = Set::default();
        match ordered::unique(known.iter().map(|(_, count)| *count))[..] {
            [] => {}
            [count] => self.judge_beyond(count),
            [small, large] => {
                let of = |count: u16| known.iter().filter(|known| known.1 == count).count() as u64;
                let all_before = |first: u16| known.is_sorted_by_key(|(_, count)| *count != first);
                let gone = (0..large).any(|number| !self.by_number.contains_key(&ComponentIndex(number)));
                let torn = if all_before(large) {
                    Some((Torn::Add, small, large))
                } else if all_before(small) && gone {
                    Some((Torn::Remove, large, small))
                } else {
                    None
                };
                if let Some((way, old_count, new_count)) = torn {
                    let (updated, outdated) = (of(new_count), of(old_count));
                    self.findings.push(Fault::Torn { way, old_count, new_count, updated, outdated });
                } else {
                    let fewer = if of(small) <= of(large) { small } else { large };
                    stale.extend(known.iter().filter(|known| known.1 == fewer).map(|known| known.0));
                    self.push_stale(&stale, fewer, if fewer == small { large } else { small });
                }
            }
            _ => {
                let expected = u64::from(self.volume.component_count);
                self.judge_field("md_count", expected, |record| u64::from(record.md_count.get()));
            }
        }
        stale
    }

    /// Components with numbers beyond a count all agree on.
    fn judge_beyond(&mut self, count: u16) {
        let members = self.by_number.len() as u64;
        for (index, candidate) in self.by_number.from(&ComponentIndex(self.volume.component_count)) {
            self.findings.push(if index.0 == count && self.missing.is_empty() {
                // The first step of adding one writes its record, with a count that does not include it.
                let new_count = count.saturating_add(1);
                Fault::Torn { way: Torn::Add, old_count: count, new_count, updated: 0, outdated: members }
            } else {
                Fault::NumberBeyondCount { candidate: *candidate, index: *index, count }
            });
        }
    }

    fn push_stale(&mut self, stale: &Set<ComponentIndex>, count: u16, expected: u16) {
        for index in stale {
            let (candidate, entries) = (self.by_number[index], self.entries(*index));
            self.findings.push(Fault::StaleComponent { candidate, index: *index, count, expected, entries });
        }
    }

    fn judge_shared_fields(&mut self) {
        let (size, chunk_size) = (self.volume.recorded_size, self.volume.chunk_size.bytes());
        // What everything else hangs on comes first: it is listed however much there is.
        self.judge_field("md_chunk_size", chunk_size, |record| u64::from(record.md_chunk_size.get()));
        self.judge_field("md_virsize", size, |record| record.md_virsize.get());
    }

    /// Whether a volume was growing: what its records say becomes larger one after the other, upward, once the map
    /// is zero where it will reach, and that is reserved.
    fn is_torn_growth(&self, field: &str, expected: u64) -> bool {
        let sizes = || self.by_number.values().map(|candidate| self.record(*candidate).md_virsize.get());
        field == "md_virsize"
            && self.volume.map_len() <= u128::from(self.volume.reserve_len())
            && sizes().next() == Some(expected)
            && sizes().is_sorted_by(|before, after| before >= after)
            && ordered::unique(sizes()).len() == 2
    }

    fn judge_field(&mut self, field: &'static str, expected: u64, read: impl Fn(&Record) -> u64) {
        let candidates = self.candidates;
        let value_of = |candidate: &usize| read(&candidates[*candidate].located.tasted.record);
        let agreeing = self.by_number.values().filter(|candidate| value_of(candidate) == expected).count();
        let outvoted = agreeing * 2 > self.by_number.len() || self.is_torn_growth(field, expected);
        for (index, candidate) in &self.by_number {
            let (index, value) = (*index, value_of(candidate));
            if value != expected {
                let candidate = *candidate;
                self.findings.push(Fault::RecordsDisagree {
                    candidate,
                    index,
                    field,
                    value,
                    expected,
                    outvoted,
                });
            }
        }
    }
}
