//! Label: the geometry of a new volume, and the patches that make it.
//!
//! The arithmetic is that of `gvirstor label` (`virstor_label` in `geom_virstor.c`), so that a volume made
//! here is byte for byte one made by FreeBSD wherever FreeBSD gets it right. Where it does not (a product of
//! 32 bits, a reserved count of 16, names cut in silence) the volume is made right and a [`Note`] says so, or
//! the request is refused with the number that is wrong. [`Request::compat_freebsd`] gives FreeBSD's bytes,
//! bugs included, with the same notes.

use alloc::vec;
use alloc::vec::Vec;

use zerocopy::IntoBytes;
use zerocopy::byteorder::{U16, U32, U64};

use crate::format::{ComponentFlags, MAGIC, MAP_ENTRY_LEN, RECORD_LEN, Record, SECTOR_SIZES, VERSION};
use crate::geometry::{ChunkSize, ComponentIndex};
use crate::map::MAX_ENTRIES;
use crate::patch::Patch;

/// `-s` when it is not given: 2 TiB.
pub const DEFAULT_VIRTUAL_SIZE: u64 = 2 << 40;

/// `-m` when it is not given: 4 MiB.
pub const DEFAULT_CHUNK_SIZE: u64 = 4 << 20;

/// What chunk sizes are multiples of on FreeBSD 13 and later, on 64 bits. It was 128 KiB before, and is still
/// on 32 bits.
pub const DEFAULT_MAXPHYS: u32 = 1 << 20;

/// The longest name a record can hold with its NUL, in bytes.
pub const MAX_NAME_LEN: usize = 15;

/// FreeBSD calls a component with less room than this many chunks too small.
pub(crate) const LEAST_CHUNKS: u64 = 4;

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Name of the volume, at most [`MAX_NAME_LEN`] bytes.
    pub name: &'a [u8],
    /// What tells it from others of its name; `gvirstor` draws it by chance.
    pub id: u32,
    /// Size of the virtual device in bytes, before rounding.
    pub virtual_size: u64,
    /// Size of a chunk in bytes, before rounding.
    pub chunk_size: u64,
    /// Chunk sizes are rounded up to a multiple of this many bytes.
    pub maxphys: u32,
    /// Whether the providers' names go into their records.
    pub hardcode: bool,
    /// The components to be, in order.
    pub providers: &'a [Provider<'a>],
    /// Whether to do what FreeBSD's `label` does where that is wrong.
    pub compat_freebsd: bool,
}

/// A disk that is to become a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider<'a> {
    /// What FreeBSD calls it, without `/dev/`.
    pub name: &'a [u8],
    /// Its size in bytes.
    pub size: u64,
    /// Its sector size in bytes.
    pub sector_size: u32,
}

/// What a new volume will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelPlan {
    /// Size of every chunk.
    pub chunk_size: ChunkSize,
    /// Size of the virtual device in bytes.
    pub virtual_size: u64,
    /// Sector size of every component in bytes.
    pub sector_size: u32,
    /// The components, in order.
    pub components: Vec<PlannedComponent>,
    /// What is not as it was asked for, or not as FreeBSD would have it, in the order in which it was found.
    pub notes: Vec<Note>,
}

/// A component of a new volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedComponent {
    /// Its record.
    pub record: Record,
    /// How many whole chunks it has room for, not counting that the record needs some: the number that
    /// `gvirstor label -v` prints.
    pub whole_chunks: u64,
}

