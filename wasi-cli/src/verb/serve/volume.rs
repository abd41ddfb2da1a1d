//! The volume as a disk: the map decides where its bytes are, component by component.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nbd_proto::ReadReply;
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::plan::{Lost, Segment, SegmentPlace, VolumeReader};
use virstor_inspect::heap::ComponentDisk;

use super::backend::{Backend, Extent, Fault, State};
use super::component::Component;
use crate::disk::Disk;

/// Most map entries one question for extents may cost. At 4 MiB a chunk they describe 1 TiB.
const MAX_ENTRIES: u64 = 1 << 18;

/// A volume, whole or not.
pub(crate) struct Volume {
    size: u64,
    chunk_size: u64,
    /// Plans only. Data is read past it, so that one client's slow disk does not hold up the others.
    map: Mutex<VolumeReader<ComponentDisk<Disk>>>,
    components: BTreeMap<ComponentIndex, Component>,
    /// Whether lost bytes are served as zeros.
    zero_lost: bool,
}

impl Volume {
    /// The volume of `reader`, whose components `components` are.
    pub(crate) fn new(
        reader: VolumeReader<ComponentDisk<Disk>>,
        components: impl IntoIterator<Item = Component>,
        zero_lost: bool,
    ) -> Self {
        Self {
            size: reader.volume().size(),
            chunk_size: reader.volume().chunk_size.bytes(),
            map: Mutex::new(reader),
            components: components.into_iter().map(|component| (component.index, component)).collect(),
            zero_lost,
        }
    }

    fn map(&self) -> MutexGuard<'_, VolumeReader<ComponentDisk<Disk>>> {
        // A cache of pages: whoever panicked with it in his hands left nothing half done that matters.
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments(&self, offset: u64, len: u64) -> Vec<Segment> {
        self.map().segments(offset..offset + len).collect()
    }

    fn component(&self, index: ComponentIndex) -> &Component {
        self.components.get(&index).expect("a segment names a component that is there")
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
                State::Lost { component, zero: self.zero_lost }
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
                SegmentPlace::Lost(_) if self.zero_lost => reply.hole(segment.len),
                SegmentPlace::Lost(why) => return Err(Fault::Lost { start: segment.start, why }),
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
        for segment in self.map().segments(range.start..end) {
            if !visit(Extent { len: segment.len, state: self.state(segment.place) }) {
                return;
            }
        }
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
                SegmentPlace::Lost(why) if !self.zero_lost => {
                    return Err(failed(Fault::Lost { start: segment.start, why }));
                }
                SegmentPlace::Hole | SegmentPlace::Lost(_) => part.fill(0),
            }
        }
        Ok(())
    }
}
