//! A client that is connected, and what it is about.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasi::io::poll::Pollable;
use wasi::io::streams::{InputStream, OutputStream, StreamError};
use wasi::sockets::network::{ErrorCode, IpAddressFamily};
use wasi::sockets::tcp::TcpSocket;

use crate::verb::serve::client::{Client, Next};
use crate::verb::serve::network::Policy;
use crate::verb::serve::pace::Pace;
use crate::verb::serve::service::Service;

/// How many things a guest may do before the others have their turn: a batch of replies is made, and is sent.
const TURN: usize = 8;

/// Fewest bytes that are asked for at once: more than a hundred requests that carry nothing.
const MIN_RECEIVE: usize = 4 << 10;

/// Most bytes the host gives at once, whatever it is asked for.
const MAX_RECEIVE: usize = 64 << 10;

/// Most times that input is looked for before what is answered is sent.
const BATCH: usize = 32;

/// How long to wait for more requests of a client where that is worth it. A client takes a few microseconds from one to the
/// next; wasmtime's clock takes a millisecond or two, whatever it is asked for.
const MOMENT: Duration = Duration::from_micros(500);

/// What a packet holds on a loopback device, in bytes: IP's most, less its header and that of TCP with timestamps. As much is
/// sent at once. wasmtime would take 53 more, and the kernel sends these as a packet of their own: the client is woken for
/// them, and what is sent last waits until it acknowledges them.
const PACKET_IPV4: usize = 65_535 - 20 - 32;

/// The same for IPv6, whose devices take one byte more.
const PACKET_IPV6: usize = 65_536 - 40 - 32;

/// How long a connection is silent before the host asks whether the other end still exists.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A client that is connected. Fields are dropped in this order: the host wants children to go first.
pub(super) struct Guest {
    readable: Pollable,
    writable: Pollable,
    input: InputStream,
    output: OutputStream,
    socket: TcpSocket,
    /// `None` once it is gone.
    client: Option<Client>,
    /// How many bytes to ask for at once. wasmtime clears as much memory each time, whatever there is to be had, and
    /// most clients send a few hundred bytes.
    appetite: usize,
    pace: Pace,
    /// What fills a packet anywhere, in bytes. No host holds it back, and nobody is to wait for it.
    packet: usize,
    pub(super) doing: Doing,
    arrived: Instant,
    /// When it last had its turn.
    pub(super) active: Instant,
    /// Whether its handshake is over.
    pub(super) has_chosen: bool,
}

/// What a guest is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    /// There is output to be sent, and then this to be done.
    Sending(Next),
    /// The client has to say more.
    Receiving,
    /// There is output to be sent, but until then the client may ask for more.
    Gathering(Instant),
    /// It had its turn and has more to do.
    Waiting,
    /// A request of it waits for room.
    Holding,
    /// All is said; the host may still be sending.
    Leaving(String),
    /// Nobody serves it any more. Dropping its output waits until the host has sent what it took, so that is not done before.
    Gone,
}

impl Guest {
    /// Somebody who was let in.
    pub(super) fn new(
        accepted: (TcpSocket, InputStream, OutputStream),
        service: &Arc<Service>,
        now: Instant,
    ) -> Self {
        let (socket, input, output) = accepted;
        // A host that cannot do this serves all the same.
        let nanoseconds = u64::try_from(KEEPALIVE.as_nanos()).expect("a minute");
        _ = socket.set_keep_alive_enabled(true).and_then(|()| socket.set_keep_alive_idle_time(nanoseconds));
        let packet = match socket.address_family() {
            IpAddressFamily::Ipv4 => PACKET_IPV4,
            IpAddressFamily::Ipv6 => PACKET_IPV6,
        };
        Self {
            readable: input.subscribe(),
            writable: output.subscribe(),
            input,
            output,
            socket,
            client: Some(Client::new(service)),
            appetite: MIN_RECEIVE,
            pace: Pace::default(),
            packet,
            doing: Doing::Sending(Next::Receive),
            arrived: now,
            active: now,
            has_chosen: false,
        }
    }

    /// What has to be ready for it to get on; `None` when nothing has.
    pub(super) fn waits_for(&self) -> Option<&Pollable> {
        match self.doing {
            Doing::Sending(_) | Doing::Leaving(_) | Doing::Gone => Some(&self.writable),
            Doing::Receiving | Doing::Gathering(_) => Some(&self.readable),
            Doing::Waiting | Doing::Holding => None,
        }
    }

    /// Gets on as far as it can without waiting, and not too far. Errs with the reason when it is over.
    pub(super) fn take_turn(&mut self) -> Result<(), String> {
        for _ in 0..TURN {
            let Some(client) = self.client.as_mut() else { return Ok(()) };
            match &self.doing {
                Doing::Sending(next) => {
                    let next = *next;
                    if !send(client, &self.output, self.packet, next == Next::Continue)? {
                        return Ok(());
                    }
                    self.doing = match next {
                        Next::Receive => Doing::Receiving,
                        Next::Continue => Doing::Waiting,
                        Next::Hold => {
                            self.doing = Doing::Holding;
                            return Ok(());
                        }
                        Next::Close(close) => {
                            self.output.flush().map_err(|error| explain(&error))?;
                            Doing::Leaving(close.to_string())
                        }
                    };
                }
                Doing::Receiving => {
                    if !receive(client, &self.input, &mut self.appetite)? {
                        return Ok(());
                    }
                    self.pace.heard(Instant::now());
                    self.doing = self.answer();
                }
                Doing::Gathering(until) => {
                    let (until, answered) = (*until, client.answered());
                    let now = Instant::now();
                    // An error is seen again when nothing else is left to do.
                    match receive(client, &self.input, &mut self.appetite) {
                        Ok(true) => {
                            self.pace.waited(answered, true);
                            self.doing = self.answer();
                        }
                        Ok(false) if now < until => return Ok(()),
                        Ok(false) | Err(_) => {
                            self.pace.waited(answered, false);
                            self.doing = self.send_batch(Next::Receive, now);
                        }
                    }
                }
                Doing::Waiting => self.doing = self.answer(),
                Doing::Holding => {
                    overhear(client, &self.input, &mut self.appetite, &self.socket)?;
                    self.doing = Doing::Sending(client.advance());
                }
                Doing::Leaving(why) => {
                    // The host has sent everything when it would take more.
                    let room = self.output.check_write().map_err(|error| explain(&error))?;
                    return if room > 0 { Err(why.clone()) } else { Ok(()) };
                }
                Doing::Gone => return Ok(()),
            }
        }
        Ok(())
    }

