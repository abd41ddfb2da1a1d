//! Names in the records: that of the volume, and those that tie components to providers.

use alloc::vec::Vec;

use super::sequence::{Sequence, homes};
use crate::assemble::Volume;
use crate::format::Record;
use crate::geometry::ComponentIndex;
use crate::label::{MAX_NAME_LEN, namesakes, padded};
use crate::patch::Patch;

/// Why a name cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamingError {
    /// It is empty.
    NoName,
    /// It does not fit the record, or contains a NUL.
    Name {
        /// Its length in bytes; at most [`MAX_NAME_LEN`].
        len: usize,
    },
    /// A component is not there, and would keep its old name.
    Missing(ComponentIndex),
    /// A provider's name does not fit its record.
    ProviderName {
        /// Of which component.
        component: ComponentIndex,
        /// Its length in bytes; at most [`MAX_NAME_LEN`].
        len: usize,
    },
    /// Two components have one provider name, so that it would tie both to one provider.
    ProviderTwice {
        /// The first of them.
        first: ComponentIndex,
        /// The second.
        second: ComponentIndex,
    },
}

/// Gives the volume the name `name`. `parts` is the volume; or, after a renaming that was cut, the two volumes
/// it fell into, which have one id and complete each other ([`is_rest_of`]).
///
/// # Errors
///
/// [`NamingError`] when the name does not fit or a component is missing.
pub fn rename(parts: &[&Volume], name: &[u8]) -> Result<Vec<Patch>, NamingError> {
    match name.len() {
        0 => return Err(NamingError::NoName),
        len if len > MAX_NAME_LEN || name.contains(&0) => return Err(NamingError::Name { len }),
        _ => {}
    }
    let is_there = |index: &ComponentIndex| parts.iter().any(|part| part.components.contains_key(index));
    let count = parts.iter().map(|part| part.component_count).max().unwrap_or(0);
    if let Some(missing) = (0..count).map(ComponentIndex).find(|index| !is_there(index)) {
        return Err(NamingError::Missing(missing));
    }
    let mut all: Vec<_> =
        parts.iter().flat_map(|part| homes(part).into_iter().zip(part.components.values())).collect();
    all.sort_by_key(|(home, _)| home.component);
    let mut sequence = Sequence::default();
    for (home, component) in all {
        let record = Record { md_name: padded(name), ..component.record };
        if record != component.record {
            sequence.record(home, &record);
            sequence.barrier();
        }
    }
    Ok(sequence.patches)
}

/// Whether `other` is what is left of `volume` under another name: one id and geometry, and each component that is
/// missing from one is in the other.
#[must_use]
pub fn is_rest_of(volume: &Volume, other: &Volume) -> bool {
    let geometry = |volume: &Volume| {
        (volume.id, volume.recorded_size, volume.chunk_size, volume.component_count, volume.sector_size)
    };
    geometry(volume) == geometry(other)
        && volume.name != other.name
        && volume.components.len() + other.components.len() == usize::from(volume.component_count)
        && volume.components.keys().all(|index| !other.components.contains_key(index))
}

/// The one among `volumes` that is the rest of `volumes[number]`, as a cut of [`rename`] leaves it: the components from
/// some number on have the old name.
#[must_use]
pub fn other_part(volumes: &[Volume], number: usize) -> Option<usize> {
    let volume = &volumes[number];
    let mut rests = (0..volumes.len()).filter(|other| is_rest_of(volume, &volumes[*other]));
    let (Some(rest), None) = (rests.next(), rests.next()) else { return None };
    let (ours, theirs) = (&volume.components, &volumes[rest].components);
    let (lower, upper) = if ours.contains_key(&ComponentIndex(0)) { (ours, theirs) } else { (theirs, ours) };
    (lower.keys().next_back() < upper.keys().next()).then_some(rest)
}

/// Ties the components to the providers with these names, one per component of `volume` that is there; or with
/// `None` to no provider.
///
/// # Errors
///
/// [`NamingError::ProviderName`] when a name does not fit, [`NamingError::ProviderTwice`] when two are the same.
///
/// # Panics
///
/// When there are more components than names.
pub fn hardcode(volume: &Volume, names: Option<&[&[u8]]>) -> Result<Vec<Patch>, NamingError> {
    let mut sequence = Sequence::default();
    for (position, (home, component)) in homes(volume).into_iter().zip(volume.components.values()).enumerate()
    {
        let name = names.map_or(&[][..], |names| names[position]);
        if name.len() > MAX_NAME_LEN {
            return Err(NamingError::ProviderName { component: home.component, len: name.len() });
        }
        let record = Record { provider: padded(name), ..component.record };
        if record != component.record {
            sequence.record(home, &record);
        }
    }
    let named = volume.components.keys().zip(names.unwrap_or_default());
    let named = named.map(|(index, name)| (*name, *index)).collect();
    if let Some((first, second)) = namesakes(named, ComponentIndex(0)) {
        return Err(NamingError::ProviderTwice { first, second });
    }
    sequence.barrier();
    Ok(sequence.patches)
}
