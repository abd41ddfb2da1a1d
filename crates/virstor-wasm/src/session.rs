//! A session: the files of one page, looked through. What can be asked about them, by subject, is in the modules below.

use std::cell::RefCell;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;
use std::sync::Arc;

use js_sys::Function;
use serde::Serialize;
use virstor::io::ReadAt;
use virstor::plan::VolumeReader;
use virstor::specimen::Specimen;
use virstor_index::{AnyDisk as Disk, MapIndex, Reader};
use virstor_inspect::{Heap, InputFile, Options, Stage};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::cache::{Cache, Cached};
use crate::document;
use crate::error::Refusal;
use crate::source::Source;

pub mod bytes;
pub mod documents;
pub mod export;
pub mod fingerprint;
pub mod map;

/// Memory for blocks of files: the map of 8 million chunks fits.
const CACHE_MEMORY: u64 = 48 << 20;

/// Memory for pages of a map, beside the blocks below them.
const MAP_MEMORY: u64 = 1 << 20;

/// The most bytes or rows that one call gives.
const MOST_BYTES: usize = 16 << 20;
const MOST_ROWS: usize = 1 << 16;

/// How long blocks are kept when nobody reads.
const IDLE: u32 = 60_000;

type SharedCache = Rc<RefCell<Cache<Source>>>;

/// Where a file of a session comes from.
#[derive(Clone, Copy)]
struct Origin {
    /// The number of the file that was added.
    added: usize,
    /// Whether that is a specimen: then the data of the volume is not in it.
    specimen: bool,
}

/// The files of one page, and what is known about them.
#[wasm_bindgen]
pub struct Session {
    cache: SharedCache,
    files: Vec<InputFile<Disk>>,
    /// Where each of them comes from.
    origins: Vec<Origin>,
    /// How many were added.
    added: usize,
    heap: Option<Rc<Heap<Disk>>>,
    /// By volume.
    indexes: Vec<MapIndex>,
    /// Whether maps were read, and files searched, to their ends.
    whole: bool,
    idle: RefCell<Option<gloo::timers::callback::Timeout>>,
}

