//! Order, in few words of code: sorting, and collections that are sorted.
//!
//! The library's own sort is made for speed, and is there once more for each type that is sorted, and for each map that
//! is collected: together they were a ninth of the module that browsers load. What is sorted here is short, or is read
//! from a disk and written to one.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::iter::Map as Mapped;
use core::ops::Index;
use core::slice;

/// A map that is a sorted list. Adding an entry moves those behind it: for few entries, or such as come in order. Where
/// a hostile image could make both untrue, `BTreeMap` is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map<K, V> {
    entries: Vec<(K, V)>,
}

/// A set that is a sorted list, with the limits of [`Map`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T> {
    items: Vec<T>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K, V> Map<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The entries, by key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.into_iter()
    }

    /// The keys, ascending.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The values, by key, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> + ExactSizeIterator {
        self.entries.iter_mut().map(|(_, value)| value)
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.place(key).ok().map(|place| &self.entries[place].1)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.place(key).ok().map(|place| &mut self.entries[place].1)
    }

    /// The value of `key`; where there is none, what `new` gives becomes it.
    pub fn get_or_insert_with(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.entries.insert(place, (key, new()));
            place
        });
        &mut self.entries[place].1
    }

    /// Whether there is an entry of `key`.
    pub fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    /// Makes `value` that of `key`; gives what was.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => Some(core::mem::replace(&mut self.entries[place].1, value)),
            Err(place) => {
                self.entries.insert(place, (key, value));
                None
            }
        }
    }

    /// Removes the entry of `key`; gives its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.place(key).ok().map(|place| self.entries.remove(place).1)
    }

    /// The entries whose keys are `key` and above.
    pub fn from(&self, key: &K) -> Iter<'_, K, V> {
        entries(&self.entries[self.place(key).unwrap_or_else(|place| place)..])
    }

    /// The entries whose keys are `key` and below.
    pub fn up_to(&self, key: &K) -> Iter<'_, K, V> {
        entries(&self.entries[..self.place(key).map_or_else(|place| place, |place| place + 1)])
    }

    /// Where `key` is, or would be.
    fn place(&self, key: &K) -> Result<usize, usize> {
        self.entries.binary_search_by(|(other, _)| other.cmp(key))
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T: Ord> Set<T> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// The items, ascending.
    pub fn iter(&self) -> slice::Iter<'_, T> {
        self.items.iter()
    }

    /// The items that are `item` and above.
    pub fn from(&self, item: &T) -> slice::Iter<'_, T> {
        self.items[self.items.binary_search(item).unwrap_or_else(|place| place)..].iter()
    }

    /// Removes those that `keep` does not want.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.items.retain(keep);
    }

    /// The greatest.
    pub fn last(&self) -> Option<&T> {
        self.items.last()
    }

    /// The least.
    pub fn first(&self) -> Option<&T> {
        self.items.first()
    }

    /// Whether `item` is in it.
    pub fn contains(&self, item: &T) -> bool {
        self.items.binary_search(item).is_ok()
    }

    /// Adds `item`; gives whether it is new.
    pub fn insert(&mut self, item: T) -> bool {
        let place = self.items.binary_search(&item);
        if let Err(place) = place {
            self.items.insert(place, item);
        }
        place.is_err()
    }

    /// Removes `item`; gives whether it was there.
    pub fn remove(&mut self, item: &T) -> bool {
        let place = self.items.binary_search(item);
        if let Ok(place) = place {
            self.items.remove(place);
        }
        place.is_ok()
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        for item in more {
            self.insert(item);
        }
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self { items: unique(items) }
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = alloc::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// The entries of a [`Map`], by key.
pub type Iter<'a, K, V> = Mapped<slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

fn entries<K, V>(entries: &[(K, V)]) -> Iter<'_, K, V> {
    entries.iter().map(|(key, value)| (key, value))
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        entries(&self.entries)
    }
}

impl<'a, K, V> IntoIterator for &'a mut Map<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = Mapped<slice::IterMut<'a, (K, V)>, fn(&'a mut (K, V)) -> (&'a K, &'a mut V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter_mut().map(|(key, value)| (key, value))
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = alloc::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Of entries with the same key the last one counts.
impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
            sort_by(&mut entries, |(one, _), (other, _)| one.cmp(other));
            entries.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    core::mem::swap(later, kept);
                }
                same
            });
        }
        Self { entries }
    }
}

impl<K: Ord, V> Index<&K> for Map<K, V> {
    type Output = V;

    /// # Panics
    ///
    /// When there is no such entry.
    fn index(&self, key: &K) -> &V {
        self.get(key).expect("the key is in the map")
    }
}

/// The entries as a tree, for those that may be many and in any order. Of those with the same key the last one counts.
pub fn tree<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        map.insert(key, value);
    }
    map
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
        let entries = [(2, 'a'), (1, 'b'), (2, 'c'), (2, 'd')];
        assert_eq!(tree(entries), entries.into_iter().collect());
        assert_eq!(entries.into_iter().collect::<Map<_, _>>().entries, [(1, 'b'), (2, 'd')]);
        assert_eq!([3, 1, 3].into_iter().collect::<Set<_>>().items, [1, 3]);
        assert_eq!(unique([3, 1, 3, 2]), [1, 2, 3]);
    }

    /// Random changes, and after each of them every question.
    #[test]
    fn a_list_answers_as_a_tree_does() {
        let (mut list, mut tree, mut state) = (Map::default(), BTreeMap::new(), 7_u64);
        for step in 0..2000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = u8::try_from((state >> 40) % 40).expect("small");
            match (state >> 33) % 4 {
                0 => assert_eq!(list.remove(&key), tree.remove(&key)),
                1 => {
                    let (ours, theirs) =
                        (list.get_or_insert_with(key, || step), tree.entry(key).or_insert(step));
                    assert_eq!(ours, theirs);
                    *ours += 1;
                    *theirs += 1;
                }
                _ => assert_eq!(list.insert(key, step), tree.insert(key, step)),
            }
            assert_eq!((list.get(&key), list.contains_key(&key)), (tree.get(&key), tree.contains_key(&key)));
            assert!(list.iter().eq(&tree) && list.keys().eq(tree.keys()) && list.values().eq(tree.values()));
            assert!(list.from(&key).eq(tree.range(key..)));
            assert!(list.up_to(&key).rev().eq(tree.range(..=key).rev()));
            let mut set: Set<u8> = list.keys().copied().collect();
            assert!(set.iter().eq(tree.keys()) && set.from(&key).eq(list.from(&key).map(|(key, _)| key)));
            assert_eq!((set.contains(&key), set.first()), (tree.contains_key(&key), tree.keys().next()));
            assert_eq!(
                (set.insert(key), set.insert(key), set.remove(&key)),
                (!tree.contains_key(&key), false, true)
            );
            assert!(!set.contains(&key) && !set.remove(&key));
        }
    }
}
