//! A file as the heap reads it: as it is, or as a specimen has it; with areas that could not be rescued from the
//! disk it is an image of; with records that were assumed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use virstor::io::{IoError, ReadAt};
use virstor::specimen::SpecimenDisk;

/// A file, and what is put over it. Clones share both.
#[derive(Debug, Clone)]
pub struct Source<D> {
    base: Base<D>,
    /// Ascending, apart from each other, none empty.
    bad: Arc<[Range<u64>]>,
    /// What is read instead of the file's own bytes, by offset.
    overlay: Arc<BTreeMap<u64, Vec<u8>>>,
}

#[derive(Debug, Clone)]
enum Base<D> {
    File(D),
    Specimen(SpecimenDisk<D>),
}

impl<D> Source<D> {
    /// The file as it is.
    pub fn file(disk: D) -> Self {
        Self::new(Base::File(disk))
    }

    /// What a specimen has of a file.
    pub fn specimen(disk: SpecimenDisk<D>) -> Self {
        Self::new(Base::Specimen(disk))
    }

    fn new(base: Base<D>) -> Self {
        Self { base, bad: Arc::new([]), overlay: Arc::default() }
    }

    /// The same with areas that hold nothing: what could not be read from a failing disk.
    #[must_use]
    pub fn with_bad_areas(self, mut bad: Vec<Range<u64>>) -> Self {
        bad.retain(|area| !area.is_empty());
        bad.sort_unstable_by_key(|area| area.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for area in bad {
            match merged.last_mut() {
                Some(last) if area.start <= last.end => last.end = last.end.max(area.end),
                _ => merged.push(area),
            }
        }
        Self { bad: merged.into(), ..self }
    }

    /// The same with `bytes` at `offset`. The file is not touched.
    #[must_use]
    pub fn with_overlay(mut self, offset: u64, bytes: Vec<u8>) -> Self {
        Arc::make_mut(&mut self.overlay).insert(offset, bytes);
        self
    }

    /// The file itself, where nothing is put over it.
    pub fn plain(&self) -> Option<&D> {
        match &self.base {
            Base::File(disk) if self.bad.is_empty() && self.overlay.is_empty() => Some(disk),
            _ => None,
        }
    }

    /// The file itself, whatever is put over it; none where a specimen has it.
    pub fn beneath(&self) -> Option<&D> {
        match &self.base {
            Base::File(disk) => Some(disk),
            Base::Specimen(_) => None,
        }
    }

    /// Whether it is what a specimen has of a file: then the data of the volume is not there.
    pub fn is_specimen(&self) -> bool {
        matches!(self.base, Base::Specimen(_))
    }

    /// Whether some of its bytes were assumed.
    pub fn is_assumed(&self) -> bool {
        !self.overlay.is_empty()
    }

    fn first_bad(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let next = self.bad.partition_point(|area| area.end <= range.start);
        let area = self.bad.get(next).filter(|area| area.start < range.end)?;
        Some(area.start.max(range.start)..area.end.min(range.end))
    }
}

impl<D: ReadAt> ReadAt for Source<D> {
    fn size(&self) -> u64 {
        match &self.base {
            Base::File(disk) => disk.size(),
            Base::Specimen(disk) => disk.size(),
        }
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let range = offset..offset.saturating_add(buf.len() as u64);
        if let Some(bad) = self.first_bad(&range) {
            let len = usize::try_from(bad.end - bad.start).unwrap_or(usize::MAX);
            return Err(IoError::new(
                bad.start,
                len,
                "could not be rescued from the disk, as its mapfile says",
            ));
        }
        match &self.base {
            Base::File(disk) => disk.read_at(offset, buf)?,
            Base::Specimen(disk) => disk.read_at(offset, buf)?,
        }
        for (start, bytes) in &*self.overlay {
            let (from, until) = ((*start).max(range.start), (start + bytes.len() as u64).min(range.end));
            if from < until {
                let place = |at: u64, base: u64| usize::try_from(at - base).expect("within a buffer");
                let bytes = &bytes[place(from, *start)..place(until, *start)];
                buf[place(from, offset)..place(until, offset)].copy_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        let here = self.first_bad(&range);
        let below = match &self.base {
            Base::File(disk) => disk.unreadable(range),
            Base::Specimen(_) => None,
        };
        match (here, below) {
            (Some(one), Some(other)) => Some(if one.start <= other.start { one } else { other }),
            (one, other) => one.or(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_areas_are_errors_and_the_rest_reads() {
        let source = Source::file((0..100).collect::<Vec<u8>>());
        let source = source.with_bad_areas(vec![40..50, 10..20, 15..25, 60..60]);
        assert_eq!(source.unreadable(0..100), Some(10..25));
        assert_eq!(source.unreadable(12..14), Some(12..14));
        assert_eq!(source.unreadable(25..45), Some(40..45));
        assert_eq!(source.unreadable(25..40), None);
        let mut buf = [0; 15];
        source.read_at(25, &mut buf).expect("between bad areas");
        assert_eq!(buf[0], 25);
        let error = source.read_at(26, &mut buf).expect_err("the next byte is bad");
        assert_eq!((error.offset, error.len), (40, 1));
    }

    #[test]
    fn what_is_put_over_a_file_is_read_instead() {
        let source = Source::file(vec![0_u8; 100]).with_overlay(50, vec![1, 2, 3]).with_overlay(8, vec![9]);
        let mut buf = [7; 52];
        source.read_at(0, &mut buf).expect("within");
        assert_eq!((buf[8], buf[9], &buf[49..]), (9, 0, &[0, 1, 2][..]));
        assert!(source.is_assumed() && source.plain().is_none());
    }
}
