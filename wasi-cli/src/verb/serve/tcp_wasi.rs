//! Many clients in one thread: an event loop over the pollables of `wasi:sockets`.
//!
//! ```text
//!            +--> listeners: let in who waits ------------------------+
//!   poll ----+--> guests with output: send ----+                      +--> poll
//!            +--> guests without: receive -----+--> advance, send ----+
//!            +--> clock: send away whose time has run out ------------+
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasi::clocks::monotonic_clock;
use wasi::io::poll::{self, Pollable};
use wasi::io::streams::{InputStream, OutputStream, StreamError};
use wasi::sockets::instance_network::instance_network;
use wasi::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasi::sockets::tcp::TcpSocket;
use wasi::sockets::tcp_create_socket::create_tcp_socket;

use super::client::{Client, Next};
use super::control::{Control, INTERVAL};
use super::network::Policy;
use super::service::Service;

/// How many batches of replies a guest may have before the others have their turn.
const TURN: usize = 8;

/// Fewest bytes that are asked for at once: more than a hundred requests that carry nothing.
const MIN_RECEIVE: usize = 4 << 10;

/// Most bytes the host gives at once, whatever it is asked for.
const MAX_RECEIVE: usize = 64 << 10;

/// How long a connection is silent before the host asks whether the other end still exists.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long to leave a listener alone that could not give us a connection.
const RESPITE: Duration = Duration::from_millis(100);

/// Something clients can connect to. Fields are dropped in this order: the host wants children to go first.
pub(crate) struct Listener {
    ready: Pollable,
    socket: TcpSocket,
    /// Where it really listens.
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Listens on a TCP address.
    ///
    /// # Errors
    ///
    /// What the host says; above all that it was not told to let us use the network.
    pub(crate) fn tcp(address: SocketAddr) -> Result<Self, ErrorCode> {
        let family = if address.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 };
        let socket = create_tcp_socket(family)?;
        let ready = socket.subscribe();
        socket.start_bind(&instance_network(), to_wasi(address))?;
        finish(&ready, || socket.finish_bind())?;
        socket.start_listen()?;
        finish(&ready, || socket.finish_listen())?;
        let address = from_wasi(socket.local_address()?);
        Ok(Self { ready, socket, address })
    }
}

/// Waits for what was started to be finished.
fn finish(ready: &Pollable, mut attempt: impl FnMut() -> Result<(), ErrorCode>) -> Result<(), ErrorCode> {
    loop {
        match attempt() {
            Err(ErrorCode::WouldBlock) => ready.block(),
            done => return done,
        }
    }
}

/// A client that is connected. Fields are dropped in this order: the host wants children to go first.
struct Guest {
    readable: Pollable,
    writable: Pollable,
    input: InputStream,
    output: OutputStream,
    socket: TcpSocket,
    client: Option<Client>,
    /// How many bytes to ask for at once. wasmtime clears as much memory each time, whatever there is to be had, and
    /// most clients send a few hundred bytes.
    appetite: usize,
    doing: Doing,
    arrived: Instant,
    /// When bytes last went either way; kept only where idleness matters.
    active: Instant,
    has_chosen: bool,
}

