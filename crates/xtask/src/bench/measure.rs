//! Running contenders in turn and measuring each: wall clock, processor time, peak memory.

use crate::process::{output_of, shown, succeed};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use wait4::Wait4;

/// The verb under which this program runs itself: see [`relay`].
pub(crate) const RELAY: &str = "bench-one";

/// A program that does a job which others do too.
pub(crate) struct Contender {
    /// What the table calls it.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) words: Vec<OsString>,
}

/// What one run cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// The most memory it had at once, in bytes.
    pub(crate) peak_rss: u64,
}

impl Sample {
    /// The median of each figure.
    ///
    /// Panics when there is no sample.
    fn median(samples: &[Sample]) -> Sample {
        Sample {
            wall: median(samples.iter().map(|sample| sample.wall)),
            cpu: median(samples.iter().map(|sample| sample.cpu)),
            peak_rss: median(samples.iter().map(|sample| sample.peak_rss)),
        }
    }

    fn to_line(self) -> String {
        format!("{} {} {}\n", self.wall.as_micros(), self.cpu.as_micros(), self.peak_rss)
    }

    fn from_line(line: &str) -> Option<Sample> {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        let mut time = || numbers.next().map(Duration::from_micros);
        Some(Sample { wall: time()?, cpu: time()?, peak_rss: numbers.next()? })
    }
}

/// Runs every contender once in each of `rounds` rounds, in turn, so that a busy minute of the machine falls on all
/// of them. A round before them warms the caches and does not count. Gives medians in the order of the contenders.
pub(crate) fn in_turn(
    contenders: &[Contender],
    rounds: usize,
    run: &dyn Fn(&Contender) -> Result<Sample>,
) -> Result<Vec<Sample>> {
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..=rounds {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            let sample = run(contender).with_context(|| contender.name.clone())?;
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    Ok(samples.iter().map(|samples| Sample::median(samples)).collect())
}

/// A row for each contender: what it did, wall clock and processor time in milliseconds, peak memory in MiB.
pub(crate) fn costs(what: &str, contenders: &[Contender], samples: &[Sample]) -> Vec<Vec<String>> {
    let row = |(contender, sample): (&Contender, &Sample)| {
        vec![
            format!("{what}, {}", contender.name),
            format!("{:.1}", sample.wall.as_secs_f64() * 1e3),
            format!("{:.1}", sample.cpu.as_secs_f64() * 1e3),
            format!("{:.1}", sample.peak_rss as f64 / f64::from(1 << 20)),
        ]
    };
    contenders.iter().zip(samples).map(row).collect()
}

/// Runs a contender in `folder`, its standard output into `answer`.
pub(crate) fn measure(contender: &Contender, folder: &Path, answer: &Path) -> Result<Sample> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(RELAY).arg(answer).args(&contender.words).current_dir(folder);
    let line = output_of(&mut command)?;
    Sample::from_line(&line).with_context(|| format!("{} said {line:?}", shown(&command)))
}

/// Runs `words[1..]` with its output into the file `words[0]` and prints what it cost.
///
/// That is done by a process of its own because a child's peak memory counts from the fork on: it cannot be less than
/// what its parent has needed until then.
pub(crate) fn relay(words: &[OsString]) -> Result<()> {
    let [answer, program, args @ ..] = words else { anyhow::bail!("who is to be measured?") };
    let mut command = Command::new(program);
    command.args(args).stdout(File::create(answer)?);
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {}", shown(&command)))?;
    let end = child.wait4()?;
    let wall = started.elapsed();
    succeed(&command, end.status)?;
    let usage = end.rusage;
    let sample = Sample { wall, cpu: usage.utime + usage.stime, peak_rss: usage.maxrss };
    crate::progress::say(sample.to_line().trim_end());
    Ok(())
}

fn median<T: Ord>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort();
    let middle = values.len() / 2;
    values.swap_remove(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn sample(wall: u64, cpu: u64, peak_rss: u64) -> Sample {
        Sample { wall: Duration::from_micros(wall), cpu: Duration::from_micros(cpu), peak_rss }
    }

    fn contender(name: &str) -> Contender {
        Contender { name: name.into(), words: Vec::new() }
    }

    #[test]
    fn the_median_of_each_figure_is_taken_on_its_own() {
        let samples = [sample(1, 6, 5), sample(9, 4, 6), sample(3, 5, 900)];
        assert_eq!(Sample::median(&samples), sample(3, 5, 6));
    }

    #[test]
    fn everybody_runs_in_every_round_and_the_first_does_not_count() {
        let clock = Cell::new(0);
        let run = |_: &Contender| {
            clock.set(clock.get() + 1);
            Ok(sample(clock.get(), 0, 0))
        };
        let medians = in_turn(&[contender("a"), contender("b")], 3, &run).unwrap();
        // a ran as number 1, 3, 5 and 7.
        assert_eq!(medians, [sample(5, 0, 0), sample(6, 0, 0)]);
    }

    #[test]
    fn who_fails_is_named() {
        let error = in_turn(&[contender("a")], 1, &|_| anyhow::bail!("wrong bytes")).unwrap_err();
        assert_eq!(format!("{error:#}"), "a: wrong bytes");
    }

    #[test]
    fn a_sample_reads_back() {
        let sample = sample(1, 20, 300);
        assert_eq!(Sample::from_line(&sample.to_line()), Some(sample));
        assert_eq!(Sample::from_line("1 2"), None);
    }
}
