//! Bad input, row by row: what the program says, how it ends, and that it does so in bounded time and memory.
//!
//! Every row runs the native program in a fresh folder with 256 MiB of address space and half a minute. Whatever
//! the row expects, each line on stderr starts with `virstor: `, holds no control character, and no file that
//! was there has changed.

#[cfg(unix)]
#[path = "bad_input/changes.rs"]
mod changes;
#[cfg(unix)]
#[path = "bad_input/rescue.rs"]
mod rescue;
#[cfg(unix)]
#[path = "bad_input/rows.rs"]
mod rows;
#[cfg(unix)]
#[path = "bad_input/run.rs"]
mod run;
#[cfg(unix)]
#[path = "bad_input/serve.rs"]
mod serve;

#[cfg(unix)]
fn main() {
    use libtest_mimic::{Arguments, Trial};
    use virstor_tests::runtime::Runtime;

    let arguments = Arguments::from_args();
    let there = Runtime::Native.is_there();
    let trials = rows::all().into_iter().map(|row| {
        let ignored = !there || row.needs.is_some_and(|needs| !needs());
        Trial::test(row.name, move || run::run(&row)).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// Limits and special files are made with the means of Unix.
#[cfg(not(unix))]
fn main() {}
