//! `expect.json`, typed. A field this does not know is an error: nothing of a fixture goes unseen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::Provider;
use crate::digest::unhex;
use crate::{MapEntry, Record};

/// What is known of a set.
#[derive(Debug, Clone)]
pub enum Expect {
    /// The kernel's own code ran on it.
    Kernel(Box<KernelCase>),
    /// It carries a real file system; only the device's contents are known.
    FileSystem(FileSystemCase),
}

impl Expect {
    /// Understands the file at `path`.
    pub(super) fn load(path: &Path) -> Self {
        let fail = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", path.display()) };
        let text = fs::read_to_string(path).unwrap_or_else(|error| fail(&error));
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| fail(&error));
        // Chosen by hand: an untagged enum would not say which field it stumbled over.
        if value.get("case").is_some() {
            Self::Kernel(serde_json::from_value(value).unwrap_or_else(|error| fail(&error)))
        } else {
            Self::FileSystem(serde_json::from_value(value).unwrap_or_else(|error| fail(&error)))
        }
    }
}

/// How a set was made and what the kernel's code did with it. Sizes and offsets are in bytes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelCase {
    /// The name of the set.
    pub case: String,
    /// What it shows.
    pub description: String,
    /// The errno of reading the whole device (0: none); absent when there was no device.
    pub device_read_error: Option<i32>,
    /// SHA-256 of the whole virtual device; absent when there was none.
    pub device_sha256: Option<String>,
    /// The configuration XML; absent when making it panicked.
    pub dumpconf: Option<String>,
    /// The panic that asking for the configuration XML caused.
    pub dumpconf_panic: Option<String>,
    /// Runs of allocated and unallocated space over the whole device; absent when there was none.
    pub extents_64k: Option<Vec<Extent>>,
    /// The component files of the archive.
    pub files: BTreeMap<String, FileDigest>,
    /// What a kernel with INVARIANTS did.
    pub invariants_kernel: InvariantsKernel,
    /// The kernel's structures after tasting.
    pub kernel_state: KernelState,
    /// The map in the kernel's memory; absent when it never was read.
    pub map: Option<ExpectedMap>,
    /// The kernel's largest transfer: 128 KiB or 1 MiB.
    pub maxphys: u64,
    /// Records that tasting changed; absent when there was no device to open.
    #[serde(default)]
    pub metadata_after_taste: BTreeMap<String, ExpectedRecord>,
    /// The record in every file's last sector; `None` where there is none.
    pub metadata_on_disk: BTreeMap<String, Option<ExpectedRecord>>,
    /// The 64 KiB blocks of the device that are not all zero.
    #[serde(default)]
    pub nonzero_64k_blocks: Vec<NonzeroBlock>,
    /// Remarks of whoever made the set.
    pub notes: Vec<String>,
    /// What the kernel did when the components came in other orders.
    #[serde(default)]
    pub other_orders: Vec<OtherOrders>,
    /// Whether everything in `written_patterns` could be read back.
    pub patterns_all_readable: Option<bool>,
    /// What happened when the set was written to afterwards (the archive is from before).
    pub probes: Vec<Probe>,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderFile>,
    /// The steps that made the set, for people.
    pub recipe: Vec<Value>,
    /// What tasting led to.
    pub result: Outcome,
    /// The sector size of components that `taste_order` says nothing of.
    pub sector_size: u32,
    /// The order of tasting, see [`Provider::parse`].
    pub taste_order: Vec<String>,
    /// What was written to the device with [`pattern`](crate::pattern), in order.
    pub written_patterns: Vec<WrittenPattern>,
}

impl KernelCase {
    /// The providers in tasting order.
    #[must_use]
    pub fn providers_in_order(&self) -> Vec<Provider> {
        self.taste_order.iter().map(|entry| Provider::parse(entry, self.sector_size)).collect()
    }
}

/// A run of space: where, how long, and whether its chunks are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "(u64, u64, bool)")]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Extent {
    pub offset: u64,
    pub len: u64,
    pub allocated: bool,
}

impl From<(u64, u64, bool)> for Extent {
    fn from((offset, len, allocated): (u64, u64, bool)) -> Self {
        Self { offset, len, allocated }
    }
}

/// A component file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct FileDigest {
    pub sha256: String,
    pub size: u64,
}

/// The same set tasted by a kernel built with INVARIANTS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct InvariantsKernel {
    pub panic: Option<String>,
    pub up: bool,
}

/// The kernel's structures after tasting; both absent after a panic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct KernelState {
    pub softc: Option<Softc>,
    pub components: Option<Vec<ComponentState>>,
}

/// The volume in the kernel's memory, fields named as there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the kernel's")]
pub struct Softc {
    pub chunk_count: u64,
    pub chunk_size: u64,
    pub curr_component: u16,
    /// Requests that wait for space.
    pub delayed: u64,
    pub id: u32,
    pub map_size: u64,
    pub n_components: u16,
    /// Absent when it is empty.
    pub name: Option<String>,
    pub sectorsize: u32,
    pub up: u8,
    pub virsize: u64,
}

/// A component in the kernel's memory, fields named as there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the kernel's")]
pub struct ComponentState {
    pub chunk_count: u32,
    pub chunk_next: u32,
    pub chunk_reserved: u16,
    pub flags: u16,
    /// Its place in the kernel's array.
    pub index: u16,
    /// The number its record has.
    pub no: u16,
    pub provider: String,
}

