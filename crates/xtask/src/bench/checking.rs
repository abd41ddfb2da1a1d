//! What it costs to check volumes that are full: every entry of the map claims a chunk, in order or scattered.

use super::Bench;
use super::measure::{costs, in_turn, measure};
use super::volume::CHUNK;
use crate::progress::say;
use crate::table::markdown;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use virstor::format::{ByteOrder, MapEntry};
use virstor::geometry::{ComponentIndex, PhysicalChunk};
use virstor_testkit::SetBuilder;

/// The only component of each volume.
const COMPONENT: &str = "c0";

/// From one entry's chunk to the next one's where they are scattered: odd, so that no chunk is claimed twice.
const SCATTER: u64 = 0x9e37_79b1;

/// Checks full volumes, and gives the section of the report about it.
pub(crate) fn report(bench: &Bench) -> Result<String> {
    let mut rows = Vec::new();
    for (size, entries) in [("2 TiB", 1 << 19), ("1 PiB", 1 << 28)] {
        for (order, step) in [("in order", 1), ("scattered", SCATTER)] {
            let name = format!("{size}, {order}");
            if let Err(error) = make(&bench.folder, entries, step) {
                say(&format!("not measured: {name}: {error:#}"));
                continue;
            }
            rows.extend(ask(bench, &name)?);
            bench.clear()?;
        }
    }
    Ok(format!(
        "## check: full volumes of 2 TiB (524,288 map entries) and 1 PiB (268,435,456), sparse files\n\n{}",
        markdown(&["volume, program", "wall ms", "cpu ms", "peak MiB"], &rows)
    ))
}

/// Makes a component whose map has so many entries, each naming the chunk `step` behind that of the last.
fn make(folder: &Path, entries: u64, step: u64) -> Result<()> {
    let reserved = 2 * (entries * 8).div_ceil(CHUNK.into());
    let cursor = u32::try_from(entries + reserved)?;
    let size = u64::from(cursor) * u64::from(CHUNK) + 4096;
    let set = SetBuilder::new("bench").chunk_size(CHUNK).virtual_chunks(entries).components([size]);
    let disk = set.edit_record(0, move |record| record.chunk_next = cursor).build().swap_remove(0).1;
    let path = folder.join(COMPONENT);
    let made = File::create(&path).and_then(|file| file.set_len(size).map(|()| file));
    let mut file =
        BufWriter::new(made.with_context(|| format!("no file of {size} bytes at {}", path.display()))?);
    for (offset, bytes) in disk.used() {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)?;
    }
    file.seek(SeekFrom::Start(0))?;
    for number in 0..entries {
        let chunk = PhysicalChunk(u32::try_from(reserved + number * step % entries)?);
        let entry = MapEntry { flags: MapEntry::ALLOCATED, component: ComponentIndex(0), chunk };
        file.write_all(&entry.encode(ByteOrder::Little))?;
    }
    Ok(file.flush()?)
}

fn ask(bench: &Bench, volume: &str) -> Result<Vec<Vec<String>>> {
    let contenders = bench.programs(&["check", "--quiet", COMPONENT]);
    let answer = bench.folder.join("answer");
    let samples =
        in_turn(&contenders, bench.rounds, &|contender| measure(contender, &bench.folder, &answer))?;
    Ok(costs(volume, &contenders, &samples))
}
