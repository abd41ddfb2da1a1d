//! `report`: everything about a heap of files in one document, and the same as Markdown, for a mail or an issue.

use std::fmt::Write;

use virstor::counted::counted;
use virstor::io::ReadAt;

use super::check::{Check, FindingInfo, worth_checking};
use super::document;
use super::info::{ComponentInfo, Info, VolumeInfo};
use super::map::Totals;
use crate::heap::{Heap, Progress};
use crate::size::human;

document! {
    /// Everything about a heap of files.
    pub struct Report {
        /// The files, in the order in which FreeBSD would be offered them.
        pub files: Vec<String>,
        /// As `info`.
        pub info: Info,
        /// As `check`.
        pub check: Check,
        /// As `map --totals`, for each volume of `info`.
        pub totals: Vec<Totals>,
    }
}

impl Report {
    /// The document about the `chosen` volumes of `heap`, or about all. At most `map_memory` bytes of a map are kept in
    /// memory; `progress` hears how the maps are checked.
    pub fn new<D: ReadAt + Clone>(
        heap: &Heap<D>,
        chosen: Option<&[usize]>,
        map_memory: u64,
        progress: &mut Progress<'_>,
    ) -> Self {
        let all: Vec<usize> = (0..heap.volumes().len()).collect();
        let shown = chosen.unwrap_or(&all);
        let checked = chosen.map_or_else(|| worth_checking(heap), <[usize]>::to_vec);
        let totals = |number: &usize| {
            let mut reader = heap.reader(*number, map_memory);
            let size = reader.volume().size();
            Totals::new(reader.segments(0..size))
        };
        Self {
            files: heap.files().iter().map(|file| file.label.clone()).collect(),
            info: Info::new(heap, shown),
            check: Check::new(heap, &checked, chosen.is_none(), progress),
            totals: shown.iter().map(totals).collect(),
        }
    }

    /// The same for people. Names come from hostile disks: none of their letters becomes markup.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("# virstor report\n\nVerdict: **{}**.\n", self.check.verdict);
        if self.info.volumes.is_empty() {
            out.push_str("\nThere is no virstor volume in these files.\n");
        }
        for (volume, totals) in self.info.volumes.iter().zip(&self.totals) {
            put_volume(&mut out, volume, totals);
        }
        put_findings(&mut out, &self.check);
        if !self.info.other_files.is_empty() {
            out.push_str("\n## Other files\n\n");
        }
        for other in &self.info.other_files {
            put_item(&mut out, &[&code(&other.file), ": ", &plain(&other.message)]);
        }
        out.push_str("\n## Files, in the order given\n\n");
        for file in &self.files {
            put_item(&mut out, &[&code(file)]);
        }
        out
    }
}

fn put_volume(out: &mut String, volume: &VolumeInfo, totals: &Totals) {
    // Writing to a string cannot fail, here and below.
    _ = write!(out, "\n## Volume {}, id {}\n\n", code(&volume.name), volume.id);
    let kernel = &volume.kernel;
    let missing = if volume.complete { String::new() } else { format!("; missing: {}", volume.missing) };
    let device = kernel.device.as_ref().map(|device| format!(" as {}", code(&format!("/dev/{device}"))));
    let reason =
        if kernel.reason.is_empty() { String::new() } else { format!("; {}", plain(&kernel.reason)) };
    let facts = [
        format!("Virtual size: {}", exactly(volume.virtual_size)),
        format!("Chunk size: {}; sector size: {} bytes", human(volume.chunk_size), volume.sector_size),
        format!(
            "Allocated: {} of {}",
            volume.if_mapped(volume.allocated_chunks),
            counted(volume.virtual_chunks, "chunk")
        ),
        format!("Data: {}", exactly(totals.data)),
        format!("Never written: {}", exactly(totals.hole)),
        format!("Lost: {}", exactly(totals.lost)),
        format!("Components: {} of {}{missing}", volume.components.len(), volume.component_count),
        format!(
            "FreeBSD: {}{}; configuration: {}{reason}",
            kernel.taste,
            device.unwrap_or_default(),
            kernel.confxml
        ),
    ];
    facts.iter().for_each(|fact| put_item(out, &[fact]));
    for problem in &volume.problems {
        put_item(out, &["Problem ", &code(&problem.code), ": ", &plain(&problem.message)]);
    }
    out.push_str("\n| No. | File | Found as | Size | Chunks | Used | Next | Flags |\n|---|---|---|---|---|---|---|---|\n");
    for component in &volume.components {
        let ComponentInfo { index, file, place, size, chunk_count, used_chunks, chunk_next, flags, .. } =
            component;
        let (file, flags, used_chunks) = (code(file), flags.join(", "), volume.if_mapped(*used_chunks));
        _ = writeln!(
            out,
            "| {index} | {file} | {place} | {size} | {chunk_count} | {used_chunks} | {chunk_next} | {flags} |"
        );
    }
}

fn put_findings(out: &mut String, check: &Check) {
    out.push_str("\n## Findings\n\n");
    if check.findings.is_empty() {
        out.push_str("Nothing was found.\n");
    }
    for finding in &check.findings {
        let FindingInfo { severity, code: name, hazard, message, freebsd, repair, .. } = finding;
        let hazard = hazard.as_ref().map_or_else(String::new, |hazard| format!(" ({hazard})"));
        let freebsd = if freebsd.is_empty() { String::new() } else { format!(" {}", plain(freebsd)) };
        let (severity, message) = (format!("**{severity}** "), plain(message));
        put_item(
            out,
            &[&severity, &code(name), &hazard, ": ", &message, ".", &freebsd, " Repair: ", repair, "."],
        );
    }
    for more in &check.unlisted {
        put_item(out, &[&more.count.to_string(), " more of the kind ", &code(more.code)]);
    }
}

fn put_item(out: &mut String, words: &[&str]) {
    out.push_str("- ");
    words.iter().for_each(|word| out.push_str(word));
    out.push('\n');
}

fn exactly(bytes: u64) -> String {
    format!("{} ({})", counted(bytes, "byte"), human(bytes))
}

/// `words` as text that is nothing but text.
fn plain(words: &str) -> String {
    let mut out = String::new();
    for letter in words.chars() {
        if "\\`*_[]<>|#&".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// `words` as code: within more ticks than stand next to each other in it.
fn code(words: &str) -> String {
    let words = words.replace('|', "\\|");
    let most = words.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(most + 1);
    let space = if most > 0 || words.is_empty() { " " } else { "" };
    [&ticks, space, &words, space, &ticks].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_of_a_name_is_markup() {
        assert_eq!(plain("<b>*x* [a](b) #1 `c`"), "\\<b\\>\\*x\\* \\[a\\](b) \\#1 \\`c\\`");
        assert_eq!(code("c0"), "`c0`");
        assert_eq!(code("a|b`c"), "`` a\\|b`c ``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code(""), "`  `");
    }
}
