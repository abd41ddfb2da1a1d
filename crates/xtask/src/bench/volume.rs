//! The volumes that are measured: files made anew, with the same bytes every time.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use virstor::io::ReadAt;
use virstor_testkit::{SetBuilder, pattern};

/// Bytes of a chunk: what FreeBSD takes unless told otherwise.
pub(crate) const CHUNK: u32 = 4 << 20;

/// The components of each volume, as files.
pub(crate) const COMPONENTS: [&str; 2] = ["c0", "c1"];

/// Of the data; any number does.
const SEED: u64 = 2;

/// Bytes that are compared at once.
const BLOCK: usize = 1 << 20;

/// A volume on two components: which virtual chunk lies where.
pub(crate) struct Volume {
    /// How many chunks it has.
    pub(crate) chunks: u64,
    /// Bytes of each component.
    component: u64,
    /// The virtual chunks that are allocated, in the order in which they were written: the first half of them is on
    /// component 0.
    allocated: Vec<u64>,
}

impl Volume {
    /// 2 GiB, every other chunk a hole.
    pub(crate) fn half_holes() -> Volume {
        Volume { chunks: 512, component: 1 << 30, allocated: (0..512).step_by(2).collect() }
    }

    /// 2 TiB in 524,288 chunks, what `gvirstor label` makes by default; a quarter of them allocated.
    pub(crate) fn usual() -> Volume {
        Volume { chunks: 1 << 19, component: 512 << 30, allocated: (0..1 << 19).step_by(4).collect() }
    }

    /// 1 PiB, with data at the start, in the middle and at the end only.
    pub(crate) fn huge() -> Volume {
        let chunks = 1 << 28;
        Volume { chunks, component: 64 << 30, allocated: vec![0, chunks / 2, chunks - 1] }
    }

    /// The same, with nothing allocated.
    pub(crate) fn without_data(&self) -> Volume {
        Volume { chunks: self.chunks, component: self.component, allocated: Vec::new() }
    }

    /// Bytes of data on it.
    pub(crate) fn data(&self) -> u64 {
        self.allocated.len() as u64 * u64::from(CHUNK)
    }

    /// Writes the components into `folder`, without the content of their chunks.
    pub(crate) fn label(&self, folder: &Path) -> Result<()> {
        let mut set = SetBuilder::new("bench")
            .chunk_size(CHUNK)
            .virtual_chunks(self.chunks)
            .components([self.component; COMPONENTS.len()]);
        for (chunk, place) in self.places() {
            set = set.map(chunk, place.component, place.chunk);
        }
        for (name, disk) in set.build() {
            let mut file = create(&folder.join(&name), disk.size())?;
            for (offset, bytes) in disk.used() {
                write_at(&mut file, offset, bytes)?;
            }
        }
        Ok(())
    }

    /// Fills the allocated chunks in `range` of the virtual ones; writes what is then read there to `image` too.
    pub(crate) fn fill(&self, folder: &Path, image: Option<&Path>) -> Result<()> {
        let open = |name: &&str| File::options().write(true).open(folder.join(name));
        let mut components = COMPONENTS.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut image = match image {
            Some(path) => Some(create(path, self.chunks * u64::from(CHUNK))?),
            None => None,
        };
        let mut bytes = vec![0; CHUNK as usize];
        for (chunk, place) in self.places() {
            content(chunk * u64::from(CHUNK), &mut bytes);
            let offset = u64::from(place.chunk) * u64::from(CHUNK);
            write_at(&mut components[usize::from(place.component)], offset, &bytes)?;
            if let Some(image) = &mut image {
                write_at(image, chunk * u64::from(CHUNK), &bytes)?;
            }
        }
        Ok(())
    }

    fn places(&self) -> impl Iterator<Item = (u64, Place)> {
        let half = self.allocated.len().div_ceil(2);
        // `label` reserves twice the room of the map at the start of component 0.
        let reserved = 2 * (self.chunks * 8).div_ceil(CHUNK.into());
        self.allocated.iter().enumerate().map(move |(number, chunk)| {
            let (component, before) = if number < half { (0, reserved) } else { (1, 0) };
            let physical = before + (number % half) as u64;
            (*chunk, Place { component, chunk: u32::try_from(physical).expect("a component is small") })
        })
    }
}

/// Where a chunk lies.
struct Place {
    component: u16,
    chunk: u32,
}

/// What every allocated byte of the volume holds, from `offset` on.
pub(crate) fn content(offset: u64, buf: &mut [u8]) {
    pattern(SEED, offset, buf);
}

/// Errs unless both files hold the same bytes.
pub(crate) fn must_be_equal(path: &Path, expected: &Path) -> Result<()> {
    let mut file = open(path)?;
    let mut expected_file = open(expected)?;
    let (mut bytes, mut expected_bytes) = (vec![0; BLOCK], vec![0; BLOCK]);
    let (len, expected_len) = (file.metadata()?.len(), expected_file.metadata()?.len());
    if len != expected_len {
        bail!("{} has {len} bytes and not {expected_len}", path.display());
    }
    let mut offset = 0;
    while offset < len {
        let block = usize::try_from(len - offset).map_or(BLOCK, |rest| rest.min(BLOCK));
        file.read_exact(&mut bytes[..block])?;
        expected_file.read_exact(&mut expected_bytes[..block])?;
        if bytes[..block] != expected_bytes[..block] {
            bail!("{} is wrong somewhere in the {block} bytes from byte {offset} on", path.display());
        }
        offset += block as u64;
    }
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}

fn create(path: &Path, size: u64) -> Result<File> {
    let made = File::create(path).and_then(|file| file.set_len(size).map(|()| file));
    made.with_context(|| format!("cannot make {} with {size} bytes", path.display()))
}

fn write_at(file: &mut File, offset: u64, bytes: &[u8]) -> Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    Ok(file.write_all(bytes)?)
}