/// What a guest is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Doing {
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
    fn new(accepted: (TcpSocket, InputStream, OutputStream), service: &Arc<Service>, now: Instant) -> Self {
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
            doing: Doing::Sending(Next::Receive),
            arrived: now,
            active: now,
            has_chosen: false,
        }
    }

    /// What has to be ready for it to get on; `None` when nothing has.
    fn waits_for(&self) -> Option<&Pollable> {
        match self.doing {
            Doing::Sending(_) | Doing::Leaving(_) => Some(&self.writable),
            Doing::Receiving => Some(&self.readable),
            Doing::Waiting | Doing::Holding => None,
        }
    }

    /// Gets on as far as it can without waiting, and not too far. Errs with the reason when it is over.
    fn take_turn(&mut self) -> Result<(), String> {
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
                    self.doing = Doing::Sending(client.advance_with_more(&mut |client| {
                        // An error is seen again when nothing else is left to do.
                        receive(client, &self.input, &mut self.appetite).unwrap_or(false)
                    }));
                }
                Doing::Waiting => self.doing = Doing::Sending(client.advance()),
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
            self.has_chosen = client.has_chosen();
        }
        Ok(())
    }

    /// When its time runs out if nothing happens.
    fn deadline(&self, policy: Policy) -> Option<Instant> {
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
    let mut listened = Instant::now();
    loop {
        let now = Instant::now();
        unwell = unwell.filter(|until| *until > now);
        let turns = wait(listeners, &guests, unwell, policy, control.is_some(), now);
        if turns.listeners && welcome(service, listeners, &mut guests, policy).is_err() {
            unwell = Some(Instant::now() + RESPITE);
        }
        let now = Instant::now();
        if let Some(control) = control.filter(|_| now >= listened + INTERVAL) {
            listened = now;
            if control.poll() {
                guests.iter_mut().for_each(|guest| see_off(guest, "the server ends"));
                return;
            }
        }
        for index in turns.guests {
            let guest = &mut guests[index];
            guest.active = now;
            if let Err(why) = guest.take_turn() {
                see_off(guest, &why);
            }
            anyone_chose |= guest.has_chosen;
        }
        for guest in &mut guests {
            if guest.deadline(policy).is_some_and(|deadline| deadline <= now) {
                see_off(guest, "the client let its time run out");
            }
        }
        guests.retain(|guest| guest.client.is_some());
        if policy.exit_after_last && anyone_chose && !guests.iter().any(|guest| guest.has_chosen) {
            return;
        }
    }
}

fn see_off(guest: &mut Guest, why: &str) {
    if let Some(client) = guest.client.take() {
        client.left(why);
    }
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
    now: Instant,
) -> Turns {
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
    let deadlines = guests.iter().filter_map(|guest| guest.deadline(policy)).chain(unwell);
    let patience = if turns.guests.is_empty() {
        let patience = deadlines.min().map(|deadline| deadline.saturating_duration_since(now));
        // There is nothing to wait for that would say when there is room, or a request.
        let look = (has_control || holds).then_some(INTERVAL);
        patience.into_iter().chain(look).min()
    } else {
        Some(Duration::ZERO)
    };
    let listeners_end = pollables.len();
    let clock = patience.map(|patience| {
        monotonic_clock::subscribe_duration(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX))
    });
    pollables.extend(&clock);
    for ready in poll::poll(&pollables) {
        let ready = ready as usize;
        match owners.get(ready) {
            Some(guest) => turns.guests.push(*guest),
            None if ready < listeners_end => turns.listeners = true,
            None => {}
        }
    }
    let holding = |(index, guest): (usize, &Guest)| (guest.doing == Doing::Holding).then_some(index);
    turns.guests.extend(guests.iter().enumerate().filter_map(holding));
    turns
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
        loop {
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
    let present = guests.iter().filter(|guest| guest.client.is_some());
    if present.clone().count() >= policy.max_clients {
        let slowest = guests.iter_mut().find(|guest| guest.client.is_some() && !guest.has_chosen);
        let Some(slowest) = slowest else { return see_off(&mut guest, "there are too many clients") };
        see_off(slowest, "another client took its place");
    }
    guests.push(guest);
}

/// The host's reason why it is not possible to listen.
pub(crate) fn reason(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::AccessDenied => "the network is out of reach; 'wasmtime run -S inherit-network' opens it",
        ErrorCode::AddressInUse => "the address is in use",
        ErrorCode::AddressNotBindable => "it is not an address of this machine",
        ErrorCode::NotSupported => "the runtime has no sockets of that kind",
        _ => error.message(),
    }
}

fn to_wasi(address: SocketAddr) -> IpSocketAddress {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) })
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments();
            let (port, address) = (address.port(), (a, b, c, d, e, f, g, h));
            IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info: 0, address, scope_id: 0 })
        }
    }
}

fn from_wasi(address: IpSocketAddress) -> SocketAddr {
    match address {
        IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (a, b, c, d) }) => {
            SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port)
        }
        IpSocketAddress::Ipv6(Ipv6SocketAddress { port, address: (a, b, c, d, e, f, g, h), .. }) => {
            SocketAddr::new(Ipv6Addr::new(a, b, c, d, e, f, g, h).into(), port)
        }
    }
}
