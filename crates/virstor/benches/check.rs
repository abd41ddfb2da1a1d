//! How long a check takes: the default geometry, and a volume of 1 PiB.
//!
//! `cargo bench -p virstor --bench check`. The disks are made up while they are read, so the time for making them
//! up, which is printed too, is part of every figure.
#![expect(clippy::print_stdout, reason = "a benchmark prints figures")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

use virstor::assemble::{Candidate, assemble};
use virstor::check::{Subject, check};
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::locate::{Search, locate};
use virstor_testkit::SetBuilder;

const CHUNK: u64 = 4 << 20;

/// In which order the chunks of the volume were written.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// From the first to the last.
    Rows,
    /// As if by chance: neighbours lie far apart.
    Shuffled,
    /// The same, and every 4096th names the chunk of another.
    Damaged,
}

/// Component 0 of a volume that is full, whose map is computed.
struct Disk {
    size: u64,
    entries: u64,
    reserved: u64,
    order: Order,
    record: Vec<u8>,
}

impl Disk {
    fn new(entries: u64, order: Order) -> Self {
        assert!(entries.is_power_of_two(), "the shuffle is a permutation of powers of two only");
        let reserved = 2 * (entries * 8).div_ceil(CHUNK);
        let size = (entries + reserved) * CHUNK + 4096;
        let set = SetBuilder::new("bench").chunk_size(4 << 20).virtual_chunks(entries).components([size]);
        let cursor = u32::try_from(entries + reserved).expect("32 bits");
        let disk = set.edit_record(0, move |record| record.chunk_next = cursor).build().swap_remove(0).1;
        let record = disk.bytes(size - 512, 512);
        Self { size, entries, reserved, order, record }
    }

    fn entry(&self, at: u64) -> [u8; 8] {
        let mask = self.entries - 1;
        let chunk = match self.order {
            Order::Rows => at,
            Order::Shuffled => at.wrapping_mul(0x9e37_79b1) & mask,
            Order::Damaged if at.is_multiple_of(4096) => (at + 1).wrapping_mul(0x9e37_79b1) & mask,
            Order::Damaged => at.wrapping_mul(0x9e37_79b1) & mask,
        };
        (1 | (chunk + self.reserved) << 32).to_le_bytes()
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let record = self.size - 512;
        if offset >= record {
            let within = usize::try_from(offset - record).expect("small");
            buf.copy_from_slice(&self.record[within..within + buf.len()]);
        } else if offset + buf.len() as u64 > record {
            let split = usize::try_from(record - offset).expect("small");
            let (zeros, end) = buf.split_at_mut(split);
            zeros.fill(0);
            end.copy_from_slice(&self.record[..end.len()]);
        } else if offset < self.entries * 8 {
            let first = offset / 8;
            for (at, entry) in (first..).zip(buf.as_chunks_mut::<8>().0) {
                *entry = self.entry(at);
            }
        } else {
            buf.fill(0);
        }
        Ok(())
    }
}

/// A map in memory, as the page cache would have it.
struct Cached {
    disk: Disk,
    map: Vec<u8>,
}

impl ReadAt for Cached {
    fn size(&self) -> u64 {
        self.disk.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        match usize::try_from(offset).ok().and_then(|start| self.map.get(start..start + buf.len())) {
            Some(bytes) => buf.copy_from_slice(bytes),
            None => self.disk.read_at(offset, buf)?,
        }
        Ok(())
    }
}

fn measure(what: &str, disk: &impl ReadAt, entries: u64) {
    let started = Instant::now();
    let mut block = vec![0; 1 << 20];
    for offset in (0..entries * 8).step_by(1 << 20) {
        disk.read_at(offset, &mut block).expect("it is made up");
    }
    let reading = started.elapsed();

    let search = Search { sector_size: None, scan_len: 0 };
    let located = locate(disk, &[], search, &mut |_, _| ControlFlow::Continue(())).expect("it reads");
    let candidate = |located| Candidate { located, provider: b"c0".to_vec(), preferred: false };
    let candidates: Vec<Candidate> = located.into_iter().map(candidate).collect();
    let assembly = assemble(&candidates);
    let disks = BTreeMap::from([(ComponentIndex(0), disk)]);
    let subject = Subject {
        assembly: &assembly,
        volume: 0,
        candidates: &candidates,
        disks: &disks,
        unclaimed: &[],
        unread: false,
    };
    let started = Instant::now();
    let report = check(&subject, &mut |_, _| ControlFlow::Continue(()));
    let checking = started.elapsed();
    let found = report.findings.len() as u64 + report.unlisted.values().sum::<u64>();
    println!(
        "{what:<34} {entries:>11} entries  read {reading:>10.1?}  check {checking:>10.1?}  {found} findings"
    );
}

fn main() {
    for order in [Order::Rows, Order::Shuffled, Order::Damaged] {
        let disk = Disk::new(524_288, order);
        let mut map = vec![0; 524_288 * 8];
        disk.read_at(0, &mut map).expect("it is made up");
        measure(&format!("2 TiB, in memory, {order:?}"), &Cached { disk, map }, 524_288);
    }
    for order in [Order::Rows, Order::Shuffled] {
        measure(&format!("1 PiB, made up, {order:?}"), &Disk::new(1 << 28, order), 1 << 28);
    }
}
