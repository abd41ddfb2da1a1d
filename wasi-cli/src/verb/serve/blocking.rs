//! Serving one client over a connection that is waited for.

use std::time::Duration;
use std::{io, thread};

use super::client::{Client, Next};
use crate::failure::host_reason;

/// A connection that blocks.
pub(crate) trait Pipe {
    /// Puts what the client says into `buf` and gives the number of bytes; 0 is the end. `has_chosen` tells
    /// whether its handshake is over, since before that there may be less patience.
    ///
    /// # Errors
    ///
    /// Those of the host; a time that has run out among them.
    fn receive(&mut self, buf: &mut [u8], has_chosen: bool) -> io::Result<usize>;

    /// Sends all of `bytes`, in as few pieces as the host lets it.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Puts what the client has said by now into `buf`, which may be empty, without waiting for more; gives the number
    /// of bytes.
    ///
    /// # Errors
    ///
    /// When the client is known to have gone. Where that cannot be known without waiting there is no error.
    fn overhear(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        _ = buf;
        Ok(0)
    }
}

/// How long a request that waits for room is left alone.
const MOMENT: Duration = Duration::from_millis(20);

/// Serves `client` until it is gone, telling `chosen` when its handshake is over; gives why it went.
pub(crate) fn serve(client: &mut Client, pipe: &mut dyn Pipe, chosen: &mut dyn FnMut()) -> String {
    let mut has_chosen = false;
    loop {
        let next = client.advance();
        if !has_chosen && client.has_chosen() {
            has_chosen = true;
            chosen();
        }
        if let Err(error) = send(client, pipe) {
            return explain(&error);
        }
        match next {
            Next::Continue => {}
            // What it says meanwhile shows whether it is still there.
            Next::Hold => match pipe.overhear(client.room()) {
                Ok(count) => {
                    client.received(count);
                    thread::sleep(MOMENT);
                }
                Err(error) => return explain(&error),
            },
            Next::Close(close) => return close.to_string(),
            Next::Receive => match pipe.receive(client.room(), has_chosen) {
                Ok(0) => return "the client closed the connection".into(),
                Ok(count) => client.received(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return explain(&error),
            },
        }
    }
}

fn send(client: &mut Client, pipe: &mut dyn Pipe) -> io::Result<()> {
    let output = client.output();
    if !output.is_empty() {
        pipe.send(output)?;
        client.sent(client.output().len());
    }
    Ok(())
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the client closed the connection".into(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the client let its time run out".into(),
        _ => host_reason(error),
    }
}
