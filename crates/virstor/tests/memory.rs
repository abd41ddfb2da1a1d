//! How much memory a check takes, of the largest volume there is a promise for: 268 million map entries. It is a program
//! of its own, so that nothing else counts.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;

use virstor::assemble::{Candidate, assemble};
use virstor::check::{Code, Subject, check};
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt};
use virstor::locate::{Search, locate};
use virstor_testkit::{SetBuilder, SparseDisk};

const ENTRIES: u64 = 1 << 28;
const CHUNK: u64 = 4 << 20;
const RESERVED: u64 = 2 * ENTRIES * 8 / CHUNK;

/// Entries that are in use: more than wait for their bits at a time, and so far apart that all pages of bits are made.
const USED: u64 = 1 << 22;

/// A component of 1 PiB whose map is made up while it is read.
struct Disk(SparseDisk);

impl Disk {
    fn entry(at: u64) -> u64 {
        let chunk = at.wrapping_mul(0x9e37_79b1) % ENTRIES + RESERVED;
        if at < USED { 1 | chunk << 32 } else { 0 }
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.0.read_at(offset, buf)?;
        for (at, entry) in (offset / 8..USED).zip(buf.as_chunks_mut::<8>().0) {
            *entry = Self::entry(at).to_le_bytes();
        }
        Ok(())
    }
}

#[test]
fn checking_a_volume_of_one_pib_takes_at_most_128_mib() {
    let size = (ENTRIES + RESERVED) * CHUNK + 4096;
    let set = SetBuilder::new("huge").chunk_size(4 << 20).virtual_chunks(ENTRIES).components([size]);
    let disk = Disk(set.build().swap_remove(0).1);
    let search = Search { sector_size: None, scan_len: 0 };
    let located = locate(&disk, &[], search, &mut |_, _| ControlFlow::Continue(())).expect("memory");
    let candidate = |located| Candidate { located, provider: b"c0".to_vec(), preferred: false };
    let candidates: Vec<Candidate> = located.into_iter().map(candidate).collect();
    let assembly = assemble(&candidates);
    let disks = BTreeMap::from([(ComponentIndex(0), &disk)]);
    let subject = Subject {
        assembly: &assembly,
        volume: 0,
        candidates: &candidates,
        disks: &disks,
        unclaimed: &[],
        unread: false,
    };
    let before = peak();
    let report = check(&subject, &mut |_, _| ControlFlow::Continue(()));
    assert!(report.findings.iter().any(|finding| finding.code() == Code::ChunkReuseAhead), "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.code() != Code::ChunkShared), "{report:?}");
    let taken = peak();
    assert!(taken > before + (ENTRIES / 8) / 1024, "{before} KiB, then {taken}: the bits are there");
    assert!(taken <= 128 << 10, "{taken} KiB");
}

/// The most memory this process had so far, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
