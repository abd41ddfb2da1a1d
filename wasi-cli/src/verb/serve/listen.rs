//! Which transport to serve by, in the words of the command line.

#[cfg_attr(not(target_family = "wasm"), path = "listen/native.rs")]
#[cfg_attr(all(target_os = "wasi", target_env = "p2"), path = "listen/component.rs")]
#[cfg_attr(all(target_os = "wasi", not(target_env = "p2")), path = "listen/module.rs")]
mod host;

use std::sync::Arc;

use super::control::Control;
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
    let (control, _mark) = match &args.control {
        Some(folder) => Control::open(folder, service).map(|(control, mark)| (Some(control), Some(mark)))?,
        None => (None, None),
    };
    if args.stdio { host::serve_stdio(service, control) } else { host::serve_network(service, args, control) }
}

/// In WebAssembly a server that waits for its one client hears nothing else.
#[cfg(target_family = "wasm")]
fn refuse_control(control: Option<&Control>) -> Result<(), Failure> {
    match control {
        Some(_) => Err(Failure::Usage("--control and --stdio do not go together in WebAssembly".into())),
        None => Ok(()),
    }
}
