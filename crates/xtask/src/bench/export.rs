//! The main job: a volume of 2 GiB, half holes, on two components, becomes a raw image. What others do is to copy the
//! same image, which already is one file.

use super::measure::{Contender, in_turn, measure};
use super::volume::{COMPONENTS, Volume, must_be_equal};
use super::{Bench, peers, remove_if_there};
use crate::process::{run, which};
use anyhow::Result;
use std::process::Command;

/// What a raw image is written to by everybody.
const OUT: &str = "out.img";

/// The volume's content as one file, for those who cannot read a volume.
const SOURCE: &str = "src.raw";

/// The same as qcow2, which like a volume has a map of what is allocated.
const SOURCE_QCOW2: &str = "src.qcow2";

/// Who does the job today, each in the ways that might be its fastest.
const PEERS: [&[&str]; 8] = [
    &["qemu-img", "convert", "-f", "raw", "-O", "raw", SOURCE, OUT],
    &["qemu-img", "convert", "-W", "-m", "16", "-f", "raw", "-O", "raw", SOURCE, OUT],
    &["qemu-img", "convert", "-f", "qcow2", "-O", "raw", SOURCE_QCOW2, OUT],
    &["qemu-img", "convert", "-W", "-m", "16", "-f", "qcow2", "-O", "raw", SOURCE_QCOW2, OUT],
    &["cp", "--sparse=always", SOURCE, OUT],
    &["cp", "--sparse=auto", SOURCE, OUT],
    &["cp", "--sparse=auto", "--reflink=never", SOURCE, OUT],
    &["nbdcopy", SOURCE, OUT],
];

/// Lets everybody do the job, and gives the section of the report about it.
pub(crate) fn report(bench: &Bench) -> Result<String> {
    let volume = Volume::half_holes();
    volume.label(&bench.folder)?;
    volume.fill(&bench.folder, Some(&bench.folder.join(SOURCE)))?;
    let mut contenders = peers(bench)?;
    let peer_count = contenders.len();
    let args = [&["export", "--quiet", "--output", OUT][..], &COMPONENTS].concat();
    contenders.extend(bench.programs(&args));

    let out = bench.folder.join(OUT);
    let source = bench.folder.join(SOURCE);
    let samples = in_turn(&contenders, bench.rounds, &|contender| {
        remove_if_there(&out)?;
        let sample = measure(contender, &bench.folder, &bench.folder.join("answer"))?;
        must_be_equal(&out, &source)?;
        Ok(sample)
    })?;
    bench.clear()?;
    Ok(format!(
        "## export: 2 GiB, half holes, on two components, to a raw image\n\n{}",
        peers::table(&contenders, &samples, peer_count)
    ))
}

/// Those of [`PEERS`] that are installed, and what they need.
fn peers(bench: &Bench) -> Result<Vec<Contender>> {
    if which("qemu-img").is_some() {
        let args = ["convert", "-f", "raw", "-O", "qcow2", SOURCE, SOURCE_QCOW2];
        run(Command::new("qemu-img").args(args).current_dir(&bench.folder))?;
    }
    Ok(peers::installed(&PEERS, OUT))
}
