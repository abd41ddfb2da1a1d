//! The vectors: arguments of `gvirstor label` and sequences of writes, with what FreeBSD's code made of them.
//!
//! Where the kernel's label is wrong (the last chunk over the metadata sector from 4 GiB on, a reserved count
//! that wraps, a component that is too small), the vector holds the wrong bytes: that is what FreeBSD writes.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::digest::unhex;
use crate::{Record, Size};

/// One run of `gvirstor label` on empty providers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelCase {
    /// The volume's name. Several cases share one.
    pub name: String,
    /// `-s`, as typed.
    pub vir_size: Option<Size>,
    /// `-m`, as typed.
    pub chunk_size: Option<Size>,
    /// The largest transfer the tool was built for, in bytes: chunk sizes are multiples of it.
    pub maxphys: u64,
    /// The identifier, which the tool would have drawn by chance.
    pub id: u32,
    /// The providers' sector size in bytes.
    #[serde(default = "default_sector_size", rename = "sector")]
    pub sector_size: u32,
    /// `-h`: whether the providers' names go into their records.
    #[serde(default)]
    pub hardcode: bool,
    /// Name and size of every provider, in order.
    pub providers: Vec<(String, Size)>,
    /// What came of it.
    pub result: LabelResult,
}

/// What `gvirstor label -v` printed and wrote.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct LabelResult {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
    pub components: Vec<LabelledComponent>,
}

/// A provider after `label`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledComponent {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The first 92 bytes of its last sector.
    pub metadata_hex: String,
    /// SHA-256 of its last sector.
    pub metadata_sector_sha256: String,
}

impl LabelledComponent {
    /// Whether its size is a whole number of sectors, as that of every real provider is. One vector has a
    /// component of 5 GiB less a byte: `label` reports success for it, and no record is found in its last
    /// sector.
    #[must_use]
    pub fn has_whole_sectors(&self, sector_size: u32) -> bool {
        self.size.is_multiple_of(sector_size.into())
    }

    /// The first 92 bytes of its last sector. All zero when there is no record.
    ///
    /// # Panics
    ///
    /// When the fixture's digits are not those of 92 bytes.
    #[must_use]
    pub fn metadata(&self) -> [u8; Record::LEN] {
        unhex(&self.metadata_hex)
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or_else(|| panic!("{}: metadata_hex is not 92 bytes in hexadecimal", self.name))
    }
}

/// A labelled set, writes to it, and what was on the disks after a clean close.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteCase {
    /// The volume's name.
    pub name: String,
    /// The volume's identifier.
    pub id: u32,
    /// The components' sector size in bytes.
    pub sector_size: u32,
    /// The largest transfer `label` was built for, in bytes.
    pub maxphys: u64,
    /// `label -m`, in bytes.
    pub chunk_size: u64,
    /// `label -s`, in bytes.
    pub vir_size_asked: u64,
    /// The components, empty before `label`, in order.
    pub providers: Vec<WriteProvider>,
    /// Writes of [`pattern`](crate::pattern), in order.
    pub writes: Vec<PatternWrite>,
    /// SHA-256 of every component after the close, by name.
    pub components_after_close: BTreeMap<String, String>,
    /// SHA-256 of the whole virtual device.
    pub device_sha256: String,
}

/// A component of a write case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct WriteProvider {
    pub name: String,
    pub size: u64,
}

/// A write of the test pattern: `len` bytes at `offset` of the virtual device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct PatternWrite {
    pub offset: u64,
    #[serde(rename = "length")]
    pub len: u64,
    pub seed: u64,
}

/// The cases of `tests/vectors/label.json`.
///
/// # Panics
///
/// When the file cannot be read or understood.
#[must_use]
pub fn label_cases() -> Vec<LabelCase> {
    load("label.json")
}

/// The cases of `tests/vectors/write.json`.
///
/// # Panics
///
/// When the file cannot be read or understood.
#[must_use]
pub fn write_cases() -> Vec<WriteCase> {
    load("write.json")
}

fn load<T: DeserializeOwned>(name: &str) -> T {
    let path = crate::fixtures().join("vectors").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn default_sector_size() -> u32 {
    512
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256_hex;

    #[test]
    fn every_label_case_is_consistent() {
        let cases = label_cases();
        assert_eq!(cases.len(), 54);
        for case in &cases {
            assert_eq!(case.result.components.len(), case.providers.len());
            for ((name, size), component) in case.providers.iter().zip(&case.result.components) {
                assert_eq!((name, size.bytes()), (&component.name, component.size));
            }
            for text in [&case.vir_size, &case.chunk_size].into_iter().flatten() {
                assert_ne!(text.bytes(), 0);
            }
        }
    }

    #[test]
    fn after_the_record_the_labelled_sector_is_zero() {
        for case in label_cases() {
            for component in &case.result.components {
                let mut sector = component.metadata().to_vec();
                sector.resize(usize::try_from(case.sector_size).unwrap(), 0);
                assert_eq!(sha256_hex(&sector), component.metadata_sector_sha256, "{}", case.name);
            }
        }
    }

    #[test]
    fn labelled_records_hold_what_was_asked_for() {
        for case in label_cases().iter().filter(|case| case.result.exit == 0) {
            for (number, component) in case.result.components.iter().enumerate() {
                if !component.has_whole_sectors(case.sector_size) {
                    continue;
                }
                let record = Record::decode(&component.metadata());
                assert_eq!(record.encode(), component.metadata());
                assert_eq!(record.magic, Record::MAGIC);
                assert_eq!(record.name, Record::name_field(&case.name[..case.name.len().min(15)]));
                assert_eq!((record.id, usize::from(record.no)), (case.id, number));
                assert_eq!(record.provsize, component.size);
                assert_eq!(case.hardcode, record.provider != [0; 16]);
            }
        }
    }

    #[test]
    fn only_a_disk_of_broken_sectors_has_no_record_after_success() {
        for case in label_cases().iter().filter(|case| case.result.exit == 0) {
            for component in &case.result.components {
                let is_blank = component.metadata() == [0; Record::LEN];
                assert_eq!(is_blank, !component.has_whole_sectors(case.sector_size), "{}", case.name);
            }
        }
    }

    #[test]
    fn every_write_case_is_consistent() {
        let cases = write_cases();
        assert_eq!(cases.len(), 8);
        for case in &cases {
            assert!(
                case.providers.iter().map(|provider| &provider.name).eq(case.components_after_close.keys())
            );
            assert!(!case.writes.is_empty());
            for write in &case.writes {
                assert!(write.offset + write.len <= case.vir_size_asked, "{}", case.name);
            }
        }
    }
}
