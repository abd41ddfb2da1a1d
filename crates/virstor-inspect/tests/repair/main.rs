//! Repair and undo: what is promised about them, on golden sets, on generated damage, and with the power cut.

mod golden;
mod support;
