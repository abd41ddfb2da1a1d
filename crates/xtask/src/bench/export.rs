//! The main job: a volume of 2 GiB, half holes, on two components, becomes a raw image. What others do is to copy the
//! same image, which already is one file.

use super::Bench;
use super::measure::{Contender, Sample, in_turn, measure};
use super::volume::{COMPONENTS, Volume, must_be_equal};
use crate::process::{run, which};
use crate::progress::say;
use crate::table::markdown;
use anyhow::Result;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
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
        match fs::remove_file(&out) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let sample = measure(contender, &bench.folder, &bench.folder.join("answer"))?;
        must_be_equal(&out, &source)?;
        Ok(sample)
    })?;
    bench.clear()?;
    Ok(format!(
        "## export: 2 GiB, half holes, on two components, to a raw image\n\n{}",
        table(&contenders, &samples, peer_count)
    ))
}

fn peers(bench: &Bench) -> Result<Vec<Contender>> {
    if which("qemu-img").is_some() {
        let args = ["convert", "-f", "raw", "-O", "qcow2", SOURCE, SOURCE_QCOW2];
        run(Command::new("qemu-img").args(args).current_dir(&bench.folder))?;
    }
    let mut contenders = Vec::new();
    for words in PEERS {
        if which(words[0]).is_none() {
            say(&format!("not installed, so not compared: {}", words.join(" ")));
            continue;
        }
        let name = words.join(" ").replace(&format!(" {OUT}"), "");
        contenders.push(Contender { name, words: words.iter().map(OsString::from).collect() });
    }
    Ok(contenders)
}

/// The first `peer_count` are the peers; the ratios are to the best of them.
fn table(contenders: &[Contender], samples: &[Sample], peer_count: usize) -> String {
    let peers = &samples[..peer_count];
    let best_wall = peers.iter().map(|sample| sample.wall.as_secs_f64()).reduce(f64::min);
    let best_cpu = peers.iter().map(|sample| sample.cpu.as_secs_f64()).reduce(f64::min);
    let ratio = |value: f64, best: Option<f64>| {
        best.map_or_else(|| "-".into(), |best| format!("{:.2}", value / best))
    };
    let row = |(contender, sample): (&Contender, &Sample)| {
        let (wall, cpu) = (sample.wall.as_secs_f64(), sample.cpu.as_secs_f64());
        vec![
            contender.name.clone(),
            format!("{wall:.3}"),
            ratio(wall, best_wall),
            format!("{cpu:.3}"),
            ratio(cpu, best_cpu),
            format!("{:.1}", sample.peak_rss as f64 / f64::from(1 << 20)),
        ]
    };
    let rows: Vec<_> = contenders.iter().zip(samples).map(row).collect();
    markdown(&["program", "wall s", "to best peer", "cpu s", "to best peer", "peak MiB"], &rows)
}
