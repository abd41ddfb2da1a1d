//! What FreeBSD would do: the kernel's class, as far as tasting and starting go, run on values.
//!
//! A [`Kernel`] is offered providers one after the other, as at boot, and ends in the state the real class
//! would end in, panics included. Functions are named as in `g_virstor.c`. What the real class leaves to
//! uninitialised memory is taken as zeros here.

mod dumpconf;
mod log;

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::ops::ControlFlow;

pub use self::dumpconf::{Configuration, Note};
pub use self::log::{Level, LogLine};

use crate::counted::{agreeing, counted};
use crate::format::{MAP_ENTRY_LEN, Printable, RECORD_LEN, Record};
use crate::io::{IoError, ReadAt};
use crate::map::{self, ComponentBounds, MapReport};
use crate::ordered::Map;
use crate::taste::{Objection, objection};

/// The tunables of the class, with its defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunables {
    /// `kern.geom.virstor.debug`. Not only for looks: the warning that panics is printed from 2 on.
    pub debug: u32,
    /// `kern.geom.virstor.chunk_watermark`.
    pub chunk_watermark: u32,
    /// `kern.geom.virstor.component_watermark`.
    pub component_watermark: u32,
}

impl Default for Tunables {
    fn default() -> Self {
        Self { debug: 2, chunk_watermark: 100, component_watermark: 1 }
    }
}

/// A provider that is offered to the class.
#[derive(Debug, Clone)]
pub struct Provider<D> {
    /// Its name, without `/dev/`.
    pub name: Vec<u8>,
    /// Its bytes.
    pub disk: D,
    /// Its sector size in bytes. A power of two between 512 and 65536.
    pub sector_size: u32,
}

/// Scans a map on behalf of the kernel: `(disk, entries, bounds)`. The caller may remember results.
pub type MapScanner<'a, D> = dyn FnMut(&D, u64, &map::Bounds) -> MapReport + 'a;

/// The class and what it holds after tasting.
#[derive(Debug)]
pub struct Kernel<D> {
    tunables: Tunables,
    providers: Vec<Provider<D>>,
    geoms: Vec<Geom>,
    log: Vec<LogLine>,
    panic: Option<Panic>,
}

/// Why the machine stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// The words on the console.
    pub message: &'static str,
    /// The geom that was at work.
    pub geom: usize,
}

/// The console's words when a NULL pointer is followed.
const PAGE_FAULT: &str = "Fatal trap 12: page fault while in kernel mode (fault address NULL page)";

/// What became of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its last sector cannot be read, or carries no magic: none of the class's business.
    NotTasted,
    /// It carries the magic, but the class does not take it.
    Objected(Objection),
    /// It became a component of the geom with this index in [`Kernel::geoms`].
    Attached(usize),
    /// The class tried and failed with this errno. `None`: the geom itself was refused.
    Refused {
        /// The geom it was refused by, if one was there.
        geom: Option<usize>,
        /// `EINVAL` or `EEXIST`.
        errno: Option<u32>,
        /// Why, for people.
        reason: String,
    },
    /// The machine had stopped before.
    Panicked,
}

const EINVAL: u32 = 22;
const EEXIST: u32 = 17;
const EIO: u32 = 5;

/// An instance of the class: `struct g_virstor_softc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geom {
    /// Its name: the C string the record's name field starts.
    pub name: Vec<u8>,
    /// `sc->id`.
    pub id: u32,
    /// `sc->n_components`.
    pub component_count: u16,
    /// `sc->chunk_size`, in bytes.
    pub chunk_size: u32,
    /// `sc->virsize`, in bytes.
    pub virtual_size: u64,
    /// `sc->chunk_count`: 0 until all components were there once, and that is what dumpconf divides by.
    pub chunk_count: u64,
    /// `sc->sectorsize`.
    pub sector_size: u32,
    /// `sc->curr_component`.
    pub current: u16,
    /// Attached components, by number.
    pub components: Map<u16, KernelComponent>,
    /// Consumers in the order of attachment, also those whose component was refused after attaching:
    /// `None` for these.
    consumers: Vec<(usize, Option<u16>)>,
    /// Whether the device is there: `sc->provider`.
    pub up: bool,
    /// Why not, for people; empty when it is up.
    pub trouble: String,
    /// Whether the geom is still there.
    alive: bool,
}

