//! Ranges of the virtual device as people write them: `START-END`, `START+LENGTH`, `START-`.

use std::ops::Range;

use crate::failure::Failure;
use crate::size;

/// A range as it was asked for; the end of the volume is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RangeSpec {
    start: u64,
    /// First byte behind it; `None` is the end of the volume.
    end: Option<u64>,
}

/// Parses a range for clap.
///
/// # Errors
///
/// One line saying what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<RangeSpec, String> {
    if let Some((start, len)) = text.split_once('+') {
        let (start, len) = (size::parse(start)?, size::parse(len)?);
        let end = start.checked_add(len).ok_or_else(|| format!("'{text}' does not fit into 64 bits"))?;
        return Ok(RangeSpec { start, end: Some(end) });
    }
    let Some((start, end)) = text.split_once('-') else {
        return Err(format!("'{text}' is not a range: START-END, START+LENGTH or START-"));
    };
    let start = size::parse(start)?;
    let end = if end.is_empty() { None } else { Some(size::parse(end)?) };
    if end.is_some_and(|end| end < start) {
        return Err(format!("'{text}' ends before it starts"));
    }
    Ok(RangeSpec { start, end })
}

/// The bytes asked for, of a volume of `size` bytes; all of them without a range.
pub(crate) fn within(range: Option<RangeSpec>, size: u64) -> Result<Range<u64>, Failure> {
    let Some(RangeSpec { start, end }) = range else { return Ok(0..size) };
    let end = end.unwrap_or(size.max(start));
    if end > size {
        return Err(Failure::Usage(format!("the range ends at {end}, and the volume has {size} bytes")));
    }
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_people_write_them() {
        let spec = |start, end| Ok(RangeSpec { start, end });
        assert_eq!(parse("4k-8k"), spec(4096, Some(8192)));
        assert_eq!(parse("1M+512"), spec(1 << 20, Some((1 << 20) + 512)));
        assert_eq!(parse("7-"), spec(7, None));
        for text in ["", "7", "8-7", "a-b", "18446744073709551615+1", "-5"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_is_held_against_the_volume() {
        assert_eq!(within(None, 100).expect("all"), 0..100);
        assert_eq!(within(parse("50-").ok(), 100).expect("inside"), 50..100);
        assert!(within(parse("50-101").ok(), 100).is_err());
        assert!(within(parse("101-").ok(), 100).is_err());
    }
}
