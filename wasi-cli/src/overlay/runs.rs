//! Which blocks of which component are in an overlay, and where.

use std::collections::BTreeMap;

use virstor::geometry::ComponentIndex;

use super::BLOCK;

/// Blocks that follow each other on a component and in the overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) component: ComponentIndex,
    /// The first, on the component.
    pub(crate) block: u64,
    /// How many.
    pub(crate) len: u64,
    /// The first, in the overlay; 0 for blocks that are zero and lie nowhere.
    pub(crate) at: u64,
}

/// Where bytes of a component are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the component.
    Original,
    /// Nowhere: they are zero.
    Zeros,
    /// In the overlay, from this byte on.
    Here(u64),
}

impl Run {
    pub(crate) fn place(&self) -> Place {
        if self.at == 0 { Place::Zeros } else { Place::Here(self.at * BLOCK as u64) }
    }

    /// Whether `next` could be a part of it.
    pub(crate) fn goes_on_in(&self, next: &Self) -> bool {
        let at = if self.at == 0 { next.at == 0 } else { self.at + self.len == next.at };
        self.component == next.component && self.block + self.len == next.block && at
    }

    /// What is left of it behind its first `len` blocks.
    fn behind(&self, len: u64) -> Self {
        let at = if self.at == 0 { 0 } else { self.at + len };
        Self { block: self.block + len, len: self.len - len, at, ..*self }
    }
}

impl Place {
    /// The place of the `within`-th byte from here.
    pub(crate) fn at_byte(self, within: u64) -> Self {
        match self {
            Self::Here(at) => Self::Here(at + within),
            other => other,
        }
    }
}

/// Runs that do not overlap, in order.
#[derive(Debug, Default)]
pub(crate) struct Runs(BTreeMap<(ComponentIndex, u64), Run>);

impl Runs {
    /// The place of a block, and for how many blocks from it on that goes on.
    pub(crate) fn look(&self, component: ComponentIndex, block: u64) -> (Place, u64) {
        if let Some((_, run)) = self.0.range(..=(component, block)).next_back()
            && run.component == component
            && block < run.block + run.len
        {
            let rest = run.behind(block - run.block);
            return (rest.place(), rest.len);
        }
        let next = self.0.range((component, block)..).next().filter(|((other, _), _)| *other == component);
        (Place::Original, next.map_or(u64::MAX, |((_, start), _)| start - block))
    }

    /// Puts `new` in the place of whatever was there.
    pub(crate) fn insert(&mut self, new: Run) {
        let end = new.block + new.len;
        let before = self.0.range(..(new.component, new.block)).next_back().map(|(_, run)| *run);
        if let Some(before) = before.filter(|it| it.component == new.component) {
            let cut = before.block + before.len;
            if cut > end {
                self.put(before.behind(end - before.block));
            }
            if cut > new.block {
                self.put(Run { len: new.block - before.block, ..before });
            }
        }
        let covered: Vec<Run> =
            self.0.range((new.component, new.block)..(new.component, end)).map(|(_, run)| *run).collect();
        for run in covered {
            self.0.remove(&(run.component, run.block));
            if run.block + run.len > end {
                self.put(run.behind(end - run.block));
            }
        }
        let before = self.0.range(..(new.component, new.block)).next_back().map(|(_, run)| *run);
        match before.filter(|before| before.goes_on_in(&new)) {
            Some(before) => self.put(Run { len: before.len + new.len, ..before }),
            None => self.put(new),
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        self.0.values().copied()
    }

    fn put(&mut self, run: Run) {
        self.0.insert((run.component, run.block), run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random runs, beside an array of where each block is.
    #[test]
    fn runs_are_an_array_of_blocks() {
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut runs = Runs::default();
        let mut model = [[Place::Original; 64]; 2];
        for _ in 0..5000 {
            let (component, block) = (random(2), random(64));
            let len = 1 + random(64 - block);
            let at = if random(2) == 0 { 0 } else { 1 + random(1000) };
            let index = ComponentIndex(u16::try_from(component).expect("small"));
            runs.insert(Run { component: index, block, len, at });
            let row = &mut model[usize::try_from(component).expect("small")];
            for number in 0..len {
                let place = if at == 0 { Place::Zeros } else { Place::Here((at + number) * BLOCK as u64) };
                row[usize::try_from(block + number).expect("small")] = place;
            }
            for (component, row) in model.iter().enumerate() {
                let index = ComponentIndex(u16::try_from(component).expect("small"));
                let mut block = 0;
                while block < 64 {
                    let (place, len) = runs.look(index, block);
                    assert!(len > 0);
                    for number in 0..len.min(64 - block) {
                        let expected = row[usize::try_from(block + number).expect("small")];
                        assert_eq!(
                            place.at_byte(if expected == Place::Zeros { 0 } else { number * BLOCK as u64 }),
                            expected
                        );
                    }
                    block = block.saturating_add(len);
                }
            }
        }
    }
}
