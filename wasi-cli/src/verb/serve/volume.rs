//! The volume as a disk: the map decides where its bytes are, component by component.
#![cfg_attr(target_env = "p1", allow(dead_code, reason = "without sockets nobody can control a server"))]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use nbd_proto::ReadReply;
use virstor::change::add::AddError;
use virstor::change::remove::RemoveError;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::label::Provider;
use virstor::plan::{Lost, Segment, SegmentPlace, VolumeReader};
use virstor::write::{MemberError, StepBytes, VolumeWriter, WriteError};
use virstor_inspect::heap::ComponentDisk;

use super::backend::{Backend, Extent, Fault, State, Zeros};
use super::component::Component;
use super::writing::WritableComponent;
use crate::disk::Disk;

/// Most map entries one question for extents may cost. At 4 MiB a chunk they describe 1 TiB.
const MAX_ENTRIES: u64 = 1 << 18;

/// A volume, whole or not.
pub(crate) struct Volume {
    size: u64,
    chunk_size: u64,
    /// Plans, and writes that need room. All else goes past it, so that one client's slow disk does not hold up
    /// the others.
    map: Mutex<Map>,
    /// Changed only while the map is locked.
    components: RwLock<BTreeMap<ComponentIndex, Arc<Component>>>,
    /// Whether lost bytes are served as zeros.
    zero_lost: bool,
    is_writable: bool,
}

/// Who knows where bytes are.
pub(crate) enum Map {
    /// Of a volume that is only read.
    Reader(Box<VolumeReader<ComponentDisk<Disk>>>),
    /// Of one that is written.
    Writer(Box<VolumeWriter<WritableComponent>>),
}

impl Map {
    fn segments(&mut self, range: Range<u64>) -> Vec<Segment> {
        match self {
            Self::Reader(reader) => reader.segments(range).collect(),
            Self::Writer(writer) => writer.segments(range).collect(),
        }
    }

    /// What the disk said that has the map, where byte `at` of the volume is lost because of it; the next look asks it again.
    fn take_error(&mut self, at: u64) -> Option<IoError> {
        match self {
            Self::Reader(reader) => reader.take_map_error(at),
            Self::Writer(writer) => writer.take_map_error(at),
        }
    }
}

impl Volume {
    /// The volume of `map`, whose components `components` are.
    pub(crate) fn new(
        map: Map,
        components: impl IntoIterator<Item = Arc<Component>>,
        zero_lost: bool,
    ) -> Self {
        let volume = match &map {
            Map::Reader(reader) => reader.volume(),
            Map::Writer(writer) => writer.volume(),
        };
        Self {
            size: volume.size(),
            chunk_size: volume.chunk_size.bytes(),
            is_writable: matches!(map, Map::Writer(_)),
            map: Mutex::new(map),
            components: RwLock::new(
                components.into_iter().map(|component| (component.index, component)).collect(),
            ),
            zero_lost,
        }
    }

