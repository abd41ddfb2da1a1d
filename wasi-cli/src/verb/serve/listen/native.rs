//! Natively: TCP, Unix sockets, sockets that somebody opened for us, and an end by signal.

use std::thread;

use super::*;
use crate::failure::host_reason;
#[cfg(unix)]
use crate::output::shown;
use crate::verb::serve::control::INTERVAL;
use crate::verb::serve::network::{Policy, addresses, announce, cannot_listen, uri};
use crate::verb::serve::socket::Listener;
use crate::verb::serve::tcp_native::Threads;

/// Serves in a thread of its own, so that a signal ends the server as the end of input would.
pub(super) fn serve_stdio(service: &Arc<Service>, control: Option<Control>) -> Result<(), Failure> {
    let (sender, ended) = std::sync::mpsc::channel();
    let on_signal = sender.clone();
    let on_request = sender.clone();
    on_stop(move || _ = on_signal.send(Ok(())))?;
    listen_to(control, move || _ = on_request.send(Ok(())));
    let service = Arc::clone(service);
    thread::spawn(move || sender.send(stdio::serve(&service)));
    ended.recv().unwrap_or(Ok(()))
}

pub(super) fn serve_network(
    service: &Arc<Service>,
    args: &ServeArgs,
    control: Option<Control>,
) -> Result<(), Failure> {
    // This takes what it finds out of the environment, so it comes before there are threads.
    let inherited = inherited(args)?;
    let threads = Threads::new(Arc::clone(service), Policy::new(args));
    let stopper = threads.stopper();
    on_stop(move || stopper.stop())?;
    let stopper = threads.stopper();
    listen_to(control, move || stopper.stop());
    if !inherited.is_empty() {
        // Whoever opened them knows where they are, and may want stdout for itself.
        return threads.serve(inherited);
    }
    let mut listening = Vec::new();
    let mut listeners = Vec::new();
    if !args.listen.is_empty() || unix_path(args).is_none() {
        for address in addresses(args) {
            let failed = |error| cannot_listen(address, &host_reason(&error));
            let (listener, bound) = Listener::tcp(address).map_err(failed)?;
            listening.push(uri(bound));
            listeners.push(listener);
        }
    }
    let _path = unix::listen(args, &mut listeners, &mut listening)?;
    announce(service, args, listening)?;
    threads.serve(listeners)
}

/// Answers requests in a thread of its own, for as long as the process lives; has `stop` called when one says so.
fn listen_to(control: Option<Control>, stop: impl Fn() + Send + 'static) {
    let Some(control) = control else { return };
    thread::spawn(move || {
        loop {
            if control.poll() {
                stop();
            }
            thread::sleep(INTERVAL);
        }
    });
}

/// Has `stop` called when a signal asks the program to end.
fn on_stop(stop: impl FnMut() + Send + 'static) -> Result<(), Failure> {
    ctrlc::set_handler(stop).map_err(|error| Failure::Operation(format!("cannot handle signals: {error}")))
}

#[cfg(not(unix))]
fn unix_path(_: &ServeArgs) -> Option<&std::path::Path> {
    None
}

#[cfg(unix)]
fn unix_path(args: &ServeArgs) -> Option<&std::path::Path> {
    args.unix.as_deref()
}

#[cfg(not(unix))]
fn inherited(_: &ServeArgs) -> Result<Vec<Listener>, Failure> {
    Ok(Vec::new())
}

/// The sockets that systemd, or a client that starts its own server, opened for us; none where the command
/// line says where to listen.
#[cfg(unix)]
fn inherited(args: &ServeArgs) -> Result<Vec<Listener>, Failure> {
    if !args.listen.is_empty() || args.unix.is_some() {
        return Ok(Vec::new());
    }
    let mut sockets = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..sockets.len() {
        // A socket of another kind is left where it is, so that the second attempt finds it.
        let listener = match sockets.take_tcp_listener(index) {
            Ok(listener) => listener.map(Listener::Tcp),
            Err(_) => sockets
                .take_unix_listener(index)
                .map_err(|error| {
                    Failure::Operation(format!("socket {index} of LISTEN_FDS: {}", host_reason(&error)))
                })?
                .map(Listener::Unix),
        };
        listeners.extend(listener);
    }
    Ok(listeners)
}

#[cfg(not(unix))]
mod unix {
    use std::convert::Infallible;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "other hosts can fail here")]
    pub(super) fn listen(
        _: &ServeArgs,
        _: &mut Vec<Listener>,
        _: &mut Vec<String>,
    ) -> Result<Option<Infallible>, Failure> {
        Ok(None)
    }
}

#[cfg(unix)]
mod unix {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};

    use super::*;

    /// Longest path of a Unix socket in bytes, the NUL behind it left out.
    const LONGEST: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

    /// A socket in the file system, which goes when the server does.
    pub(super) struct SocketFile(PathBuf);

    impl Drop for SocketFile {
        fn drop(&mut self) {
            // Somebody may have been quicker.
            _ = std::fs::remove_file(&self.0);
        }
    }

    /// Listens on the path asked for, if one was.
    pub(super) fn listen(
        args: &ServeArgs,
        listeners: &mut Vec<Listener>,
        listening: &mut Vec<String>,
    ) -> Result<Option<SocketFile>, Failure> {
        let Some(path) = &args.unix else { return Ok(None) };
        remove_if_left_over(path);
        let listener = UnixListener::bind(path).map_err(|error| {
            let reason = match error.kind() {
                // The only thing that can be wrong with a path which is not empty and holds no NUL.
                std::io::ErrorKind::InvalidInput => {
                    format!("the path of a socket has at most {LONGEST} bytes")
                }
                std::io::ErrorKind::AddrInUse if !is_socket(path) => {
                    "it is there already, and is no socket".to_string()
                }
                _ => host_reason(&error),
            };
            Failure::Operation(format!("cannot listen on {}: {reason}", shown(path)))
        })?;
        listeners.push(Listener::Unix(listener));
        listening.push(uri_of(path));
        Ok(Some(SocketFile(path.clone())))
    }

    /// The URI that clients reach the default export by. What is in the path and would mean something in a URI, or
    /// nothing, is `%XX` (RFC 3986, 2.1 to 2.3; the slash may stay, 3.4).
    pub(super) fn uri_of(path: &Path) -> String {
        let mut uri = String::from("nbd+unix:///?socket=");
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                    uri.push(char::from(*byte));
                }
                // Writing to a string cannot fail.
                _ => _ = write!(uri, "%{byte:02X}"),
            }
        }
        uri
    }

    /// A server that was killed leaves its socket behind, and nobody answers there.
    fn remove_if_left_over(path: &Path) {
        if is_socket(path)
            && UnixStream::connect(path).is_err_and(|it| it.kind() == std::io::ErrorKind::ConnectionRefused)
        {
            _ = std::fs::remove_file(path);
        }
    }

    fn is_socket(path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;

    use super::unix::uri_of;

    #[test]
    fn the_path_of_a_socket_is_escaped_in_its_uri() {
        for (path, escaped) in [
            ("/run/a-b_c.d~/S9", "/run/a-b_c.d~/S9"),
            ("my sock", "my%20sock"),
            ("a&b=c+d?e#f%20", "a%26b%3Dc%2Bd%3Fe%23f%2520"),
            ("\u{1b}[1m\u{e9}", "%1B%5B1m%C3%A9"),
        ] {
            assert_eq!(uri_of(Path::new(path)), format!("nbd+unix:///?socket={escaped}"));
        }
    }
}
