//! Heaps of files made from any bytes: sound sets, and sets with any number of things wrong.
//!
//! One decoder serves the fuzzer, whose bytes learn to reach every corner, and the seeded tests, whose bytes
//! come from a generator of random numbers. Every string of bytes is a heap; when they run out, the rest of the
//! choices are the first of each list, which are the harmless ones.

mod choices;
mod damage;
mod parts;

use std::sync::Arc;

pub use self::choices::Choices;
pub use self::parts::{Part, encode_parts};

use virstor::io::ReadAt;

use crate::{ByteOrder, Counting, Failing, MapEntry, SetBuilder, SparseDisk, pattern};

/// No file gets larger than this, in bytes: a case must take milliseconds.
pub const LARGEST_FILE: u64 = 4 << 20;

/// A heap of files and how it is to be looked at.
#[derive(Debug)]
pub struct HostileHeap {
    /// The files, in the order given.
    pub files: Vec<HostileFile>,
    /// How many bytes from its end a file is searched for a record.
    pub scan_len: u64,
    /// What the one volume in it holds, when nothing is wrong with it.
    pub sound: Option<SoundVolume>,
}

/// A file of a heap.
#[derive(Debug, Clone)]
pub struct HostileFile {
    /// Its name, which is also what FreeBSD would call it.
    pub name: String,
    /// What it truly holds.
    pub contents: SparseDisk,
    /// Byte ranges that cannot be read.
    pub bad_ranges: Vec<std::ops::Range<u64>>,
    /// The number of the read that fails, and whether all after it do.
    pub bad_read: Option<(u64, bool)>,
    /// The sector size the user names.
    pub sector_size: Option<u32>,
    /// Whether the user prefers it.
    pub preferred: bool,
}

/// A disk that counts, and fails where it was told to.
pub type HostileDisk = Arc<Counting<Failing<SparseDisk>>>;

impl HostileFile {
    fn new(name: String, contents: SparseDisk) -> Self {
        let (bad_ranges, bad_read) = (Vec::new(), None);
        Self { name, contents, bad_ranges, bad_read, sector_size: None, preferred: false }
    }

    /// The file as a disk.
    #[must_use]
    pub fn disk(&self) -> HostileDisk {
        let disk = Failing::new(self.contents.clone());
        let disk = self.bad_ranges.iter().cloned().fold(disk, Failing::range);
        let disk = match self.bad_read {
            None => disk,
            Some((number, false)) => disk.read_number(number),
            Some((number, true)) => disk.reads_from(number),
        };
        Arc::new(Counting::new(disk))
    }

    /// Whether any of its reads may fail.
    #[must_use]
    pub fn fails(&self) -> bool {
        !self.bad_ranges.is_empty() || self.bad_read.is_some()
    }
}

/// A volume with nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundVolume {
    /// Size of its chunks in bytes.
    pub chunk_size: u64,
    /// Which of its chunks are allocated; the others are holes.
    pub allocated: Vec<bool>,
    /// The seed of the [`pattern`] in the allocated ones, by virtual offset.
    pub seed: u64,
    /// The byte order of its map.
    pub order: ByteOrder,
}

impl HostileHeap {
    /// The heap that `choices` describe; it leaves the bytes it does not need.
    #[must_use]
    pub fn decode(choices: &mut Choices<'_>) -> Self {
        match choices.below(8) {
            0 => Self::sound(choices),
            1 => Self { files: parts::decode(choices), ..Self::empty(choices) }.damaged(choices),
            _ => {
                let volumes = 1 + choices.below(3);
                let files = (0..volumes).flat_map(|number| volume(choices, number)).collect();
                Self { files, ..Self::empty(choices) }.damaged(choices)
            }
        }
    }

    fn empty(choices: &mut Choices<'_>) -> Self {
        let scan_len = *choices.pick(&[LARGEST_FILE * 2, 0, 512, 65_536, u64::MAX]);
        Self { files: Vec::new(), scan_len, sound: None }
    }

    fn damaged(mut self, choices: &mut Choices<'_>) -> Self {
        damage::apply(choices, &mut self.files);
        self
    }

    /// One volume, whole, its components in any order.
    fn sound(choices: &mut Choices<'_>) -> Self {
        let plan = Plan::decode(choices, &[512, 4096, 1024, 12_288, 65_536]);
        let mut free: Vec<Vec<u32>> =
            plan.chunks.iter().map(|chunks| chunks.clone().rev().collect()).collect();
        let mut allocated = Vec::new();
        let mut builder = plan.builder("sound", 7);
        for chunk in 0..plan.virtual_chunks {
            let component = choices.below(free.len() as u64);
            let free = &mut free[usize::try_from(component).expect("an index is small")];
            let physical = if choices.flag() { free.pop() } else { None };
            allocated.push(physical.is_some());
            if let Some(physical) = physical {
                builder = builder.map(chunk, u16::try_from(component).expect("few components"), physical);
            }
        }
        let order = if choices.flag() { ByteOrder::Big } else { ByteOrder::Little };
        let seed = choices.below(256);
        let files = builder.byte_order(order).filled(seed).build();
        let mut files: Vec<_> = files.into_iter().map(|(name, disk)| HostileFile::new(name, disk)).collect();
        let turn = choices.below(files.len() as u64);
        files.rotate_left(usize::try_from(turn).expect("an index is small"));
        let sound = SoundVolume { chunk_size: plan.chunk_size.into(), allocated, seed, order };
        Self { files, sound: Some(sound), ..Self::empty(choices) }
    }
}

