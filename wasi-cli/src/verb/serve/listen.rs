//! Which transport to serve by, in the words of the command line.

#[cfg_attr(not(target_family = "wasm"), path = "listen/native.rs")]
#[cfg_attr(all(target_os = "wasi", target_env = "p2"), path = "listen/component.rs")]
#[cfg_attr(all(target_os = "wasi", not(target_env = "p2")), path = "listen/module.rs")]
mod host;

use std::sync::Arc;

use super::service::Service;
use super::stdio;
use crate::args::ServeArgs;
use crate::failure::Failure;

/// Serves until it is time to end.
///
/// # Errors
///
/// When an address cannot be listened on, or this build cannot listen at all.
pub(crate) fn serve(service: &Arc<Service>, args: &ServeArgs) -> Result<(), Failure> {
    if args.stdio { host::serve_stdio(service) } else { host::serve_network(service, args) }
}
