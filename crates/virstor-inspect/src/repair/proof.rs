//! The proof that a stage of a repair loses nothing: decide, prove, then do.
//!
//! Whoever plans a stage may be wrong, on a set that nobody has thought of. So what is planned is not trusted: each
//! byte of the volume that lay somewhere before, by the map and the records as they were read then, has to be found
//! after, by the map and the records as they are read after, in the same place with no patch over it, or where a patch
//! put a copy of just that byte. The overlay knows where its bytes come from, so the data is not read for that. And
//! what was a hole stays one: the old bytes of a chunk that an entry comes to name were never the volume's.

use std::ops::{Range, RangeInclusive};

use virstor::assemble::Volume;
use virstor::check::Code;
use virstor::format::MAP_ENTRY_LEN;
use virstor::geometry::{ComponentIndex, VirtualChunk};
use virstor::io::ReadAt;
use virstor::locate::Located;
use virstor::ordered::Set;
use virstor::overlay::Overlay;
use virstor::plan::{Segment, SegmentPlace};
use virstor::repair::{Action, Loss, Step};

use crate::heap::Heap;

/// A stage that is not in the plan, and with it what would have come after: it is not proven that it loses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// The findings it would have answered.
    pub codes: Set<Code>,
    /// What its steps would have done, in words.
    pub does: Vec<String>,
    /// The first virtual chunk that would not be what it is.
    pub at: VirtualChunk,
    /// What would become of it.
    pub fate: Fate,
}

/// What a stage does to a chunk that has to stay what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Some of its bytes would be others, or too many would have to be compared to say that they are not.
    Differs,
    /// It would name no data any more.
    Lost,
}

impl Declined {
    /// It in one sentence without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let fate = match self.fate {
            Fate::Differs => "might read differently",
            Fate::Lost => "could not be read",
        };
        format!("virtual chunk {} {fate} after it: {}", self.at.0, self.does.join("; then "))
    }
}

/// A volume at one time: the heap it is in, and the bytes of the files.
pub(super) struct Moment<'a, X, D> {
    pub(super) heap: &'a Heap<X>,
    pub(super) volume: usize,
    pub(super) overlay: &'a Overlay<D>,
}

/// What the map is kept in while it is gone through, in bytes.
const MAP_MEMORY: u64 = 1 << 20;

/// So many bytes are compared at most. There is something to compare only where a patch writes bytes that are there
/// already, or where the volume has its component in another place, so no sound plan comes near it.
const MOST_COMPARED: u64 = 64 << 20;

/// The first virtual chunk that `steps`, which lead from `before` to `after`, do not leave what it is, and what becomes
/// of it.
///
/// Bytes that show the map or a record, because the chunk lies over them, are not the volume's: they may be others
/// after, but have to be somewhere. Exempt are chunks that a step gives up for want of room, as many as it says, and
/// holes where a map gets its byte order: read the other way round entries are taken for unallocated. `numbers` says
/// which disk of the overlays a file is.
///
/// It takes one look at both maps, and memory for a megabyte of each.
pub(super) fn first_loss<X: ReadAt + Clone, Y: ReadAt + Clone, D: ReadAt>(
    before: &Moment<'_, X, D>,
    after: &Moment<'_, Y, D>,
    steps: &[&Step],
    numbers: &[Option<usize>],
) -> Option<(VirtualChunk, Fate)> {
    let volume = &before.heap.volumes()[before.volume];
    let (mut old, mut new) =
        (before.heap.reader(before.volume, MAP_MEMORY), after.heap.reader(after.volume, MAP_MEMORY));
    let kept = new.volume().size();
    let (mut given_up, mut budget) = (GivenUp::new(steps), MOST_COMPARED);
    let holes_stay = !steps.iter().any(|step| matches!(step.action, Action::ConvertMap { .. }));
    let chunk = |at: u64| volume.chunk_size.split(at).0;
    for segment in old.segments(0..volume.size()) {
        let (start, end) = (segment.start, segment.end());
        let pieces = new.segments(start.min(kept)..end.min(kept));
        let (component, offset) = match segment.place {
            SegmentPlace::Data { component, offset } => (component, offset),
            SegmentPlace::Hole if holes_stay => {
                let mut filled = pieces.filter(|piece| piece.place != SegmentPlace::Hole);
                let Some(piece) = filled.next() else { continue };
                let is_data = matches!(piece.place, SegmentPlace::Data { .. });
                return Some((chunk(piece.start), if is_data { Fate::Differs } else { Fate::Lost }));
            }
            _ => continue,
        };
        let own = own_bytes(volume, &segment, component, offset);
        for piece in pieces {
            match piece.place {
                SegmentPlace::Data { component: to, offset: to_offset } => {
                    let (first, last) = (piece.start.max(own.start), piece.end().min(own.end));
                    let from = before.place(component, offset + first.saturating_sub(start), numbers);
                    let to = after.place(to, to_offset + (first - piece.start), numbers);
                    let (here, there) = (before.overlay, after.overlay);
                    let len = last.saturating_sub(first);
                    if let Some(within) = here.first_difference(from, there, to, len, &mut budget) {
                        return Some((chunk(first + within), Fate::Differs));
                    }
                }
                SegmentPlace::Hole if given_up.allow(chunk(piece.start).0..=chunk(piece.end() - 1).0) => {}
                _ => return Some((chunk(piece.start), Fate::Lost)),
            }
        }
        if end > kept {
            return Some((chunk(start.max(kept)), Fate::Lost));
        }
    }
    None
}

