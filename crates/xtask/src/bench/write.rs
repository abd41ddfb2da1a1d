//! Writing in pieces of 4 KiB, in order and scattered, into a volume that holds nothing yet and into one that is full. What
//! others do is to write the same into qcow2, which like a volume has a map of what is allocated.

use super::Bench;
use super::measure::{Contender, Sample, in_turn, measure};
use crate::process::{cargo, run, which};
use crate::progress::say;
use crate::table::markdown;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::ops::ControlFlow;
#[cfg(unix)]
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use virstor::assemble::{Candidate, assemble};
use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt, WriteAt};
use virstor::label::{DEFAULT_CHUNK_SIZE, DEFAULT_MAXPHYS, Provider, Request, plan};
use virstor::locate::{Search, locate};
use virstor::patch::perform;
use virstor::write::VolumeWriter;

/// The verb under which this program writes to a volume: see [`writes`].
pub(crate) const WRITES: &str = "bench-writes";

/// Bytes of the virtual device.
const SIZE: u64 = 2 << 30;

/// Bytes of a write.
const PIECE: u64 = 4096;

/// How many writes.
const COUNT: u64 = 65_536;

/// From one scattered write to the next: an odd number of pieces, so that none is hit twice.
const SCATTER: u64 = PIECE * 40_503;

/// What every byte becomes.
const BYTE: u8 = 65;

/// The volume's components.
const COMPONENTS: [&str; 2] = ["w0", "w1"];

/// The peer's image.
const QCOW2: &str = "w.qcow2";

/// Lets everybody write, and gives the section of the report about it.
pub(crate) fn report(bench: &Bench) -> Result<String> {
    if which("qemu-img").is_none() {
        say("not installed, so not compared: qemu-img bench -w");
    }
    // The figures are to be those of a release; this program is not built as one.
    run(&mut cargo(["build", "--release", "--quiet", "--package", "xtask"]))?;
    let mut rows = Vec::new();
    for (order, step) in [("in order", PIECE), ("scattered", SCATTER)] {
        for fresh in [true, false] {
            let state = if fresh { "new" } else { "written" };
            let contenders = contenders(bench, step);
            for contender in &contenders {
                prepare(bench, &contender.name, !fresh)?;
            }
            let samples = in_turn(&contenders, bench.rounds, &|contender| {
                if fresh {
                    prepare(bench, &contender.name, false)?;
                }
                measure(contender, &bench.folder, &bench.folder.join("answer"))
            })?;
            verify(&bench.folder, step)?;
            rows.extend(lines(&format!("{order}, {state}"), &contenders, &samples));
            bench.clear()?;
        }
    }
    Ok(format!(
        "## writing: {COUNT} times 4 KiB into 2 GiB, chunks of 4 MiB; durable at the end\n\n{}",
        markdown(&["order, state: program", "wall s", "to best peer", "cpu s"], &rows)
    ))
}

fn contenders(bench: &Bench, step: u64) -> Vec<Contender> {
    let mut contenders = Vec::new();
    if which("qemu-img").is_some() {
        for depth in ["1", "64"] {
            let line = format!(
                "qemu-img bench -w -f qcow2 -d {depth} -c {COUNT} -s {PIECE} -S {step} --pattern {BYTE} {QCOW2}"
            );
            let words = line.split(' ').map(OsString::from).collect();
            contenders.push(Contender { name: format!("qemu-img bench -d {depth}"), words });
        }
    }
    let words = [
        bench.workspace.target().join("release").join("xtask").into_os_string(),
        WRITES.into(),
        step.to_string().into(),
        COUNT.to_string().into(),
        PIECE.to_string().into(),
    ];
    contenders.push(Contender { name: "virstor, the engine".into(), words: words.into() });
    contenders
}

/// A new volume or image for a contender, filled to the end if `full`.
fn prepare(bench: &Bench, name: &str, full: bool) -> Result<()> {
    let folder = &bench.folder;
    if name.starts_with("qemu") {
        let qemu = |line: &str| run(Command::new("qemu-img").args(line.split(' ')).current_dir(folder));
        qemu(&format!("create -q -f qcow2 {QCOW2} {SIZE}"))?;
        if full {
            qemu(&format!("bench -w -f qcow2 -c 2048 -s 1M --pattern {BYTE} {QCOW2}"))?;
        }
        return Ok(());
    }
    let size = SIZE / 2 + (64 << 20);
    for name in COMPONENTS {
        File::create(folder.join(name))?.set_len(size)?;
    }
    let disks = open_disks(folder)?;
    let provider = |name: &'static str| Provider { name: name.as_bytes(), size, sector_size: 512 };
    let label = plan(&Request {
        name: b"bench",
        id: 1,
        virtual_size: SIZE,
        chunk_size: DEFAULT_CHUNK_SIZE,
        maxphys: DEFAULT_MAXPHYS,
        hardcode: false,
        providers: &COMPONENTS.map(provider),
        compat_freebsd: false,
    });
    let label = label.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    perform(&label.patches(), &disks).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    if full { write_all(folder, 1 << 20, SIZE >> 20, 1 << 20) } else { Ok(()) }
}

