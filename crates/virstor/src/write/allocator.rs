//! Which physical chunk comes next.
//!
//! The order is the kernel's (`allocate_chunk`): the current component upward, then the next component; never
//! back, never a search. What differs is where the count starts (behind the last chunk that is referenced)
//! and that a component without room is passed over: the kernel hands out a chunk behind its end.

use alloc::vec::Vec;

use crate::geometry::{ComponentIndex, PhysicalChunk};

/// How far each component is used.
#[derive(Debug, Clone)]
pub(crate) struct Allocator {
    cursors: Vec<Cursor>,
    current: usize,
    /// Behind this one nothing can be handed out.
    last: usize,
}

/// How far one component is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Chunks below are never handed out.
    pub(crate) reserved: u32,
    /// The next chunk to hand out.
    pub(crate) next: u32,
    /// Chunks from this one on do not exist, or are not to be used.
    pub(crate) chunk_count: u32,
    /// The record counts chunks that reach into its own sector. The kernel hands them out before it goes on to the
    /// next component, so nothing behind them can be handed out without them.
    pub(crate) overlaps: bool,
}

/// A chunk of a component.
pub(crate) type Place = (ComponentIndex, PhysicalChunk);

impl Allocator {
    /// The current component is the first that has room, or else the last.
    pub(crate) fn new(cursors: Vec<Cursor>) -> Self {
        let current = cursors.iter().position(|cursor| cursor.has_room() || cursor.overlaps);
        let current = current.unwrap_or(cursors.len() - 1);
        let last = cursors.iter().position(|cursor| cursor.overlaps).unwrap_or(cursors.len() - 1);
        Self { cursors, current, last }
    }

    pub(crate) fn cursor(&self, component: ComponentIndex) -> Cursor {
        self.cursors[component.as_usize()]
    }

    /// The component that is allocated from: passes over those without room, but for the last.
    pub(crate) fn current(&self) -> ComponentIndex {
        let (next, _) = self.upcoming().next().unwrap_or((self.index(self.current), PhysicalChunk(0)));
        next
    }

    /// Goes on with `cursors`, of which there may be more or fewer than before.
    pub(crate) fn replace(&mut self, cursors: Vec<Cursor>) {
        *self = Self::new(cursors);
    }

    /// All of them, in order.
    pub(crate) fn cursors(&self) -> &[Cursor] {
        &self.cursors
    }

    fn index(&self, position: usize) -> ComponentIndex {
        ComponentIndex(u16::try_from(position).expect("a component has 16 bits"))
    }

    /// How many chunks can still be handed out.
    pub(crate) fn free(&self) -> u64 {
        self.reachable().map(|(_, cursor)| u64::from(cursor.room())).sum()
    }

    /// How many components above the current one have room.
    pub(crate) fn free_components(&self) -> usize {
        self.reachable().skip(1).filter(|(_, cursor)| cursor.has_room()).count()
    }

    /// The chunks that will be handed out, in order. Nothing changes.
    pub(crate) fn upcoming(&self) -> impl Iterator<Item = Place> + '_ {
        self.reachable().flat_map(|(component, cursor)| {
            (cursor.next..cursor.chunk_count).map(move |chunk| (component, PhysicalChunk(chunk)))
        })
    }

    /// The components that can be allocated from, the current one first.
    fn reachable(&self) -> impl Iterator<Item = (ComponentIndex, &Cursor)> {
        (self.current..=self.last).map(|position| (self.index(position), &self.cursors[position]))
    }

    /// Hands out `place`, which must be the first of [`upcoming`](Self::upcoming).
    pub(crate) fn take(&mut self, (component, chunk): Place) {
        self.current = component.as_usize();
        let cursor = &mut self.cursors[self.current];
        assert_eq!(cursor.next, chunk.0, "chunks are handed out in order");
        cursor.next += 1;
    }
}

impl Cursor {
    /// Whether chunks were handed out.
    pub(crate) fn is_used(&self) -> bool {
        self.used() > 0
    }

    /// How many were.
    pub(crate) fn used(&self) -> u32 {
        self.next.saturating_sub(self.reserved)
    }

    fn has_room(&self) -> bool {
        self.room() > 0
    }

    pub(crate) fn room(&self) -> u32 {
        self.chunk_count.saturating_sub(self.next)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn cursor(reserved: u32, next: u32, chunk_count: u32) -> Cursor {
        Cursor { reserved, next, chunk_count, overlaps: false }
    }

    #[test]
    fn one_component_after_the_other_and_full_ones_are_passed_over() {
        let mut allocator = Allocator::new(vec![cursor(2, 4, 5), cursor(0, 7, 7), cursor(0, 0, 2)]);
        assert_eq!((allocator.free(), allocator.free_components()), (3, 1));
        let places: Vec<_> = allocator.upcoming().map(|(component, chunk)| (component.0, chunk.0)).collect();
        assert_eq!(places, [(0, 4), (2, 0), (2, 1)]);
        for (component, chunk) in places {
            allocator.take((ComponentIndex(component), PhysicalChunk(chunk)));
        }
        assert_eq!((allocator.free(), allocator.upcoming().next()), (0, None));
    }

    #[test]
    fn nothing_is_handed_out_behind_a_chunk_that_reaches_into_a_record() {
        let overlapping = Cursor { overlaps: true, ..cursor(0, 3, 4) };
        let mut allocator = Allocator::new(vec![cursor(2, 5, 5), overlapping, cursor(0, 0, 9)]);
        assert_eq!((allocator.free(), allocator.free_components()), (1, 0));
        allocator.take((ComponentIndex(1), PhysicalChunk(3)));
        assert_eq!((allocator.free(), allocator.upcoming().next()), (0, None));
        assert_eq!(Allocator::new(allocator.cursors().to_vec()).free(), 0);
    }

    #[test]
    fn a_reserve_beyond_the_end_is_no_room() {
        let allocator = Allocator::new(vec![cursor(20, 20, 15), cursor(0, 0, 1)]);
        assert_eq!(allocator.upcoming().count(), 1);
    }
}