impl<X: ReadAt + Clone, D> Moment<'_, X, D> {
    /// Where the components lie, by number: in which file, and how.
    pub(super) fn places(&self) -> impl Iterator<Item = &(usize, Located)> {
        let components = self.heap.volumes()[self.volume].components.values();
        components.map(|component| &self.heap.located()[component.candidate])
    }

    /// The disk of the overlay, and the byte on it, where byte `offset` of a component lies.
    fn place(&self, component: ComponentIndex, offset: u64, numbers: &[Option<usize>]) -> (usize, u64) {
        let candidate = self.heap.volumes()[self.volume].components[&component].candidate;
        let (file, located) = &self.heap.located()[candidate];
        (numbers[*file].expect("a file with a component can be read"), located.start + offset)
    }
}

/// Which bytes of the volume in a segment, if any, are its own: they show neither the map nor a record. Where the map
/// goes on behind its reserve it may be too long, so what an entry names there is the volume's.
fn own_bytes(volume: &Volume, segment: &Segment, component: ComponentIndex, offset: u64) -> Range<u64> {
    let here = &volume.components[&component];
    let map_len = (volume.map_entries() * MAP_ENTRY_LEN as u64).min(volume.reserve_len());
    let map = if component.0 == 0 { map_len } else { 0 };
    let record = here.len.saturating_sub(here.sector_size.into());
    let at = |on_component: u64| segment.start + on_component.saturating_sub(offset).min(segment.len);
    at(map)..at(record)
}

/// The chunks that steps give up although a part of them can be read.
struct GivenUp {
    /// From where on, and how many.
    left: Vec<(u64, u64)>,
    /// The last that was allowed: it may be asked of again, piece by piece.
    last: Option<u64>,
}

impl GivenUp {
    fn new(steps: &[&Step]) -> Self {
        let loss = |step: &&Step| match step.loss {
            Some(Loss::NoRoom { count, first }) => Some((first.0, count)),
            _ => None,
        };
        Self { left: steps.iter().filter_map(loss).collect(), last: None }
    }

