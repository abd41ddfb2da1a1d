//! What the user sees while something is under way: `[2/5] build virstor.wasm ... 31 s`.

use anyhow::{Context, Result};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Prints one line.
pub(crate) fn say(line: &str) {
    print(&format!("{line}\n"));
}

/// A known number of steps, performed one after the other.
pub(crate) struct Steps {
    total: usize,
    begun: usize,
    started: Instant,
}

impl Steps {
    pub(crate) fn new(total: usize) -> Steps {
        Steps { total, begun: 0, started: Instant::now() }
    }

    /// Performs a step that prints little or nothing.
    pub(crate) fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        // Cargo draws its progress bar from the first column of a terminal.
        self.perform(name, std::io::stderr().is_terminal(), step)
    }

    /// Performs a step whose output is what the user wants to see.
    pub(crate) fn show<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        self.perform(name, true, step)
    }

    /// Says how long all steps took together.
    ///
    /// Panics when the promised number of steps was not performed: the user was shown it.
    pub(crate) fn finish(self, summary: &str) {
        assert_eq!(self.begun, self.total, "steps performed and steps promised");
        say(&format!("{summary} ({})", seconds(self.started.elapsed())));
    }

    fn perform<T>(&mut self, name: &str, own_line: bool, step: impl FnOnce() -> Result<T>) -> Result<T> {
        self.begun += 1;
        let heading = format!("[{}/{}] {name}", self.begun, self.total);
        print(&if own_line { format!("{heading}\n") } else { format!("{heading} ... ") });
        let started = Instant::now();
        let result = step();
        match (&result, own_line) {
            (Ok(_), false) => say(&seconds(started.elapsed())),
            (Ok(_), true) => say(&format!("      {}", seconds(started.elapsed()))),
            (Err(_), _) => say("failed"),
        }
        result.with_context(|| name.to_owned())
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // Progress that nobody can read any more is no reason to stop the work.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
