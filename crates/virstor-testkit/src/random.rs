//! Numbers that look like chance and are not.

use std::ops::Range;
use std::thread;

/// Sebastiano Vigna's SplitMix64: small, good enough for tests, the same on every machine.
#[derive(Debug, Clone)]
pub struct SplitMix64 {
    seed: u64,
    state: u64,
}

impl SplitMix64 {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// The seed it began with, for the message of a failed test.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = self.state;
        let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number in `0..bound`. The bias is below `bound` in 2^64.
    ///
    /// # Panics
    ///
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the upper half of 128 bits has 64")
    }

    /// A number in `range`.
    ///
    /// # Panics
    ///
    /// When `range` is empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        assert!(range.start < range.end, "{range:?} is empty");
        range.start + self.below(range.end - range.start)
    }

    /// Fills `buf`.
    pub fn fill(&mut self, buf: &mut [u8]) {
        for piece in buf.chunks_mut(8) {
            piece.copy_from_slice(&self.next_u64().to_le_bytes()[..piece.len()]);
        }
    }

    /// One of `items`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        Decisions::choose(self, items)
    }

    /// Puts `items` in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("an index is below a length")
    }
}

/// Where decisions come from: a seed, or the bytes of a fuzzer.
pub trait Decisions {
    /// A number in `0..bound`.
    ///
    /// # Panics
    ///
    /// When `bound` is 0.
    fn below(&mut self, bound: u64) -> u64;

    /// One of `items`.
    ///
    /// # Panics
    ///
    /// When there is none.
    fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.below(items.len() as u64);
        &items[usize::try_from(index).expect("an index is below a length")]
    }
}

impl Decisions for SplitMix64 {
    fn below(&mut self, bound: u64) -> u64 {
        Self::below(self, bound)
    }
}

/// The one seed to try, where a failure is looked into.
const ONLY: &str = "VIRSTOR_SEED";

/// By how much seeds are moved, where a longer search than `npm test` wants others: `npm run soak`.
const FROM: &str = "VIRSTOR_SEEDS_FROM";

/// Runs `test` once for every seed. When it panics, the seed that did it is printed, and how to try it alone.
///
/// # Panics
///
/// When `test` does, or when one of the two environment variables is no number.
pub fn for_each_seed(seeds: Range<u64>, mut test: impl FnMut(&mut SplitMix64)) {
    let seeds = match (number_in(ONLY), number_in(FROM)) {
        (Some(only), _) => only..only + 1,
        (None, Some(from)) => from..from + (seeds.end - seeds.start),
        (None, None) => seeds,
    };
    for seed in seeds {
        let named = NamedOnPanic(seed);
        test(&mut SplitMix64::new(seed));
        drop(named);
    }
}

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")))
}

struct NamedOnPanic(u64);

impl Drop for NamedOnPanic {
    #[expect(clippy::print_stderr, reason = "a failed test tells its seed where the harness collects it")]
    fn drop(&mut self) {
        if thread::panicking() {
            let thread = thread::current();
            let (seed, test) = (self.0, thread.name().unwrap_or_default());
            eprintln!(
                "failed with seed {seed}; alone: {ONLY}={seed} cargo test --workspace -- --exact {test}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_sequence() {
        let mut random = SplitMix64::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
        ];
        assert_eq!(std::array::from_fn(|_| random.next_u64()), expected);
        assert_eq!(random.seed(), 1_234_567);
    }

    #[test]
    fn stays_within_bounds_and_reaches_them() {
        let mut random = SplitMix64::new(5);
        let mut seen = [false; 6];
        for _ in 0..200 {
            seen[usize::try_from(random.within(10..16)).unwrap() - 10] = true;
        }
        assert_eq!(seen, [true; 6]);
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut random = SplitMix64::new(6);
        let mut items: Vec<_> = (0..100).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        assert!(items.contains(random.choose(&items)));
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn every_seed_of_the_range_is_tried_in_order() {
        let mut seeds = Vec::new();
        for_each_seed(3..6, |random| seeds.push(random.seed()));
        assert_eq!(seeds, [3, 4, 5]);
    }
}