    /// Whether these chunks, which are asked of in order, are among them.
    fn allow(&mut self, chunks: RangeInclusive<u64>) -> bool {
        for chunk in chunks {
            if self.last == Some(chunk) {
                continue;
            }
            let Some((_, count)) = self.left.iter_mut().find(|(first, count)| *first <= chunk && *count > 0)
            else {
                return false;
            };
            *count -= 1;
            self.last = Some(chunk);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;

    use virstor::overlay::OverlayDisk;
    use virstor::patch::Patch;
    use virstor_testkit::{MapEntry, SetBuilder, SparseDisk};

    use super::*;
    use crate::heap::InputFile;
    use crate::repair::{PlannedStep, Planner};

    const CHUNK: u64 = 128 << 10;

    /// Two components of seven chunks; virtual chunk 3 lies in chunk 4 of component 0, 70 in chunk 2 of component 1.
    fn heap() -> Heap<Arc<SparseDisk>> {
        heap_of(SetBuilder::new("data"))
    }

    fn heap_of(set: SetBuilder) -> Heap<Arc<SparseDisk>> {
        let set = set.components([1 << 20; 2]).virtual_chunks(128).filled(7);
        let file = |(label, disk): (String, SparseDisk)| InputFile {
            provider: label.clone().into_bytes(),
            label,
            disk: Ok(Arc::new(disk)),
            sector_size: Some(512),
            preferred: false,
        };
        let files = set.map(3, 0, 4).map(70, 1, 2).build().into_iter().map(file).collect();
        Heap::look(files, crate::Options::default(), &mut |_, _, _| ControlFlow::Continue(()))
    }

    /// What a step with these patches would lose, and that nothing is left of it when it is taken out again.
    fn lost(patches: Vec<Patch>, loss: Option<Loss>) -> Option<(u64, Fate)> {
        lost_of(&heap(), 0, Action::Records(Vec::new()), patches, loss)
    }

    /// The same, of a heap whose volume `volume` is repaired by a step that does `action`.
    fn lost_of(
        heap: &Heap<Arc<SparseDisk>>,
        volume: usize,
        action: Action,
        patches: Vec<Patch>,
        loss: Option<Loss>,
    ) -> Option<(u64, Fate)> {
        let mut planner = Planner::new(heap);
        (0..heap.volumes().len()).for_each(|volume| planner.members(heap, volume));
        let proven = planner.proven();
        let step = Step { codes: Set::default(), action, loss, patches };
        let places = planner.disks.iter().map(|disk| (disk.file, disk.start, disk.len)).collect::<Vec<_>>();
        planner.add(heap, &step, "do something".into(), &places).expect("memory");
        let now = planner
            .look::<OverlayDisk<Arc<SparseDisk>>>(
                heap,
                crate::Options::default(),
                (heap.volumes()[volume].name, heap.volumes()[volume].id),
                &mut |_, _, _| ControlFlow::Continue(()),
            )
            .expect("memory");
        let declined = planner.loss(&proven, (heap, volume), &now);
        planner.roll_back(proven);
        assert_eq!(planner.steps, Vec::<PlannedStep>::new());
        for file in 0..2 {
            let (mut before, mut after) = (vec![0; 1 << 20], vec![0; 1 << 20]);
            heap.files()[file].disk.as_ref().expect("memory").read_at(0, &mut before).expect("memory");
            planner.overlay.disk(file).read_at(0, &mut after).expect("memory");
            assert!(before == after, "file {file} is what it was");
        }
        declined.map(|declined| (declined.at.0, declined.fate))
    }

    fn entry(at: u64, entry: MapEntry) -> Patch {
        let bytes = entry.encode(virstor_testkit::ByteOrder::Little).to_vec();
        Patch::Write { component: ComponentIndex(0), offset: at * 8, bytes }
    }

    fn copy(from: (u16, u64), to: (u16, u64)) -> Patch {
        let place = |(component, chunk)| (ComponentIndex(component), chunk * CHUNK);
        Patch::Copy { from: place(from), to: place(to), len: CHUNK }
    }

    #[test]
    fn a_chunk_may_stay_or_move() {
        let write = |offset, bytes| Patch::Write { component: ComponentIndex(1), offset, bytes };
        let mut same = vec![0; 512];
        let file = heap().files()[1].disk.clone().expect("memory");
        file.read_at(2 * CHUNK, &mut same).expect("memory");
        assert_eq!(lost(vec![write(2 * CHUNK, same)], None), None, "that is there already");
        assert_eq!(lost(vec![write(3 * CHUNK, vec![1; 512])], None), None, "nothing lies there");
        let moved = vec![copy((1, 2), (0, 5)), Patch::Barrier, entry(70, MapEntry::allocated(0, 5))];
        assert_eq!(lost(moved, None), None);
    }

    #[test]
    fn a_step_that_is_wrong_is_refused_and_leaves_no_trace() {
        let zero = |component, offset| Patch::Zero { component: ComponentIndex(component), offset, len: 1 };
        for (patches, at, fate) in [
            (vec![zero(0, 5 * CHUNK - 1)], 3, Fate::Differs),
            (vec![zero(1, 2 * CHUNK)], 70, Fate::Differs),
            // The map names the copy, but what was copied is something else, or lies elsewhere.
            (vec![copy((0, 4), (0, 5)), entry(70, MapEntry::allocated(0, 5))], 70, Fate::Differs),
            (vec![copy((1, 2), (0, 5)), entry(70, MapEntry::allocated(0, 6))], 70, Fate::Differs),
            // A good copy, but over another chunk.
            (vec![copy((1, 2), (0, 4)), entry(70, MapEntry::allocated(0, 4))], 3, Fate::Differs),
            (vec![entry(3, MapEntry::default())], 3, Fate::Lost),
            (vec![entry(3, MapEntry::allocated(0, 99))], 3, Fate::Lost),
            (vec![entry(70, MapEntry::allocated(9, 0))], 70, Fate::Lost),
        ] {
            assert_eq!(lost(patches.clone(), None), Some((at, fate)), "{patches:?}");
        }
    }

    #[test]
    fn a_hole_shows_nothing_that_lay_in_a_chunk_before() {
        let filled = || vec![entry(9, MapEntry::allocated(0, 5))];
        assert_eq!(lost(filled(), None), Some((9, Fate::Differs)));
        assert_eq!(lost(vec![entry(9, MapEntry::allocated(5, 5))], None), Some((9, Fate::Lost)));
        let convert = Action::ConvertMap { count: 1 };
        assert_eq!(lost_of(&heap(), 0, convert, filled(), None), None, "the plan says so");
    }

    #[test]
    fn what_is_joined_with_the_volume_is_not_lost_either() {
        let heap = heap_of(SetBuilder::new("data").edit_record(1, |record| record.name[0] = b'x'));
        assert_eq!(heap.volumes().len(), 2);
        let lost = |volume, patches| lost_of(&heap, volume, Action::Records(Vec::new()), patches, None);
        let mut record = vec![0; 512];
        let file = heap.files()[1].disk.clone().expect("memory");
        file.read_at((1 << 20) - 512, &mut record).expect("memory");
        record[20] = b'd';
        let rename = Patch::Write { component: ComponentIndex(1), offset: (1 << 20) - 512, bytes: record };
        let zero = Patch::Zero { component: ComponentIndex(0), offset: 4 * CHUNK, len: 1 };
        for volume in 0..2 {
            assert_eq!(lost(volume, vec![rename.clone()]), None);
            assert_eq!(lost(volume, vec![zero.clone()]), Some((3, Fate::Differs)));
            assert_eq!(lost(volume, vec![rename.clone(), zero.clone()]), Some((3, Fate::Differs)));
        }
    }

    #[test]
    fn what_a_step_gives_up_is_that_and_no_more() {
        let gone = || vec![entry(3, MapEntry::default()), entry(70, MapEntry::default())];
        let for_want_of_room = |count, first| Some(Loss::NoRoom { count, first: VirtualChunk(first) });
        assert_eq!(lost(gone(), for_want_of_room(2, 3)), None);
        assert_eq!(lost(gone(), for_want_of_room(1, 3)), Some((70, Fate::Lost)));
        assert_eq!(lost(gone(), for_want_of_room(1, 70)), Some((3, Fate::Lost)));
        assert_eq!(lost(gone(), Some(Loss::Orphans { chunks: 2 })), Some((3, Fate::Lost)));
    }
}
