//! Lost ranges of an image: what stands there instead, and the list of them.

use std::fmt::Write;

use virstor_inspect::document::export::LostRange;

use super::Job;
use crate::size::human;

/// How long a line of the pattern is: a divisor of every sector.
const LINE: u64 = 64;

/// Fills `buf` with the pattern for lost bytes of the volume from `start` on: lines of 64 characters, each with the
/// place it stands for. Whoever finds one in a file knows which bytes of what are missing from it.
pub(super) fn pattern(start: u64, buf: &mut [u8]) {
    let mut at = start;
    let mut rest = buf;
    while !rest.is_empty() {
        let line_start = at / LINE * LINE;
        let line = format!("virstor: lost, byte 0x{line_start:016x} of the volume{:.<11}\n", "");
        let within = usize::try_from(at - line_start).expect("less than a line");
        let len = rest.len().min(line.len() - within);
        let (head, tail) = rest.split_at_mut(len);
        head.copy_from_slice(&line.as_bytes()[within..within + len]);
        rest = tail;
        at += len as u64;
    }
}

/// The lost ranges of the image.
pub(super) fn ranges(job: &Job<'_>) -> Vec<LostRange> {
    if job.totals.lost == 0 {
        return Vec::new();
    }
    LostRange::all(job.reader().segments(job.range.clone()))
}

/// The first of them for people.
pub(super) fn list(ranges: &[LostRange]) -> String {
    /// As many as one looks at.
    const SHOWN: usize = 20;
    let mut text = String::new();
    for range in ranges.iter().take(SHOWN) {
        let reason = range.reason.replace('_', " ");
        let component = range.component.map_or_else(String::new, |number| format!(" {number}"));
        let (start, end, len) = (range.start, range.start + range.length, human(range.length));
        // Writing to a string cannot fail.
        _ = writeln!(text, "  lost: bytes {start} to {end} ({len}): {reason}{component}");
    }
    if ranges.len() > SHOWN {
        _ = writeln!(text, "  and {} more ('virstor map' lists them)", ranges.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_names_its_own_place_wherever_it_is_cut() {
        let mut whole = [0; 256];
        pattern(1 << 40, &mut whole);
        let text = std::str::from_utf8(&whole).expect("it is text");
        assert_eq!(
            text.lines().nth(1),
            Some("virstor: lost, byte 0x0000010000000040 of the volume...........")
        );
        assert!(text.lines().all(|line| line.len() == 63));
        let mut part = [0; 100];
        pattern((1 << 40) + 50, &mut part);
        assert_eq!(part, whole[50..150]);
    }
}
