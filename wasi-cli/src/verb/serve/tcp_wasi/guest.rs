//! A client that is connected, and what it is about.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasi::io::poll::Pollable;
use wasi::io::streams::{InputStream, OutputStream, StreamError};
use wasi::sockets::network::ErrorCode;
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

/// How long to wait for the other requests of a client where that is worth it. A client takes a few microseconds from one to
/// the next.
const MOMENT: Duration = Duration::from_micros(100);

/// What fills a packet anywhere, in bytes. No host holds it back, and nobody is to wait for it.
const FULL: usize = 64 << 10;

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
    pub(super) doing: Doing,
    arrived: Instant,
    /// When bytes last went either way; kept only where idleness matters.
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
    /// It had its turn and has more to do.
    Waiting,
    /// A request of it waits for room.
    Holding,
    /// All is said; the host may still be sending.
    Leaving(String),
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
        Self {
            readable: input.subscribe(),
            writable: output.subscribe(),
            input,
            output,
            socket,
            client: Some(Client::new(service)),
            appetite: MIN_RECEIVE,
            pace: Pace::default(),
            doing: Doing::Sending(Next::Receive),
            arrived: now,
            active: now,
            has_chosen: false,
        }
    }

    /// What has to be ready for it to get on; `None` when nothing has.
    pub(super) fn waits_for(&self) -> Option<&Pollable> {
        match self.doing {
            Doing::Sending(_) | Doing::Leaving(_) => Some(&self.writable),
            Doing::Receiving => Some(&self.readable),
            Doing::Waiting | Doing::Holding => None,
        }
    }

    /// Gets on as far as it can without waiting, and not too far. Errs with the reason when it is over.
    pub(super) fn take_turn(&mut self) -> Result<(), String> {
        for _ in 0..TURN {
            let client = self.client.as_mut().expect("a guest has a client until it is dropped");
            match &self.doing {
                Doing::Sending(next) => {
                    let next = *next;
                    if !send(client, &self.output)? {
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
                    self.doing = Doing::Sending(self.answer());
                }
                Doing::Waiting => self.doing = Doing::Sending(self.answer()),
                Doing::Holding => {
                    overhear(client, &self.input, &mut self.appetite, &self.socket)?;
                    self.doing = Doing::Sending(client.advance());
                }
                Doing::Leaving(why) => {
                    // The host has sent everything when it would take more.
                    let room = self.output.check_write().map_err(|error| explain(&error))?;
                    return if room > 0 { Err(why.clone()) } else { Ok(()) };
                }
            }
        }
        Ok(())
    }

    /// Makes a batch of replies.
    fn answer(&mut self) -> Next {
        let client = self.client.as_mut().expect("a guest has a client until it is dropped");
        let expected = self.pace.expected();
        let next =
            client.advance_with_more(&mut |client| gather(client, &self.input, &mut self.appetite, expected));
        if client.answered() > 0 {
            self.pace.answered(Instant::now(), client.answered());
        }
        self.has_chosen = client.has_chosen();
        next
    }

    /// Whether nobody has seen it off.
    pub(super) fn is_here(&self) -> bool {
        self.client.is_some()
    }

    /// Notes that it is gone, and why.
    pub(super) fn see_off(&mut self, why: &str) {
        if let Some(client) = self.client.take() {
            client.left(why);
        }
    }

    /// When its time runs out if nothing happens.
    pub(super) fn deadline(&self, policy: Policy) -> Option<Instant> {
        if self.has_chosen {
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

/// Receives what there is, or what comes within a moment where there is something to be sent that answers fewer requests than
/// are `expected`; says whether there was anything.
fn gather(client: &mut Client, input: &InputStream, appetite: &mut usize, expected: usize) -> bool {
    let mut silent = None;
    loop {
        match receive(client, input, appetite) {
            Ok(false) => {}
            Ok(true) => return true,
            // It is seen again when nothing else is left to do.
            Err(_) => return false,
        }
        let waiting = client.output().len();
        let is_due = waiting == 0 || waiting >= FULL || client.answered() >= expected;
        if is_due || silent.get_or_insert_with(Instant::now).elapsed() >= MOMENT {
            return false;
        }
    }
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

/// Sends what the host takes; says whether that was all.
fn send(client: &mut Client, output: &OutputStream) -> Result<bool, String> {
    while !client.output().is_empty() {
        let room = output.check_write().map_err(|error| explain(&error))?;
        if room == 0 {
            return Ok(false);
        }
        let count = usize::try_from(room).unwrap_or(usize::MAX).min(client.output().len());
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
