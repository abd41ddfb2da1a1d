//! Order, in few words of code: sorting, and collections that are sorted.
//!
//! The library's own sort is made for speed, and is there once more for each type that is sorted, and for each map that
//! is collected: together they were a ninth of the module that browsers load. What is sorted here is short, or is read
//! from a disk and written to one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Ordering;

/// The entries as a map. Of those with the same key the last one counts.
pub fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        map.insert(key, value);
    }
    map
}

/// The items as a set.
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for item in items {
        set.insert(item);
    }
    set
}

/// The items, sorted, each once.
pub fn unique<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    sort_by(&mut items, Ord::cmp);
    items.dedup();
    items
}

/// Sorts `items` by what `key` gives; those with the same key stay in their order. `key` is asked often.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts `items`; equal ones stay in their order.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let sorted = merged(items.len(), &|a, b| compare(&items[a], &items[b]) != Ordering::Greater);
    arrange(items, sorted);
}

/// The numbers below `len`, sorted; `in_order` tells whether one may stand before a greater one. A merge sort from
/// the bottom up, over runs of 1, 2, 4 ... numbers.
fn merged(len: usize, in_order: &dyn Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..len).collect();
    let mut next = sorted.clone();
    let mut run = 1;
    while run < len {
        for (two, out) in sorted.chunks(2 * run).zip(next.chunks_mut(2 * run)) {
            let (mut left, mut right) = two.split_at(run.min(two.len()));
            for place in out {
                let from_left = match (left, right) {
                    ([a, ..], [b, ..]) => in_order(*a, *b),
                    _ => right.is_empty(),
                };
                let side = if from_left { &mut left } else { &mut right };
                *place = side[0];
                *side = &side[1..];
            }
        }
        core::mem::swap(&mut sorted, &mut next);
        run *= 2;
    }
    sorted
}

/// Puts the items into the order in which `sorted` names their places.
fn arrange<T>(items: &mut [T], mut sorted: Vec<usize>) {
    for start in 0..items.len() {
        let mut at = start;
        // A ring of places each of which gets what stands at the next.
        loop {
            let from = core::mem::replace(&mut sorted[at], at);
            if from == start {
                break;
            }
            items.swap(at, from);
            at = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_is_what_the_library_does() {
        let mut state: u64 = 7;
        for len in (0..70).chain([1000, 1023, 1024, 1025]) {
            let mut items: Vec<(u64, usize)> = (0..len)
                .map(|place| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ((state >> 33) % (1 + len as u64 / 3), place)
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            sort_by_key(&mut items, |(key, _)| *key);
            assert_eq!(items, expected, "{len} items");
        }
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        let entries = [(2, 'a'), (1, 'b'), (2, 'c')];
        assert_eq!(map(entries), entries.into_iter().collect());
        assert_eq!(set([3, 1, 3]).into_iter().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(unique([3, 1, 3, 2]), [1, 2, 3]);
    }
}
