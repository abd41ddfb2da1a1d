//! Many clients in one thread: an event loop over the pollables of `wasi:sockets`.
//!
//! ```text
//!            +--> listeners: let in who waits ------------------------+
//!   poll ----+--> guests with output: send ----+                      +--> poll
//!            +--> guests without: receive -----+--> advance, send ----+
//!            +--> clock: send away whose time has run out ------------+
//! ```

mod guest;
mod listener;

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasi::clocks::monotonic_clock;
use wasi::io::poll::{self, Pollable};
use wasi::sockets::network::ErrorCode;

use self::guest::{Doing, Guest};
pub(crate) use self::listener::{Listener, reason};
use super::busy_poll::{BusyPoll, Way};
use super::control::{Control, INTERVAL};
use super::network::Policy;
use super::service::Service;

/// How long to leave a listener alone that could not give us a connection.
const RESPITE: Duration = Duration::from_millis(100);

/// How long clients have, when the server ends, to take what the host was given for them.
const FAREWELL: Duration = Duration::from_secs(5);

/// How many are let in before those who are here have their turn.
const MOST_AT_ONCE: usize = 64;

/// Serves those who come to `listeners`, until the server is asked to end by `control`, or the last client is gone where
/// the policy has it so.
pub(crate) fn serve(
    service: &Arc<Service>,
    listeners: &[Listener],
    policy: Policy,
    control: Option<&Control>,
) {
    let mut guests: Vec<Guest> = Vec::new();
    let mut anyone_chose = false;
    let mut unwell: Option<Instant> = None;
    let mut busy_poll = BusyPoll::default();
    let mut listened = Instant::now();
    loop {
        unwell = unwell.filter(|until| *until > Instant::now());
        let turns = wait(listeners, &guests, unwell, policy, control.is_some(), &mut busy_poll);
        if turns.listeners && welcome(service, listeners, &mut guests, policy).is_err() {
            unwell = Some(Instant::now() + RESPITE);
        }
        let now = Instant::now();
        if let Some(control) = control.filter(|_| now >= listened + INTERVAL) {
            listened = now;
            if control.poll() {
                return take_leave(guests);
            }
        }
        for index in turns.guests {
            let guest = &mut guests[index];
            if let Err(why) = guest.take_turn() {
                guest.see_off(&why);
            }
            // It may have been a long one, and the client had no say yet.
            guest.active = Instant::now();
            anyone_chose |= guest.has_chosen;
        }
        for guest in &mut guests {
            if guest.deadline(policy).is_some_and(|deadline| deadline <= now) {
                guest.see_off("the client let its time run out");
            }
        }
        guests.retain(|guest| !guest.may_be_dropped());
        if policy.exit_after_last && anyone_chose && !guests.iter().any(Guest::uses_an_export) {
            return take_leave(guests);
        }
    }
}

/// Sees everybody off, and gives the host time to send what they are owed.
fn take_leave(mut guests: Vec<Guest>) {
    let deadline = Instant::now() + FAREWELL;
    guests.iter_mut().for_each(|guest| guest.see_off("the server ends"));
    loop {
        guests.retain(|guest| !guest.may_be_dropped());
        let left = deadline.saturating_duration_since(Instant::now());
        if guests.is_empty() || left.is_zero() {
            break;
        }
        poll_within(&guests.iter().filter_map(Guest::waits_for).collect::<Vec<_>>(), Some(left));
    }
    // Dropping one that does not read would wait for it; the end of the program does not.
    mem::forget(guests);
}

/// Whose turn it is.
struct Turns {
    listeners: bool,
    /// By index.
    guests: Vec<usize>,
}

