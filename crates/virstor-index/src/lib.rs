//! What one pass over the map of a volume leaves behind, for somebody who looks at it.
//!
//! This is what a browser waits for when it shows a large volume, and the only part of the engine that is compiled there
//! for speed and not for size. So nothing here is generic over the disk: what is generic is compiled where it is used.

mod disk;
mod index;
mod picture;
mod runs;

pub use disk::{AnyDisk, Reader, Walk, segments};
pub use index::{MOST_LANE_CHUNKS, MapIndex, Sums};
pub use picture::{Cell, NO_COMPONENT, Painter, merge, share};
pub use runs::Runs;
