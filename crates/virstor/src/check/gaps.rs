//! Gaps in the numbers of components, and what it takes to close them up.

use crate::assemble::Volume;

/// So many times components may get another number while several gaps are closed. A plan takes some kilobytes for each,
/// and one look at all files for 64 of them.
const MOST_RENUMBERED: u64 = 20_000;

/// Whether a repair can close the gaps between the components that are there.
///
/// One gap is closed at a time, the highest first, so that every cut says which one is on its way; what lies behind
/// it gets other numbers each time. For a few hundred gaps that is more than a plan can hold.
pub(crate) fn can_be_closed(volume: &Volume) -> bool {
    let count = volume.components.len() as u64;
    let (mut gaps, mut renumbered, mut expected) = (0_u64, 0, 0);
    for (before, index) in (0..).zip(volume.components.keys()) {
        if u32::from(index.0) > expected {
            gaps += 1;
            renumbered += count - before;
        }
        expected = u32::from(index.0) + 1;
    }
    gaps <= 1 || renumbered <= MOST_RENUMBERED
}