/// Waits until somebody can get on, or somebody's time runs out.
fn wait(
    listeners: &[Listener],
    guests: &[Guest],
    unwell: Option<Instant>,
    policy: Policy,
    has_control: bool,
    busy_poll: &mut BusyPoll,
) -> Turns {
    let now = Instant::now();
    let waiting = |(index, guest): (usize, &Guest)| (guest.doing == Doing::Waiting).then_some(index);
    let mut turns =
        Turns { listeners: false, guests: guests.iter().enumerate().filter_map(waiting).collect() };

    let mut pollables = Vec::with_capacity(listeners.len() + guests.len() + 1);
    let mut owners = Vec::with_capacity(guests.len());
    for (index, guest) in guests.iter().enumerate() {
        if let Some(pollable) = guest.waits_for() {
            pollables.push(pollable);
            owners.push(index);
        }
    }
    if unwell.is_none() {
        pollables.extend(listeners.iter().map(|listener| &listener.ready));
    }
    let holds = guests.iter().any(|guest| guest.doing == Doing::Holding);
    let deadlines =
        guests.iter().flat_map(|guest| [guest.deadline(policy), guest.wakes()]).flatten().chain(unwell);
    let patience = if turns.guests.is_empty() {
        let patience = deadlines.min().map(|deadline| deadline.saturating_duration_since(now));
        // There is nothing to wait for that would say when there is room, or a request.
        let look = (has_control || holds).then_some(INTERVAL);
        patience.into_iter().chain(look).min()
    } else {
        Some(Duration::ZERO)
    };
    for ready in ready(&pollables, patience, busy_poll) {
        match owners.get(ready as usize) {
            Some(guest) => turns.guests.push(*guest),
            None => turns.listeners = true,
        }
    }
    let now = Instant::now();
    for (index, guest) in guests.iter().enumerate() {
        let is_due = guest.wakes().is_some_and(|wakes| wakes <= now) && !turns.guests.contains(&index);
        if is_due || guest.doing == Doing::Holding {
            turns.guests.push(index);
        }
    }
    turns
}

/// Which of `pollables` are ready, by index. Waits for the first of them, but not longer than `patience`; `None` is for ever.
fn ready(pollables: &[&Pollable], patience: Option<Duration>, busy_poll: &mut BusyPoll) -> Vec<u32> {
    if patience == Some(Duration::ZERO) {
        return poll_within(pollables, patience);
    }
    let found: Result<_, Infallible> = busy_poll.wait(|way| {
        let patience = if way == Way::Look { Some(Duration::ZERO) } else { patience };
        let ready = poll_within(pollables, patience);
        Ok((way == Way::Sleep || !ready.is_empty()).then_some(ready))
    });
    let Ok(ready) = found;
    ready
}

fn poll_within(pollables: &[&Pollable], patience: Option<Duration>) -> Vec<u32> {
    let nanoseconds = |patience: Duration| u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
    let clock = patience.map(|patience| monotonic_clock::subscribe_duration(nanoseconds(patience)));
    let with_clock: Vec<_> = pollables.iter().copied().chain(&clock).collect();
    let mut ready = poll::poll(&with_clock);
    ready.retain(|index| (*index as usize) < pollables.len());
    ready
}

/// Lets in everyone who waits at the door.
///
/// # Errors
///
/// When the host could not give us a connection: for lack of file descriptors, say.
fn welcome(
    service: &Arc<Service>,
    listeners: &[Listener],
    guests: &mut Vec<Guest>,
    policy: Policy,
) -> Result<(), ErrorCode> {
    for listener in listeners {
        for _ in 0..MOST_AT_ONCE {
            match listener.socket.accept() {
                Ok(accepted) => enter(Guest::new(accepted, service, Instant::now()), guests, policy),
                Err(ErrorCode::WouldBlock) => break,
                Err(ErrorCode::ConnectionAborted) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Makes room for a client. Where there are too many already, it takes the place of the one that has been
/// longest about its handshake; where there is none such, it is not let in.
fn enter(mut guest: Guest, guests: &mut Vec<Guest>, policy: Policy) {
    if guests.iter().filter(|guest| guest.is_here()).count() >= policy.max_clients {
        let slowest = guests.iter_mut().find(|guest| guest.is_here() && !guest.has_chosen);
        let Some(slowest) = slowest else { return guest.see_off("there are too many clients") };
        slowest.see_off("another client took its place");
    }
    // Those who are gone and do not take what they are owed have their bound, too.
    if guests.len() >= policy.max_clients.saturating_mul(2) {
        return guest.see_off("there are too many clients");
    }
    guests.push(guest);
}
