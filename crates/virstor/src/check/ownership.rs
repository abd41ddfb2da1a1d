//! Which physical chunks of a component are named by the map: one bit each.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bits of a word.
const WORD: u32 = 64;

/// Words of a page: 4 KiB. Large enough for the table of pages to stay in the processor's cache, small enough
/// that a few hostile entries far apart do not fill the memory.
const PAGE_WORDS: usize = 512;

/// Chunks of a page.
const PAGE_CHUNKS: u32 = 32768;

/// The chunks of a component that have an owner. Pages are made when the first chunk in them gets one, so a
/// component that claims 2^32 chunks and uses none costs nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ownership {
    pages: Vec<Option<Box<[u64; PAGE_WORDS]>>>,
}

impl Ownership {
    /// Gives the chunks from `first` to `last`, both included, an owner; `clash` hears of those that had one.
    pub(crate) fn claim(&mut self, first: u32, last: u32, clash: &mut impl FnMut(u32)) {
        if first == last {
            if !self.claim_one(first) {
                clash(first);
            }
            return;
        }
        let mut chunk = first;
        loop {
            let word_end = chunk | (WORD - 1);
            let end = last.min(word_end);
            let mask = (u64::MAX >> (WORD - 1 - (end - chunk))) << (chunk % WORD);
            let word = self.word_mut(chunk);
            let mut clashing = *word & mask;
            *word |= mask;
            while clashing != 0 {
                clash(chunk / WORD * WORD + clashing.trailing_zeros());
                clashing &= clashing - 1;
            }
            if end == last {
                return;
            }
            chunk = end + 1;
        }
    }

    /// Gives `chunk` an owner, and says whether it had none.
    #[inline]
    pub(crate) fn claim_one(&mut self, chunk: u32) -> bool {
        let (bit, word) = (1 << (chunk % WORD), self.word_mut(chunk));
        let had_none = *word & bit == 0;
        *word |= bit;
        had_none
    }

    /// Whether `chunk` has an owner.
    pub(crate) fn contains(&self, chunk: u32) -> bool {
        self.word(chunk) >> (chunk % WORD) & 1 == 1
    }

    /// How many chunks from `first` on have one.
    pub(crate) fn count_from(&self, first: u32) -> u64 {
        self.words_from(first).map(|(_, word)| u64::from(word.count_ones())).sum()
    }

    /// The lowest chunk from `first` on that has one.
    pub(crate) fn owned_from(&self, first: u32) -> Option<u32> {
        let (base, word) = self.words_from(first).find(|(_, word)| *word != 0)?;
        Some(base + word.trailing_zeros())
    }

    /// The lowest chunk from `first` on that has none.
    pub(crate) fn free_from(&self, first: u32) -> u32 {
        let mut next = first;
        while next < u32::MAX && self.contains(next) {
            let run = (self.word(next) >> (next % WORD)).trailing_ones();
            next = next.saturating_add(run);
        }
        next
    }

    /// The words that hold the chunks from `first` on, each with its first chunk; lower chunks are masked.
    fn words_from(&self, first: u32) -> impl Iterator<Item = (u32, u64)> {
        // The numbers come second in each pair: the one behind the last chunk is then never asked for.
        let pages = self.pages.iter().zip((0..).step_by(PAGE_CHUNKS as usize));
        let pages = pages.skip((first / PAGE_CHUNKS) as usize);
        let words = pages.filter_map(|(page, base)| Some((page.as_deref()?, base))).flat_map(
            |(page, base): (&[u64; PAGE_WORDS], u32)| page.iter().zip((base..).step_by(WORD as usize)),
        );
        words.filter(move |(_, base)| base | (WORD - 1) >= first).map(move |(word, base)| {
            let below = first.saturating_sub(base);
            (base, word & (u64::MAX << below))
        })
    }

    fn word(&self, chunk: u32) -> u64 {
        let (page, word) = place(chunk);
        self.pages.get(page).and_then(Option::as_ref).map_or(0, |page| page[word])
    }

    #[inline]
    fn word_mut(&mut self, chunk: u32) -> &mut u64 {
        let (page, word) = place(chunk);
        if self.pages.get(page).is_none_or(Option::is_none) {
            self.make_page(page);
        }
        &mut self.pages[page].as_deref_mut().expect("it was made")[word % PAGE_WORDS]
    }

    #[cold]
    fn make_page(&mut self, page: usize) {
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        self.pages[page] = Some(Box::new([0; PAGE_WORDS]));
    }
}

/// The page of a chunk and the word in it.
fn place(chunk: u32) -> (usize, usize) {
    ((chunk / PAGE_CHUNKS) as usize, (chunk % PAGE_CHUNKS / WORD) as usize)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;

    use super::*;

    #[test]
    fn behaves_like_a_set_of_numbers() {
        let mut owned = Ownership::default();
        let mut model = BTreeSet::new();
        let edge = PAGE_CHUNKS;
        for (first, last) in [
            (5, 5),
            (0, 3),
            (60, 70),
            (63, 64),
            (4, 200),
            (edge - 3, edge + 130),
            (3 * edge, 3 * edge),
            (2, 2),
        ] {
            let mut clashes = vec![];
            owned.claim(first, last, &mut |chunk| clashes.push(chunk));
            let expected: Vec<u32> = (first..=last).filter(|chunk| !model.insert(*chunk)).collect();
            assert_eq!(clashes, expected, "{first}..={last}");
        }
        for from in [0, 1, 4, 63, 64, 65, 199, 200, 201, 5000, edge - 4, edge, edge + 131, 3 * edge, 4 * edge]
        {
            assert_eq!(owned.contains(from), model.contains(&from), "{from}");
            assert_eq!(owned.count_from(from), model.range(from..).count() as u64, "{from}");
            assert_eq!(owned.owned_from(from), model.range(from..).next().copied(), "{from}");
            let free = (from..).find(|chunk| !model.contains(chunk));
            assert_eq!(Some(owned.free_from(from)), free, "{from}");
        }
    }

    #[test]
    fn the_highest_chunk_number_is_one_like_others() {
        let mut owned = Ownership::default();
        owned.claim(u32::MAX - 1, u32::MAX, &mut |_| panic!("both were free"));
        assert_eq!(owned.owned_from(7), Some(u32::MAX - 1));
        assert_eq!(owned.count_from(u32::MAX), 1);
    }
}
