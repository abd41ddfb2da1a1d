//! The project's tooling: `cargo xtask VERB`, behind every npm script.

mod bench;
mod build;
mod package;
mod process;
mod progress;
mod runtime;
mod sample;
mod soak;
mod start;
mod test;
mod toolchain;
mod tools;
mod workspace;

use anyhow::{Result, bail};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask VERB

  start [--once]    build everything and run the program on the sample volume
  test              run every check and test, after fetching what they need
  bench [--rounds N] [--dir DIR] [--out FILE]
                    measure the programs beside their peers
  bench --instructions
                    count what the engine's hot paths take
  soak [--minutes N] [--from SEED]
                    go on with seeded tests, with new seeds
  build             leave dist/virstor.wasm, dist/virstor-wasip1.wasm and target/release/virstor
  package           build, and leave in dist/ what a release consists of
  reproduce         build the wasm programs twice and compare
  virstor ARGS...   run the wasm program on the current folder";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let verb = args.next().unwrap_or_default();
    let done = perform(&verb.to_string_lossy(), &args.collect::<Vec<_>>());
    done.unwrap_or_else(|error| {
        // Nobody is left to tell when stderr itself is gone.
        let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
        ExitCode::FAILURE
    })
}

fn perform(verb: &str, args: &[OsString]) -> Result<ExitCode> {
    match (verb, args) {
        ("virstor", args) => return runtime::run_in_callers_folder(args),
        ("bench", options) => bench::bench(options)?,
        (bench::RELAY, words) => bench::relay(words)?,
        (bench::WRITES, words) => bench::writes(words)?,
        ("soak", options) => soak::soak(options)?,
        ("build", []) => build::build_all()?,
        ("package", []) => package::package()?,
        ("reproduce", []) => build::reproduce()?,
        ("test", []) => test::test_all()?,
        ("start", []) => start::start()?,
        // Asks for what `start` does anyway while it leaves nothing running.
        ("start", [once]) if once == "--once" => start::start()?,
        _ => bail!("not understood\n{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}
