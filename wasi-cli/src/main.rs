//! The `virstor` program.
fn main() {}
