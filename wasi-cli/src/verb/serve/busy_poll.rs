//! When to look again and again for what a client says next, and when to sleep until it says something.
//!
//! ```text
//!  client    request           request           request  (thinks)                         request
//!  server           reply look........ reply look........ reply look......| sleep .........
//! ```
//!
//! Where the processor has gone idle meanwhile, waking a thread that sleeps takes longer than answering a small request, and a
//! client with one request at a time pays for that with each. So who was heard soon is looked for a while before the server
//! sleeps: one such look behind each message that came soon is all that is lost to a client that says no more. Where
//! others want the processor it never goes idle, and who looks keeps it from the client; nothing tells such a machine but
//! the clock. So both ways are measured, the better is taken, and the other is tried now and then.

use std::thread;
use std::time::{Duration, Instant};

/// How long to look for a client, at most. It has to be woken, too, and to make its next request.
const LOOK: Duration = Duration::from_micros(100);

/// Who needs no longer than this is likely to need no longer next time. It is more than [`LOOK`], since what was slept
/// through took longer for it: the server had to be woken.
const SOON: Duration = Duration::from_micros(250);

/// Of so many messages one is waited for the other way.
const TRIAL: u32 = 64;

/// One in so many parts of what was known is given up for what is new.
const WEIGHT: u32 = 4;

/// How to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Without waiting for anything.
    Look,
    /// Until there is something.
    Sleep,
}

/// What is known about how fast a client goes on.
#[derive(Debug, Default)]
pub(crate) struct BusyPoll {
    /// Whether the last message came within [`SOON`].
    was_soon: bool,
    /// How many messages followed one that came soon; it wraps.
    heard: u32,
    /// What waiting for these took lately, by the [`Way`] in which it began.
    took: [Duration; 2],
}

impl BusyPoll {
    /// Makes `attempt` after `attempt` the one way, for as long as that is worth it, and then the other, until there is
    /// something.
    ///
    /// # Errors
    ///
    /// The first of `attempt`.
    pub(crate) fn wait<T, E>(
        &mut self,
        mut attempt: impl FnMut(Way) -> Result<Option<T>, E>,
    ) -> Result<T, E> {
        let began = Instant::now();
        let mut way = self.way();
        loop {
            if let Some(found) = attempt(way)? {
                self.heard(began.elapsed());
                return Ok(found);
            }
            if began.elapsed() >= LOOK {
                way = Way::Sleep;
            }
            // Whoever has something to do goes first.
            thread::yield_now();
        }
    }

    /// How to begin to wait for what is said next.
    fn way(&self) -> Way {
        if !self.was_soon {
            return Way::Sleep;
        }
        let is_trial = self.heard % TRIAL == TRIAL - 1;
        let looking_is_better = self.took[Way::Look as usize] <= self.took[Way::Sleep as usize];
        if looking_is_better != is_trial { Way::Look } else { Way::Sleep }
    }

    /// The waiting ended so long after it began, in whichever way: something was said, or a clock ran out.
    fn heard(&mut self, after: Duration) {
        if self.was_soon {
            let took = &mut self.took[self.way() as usize];
            // A pause of the client says nothing more about the way than that it was no use.
            *took = *took - *took / WEIGHT + after.min(SOON) / WEIGHT;
            self.heard = self.heard.wrapping_add(1);
        }
        self.was_soon = after <= SOON;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many messages are looked for, where looking finds each after `look` and one who sleeps hears it
    /// after `sleep`.
    fn looks(poll: &mut BusyPoll, messages: usize, look: Duration, sleep: Duration) -> usize {
        let mut count = 0;
        for _ in 0..messages {
            let looked = poll.way() == Way::Look;
            count += usize::from(looked);
            poll.heard(if looked { look } else { sleep });
        }
        count
    }

    const SHORT: Duration = Duration::from_micros(30);
    const LONG: Duration = Duration::from_micros(120);

    #[test]
    fn the_better_way_is_found() {
        assert!(looks(&mut BusyPoll::default(), 1000, SHORT, LONG) > 960);
        assert!(looks(&mut BusyPoll::default(), 1000, LONG, SHORT) < 40);
    }

    #[test]
    fn it_is_found_again_when_the_machine_changes() {
        let mut poll = BusyPoll::default();
        looks(&mut poll, 1000, SHORT, LONG);
        looks(&mut poll, 1000, LONG, SHORT);
        assert!(looks(&mut poll, 1000, LONG, SHORT) < 40);
        looks(&mut poll, 1000, SHORT, LONG);
        assert!(looks(&mut poll, 1000, SHORT, LONG) > 960);
    }

    /// The ways in which a client is waited for that was heard soon before and is not until it was slept for so often.
    fn ways(sleeps: usize) -> Vec<Way> {
        let mut poll = BusyPoll { was_soon: true, ..BusyPoll::default() };
        let mut ways = Vec::new();
        let done: Result<(), ()> = poll.wait(|way| {
            ways.push(way);
            Ok((ways.iter().filter(|way| **way == Way::Sleep).count() == sleeps).then_some(()))
        });
        assert_eq!(done, Ok(()));
        ways
    }

    #[test]
    fn who_is_not_found_is_slept_for() {
        assert_eq!(ways(0), [Way::Look]);
        assert!(ways(2).ends_with(&[Way::Look, Way::Sleep, Way::Sleep]));
    }

    #[test]
    fn who_pauses_is_not_looked_for_and_costs_one_look() {
        let mut poll = BusyPoll::default();
        looks(&mut poll, 1000, SHORT, LONG);
        let pause = Duration::from_millis(1);
        assert!(looks(&mut poll, 1000, pause, pause) <= 1);
    }
}
