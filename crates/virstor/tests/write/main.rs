//! Writing: as FreeBSD writes, against a plain vector of bytes, through cuts of power and failing disks.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as the tests do")]

mod failures;
mod model;
mod on_disk;
mod power;
mod refusals;
mod set;
mod vectors;
