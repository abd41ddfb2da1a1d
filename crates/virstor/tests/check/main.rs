//! The checker: against the golden sets, against damage done on purpose, and against hostile images.

mod damage;
mod golden;
mod hostile;
mod large;
#[allow(dead_code, reason = "shared with the tests of write")]
mod support;
mod words;