#[wasm_bindgen]
impl Session {
    /// A session without files.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            cache: Cache::new(CACHE_MEMORY),
            files: Vec::new(),
            origins: Vec::new(),
            added: 0,
            heap: None,
            indexes: Vec::new(),
            whole: true,
            idle: RefCell::new(None),
        }
    }

    /// Adds a file, which had `size` bytes when it was picked; `label` is how it is shown, `provider` what FreeBSD
    /// would call it. One that cannot be read is a stranger, not an error; a specimen adds the files that it stands for.
    #[wasm_bindgen(js_name = addFile)]
    pub fn add_file(
        &mut self,
        file: web_sys::File,
        size: u64,
        label: &str,
        provider: &str,
        sector_size: Option<u32>,
        preferred: bool,
    ) {
        let disk = Source::new(file, size).map(|source| Disk::new(Cached::new(&self.cache, source)));
        let input = |label: &[u8], provider: &[u8], disk, sector_size| InputFile {
            label: virstor::format::Printable(label).to_string(),
            provider: provider.to_vec(),
            disk,
            sector_size,
            preferred,
        };
        let added = self.added;
        self.added += 1;
        let specimen = match disk {
            Ok(disk) if Specimen::is_one(&disk) => open_specimen(disk),
            disk => Err(disk),
        };
        let specimen = match specimen {
            Ok(specimen) => specimen,
            Err(disk) => {
                self.origins.push(Origin { added, specimen: false });
                return self.files.push(input(label.as_bytes(), provider.as_bytes(), disk, sector_size));
            }
        };
        for (number, info) in specimen.files().enumerate() {
            let disk = Ok(Disk::new(specimen.disk(number)));
            self.origins.push(Origin { added, specimen: true });
            let sector_size = sector_size.or(info.sector_size);
            self.files.push(input(info.label.as_bytes(), &info.provider, disk, sector_size));
        }
    }

    /// The files as they are looked through: those that were added, or what a specimen stands for.
    #[must_use]
    pub fn inputs(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Input<'a> {
            label: &'a str,
            size: u64,
            /// Whether the data of the volume is not in it.
            specimen: bool,
        }
        fn input<'a>((file, origin): (&'a InputFile<Disk>, &Origin)) -> Input<'a> {
            Input {
                label: &file.label,
                size: file.disk.as_ref().map_or(0, ReadAt::size),
                specimen: origin.specimen,
            }
        }
        let inputs: Vec<Input<'_>> = self.files.iter().zip(&self.origins).map(input).collect();
        document::bytes(&inputs)
    }

    /// Looks through the files. Of each file that has to be searched at most `search` bytes are read, and of each map at
    /// most `map`; see [`isWhole`](Self::is_whole). `progress` hears `(stage, label, done, all)`, both in bytes.
    pub fn look(&mut self, search: u64, map: u64, progress: &Function) {
        let mut whole = true;
        let heap = Heap::look(self.files.clone(), Options::default(), &mut |stage, done, all| {
            tell(progress, stage, done, all);
            let budget = if matches!(stage, Stage::ReadingMap(_)) { map } else { search };
            if done >= budget {
                whole = false;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        self.indexes = (0..heap.volumes().len()).map(|number| index_of(&heap, number)).collect();
        self.heap = Some(Rc::new(heap));
        self.whole = whole;
    }

    /// Whether [`look`](Self::look) read maps, and searched files, to their ends; else the counts in `info` are of a part.
    #[wasm_bindgen(js_name = isWhole)]
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Bytes of memory that the engine has taken from the browser, and calls that read files.
    #[must_use]
    pub fn figures(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Figures {
            memory: u64,
            fetches: u64,
        }
        #[cfg(target_arch = "wasm32")]
        let memory = core::arch::wasm32::memory_size::<0>() as u64 * 65_536;
        #[cfg(not(target_arch = "wasm32"))]
        let memory = 0;
        document::bytes(&Figures { memory, fetches: self.cache.borrow().fetches() })
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    pub(crate) fn heap(&self) -> Result<&Rc<Heap<Disk>>, Refusal> {
        self.heap.as_ref().ok_or(Refusal::NothingOpen)
    }

    fn index(&mut self, volume: usize) -> Result<&mut MapIndex, Refusal> {
        self.heap()?;
        let volumes = self.indexes.len();
        self.indexes.get_mut(volume).ok_or(Refusal::NoSuchVolume { volume, volumes })
    }

    /// Puts off the moment at which the blocks are forgotten.
    fn keep_blocks(&self) {
        let cache = Rc::downgrade(&self.cache);
        let forget = move || {
            if let Some(cache) = cache.upgrade() {
                cache.borrow_mut().clear();
            }
        };
        // Dropping the one before cancels it.
        *self.idle.borrow_mut() = Some(gloo::timers::callback::Timeout::new(IDLE, forget));
    }
}

/// A reader of a volume of `heap`.
pub(crate) fn reader_of(heap: &Heap<Disk>, number: usize) -> Reader {
    let volume = &heap.volumes()[number];
    let disks = heap.disks(volume).into_iter().map(|(index, disk)| (index, Disk::new(disk)));
    VolumeReader::new(
        volume.clone(),
        virstor::ordered::tree(disks),
        heap.map_report(number).order,
        MAP_MEMORY,
    )
}

/// An index of a volume of `heap` that knows nothing yet.
pub(crate) fn index_of(heap: &Heap<Disk>, number: usize) -> MapIndex {
    MapIndex::new(reader_of(heap, number))
}

/// A larger one would be of more than 16 million chunks, or is made up: what is kept of it may be some ten times as much.
const LARGEST_SPECIMEN: u64 = 64 << 20;

/// The specimen, or why it cannot be had in place of the disk.
fn open_specimen(disk: Disk) -> Result<Arc<Specimen<Disk>>, Result<Disk, String>> {
    if disk.size() > LARGEST_SPECIMEN {
        return Err(Err(format!(
            "is a specimen of {} bytes; this page reads those of at most {LARGEST_SPECIMEN}, the program any",
            disk.size()
        )));
    }
    Specimen::open(disk).map(Arc::new).map_err(|error| Err(error.to_string()))
}

pub(crate) fn tell(progress: &Function, stage: Stage<'_>, done: u64, all: u64) {
    let (stage, label) = match stage {
        Stage::Searching(label) => ("searching", label),
        Stage::ReadingMap(label) => ("reading-map", label),
        Stage::ReadingData(label) => ("reading-data", label),
    };
    // Whoever listens badly does not stop the work.
    _ = progress.call4(&JsValue::NULL, &stage.into(), &label.into(), &done.into(), &all.into());
}

fn within(start: u64, end: u64, size: u64) -> Result<Range<u64>, Refusal> {
    if start <= end && end <= size { Ok(start..end) } else { Err(Refusal::OutOfRange { start, end, size }) }
}

fn to_usize(bounded: u64) -> usize {
    usize::try_from(bounded).expect("the caller bounds it")
}
