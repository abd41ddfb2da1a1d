//! Patches: changes to components as values, in the order in which they must reach the disks.
//!
//! Whoever decides what a set should become (`label` and its kin) makes patches; [`perform`] is the only
//! place that does them. A dry run prints them.

use alloc::vec::Vec;

use crate::geometry::ComponentIndex;
use crate::io::{IoError, WriteAt};

/// One change. Those between two barriers may reach the disks in any order, and after a loss of power any
/// of them may be missing; what is behind a [`Patch::Barrier`] happens only after all before it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// Put bytes somewhere.
    Write {
        /// On which component.
        component: ComponentIndex,
        /// The first byte to change.
        offset: u64,
        /// What comes there.
        bytes: Vec<u8>,
    },
    /// Make bytes zero.
    Zero {
        /// On which component.
        component: ComponentIndex,
        /// The first byte to change.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Make all before durable, on every component that was changed.
    Barrier,
}

/// A disk failed while patches were performed. Performing all of them again is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchError {
    /// Whose disk.
    pub component: ComponentIndex,
    /// Where on it, and what the driver said.
    pub error: IoError,
}

/// Does `patches` to `disks`, one per component, and makes them durable.
///
/// # Errors
///
/// [`PatchError`] at the first failure; what comes after is not done.
///
/// # Panics
///
/// When a patch names a component that has no disk.
pub fn perform(patches: &[Patch], disks: &[impl WriteAt]) -> Result<(), PatchError> {
    let mut changed = alloc::vec![false; disks.len()];
    for patch in patches.iter().chain([&Patch::Barrier]) {
        match patch {
            Patch::Write { component, offset, bytes } => {
                changed[component.as_usize()] = true;
                on(*component, disks[component.as_usize()].write_at(*offset, bytes))?;
            }
            Patch::Zero { component, offset, len } => {
                changed[component.as_usize()] = true;
                on(*component, disks[component.as_usize()].write_zeros(*offset, *len))?;
            }
            Patch::Barrier => {
                for (index, disk) in (0..=u16::MAX).map(ComponentIndex).zip(disks) {
                    if core::mem::take(&mut changed[index.as_usize()]) {
                        on(index, disk.flush())?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn on<T>(component: ComponentIndex, result: Result<T, IoError>) -> Result<T, PatchError> {
    result.map_err(|error| PatchError { component, error })
}
