//! What is served: the volume, its components, the partitions inside the volume.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nbd_proto::{ConfigError, Export, Features, Server};
use virstor::assemble::Problem;
use virstor::counted::counted_len;
use virstor::geometry::ComponentIndex;
use virstor_inspect::Heap;
use virstor_partitions::Partition;

use super::backend::{Backend, Part};
use super::component::{Bytes, Component};
use super::contexts::Context;
use super::volume::{Map, Volume};
use super::writing::{Writable, WritableComponent};
use crate::disk::Disk;
use crate::size::human;
use crate::verb;

/// Longest description in characters; a file may have a longer name.
const MAX_DESCRIPTION: usize = 400;

/// Something clients may choose, and what is behind it.
#[derive(Clone)]
struct Served {
    export: Export,
    backend: Arc<dyn Backend>,
}

/// What clients find when they come.
pub(crate) struct Offer {
    /// What the protocol knows.
    pub(crate) server: Arc<Server>,
    backends: Vec<Arc<dyn Backend>>,
}

impl Offer {
    /// What is behind the export of that number.
    pub(crate) fn backend(&self, export: usize) -> &dyn Backend {
        &*self.backends[export]
    }

    /// What it is called.
    pub(crate) fn name(&self, export: usize) -> &str {
        &self.server.exports()[export].name
    }
}

/// All that can be offered: the volume, its components, the partitions inside it.
pub(crate) struct Catalog {
    volume: Arc<Volume>,
    name: String,
    id: u32,
    /// How many components are not there.
    missing: usize,
    partitions: Vec<Served>,
}

impl Catalog {
    /// What a volume of `heap` offers. It and its partitions can be written where they are `writable`.
    pub(crate) fn new(heap: &Heap<Disk>, number: usize, writable: Option<Writable>, zero_lost: bool) -> Self {
        let (map, disks) = match writable {
            Some(Writable { writer, disks }) => (Map::Writer(writer), Some(disks)),
            None => (Map::Reader(Box::new(heap.reader(number, verb::MAP_MEMORY))), None),
        };
        let described = &heap.volumes()[number];
        let components = components(heap, number, disks.as_ref());
        let missing = usize::from(described.component_count).saturating_sub(components.len());
        let volume = Arc::new(Volume::new(map, components, zero_lost));
        // Partitions that cannot be looked for because the boot area is lost are simply not there.
        let partitions = virstor_partitions::find(&*volume, Some(described.sector_size)).unwrap_or_default();
        let part = |partition: Partition| {
            let description = describe_partition(&partition);
            let whole = Arc::clone(&volume) as _;
            let part = Part { whole, start: partition.start, len: partition.present };
            served(partition.name, description, Arc::new(part))
        };
        let partitions = partitions.into_iter().map(part).collect();
        Self { volume, name: described.name.to_string(), id: described.id, missing, partitions }
    }

    /// The volume.
    pub(crate) fn volume(&self) -> &Arc<Volume> {
        &self.volume
    }

    /// What the volume is called, and its id.
    pub(crate) fn name(&self) -> (&str, u32) {
        (&self.name, self.id)
    }

    /// What is there now: the volume first (it is also the default), its components, its partitions. Of several that
    /// have one name only the first is offered, and `note` is told of the others.
    ///
    /// # Errors
    ///
    /// When the exports break a rule of the protocol: a volume of more than 2^63 - 1 bytes.
    pub(crate) fn offer(&self, note: &mut dyn FnMut(&str)) -> Result<Offer, ConfigError> {
        let mut all = vec![served(self.name.clone(), self.describe(), Arc::clone(&self.volume) as _)];
        for component in self.volume.components() {
            let description = format!("component {} of {}: {}", component.index.0, self.name, component.file);
            all.push(served(format!("component/{}", component.index.0), description, component));
        }
        all.extend_from_slice(&self.partitions);
        let mut names = BTreeSet::new();
        all.retain(|served| {
            let new = names.insert(served.export.name.clone());
            if !new {
                note(&format!("{} is not served: an export of that name is", served.export.description));
            }
            new
        });
        let (exports, backends) = all.into_iter().map(|served| (served.export, served.backend)).unzip();
        Ok(Offer { server: Arc::new(Server::new(exports)?.with_extended_headers(true)), backends })
    }

    fn describe(&self) -> String {
        let present = self.volume.components().len();
        let parts = match (present, self.missing) {
            (_, 0) => counted_len(present, "component").to_string(),
            (_, missing) => format!("{present} of {}", counted_len(present + missing, "component")),
        };
        let (name, id, size) = (&self.name, self.id, human(self.volume.size()));
        format!("virstor volume {name}/{id}, {size} on {parts}")
    }
}

fn served(name: String, description: String, backend: Arc<dyn Backend>) -> Served {
    let writable = backend.is_writable();
    let export = Export {
        description: description.chars().take(MAX_DESCRIPTION).collect(),
        features: Features {
            read_only: !writable,
            // Where nothing is written there is nothing to flush, and nothing is ever fetched: so much can be
            // promised.
            flush: true,
            cache: true,
            // There is one writer for all clients.
            multi_conn: true,
            fua: writable,
            trim: writable,
            write_zeroes: writable,
            fast_zero: writable,
            rotational: false,
        },
        contexts: Context::ALL.map(|context| context.name().to_string()).to_vec(),
        ..Export::new(name, backend.size())
    };
    Served { export, backend }
}

fn components(
    heap: &Heap<Disk>,
    number: usize,
    writable: Option<&BTreeMap<ComponentIndex, WritableComponent>>,
) -> Vec<Arc<Component>> {
    let volume = &heap.volumes()[number];
    let reader = heap.reader(number, 0);
    let suspects = suspects(&volume.problems);
    let disk = |index: &ComponentIndex| match writable {
        Some(disks) => Bytes::Writable(disks[index].clone()),
        None => Bytes::ReadOnly(reader.disk(*index).expect("the component is there").clone()),
    };
    let component = |(index, component): (&ComponentIndex, &virstor::assemble::Component)| {
        Arc::new(Component {
            index: *index,
            disk: disk(index),
            file: heap.label_of(component.candidate).to_string(),
            suspect: suspects.contains(&component.candidate),
        })
    };
    volume.components.iter().map(component).collect()
}

/// The candidates whose data may not be what it seems.
fn suspects(problems: &[Problem]) -> BTreeSet<usize> {
    let suspect = |problem: &Problem| match *problem {
        Problem::Disagrees { candidate, .. }
        | Problem::SizeChanged { candidate, .. }
        | Problem::SectorSize { candidate, .. }
        | Problem::ChunksPastEnd { candidate, .. } => Some(candidate),
        _ => None,
    };
    problems.iter().filter_map(suspect).collect()
}

fn describe_partition(partition: &Partition) -> String {
    let (scheme, kind, size) = (partition.scheme(), partition.kind, human(partition.present));
    let label = partition.label.as_ref().map_or_else(String::new, |label| format!(" '{label}'"));
    let cut = if partition.truncated() { ", cut off" } else { "" };
    // The label is whatever its owner typed.
    format!("{scheme} partition{label}, {kind}, {size}{cut}").replace('\0', "")
}
