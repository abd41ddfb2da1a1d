//! How fast maps are passed over, where no disk slows it down: `cargo bench --package virstor --bench map`.
//! Prints a table in Markdown.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use virstor::assemble::{Component, Volume};
use virstor::format::{ByteOrder, MAP_ENTRY_LEN, MapEntry, Name, RECORD_LEN, Record};
use virstor::geometry::{ChunkSize, ComponentIndex, PhysicalChunk};
use virstor::io::{IoError, ReadAt};
use virstor::map::scan;
use virstor::ordered::Map;
use virstor::plan::VolumeReader;

/// Entries of a map: 1 PiB in chunks of 4 MiB.
const ENTRIES: u64 = 1 << 28;

/// Bytes after which a map repeats.
const PERIOD: usize = 64 << 10;

/// Passes of which the fastest counts: what disturbs can only slow down.
const PASSES: usize = 3;

fn main() {
    println!(
        "| map                | reading alone, ms | scan, ms | scan, GB/s | segments, ms | segments, GB/s |"
    );
    println!(
        "| ------------------ | ----------------: | -------: | ---------: | -----------: | -------------: |"
    );
    row("all holes", |_| None);
    row("chunks in order", Some);
    row("chunks in disorder", |number| Some(number ^ 1));
    row("every other a hole", |number| (number % 2 == 0).then_some(number / 2));
}

fn row(name: &str, chunk_of: impl Fn(u32) -> Option<u32>) {
    let disk = Repeating::new(chunk_of);
    let volume = volume();
    let bounds = volume.bounds();
    let reading = fastest(|| {
        let mut block = vec![0; 1 << 20];
        for offset in (0..disk.size()).step_by(block.len()) {
            disk.read_at(offset, &mut block).expect("memory can be read");
            black_box(&block);
        }
    });
    let scanning = fastest(|| {
        black_box(scan(&disk, ENTRIES, &bounds, &mut |_, _| ControlFlow::Continue(())));
    });
    let planning = fastest(|| {
        let disks = BTreeMap::from([(ComponentIndex(0), &disk)]);
        let mut reader = VolumeReader::new(volume.clone(), disks, ByteOrder::Little, 8 << 20);
        black_box(reader.segments(0..volume.size()).count());
    });
    let rate = |time: Duration| disk.size() as f64 / time.as_secs_f64() / 1e9;
    println!(
        "| {name:<18} | {:>17} | {:>8} | {:>10.2} | {:>12} | {:>14.2} |",
        reading.as_millis(),
        scanning.as_millis(),
        rate(scanning),
        planning.as_millis(),
        rate(planning),
    );
}

fn fastest(mut pass: impl FnMut()) -> Duration {
    let time = |_| {
        let started = Instant::now();
        pass();
        started.elapsed()
    };
    (0..PASSES).map(time).min().expect("there is a pass")
}

/// A volume of as many chunks as the map has entries, on two components large enough for all of them.
fn volume() -> Volume {
    let component = Component {
        candidate: 0,
        record: Record { chunk_count: u32::MAX.into(), ..Record::decode(&[0; RECORD_LEN]) },
        len: u64::MAX >> 1,
        sector_size: 512,
    };
    Volume {
        name: Name([0; 16]),
        id: 0,
        recorded_size: ENTRIES << 22,
        chunk_size: ChunkSize::new(1 << 22).expect("it is not zero"),
        component_count: 2,
        sector_size: 512,
        components: Map::from_iter([(ComponentIndex(0), component), (ComponentIndex(1), component)]),
        problems: Vec::new(),
    }
}

/// A map that is the same bytes again and again, and no larger than a processor's cache.
struct Repeating(Vec<u8>);

impl Repeating {
    fn new(chunk_of: impl Fn(u32) -> Option<u32>) -> Self {
        let entry = |number| match chunk_of(number) {
            None => [0; MAP_ENTRY_LEN],
            Some(chunk) => {
                let component = ComponentIndex(u16::from(number >= 4096));
                MapEntry { flags: MapEntry::ALLOCATED, component, chunk: PhysicalChunk(chunk) }
                    .encode(ByteOrder::Little)
            }
        };
        Self((0..8192).flat_map(entry).collect())
    }
}

impl ReadAt for Repeating {
    fn size(&self) -> u64 {
        ENTRIES * MAP_ENTRY_LEN as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        assert_eq!(offset % PERIOD as u64, 0, "the engine reads whole pages");
        for part in buf.chunks_mut(PERIOD) {
            part.copy_from_slice(&self.0[..part.len()]);
        }
        Ok(())
    }
}