/// Something the user should know about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The chunk size was rounded up to a multiple of `maxphys`.
    ChunkSizeRounded {
        /// What was asked for, in bytes.
        asked: u64,
        /// What it became, in bytes.
        chunk_size: u64,
    },
    /// The virtual size was rounded down to whole chunks.
    VirtualSizeRounded {
        /// What was asked for, in bytes.
        asked: u64,
        /// What it became, in bytes.
        virtual_size: u64,
    },
    /// Chunks were added so that the map fills whole sectors.
    VirtualSizePadded {
        /// The size with them, in bytes.
        virtual_size: u64,
        /// How many.
        new_chunks: u64,
    },
    /// The volume is smaller than its components together: what is more can never be used.
    SmallerThanPhysical {
        /// The virtual size in bytes.
        virtual_size: u64,
        /// The size of all components in bytes.
        physical: u64,
    },
    /// FreeBSD counts one chunk more on this component, and that one would cover the record.
    LastChunk {
        /// Which.
        component: ComponentIndex,
        /// What FreeBSD counts.
        freebsd: u32,
        /// What there is room for.
        room: u32,
    },
    /// Twice the chunks of the map do not fit the 16 bits of the reserved count.
    ReserveClipped {
        /// How many chunks should be reserved.
        wanted: u64,
        /// How many are. With `compat_freebsd` that may be less than the map takes.
        reserved: u16,
    },
    /// Only with `compat_freebsd`: the component is too small, and is labelled all the same.
    TooSmall {
        /// Which.
        component: ComponentIndex,
        /// Its size in bytes.
        size: u64,
        /// What it should have, in bytes.
        needed: u64,
    },
    /// Only with `compat_freebsd`: the chunk size was cut to 32 bits.
    ChunkSizeCut {
        /// What was asked for, in bytes.
        asked: u64,
        /// What is left, in bytes.
        chunk_size: u32,
    },
    /// Only with `compat_freebsd`: less than one chunk was asked for, and the volume has no size. The kernel
    /// refuses it.
    NoVirtualSize {
        /// What was asked for, in bytes.
        asked: u64,
        /// A chunk, in bytes.
        chunk_size: u64,
    },
    /// Only with `compat_freebsd`: the volume's name was cut to [`MAX_NAME_LEN`] bytes.
    NameCut {
        /// Its length in bytes.
        len: usize,
    },
    /// Only with `compat_freebsd`: the provider's name was cut, so the kernel will never find this component.
    ProviderNameCut {
        /// Which.
        component: ComponentIndex,
        /// The length of its name in bytes.
        len: usize,
    },
}

/// Why a volume cannot be made as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelError {
    /// The volume has no name.
    NoName,
    /// The volume's name does not fit its record, or contains a NUL.
    Name {
        /// Its length in bytes; at most [`MAX_NAME_LEN`].
        len: usize,
    },
    /// There are no components.
    NoComponents,
    /// There are more components than the format can count.
    TooManyComponents {
        /// How many; at most 65,535.
        count: usize,
    },
    /// The same provider is given twice.
    ProviderTwice {
        /// Its first place.
        first: ComponentIndex,
        /// Its second.
        second: ComponentIndex,
    },
    /// A provider's name does not fit its record.
    ProviderName {
        /// Which.
        component: ComponentIndex,
        /// The length of its name in bytes; at most [`MAX_NAME_LEN`].
        len: usize,
    },
    /// A sector size that is not one of [`SECTOR_SIZES`].
    SectorSize {
        /// Which component.
        component: ComponentIndex,
        /// Its sector size in bytes.
        sector_size: u32,
    },
    /// Components have sectors of different sizes.
    SectorSizesDiffer {
        /// The first that differs.
        component: ComponentIndex,
        /// Its sector size in bytes.
        sector_size: u32,
        /// That of component 0.
        expected: u32,
    },
    /// A component is not a whole number of sectors long, so it has no last sector.
    BrokenSector {
        /// Which.
        component: ComponentIndex,
        /// Its size in bytes.
        size: u64,
        /// Its sector size in bytes.
        sector_size: u32,
    },
    /// The chunk size or the virtual size is zero, or `maxphys` is.
    Zero,
    /// The chunk size is too large for its 32 bits.
    ChunkSizeTooLarge {
        /// The chunk size, rounded up, in bytes.
        chunk_size: u64,
        /// The largest there is, in bytes.
        largest: u64,
    },
    /// The chunk size is not a multiple of the sector size.
    ChunkSizeNotSectors {
        /// The chunk size, rounded up, in bytes.
        chunk_size: u64,
        /// The sector size in bytes.
        sector_size: u32,
    },
    /// The virtual size is less than a chunk.
    VirtualSizeTooSmall {
        /// What was asked for, in bytes.
        asked: u64,
        /// A chunk, in bytes.
        chunk_size: u64,
    },
    /// The virtual size, rounded up, is more than a device can have (2^63 - 1 bytes) or a map can describe
    /// ([`MAX_ENTRIES`] chunks).
    VirtualSizeTooLarge {
        /// What was asked for, in bytes.
        asked: u64,
        /// The most there can be with this chunk size, in bytes.
        largest: u64,
    },
    /// The map takes more chunks than the record can reserve.
    MapTooLarge {
        /// The map in bytes.
        map_len: u64,
        /// The most that can be reserved with this chunk size, in bytes.
        largest: u64,
    },
    /// A component has no room for the least it must hold.
    TooSmall {
        /// Which.
        component: ComponentIndex,
        /// Its size in bytes.
        size: u64,
        /// What it needs, in bytes.
        needed: u64,
    },
    /// A component has more chunks than 32 bits count.
    TooManyChunks {
        /// Which.
        component: ComponentIndex,
        /// How many.
        chunks: u64,
    },
}

