//! The project's tooling: `cargo xtask VERB`, behind every npm script.

mod bench;
mod build;
mod package;
mod parity;
mod process;
mod progress;
mod runtime;
mod sample;
mod site;
mod soak;
mod start;
mod table;
mod test;
mod toolchain;
mod tools;
mod web;
mod web_test;
mod workspace;

use anyhow::{Result, bail};
use start::Then;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask VERB

  start [--once]    build everything, run the program on the sample volume, and serve the web inspector
                    on localhost; with --once only see to it that it is served
  test              run every check and test, after fetching what they need
  bench [--rounds N] [--dir DIR] [--out FILE]
                    measure the programs beside their peers
  bench --web       measure the web inspector in the browsers
  bench --instructions
                    count what the engine's hot paths take
  soak [--minutes N] [--from SEED]
                    go on with seeded tests, with new seeds
  build             leave dist/virstor.wasm, dist/virstor-wasip1.wasm, target/release/virstor,
                    dist/web/ and dist/virstor-inspector.html
  web               only the last two of these
  web-test          only the tests of the web inspector, in the browsers
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
        ("bench", [web]) if web == "--web" => web_test::bench_web()?,
        ("bench", options) => bench::bench(options)?,
        (bench::RELAY, words) => bench::relay(words)?,
        (bench::WRITES, words) => bench::writes(words)?,
        ("soak", options) => soak::soak(options)?,
        ("build", []) => build::build_all()?,
        ("package", []) => package::package()?,
        ("reproduce", []) => build::reproduce()?,
        ("web", []) => build::build_web()?,
        ("web-test", []) => web_test::test_web()?,
        ("test", []) => test::test_all()?,
        ("start", []) => start::start(Then::Stay)?,
        ("start", [once]) if once == "--once" => start::start(Then::End)?,
        _ => bail!("not understood\n{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}
