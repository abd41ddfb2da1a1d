//! A component: TCP by `wasi:sockets`.

use super::*;
use crate::verb::serve::network::{Policy, addresses, announce, cannot_listen, uri};
use crate::verb::serve::tcp_wasi::{self, Listener};

pub(super) fn serve_stdio(service: &Arc<Service>, control: Option<Control>) -> Result<(), Failure> {
    refuse_control(control.as_ref())?;
    stdio::serve(service)
}

pub(super) fn serve_network(
    service: &Arc<Service>,
    args: &ServeArgs,
    control: Option<Control>,
) -> Result<(), Failure> {
    let mut listeners = Vec::new();
    for address in addresses(args) {
        let listener =
            Listener::tcp(address).map_err(|error| cannot_listen(address, tcp_wasi::reason(error)))?;
        listeners.push(listener);
    }
    announce(service, args, listeners.iter().map(|listener| uri(listener.address)).collect())?;
    tcp_wasi::serve(service, &listeners, Policy::new(args), control.as_ref());
    Ok(())
}