/// Decides what the volume of `request` will be. Nothing is written; see [`LabelPlan::patches`].
///
/// # Errors
///
/// [`LabelError`] when it cannot be made, or not without the faults that FreeBSD would put into it.
pub fn plan(request: &Request<'_>) -> Result<LabelPlan, LabelError> {
    let mut notes = Vec::new();
    check_names(request, &mut notes)?;
    let sector_size = common_sector_size(request)?;
    let chunk_size = chunk_size(request, sector_size, &mut notes)?;
    let virtual_size = virtual_size(request, chunk_size, sector_size, &mut notes)?;
    let mut plan = LabelPlan { chunk_size, virtual_size, sector_size, components: Vec::new(), notes };
    plan.check_sizes(request)?;
    let reserved = plan.decide_reserved(request)?;
    plan.add_components(request, reserved)?;
    Ok(plan)
}

impl LabelPlan {
    /// How many chunks the virtual device has.
    #[must_use]
    pub fn virtual_chunks(&self) -> u64 {
        self.virtual_size / self.chunk_size.bytes()
    }

    /// The length of the map in bytes.
    #[must_use]
    pub fn map_len(&self) -> u64 {
        self.virtual_chunks() * MAP_ENTRY_LEN as u64
    }

    /// How many chunks of component 0 the map takes.
    #[must_use]
    pub fn map_chunks(&self) -> u64 {
        self.map_len().div_ceil(self.chunk_size.bytes())
    }

    /// How many low chunks of component 0 are never handed out.
    #[must_use]
    pub fn reserved(&self) -> u16 {
        self.components.first().map_or(0, |first| first.record.chunk_reserved.get())
    }

    /// How many chunks can be handed out before the volume is full.
    #[must_use]
    pub fn usable_chunks(&self) -> u64 {
        let usable = |component: &PlannedComponent| {
            let (count, reserved) =
                (component.record.chunk_count.get(), component.record.chunk_reserved.get());
            u64::from(count.saturating_sub(u32::from(reserved)))
        };
        let physical: u64 = self.components.iter().map(usable).sum();
        physical.min(self.virtual_chunks())
    }

    /// How many bytes can be written before the volume is full, when every chunk is filled.
    #[must_use]
    pub fn usable_bytes(&self) -> u64 {
        self.usable_chunks() * self.chunk_size.bytes()
    }

    /// The changes that make the volume, in an order in which a loss of power leaves no mixture: first the
    /// old records go, so that nothing can be assembled from what follows; then the map becomes empty; then
    /// the new records come. A set that misses some of its records is not started by anybody.
    #[must_use]
    pub fn patches(&self) -> Vec<Patch> {
        let sector = u64::from(self.sector_size);
        let clear = |(component, offset)| Patch::Zero { component, offset, len: sector };
        let mut patches: Vec<Patch> = self.record_places().map(clear).collect();
        patches.push(Patch::Barrier);
        if self.map_len() > 0 {
            patches.push(Patch::Zero { component: ComponentIndex(0), offset: 0, len: self.map_len() });
            patches.push(Patch::Barrier);
        }
        let records = self.record_places().zip(&self.components);
        patches.extend(records.map(|((component, offset), planned)| Patch::Write {
            component,
            offset,
            bytes: record_sector(&planned.record, self.sector_size),
        }));
        patches
    }

