//! A session: the files of one page, looked through, and everything that can be asked about them.

use std::cell::RefCell;
use std::convert::Infallible;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;
use std::sync::Arc;

use js_sys::{BigInt64Array, BigUint64Array, Function, Int32Array, Uint8Array, Uint16Array};
use serde::Serialize;
use virstor::geometry::ComponentIndex;
use virstor::io::ReadAt;
use virstor::plan::{Lost, ReadError, Segment, SegmentPlace, VolumeReader};
use virstor::specimen::Specimen;
use virstor_inspect::collect::collect;
use virstor_inspect::document::check::{Check, worth_checking};
use virstor_inspect::document::collect::Collect;
use virstor_inspect::document::dump::Dump;
use virstor_inspect::document::export::{Export, LostRange};
use virstor_inspect::document::info::Info;
use virstor_inspect::document::map::{Extent, Totals};
use virstor_inspect::document::record::RecordInfo;
use virstor_inspect::document::report::Report;
use virstor_inspect::document::status::Status;
use virstor_inspect::heap::ComponentDisk;
use virstor_inspect::{Heap, InputFile, Options, Stage};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::cache::{Cache, Cached};
use crate::document;
use crate::error::Refusal;
use crate::image::{Format, Image, Part};
use crate::index::{MOST_LANE_CHUNKS, MapIndex};
use crate::object;
use crate::picture::{Cell, NO_COMPONENT};
use crate::search::{Hunt, Stretch};
use crate::source::{AnyDisk as Disk, Source};

/// Memory for blocks of files: the map of 8 million chunks fits.
const CACHE_MEMORY: u64 = 48 << 20;

/// Memory for pages of a map, beside the blocks below them.
const MAP_MEMORY: u64 = 1 << 20;

/// The most cells of a picture.
const MOST_CELLS: usize = 1 << 20;

/// The most bytes or rows that one call gives.
const MOST_BYTES: usize = 16 << 20;
const MOST_ROWS: usize = 1 << 16;

/// How long blocks are kept when nobody reads.
const IDLE: u32 = 60_000;

type Reader = VolumeReader<ComponentDisk<Disk>>;
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
    volumes: Vec<Opened>,
    /// Whether maps were read, and files searched, to their ends.
    whole: bool,
    idle: RefCell<Option<gloo::timers::callback::Timeout>>,
}

/// What is kept for each volume.
pub(crate) struct Opened {
    reader: Reader,
    index: MapIndex,
}

impl Opened {
    pub(crate) fn new(heap: &Heap<Disk>, number: usize) -> Self {
        let reader = heap.reader(number, MAP_MEMORY);
        Self { index: MapIndex::new(&reader), reader }
    }

    /// Reads the map into the index to its end.
    pub(crate) fn index_all(&mut self) {
        let chunks = self.index.chunks();
        self.index.step(&mut self.reader, chunks);
    }

    pub(crate) fn picture(&mut self, first: u64, bits: u32, cells: usize) -> Result<Picture, Refusal> {
        check_picture(first, bits, cells)?;
        Ok(Picture { cells: self.index.picture(&mut self.reader, first, bits, cells) })
    }
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
            volumes: Vec::new(),
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

    /// Looks through the files. Of each map, and of each file that has to be searched, at most `budget` bytes are read;
    /// see [`isWhole`](Self::is_whole). `progress` hears `(stage, label, done, all)`, both in bytes.
    pub fn look(&mut self, budget: u64, progress: &Function) {
        let mut whole = true;
        let heap = Heap::look(self.files.clone(), Options::default(), &mut |stage, done, all| {
            tell(progress, stage, done, all);
            if done >= budget {
                whole = false;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        self.volumes = (0..heap.volumes().len()).map(|number| Opened::new(&heap, number)).collect();
        self.heap = Some(Rc::new(heap));
        self.whole = whole;
    }

    /// Whether [`look`](Self::look) read maps, and searched files, to their ends; else the counts in `info` are of a part.
    #[wasm_bindgen(js_name = isWhole)]
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The document of `info`.
    ///
    /// # Errors
    ///
    /// [`Refusal::NothingOpen`], as every method that follows.
    pub fn info(&self) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&self.info_document()?))
    }

