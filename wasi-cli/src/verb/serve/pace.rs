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
//! such a client from others but the stall, nor how many requests it sends at a time. So for each number of requests it is
//! kept what waiting for more is worth when so many are answered: a stall pays for many waits that are in vain.

use std::time::{Duration, Instant};

/// Batches that follow each other sooner than this may be one too many for the kernel.
const SUCCESSION: Duration = Duration::from_millis(5);

/// For how long a client is silent that acknowledges late.
const STALL: std::ops::Range<Duration> = Duration::from_millis(30)..Duration::from_millis(250);

/// How many waits in vain take as long as a stall.
const STALL_COST: u8 = 24;

/// How many waits in vain are risked with other numbers of requests than the one that led to a stall.
const TRIALS: u8 = 2;

/// Most requests in a batch that are told from more of them.
const DEPTH: usize = 64;

/// How the exchange with one client goes.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the last batch was ready, how many requests it answered, and how many the batch did that was right before it.
    last: Option<(Instant, usize, Option<usize>)>,
    /// How many times more it may be waited in vain, by the number of requests that are answered.
    worth: [u8; DEPTH + 1],
}

impl Default for Pace {
    fn default() -> Self {
        Self { last: None, worth: [0; DEPTH + 1] }
    }
}

impl Pace {
    /// The client said something after a batch was sent.
    pub(crate) fn heard(&mut self, now: Instant) {
        let Some((at, _, Some(before))) = self.last else { return };
        if STALL.contains(&now.saturating_duration_since(at)) {
            self.last = None;
            self.worth.iter_mut().for_each(|worth| *worth = TRIALS.max(*worth));
            self.worth[before.min(DEPTH)] = STALL_COST;
        }
    }

    /// A batch is to be sent that answers so many requests.
    pub(crate) fn answered(&mut self, now: Instant, requests: usize) {
        let is_close = |at: Instant| now.saturating_duration_since(at) < SUCCESSION;
        let before = self.last.and_then(|(at, before, _)| is_close(at).then_some(before));
        self.last = Some((now, requests, before));
    }

    /// Whether to wait for more when so many requests are answered.
    pub(crate) fn is_worth_waiting(&self, requests: usize) -> bool {
        self.worth[requests.min(DEPTH)] > 0
    }

    /// It was waited for more when so many requests were answered.
    pub(crate) fn waited(&mut self, requests: usize, came: bool) {
        let worth = &mut self.worth[requests.min(DEPTH)];
        *worth = if came { (*worth + 1).min(STALL_COST) } else { worth.saturating_sub(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_micros(400);

    /// A client that has sent 15 requests, then one, and then nothing for so long.
    fn silent_for(silence: Duration) -> Pace {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.answered(start, 15);
        pace.heard(start + SOON);
        pace.answered(start + SOON, 1);
        pace.heard(start + SOON + silence);
        pace
    }

    /// How often it is waited in vain for more than so many requests.
    fn patience(pace: &mut Pace, requests: usize) -> usize {
        std::iter::from_fn(|| pace.is_worth_waiting(requests).then(|| pace.waited(requests, false))).count()
    }

    #[test]
    fn only_who_stalls_is_waited_for() {
        assert_eq!(patience(&mut Pace::default(), 15), 0);
        assert_eq!(patience(&mut silent_for(SOON), 15), 0);
        assert_eq!(patience(&mut silent_for(Duration::from_secs(1)), 15), 0);
        assert!(patience(&mut silent_for(Duration::from_millis(41)), 15) > 0);
    }

    #[test]
    fn silence_behind_a_single_batch_is_a_clients_own_affair() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.answered(start, 15);
        pace.heard(start + STALL.start);
        pace.answered(start + STALL.start, 15);
        pace.heard(start + STALL.start * 2);
        assert!((0..100).all(|requests| !pace.is_worth_waiting(requests)));
    }

    #[test]
    fn a_stall_pays_for_so_many_waits_in_vain_and_no_more() {
        let mut pace = silent_for(STALL.start);
        assert_eq!(patience(&mut pace, 15), usize::from(STALL_COST));
        assert_eq!(patience(&mut pace, 16), usize::from(TRIALS));
        assert_eq!(patience(&mut pace, DEPTH), usize::from(TRIALS));
        // What is above is one and the same.
        assert_eq!(patience(&mut pace, 1 << 20), 0);
    }

    #[test]
    fn waits_that_bring_more_are_no_loss() {
        let mut pace = silent_for(STALL.start);
        (0..1000).for_each(|_| pace.waited(7, true));
        assert_eq!(patience(&mut pace, 7), usize::from(STALL_COST));
        (0..1000).for_each(|_| pace.waited(8, false));
        pace.waited(8, true);
        assert_eq!(patience(&mut pace, 8), 1);
    }
}
