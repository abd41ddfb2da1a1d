//! What is served: the volume, its components, the partitions inside the volume.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nbd_proto::{Export, Features};
use virstor::assemble::Problem;
use virstor::geometry::ComponentIndex;
use virstor_inspect::Heap;
use virstor_partitions::Partition;

use super::backend::{Backend, Part};
use super::component::{Bytes, Component};
use super::contexts::Context;
use super::volume::{Map, Volume};
use super::writing::{Writable, WritableComponent};
use crate::disk::Disk;
use crate::output::note;
use crate::size::human;
use crate::verb;

/// Longest description in characters; a file may have a longer name.
const MAX_DESCRIPTION: usize = 400;

/// Something clients may choose, and what is behind it.
pub(crate) struct Served {
    pub(crate) export: Export,
    pub(crate) backend: Arc<dyn Backend>,
}

/// The exports of a volume of `heap`: itself first (it is also the default), its components, its partitions; and the
/// volume.
/// An export whose name an earlier one has is left out.
/// The volume and its partitions can be written where they are `writable`.
pub(crate) fn of(
    heap: &Heap<Disk>,
    number: usize,
    writable: Option<Writable>,
    zero_lost: bool,
) -> (Vec<Served>, Arc<Volume>) {
    let (map, disks) = match writable {
        Some(Writable { writer, disks }) => (Map::Writer(writer), Some(disks)),
        None => (Map::Reader(Box::new(heap.reader(number, verb::MAP_MEMORY))), None),
    };
    let components = components(heap, number, disks.as_ref());
    let volume = Arc::new(Volume::new(map, components.iter().cloned(), zero_lost));
    let name = heap.volumes()[number].name.to_string();
    let mut all = vec![served(name.clone(), describe(heap, number), Arc::clone(&volume) as _)];
    for component in components {
        let description = format!("component {} of {name}: {}", component.index.0, component.file);
        all.push(served(format!("component/{}", component.index.0), description, component));
    }
    // Partitions that cannot be looked for because the boot area is lost are simply not there.
    let partitions = virstor_partitions::find(&*volume, Some(heap.volumes()[number].sector_size));
    for partition in partitions.unwrap_or_default() {
        let description = describe_partition(&partition);
        let whole = Arc::clone(&volume) as _;
        let part = Part { whole, start: partition.start, len: partition.present };
        all.push(served(partition.name, description, Arc::new(part)));
    }
    let mut names = BTreeSet::new();
    all.retain(|served| {
        let new = names.insert(served.export.name.clone());
        if !new {
            note(&format!("{} is not served: an export of that name is", served.export.description));
        }
        new
    });
    (all, volume)
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

fn describe(heap: &Heap<Disk>, number: usize) -> String {
    let volume = &heap.volumes()[number];
    let (present, count) = (volume.components.len(), volume.component_count);
    let parts = match (present, count) {
        (1, 1) => "1 component".to_string(),
        _ if volume.is_complete() => format!("{count} components"),
        _ => format!("{present} of {count} components"),
    };
    format!("virstor volume {}/{}, {} on {parts}", volume.name, volume.id, human(volume.size()))
}

fn describe_partition(partition: &Partition) -> String {
    let (scheme, kind, size) = (partition.scheme(), partition.kind, human(partition.present));
    let label = partition.label.as_ref().map_or_else(String::new, |label| format!(" '{label}'"));
    let cut = if partition.truncated() { ", cut off" } else { "" };
    // The label is whatever its owner typed.
    format!("{scheme} partition{label}, {kind}, {size}{cut}").replace('\0', "")
}
