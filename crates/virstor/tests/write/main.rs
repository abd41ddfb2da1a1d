//! Writing: as FreeBSD writes, against a plain vector of bytes, through cuts of power and failing disks.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as the tests do")]

mod changes;
mod failures;
mod held;
mod import;
mod log;
mod members;
mod model;
mod on_disk;
mod power;
mod refusals;
mod sequence;
mod set;
mod slow;
#[path = "../check/support.rs"]
#[allow(dead_code, reason = "shared with the tests of check")]
mod support;
mod vectors;
