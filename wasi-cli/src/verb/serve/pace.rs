//! When to wait for the rest of what a client asks before what it asked is answered.
//!
//! ```text
//!  client    15 requests     1 request                          the other 15 replies were of no use to it
//!  server         15 replies     1 reply ......................|
//!  kernel         sent           held: the 15 are not acknowledged, for 40 ms
//! ```
//!
//! Without `TCP_NODELAY` a small batch waits until the small batch before it is acknowledged. A client acknowledges with what
//! it says next, or after 40 ms; one that says nothing before it has all replies makes the latter the rule. Nothing tells
//! such a client from others but the stall, so for some time after one its requests are answered together.

use std::time::{Duration, Instant};

/// Batches that follow each other sooner than this may be one too many for the kernel.
const SUCCESSION: Duration = Duration::from_millis(5);

/// What a client that acknowledges late is silent for at least.
const STALL: Duration = Duration::from_millis(30);

/// For how many batches a client that stalled is waited for. If it stalls no more without that, this was one batch in so many.
const WARY: u32 = 1 << 14;

/// How often fewer requests may come than are expected, before fewer are expected.
const MISSES: u32 = 16;

/// How the exchange with one client goes.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the last batch was ready, and whether that was right behind another.
    last: Option<(Instant, bool)>,
    /// For how many batches it is waited for.
    wary: u32,
    /// Most requests that one batch answered of late: so many it sends before it waits for an answer.
    depth: usize,
    /// How many batches in a row answered fewer.
    misses: u32,
}

impl Pace {
    /// The client said something.
    pub(crate) fn heard(&mut self, now: Instant) {
        let stalled =
            |(at, is_close): (Instant, bool)| is_close && now.saturating_duration_since(at) >= STALL;
        if self.last.take_if(|last| stalled(*last)).is_some() {
            self.wary = WARY;
        }
    }

    /// A batch is ready that answers so many requests.
    pub(crate) fn answered(&mut self, now: Instant, requests: usize) {
        let is_close = |(at, _): (Instant, bool)| now.saturating_duration_since(at) < SUCCESSION;
        self.last = Some((now, self.last.is_some_and(is_close)));
        self.wary = self.wary.saturating_sub(1);
        if requests >= self.depth {
            (self.depth, self.misses) = (requests, 0);
            return;
        }
        self.misses += 1;
        if self.misses == MISSES {
            (self.depth, self.misses) = (self.depth - self.depth.div_ceil(8), 0);
        }
    }

    /// How many requests are worth waiting for a moment; 0 where nothing is.
    pub(crate) fn expected(&self) -> usize {
        if self.wary > 0 { self.depth } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_micros(400);

    /// A client that has sent 15 requests, then one, and then nothing for so long.
    fn silent_for(silence: Duration) -> (Pace, Instant) {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.answered(start, 15);
        pace.heard(start + SOON);
        pace.answered(start + SOON, 1);
        let now = start + SOON + silence;
        pace.heard(now);
        (pace, now)
    }

    #[test]
    fn only_who_stalls_is_waited_for() {
        assert_eq!(silent_for(SOON).0.expected(), 0);
        assert_eq!(silent_for(Duration::from_millis(41)).0.expected(), 15);
        // Silence behind a single batch is a client's own affair.
        let (mut pace, now) = silent_for(Duration::from_millis(10));
        pace.answered(now, 15);
        pace.heard(now + Duration::from_secs(1));
        assert_eq!(pace.expected(), 0);
    }

    #[test]
    fn who_stalls_no_more_is_not_waited_for_for_ever() {
        let (mut pace, now) = silent_for(STALL);
        (0..WARY).for_each(|_| pace.answered(now, 16));
        assert_eq!(pace.expected(), 0);
    }

    #[test]
    fn a_few_small_batches_do_not_lower_what_is_expected_and_many_do() {
        let (mut pace, now) = silent_for(STALL);
        pace.answered(now, 16);
        (1..MISSES).for_each(|_| pace.answered(now, 1));
        assert_eq!(pace.expected(), 16);
        (0..1000).for_each(|_| pace.answered(now, 1));
        assert_eq!(pace.expected(), 1);
    }
}
