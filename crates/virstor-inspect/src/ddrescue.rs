//! Mapfiles of GNU ddrescue: which areas of a disk were rescued, and which are worth another try.
//!
//! The form is that of the manual's chapter "Mapfile structure": comments from `#` on, a status line of which only
//! the presence counts here, then one line per block: position, size, status. Only `+` is finished; a block that
//! was not tried, not trimmed, not scraped or is bad holds nothing that can be relied on.

use std::fmt::{self, Write};
use std::ops::Range;

/// A mapfile: its blocks, ascending and apart from each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapfile {
    blocks: Vec<(Range<u64>, char)>,
}

/// Why a mapfile cannot be read: the number of the line, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapfileError {
    /// From 1; 0 is the file as a whole.
    pub line: usize,
    /// For people.
    pub what: &'static str,
}

impl fmt::Display for MapfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, what } = self;
        match line {
            0 => write!(f, "is no mapfile of ddrescue: {what}"),
            _ => write!(f, "is no mapfile of ddrescue: line {line}: {what}"),
        }
    }
}

impl std::error::Error for MapfileError {}

impl Mapfile {
    /// Reads a mapfile.
    ///
    /// # Errors
    ///
    /// [`MapfileError`] when a line makes no sense or blocks overlap.
    pub fn parse(text: &str) -> Result<Self, MapfileError> {
        let mut mapfile = Self::default();
        let mut status_line = false;
        for (line, text) in (1..).zip(text.lines()) {
            let wrong = |what| MapfileError { line, what };
            let text = text.split('#').next().unwrap_or_default();
            let words: Vec<&str> = text.split_whitespace().collect();
            match &words[..] {
                [] => {}
                // Position, status and, in newer versions, the number of the pass.
                [position, status] | [position, status, _] if !status_line => {
                    number(position).ok_or(wrong("the position is no number"))?;
                    status_of(status, "?*/-FG+").ok_or(wrong("the status is none of ? * / - F G +"))?;
                    status_line = true;
                }
                [position, size, status] => {
                    let start = number(position).ok_or(wrong("the position is no number"))?;
                    let size = number(size).ok_or(wrong("the size is no number"))?;
                    let status =
                        status_of(status, "?*/-+").ok_or(wrong("the status is none of ? * / - +"))?;
                    let end = start.checked_add(size).ok_or(wrong("the block ends past 64 bits"))?;
                    if mapfile.blocks.last().is_some_and(|(last, _)| last.end > start) {
                        return Err(wrong("the block starts before the one above it ends"));
                    }
                    mapfile.blocks.push((start..end, status));
                }
                _ => return Err(wrong("a block has a position, a size and a status")),
            }
        }
        if status_line { Ok(mapfile) } else { Err(MapfileError { line: 0, what: "it has no status line" }) }
    }

    /// The areas below `size` that were not rescued, those the mapfile does not speak of among them.
    #[must_use]
    pub fn bad_areas(&self, size: u64) -> Vec<Range<u64>> {
        let mut areas = Vec::new();
        let mut position = 0;
        let finished =
            self.blocks.iter().filter(|(_, status)| *status == '+').map(|(block, _)| block.clone());
        for block in finished {
            let end = block.start.min(size);
            if position < end {
                areas.push(position..end);
            }
            position = position.max(block.end);
        }
        if position < size {
            areas.push(position..size);
        }
        areas
    }

    /// Adds the next block, which must not start before the last one ends. What lies between becomes `?`.
    ///
    /// # Panics
    ///
    /// When it starts earlier.
    pub fn push(&mut self, block: Range<u64>, status: char) {
        let end = self.blocks.last().map_or(0, |(last, _)| last.end);
        assert!(block.start >= end, "blocks are given in order");
        for (block, status) in [(end..block.start, '?'), (block, status)] {
            match self.blocks.last_mut() {
                _ if block.is_empty() => {}
                Some((last, same)) if *same == status => last.end = block.end,
                _ => self.blocks.push((block, status)),
            }
        }
    }

    /// The text of the mapfile, with `comment` above it.
    #[must_use]
    pub fn text(&self, comment: &str) -> String {
        let mut text = String::from("# Mapfile. Created by virstor\n");
        for line in comment.lines() {
            // Writing to a string cannot fail, here and below.
            _ = writeln!(text, "# {line}");
        }
        let all_finished = self.blocks.iter().all(|(_, status)| *status == '+');
        text.push_str("# current_pos  current_status  current_pass\n");
        _ = writeln!(text, "0x00000000     {}               1", if all_finished { '+' } else { '?' });
        text.push_str("#      pos        size  status\n");
        for (block, status) in &self.blocks {
            _ = writeln!(text, "0x{:08X}  0x{:08X}  {status}", block.start, block.end - block.start);
        }
        text
    }
}

/// A number as C writes them: decimal, octal or hexadecimal.
fn number(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

fn status_of(text: &str, known: &str) -> Option<char> {
    let mut letters = text.chars();
    letters.next().filter(|letter| known.contains(*letter) && letters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
        # Mapfile. Created by GNU ddrescue version 1.27\n\
        # Command line: ddrescue -d /dev/ada1 c1 c1.map\n\
        # current_pos  current_status  current_pass\n\
        0x00120000     ?               1\n\
        #      pos        size  status\n\
        0x00000000  0x00100000  +\n\
        0x00100000  0x00000200  -   # one sector\n\
        0x00100200  4096  /\n\
        0x00200000  010  +\n";

    #[test]
    fn what_is_not_finished_is_bad() {
        let mapfile = Mapfile::parse(TEXT).expect("as ddrescue writes it");
        assert_eq!(mapfile.bad_areas(0x0030_0000), [0x10_0000..0x20_0000, 0x20_0008..0x30_0000]);
        assert_eq!(mapfile.bad_areas(0x0010_0100).first(), Some(&(0x10_0000..0x10_0100)));
        assert_eq!(mapfile.bad_areas(5), []);
        let nothing_tried = Mapfile::parse("0 ?").expect("nothing but a status");
        assert_eq!(nothing_tried.bad_areas(5).len(), 1);
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut mapfile = Mapfile::default();
        mapfile.push(0..512, '+');
        mapfile.push(512..1024, '+');
        mapfile.push(2048..4096, '-');
        let text = mapfile.text("volume home\nid 7");
        assert_eq!(Mapfile::parse(&text), Ok(mapfile.clone()));
        assert_eq!(mapfile.bad_areas(4096).first(), Some(&(1024..4096)));
        assert!(text.contains("0x00000400  0x00000400  ?\n"), "{text}");
    }

    #[test]
    fn what_is_no_mapfile_is_refused_with_its_line() {
        for (text, line) in [
            ("", 0),
            ("hello", 1),
            ("0 ?\n0 5", 2),
            ("0 ?\n0 5 x", 2),
            ("0 ?\n0 5 +\n4 5 +", 3),
            ("0 ?\n0xffffffffffffffff 5 +", 2),
            ("0 ?\n0 0x +", 2),
            ("0 ?\n0 5 ++", 2),
            ("# only\n\n0 5 + 4", 3),
        ] {
            assert_eq!(Mapfile::parse(text).map_err(|error| error.line), Err(line), "{text}");
        }
    }
}
