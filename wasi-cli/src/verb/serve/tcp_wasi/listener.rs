//! Where clients come in, and addresses in the host's words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wasi::io::poll::Pollable;
use wasi::sockets::instance_network::instance_network;
use wasi::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasi::sockets::tcp::TcpSocket;
use wasi::sockets::tcp_create_socket::create_tcp_socket;

/// Something clients can connect to. Fields are dropped in this order: the host wants children to go first.
pub(crate) struct Listener {
    pub(super) ready: Pollable,
    pub(super) socket: TcpSocket,
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
