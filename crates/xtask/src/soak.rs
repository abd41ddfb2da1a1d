//! The seeded tests for as long as one likes, with seeds that nobody tried before.

use crate::process::{cargo, run};
use crate::progress::say;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// More than any test takes in one round.
const SEEDS_PER_ROUND: u64 = 100_000;

/// Where the tests are that take seeds: power cuts, failing, short and slow I/O, components that vanish, operations
/// against the model, damage and its repair, hostile bytes. Tests whose seeds cost whole processes, and those without
/// any, are left to `npm test`.
const TESTS: [(&str, &[&str]); 3] = [
    ("virstor", &["--lib", "--test=check", "--test=write", "--test=undo", "--test=specimen"]),
    ("virstor-inspect", &["--test=repair"]),
    ("virstor-tests", &["--test=hostile", "--test=rescue"]),
];

/// Goes round until the time is over or a test fails, which prints the command that tries its seed alone.
pub(crate) fn soak(args: &[OsString]) -> Result<()> {
    let (minutes, first) = parse(args)?;
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut from = first.unwrap_or_else(fresh);
    let mut rounds = 0;
    while rounds == 0 || Instant::now() < end {
        say(&format!("seeds from {from}"));
        for (package, targets) in TESTS {
            let mut tests = cargo(["test", "--quiet", "--package", package]);
            run(tests.args(targets).env("VIRSTOR_SEEDS_FROM", from.to_string())).with_context(|| {
                format!("after good rounds: {rounds}; this one again: npm run soak -- --from {from}")
            })?;
        }
        from = from.wrapping_add(SEEDS_PER_ROUND);
        rounds += 1;
    }
    say(&format!("nothing found; rounds: {rounds}"));
    Ok(())
}

/// Minutes, and where the seeds begin.
fn parse(args: &[OsString]) -> Result<(u64, Option<u64>)> {
    let (mut minutes, mut first) = (0, None);
    for pair in args.chunks(2) {
        let number = pair.get(1).and_then(|value| value.to_str()?.parse().ok());
        match (pair[0].to_str(), number) {
            (Some("--minutes"), Some(number)) => minutes = number,
            (Some("--from"), Some(number)) => first = Some(number),
            _ => bail!("not understood; options: --minutes N, --from SEED"),
        }
    }
    Ok((minutes, first))
}

/// Seeds that differ from day to day. The tests are deterministic all the same: the number is printed.
fn fresh() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() * SEEDS_PER_ROUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_in_any_order() {
        let parse = |text: &str| parse(&text.split_whitespace().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(parse("").unwrap(), (0, None));
        assert_eq!(parse("--from 7 --minutes 3").unwrap(), (3, Some(7)));
        for text in ["--minutes", "--minutes soon", "--hours 1", "7"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