    /// The document of `dump`.
    pub fn dump(&self) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&Dump::all(self.heap()?)))
    }

    /// The document of `status`.
    pub fn status(&self) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&Status::new(self.heap()?)))
    }

    /// The records, field by field, held against their siblings.
    pub fn records(&self) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&RecordInfo::all(self.heap()?)))
    }

    /// The document of `check`. `progress` as for [`look`](Self::look).
    pub fn check(&self, progress: &Function) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&self.check_document(progress)?))
    }

    /// The document of `report`. `progress` as for [`look`](Self::look).
    pub fn report(&self, progress: &Function) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&self.report_document(progress)?))
    }

    /// What `report` prints for people.
    #[wasm_bindgen(js_name = reportText)]
    pub fn report_text(&self, progress: &Function) -> Result<String, Refusal> {
        Ok(self.report_document(progress)?.markdown())
    }

    /// Hands the specimen that `collect` makes to `sink`, in pieces; gives the document of `collect`.
    pub fn collect(&self, sink: &Function, progress: &Function) -> Result<Vec<u8>, Refusal> {
        const PIECE: usize = 1 << 20;
        let mut pending = Vec::new();
        let hand_over = |bytes: &mut Vec<u8>| {
            // It keeps the bytes and does nothing that could fail.
            _ = sink.call1(&JsValue::NULL, &Uint8Array::from(&bytes[..]));
            bytes.clear();
        };
        let Ok(made) = collect(
            self.heap()?,
            &mut |bytes| {
                pending.extend_from_slice(bytes);
                if pending.len() >= PIECE {
                    hand_over(&mut pending);
                }
                Ok::<(), Infallible>(())
            },
            &mut |stage, done, all| {
                tell(progress, stage, done, all);
                ControlFlow::Continue(())
            },
        );
        hand_over(&mut pending);
        Ok(document::bytes(&Collect::new("-".into(), &made)))
    }

    /// Goes on reading a map into its index, by at most `chunks` chunks.
    #[wasm_bindgen(js_name = indexStep)]
    pub fn index_step(&mut self, volume: usize, chunks: u64) -> Result<IndexState, Refusal> {
        self.keep_blocks();
        let Opened { reader, index } = self.opened(volume)?;
        index.step(reader, chunks);
        Ok(IndexState::of(index))
    }

    /// How far the index of a map is.
    #[wasm_bindgen(js_name = indexState)]
    pub fn index_state(&mut self, volume: usize) -> Result<IndexState, Refusal> {
        Ok(IndexState::of(&self.opened(volume)?.index))
    }

    /// A picture of the virtual device: at most `cells` cells of `2^bits` chunks each, from chunk `first` on, which
    /// is a multiple of that. What the index does not know yet, or lies behind the end, is left out.
    pub fn picture(
        &mut self,
        volume: usize,
        first: u64,
        bits: u32,
        cells: usize,
    ) -> Result<Picture, Refusal> {
        self.keep_blocks();
        self.opened(volume)?.picture(first, bits, cells)
    }

    /// A picture of a component: how much of each cell is used, in 255ths. Otherwise as [`picture`](Self::picture).
    pub fn lane(
        &mut self,
        volume: usize,
        component: u16,
        first: u64,
        bits: u32,
        cells: usize,
    ) -> Result<Uint8Array, Refusal> {
        check_picture(first, bits, cells)?;
        let index = &self.opened(volume)?.index;
        let too_many = |chunks| Refusal::TooManyChunks { chunks, limit: MOST_LANE_CHUNKS };
        let lane = index.lane(ComponentIndex(component), first, bits, cells).map_err(too_many)?;
        let lane = lane.ok_or(Refusal::NoSuchComponent { component })?;
        Ok(Uint8Array::from(&lane[..]))
    }

    /// The virtual chunk that lies on a physical one, as far as the map was read.
    pub fn owner(&mut self, volume: usize, component: u16, chunk: u64) -> Result<Option<u64>, Refusal> {
        self.keep_blocks();
        let Opened { reader, index } = self.opened(volume)?;
        Ok(index.owner_by_search(reader, ComponentIndex(component), chunk))
    }

    /// The runs from number `first` on, at most `count`, of those that the index knows.
    pub fn runs(&mut self, volume: usize, first: u64, count: usize) -> Result<Runs, Refusal> {
        self.keep_blocks();
        let Opened { reader, index } = self.opened(volume)?;
        let runs = index.runs();
        let last = first.saturating_add(count.min(MOST_ROWS) as u64).min(runs.count());
        let (mut number, mut position) = runs.known_before(first);
        let known_end = index.done() * reader.volume().chunk_size.bytes();
        let mut rows = Runs::default();
        while number < last {
            // A run may be as long as the map: where its end is known, it is not looked for.
            let end = runs.end_of(number);
            let range = position..end.map_or(known_end, |end| end.min(position + 1));
            let Some(mut segment) = reader.segments(range).next() else { break };
            segment.len = end.map_or(segment.len, |end| end - position);
            position = segment.end();
            if number >= first {
                rows.push(segment);
            }
            number += 1;
        }
        Ok(rows)
    }

    /// The number of the run that byte `position` of the volume is in, where that is known.
    #[wasm_bindgen(js_name = runAt)]
    pub fn run_at(&mut self, volume: usize, position: u64) -> Result<Option<u64>, Refusal> {
        Ok(self.opened(volume)?.index.runs().number_at(position))
    }

    /// The extents of the range, at most `count`, as [`runs`](Self::runs).
    pub fn extents(&mut self, volume: usize, start: u64, end: u64, count: usize) -> Result<Runs, Refusal> {
        self.keep_blocks();
        let reader = &mut self.opened(volume)?.reader;
        let range = within(start, end, reader.volume().size())?;
        let mut rows = Runs::default();
        for segment in reader.segments(range).take(count.min(MOST_ROWS)) {
            rows.push(segment);
        }
        Ok(rows)
    }

    /// The extents of the range as `map --json` has them, at most `count`.
    #[wasm_bindgen(js_name = extentObjects)]
    pub fn extent_objects(
        &mut self,
        volume: usize,
        start: u64,
        end: u64,
        count: usize,
    ) -> Result<Vec<u8>, Refusal> {
        self.keep_blocks();
        let reader = &mut self.opened(volume)?.reader;
        let chunk_size = reader.volume().chunk_size.bytes();
        let range = within(start, end, reader.volume().size())?;
        let segments = reader.segments(range).take(count.min(MOST_ROWS));
        let extents: Vec<Extent> = segments.map(|segment| Extent::new(&segment, chunk_size)).collect();
        Ok(document::bytes(&extents))
    }

    /// How much of the range is what: the document of `map --totals`.
    pub fn totals(&mut self, volume: usize, start: u64, end: u64) -> Result<Vec<u8>, Refusal> {
        self.keep_blocks();
        Ok(document::bytes(&self.totals_document(volume, start, end)?))
    }

    /// The size in bytes of what `space` names: see [`read`](Self::read).
    #[wasm_bindgen(js_name = sizeOf)]
    pub fn size_of(&mut self, space: &str, number: usize, component: u16) -> Result<u64, Refusal> {
        match space {
            "volume" => Ok(self.opened(number)?.reader.volume().size()),
            "component" => Ok(self.component(number, component)?.size()),
            _ => Ok(self.file(number)?.size()),
        }
    }

    /// `len` bytes from `offset` on, of volume `number` (`"volume"`), of a component of it (`"component"`), or of file
    /// `number` (`"file"`). Lost bytes of a volume are zeros, and named.
    pub fn read(
        &mut self,
        space: &str,
        number: usize,
        component: u16,
        offset: u64,
        len: usize,
    ) -> Result<Bytes, Refusal> {
        self.keep_blocks();
        let mut bytes = vec![0; len.min(MOST_BYTES)];
        let range = within(
            offset,
            offset.saturating_add(bytes.len() as u64),
            self.size_of(space, number, component)?,
        )?;
        let mut lost = Vec::new();
        match space {
            "volume" => lost = self.read_volume(number, range, &mut bytes)?,
            "component" => {
                let disk = self.component(number, component)?;
                let label = &self.files[disk.disk().file()].label;
                disk.read_at(offset, &mut bytes).map_err(|error| Refusal::io(label, disk.start(), &error))?;
            }
            _ => {
                let label = &self.files[number].label;
                self.file(number)?
                    .read_at(offset, &mut bytes)
                    .map_err(|error| Refusal::io(label, 0, &error))?;
            }
        }
        Ok(Bytes { bytes, lost })
    }

    /// Begins to look for `needle` from `start` to `end` of what `space` names (as for [`read`](Self::read)).
    pub fn search(
        &mut self,
        space: &str,
        number: usize,
        component: u16,
        start: u64,
        end: u64,
        needle: &[u8],
    ) -> Result<Search, Refusal> {
        if needle.is_empty() {
            return Err(Refusal::EmptyNeedle);
        }
        let range = within(start, end, self.size_of(space, number, component)?)?;
        let hunt = Hunt::new(needle, range.start, range.end);
        let target = match space {
            "volume" => Target::Volume(Box::new(self.heap()?.reader(number, MAP_MEMORY))),
            "component" => Target::Component(self.component(number, component)?),
            _ => Target::File(number, self.file(number)?),
        };
        let labels = self.files.iter().map(|file| file.label.clone()).collect();
        Ok(Search { hunt, target, labels })
    }

    /// Begins to plan an image of a range of a volume: `raw`, `qcow2`, or `packed` (the data alone).
    ///
    /// # Errors
    ///
    /// [`Refusal::Lost`] when bytes of the range are lost and `allow_lost` is not set, [`Refusal::Format`] when the
    /// format has no room.
    pub fn image(
        &mut self,
        volume: usize,
        start: u64,
        end: u64,
        format: &str,
        allow_lost: bool,
    ) -> Result<ImagePlan, Refusal> {
        let format = Format::named(format)?;
        let totals = self.totals_document(volume, start, end)?;
        let heap = self.heap()?;
        let mut components = heap.volumes()[volume].components.values();
        let described = components.find(|one| self.origins[heap.located()[one.candidate].0].specimen);
        if let Some(component) = described {
            return Err(Refusal::Specimen { file: heap.label_of(component.candidate).into() });
        }
        if totals.lost > 0 && !allow_lost {
            return Err(Refusal::Lost { lost: totals.lost, size: totals.size });
        }
        let image = Image::new(self.heap()?, volume, start..end, format)?;
        Ok(ImagePlan { image, added: self.origins.iter().map(|origin| origin.added).collect() })
    }

    /// The document of `export`, for an image that was written.
    #[wasm_bindgen(js_name = exportDocument)]
    pub fn export_document(
        &mut self,
        volume: usize,
        start: u64,
        end: u64,
        format: &str,
        output: &str,
    ) -> Result<Vec<u8>, Refusal> {
        let totals = self.totals_document(volume, start, end)?;
        let reader = &mut self.opened(volume)?.reader;
        let lost_ranges = LostRange::all(reader.segments(start..end));
        let opened = reader.volume();
        let format = match Format::named(format)? {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
            Format::Packed => "packed",
        };
        Ok(document::bytes(&Export {
            output: output.into(),
            format,
            volume: opened.name.to_string(),
            id: opened.id,
            start,
            size: end - start,
            data: totals.data,
            hole: totals.hole,
            lost: totals.lost,
            lost_ranges,
        }))
    }

    /// A digest over the metadata of all components: every record's sector, and every map up to `most` bytes. Taken
    /// before and after a long piece of work, it tells whether the set changed under it.
    pub fn fingerprint(&mut self, most: u64) -> Result<String, Refusal> {
        self.cache.borrow_mut().clear();
        let heap = Rc::clone(self.heap()?);
        let mut digest = crate::digest::Digest::new();
        for (file, located) in heap.located() {
            let input = &heap.files()[*file];
            let Ok(disk) = &input.disk else { continue };
            let start = located.start + located.tasted.offset;
            let len = u64::from(located.tasted.sector_size).min(disk.size() - start);
            take(&mut digest, disk, start, len).map_err(|error| Refusal::io(&input.label, 0, &error))?;
        }
        for volume in heap.volumes() {
            let Some(first) = volume.components.get(&ComponentIndex(0)) else { continue };
            let (file, located) = &heap.located()[first.candidate];
            let input = &heap.files()[*file];
            let Ok(disk) = &input.disk else { continue };
            let len = volume.map_entries().saturating_mul(8).min(most);
            take(&mut digest, disk, located.start, len)
                .map_err(|error| Refusal::io(&input.label, 0, &error))?;
        }
        Ok(digest.hex())
    }

    /// Bytes of memory that the engine has taken from the browser, and calls that read files.
    pub fn figures(&self) -> JsValue {
        #[derive(Serialize)]
        struct Figures {
            memory: u64,
            fetches: u64,
        }
        #[cfg(target_arch = "wasm32")]
        let memory = core::arch::wasm32::memory_size::<0>() as u64 * 65_536;
        #[cfg(not(target_arch = "wasm32"))]
        let memory = 0;
        object::from(&Figures { memory, fetches: self.cache.borrow().fetches() })
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

    fn opened(&mut self, volume: usize) -> Result<&mut Opened, Refusal> {
        self.heap()?;
        let volumes = self.volumes.len();
        self.volumes.get_mut(volume).ok_or(Refusal::NoSuchVolume { volume, volumes })
    }

    fn component(&mut self, volume: usize, component: u16) -> Result<ComponentDisk<Disk>, Refusal> {
        let reader = &self.opened(volume)?.reader;
        reader.disk(ComponentIndex(component)).cloned().ok_or(Refusal::NoSuchComponent { component })
    }

    fn file(&self, file: usize) -> Result<Disk, Refusal> {
        let disk = self.files.get(file).and_then(|file| file.disk.as_ref().ok());
        disk.cloned().ok_or(Refusal::NoSuchFile { file })
    }

    /// As the program does when no volume is chosen: all of them, and none when there is none.
    fn info_document(&self) -> Result<Info, Refusal> {
        let heap = self.heap()?;
        let all: Vec<usize> = (0..heap.volumes().len()).collect();
        Ok(Info::new(heap, &all))
    }

    fn check_document(&self, progress: &Function) -> Result<Check, Refusal> {
        let heap = self.heap()?;
        Ok(Check::new(heap, &worth_checking(heap), true, &mut |stage, done, all| {
            tell(progress, stage, done, all);
            ControlFlow::Continue(())
        }))
    }

    fn report_document(&self, progress: &Function) -> Result<Report, Refusal> {
        Ok(Report::new(self.heap()?, None, MAP_MEMORY, &mut |stage, done, all| {
            tell(progress, stage, done, all);
            ControlFlow::Continue(())
        }))
    }

    fn totals_document(&mut self, volume: usize, start: u64, end: u64) -> Result<Totals, Refusal> {
        let reader = &mut self.opened(volume)?.reader;
        let range = within(start, end, reader.volume().size())?;
        Ok(Totals::new(reader.segments(range)))
    }

    /// Fills `bytes` with the range, lost ones as zeros; gives those.
    fn read_volume(
        &mut self,
        volume: usize,
        range: Range<u64>,
        bytes: &mut [u8],
    ) -> Result<Vec<Segment>, Refusal> {
        let reader = &mut self.opened(volume)?.reader;
        let segments: Vec<Segment> = reader.segments(range.clone()).collect();
        let mut lost = Vec::new();
        for segment in segments {
            let start = to_usize(segment.start - range.start);
            let part = &mut bytes[start..start + to_usize(segment.len)];
            if matches!(segment.place, SegmentPlace::Lost(_)) {
                lost.push(segment);
                continue;
            }
            let reader = &self.volumes[volume].reader;
            reader.read_segment(&segment, part).map_err(|error| read_refusal(reader, &self.files, &error))?;
        }
        Ok(lost)
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

/// How far the index of a map is, in chunks and runs, and what it found, in bytes.
#[wasm_bindgen]
#[derive(Debug, Clone, Copy)]
pub struct IndexState {
    /// Chunks that were looked at.
    pub done: u64,
    /// Chunks in all.
    pub chunks: u64,
    /// Runs among those looked at.
    pub runs: u64,
    /// Bytes that lie on a component.
    pub data: u64,
    /// Bytes never written.
    pub hole: u64,
    /// Bytes not to be had.
    pub lost: u64,
}

impl IndexState {
    fn of(index: &MapIndex) -> Self {
        let sums = index.sums();
        Self {
            done: index.done(),
            chunks: index.chunks(),
            runs: index.runs().count(),
            data: sums.data,
            hole: sums.hole,
            lost: sums.lost,
        }
    }
}

/// Cells of a picture, as arrays of equal length.
#[wasm_bindgen]
pub struct Picture {
    cells: Vec<Cell>,
}

#[wasm_bindgen]
impl Picture {
    /// Shares of data in 255ths.
    #[must_use]
    pub fn data(&self) -> Uint8Array {
        Uint8Array::from(&self.cells.iter().map(|cell| cell.data).collect::<Vec<_>>()[..])
    }

    /// Shares of lost bytes in 255ths.
    #[must_use]
    pub fn lost(&self) -> Uint8Array {
        Uint8Array::from(&self.cells.iter().map(|cell| cell.lost).collect::<Vec<_>>()[..])
    }

    /// The component that has the data; 65535 where there is none.
    #[must_use]
    pub fn component(&self) -> Uint16Array {
        Uint16Array::from(&self.cells.iter().map(|cell| cell.component).collect::<Vec<_>>()[..])
    }
}

/// Rows of a table of runs, as arrays of equal length.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Runs {
    rows: Vec<Segment>,
}

#[wasm_bindgen]
impl Runs {
    /// First bytes on the volume.
    #[must_use]
    pub fn start(&self) -> BigUint64Array {
        BigUint64Array::from(&self.rows.iter().map(|row| row.start).collect::<Vec<_>>()[..])
    }

    /// Lengths in bytes.
    #[must_use]
    pub fn length(&self) -> BigUint64Array {
        BigUint64Array::from(&self.rows.iter().map(|row| row.len).collect::<Vec<_>>()[..])
    }

    /// 0: hole; 1: data; 2: lost with a missing component; 3: lost by a bad entry; 4: lost without a map; 5: lost past
    /// the end of a component; 6: lost in an area that cannot be read.
    #[must_use]
    pub fn state(&self) -> Uint8Array {
        let state = |row: &Segment| match row.place {
            SegmentPlace::Hole => 0,
            SegmentPlace::Data { .. } => 1,
            SegmentPlace::Lost(Lost::MissingComponent(_)) => 2,
            SegmentPlace::Lost(Lost::BadEntry) => 3,
            SegmentPlace::Lost(Lost::NoMap) => 4,
            SegmentPlace::Lost(Lost::PastEnd(_)) => 5,
            SegmentPlace::Lost(Lost::BadArea(_)) => 6,
        };
        Uint8Array::from(&self.rows.iter().map(state).collect::<Vec<_>>()[..])
    }

    /// The component that the bytes lie on or would lie on; 65535 where there is none.
    #[must_use]
    pub fn component(&self) -> Uint16Array {
        let component = |row: &Segment| match row.place {
            SegmentPlace::Data { component, .. }
            | SegmentPlace::Lost(
                Lost::MissingComponent(component) | Lost::PastEnd(component) | Lost::BadArea(component),
            ) => component.0,
            _ => NO_COMPONENT,
        };
        Uint16Array::from(&self.rows.iter().map(component).collect::<Vec<_>>()[..])
    }

    /// First bytes on the component; -1 where there is none.
    #[must_use]
    pub fn offset(&self) -> BigInt64Array {
        let offset = |row: &Segment| match row.place {
            SegmentPlace::Data { offset, .. } => i64::try_from(offset).unwrap_or(i64::MAX),
            _ => -1,
        };
        BigInt64Array::from(&self.rows.iter().map(offset).collect::<Vec<_>>()[..])
    }

    fn push(&mut self, segment: Segment) {
        self.rows.push(segment);
    }
}

/// Bytes that were read.
#[wasm_bindgen]
pub struct Bytes {
    bytes: Vec<u8>,
    lost: Vec<Segment>,
}

#[wasm_bindgen]
impl Bytes {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Uint8Array {
        Uint8Array::from(&self.bytes[..])
    }

    /// The lost ones among them, which are zeros here: start and length of each stretch in turn.
    #[must_use]
    pub fn lost(&self) -> BigUint64Array {
        let pairs: Vec<u64> = self.lost.iter().flat_map(|segment| [segment.start, segment.len]).collect();
        BigUint64Array::from(&pairs[..])
    }
}

/// A search under way.
#[wasm_bindgen]
pub struct Search {
    hunt: Hunt,
    target: Target,
    labels: Vec<String>,
}

enum Target {
    Volume(Box<Reader>),
    Component(ComponentDisk<Disk>),
    File(usize, Disk),
}

#[wasm_bindgen]
impl Search {
    /// Goes on by at most 4 MiB, or over a hole; gives where hits begin.
    ///
    /// # Errors
    ///
    /// [`Refusal::Io`] when a file cannot be read.
    pub fn step(&mut self) -> Result<BigUint64Array, Refusal> {
        let Self { hunt, target, labels } = self;
        if hunt.is_done() {
            return Ok(BigUint64Array::new_with_length(0));
        }
        let hits = match target {
            Target::File(file, disk) => hunt
                .step(Stretch::Bytes(u64::MAX), |offset, buf| disk.read_at(offset, buf))
                .map_err(|error| Refusal::io(&labels[*file], 0, &error)),
            Target::Component(disk) => hunt
                .step(Stretch::Bytes(u64::MAX), |offset, buf| disk.read_at(offset, buf))
                .map_err(|error| Refusal::io(&labels[disk.disk().file()], disk.start(), &error)),
            Target::Volume(reader) => {
                let end = reader.volume().size();
                let segment =
                    reader.segments(hunt.next()..end).next().expect("the search is within the volume");
                let is_data = matches!(segment.place, SegmentPlace::Data { .. });
                let stretch =
                    if is_data { Stretch::Bytes(segment.len) } else { Stretch::Nothing(segment.len) };
                hunt.step(stretch, |_, buf| reader.read_segment(&segment, buf))
                    .map_err(|error| label_refusal(reader, labels, &error))
            }
        }?;
        Ok(BigUint64Array::from(&hits[..]))
    }

    /// First byte that was not looked at.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.hunt.next()
    }

    /// Whether all was looked at.
    #[wasm_bindgen(js_name = isDone)]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.hunt.is_done()
    }
}

