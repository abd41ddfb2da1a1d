//! Numbers of things in words: "1 chunk", "2 chunks".

use core::fmt;

/// How many of a thing, in words. See [`counted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    number: u64,
    thing: &'static str,
}

/// `number` of `thing`, which is given as one of them is called: "chunk", "map entry", "byte".
///
/// Most get an s where there are others than one; what ends in "y" gets "ies".
#[must_use]
pub fn counted(number: impl Into<u64>, thing: &'static str) -> Counted {
    Counted { number: number.into(), thing }
}

/// `number` of `thing`, as [`counted`], of what is counted in memory.
#[must_use]
pub fn counted_len(number: usize, thing: &'static str) -> Counted {
    counted(number as u64, thing)
}

/// The word that goes with `number` things: `one` with one, else `several`.
#[must_use]
pub fn agreeing(number: impl Into<u64>, one: &'static str, several: &'static str) -> &'static str {
    if number.into() == 1 { one } else { several }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, thing } = self;
        let (stem, ending) = match (number, thing.strip_suffix('y')) {
            (1, _) => (*thing, ""),
            (_, Some(stem)) => (stem, "ies"),
            (_, None) => (*thing, "s"),
        };
        write!(f, "{number} {stem}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn only_one_is_called_by_the_word_for_one() {
        for (number, thing, expected) in [
            (0, "chunk", "0 chunks"),
            (1, "chunk", "1 chunk"),
            (2, "virtual chunk", "2 virtual chunks"),
            (0, "map entry", "0 map entries"),
            (1, "map entry", "1 map entry"),
            (u64::MAX, "map entry", "18446744073709551615 map entries"),
        ] {
            assert_eq!(format!("{}", counted(number, thing)), expected);
        }
        assert_eq!([0_u64, 1, 2].map(|number| agreeing(number, "is", "are")), ["are", "is", "are"]);
    }
}
