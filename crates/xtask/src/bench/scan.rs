//! Passes over maps in memory: how fast the engine is where no disk slows it down.

use crate::process::{cargo, output_of};
use anyhow::Result;

/// Gives the section of the report, made by the engine's own benchmark in its release build.
pub(crate) fn report() -> Result<String> {
    let table = output_of(&mut cargo(["bench", "--quiet", "--package", "virstor", "--bench", "map"]))?;
    Ok(format!("## passes over a map of 268,435,456 entries, in memory\n\n{table}"))
}