/// An image as it is planned.
#[wasm_bindgen]
pub struct ImagePlan {
    image: Image,
    /// The number of the added file, for each of the session's.
    added: Vec<usize>,
}

#[wasm_bindgen]
impl ImagePlan {
    /// The parts that come next, at most `count`; none at the end.
    ///
    /// # Errors
    ///
    /// [`Refusal::Format`] when the map has changed since the plan was made.
    pub fn next(&mut self, count: usize) -> Result<ImageParts, Refusal> {
        let mut parts = ImageParts { parts: Vec::new() };
        let mut bytes = 0;
        while parts.parts.len() < count.min(MOST_ROWS) && bytes < MOST_BYTES {
            let Some(part) = self.image.next() else { break };
            let mut part = part?;
            match &mut part {
                Part::Bytes(made) => bytes += made.len(),
                Part::File { file, .. } => *file = self.added[*file],
                Part::Zeros(_) => {}
            }
            parts.parts.push(part);
        }
        Ok(parts)
    }
}

/// Parts of an image, as arrays of equal length.
#[wasm_bindgen]
pub struct ImageParts {
    parts: Vec<Part>,
}

#[wasm_bindgen]
impl ImageParts {
    /// The number of the file as it was added; -1 for zeros, -2 for bytes that are in [`bytes`](Self::bytes).
    #[must_use]
    pub fn file(&self) -> Int32Array {
        let file = |part: &Part| match part {
            Part::File { file, .. } => i32::try_from(*file).unwrap_or(i32::MAX),
            Part::Zeros(_) => -1,
            Part::Bytes(_) => -2,
        };
        Int32Array::from(&self.parts.iter().map(file).collect::<Vec<_>>()[..])
    }