    /// Each component and where its last sector starts.
    fn record_places(&self) -> impl Iterator<Item = (ComponentIndex, u64)> + '_ {
        let sector = u64::from(self.sector_size);
        let place = move |component: &PlannedComponent| {
            // Whole sectors only: the size of a broken one is what FreeBSD's own tool rounds, too.
            (component.record.provsize.get() / sector).saturating_sub(1) * sector
        };
        (0..=u16::MAX).map(ComponentIndex).zip(self.components.iter().map(place))
    }

    fn check_sizes(&mut self, request: &Request<'_>) -> Result<(), LabelError> {
        let physical =
            request.providers.iter().fold(0_u64, |sum, provider| sum.saturating_add(provider.size));
        if self.virtual_size < physical {
            let virtual_size = self.virtual_size;
            self.notes.push(Note::SmallerThanPhysical { virtual_size, physical });
        }
        let needed = (LEAST_CHUNKS * self.chunk_size.bytes()).max(self.map_len());
        for (component, provider) in numbered(request.providers) {
            if provider.size < needed {
                let size = provider.size;
                if !request.compat_freebsd {
                    return Err(LabelError::TooSmall { component, size, needed });
                }
                self.notes.push(Note::TooSmall { component, size, needed });
            }
        }
        // A map that reaches into its own record cannot be made, not even as FreeBSD tries to: the write
        // fails half-way, or the record destroys the map.
        let first = &request.providers[0];
        let needed = self.map_len() + u64::from(self.sector_size);
        if first.size < needed {
            return Err(LabelError::TooSmall { component: ComponentIndex(0), size: first.size, needed });
        }
        Ok(())
    }

    /// Twice the chunks of the map, as far as the record can say so.
    fn decide_reserved(&mut self, request: &Request<'_>) -> Result<u16, LabelError> {
        let map_chunks = self.map_chunks();
        let wanted = 2 * map_chunks;
        if let Ok(reserved) = u16::try_from(wanted) {
            return Ok(reserved);
        }
        let reserved = if request.compat_freebsd {
            low_16_bits(wanted)
        } else if map_chunks <= u64::from(u16::MAX) {
            u16::MAX
        } else {
            let largest = u64::from(u16::MAX) * self.chunk_size.bytes();
            return Err(LabelError::MapTooLarge { map_len: self.map_len(), largest });
        };
        self.notes.push(Note::ReserveClipped { wanted, reserved });
        Ok(reserved)
    }

    fn add_components(&mut self, request: &Request<'_>, reserved: u16) -> Result<(), LabelError> {
        let count = u16::try_from(request.providers.len()).expect("the names were checked, and counted");
        let mut hardcoded = [0; 16];
        for (component, provider) in numbered(request.providers) {
            if !request.compat_freebsd {
                hardcoded = [0; 16];
            }
            if request.hardcode {
                // FreeBSD copies each name over the one before, and what is longer shows behind the NUL.
                let name = cut(provider.name);
                hardcoded[..name.len()].copy_from_slice(name);
                hardcoded[name.len()] = 0;
            }
            let reserved = if component.0 == 0 { reserved } else { 0 };
            let chunk_count = self.count_chunks(request, component, provider, reserved)?;
            let flags =
                if component.0 == 0 { ComponentFlags::ALLOCATED | ComponentFlags::CURRENT } else { 0 };
            let record = Record {
                md_magic: padded(MAGIC),
                md_version: U32::new(VERSION),
                md_name: padded(cut(request.name)),
                md_virsize: U64::new(self.virtual_size),
                md_chunk_size: U32::new(chunk_size_field(self.chunk_size)),
                md_id: U32::new(request.id),
                md_count: U16::new(count),
                provider: hardcoded,
                no: U16::new(component.0),
                provsize: U64::new(provider.size),
                chunk_count: U32::new(chunk_count),
                chunk_next: U32::new(u32::from(reserved)),
                chunk_reserved: U16::new(reserved),
                flags: U16::new(flags),
            };
            let whole_chunks = provider.size / self.chunk_size.bytes();
            self.components.push(PlannedComponent { record, whole_chunks });
        }
        Ok(())
    }

    /// How many chunks of `provider` may be used: those that end before its last sector.
    fn count_chunks(
        &mut self,
        request: &Request<'_>,
        component: ComponentIndex,
        provider: &Provider<'_>,
        reserved: u16,
    ) -> Result<u32, LabelError> {
        let chunk_size = self.chunk_size.bytes();
        let data_len = provider.size.saturating_sub(u64::from(self.sector_size));
        let chunks = data_len / chunk_size;
        let freebsd = freebsd_chunk_count(provider.size, data_len, chunk_size_field(self.chunk_size));
        let Ok(room) = u32::try_from(chunks) else {
            return if request.compat_freebsd {
                Ok(freebsd)
            } else {
                Err(LabelError::TooManyChunks { component, chunks })
            };
        };
        if freebsd != room {
            self.notes.push(Note::LastChunk { component, freebsd, room });
        }
        if request.compat_freebsd {
            return Ok(freebsd);
        }
        // A volume of one component that is all reserve could never hold a byte.
        let least = u64::from(reserved) + u64::from(request.providers.len() == 1);
        if chunks < least {
            let needed = least * chunk_size + u64::from(self.sector_size);
            return Err(LabelError::TooSmall { component, size: provider.size, needed });
        }
        Ok(room)
    }
}

