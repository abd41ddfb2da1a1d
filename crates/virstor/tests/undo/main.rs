//! The undo log: whatever was changed, and whenever the power failed, it puts every byte back or refuses.

mod power;
mod refusals;
mod support;
