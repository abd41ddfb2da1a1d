//! preview1: no sockets.

use super::*;
use crate::verb::serve::address;

pub(super) fn serve_stdio(service: &Arc<Service>, control: Option<Control>) -> Result<(), Failure> {
    refuse_control(control.as_ref())?;
    stdio::serve(service)
}

pub(super) fn serve_network(_: &Arc<Service>, args: &ServeArgs, _: Option<Control>) -> Result<(), Failure> {
    let address = args.listen.first().copied().unwrap_or(address::DEFAULT);
    Err(Failure::Usage(format!("cannot listen on {address}: preview1 has no sockets; use --stdio")))
}
