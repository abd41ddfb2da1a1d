//! Metadata contexts: what clients may ask about extents, and in which numbers they are answered.
//!
//! | context | number |
//! |---|---|
//! | `base:allocation` | as the NBD document has it: 1 hole, 2 reads as zeros. Lost ranges are neither, so that a client reads them and learns of the error, unless zeros are served in their place |
//! | `virstor:component` | 0: none (a hole). 1 + N: component N, also where it is missing. 0xffffffff: lost, and the map does not say where |
//! | `virstor:damage` | 0: data. 1: hole. 2: lost. 3: suspect, which is data on a component whose record disagrees with the rest of the set |

use nbd_proto::allocation::{HOLE, ZERO};

use super::backend::State;

/// A metadata context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// Whether there is anything.
    Allocation,
    /// Which component it lies on.
    Component,
    /// What became of it.
    Damage,
}

impl Context {
    /// All of them, in the order in which every export has them.
    pub(crate) const ALL: [Self; 3] = [Self::Allocation, Self::Component, Self::Damage];

    /// What clients call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allocation => "base:allocation",
            Self::Component => "virstor:component",
            Self::Damage => "virstor:damage",
        }
    }

    /// The number that stands for `state`.
    pub(crate) fn status(self, state: State) -> u32 {
        match (self, state) {
            (Self::Allocation, State::Hole | State::Lost { zero: true, .. }) => HOLE | ZERO,
            (Self::Allocation, State::Data { .. } | State::Lost { zero: false, .. }) => 0,
            (Self::Component, State::Hole) => 0,
            (Self::Component, State::Data { component, .. }) => 1 + u32::from(component.0),
            (Self::Component, State::Lost { component, .. }) => {
                component.map_or(u32::MAX, |component| 1 + u32::from(component.0))
            }
            (Self::Damage, State::Data { suspect: false, .. }) => 0,
            (Self::Damage, State::Hole) => 1,
            (Self::Damage, State::Lost { .. }) => 2,
            (Self::Damage, State::Data { suspect: true, .. }) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virstor::geometry::ComponentIndex;

    #[test]
    fn every_state_has_its_numbers() {
        let data = |suspect| State::Data { component: ComponentIndex(4), suspect };
        let lost = |component, zero| State::Lost { component, zero };
        for (state, numbers) in [
            (State::Hole, [3, 0, 1]),
            (data(false), [0, 5, 0]),
            (data(true), [0, 5, 3]),
            (lost(Some(ComponentIndex(0)), false), [0, 1, 2]),
            (lost(None, false), [0, u32::MAX, 2]),
            (lost(None, true), [3, u32::MAX, 2]),
        ] {
            assert_eq!(Context::ALL.map(|context| context.status(state)), numbers, "{state:?}");
        }
    }
}
