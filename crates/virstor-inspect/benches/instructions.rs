//! The engine's hot paths, once each, for a tool that counts instructions: `npm run bench -- --instructions`.
//!
//! `instructions CASE` makes what the case needs and then performs it; `instructions CASE prepare` stops before that.
//! The difference of the two counts is the case's own, and hardly changes from run to run. Without a case their
//! names are printed.
#![expect(clippy::print_stdout, reason = "it lists its cases")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::ControlFlow;

use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt, WriteAt};
use virstor::write::VolumeWriter;
use virstor_inspect::{Heap, InputFile, Options};
use virstor_testkit::{SetBuilder, SparseDisk, SplitMix64};

/// Entries of the map: FreeBSD's default geometry, 2 TiB in chunks of 4 MiB.
const ENTRIES: u64 = 524_288;
const CHUNK: u32 = 4 << 20;

/// A name, and what is done: prepare, and unless that is all, perform.
type Case = (&'static str, fn(bool));

const CASES: [Case; 6] = [
    ("open, 524,288 entries, in order", |perform| {
        let set = mapped(&in_order());
        if perform {
            black_box(open(set));
        }
    }),
    ("check, 524,288 entries, in order", |perform| check(&in_order(), perform)),
    ("check, 524,288 entries, shuffled", |perform| check(&shuffled(), perform)),
    ("map, 524,288 entries, in order", |perform| map(&in_order(), perform)),
    ("map, 524,288 entries, shuffled", |perform| map(&shuffled(), perform)),
    ("write, 4,096 chunks of 4 KiB, flushed each 64", write),
];

fn main() {
    // Cargo adds `--bench` by itself.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let Some(wanted) = words.next() else {
        return CASES.iter().for_each(|(name, _)| println!("{name}"));
    };
    let perform = words.next().is_none();
    let (_, case) = CASES.iter().find(|(name, _)| *name == wanted).expect("the case is one of those listed");
    case(perform);
}

fn check(order: &[u32], perform: bool) {
    let heap = open(mapped(order));
    if perform {
        black_box(heap.check(0, &mut |_, _, _| ControlFlow::Continue(())));
    }
}

fn map(order: &[u32], perform: bool) {
    let heap = open(mapped(order));
    let mut reader = heap.reader(0, 8 << 20);
    if perform {
        let size = reader.volume().size();
        black_box(reader.segments(0..size).count());
    }
}

/// Chunks of 4 KiB, so that every write allocates and the copying of bytes does not drown what is counted.
fn write(perform: bool) {
    let set = SetBuilder::new("v").chunk_size(4096).virtual_chunks(8192).components([64 << 20]).build();
    let volume = open(set).volumes()[0].clone();
    let memory = Memory(RefCell::new(vec![0; 64 << 20]));
    let disks = BTreeMap::from([(ComponentIndex(0), &memory)]);
    let mut writer = VolumeWriter::open(volume, disks, 8 << 20).expect("a fresh volume is sound");
    if perform {
        for number in 0..4096_u64 {
            writer.write(number * 8192, &[7; 4096]).expect("there is room in memory");
            if number % 64 == 63 {
                writer.flush().expect("memory does not fail");
            }
        }
        writer.close().expect("memory does not fail");
    }
}

fn open(set: Vec<(String, SparseDisk)>) -> Heap<SparseDisk> {
    let file = |(label, disk): (String, SparseDisk)| InputFile {
        provider: label.clone().into_bytes(),
        label,
        disk: Ok(disk),
        sector_size: None,
        preferred: false,
    };
    let files = set.into_iter().map(file).collect();
    Heap::look(files, Options::default(), &mut |_, _, _| ControlFlow::Continue(()))
}

/// A volume in which virtual chunk `n` lies on the physical chunk `order[n]` behind the reserve.
fn mapped(order: &[u32]) -> Vec<(String, SparseDisk)> {
    let size = (ENTRIES + 3) * u64::from(CHUNK);
    let set = SetBuilder::new("v").chunk_size(CHUNK).virtual_chunks(ENTRIES).components([size]);
    let place = |set: SetBuilder, (at, chunk): (usize, &u32)| set.map(at as u64, 0, chunk + 2);
    order.iter().enumerate().fold(set, place).build()
}

fn in_order() -> Vec<u32> {
    (0..u32::try_from(ENTRIES).expect("it is half a million")).collect()
}

fn shuffled() -> Vec<u32> {
    let mut order = in_order();
    SplitMix64::new(1).shuffle(&mut order);
    order
}

/// A disk whose writes cost nothing but the copy.
struct Memory(RefCell<Vec<u8>>);

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.0.borrow().size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.0.borrow().read_at(offset, buf)
    }
}

impl WriteAt for Memory {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let start = usize::try_from(offset).expect("the disk is in memory");
        self.0.borrow_mut()[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&self) -> Result<(), IoError> {
        Ok(())
    }
}
