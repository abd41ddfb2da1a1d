//! A picture of the components: one line of blocks each.

use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;

use crate::heap::Heap;

/// What a block of the picture stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    /// The map, and what is reserved for it.
    Map,
    /// All of its chunks are in use.
    Used,
    /// Some of its chunks are in use.
    Partly,
    /// None is in use, and none behind it.
    Free,
    /// None is in use, and one behind it is.
    Hole,
    /// More entries name its chunks than there are.
    Shared,
    /// It has data that cannot be read.
    Bad,
    /// Entries name chunks here, and there are none.
    Beyond,
    /// None of the map can be read.
    Unknown,
}

impl Block {
    /// All of them, with the letter and what it means.
    pub const LEGEND: [(Self, char, &'static str); 9] = [
        (Self::Map, 'm', "map and its reserve"),
        (Self::Used, '#', "in use"),
        (Self::Partly, '+', "partly in use"),
        (Self::Free, '.', "free"),
        (Self::Hole, '-', "unused below used"),
        (Self::Shared, '!', "named more than once"),
        (Self::Bad, 'x', "data that cannot be read"),
        (Self::Beyond, '?', "named, and not there"),
        (Self::Unknown, '~', "unknown without the map"),
    ];

    /// Its letter.
    #[must_use]
    pub fn letter(self) -> char {
        let own = Self::LEGEND.iter().find(|(block, ..)| *block == self);
        own.map_or(' ', |(_, letter, _)| *letter)
    }
}

/// The components of a volume as blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// How many chunks a block stands for.
    pub chunks_per_block: u64,
    /// The components, those that are missing among them without blocks, but for what is named there.
    pub lines: Vec<(ComponentIndex, Vec<Block>)>,
}

/// Entries that name chunks of a block, and what is wrong there.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    named: u64,
    bad: bool,
}

/// Most components that are drawn; a record may claim 65,535.
const MOST_LINES: usize = 256;

impl Picture {
    /// Draws a volume of `heap` in lines of at most `width` blocks.
    pub fn new<D: ReadAt + Clone>(heap: &Heap<D>, number: usize, width: usize) -> Self {
        let volume = &heap.volumes()[number];
        let disks = heap.disks(volume);
        let chunk_size = volume.chunk_size;
        let there = |len: u64| len.div_ceil(chunk_size.bytes()).max(1);
        let longest = volume.components.values().map(|component| there(component.len)).max().unwrap_or(1);
        let chunks_per_block = longest.div_ceil(width.max(1) as u64).max(1);
        let blocks =
            |chunks: u64| usize::try_from(chunks.div_ceil(chunks_per_block)).unwrap_or(width).min(width);
        let lines = (0..volume.component_count).map(ComponentIndex).take(MOST_LINES);
        let mut cells: Vec<(ComponentIndex, Vec<Cell>)> = lines
            .map(|index| {
                let here = volume.components.get(&index);
                (index, vec![Cell::default(); here.map_or(0, |here| blocks(there(here.len)))])
            })
            .collect();
        let mut reader = heap.reader(number, 1 << 20);
        for row in reader.rows().filter(|row| row.entry.is_allocated()) {
            let Some((_, line)) = cells.get_mut(row.entry.component.as_usize()) else { continue };
            let mut chunk = u64::from(row.entry.chunk.0);
            let end = chunk.saturating_add(row.chunks);
            while chunk < end {
                let block = chunk / chunks_per_block;
                let until = end.min((block + 1) * chunks_per_block);
                let Some(cell) = usize::try_from(block).ok().filter(|block| *block < width) else { break };
                if line.len() <= cell {
                    line.resize(cell + 1, Cell::default());
                }
                line[cell].named += until - chunk;
                if let Some(disk) = disks.get(&row.entry.component) {
                    let bytes = chunk * chunk_size.bytes()..(until * chunk_size.bytes()).min(disk.size());
                    line[cell].bad |= !bytes.is_empty() && disk.unreadable(bytes).is_some();
                }
                chunk = until;
            }
        }
        let lines = cells.into_iter().map(|(index, cells)| {
            let here = volume.components.get(&index);
            let (chunks, reserved) = here.map_or((0, 0), |here| {
                let count = u64::from(here.record.chunk_count.get()).min(there(here.len));
                (count, u64::from(here.record.chunk_reserved.get()))
            });
            (index, line_of(&cells, chunks_per_block, chunks, reserved, here.is_some()))
        });
        let is_known = heap.has_map(number);
        let lines = lines.map(|(index, mut line)| {
            for block in line.iter_mut().filter(|block| !is_known && **block == Block::Free) {
                *block = Block::Unknown;
            }
            (index, line)
        });
        Self { chunks_per_block, lines: lines.collect() }
    }
}

fn line_of(cells: &[Cell], per_block: u64, chunks: u64, reserved: u64, here: bool) -> Vec<Block> {
    let last_used = cells.iter().rposition(|cell| cell.named > 0);
    let block = |(number, cell): (usize, &Cell)| {
        let start = number as u64 * per_block;
        let count = chunks.saturating_sub(start).min(per_block);
        if cell.bad {
            Block::Bad
        } else if here && cell.named > 0 && start >= chunks {
            Block::Beyond
        } else if here && cell.named > count {
            Block::Shared
        } else if cell.named > 0 && (cell.named == count || !here) {
            Block::Used
        } else if start < reserved && start + count <= reserved {
            Block::Map
        } else if cell.named > 0 {
            if start < reserved && cell.named + (reserved - start) == count {
                Block::Used
            } else {
                Block::Partly
            }
        } else if last_used.is_some_and(|last| number < last) {
            Block::Hole
        } else {
            Block::Free
        }
    };
    cells.iter().enumerate().map(block).collect()
}
