//! Bad input, row by row: what the program says, how it ends, and that it does so in bounded time and memory.
//!
//! Every row runs the native program in a fresh folder with 256 MiB of address space and a minute. Whatever
//! the row expects, each line on stderr starts with `virstor: `, holds no control character, and no file that
//! was there has changed.

#[cfg(unix)]
#[path = "bad_input/changes.rs"]
mod changes;
#[cfg(unix)]
#[path = "bad_input/files.rs"]
mod files;
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
    use std::sync::{Arc, Mutex};

    use libtest_mimic::{Arguments, Trial};
    use virstor_tests::runtime::Runtime;

    let arguments = Arguments::from_args();
    let there = Runtime::Native.is_there();
    let costs = Arc::new(Mutex::new(Vec::new()));
    let trials = rows::all().into_iter().map(|row| {
        let ignored = !there || row.needs.is_some_and(|needs| !needs());
        let (name, costs) = (row.name, costs.clone());
        let test = move || {
            let cost = run::run(&row)?;
            costs.lock().map_err(|_| "no other row panicked")?.push(cost);
            Ok(())
        };
        Trial::test(name, test).with_ignored_flag(ignored)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Ok(costs) = costs.lock() {
        report(&costs);
    }
    conclusion.exit();
}

/// How far the costliest rows stay below what none may take.
#[cfg(unix)]
#[expect(clippy::print_stdout, reason = "a harness of its own reports where the others do")]
fn report(costs: &[run::Cost]) {
    let mut costliest: Vec<_> = costs.iter().collect();
    costliest.sort_by_key(|cost| std::cmp::Reverse(cost.wall));
    let (seconds, memory) = (run::PATIENCE.as_secs(), run::MEMORY >> 10);
    println!("the costliest rows; none has more than {seconds} s and {memory} MiB of address space:");
    for run::Cost { name, wall } in costliest.into_iter().take(12) {
        println!("{:>7} ms  {name}", wall.as_millis());
    }
    println!();
}

/// Limits and special files are made with the means of Unix.
#[cfg(not(unix))]
fn main() {}
