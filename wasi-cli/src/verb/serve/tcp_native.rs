//! Many clients natively: a thread for each, and one that sees to their coming and going.

use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::blocking::{self, Pipe};
use super::busy_poll::{BusyPoll, Way};
use super::client::Client;
use super::network::Policy;
use super::service::Service;
use super::socket::{Listener, Socket};
use crate::failure::Failure;

/// How long clients have, when the server ends, to take the answers they are owed.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long to wait after the host could not give us a connection: for lack of file descriptors, say.
const RESPITE: Duration = Duration::from_millis(100);

/// Something the server has to know of.
enum Event {
    /// It is asked to end.
    Stop,
    /// A client is gone; whether it had chosen an export.
    Left { had_chosen: bool },
}

/// Something that makes a server end.
pub(crate) struct Stopper(Sender<Event>);

impl Stopper {
    /// Asks the server to end.
    pub(crate) fn stop(&self) {
        // One that has ended need not be asked.
        _ = self.0.send(Event::Stop);
    }
}

/// A server that is not serving yet.
pub(crate) struct Threads {
    crowd: Arc<Crowd>,
    events: Receiver<Event>,
}

impl Threads {
    /// A server of `service` for the clients that `policy` lets in.
    pub(crate) fn new(service: Arc<Service>, policy: Policy) -> Self {
        let (sender, events) = mpsc::channel();
        let crowd = Crowd { service, policy, guests: Mutex::default(), events: sender };
        Self { crowd: Arc::new(crowd), events }
    }

    /// What makes it end.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper(self.crowd.events.clone())
    }

    /// Serves those who come to `listeners` until it is asked to end, or, where the policy has it so, the last
    /// client is gone.
    ///
    /// # Errors
    ///
    /// When the host gives no thread to listen in.
    pub(crate) fn serve(self, listeners: Vec<Listener>) -> Result<(), Failure> {
        for listener in listeners {
            let crowd = Arc::clone(&self.crowd);
            spawn("listener", move || crowd.welcome(&listener))
                .map_err(|error| Failure::Operation(format!("cannot start a thread: {error}")))?;
        }
        for event in &self.events {
            match event {
                Event::Stop => break,
                Event::Left { had_chosen: true } if self.crowd.policy.exit_after_last => {
                    if !self.crowd.guests().all.values().any(|guest| guest.has_chosen) {
                        break;
                    }
                }
                Event::Left { .. } => {}
            }
        }
        self.take_leave();
        Ok(())
    }

    /// Hears no client any more, but lets each have what it asked for before.
    fn take_leave(&self) {
        self.crowd.guests().closed = true;
        self.crowd.shut_down(Shutdown::Read);
        let deadline = Instant::now() + FAREWELL;
        while !self.crowd.guests().all.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.events.recv_timeout(left).is_err() {
                return self.crowd.shut_down(Shutdown::Both);
            }
        }
    }
}

/// The clients, and the rules they are under.
struct Crowd {
    service: Arc<Service>,
    policy: Policy,
    guests: Mutex<Guests>,
    events: Sender<Event>,
}

#[derive(Default)]
struct Guests {
    all: BTreeMap<u64, Guest>,
    /// How many there have been: the number of the next.
    count: u64,
    /// Nobody is let in any more.
    closed: bool,
}

/// A client as the others see it.
struct Guest {
    socket: Arc<Socket>,
    has_chosen: bool,
}

impl Crowd {
    fn guests(&self) -> MutexGuard<'_, Guests> {
        // A list of who is there: nothing in it is ever half done.
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in everyone who comes, for as long as the process lives.
    fn welcome(self: Arc<Self>, listener: &Listener) {
        loop {
            match listener.accept() {
                Ok(socket) => self.admit(socket),
                // Clients may be gone before we turn to them; anything else takes time to pass.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => thread::sleep(RESPITE),
            }
        }
    }

    fn admit(self: &Arc<Self>, socket: Socket) {
        let socket = Arc::new(socket);
        let Some(number) = self.guests().enter(&socket, self.policy.max_clients) else { return };
        let crowd = Arc::clone(self);
        let started = spawn("client", move || {
            crowd.attend(number, &socket);
            crowd.leave(number);
        });
        if started.is_err() {
            self.leave(number);
        }
    }

    fn attend(&self, number: u64, socket: &Socket) {
        let mut client = Client::new(&self.service);
        let mut timed = Timed::new(socket, self.policy);
        let mut chosen = || {
            if let Some(guest) = self.guests().all.get_mut(&number) {
                guest.has_chosen = true;
            }
        };
        let why = blocking::serve(&mut client, &mut timed, &mut chosen);
        client.left(&why);
    }

    fn leave(&self, number: u64) {
        let guest = self.guests().all.remove(&number);
        let had_chosen = guest.is_some_and(|guest| guest.has_chosen);
        // The server may have ended without waiting for this one.
        _ = self.events.send(Event::Left { had_chosen });
    }

    fn shut_down(&self, how: Shutdown) {
        for guest in self.guests().all.values() {
            guest.socket.shut_down(how);
        }
    }
}

impl Guests {
    /// Makes room for a client and gives its number. Where there are `max` already, it takes the place of
    /// the one that has been longest about its handshake; where there is none such, it is not let in.
    fn enter(&mut self, socket: &Arc<Socket>, max: usize) -> Option<u64> {
        if self.closed {
            return None;
        }
        if self.all.len() >= max {
            let slowest = self.all.iter().find(|(_, guest)| !guest.has_chosen);
            let slowest = *slowest?.0;
            let guest = self.all.remove(&slowest).expect("it was found just now");
            guest.socket.shut_down(Shutdown::Both);
        }
        self.count += 1;
        self.all.insert(self.count, Guest { socket: Arc::clone(socket), has_chosen: false });
        Some(self.count)
    }
}

/// A socket whose client is given so much time and no more.
struct Timed<'a> {
    socket: &'a Socket,
    policy: Policy,
    /// When the handshake must be over.
    deadline: Instant,
    /// Whether the times for what follows the handshake have been set.
    settled: bool,
    busy_poll: BusyPoll,
}

impl<'a> Timed<'a> {
    fn new(socket: &'a Socket, policy: Policy) -> Self {
        let deadline = Instant::now() + policy.handshake_time;
        Self { socket, policy, deadline, settled: false, busy_poll: BusyPoll::default() }
    }

    fn set_times(&mut self, has_chosen: bool) -> io::Result<()> {
        if self.settled {
            return Ok(());
        }
        let time = if has_chosen {
            self.settled = true;
            self.policy.idle_time
        } else {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Some(left)
        };
        self.socket.set_receive_time(time)?;
        self.socket.set_send_time(time)
    }
}

impl Pipe for Timed<'_> {
    fn receive(&mut self, buf: &mut [u8], has_chosen: bool) -> io::Result<usize> {
        self.set_times(has_chosen)?;
        self.busy_poll.wait(|way| match way {
            Way::Look => self.socket.receive_now(buf),
            Way::Sleep => self.socket.receive(buf).map(Some),
        })
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send(bytes)
    }

    fn overhear(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.overhear(buf)
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(work).map(drop)
}