/// A whole last sector: the record, then zeros.
///
/// # Panics
///
/// When a sector is shorter than a record.
#[must_use]
pub fn record_sector(record: &Record, sector_size: u32) -> Vec<u8> {
    let mut sector = vec![0; usize::try_from(sector_size).expect("a sector fits memory")];
    sector[..RECORD_LEN].copy_from_slice(record.as_bytes());
    sector
}

fn check_names(request: &Request<'_>, notes: &mut Vec<Note>) -> Result<(), LabelError> {
    let (name, count) = (request.name, request.providers.len());
    if count == 0 {
        return Err(LabelError::NoComponents);
    }
    if u16::try_from(count).is_err() {
        return Err(LabelError::TooManyComponents { count });
    }
    if name.len() > MAX_NAME_LEN && request.compat_freebsd {
        notes.push(Note::NameCut { len: name.len() });
    } else if name.len() > MAX_NAME_LEN || name.contains(&0) {
        return Err(LabelError::Name { len: name.len() });
    } else if name.is_empty() && !request.compat_freebsd {
        return Err(LabelError::NoName);
    }
    for (component, provider) in numbered(request.providers) {
        let len = provider.name.len();
        if request.hardcode && len > MAX_NAME_LEN {
            if !request.compat_freebsd {
                return Err(LabelError::ProviderName { component, len });
            }
            notes.push(Note::ProviderNameCut { component, len });
        }
    }
    if request.compat_freebsd { Ok(()) } else { check_no_provider_twice(request.providers) }
}

fn check_no_provider_twice(providers: &[Provider<'_>]) -> Result<(), LabelError> {
    let names = numbered(providers).map(|(index, provider)| (provider.name, index)).collect();
    match namesakes(names, ComponentIndex(0)) {
        Some((first, second)) => Err(LabelError::ProviderTwice { first, second }),
        None => Ok(()),
    }
}

/// Two components of which the second, one from `from` on, has the provider name of the first.
pub(crate) fn namesakes(
    mut names: Vec<(&[u8], ComponentIndex)>,
    from: ComponentIndex,
) -> Option<(ComponentIndex, ComponentIndex)> {
    names.sort_unstable();
    let pair = names.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[1].1 >= from)?;
    Some((pair[0].1, pair[1].1))
}

fn common_sector_size(request: &Request<'_>) -> Result<u32, LabelError> {
    let expected = request.providers[0].sector_size;
    for (component, provider) in numbered(request.providers) {
        let Provider { sector_size, size, .. } = *provider;
        if !SECTOR_SIZES.contains(&sector_size) {
            return Err(LabelError::SectorSize { component, sector_size });
        }
        if sector_size != expected {
            return Err(LabelError::SectorSizesDiffer { component, sector_size, expected });
        }
        if !size.is_multiple_of(u64::from(sector_size)) && !request.compat_freebsd {
            return Err(LabelError::BrokenSector { component, size, sector_size });
        }
    }
    Ok(expected)
}

