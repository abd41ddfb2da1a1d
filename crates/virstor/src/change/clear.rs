//! A volume that is given up: its records become zero. Data and map stay where they are, as with `gvirstor clear`.

use alloc::vec::Vec;

use super::sequence::{Sequence, homes};
use crate::assemble::Volume;
use crate::patch::Patch;

/// Makes the records of all components zero that are there, whatever state the volume is in: the highest number
/// first, so that what a cut leaves is a volume without its last components.
#[must_use]
pub fn plan(volume: &Volume) -> Vec<Patch> {
    let mut sequence = Sequence::default();
    for home in homes(volume).into_iter().rev() {
        sequence.no_record(home);
        sequence.barrier();
    }
    sequence.patches
}