/// Writes `words[1]` times `words[2]` bytes, each `words[0]` bytes behind the last, to the volume in the current folder.
pub(crate) fn writes(words: &[OsString]) -> Result<()> {
    let number = |word: &OsString| word.to_str().and_then(|word| word.parse().ok());
    let numbers: Option<Vec<u64>> = words.iter().map(number).collect();
    let Some([step, count, len]) = numbers.as_deref() else { bail!("what is to be written?") };
    write_all(Path::new("."), *step, *count, *len)
}

fn write_all(folder: &Path, step: u64, count: u64, len: u64) -> Result<()> {
    let mut writer = open(folder)?;
    let bytes = vec![BYTE; usize::try_from(len)?];
    for offset in offsets(step, count) {
        writer.write(offset, &bytes).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    }
    writer.close().map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// As `qemu-img bench` has them.
fn offsets(step: u64, count: u64) -> impl Iterator<Item = u64> {
    let mut next = 0;
    (0..count).map(move |_| {
        let offset = next;
        next = (next + step) % SIZE;
        offset
    })
}

/// Errs unless everything was written.
fn verify(folder: &Path, step: u64) -> Result<()> {
    let mut writer = open(folder)?;
    let mut bytes = vec![0; usize::try_from(PIECE)?];
    for offset in offsets(step, COUNT) {
        writer.read(offset, &mut bytes).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        if bytes.iter().any(|byte| *byte != BYTE) {
            bail!("the volume is wrong in the {PIECE} bytes from byte {offset} on");
        }
    }
    Ok(())
}

fn lines(what: &str, contenders: &[Contender], samples: &[Sample]) -> Vec<Vec<String>> {
    let is_peer = |contender: &Contender| contender.name.starts_with("qemu");
    let peers = contenders.iter().zip(samples).filter(|(contender, _)| is_peer(contender));
    let best = peers.map(|(_, sample)| sample.wall.as_secs_f64()).reduce(f64::min);
    let line = |(contender, sample): (&Contender, &Sample)| {
        let wall = sample.wall.as_secs_f64();
        let ratio = best.map_or_else(|| "-".into(), |best| format!("{:.2}", wall / best));
        let cpu = format!("{:.3}", sample.cpu.as_secs_f64());
        vec![format!("{what}: {}", contender.name), format!("{wall:.3}"), ratio, cpu]
    };
    contenders.iter().zip(samples).map(line).collect()
}

fn open(folder: &Path) -> Result<VolumeWriter<FileDisk>> {
    let disks = open_disks(folder)?;
    let mut candidates = Vec::new();
    for disk in &disks {
        let search = Search { sector_size: None, scan_len: 0 };
        let found = locate(disk, &[], search, &mut |_, _| ControlFlow::Continue(()));
        let found = found.map_err(|error| anyhow::anyhow!("{error}"))?;
        let located = found.into_iter().next().context("a component has no record")?;
        candidates.push(Candidate { located, provider: b"w".to_vec(), preferred: false });
    }
    let volume = assemble(&candidates).volumes.into_iter().next().context("there is no volume")?;
    let disks: BTreeMap<_, _> = (0..).map(ComponentIndex).zip(disks).collect();
    VolumeWriter::open(volume, disks, 8 << 20).map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn open_disks(folder: &Path) -> Result<Vec<FileDisk>> {
    COMPONENTS.iter().map(|name| FileDisk::open(&folder.join(name))).collect()
}

/// A file that is read and written as a disk, in the way of the program's own.
#[derive(Debug, Clone)]
struct FileDisk {
    file: std::sync::Arc<File>,
    size: u64,
}

impl FileDisk {
    fn open(path: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { size: file.metadata()?.len(), file: file.into() })
    }

    #[cfg(target_os = "linux")]
    fn punch(&self, offset: u64, len: u64) -> bool {
        use rustix::fs::{FallocateFlags, fallocate};
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.file, how, offset, len).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn punch(&self, _: u64, _: u64) -> bool {
        false
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
    file.read_exact_at(buf, offset)
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    file.write_all_at(bytes, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buf)
}

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

impl ReadAt for FileDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        read_exact_at(&self.file, buf, offset)
            .map_err(|error| IoError::new(offset, buf.len(), error.to_string()))
    }
}

impl WriteAt for FileDisk {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let written = write_all_at(&self.file, bytes, offset);
        written.map_err(|error| IoError::writing(offset, bytes.len(), error.to_string()))
    }

    fn flush(&self) -> Result<(), IoError> {
        self.file.sync_data().map_err(|error| IoError::flushing(error.to_string()))
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), IoError> {
        const PIECE: usize = 64 << 10;
        if len > 32 << 10 && self.punch(offset, len) {
            return Ok(());
        }
        let zeros = [0; PIECE];
        let mut done = 0;
        while done < len {
            let piece = usize::try_from(len - done).map_or(PIECE, |rest| rest.min(PIECE));
            self.write_at(offset + done, &zeros[..piece])?;
            done += piece as u64;
        }
        Ok(())
    }
}
