//! A disk that fails where, or when, a test says.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use virstor::io::{IoError, ReadAt};

/// Passes reads on, except those that were told to fail. The same reads fail in every run.
///
/// ```
/// use virstor::io::ReadAt;
/// use virstor_testkit::{Failing, SparseDisk};
///
/// let disk = Failing::new(SparseDisk::new(4096)).range(512..1024);
/// assert!(disk.read_at(0, &mut [0; 512]).is_ok());
/// assert!(disk.read_at(0, &mut [0; 513]).is_err());
/// ```
#[derive(Debug)]
pub struct Failing<D> {
    disk: D,
    ranges: Vec<Range<u64>>,
    numbers: Vec<Range<u64>>,
    reads: AtomicU64,
}

impl<D> Failing<D> {
    /// A disk that does not fail yet.
    pub fn new(disk: D) -> Self {
        Self { disk, ranges: Vec::new(), numbers: Vec::new(), reads: AtomicU64::new(0) }
    }

    /// Reads that touch a byte of `range` fail, every time: a bad sector.
    #[must_use]
    pub fn range(mut self, range: Range<u64>) -> Self {
        self.ranges.push(range);
        self
    }

    /// The `number`-th read, counted from 0, fails; trying again succeeds.
    #[must_use]
    pub fn read_number(mut self, number: u64) -> Self {
        self.numbers.push(number..number + 1);
        self
    }

    /// The `number`-th read, counted from 0, and all after it fail: the disk was pulled.
    #[must_use]
    pub fn reads_from(mut self, number: u64) -> Self {
        self.numbers.push(number..u64::MAX);
        self
    }

    /// How many reads there were, failed ones included. A test that lets the N-th read fail goes on until
    /// this is no more than N.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

impl<D: ReadAt> ReadAt for Failing<D> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let number = self.reads.fetch_add(1, Ordering::Relaxed);
        if self.numbers.iter().any(|numbers| numbers.contains(&number)) {
            return Err(IoError::new(offset, buf.len(), format!("simulated failure of read {number}")));
        }
        let end = offset.saturating_add(buf.len() as u64);
        if self.ranges.iter().any(|bad| offset.max(bad.start) < end.min(bad.end)) {
            return Err(IoError::new(offset, buf.len(), "simulated bad sector"));
        }
        self.disk.read_at(offset, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(disk: &Failing<Vec<u8>>, requests: &[(u64, usize)]) -> Vec<bool> {
        requests.iter().map(|&(offset, len)| disk.read_at(offset, &mut vec![0; len]).is_ok()).collect()
    }

    #[test]
    fn a_bad_range_fails_exactly_the_reads_that_touch_it() {
        let disk = Failing::new(vec![0; 100]).range(10..20).range(50..51);
        let requests = [(0, 10), (0, 11), (10, 0), (19, 1), (20, 30), (49, 3), (51, 49), (15, 2)];
        assert_eq!(outcomes(&disk, &requests), [true, false, true, false, true, false, true, false]);
    }

    #[test]
    fn a_numbered_read_fails_once() {
        let disk = Failing::new(vec![0; 100]).read_number(1);
        assert_eq!(outcomes(&disk, &[(0, 1); 4]), [true, false, true, true]);
        assert_eq!(disk.reads(), 4);
    }

    #[test]
    fn a_pulled_disk_stays_away() {
        let disk = Failing::new(vec![0; 100]).reads_from(2);
        assert_eq!(outcomes(&disk, &[(0, 1); 4]), [true, true, false, false]);
    }
}
