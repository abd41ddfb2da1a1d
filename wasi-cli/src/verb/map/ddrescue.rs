//! `map --ddrescue`: mapfiles for the volume, and for what matters of a component.

use std::collections::BTreeMap;
use std::ops::Range;

use virstor::format::MAP_ENTRY_LEN;
use virstor::geometry::ComponentIndex;
use virstor::map::MAX_ENTRIES;
use virstor::plan::SegmentPlace;
use virstor_inspect::Heap;
use virstor_inspect::ddrescue::Mapfile;

use crate::args::Output;
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::{output, verb};

pub(super) fn run(
    heap: &Heap<Disk>,
    number: usize,
    component: Option<u16>,
    output: Output,
) -> Result<Status, Failure> {
    match component {
        None => of_volume(heap, number),
        Some(component) => of_component(heap, number, ComponentIndex(component), output),
    }
}

/// What of the volume is there and what is lost: for an image made by `export`.
fn of_volume(heap: &Heap<Disk>, number: usize) -> Result<Status, Failure> {
    let mut reader = heap.reader(number, verb::MAP_MEMORY);
    let size = reader.volume().size();
    let mut mapfile = Mapfile::default();
    let mut lost = false;
    for segment in reader.segments(0..size) {
        let is_lost = matches!(segment.place, SegmentPlace::Lost(_));
        mapfile.push(segment.start..segment.end(), if is_lost { '-' } else { '+' });
        lost |= is_lost;
    }
    let volume = &heap.volumes()[number];
    output::print(&mapfile.text(&format!("volume {} (id {}): '-' is lost", volume.name, volume.id)))?;
    Ok(if lost { Status::Damage } else { Status::Fine })
}

/// What the volume has on a component, in bytes of the file it lies in; a component that is missing counts from
/// its own first byte, as its disk would.
fn of_component(
    heap: &Heap<Disk>,
    number: usize,
    index: ComponentIndex,
    how: Output,
) -> Result<Status, Failure> {
    let volume = &heap.volumes()[number];
    if index.0 >= volume.component_count {
        let count = volume.component_count;
        return Err(Failure::Usage(format!("there is no component {index}; the volume has {count}")));
    }
    if !volume.components.contains_key(&ComponentIndex(0)) && index.0 > 0 {
        let line = "component 0, which has the map, is missing; it alone tells what matters elsewhere";
        return Err(Failure::Damage(line.into()));
    }
    let here = volume.components.get(&index);
    let (start, len) = here.map_or((0, u64::MAX), |here| (heap.located()[here.candidate].1.start, here.len));
    let mut wanted = Ranges::default();
    if index.0 == 0 {
        // Any record tells how long the map is, so it can be fetched from a disk of which nothing was read yet.
        let map_len =
            u64::try_from(volume.map_len()).unwrap_or(u64::MAX).min(MAX_ENTRIES * MAP_ENTRY_LEN as u64);
        wanted.add(0..map_len.min(len));
    }
    if here.is_some() {
        wanted.add(len.saturating_sub(u64::from(volume.sector_size))..len);
    }
    let chunk_size = volume.chunk_size;
    let mut reader = heap.reader(number, verb::MAP_MEMORY);
    for row in reader.rows().filter(|row| row.entry.is_allocated() && row.entry.component == index) {
        let from = chunk_size.offset_of(row.entry.chunk);
        wanted.add(from.min(len)..from.saturating_add(row.chunks * chunk_size.bytes()).min(len));
    }
    let mut mapfile = Mapfile::default();
    for (from, until) in wanted.0 {
        mapfile.push(start + from..start.saturating_add(until), '+');
    }
    let name =
        here.map_or_else(|| "a missing component".into(), |here| heap.label_of(here.candidate).to_string());
    let mut comment = format!(
        "component {index} of volume {} (id {}), {name}: '+' is what the volume has there\n\
         ddrescue --domain-mapfile=THIS DISK IMAGE IMAGE.map",
        volume.name, volume.id
    );
    if here.is_none() {
        // Where it ends only its record tells, and without that the image is no component.
        let sector = volume.sector_size;
        comment += &format!(
            "\nand its last sector, where the record is: \
             ddrescue --input-position=$((SIZE - {sector})) DISK IMAGE IMAGE.map"
        );
    }
    let without_map = here.is_none() && index.0 == 0;
    if without_map {
        comment +=
            "\nits data is not in here, for only the map tells where it is: then make this again with IMAGE";
    }
    output::print(&mapfile.text(&comment))?;
    if without_map && !how.quiet {
        output::note(
            "only the map tells where the data on component 0 is: rescue what this mapfile names and the record, \
             then make it again with IMAGE among the files",
        );
    }
    Ok(Status::Fine)
}

/// Ranges, merged where they touch: first byte to end.
#[derive(Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    fn add(&mut self, range: Range<u64>) {
        let (mut start, mut end) = (range.start, range.end);
        if start >= end {
            return;
        }
        if let Some((&before, &until)) = self.0.range(..=start).next_back()
            && until >= start
        {
            (start, end) = (before, end.max(until));
        }
        while let Some((&next, &until)) = self.0.range(start..).next()
            && next <= end
        {
            self.0.remove(&next);
            end = end.max(until);
        }
        self.0.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut ranges = Ranges::default();
        for range in [10..20, 30..40, 20..25, 5..8, 0..0, 24..31, 100..101, 7..11] {
            ranges.add(range);
        }
        assert_eq!(ranges.0.into_iter().collect::<Vec<_>>(), [(5, 40), (100, 101)]);
    }
}
