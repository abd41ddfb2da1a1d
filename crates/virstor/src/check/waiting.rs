//! Claims on chunks that wait until many can be settled together.
//!
//! Where a map is in disorder neighbours claim chunks whose bits lie far apart, and each would wait for memory. So
//! they are gathered by stretches of chunks, and settled while the bits of one stretch are in the processor's cache.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::geometry::ComponentIndex;

/// How claims are gathered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gathering {
    /// A stretch has 2^this chunks.
    pub(super) stretch: u32,
    /// So many claims on one stretch wait at most, ...
    pub(super) together: usize,
    /// ... and so many on all. They take four bytes each.
    pub(super) most: usize,
    /// Claims wait where components have at least so many chunks together.
    pub(super) from: u64,
}

impl Gathering {
    /// What was measured to be fastest: the bits of a stretch take 64 KiB, those of all more than a processor keeps
    /// close, and all claims that wait 32 MiB.
    pub(super) const FASTEST: Self = Self { stretch: 19, together: 1 << 14, most: 1 << 23, from: 1 << 22 };
}

/// Stretches at most: with more, too few claims on one would wait to be worth it.
const MOST_STRETCHES: u64 = 8192;

/// Room between the claims on two stretches: a line of the processor's cache. As all fill up alike, they would else
/// compete for the same places there.
const BETWEEN: usize = 16;

/// The claims that wait: each on a chunk, by an entry of the map.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Chunks of a stretch are 2^this.
    stretch: u32,
    /// Claims on one stretch at most.
    together: usize,
    /// One for each stretch, and its end.
    ends: Vec<End>,
    stretches: Vec<Stretch>,
    /// The claims on one stretch after those on the other. Each is the place of its chunk in the stretch, and above
    /// that as many bits of its entry's number as there is room for: claims come in the order of entries, and one that
    /// lies further behind the one before than these bits can tell has that settled first. Empty until one comes.
    claims: Vec<u32>,
}

/// Where the next claim on a stretch goes.
#[derive(Debug)]
struct End {
    /// The entry of the one before.
    last: u64,
    /// Its place in all claims, and the first one that is not for this stretch.
    next: u32,
    full: u32,
}

/// A stretch of the chunks of a component.
#[derive(Debug)]
struct Stretch {
    component: ComponentIndex,
    /// Its first chunk.
    base: u32,
    /// An entry before the first whose claim waits, which is so near that the bits of its number tell it.
    from: u64,
}

/// Claims of one stretch that are due: of which component, and on which chunk by which entry, in the order of entries.
pub(super) struct Due<'a> {
    pub(super) component: ComponentIndex,
    base: u32,
    stretch: u32,
    at: u64,
    claims: &'a [u32],
}

impl Waiting {
    /// Nothing waits yet. Of each component that there is: its number, and how many chunks may be claimed.
    pub(super) fn new(
        components: impl Iterator<Item = (ComponentIndex, u32)> + Clone,
        gathering: Gathering,
    ) -> Self {
        let Gathering { stretch, together, most, from } = gathering;
        let mut stretches = Vec::new();
        if components.clone().map(|(_, chunks)| u64::from(chunks)).sum::<u64>() >= from {
            for (component, chunks) in components {
                let count = u64::from(chunks).div_ceil(1 << stretch);
                if stretches.len() as u64 + count > MOST_STRETCHES {
                    break;
                }
                let bases = (0..chunks).step_by(1 << stretch);
                stretches.extend(bases.map(|base| Stretch { component, base, from: 0 }));
            }
        }
        let together = together.min(most / stretches.len().max(1)).max(1);
        let starts = (0..stretches.len()).map(|number| number * (together + BETWEEN));
        let place = |place| u32::try_from(place).expect("there are not so many claims");
        let end = |start| End { last: 0, next: place(start), full: place(start + together) };
        Self { stretch, together, ends: starts.map(end).collect(), stretches, claims: Vec::new() }
    }

    /// The stretches of a component; none where its claims do not wait.
    pub(super) fn stretches_of(&self, component: ComponentIndex) -> Range<usize> {
        let start = self.stretches.partition_point(|stretch| stretch.component < component);
        let end = self.stretches.partition_point(|stretch| stretch.component <= component);
        start..end
    }

    /// In which stretch of its component a chunk lies.
    #[inline]
    pub(super) fn stretch_of(&self, chunk: u32) -> usize {
        (chunk >> self.stretch) as usize
    }

    /// Has the claim on `chunk`, which is in this stretch, by entry `at` wait, and says so, unless it has to
    /// [begin](Self::begin), and what waits there has to be [settled](Self::take), before.
    #[inline]
    pub(super) fn push(&mut self, stretch: usize, chunk: u32, at: u64) -> bool {
        let end = &mut self.ends[stretch];
        if end.next == end.full || (at - end.last) >> (32 - self.stretch) != 0 {
            return false;
        }
        let Some(free) = self.claims.get_mut(end.next as usize) else { return false };
        #[expect(clippy::cast_possible_truncation, reason = "the lower bits are wanted")]
        let claim = (chunk & ((1 << self.stretch) - 1)) | (at as u32) << self.stretch;
        *free = claim;
        end.next += 1;
        end.last = at;
        true
    }

    /// Takes the memory.
    pub(super) fn begin(&mut self) {
        if self.claims.is_empty() {
            self.claims = vec![0; self.stretches.len() * (self.together + BETWEEN)];
        }
    }

    /// What waits in this stretch, which does so no longer: claims by entry `at` and those behind it will.
    pub(super) fn take(&mut self, stretch: usize, at: u64) -> Due<'_> {
        let (there, end) = (&mut self.stretches[stretch], &mut self.ends[stretch]);
        let start = stretch * (self.together + BETWEEN);
        // Before the first claim there is no room for any.
        let claims = self.claims.get(start..end.next as usize).unwrap_or_default();
        let due = Due {
            component: there.component,
            base: there.base,
            stretch: self.stretch,
            at: there.from,
            claims,
        };
        end.next -= u32::try_from(claims.len()).expect("it is a part of that");
        (there.from, end.last) = (at, at);
        due
    }

    /// All stretches.
    pub(super) fn all(&self) -> Range<usize> {
        0..self.stretches.len()
    }

    /// Gives back the memory. Nothing must wait any more.
    pub(super) fn end(&mut self) {
        self.claims = Vec::new();
    }
}

impl Due<'_> {
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }
}

impl Iterator for Due<'_> {
    type Item = (u32, u64);

    #[inline]
    fn next(&mut self) -> Option<(u32, u64)> {
        let (claim, claims) = self.claims.split_first()?;
        self.claims = claims;
        let behind = u64::from(claim >> self.stretch).wrapping_sub(self.at);
        self.at += behind & ((1 << (32 - self.stretch)) - 1);
        Some((self.base | claim & ((1 << self.stretch) - 1), self.at))
    }
}
