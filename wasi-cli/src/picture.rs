//! The picture of a volume's components, as a terminal shows it.

use std::io::{self, IsTerminal};

use virstor::counted::counted_len;
use virstor_inspect::Heap;
use virstor_inspect::picture::{Block, Picture};

use crate::disk::Disk;
use crate::failure::Failure;
use crate::output;
use crate::size::human;

/// The width of a line where nothing tells.
const USUAL_WIDTH: usize = 80;

/// What stands before the blocks, and the narrowest line of them.
const MARGIN: usize = 8;
const NARROWEST: usize = 16;

/// Prints the picture of a volume, in colours where a terminal shows it.
///
/// # Errors
///
/// As [`output::print`].
pub(crate) fn print(heap: &Heap<Disk>, number: usize) -> Result<(), Failure> {
    let colours =
        io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    output::print(&text(heap, number, width(), colours))
}

/// How many letters a line has: as the shell says, or the terminal, or as usual.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(terminal_width).unwrap_or(USUAL_WIDTH).clamp(MARGIN + NARROWEST, 1000)
}

#[cfg(unix)]
fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

#[cfg(not(unix))]
fn terminal_width() -> Option<usize> {
    None
}

fn text(heap: &Heap<Disk>, number: usize, width: usize, colours: bool) -> String {
    let volume = &heap.volumes()[number];
    let picture = Picture::new(heap, number, width - MARGIN);
    let mut text = String::from("\n");
    let mut seen = Vec::new();
    for (index, line) in &picture.lines {
        let mut blocks = String::new();
        for block in line {
            if !seen.contains(block) {
                seen.push(*block);
            }
            blocks.push_str(&shown(*block, colours));
        }
        let missing = if volume.components.contains_key(index) { "" } else { " missing" };
        text.push_str(&format!("{:>6}  {blocks}{missing}\n", index.to_string()));
    }
    let more = usize::from(volume.component_count).saturating_sub(picture.lines.len());
    if more > 0 {
        text.push_str(&format!("        and {}\n", counted_len(more, "more component")));
    }
    seen.sort_unstable();
    let legend = |block: &Block| {
        let (_, _, meaning) = Block::LEGEND.iter().find(|(known, ..)| known == block).expect("all are there");
        format!("{} {meaning}", shown(*block, colours))
    };
    let legend: Vec<String> = seen.iter().map(legend).collect();
    let chunks = picture.chunks_per_block;
    let bytes = human(chunks.saturating_mul(volume.chunk_size.bytes()));
    let each = if chunks == 1 { "a chunk".to_string() } else { format!("{chunks} chunks") };
    text.push_str(&format!("\n        {}\n        each is {each} ({bytes})\n", legend.join("   ")));
    text
}

/// The letter of a block; blocks that are as they should be are quiet, others are not.
fn shown(block: Block, colours: bool) -> String {
    let colour = match block {
        Block::Used => "32",
        Block::Partly => "36",
        Block::Map => "34",
        Block::Free => "2",
        Block::Hole | Block::Shared | Block::Unknown => "33",
        Block::Bad | Block::Beyond => "31",
    };
    let letter = block.letter();
    if colours { format!("\x1b[{colour}m{letter}\x1b[0m") } else { letter.to_string() }
}
