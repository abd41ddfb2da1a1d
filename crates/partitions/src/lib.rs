//! Where partitions lie on a disk: GPT, MBR with logical partitions, and BSD disklabels, bare or nested.
//!
//! [`find`] reads the few sectors that hold tables and gives one flat list. It follows what FreeBSD's
//! `geom_part` would show, with two differences, because the disks it is meant for are damaged: a table is
//! also believed where the kernel wants more of the disk to be intact (a GPT without its protective MBR, a
//! disk image that was cut off), and one bad entry does not take the others with it.
//!
//! [`signature`] names what else a disk starts with.
//!
//! No table is trusted: counts and sizes are checked before anything is read or kept, so the memory for one
//! search stays below 16 MiB, and so does the reading, whatever the tables say. A usual disk costs some 20 KiB
//! of each.
#![no_std]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

extern crate alloc;

mod bsd;
mod gpt;
mod kind;
mod mbr;
pub mod signature;
mod source;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use virstor::io::{IoError, ReadAt, Window};
use virstor::ordered::sort_by;

pub use kind::{Kind, Scheme};
use source::Source;

/// The sector sizes that disks are made with; the order is the order of trying.
const USUAL_SECTOR_SIZES: [u32; 2] = [512, 4096];

/// One entry of a partition table that begins on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What the table says it holds; also tells which kind of table.
    pub kind: Kind,
    /// Its number in its table, from 1; logical partitions of an MBR count from 5, BSD partition `a` is 1.
    pub number: u32,
    /// What FreeBSD would append to the name of the disk: `p2`, `s1`, `s5`, `a`, `s1a`.
    ///
    /// A GPT partition of type `freebsd` is a slice there and thus `s2`, not `p2`. Partitions in an extended
    /// one are named as the kernel's compatibility names have it, in the order of their chain.
    pub name: String,
    /// First byte, counted from the start of the disk.
    pub start: u64,
    /// Length in bytes as the table declares it.
    pub len: u64,
    /// How many of those bytes there are: less than `len` where the partition reaches past the end of the
    /// disk, or past the end of the slice whose disklabel lists it. At least 1.
    pub present: u64,
    /// The name its owner gave it; only GPT has one.
    pub label: Option<String>,
}

impl Partition {
    /// The kind of table that lists it.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.kind.scheme()
    }

    /// Whether the table declares more than the disk, or the slice around it, has.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.present < self.len
    }

    /// The bytes of the partition that are there, as a disk of its own; `None` when `disk` is not the disk
    /// it was found on but a shorter one.
    pub fn window<D: ReadAt>(&self, disk: D) -> Option<Window<D>> {
        Window::new(disk, self.start, self.present)
    }

    /// A partition without a label that begins at `start` within `outer`; `None` where it does not, or is
    /// empty.
    fn within(outer: Extent, kind: Kind, number: u32, name: String, start: u64, len: u64) -> Option<Self> {
        let room = outer.end().checked_sub(start).filter(|_| start >= outer.start)?;
        let present = room.min(len);
        (present > 0).then_some(Self { kind, number, name, start, len, present, label: None })
    }

    fn extent(&self) -> Extent {
        Extent { start: self.start, len: self.present }
    }
}

/// Bytes that exist on the disk: all of it, or the part of a slice that is there.
#[derive(Debug, Clone, Copy)]
struct Extent {
    start: u64,
    len: u64,
}

impl Extent {
    fn end(self) -> u64 {
        self.start + self.len
    }
}

/// The partitions of `disk`, ordered by where they begin; of two that begin together the longer is first.
///
/// `sector_size` is the disk's own in bytes, where it is known. If it is not (`None`, or no power of two from
/// 512 to 8192), GPTs and disklabels are looked for with sectors of 512 and of 4096 bytes, and an MBR, which
/// does not say, is taken to count sectors of 512.
///
/// One kind of table counts, as in the kernel: a GPT if the MBR has a protective entry (so it wins over a
/// hybrid MBR), else a disklabel in sector 1, else the MBR, else a GPT without protection. Disklabels are then
/// looked for in all slices. An extended partition is listed as well as what is in it; partition `c` of a
/// disklabel is not, since it is the slice itself.
///
/// What begins outside the disk is left out; what ends outside is [truncated](Partition::truncated).
///
/// # Errors
///
/// The first [`IoError`] of the boot area (8 KiB), when nothing was found: then nothing can be said about the
/// disk. Otherwise unreadable sectors only hide what they hold.
pub fn find(disk: &dyn ReadAt, sector_size: Option<u32>) -> Result<Vec<Partition>, IoError> {
    let known = sector_size.filter(|size| size.is_power_of_two() && (512..=8192).contains(size));
    let sizes = known.as_ref().map_or(&USUAL_SECTOR_SIZES[..], core::slice::from_ref);
    let mut source = Source::new(disk);

    let mut found = outermost(&mut source, sizes);
    let nested: Vec<_> = found.iter().flat_map(|slice| labelled(&mut source, slice, sizes)).collect();
    found.extend(nested);
    sort_by(&mut found, |one, two| order(one).cmp(&order(two)));

    match source.boot_area_error {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

fn order(it: &Partition) -> (u64, Reverse<u64>, Scheme, &str) {
    (it.start, Reverse(it.present), it.scheme(), &it.name)
}

/// The entries of the one table that counts.
fn outermost(source: &mut Source<'_>, sizes: &[u32]) -> Vec<Partition> {
    let whole = Extent { start: 0, len: source.size };
    let boot = source.sector(0);
    let order = if boot.as_ref().is_none_or(mbr::is_protective) {
        [Scheme::Gpt, Scheme::Bsd, Scheme::Mbr]
    } else {
        [Scheme::Bsd, Scheme::Mbr, Scheme::Gpt]
    };
    let tables = order.into_iter().map(|scheme| match scheme {
        Scheme::Gpt => gpt::find(source, boot.as_ref(), sizes),
        Scheme::Bsd => bsd::find(source, whole, sizes, "", bsd::Counting::AsLabelled),
        Scheme::Mbr => boot.as_ref().map(|it| mbr::find(source, it, sizes[0])).unwrap_or_default(),
    });
    tables.into_iter().find(|table| !table.is_empty()).unwrap_or_default()
}

/// The disklabel in a slice.
fn labelled(source: &mut Source<'_>, slice: &Partition, sizes: &[u32]) -> Vec<Partition> {
    let counting = match slice.kind {
        Kind::Gpt(kind::GPT_FREEBSD) => bsd::Counting::AsLabelled,
        Kind::Mbr(kind::MBR_OPENBSD | kind::MBR_NETBSD) => bsd::Counting::FromDisk,
        Kind::Mbr(byte) if !kind::is_extended(byte) => bsd::Counting::AsLabelled,
        _ => return Vec::new(),
    };
    bsd::find(source, slice.extent(), sizes, &slice.name, counting)
}

/// The name of an entry: `p2`, `s1`.
fn numbered(letter: char, number: u32) -> String {
    format!("{letter}{number}")
}
