//! What tests of the engine and of the programs stand on. Nothing here is shipped.
//!
//! ```text
//!  disks       SparseDisk, Counting, Failing      memory that behaves like a disk, or misbehaves on request
//!              Machine                            disks with caches, and every state a power cut can leave
//!              DiskLog                            an undo log on one of its disks
//!  fixtures    golden, vectors, pattern           what FreeBSD's own code did, and the bytes it wrote
//!  specimens   Record, MapEntry, SetBuilder       sets of any shape, encoded independently of the engine
//!              hostile                            heaps of files with anything wrong, made from any bytes
//!  chance      SplitMix64                         the same numbers for the same seed, everywhere
//! ```
//!
//! The kit takes traits from the engine ([`virstor::io`], and where an undo log goes) and nothing else: a format error
//! in the engine must not be repeated here, or no test would see it. Loaders panic, with the file's name, when a fixture
//! is absent or damaged: a test cannot go on without it.

use std::path::{Path, PathBuf};

mod counting;
mod digest;
mod disk_log;
mod failing;
pub mod golden;
pub mod hostile;
mod machine;
mod map_entry;
mod pattern;
mod random;
mod record;
mod set_builder;
mod size;
mod sparse_disk;
pub mod vectors;

pub use counting::Counting;
pub use digest::{sha256_hex, sha256_of_file};
pub use disk_log::DiskLog;
pub use failing::Failing;
pub use golden::{GoldenSet, write_sparsely};
pub use machine::{Cut, Machine, MachineDisk};
pub use map_entry::{ByteOrder, MapEntry};
pub use pattern::pattern;
pub use random::{Decisions, SplitMix64, for_each_seed};
pub use record::Record;
pub use set_builder::SetBuilder;
pub use size::{Size, parse_size};
pub use sparse_disk::SparseDisk;

/// The repository's folder of fixtures.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}
