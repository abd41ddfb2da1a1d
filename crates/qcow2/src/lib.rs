//! A qcow2 image, planned front to back.
//!
//! Given the size of a virtual disk and the ranges of it that hold data, [`Layout`] decides where everything
//! lies in a qcow2 file (version 3, no features, no backing file) before a byte of it exists. [`Pieces`] then
//! gives the file in order: tables as bytes, data as "copy these bytes of the virtual disk". Nothing is ever
//! patched later, so the file can go down a pipe, be written at positions, or be composed by reference.
//!
//! ```text
//! | header | refcount table | refcount blocks | L1 table | L2 tables ... | data clusters ... |
//! ```
//!
//! Every area is whole clusters, every cluster of the file is used once, and the k-th data cluster of the disk
//! is the k-th cluster of the data area. That is why nothing needs to be remembered: each table follows from
//! walking the ranges again. Memory does not grow with the disk, the file or the number of ranges: a few
//! hundred bytes and the piece in hand, which has at most [`MAX_BYTES_LEN`] bytes.
//!
//! The format is that of qemu's `docs/interop/qcow2.rst`; the limits are those of qemu's `block/qcow2.h`.
//!
//! ```
//! use virstor_qcow2::{DEFAULT_CLUSTER_BITS, Layout, Piece};
//!
//! let disk = vec![7; 1 << 20];
//! let ranges = || [0..4096, 300_000..300_001].into_iter();
//! let layout = Layout::new(disk.len() as u64, DEFAULT_CLUSTER_BITS, ranges())?;
//! let mut file = Vec::new();
//! for piece in layout.pieces(ranges, 1 << 20) {
//!     match piece? {
//!         Piece::Bytes(bytes) => file.extend(bytes),
//!         Piece::Copy { virtual_offset, len } => {
//!             let start = virtual_offset as usize;
//!             file.extend(&disk[start..start + len as usize]);
//!         }
//!     }
//! }
//! assert_eq!(file.len() as u64, layout.total_len());
//! # Ok::<(), virstor_qcow2::Error>(())
//! ```
#![no_std]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

extern crate alloc;

mod areas;
mod error;
mod header;
mod layout;
mod pieces;
mod walk;

pub use areas::{DEFAULT_CLUSTER_BITS, MAX_CLUSTER_BITS, MIN_CLUSTER_BITS, smallest_cluster_bits};
pub use error::Error;
pub use layout::Layout;
pub use pieces::{MAX_BYTES_LEN, Piece, Pieces};