fn chunk_size(
    request: &Request<'_>,
    sector_size: u32,
    notes: &mut Vec<Note>,
) -> Result<ChunkSize, LabelError> {
    let maxphys = u64::from(request.maxphys);
    let mut asked = request.chunk_size;
    if request.compat_freebsd && u32::try_from(asked).is_err() {
        let chunk_size = low_32_bits(asked);
        notes.push(Note::ChunkSizeCut { asked, chunk_size });
        asked = u64::from(chunk_size);
    }
    if asked == 0 || request.virtual_size == 0 || maxphys == 0 {
        return Err(LabelError::Zero);
    }
    let largest = u64::from(u32::MAX) / maxphys * maxphys;
    let Some(rounded) = asked.checked_next_multiple_of(maxphys).filter(|rounded| *rounded <= largest) else {
        // FreeBSD's tool divides by zero here.
        return Err(LabelError::ChunkSizeTooLarge { chunk_size: asked, largest });
    };
    if rounded != asked {
        notes.push(Note::ChunkSizeRounded { asked, chunk_size: rounded });
    }
    if !rounded.is_multiple_of(u64::from(sector_size)) {
        return Err(LabelError::ChunkSizeNotSectors { chunk_size: rounded, sector_size });
    }
    Ok(ChunkSize::new(low_32_bits(rounded)).expect("a multiple of a number that is not zero"))
}

fn virtual_size(
    request: &Request<'_>,
    chunk_size: ChunkSize,
    sector_size: u32,
    notes: &mut Vec<Note>,
) -> Result<u64, LabelError> {
    let asked = request.virtual_size;
    let chunk_size = chunk_size.bytes();
    let chunks = asked / chunk_size;
    if chunks == 0 && !request.compat_freebsd {
        return Err(LabelError::VirtualSizeTooSmall { asked, chunk_size });
    }
    if chunks * chunk_size != asked {
        notes.push(Note::VirtualSizeRounded { asked, virtual_size: chunks * chunk_size });
    }
    if chunks == 0 {
        notes.push(Note::NoVirtualSize { asked, chunk_size });
        return Ok(0);
    }
    let entries_per_sector = u64::from(sector_size) / MAP_ENTRY_LEN as u64;
    let most_chunks = (i64::MAX.cast_unsigned() / chunk_size).min(MAX_ENTRIES);
    let largest = most_chunks / entries_per_sector * entries_per_sector * chunk_size;
    let padded = chunks.next_multiple_of(entries_per_sector);
    if padded > largest / chunk_size {
        return Err(LabelError::VirtualSizeTooLarge { asked, largest });
    }
    if padded != chunks {
        let virtual_size = padded * chunk_size;
        notes.push(Note::VirtualSizePadded { virtual_size, new_chunks: padded - chunks });
    }
    Ok(padded * chunk_size)
}

/// The chunks as FreeBSD counts them: the product that is to show whether the last one covers the record has
/// 32 bits.
fn freebsd_chunk_count(size: u64, data_len: u64, chunk_size: u32) -> u32 {
    let chunks = low_32_bits(size / u64::from(chunk_size));
    let product = u64::from(chunks.wrapping_mul(chunk_size));
    if product > data_len { chunks - 1 } else { chunks }
}

fn chunk_size_field(chunk_size: ChunkSize) -> u32 {
    u32::try_from(chunk_size.bytes()).expect("a chunk size has 32 bits")
}

fn low_32_bits(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).expect("32 bits are left")
}

fn low_16_bits(value: u64) -> u16 {
    u16::try_from(value & u64::from(u16::MAX)).expect("16 bits are left")
}

fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(MAX_NAME_LEN)]
}

pub(crate) fn padded(name: &[u8]) -> [u8; 16] {
    let mut field = [0; 16];
    field[..name.len()].copy_from_slice(name);
    field
}

fn numbered<T>(items: &[T]) -> impl Iterator<Item = (ComponentIndex, &T)> {
    (0..=u16::MAX).map(ComponentIndex).zip(items)
}
