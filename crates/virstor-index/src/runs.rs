//! Where the runs of a volume begin, so that any page of a long table of them can be had.

use virstor::plan::Segment;

/// The most starts that are kept: 8 MiB of them.
const MOST: usize = 1 << 20;

/// The starts of runs that came in order: of all, or of every so many.
#[derive(Debug)]
pub struct Runs {
    starts: Vec<u64>,
    /// A power of two.
    step: u64,
    count: u64,
    last: Option<Segment>,
}

impl Default for Runs {
    fn default() -> Self {
        Self { starts: Vec::new(), step: 1, count: 0, last: None }
    }
}

impl Runs {
    /// How many runs there are so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes the segment that comes next.
    #[inline]
    pub fn take(&mut self, segment: &Segment) {
        match &mut self.last {
            Some(last) if last.goes_on_in(segment) => last.len += segment.len,
            last => {
                *last = Some(*segment);
                self.begin(segment.start);
            }
        }
    }

    #[inline]
    fn begin(&mut self, start: u64) {
        if self.count & (self.step - 1) == 0 {
            if self.starts.len() == MOST {
                self.thin_out();
            }
            if self.count & (self.step - 1) == 0 {
                self.starts.push(start);
            }
        }
        self.count += 1;
    }

    /// Keeps every other start.
    #[cold]
    fn thin_out(&mut self) {
        let mut number = 0;
        self.starts.retain(|_| {
            number += 1;
            number % 2 == 1
        });
        self.step *= 2;
    }

    /// A run at or before `number` whose first byte is known, and that byte.
    #[must_use]
    pub fn known_before(&self, number: u64) -> (u64, u64) {
        let known = usize::try_from(number / self.step).unwrap_or(usize::MAX);
        match self.starts.get(known.min(self.starts.len().saturating_sub(1))) {
            Some(start) => (known.min(self.starts.len() - 1) as u64 * self.step, *start),
            None => (0, 0),
        }
    }

    /// The first byte behind run `number`, where that is known.
    #[must_use]
    pub fn end_of(&self, number: u64) -> Option<u64> {
        if self.step > 1 {
            return None;
        }
        let next = usize::try_from(number + 1).ok()?;
        let last = || self.last.filter(|_| number + 1 == self.count).map(|last| last.end());
        self.starts.get(next).copied().or_else(last)
    }

    /// The number of the run that the byte `position` is in, when every start is known.
    #[must_use]
    pub fn number_at(&self, position: u64) -> Option<u64> {
        let before = self.starts.partition_point(|start| *start <= position) as u64;
        before.checked_sub(1).filter(|_| self.step == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virstor::geometry::ComponentIndex;
    use virstor::plan::SegmentPlace;

    fn hole(start: u64, len: u64) -> Segment {
        Segment { start, len, place: SegmentPlace::Hole }
    }

    fn data(start: u64, len: u64, offset: u64) -> Segment {
        Segment { start, len, place: SegmentPlace::Data { component: ComponentIndex(0), offset } }
    }

    #[test]
    fn what_goes_on_is_one_run() {
        let mut runs = Runs::default();
        for segment in [hole(0, 10), hole(10, 5), data(15, 5, 100), data(20, 5, 105), data(25, 5, 0)] {
            runs.take(&segment);
        }
        assert_eq!(runs.count(), 3);
        assert_eq!([0, 1, 2].map(|number| runs.known_before(number)), [(0, 0), (1, 15), (2, 25)]);
        assert_eq!([0, 1, 2].map(|number| runs.end_of(number)), [Some(15), Some(25), Some(30)]);
        assert_eq!([0, 14, 15, 29].map(|byte| runs.number_at(byte)), [Some(0), Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn of_very_many_runs_some_starts_are_kept() {
        let mut runs = Runs::default();
        let many = 3 * MOST as u64;
        for number in 0..many {
            runs.take(&data(number * 10, 10, number * 20));
        }
        assert_eq!(runs.count(), many);
        assert!(runs.starts.len() <= MOST);
        for number in [0, 1, 12_345, many - 1] {
            let (known, start) = runs.known_before(number);
            assert!(known <= number && number - known < runs.step);
            assert_eq!(start, known * 10);
        }
        assert_eq!(runs.end_of(7), None);
    }
}