/// The geometry of a volume that could be real.
struct Plan {
    chunk_size: u32,
    sector_size: u32,
    virtual_chunks: u64,
    sizes: Vec<u64>,
    /// The chunks of each component that may be handed out.
    chunks: Vec<std::ops::Range<u32>>,
}

impl Plan {
    fn decode(choices: &mut Choices<'_>, chunk_sizes: &[u32]) -> Self {
        let chunk_size = *choices.pick(chunk_sizes);
        let sector_size = *choices.pick(&[512, 4096, 1024, 2048, 65_536]);
        // A long map has parts that can fail on their own; of short chunks, so that all of it can be read.
        let long = choices.below(4) == 3 && chunk_size <= 4096;
        let virtual_chunks = 1 + choices.below(if long { 2000 } else { 40 });
        let components = 1 + choices.below(4);
        let map_chunks = (virtual_chunks * MapEntry::LEN as u64).div_ceil(chunk_size.into());
        let reserved = u32::try_from(2 * map_chunks).expect("a short map");
        let mut plan =
            Self { chunk_size, sector_size, virtual_chunks, sizes: Vec::new(), chunks: Vec::new() };
        for number in 0..components {
            let reserved = if number == 0 { reserved } else { 0 };
            let count = reserved + 1 + u32::try_from(choices.below(12)).expect("few chunks");
            let sectors = (u64::from(count) * u64::from(chunk_size)).div_ceil(sector_size.into());
            let slack = choices.below(u64::from(chunk_size) / u64::from(sector_size) + 1);
            let sectors = sectors + slack;
            plan.sizes.push((sectors + 1) * u64::from(sector_size));
            let room = u32::try_from(sectors * u64::from(sector_size) / u64::from(chunk_size));
            plan.chunks.push(reserved..room.expect("small components"));
        }
        plan
    }

    fn builder(&self, name: &str, id: u32) -> SetBuilder {
        SetBuilder::new(name)
            .id(id)
            .chunk_size(self.chunk_size)
            .sector_size(self.sector_size)
            .virtual_chunks(self.virtual_chunks)
            .components(self.sizes.iter().copied())
    }
}

/// A volume with a map of any entries and records of any fields.
fn volume(choices: &mut Choices<'_>, number: u64) -> Vec<HostileFile> {
    let plan = Plan::decode(choices, &[512, 4096, 1000, 513, 131_072]);
    let name = *choices.pick(&["data", "", "data2", "sixteen_chars_nm", "\u{1b}[2J\n\u{7f}", "<&\">"]);
    let id = *choices.pick(&[7, 0, 8, u32::MAX]);
    let mut builder = plan.builder(name, id);
    for _ in 0..choices.below(24) {
        let chunk = choices.below(plan.virtual_chunks);
        builder = builder.entry(chunk, entry(choices, &plan));
    }
    if choices.flag() {
        builder = builder.byte_order(ByteOrder::Big);
    }
    for _ in 0..choices.below(6) {
        let field = choices.below(damage::FIELDS);
        let value = choices.number();
        let whose = choices.below(plan.sizes.len() as u64 + 1);
        for component in 0..plan.sizes.len() {
            // One past the last means all: a geometry they agree on.
            if whose == component as u64 || whose == plan.sizes.len() as u64 {
                builder = builder.edit_record(component, move |record| damage::set(record, field, value));
            }
        }
    }
    let files = builder.build();
    files.into_iter().map(|(file, disk)| HostileFile::new(format!("v{number}{file}"), marked(disk))).collect()
}

/// The disk with bytes that tell where they are, behind the map and before the last sector.
fn marked(mut disk: SparseDisk) -> SparseDisk {
    for offset in (1024..disk.size().saturating_sub(65_536 + 24)).step_by(1000).take(64) {
        let mut bytes = [0; 24];
        pattern(3, offset, &mut bytes);
        disk.write_at(offset, &bytes).expect("it ends before the last sector");
    }
    disk
}

fn entry(choices: &mut Choices<'_>, plan: &Plan) -> MapEntry {
    let flags = *choices.pick(&[1, 0, 2, 3, 0xffff, 0x100, 0x101]);
    let count = u16::try_from(plan.sizes.len()).expect("few components");
    let raw = choices.number();
    let provider_no = match choices.below(4) {
        0..2 => u16::try_from(raw % u64::from(count)).expect("few components"),
        2 => count,
        _ => low_u16(raw),
    };
    let chunks = plan.chunks.get(usize::from(provider_no)).cloned().unwrap_or(0..9);
    let provider_chunk = match choices.below(6) {
        0..3 => chunks.start + low_u32(choices.below(u64::from(chunks.end - chunks.start).max(1))),
        3 => chunks.end,
        4 => chunks.end.wrapping_sub(1),
        _ => low_u32(choices.number()),
    };
    MapEntry { flags, provider_no, provider_chunk }
}

fn low_u16(number: u64) -> u16 {
    let [low, next, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, next])
}

fn low_u32(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