    /// First bytes in the file, or in [`bytes`](Self::bytes).
    #[must_use]
    pub fn offset(&self) -> BigUint64Array {
        let mut made = 0;
        let offset = |part: &Part| match part {
            Part::File { offset, .. } => *offset,
            Part::Zeros(_) => 0,
            Part::Bytes(bytes) => {
                made += bytes.len() as u64;
                made - bytes.len() as u64
            }
        };
        BigUint64Array::from(&self.parts.iter().map(offset).collect::<Vec<_>>()[..])
    }

    /// Lengths in bytes.
    #[must_use]
    pub fn length(&self) -> BigUint64Array {
        let length = |part: &Part| match part {
            Part::File { len, .. } | Part::Zeros(len) => *len,
            Part::Bytes(bytes) => bytes.len() as u64,
        };
        BigUint64Array::from(&self.parts.iter().map(length).collect::<Vec<_>>()[..])
    }

    /// The bytes that were made, one after the other.
    #[must_use]
    pub fn bytes(&self) -> Uint8Array {
        let made = self.parts.iter().filter_map(|part| match part {
            Part::Bytes(bytes) => Some(&bytes[..]),
            _ => None,
        });
        Uint8Array::from(&made.collect::<Vec<_>>().concat()[..])
    }
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

fn check_picture(first: u64, bits: u32, cells: usize) -> Result<(), Refusal> {
    if cells > MOST_CELLS {
        return Err(Refusal::BadPicture { value: cells as u64, bound: "at most 1048576 cells" });
    }
    if bits > 48 {
        return Err(Refusal::BadPicture { value: u64::from(bits), bound: "at most 2^48 chunks in a cell" });
    }
    if !first.is_multiple_of(1 << bits) {
        return Err(Refusal::BadPicture { value: first, bound: "a multiple of the chunks in a cell" });
    }
    Ok(())
}

fn within(start: u64, end: u64, size: u64) -> Result<Range<u64>, Refusal> {
    if start <= end && end <= size { Ok(start..end) } else { Err(Refusal::OutOfRange { start, end, size }) }
}

fn take(
    digest: &mut crate::digest::Digest,
    disk: &Disk,
    start: u64,
    len: u64,
) -> Result<(), virstor::io::IoError> {
    let mut buffer = vec![0; to_usize(len.min(1 << 20))];
    let mut done = 0;
    while done < len {
        let piece = &mut buffer[..to_usize((len - done).min(1 << 20))];
        disk.read_at(start + done, piece)?;
        digest.update(piece);
        done += piece.len() as u64;
    }
    Ok(())
}

fn read_refusal(reader: &Reader, files: &[InputFile<Disk>], error: &ReadError) -> Refusal {
    let labels: Vec<String> = files.iter().map(|file| file.label.clone()).collect();
    label_refusal(reader, &labels, error)
}

fn label_refusal(reader: &Reader, labels: &[String], error: &ReadError) -> Refusal {
    match error {
        ReadError::Lost { start, .. } => Refusal::OutOfRange { start: *start, end: *start, size: 0 },
        ReadError::Io { component, error } => {
            let disk = reader.disk(*component).expect("it was read from");
            Refusal::io(&labels[disk.disk().file()], disk.start(), error)
        }
    }
}

fn to_usize(bounded: u64) -> usize {
    usize::try_from(bounded).expect("the caller bounds it")
}