/// The map as the kernel read it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedMap {
    /// In bytes.
    pub chunk_size: u64,
    /// How many entries the map has.
    pub entries: u64,
    /// Virtual chunk, flags, component, physical chunk of the entries that are not all zero.
    pub nonzero: Vec<(u64, u16, u16, u32)>,
}

impl ExpectedMap {
    /// The entries that are not all zero, with their virtual chunks, ascending.
    pub fn entries(&self) -> impl Iterator<Item = (u64, MapEntry)> {
        self.nonzero.iter().map(|&(virtual_chunk, flags, provider_no, provider_chunk)| {
            (virtual_chunk, MapEntry { flags, provider_no, provider_chunk })
        })
    }
}

/// A metadata record as the kernel's decoder saw it, and its text fields as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the on-disk record")]
pub struct ExpectedRecord {
    pub magic: String,
    pub magic_hex: String,
    pub version: u32,
    pub name: String,
    pub name_hex: String,
    pub virsize: u64,
    pub chunk_size: u32,
    pub id: u32,
    pub count: u16,
    pub provider: String,
    pub provider_hex: String,
    pub no: u16,
    pub provsize: u64,
    pub chunk_count: u32,
    pub chunk_next: u32,
    pub chunk_reserved: u16,
    pub flags: u16,
}

impl ExpectedRecord {
    /// The same as a record to encode or compare.
    ///
    /// # Panics
    ///
    /// When a text field's hexadecimal digits are not those of 16 bytes.
    #[must_use]
    pub fn record(&self) -> Record {
        Record {
            magic: sixteen(&self.magic_hex),
            version: self.version,
            name: sixteen(&self.name_hex),
            virsize: self.virsize,
            chunk_size: self.chunk_size,
            id: self.id,
            count: self.count,
            provider: sixteen(&self.provider_hex),
            no: self.no,
            provsize: self.provsize,
            chunk_count: self.chunk_count,
            chunk_next: self.chunk_next,
            chunk_reserved: self.chunk_reserved,
            flags: self.flags,
        }
    }
}

fn sixteen(digits: &str) -> [u8; 16] {
    unhex(digits)
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or_else(|| panic!("{digits:?} are not 16 bytes in hexadecimal"))
}

/// A block of 64 KiB that is not all zero.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "(u64, u64, String)")]
#[expect(missing_docs, reason = "the fields say it")]
pub struct NonzeroBlock {
    pub offset: u64,
    pub len: u64,
    pub sha256: String,
}

impl From<(u64, u64, String)> for NonzeroBlock {
    fn from((offset, len, sha256): (u64, u64, String)) -> Self {
        Self { offset, len, sha256 }
    }
}

/// Orders of tasting that led to one and the same outcome.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct OtherOrders {
    pub orders: Vec<Vec<String>>,
    pub outcome: OrderOutcome,
}

/// What tasting in another order led to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct OrderOutcome {
    pub devices: Vec<Device>,
    pub log: Vec<String>,
    pub panic: Option<String>,
}

/// What tasting led to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The volumes the kernel knows of, started or not.
    pub devices: Vec<Device>,
    /// Where it hung.
    pub hang: Option<String>,
    /// What it logged.
    pub log: Vec<String>,
    /// The virtual device's size in bytes, when there is one.
    pub mediasize: Option<u64>,
    /// What it said when it panicked.
    pub panic: Option<String>,
    /// Whether the virtual device appeared.
    pub up: bool,
    /// The virtual device's sector size in bytes, when there is one.
    pub virtual_sectorsize: Option<u32>,
}

/// A volume as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Device {
    /// Absent when there is no virtual device, or nobody asked.
    pub chunk_size: Option<u64>,
    /// How many it should have.
    pub components: u16,
    pub id: u32,
    pub mediasize: Option<u64>,
    /// Absent when it is empty.
    pub name: Option<String>,
    /// How many are there.
    pub online: u16,
    pub sectorsize: Option<u32>,
    pub up: u8,
}

/// A session on a copy of the set, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Probe {
    pub hang: Option<String>,
    /// `release` or `invariants`.
    pub kernel: String,
    pub log: Vec<String>,
    pub order: Vec<String>,
    pub output: Vec<String>,
    pub panic: Option<String>,
    pub rc: i32,
    pub script: Vec<String>,
    pub title: String,
}

/// Where a provider's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct ProviderFile {
    pub file: String,
    pub sector_size: u32,
}

/// A write of the test pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenPattern {
    /// Where on the virtual device.
    pub offset: u64,
    /// How many bytes.
    #[serde(rename = "length")]
    pub len: u64,
    /// The pattern's seed.
    pub seed: u64,
    /// Whether it can be read back.
    #[serde(default = "yes")]
    pub readable: bool,
}

fn yes() -> bool {
    true
}

/// What is known of a set that carries a file system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSystemCase {
    /// What it shows.
    pub description: String,
    /// The volume's name.
    pub volume: String,
    /// The virtual device's size in bytes.
    pub device_size: u64,
    /// SHA-256 of the whole virtual device.
    pub device_sha256: String,
    /// SHA-256 of the device's first 4 MiB, which are the file system.
    #[serde(rename = "image_sha256_first_4MiB")]
    pub image_sha256_first_4_mib: String,
    /// What is in the file system, by path: for people.
    pub files: BTreeMap<String, String>,
    /// Where the file system came from.
    pub file_system_image_from: String,
}
