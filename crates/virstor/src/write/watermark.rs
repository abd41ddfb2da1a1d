//! When room gets scarce: the kernel's two tunables, correct.
//!
//! `g_virstor.c` compares without a sign, so that a volume of two components always warns and one of a single
//! component never does, and looks at chunks only while it starts. What the manual page says is done here: a
//! warning when the component in use has less than so many free chunks, and one when there are less than so
//! many components that were not begun.

use alloc::vec::Vec;

use super::Space;
use crate::geometry::ComponentIndex;

/// From where on room is scarce. 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// Free chunks of the component in use (`kern.geom.virstor.chunk_watermark`).
    pub chunks: u32,
    /// Components behind it with room (`kern.geom.virstor.component_watermark`).
    pub components: u32,
}

impl Default for Watermarks {
    fn default() -> Self {
        Self { chunks: 100, components: 1 }
    }
}

/// Room is scarce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// The component in use has few free chunks.
    FewChunks {
        /// Which.
        component: ComponentIndex,
        /// How many it has.
        free: u32,
        /// Less than this is few.
        watermark: u32,
    },
    /// Few components are left behind the one in use.
    FewComponents {
        /// How many.
        free: usize,
        /// Less than this is few.
        watermark: u32,
    },
}

/// Says each warning once, and again when there was room in between or things got worse.
#[derive(Debug)]
pub struct Watch {
    watermarks: Watermarks,
    chunks_said: Option<ComponentIndex>,
    components_said: Option<usize>,
}

impl Watch {
    /// One that has said nothing yet.
    #[must_use]
    pub fn new(watermarks: Watermarks) -> Self {
        Self { watermarks, chunks_said: None, components_said: None }
    }

    /// What is to be said now that this much room is left. Ask after opening, writes and changes of components.
    pub fn news(&mut self, space: Space) -> Vec<Warning> {
        let Watermarks { chunks, components } = self.watermarks;
        let mut news = Vec::new();
        let few_chunks = (space.current_free < chunks).then_some(space.current);
        if let Some(component) = few_chunks.filter(|_| self.chunks_said != few_chunks) {
            news.push(Warning::FewChunks { component, free: space.current_free, watermark: chunks });
        }
        self.chunks_said = few_chunks;
        let free = space.free_components;
        let few_components = u32::try_from(free).is_ok_and(|free| free < components).then_some(free);
        if few_components.is_some_and(|free| self.components_said.is_none_or(|said| free < said)) {
            news.push(Warning::FewComponents { free, watermark: components });
        }
        self.components_said = few_components;
        news
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn space(current: u16, current_free: u32, free_components: usize) -> Space {
        Space { free_chunks: 0, current: ComponentIndex(current), current_free, free_components }
    }

    #[test]
    fn each_warning_is_said_when_its_mark_is_crossed_and_not_again() {
        let mut watch = Watch::new(Watermarks { chunks: 10, components: 2 });
        let chunks = |component, free| Warning::FewChunks {
            component: ComponentIndex(component),
            free,
            watermark: 10,
        };
        let components = |free| Warning::FewComponents { free, watermark: 2 };
        assert_eq!(watch.news(space(0, 10, 2)), []);
        assert_eq!(watch.news(space(0, 9, 2)), [chunks(0, 9)]);
        assert_eq!(watch.news(space(0, 8, 2)), []);
        assert_eq!(watch.news(space(1, 50, 1)), [components(1)]);
        assert_eq!(watch.news(space(1, 3, 1)), [chunks(1, 3)]);
        assert_eq!(watch.news(space(2, 3, 0)), [chunks(2, 3), components(0)]);
        assert_eq!(watch.news(space(2, 3, 4)), [], "components were added");
        assert_eq!(watch.news(space(2, 3, 1)), [components(1)]);
    }

    #[test]
    fn zero_is_never() {
        let mut watch = Watch::new(Watermarks { chunks: 0, components: 0 });
        assert_eq!(watch.news(space(0, 0, 0)), vec![]);
    }
}