    /// The components, in their order.
    pub(crate) fn components(&self) -> Vec<Arc<Component>> {
        self.components.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How many chunks can still be handed out, where any can.
    pub(crate) fn free_chunks(&self) -> Option<u64> {
        self.with_writer(|writer| Ok(writer.space().free_chunks)).ok()
    }

    /// Adds disks, each of which is its component afterwards: their numbers are set here. All others wait meanwhile, and
    /// find the volume as it was or as it is.
    ///
    /// # Errors
    ///
    /// When one of them cannot become one.
    pub(crate) fn add(
        &self,
        new: Vec<(Provider<'_>, (WritableComponent, Component))>,
    ) -> Result<(), MemberError> {
        let mut map = self.map();
        let Map::Writer(writer) = &mut *map else { return Err(MemberError::Add(AddError::NoComponents)) };
        let first = writer.volume().component_count;
        let (disks, new): (Vec<_>, Vec<_>) =
            new.into_iter().map(|(provider, (disk, component))| ((provider, disk), component)).unzip();
        writer.add_components(disks, false)?;
        let mut components = self.components.write().unwrap_or_else(PoisonError::into_inner);
        let numbers = (first..).map(ComponentIndex);
        components.extend(
            numbers.zip(new).map(|(index, component)| (index, Arc::new(Component { index, ..component }))),
        );
        Ok(())
    }

    /// Removes components of which no chunk is in use.
    ///
    /// # Errors
    ///
    /// When one has to stay.
    pub(crate) fn remove(&self, drop: &[ComponentIndex]) -> Result<(), MemberError> {
        let mut map = self.map();
        let Map::Writer(writer) = &mut *map else {
            return Err(MemberError::Remove(RemoveError::NoComponents));
        };
        writer.remove_components(drop)?;
        let mut components = self.components.write().unwrap_or_else(PoisonError::into_inner);
        let (go, stay): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *components).into_values().partition(|it| drop.contains(&it.index));
        // Clients that found them when they came have them still, and may stay for long.
        go.iter().for_each(|component| component.give_up(&stay));
        // Those that get another number hold nothing, so nobody has looked them up.
        let renumbered = (0..).map(ComponentIndex).zip(stay);
        *components =
            renumbered.map(|(index, it)| (index, Arc::new(Component { index, ..(*it).clone() }))).collect();
        Ok(())
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        // The program ends where a thread panics (`panic = "abort"`), so nobody has left anything half done.
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments(&self, offset: u64, len: u64) -> Vec<Segment> {
        let (mut map, range) = (self.map(), offset..offset + len);
        let segments = map.segments(range.clone());
        let unread = segments.iter().filter(|segment| segment.place == SegmentPlace::Lost(Lost::NoMap));
        // A disk that failed once is asked again.
        if unread.filter(|segment| map.take_error(segment.start).is_some()).count() > 0 {
            return map.segments(range);
        }
        segments
    }

    /// Why nobody knows the place of the bytes from `start` on. Where that is because a disk failed, it is said, and not
    /// that they are lost.
    fn lost(&self, start: u64, why: Lost) -> Fault {
        let error = if why == Lost::NoMap { self.map().take_error(start) } else { None };
        match error {
            Some(error) => self.component(ComponentIndex(0)).fault(error),
            None => Fault::Lost { start, why },
        }
    }

    /// Whether bytes that are lost for this reason are served as zeros. A volume that is written to was whole when it was
    /// opened, so what nobody can find there is not lost: a disk fails.
    fn is_zero(&self, why: Lost) -> bool {
        self.zero_lost && !(self.is_writable && why == Lost::NoMap)
    }

    /// Has `work` done by the writer, while nobody else has it.
    fn with_writer<T>(
        &self,
        work: impl FnOnce(&mut VolumeWriter<WritableComponent>) -> Result<T, WriteError>,
    ) -> Result<T, Fault> {
        match &mut *self.map() {
            Map::Reader(_) => Err(Fault::ReadOnly),
            Map::Writer(writer) => work(writer).map_err(|error| self.fault(error)),
        }
    }

    /// Does `work` on each stretch of `range` that has a place, without the writer, and tells it afterwards; `lost` says
    /// whether to go on past a stretch that has one nobody knows.
    fn in_place(
        &self,
        range: Range<u64>,
        lost: impl Fn(Fault) -> Result<(), Fault>,
        work: impl Fn(&Component, u64, u64) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut start = range.start;
        while start < range.end {
            // A bounded piece of the map at a time, and others have their turn in between.
            let end = range.end.min(start.saturating_add(self.chunk_size.saturating_mul(MAX_ENTRIES)));
            let mut touched = Vec::new();
            for segment in self.segments(start, end - start) {
                match segment.place {
                    SegmentPlace::Hole => {}
                    SegmentPlace::Lost(why) => lost(self.lost(segment.start, why))?,
                    SegmentPlace::Data { component, offset } => {
                        work(&self.component(component), offset, segment.len)?;
                        touched.push(component);
                    }
                }
            }
            self.note_writes(touched)?;
            start = end;
        }
        Ok(())
    }

    /// What was done without the writer counts for the next flush. What failed does not: nobody relies on it, and a
    /// component that is gone must not make the flushes of the others fail.
    fn note_writes(&self, mut touched: Vec<ComponentIndex>) -> Result<(), Fault> {
        touched.sort_unstable();
        touched.dedup();
        self.with_writer(|writer| {
            touched.into_iter().for_each(|component| writer.wrote(component));
            Ok(())
        })
    }

    fn component(&self, index: ComponentIndex) -> Arc<Component> {
        let components = self.components.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(components.get(&index).expect("a segment names a component that is there"))
    }

    fn fault(&self, error: WriteError) -> Fault {
        match error {
            WriteError::Io { component, error } => self.component(component).fault(error),
            WriteError::OutOfSpace { needed, free } => Fault::Full { needed, free },
            WriteError::Lost { start, why } => Fault::Lost { start, why },
        }
    }

    fn state(&self, place: SegmentPlace) -> State {
        match place {
            SegmentPlace::Hole => State::Hole,
            SegmentPlace::Data { component, .. } => self.component(component).state(),
            SegmentPlace::Lost(why) => {
                let component = match why {
                    Lost::MissingComponent(component)
                    | Lost::PastEnd(component)
                    | Lost::BadArea(component) => Some(component),
                    Lost::BadEntry | Lost::NoMap => None,
                };
                State::Lost { component, zero: self.is_zero(why) }
            }
        }
    }
}

impl Backend for Volume {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, reply: &mut ReadReply<'_>) -> Result<(), Fault> {
        for segment in self.segments(offset, reply.remaining()) {
            match segment.place {
                SegmentPlace::Hole => reply.hole(segment.len),
                SegmentPlace::Lost(why) if self.is_zero(why) => reply.hole(segment.len),
                SegmentPlace::Lost(why) => return Err(self.lost(segment.start, why)),
                SegmentPlace::Data { component, offset } => {
                    let len = usize::try_from(segment.len).expect("a request fits memory");
                    self.component(component).read_at(offset, reply.data(len))?;
                }
            }
        }
        Ok(())
    }

    fn extents(&self, range: Range<u64>, visit: &mut dyn FnMut(Extent) -> bool) {
        let end = range.end.min(range.start.saturating_add(self.chunk_size.saturating_mul(MAX_ENTRIES)));
        let range = range.start..end;
        let mut visit =
            |segment: Segment| visit(Extent { len: segment.len, state: self.state(segment.place) });
        // `all` ends at the first extent that is one too many.
        _ = match &mut *self.map() {
            Map::Reader(reader) => reader.segments(range).all(&mut visit),
            Map::Writer(writer) => writer.segments(range).all(&mut visit),
        };
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn write(&self, offset: u64, data: &[u8], may_grow: bool) -> Result<(), Fault> {
        let plan = self.with_writer(|writer| {
            let plan = writer.plan(offset, data)?;
            if plan.allocations.is_empty() {
                return Ok(plan);
            }
            if !may_grow {
                let (needed, free) = (plan.allocations.len() as u64, 0);
                return Err(WriteError::OutOfSpace { needed, free });
            }
            // Room is given to one after the other.
            writer.perform(&plan, data)?;
            Ok(virstor::write::WritePlan { steps: Vec::new(), allocations: Vec::new() })
        })?;
        if plan.steps.is_empty() {
            return Ok(());
        }
        for step in &plan.steps {
            let component = self.component(step.component);
            match &step.what {
                StepBytes::Data(range) => component.write_at(step.offset, &data[range.clone()])?,
                StepBytes::Zeros(len) => component.write_zeros(step.offset, *len)?,
            }
        }
        self.note_writes(plan.steps.iter().map(|step| step.component).collect())
    }

    fn write_zeros(&self, range: Range<u64>, how: Zeros) -> Result<(), Fault> {
        if how.fast {
            // Holes are zero already; anything else depends on the host, and is not promised.
            let mut fast = true;
            let mut known = range.start;
            while fast && known < range.end {
                self.extents(known..range.end, &mut |extent| {
                    fast = extent.state == State::Hole && !how.provided;
                    known += extent.len;
                    fast
                });
            }
            return if fast { Ok(()) } else { Err(Fault::Slow) };
        }
        if how.provided {
            return self.with_writer(|writer| match writer.chunks_missing(range.clone()) {
                needed if needed > 0 && !how.may_grow => Err(WriteError::OutOfSpace { needed, free: 0 }),
                _ => writer.provide_zeros(range),
            });
        }
        self.in_place(range, Err, Component::write_zeros)
    }

    fn trim(&self, range: Range<u64>) -> Result<(), Fault> {
        // What nobody can find is of no use already.
        self.in_place(range, |_| Ok(()), Component::discard)
    }

    fn flush(&self) -> Result<(), Fault> {
        if !self.is_writable {
            return Ok(());
        }
        // Most of the work is done while others go on; what fails here fails again below.
        for component in self.with_writer(|writer| Ok(writer.unflushed().collect::<Vec<_>>()))? {
            self.component(component).flush()?;
        }
        self.with_writer(VolumeWriter::flush)
    }

    fn settle(&self) -> Result<(), Fault> {
        if self.is_writable { self.with_writer(VolumeWriter::close) } else { Ok(()) }
    }
}

/// For those who look for partitions in it.
impl ReadAt for Volume {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let len = buf.len();
        let failed = |fault: Fault| IoError::new(offset, len, fault.to_string());
        let mut rest = buf;
        for segment in self.segments(offset, len as u64) {
            let (part, behind) =
                rest.split_at_mut(usize::try_from(segment.len).expect("it is within the buffer"));
            rest = behind;
            match segment.place {
                SegmentPlace::Data { component, offset } => {
                    self.component(component).read_at(offset, part).map_err(failed)?;
                }
                SegmentPlace::Lost(why) if !self.is_zero(why) => {
                    return Err(failed(self.lost(segment.start, why)));
                }
                SegmentPlace::Hole | SegmentPlace::Lost(_) => part.fill(0),
            }
        }
        Ok(())
    }
}
