//! Components that come to a volume.
//!
//! `g_virstor.c` leaves no room for the record, never sets the flags and writes the new count without order
//! (`virstor_ctl_add`). Here the record has its sector, every field is set, and each prefix of the changes is
//! one that a repair takes to an end.

use alloc::vec::Vec;

use zerocopy::byteorder::{U16, U32, U64};

use super::sequence::{Home, Sequence, homes};
use super::{Plan, SoundSet};
use crate::format::{Name, Record};
use crate::geometry::ComponentIndex;
use crate::label::{LEAST_CHUNKS, MAX_NAME_LEN, Provider, namesakes, padded};

/// Why disks cannot become components. They are named by their place among those given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddError {
    /// None was given.
    NoComponents,
    /// The volume would have more components than the format can count.
    TooManyComponents {
        /// How many; at most 65,535.
        count: usize,
    },
    /// A disk has other sectors than the volume.
    SectorSizesDiffer {
        /// Which.
        new: usize,
        /// Its sector size in bytes.
        sector_size: u32,
        /// That of the volume.
        expected: u32,
    },
    /// A disk is not a whole number of sectors long, so it has no last sector.
    BrokenSector {
        /// Which.
        new: usize,
        /// Its size in bytes.
        size: u64,
        /// The sector size in bytes.
        sector_size: u32,
    },
    /// A disk has less room than FreeBSD asks for: four chunks.
    TooSmall {
        /// Which.
        new: usize,
        /// Its size in bytes.
        size: u64,
        /// What it needs, in bytes.
        needed: u64,
    },
    /// A disk has more chunks than 32 bits count.
    TooManyChunks {
        /// Which.
        new: usize,
        /// How many.
        chunks: u64,
    },
    /// A provider's name does not fit its record.
    ProviderName {
        /// Which.
        new: usize,
        /// Its length in bytes; at most [`MAX_NAME_LEN`].
        len: usize,
    },
    /// A provider has the name that ties another component to its own.
    ProviderTwice {
        /// Which.
        new: usize,
        /// The other component, old or new, by its number in the volume.
        other: ComponentIndex,
    },
}

/// Adds `providers` behind the components of `set`, with their names in their records if `hardcode` is set.
///
/// # Errors
///
/// [`AddError`] when one of them cannot be a component.
pub fn plan(set: &SoundSet, providers: &[Provider<'_>], hardcode: bool) -> Result<Plan, AddError> {
    let volume = set.volume();
    let count = usize::from(volume.component_count) + providers.len();
    if providers.is_empty() {
        return Err(AddError::NoComponents);
    }
    if u16::try_from(count).is_err() {
        return Err(AddError::TooManyComponents { count });
    }
    let (mut old, mut records, mut homes) = (set.old_records(), set.records(), homes(volume));
    let mut sequence = Sequence::default();
    for (new, provider) in providers.iter().enumerate() {
        let record = new_record(set, records.len(), new, provider, hardcode)?;
        homes.push(Home {
            component: ComponentIndex(record.no.get()),
            len: provider.size,
            sector_size: provider.sector_size,
        });
        join(&mut sequence, &homes, &mut old, &mut records, record);
    }
    if hardcode {
        check_no_provider_twice(&records, usize::from(volume.component_count))?;
    }
    Ok(Plan { records, patches: sequence.patches })
}

/// Of `records` those from `old` on are new. What is wrong with the others is not for this to judge.
fn check_no_provider_twice(records: &[Record], old: usize) -> Result<(), AddError> {
    let numbered = || (0..=u16::MAX).map(ComponentIndex);
    let names: Vec<Name> = records.iter().map(Record::hardcoded).collect();
    let named = names.iter().zip(numbered()).map(|(name, index)| (name.bytes(), index));
    let named = named.filter(|(name, _)| !name.is_empty()).collect();
    let first_new = numbered().nth(old).expect("the components were counted");
    match namesakes(named, first_new) {
        Some((other, new)) => Err(AddError::ProviderTwice { new: new.as_usize() - old, other }),
        None => Ok(()),
    }
}

/// Lets `newcomer`, whose record stands at the last of `homes`, join those with `records`.
pub(super) fn join(
    sequence: &mut Sequence,
    homes: &[Home],
    old: &mut Vec<Record>,
    records: &mut Vec<Record>,
    newcomer: Record,
) {
    // With a count that does not include it, it is nobody's component yet.
    let mut alone = newcomer;
    alone.md_count = newcomer.no;
    sequence.barrier();
    sequence.record(homes[records.len()], &alone);
    records.push(newcomer);
    old.push(alone);
    let count = U16::new(newcomer.no.get() + 1);
    for record in records.iter_mut() {
        record.md_count = count;
    }
    sequence.records_upward(homes, old, records);
    old.clone_from(records);
}

fn new_record(
    set: &SoundSet,
    number: usize,
    new: usize,
    provider: &Provider<'_>,
    hardcode: bool,
) -> Result<Record, AddError> {
    let volume = set.volume();
    let Provider { size, sector_size, name } = *provider;
    if sector_size != volume.sector_size {
        return Err(AddError::SectorSizesDiffer { new, sector_size, expected: volume.sector_size });
    }
    if !size.is_multiple_of(u64::from(sector_size)) {
        return Err(AddError::BrokenSector { new, size, sector_size });
    }
    let chunk_size = volume.chunk_size.bytes();
    let needed = LEAST_CHUNKS * chunk_size;
    if size < needed {
        return Err(AddError::TooSmall { new, size, needed });
    }
    let chunks = (size - u64::from(sector_size)) / chunk_size;
    let chunk_count = u32::try_from(chunks).map_err(|_| AddError::TooManyChunks { new, chunks })?;
    let mut hardcoded = [0; 16];
    if hardcode {
        if name.len() > MAX_NAME_LEN {
            return Err(AddError::ProviderName { new, len: name.len() });
        }
        hardcoded = padded(name);
    }
    let number = u16::try_from(number).expect("components were counted");
    let sibling = set.volume().components[&ComponentIndex(0)].record;
    Ok(Record {
        md_count: U16::new(number + 1),
        provider: hardcoded,
        no: U16::new(number),
        provsize: U64::new(size),
        chunk_count: U32::new(chunk_count),
        chunk_next: U32::new(0),
        chunk_reserved: U16::new(0),
        flags: U16::new(0),
        ..sibling
    })
}
