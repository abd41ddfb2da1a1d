//! The programs that do a job today, and the table that shows ours beside them.

use super::measure::{Contender, Sample};
use crate::process::which;
use crate::progress::say;
use crate::table::markdown;
use std::ffi::OsString;

/// Those of the command lines whose program is installed; the others are named. The table leaves out `out`, the file that
/// all of them write.
pub(crate) fn installed(lines: &[&[&str]], out: &str) -> Vec<Contender> {
    let mut contenders = Vec::new();
    for words in lines {
        if which(words[0]).is_none() {
            say(&format!("not installed, so not compared: {}", words.join(" ")));
            continue;
        }
        let name = words.join(" ").replace(&format!(" {out}"), "");
        contenders.push(Contender { name, words: words.iter().map(OsString::from).collect() });
    }
    contenders
}

/// The first `peer_count` are the peers; the ratios are to the best of them.
pub(crate) fn table(contenders: &[Contender], samples: &[Sample], peer_count: usize) -> String {
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
