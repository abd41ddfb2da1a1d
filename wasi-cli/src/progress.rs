//! How far long work is: a line on a terminal, or JSON for machines.
//!
//! There are no threads in WASI, so the worker itself reports, and the line is drawn at most ten times a
//! second.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use virstor_inspect::Stage;

use crate::args::{Output, ProgressMode};
use crate::size;

/// Work that takes less than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Time between two lines.
const INTERVAL: Duration = Duration::from_millis(100);

/// Shows how far a piece of work is. Dropping it clears the line.
#[derive(Debug)]
pub(crate) struct Progress {
    style: Style,
    what: String,
    started: Instant,
    shown: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Line,
    Json,
    Silent,
}

impl Progress {
    /// Progress in the way the user wants it: by default a line, where stderr is a terminal.
    pub(crate) fn new(mode: ProgressMode, quiet: bool) -> Self {
        let style = match mode {
            ProgressMode::Json => Style::Json,
            ProgressMode::Auto if !quiet && io::stderr().is_terminal() => Style::Line,
            ProgressMode::Auto | ProgressMode::None => Style::Silent,
        };
        Self { style, what: String::new(), started: Instant::now(), shown: None }
    }

    /// Says that `done` of `total` bytes of `what` ("exporting home.raw") are done.
    pub(crate) fn report(&mut self, what: &str, done: u64, total: u64) {
        if self.style == Style::Silent {
            return;
        }
        let now = Instant::now();
        if self.what != what {
            self.what = what.into();
            self.started = now;
        }
        let due = match self.shown {
            Some(shown) => now - shown >= INTERVAL,
            None => now - self.started >= PATIENCE,
        };
        if due {
            self.shown = Some(now);
            self.show(done, total, now - self.started);
        }
    }

    fn show(&self, done: u64, total: u64, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64().max(0.001);
        // Rates are for people: a rounding error of a float does no harm.
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rate = (done as f64 / seconds) as u64;
        let percent = (u128::from(done) * 100).checked_div(u128::from(total)).unwrap_or(100);
        let left = total.saturating_sub(done).checked_div(rate);
        let mut stderr = io::stderr();
        // Nobody is left to tell when stderr is gone.
        _ = match self.style {
            Style::Json => writeln!(
                stderr,
                "{}",
                serde_json::json!({ "progress": self.what, "done": done, "total": total, "bytes_per_second": rate })
            ),
            _ => {
                let left = left.map_or_else(String::new, |left| format!(", {} left", duration(left)));
                let (done, total, rate) = (size::human(done), size::human(total), size::human(rate));
                write!(stderr, "\r\x1b[K{}: {percent} % ({done} of {total}, {rate}/s{left})", self.what)
            }
        };
        _ = stderr.flush();
    }

    /// Takes the line away, so that other output can follow.
    pub(crate) fn clear(&mut self) {
        if self.style == Style::Line && self.shown.is_some() {
            _ = write!(io::stderr(), "\r\x1b[K");
        }
        self.shown = None;
    }
}

/// Hears how far an engine is that looks through files, and says which file it reads.
pub(crate) fn of_stages(output: Output) -> impl FnMut(Stage<'_>, u64, u64) -> ControlFlow<()> {
    let mut progress = Progress::new(output.progress, output.quiet);
    move |stage, done, total| {
        let what = match stage {
            Stage::Searching(file) => format!("searching {file}"),
            Stage::ReadingMap(file) => format!("reading the map on {file}"),
            Stage::ReadingData(file) => format!("reading the data from {file} on"),
        };
        progress.report(&what, done, total);
        ControlFlow::Continue(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