    /// Makes a batch of replies. What comes while it is made is answered in the same batch.
    fn answer(&mut self) -> Doing {
        let client = self.client.as_mut().expect("only who is here is answered");
        let mut next = client.advance();
        for _ in 0..BATCH {
            // An error is seen again when nothing else is left to do.
            if next != Next::Receive || !receive(client, &self.input, &mut self.appetite).unwrap_or(false) {
                break;
            }
            next = client.advance();
        }
        self.has_chosen = client.has_chosen();
        let now = Instant::now();
        let is_small = (1..self.packet).contains(&client.output().len());
        if next == Next::Receive && is_small && self.pace.is_worth_waiting(client.answered()) {
            return Doing::Gathering(now + MOMENT);
        }
        self.send_batch(next, now)
    }

    /// Has what was answered sent.
    fn send_batch(&mut self, next: Next, now: Instant) -> Doing {
        let answered = self.client.as_ref().map_or(0, Client::answered);
        if answered > 0 && next == Next::Receive {
            self.pace.answered(now, answered);
        }
        Doing::Sending(next)
    }

    /// Whether nobody has seen it off.
    pub(super) fn is_here(&self) -> bool {
        self.client.is_some()
    }

    /// Whether it is here and its handshake is over.
    pub(super) fn uses_an_export(&self) -> bool {
        self.is_here() && self.has_chosen
    }

    /// Notes that it is gone, and why.
    pub(super) fn see_off(&mut self, why: &str) {
        if let Some(client) = self.client.take() {
            client.left(why);
        }
        self.doing = Doing::Gone;
    }

    /// Whether nothing is held up by dropping it.
    pub(super) fn may_be_dropped(&self) -> bool {
        self.doing == Doing::Gone && self.writable.ready()
    }

    /// When it gets on although nothing has happened.
    pub(super) fn wakes(&self) -> Option<Instant> {
        match self.doing {
            Doing::Gathering(until) => Some(until),
            _ => None,
        }
    }

    /// When its time runs out if nothing happens.
    pub(super) fn deadline(&self, policy: Policy) -> Option<Instant> {
        if !self.is_here() {
            None
        } else if self.has_chosen {
            policy.idle_time.map(|time| self.active + time)
        } else {
            Some(self.arrived + policy.handshake_time)
        }
    }
}

/// Receives what there is; says whether there was anything.
fn receive(client: &mut Client, input: &InputStream, appetite: &mut usize) -> Result<bool, String> {
    let room = client.room();
    let want = room.len().min(*appetite);
    let bytes = input.read(want as u64).map_err(|error| explain(&error))?;
    *appetite = next_appetite(*appetite, bytes.len());
    room[..bytes.len()].copy_from_slice(&bytes);
    client.received(bytes.len());
    Ok(!bytes.is_empty())
}

/// How much to ask for after `appetite` brought `got` bytes: payloads come in pieces as large as they are taken.
fn next_appetite(appetite: usize, got: usize) -> usize {
    if got >= appetite {
        (appetite * 4).min(MAX_RECEIVE)
    } else if got > 0 && got < appetite / 4 {
        (appetite / 2).max(MIN_RECEIVE)
    } else {
        appetite
    }
}

/// Receives what a client says whose request waits for room: that shows whether it is still there.
///
/// When it has said more than there is space for, it only shows that the host found nobody there any more: after a reset at
/// once, after the end of a program in some minutes.
fn overhear(
    client: &mut Client,
    input: &InputStream,
    appetite: &mut usize,
    socket: &TcpSocket,
) -> Result<(), String> {
    if client.room().is_empty() {
        let gone = |error: ErrorCode| format!("the client is gone: {}", error.message());
        return socket.remote_address().map(drop).map_err(gone);
    }
    receive(client, input, appetite).map(drop)
}

/// Sends what the host takes; says whether that was all. Where it `goes_on`, the end that fills no packet is left for later.
fn send(client: &mut Client, output: &OutputStream, packet: usize, goes_on: bool) -> Result<bool, String> {
    while !client.output().is_empty() {
        if goes_on && client.output().len() < packet {
            client.carry();
            return Ok(true);
        }
        let room = output.check_write().map_err(|error| explain(&error))?;
        if room == 0 {
            return Ok(false);
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let count = room.min(packet).min(client.output().len());
        output.write(&client.output()[..count]).map_err(|error| explain(&error))?;
        client.sent(count);
    }
    Ok(true)
}

fn explain(error: &StreamError) -> String {
    match error {
        StreamError::Closed => "the client closed the connection".into(),
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
    }
}
