//! Addresses to listen on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a server listens unless told otherwise: NBD's port, on this machine only.
pub(crate) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);

/// The port IANA gave to NBD.
const PORT: u16 = 10809;

/// Parses `ADDRESS:PORT` for clap; the port may be left out, and `localhost` is 127.0.0.1.
///
/// # Errors
///
/// One line saying what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    let local = text.strip_prefix("localhost").map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    let port = local.and_then(|port| if port.is_empty() { Some(PORT) } else { port.parse().ok() });
    let address = port.map(|port| SocketAddr::new(DEFAULT.ip(), port));
    address.ok_or_else(|| format!("'{text}' is not ADDRESS:PORT, such as 127.0.0.1:10809 or [::1]:10809"))
}

/// What to say of an address that other machines can reach.
#[cfg(not(target_env = "p1"))]
pub(crate) fn warning(address: SocketAddr) -> Option<String> {
    let open = !address.ip().to_canonical().is_loopback();
    open.then(|| {
        format!(
            "{address} can be reached from other machines, and NBD neither asks who is there nor encrypts"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("127.0.0.1", "127.0.0.1:10809"),
            ("localhost", "127.0.0.1:10809"),
            ("localhost:7", "127.0.0.1:7"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:10809"),
            ("0.0.0.0:0", "0.0.0.0:0"),
        ] {
            assert_eq!(parse(text).map(|address| address.to_string()).as_deref(), Ok(expected));
        }
        for text in ["", ":", "host:7", "localhosts", "127.0.0.1:65536", "7"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_others_can_reach_is_warned_about() {
        for (text, warns) in [
            ("127.0.0.1:7", false),
            ("127.8.8.8:7", false),
            ("[::1]:7", false),
            ("[::ffff:127.0.0.1]:7", false),
            ("0.0.0.0:7", true),
            ("[::]:7", true),
            ("192.168.1.1:7", true),
        ] {
            assert_eq!(warning(parse(text).expect(text)).is_some(), warns, "{text}");
        }
    }
}
