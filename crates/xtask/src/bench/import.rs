//! The way back: a raw image of 2 GiB, half holes, becomes a volume. What others do is to make a qcow2 image of it, which
//! like a volume has a map of what is allocated.

use super::measure::{Contender, in_turn, measure};
use super::volume::{COMPONENTS, Volume, must_be_equal};
use super::{Bench, peers, remove_if_there};
use crate::build::Program;
use crate::process::run;
use anyhow::Result;
use std::process::Command;

/// What everybody starts from.
const SOURCE: &str = "src.raw";

/// What the peers make of it.
const OUT: &str = "out.qcow2";

/// The volume's content afterwards, to be compared with the source.
const BACK: &str = "back.raw";

/// Who does the job today, each in the ways that might be its fastest.
const PEERS: [&[&str]; 3] = [
    &["qemu-img", "convert", "-f", "raw", "-O", "qcow2", SOURCE, OUT],
    &["qemu-img", "convert", "-W", "-m", "16", "-f", "raw", "-O", "qcow2", SOURCE, OUT],
    &["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", "preallocation=metadata", SOURCE, OUT],
];

/// Lets everybody do the job, and gives the section of the report about it.
pub(crate) fn report(bench: &Bench) -> Result<String> {
    let volume = Volume::half_holes();
    volume.label(&bench.folder)?;
    volume.fill(&bench.folder, Some(&bench.folder.join(SOURCE)))?;
    let mut contenders = peers::installed(&PEERS, OUT);
    let peer_count = contenders.len();
    let words = ["import", "--quiet", "--undo-log", "import.log", "--input", SOURCE];
    contenders.extend(bench.programs(&[&words[..], &COMPONENTS].concat()));
    let samples = in_turn(&contenders, bench.rounds, &|contender| {
        remove_if_there(&bench.folder.join(OUT))?;
        remove_if_there(&bench.folder.join("import.log"))?;
        volume.without_data().label(&bench.folder)?;
        let sample = measure(contender, &bench.folder, &bench.folder.join("answer"))?;
        verify(bench, contender)?;
        Ok(sample)
    })?;
    bench.clear()?;
    Ok(format!(
        "## import: a raw image of 2 GiB, half holes, into an empty volume on two components\n\n{}",
        peers::table(&contenders, &samples, peer_count)
    ))
}

/// Errs unless what was made holds what the source does.
fn verify(bench: &Bench, contender: &Contender) -> Result<()> {
    let back = bench.folder.join(BACK);
    remove_if_there(&back)?;
    let mut command = if contender.name.starts_with("qemu-img") {
        let mut command = Command::new("qemu-img");
        command.args(["convert", "-O", "raw", OUT, BACK]);
        command
    } else {
        let mut command = Command::new(Program::Native.path(&bench.workspace));
        command.args(["export", "--quiet", "--output", BACK]).args(COMPONENTS);
        command
    };
    run(command.current_dir(&bench.folder))?;
    must_be_equal(&back, &bench.folder.join(SOURCE))
}
