//! Sockets of the host: TCP anywhere, Unix sockets where there are any.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection is silent before the host asks whether the other end still exists.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Something clients can connect to.
#[derive(Debug)]
pub(crate) enum Listener {
    /// By TCP.
    Tcp(TcpListener),
    /// By a path of this host.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// Listens on a TCP address; gives the address that was really bound, too.
    pub(crate) fn tcp(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address)?;
        let bound = listener.local_addr()?;
        Ok((Self::Tcp(listener), bound))
    }

    /// Waits for a client.
    pub(crate) fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // Replies are sent in batches; the last packet of one must not wait for company.
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
                Ok(Socket::Tcp(stream))
            }
            #[cfg(unix)]
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Socket::Unix(stream)),
        }
    }
}

/// Whether the client said that it has no more to say, behind what it said before, for which the host has to have room.
#[cfg(target_os = "linux")]
fn has_ended(socket: &SockRef<'_>) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut sockets = [PollFd::new(&**socket, PollFlags::RDHUP)];
    poll(&mut sockets, Some(&Timespec::default()))?;
    Ok(sockets[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP))
}

/// Elsewhere nothing tells before all is read.
#[cfg(not(target_os = "linux"))]
fn has_ended(_: &SockRef<'_>) -> io::Result<bool> {
    Ok(false)
}

/// A connection to a client. It blocks, at most as long as it is told to.
#[derive(Debug)]
pub(crate) enum Socket {
    /// By TCP.
    Tcp(TcpStream),
    /// By a path of this host.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    /// How long receiving may take; `None` is for ever.
    pub(crate) fn set_receive_time(&self, time: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(time),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_read_timeout(time),
        }
    }

    /// How long sending may take without getting on; `None` is for ever.
    pub(crate) fn set_send_time(&self, time: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(time),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_write_timeout(time),
        }
    }

    /// Makes whoever waits for the client see the end.
    pub(crate) fn shut_down(&self, how: Shutdown) {
        // One that the client has closed needs none.
        _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(how),
        };
    }

    /// Receives what there is, without waiting.
    ///
    /// # Errors
    ///
    /// When the client has closed it, or the host found out that nobody is there any more. Where `buf` is empty, and the host
    /// is not Linux, only the latter shows: a reset at once, the end of a program in some minutes.
    pub(crate) fn overhear(&self, buf: &mut [u8]) -> io::Result<usize> {
        let socket = match self {
            Self::Tcp(stream) => SockRef::from(stream),
            #[cfg(unix)]
            Self::Unix(stream) => SockRef::from(stream),
        };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        if buf.is_empty() {
            return if has_ended(&socket)? { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(0) };
        }
        match self.receive_now(buf)? {
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count.unwrap_or(0)),
        }
    }

    /// Receives what there is; `None` is nothing yet, and 0 the end.
    pub(crate) fn receive_now(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match self.receive_without_waiting(buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            received => received.map(Some),
        }
    }

    #[cfg(unix)]
    fn receive_without_waiting(&self, buf: &mut [u8]) -> io::Result<usize> {
        use rustix::net::{RecvFlags, recv};
        let (count, _) = match self {
            Self::Tcp(stream) => recv(stream, buf, RecvFlags::DONTWAIT)?,
            Self::Unix(stream) => recv(stream, buf, RecvFlags::DONTWAIT)?,
        };
        Ok(count)
    }

    /// Elsewhere waiting is a state of the socket.
    #[cfg(not(unix))]
    fn receive_without_waiting(&self, buf: &mut [u8]) -> io::Result<usize> {
        let Self::Tcp(stream) = self;
        stream.set_nonblocking(true)?;
        let received = self.receive(buf);
        stream.set_nonblocking(false)?;
        received
    }

    pub(crate) fn receive(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).read(buf),
            #[cfg(unix)]
            Self::Unix(stream) => (&mut &*stream).read(buf),
        }
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).write_all(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => (&mut &*stream).write_all(bytes),
        }
    }
}