/// `struct g_virstor_component`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelComponent {
    /// Index of the provider in the order of tasting.
    pub provider: usize,
    /// `chunk_count`.
    pub chunk_count: u32,
    /// `chunk_next`: as recorded until the map was counted, then reserved + entries.
    pub chunk_next: u32,
    /// `chunk_reserved`.
    pub chunk_reserved: u32,
    /// `flags`.
    pub flags: u16,
}

impl<D: ReadAt> Kernel<D> {
    /// A class that has seen nothing yet.
    #[must_use]
    pub fn new(tunables: Tunables) -> Self {
        Self { tunables, providers: Vec::new(), geoms: Vec::new(), log: Vec::new(), panic: None }
    }

    /// All instances, also those that were torn down again; see [`Kernel::geom`].
    #[must_use]
    pub fn geoms(&self) -> &[Geom] {
        &self.geoms
    }

    /// The instance of that name and id.
    #[must_use]
    pub fn geom(&self, name: &[u8], id: u32) -> Option<&Geom> {
        self.geoms.iter().find(|geom| geom.alive && geom.name == name && geom.id == id)
    }

    /// The providers, in the order they were offered.
    #[must_use]
    pub fn providers(&self) -> &[Provider<D>] {
        &self.providers
    }

    /// What stopped the machine, if something did.
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        self.panic.as_ref()
    }

    /// What the class printed, as the `debug` tunable has it.
    pub fn log(&self) -> impl Iterator<Item = &LogLine> {
        let debug = self.tunables.debug;
        self.log.iter().filter(move |line| line.level.number() <= debug)
    }

    /// What the class would answer to a read of `kern.geom.confxml`.
    #[must_use]
    pub fn configuration(&self) -> Configuration {
        dumpconf::configuration(self)
    }

    /// Whether reading the configuration of `geom` stops the machine, and why.
    #[must_use]
    pub fn dumpconf_panic(&self, geom: &Geom) -> Option<String> {
        dumpconf::panic_of(geom)
    }

    /// Offers a provider (`g_virstor_taste`).
    pub fn taste(&mut self, provider: Provider<D>, scan: &mut MapScanner<'_, D>) -> Outcome {
        if self.panic.is_some() {
            return Outcome::Panicked;
        }
        let name = Printable(&provider.name);
        self.say(Level::Debug, format!("Tasting {name}"));
        let Ok(record) = read_metadata(&provider) else { return Outcome::NotTasted };
        if !record.has_magic() {
            return Outcome::NotTasted;
        }
        if let Some(why) = objection(&record, provider.disk.size(), &provider.name) {
            if let Objection::Version { version } = why {
                self.say_bad_version(&record, &provider, version);
            }
            return Outcome::Objected(why);
        }
        self.providers.push(provider);
        self.join(self.providers.len() - 1, &record, scan)
    }

    fn say_bad_version(&mut self, record: &Record, provider: &Provider<D>, version: u32) {
        let (device, name) = (record.name_as_c_string(), Printable(&provider.name));
        // The format is %d: the number is signed.
        let (version, wanted) = (version.cast_signed(), crate::format::VERSION);
        let device = Printable(&device);
        self.say(
            Level::Error,
            format!(
                "Kernel module version invalid to handle {device} ({name}) : {version} should be {wanted}"
            ),
        );
    }

    /// The second half of `g_virstor_taste`: into the instance that is there, or into a new one.
    fn join(&mut self, provider: usize, record: &Record, scan: &mut MapScanner<'_, D>) -> Outcome {
        let name = self.provider_name(provider);
        let device = record.name_as_c_string();
        let printable = format!("{}", Printable(&device));
        let same = |geom: &Geom| geom.alive && geom.name == device && geom.id == record.md_id.get();
        if let Some(geom) = self.geoms.iter().position(same) {
            self.say(Level::Info, format!("Adding {name} to {printable}"));
            return match self.add_provider(geom, provider, record, scan) {
                Ok(()) => self.joined(geom),
                Err((errno, reason)) => {
                    self.say(Level::Error, format!("Error adding {name} to {printable} (error {errno})"));
                    Outcome::Refused { geom: Some(geom), errno: Some(errno), reason }
                }
            };
        }
        let geom = match self.create_geom(record, device) {
            Ok(geom) => geom,
            Err(reason) => {
                self.say(Level::Error, format!("Error creating new instance of class VIRSTOR: {printable}"));
                self.say(Level::Debug, format!("Error creating {printable} at {name}"));
                return Outcome::Refused { geom: None, errno: None, reason };
            }
        };
        self.say(Level::Info, format!("Adding {name} to {printable} (first found)"));
        match self.add_provider(geom, provider, record, scan) {
            Ok(()) => self.joined(geom),
            Err((errno, reason)) => {
                self.say(Level::Error, format!("Error adding {name} to {printable} (error {errno})"));
                self.geoms[geom].alive = false;
                self.say(Level::Debug, format!("Device {printable} destroyed"));
                Outcome::Refused { geom: None, errno: Some(errno), reason }
            }
        }
    }

    fn joined(&self, geom: usize) -> Outcome {
        if self.panic.is_some() { Outcome::Panicked } else { Outcome::Attached(geom) }
    }

    /// `create_virstor_geom`.
    fn create_geom(&mut self, record: &Record, name: Vec<u8>) -> Result<usize, String> {
        let printable = format!("{}", Printable(&name));
        let id = record.md_id.get();
        self.say(Level::Debug, format!("Creating geom instance for {printable} (id={id})"));
        let (count, chunk_size) = (record.md_count.get(), record.md_chunk_size.get());
        let virtual_size = record.md_virsize.get();
        if count < 1 || chunk_size < 1 || virtual_size < u64::from(chunk_size) {
            self.say(Level::Error, format!("Nonsensical metadata information for {printable}"));
            return Err(format!(
                "nonsensical record: {}, chunk size {chunk_size}, virtual size {virtual_size}",
                counted(count, "component")
            ));
        }
        if let Some(other) = self.geoms.iter().find(|geom| geom.alive && geom.name == name) {
            let other_id = other.id;
            self.say(Level::Warning, format!("Geom {printable} already exists"));
            self.say(Level::Error, log::stale_components(&printable));
            return Err(format!("a volume of this name with id {other_id} was found first"));
        }
        self.say(Level::Announce, format!("Device {printable} created"));
        self.geoms.push(Geom {
            name,
            id,
            component_count: count,
            chunk_size,
            virtual_size,
            chunk_count: 0,
            sector_size: 0,
            current: 0,
            components: Map::default(),
            consumers: Vec::new(),
            up: false,
            trouble: String::new(),
            alive: true,
        });
        Ok(self.geoms.len() - 1)
    }

    /// `add_provider_to_geom`.
    fn add_provider(
        &mut self,
        geom: usize,
        provider: usize,
        record: &Record,
        scan: &mut MapScanner<'_, D>,
    ) -> Result<(), (u32, String)> {
        let name = self.provider_name(provider);
        let sector_size = self.providers[provider].sector_size;
        let index = record.no.get();
        let sc = &mut self.geoms[geom];
        let device = format!("{}", Printable(&sc.name));
        if index >= sc.component_count {
            let count = sc.component_count;
            return Err((EINVAL, format!("its number {index} is not below the component count {count}")));
        }
        if let Some(other) = sc.components.get(&index) {
            let other = other.provider;
            return Err((EEXIST, format!("{} is component {index} already", self.provider_name(other))));
        }
        // The newest consumer heads the list, so it is the one compared with; a refused one stays on it.
        let newest = sc.consumers.last().map(|(consumer, _)| *consumer);
        sc.consumers.push((provider, None));
        if let Some(other) = newest.map(|other| self.providers[other].sector_size)
            && other != sector_size
        {
            self.say(
                Level::Error,
                format!("Provider {name} of {device} has invalid sector size ({sector_size})"),
            );
            return Err((EINVAL, format!("its sector size is {sector_size}, not {other}")));
        }
        let sc = &mut self.geoms[geom];
        sc.consumers.last_mut().expect("pushed above").1 = Some(index);
        sc.components.insert(
            index,
            KernelComponent {
                provider,
                chunk_count: record.chunk_count.get(),
                chunk_next: record.chunk_next.get(),
                chunk_reserved: u32::from(record.chunk_reserved.get()),
                flags: record.flags.get(),
            },
        );
        self.say(Level::Debug, format!("{name} attached to {device}"));
        if let Err(trouble) = self.check_and_run(geom, scan) {
            self.geoms[geom].trouble = trouble;
        }
        Ok(())
    }

    /// `virstor_check_and_run`.
    fn check_and_run(&mut self, geom: usize, scan: &mut MapScanner<'_, D>) -> Result<(), String> {
        let sc = &mut self.geoms[geom];
        if sc.components.len() < usize::from(sc.component_count) {
            return Ok(());
        }
        sc.sector_size = self.providers[sc.components[&0].provider].sector_size;
        sc.chunk_count = sc.virtual_size / u64::from(sc.chunk_size);
        let ragged = sc.chunk_count * u64::from(sc.chunk_size) != sc.virtual_size;
        if ragged && self.tunables.debug >= Level::Warning.number() {
            // The warning about the truncation prints the name of a provider that does not exist yet.
            self.panic = Some(Panic { message: PAGE_FAULT, geom });
            self.log.push(LogLine::panic(PAGE_FAULT));
            return Err(
                "the virtual size is not a multiple of the chunk size, and the kernel follows a NULL \
                        pointer when it says so"
                    .into(),
            );
        }
        self.say_chunks(geom);
        let report = self.read_map(geom, scan)?;
        self.choose_current(geom);
        self.count_map(geom, &report)?;
        self.geoms[geom].up = true;
        self.say_started(geom);
        Ok(())
    }

    fn say_chunks(&mut self, geom: usize) {
        let sc = &self.geoms[geom];
        let physical: u64 = sc.components.values().map(|component| u64::from(component.chunk_count)).sum();
        let line = format!(
            "Device {} has {physical} physical chunks and {} virtual ({} KB chunks)",
            Printable(&sc.name),
            sc.chunk_count,
            sc.chunk_size / 1024
        );
        self.say(Level::Info, line);
    }

    /// Reads the map from component 0, whole.
    fn read_map(&mut self, geom: usize, scan: &mut MapScanner<'_, D>) -> Result<MapReport, String> {
        let sc = &self.geoms[geom];
        let first = &self.providers[sc.components[&0].provider];
        let (device, name) = (format!("{}", Printable(&sc.name)), format!("{}", Printable(&first.name)));
        let map_size = u128::from(sc.chunk_count) * MAP_ENTRY_LEN as u128;
        self.say(Level::Debug, format!("Reading map for {device} from {name}"));

        let sc = &self.geoms[geom];
        let first = &self.providers[sc.components[&0].provider];
        let readable = map_size / u128::from(sc.sector_size) * u128::from(sc.sector_size);
        if map_size > u128::from(map::MAX_ENTRIES) * MAP_ENTRY_LEN as u128 {
            return Err(format!(
                "the map needs {map_size} bytes of kernel memory: the kernel waits for ever"
            ));
        }
        if readable > u128::from(first.disk.size()) {
            let offset = first.disk.size();
            self.say(Level::Error, log::map_error(&device, &name, offset, EIO));
            return Err(format!("the map ({map_size} bytes) is longer than component 0 ({offset} bytes)"));
        }
        let entries = u64::try_from(readable / MAP_ENTRY_LEN as u128).expect("it fits the disk");
        let bounds: Vec<_> = sc
            .components
            .values()
            .map(|component| {
                let (reserved, chunk_count) = (component.chunk_reserved, component.chunk_count);
                Some(ComponentBounds { reserved, chunk_count })
            })
            .collect();
        let report = scan(&first.disk, entries, &bounds);
        if readable != map_size && readable > 0 {
            self.say(Level::Error, format!("Trouble: map is not sector-aligned for {device} on {name}"));
        }
        if let Some(error) = &report.read_error {
            self.say(Level::Error, log::map_error(&device, &name, error.offset, EIO));
            return Err(format!("the map cannot be read: {error}"));
        }
        self.say(Level::Debug, format!("Read map for {device}"));
        Ok(report)
    }

    /// Picks the component to allocate from, by the cursors on disk, and warns.
    fn choose_current(&mut self, geom: usize) {
        let sc = &mut self.geoms[geom];
        let free = |component: &KernelComponent| component.chunk_next < component.chunk_count;
        let first_free = sc.components.iter().find(|(_, component)| free(component)).map(|(index, _)| *index);
        let index = first_free.unwrap_or(sc.component_count - 1);
        sc.current = index;
        let current = sc.components[&index];
        let (device, count) = (format!("{}", Printable(&sc.name)), u32::from(sc.component_count));
        let name = self.provider_name(current.provider);
        let tunables = self.tunables;
        // Both comparisons are of unsigned numbers that may have gone below zero, as in the kernel.
        if u32::from(index) >= count.wrapping_sub(tunables.component_watermark).wrapping_sub(1) {
            let line = format!(
                "Device {device} running out of components ({}/{count}: {name})",
                u32::from(index) + 1
            );
            self.say(Level::Warning, line);
        }
        if current.chunk_next >= current.chunk_count.wrapping_sub(tunables.chunk_watermark) {
            let left = current.chunk_count.wrapping_sub(current.chunk_next);
            let line =
                format!("Component {name} of {device} is running out of free space ({left} chunks left)");
            self.say(Level::Warning, line);
        }
    }

    /// Counts the entries of each component, up to the first that is not valid.
    fn count_map(&mut self, geom: usize, report: &MapReport) -> Result<(), String> {
        let invalid = report.first_invalid.as_ref();
        let used = invalid.map_or(&report.used, |invalid| &invalid.used_before);
        let sc = &mut self.geoms[geom];
        for (index, component) in &mut sc.components {
            let entries = used.get(&crate::geometry::ComponentIndex(*index)).copied().unwrap_or(0);
            let counted = u64::from(component.chunk_reserved) + entries;
            component.chunk_next = u32::try_from(counted & u64::from(u32::MAX)).expect("masked");
        }
        let Some(invalid) = invalid else { return Ok(()) };
        let (at, entry) = (invalid.at.0, invalid.entry);
        let sc = &self.geoms[geom];
        // Beyond the last component the kernel prints whatever memory holds there.
        let chunk_count = sc.components.get(&entry.component.0).map_or(0, |component| component.chunk_count);
        let (device, count) = (format!("{}", Printable(&sc.name)), sc.component_count);
        for line in log::invalid_entry(&device, at, entry, count, chunk_count) {
            self.say(Level::Error, line);
        }
        let (component, chunk) = (entry.component, entry.chunk.0);
        Err(if component.0 >= count {
            format!(
                "map entry {at} names component {component}, and there {} {count}",
                agreeing(count, "is", "are")
            )
        } else {
            format!("map entry {at} names chunk {chunk} of component {component}, which has {chunk_count}")
        })
    }

    fn say_started(&mut self, geom: usize) {
        let sc = &self.geoms[geom];
        let device = format!("virstor/{}", Printable(&sc.name));
        let (current, next) = (sc.current, sc.components[&sc.current].chunk_next);
        self.say(Level::Info, format!("{device} activated"));
        let line = format!("{device} starting with current component {current}, starting chunk {next}");
        self.say(Level::Debug, line);
    }

    fn provider_name(&self, provider: usize) -> String {
        format!("{}", Printable(&self.providers[provider].name))
    }

    fn say(&mut self, level: Level, text: String) {
        self.log.push(LogLine::new(level, text));
    }
}

/// `read_metadata`: the last sector.
fn read_metadata<D: ReadAt>(provider: &Provider<D>) -> Result<Record, IoError> {
    let (size, sector_size) = (provider.disk.size(), u64::from(provider.sector_size));
    let Some(offset) = size.checked_sub(sector_size) else {
        return Err(IoError::new(0, 0, "smaller than a sector"));
    };
    let mut record = vec![0; RECORD_LEN];
    provider.disk.read_at(offset, &mut record)?;
    Ok(Record::decode(&record))
}

/// A scanner that remembers nothing and reports no progress.
pub fn plain_scanner<D: ReadAt>(disk: &D, entries: u64, bounds: &map::Bounds) -> MapReport {
    map::scan(disk, entries, bounds, &mut |_, _| ControlFlow::Continue(()))
}
