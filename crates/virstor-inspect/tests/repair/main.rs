//! Repair and undo: what is promised about them, on golden sets, on generated damage, and with the power cut.

mod damage;
mod golden;
mod hostile;
mod power;
mod promises;
mod support;
