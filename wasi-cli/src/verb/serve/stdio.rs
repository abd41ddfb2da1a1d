//! One client over standard input and output: for inetd, for clients that start their own server, and for
//! runtimes without sockets.

#[cfg_attr(unix, path = "stdio/unix.rs")]
#[cfg_attr(all(target_os = "wasi", target_env = "p2"), path = "stdio/component.rs")]
#[cfg_attr(not(any(unix, all(target_os = "wasi", target_env = "p2"))), path = "stdio/buffered.rs")]
mod streams;

use std::sync::Arc;

use super::blocking;
use super::client::Client;
use super::service::Service;
use crate::failure::Failure;

/// Serves the one client until it is gone.
///
/// # Errors
///
/// When the host has no such streams.
pub(crate) fn serve(service: &Arc<Service>) -> Result<(), Failure> {
    let mut streams = streams::Streams::open()
        .map_err(|error| Failure::Operation(format!("cannot use stdin and stdout: {error}")))?;
    let mut client = Client::new(service);
    let why = blocking::serve(&mut client, &mut streams, &mut || {});
    client.left(&why);
    Ok(())
}
