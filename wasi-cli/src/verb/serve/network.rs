//! What all servers that listen have in common: addresses, rules for clients, and the line that says where
//! they are.

use std::net::SocketAddr;
use std::time::Duration;

use virstor_inspect::document::serve::{Serve, ServedExport};

use super::address;
use super::service::Service;
use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::output;

/// Who may be a client, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// At once; at least 1.
    pub(crate) max_clients: usize,
    /// For the handshake.
    pub(crate) handshake_time: Duration,
    /// Without a byte in either direction, after the handshake; `None` is for ever.
    pub(crate) idle_time: Option<Duration>,
    /// Whether to end when the last client that chose an export is gone.
    pub(crate) exit_after_last: bool,
}

impl Policy {
    /// What the command line says.
    pub(crate) fn new(args: &ServeArgs) -> Self {
        Self {
            max_clients: args.max_clients,
            handshake_time: args.handshake_timeout,
            idle_time: args.idle_timeout,
            exit_after_last: args.exit_after_last,
        }
    }
}

/// The TCP addresses to listen on: those asked for, or the usual one. Warns of those that others can reach.
pub(crate) fn addresses(args: &ServeArgs) -> Vec<SocketAddr> {
    let addresses = if args.listen.is_empty() { vec![address::DEFAULT] } else { args.listen.clone() };
    for warning in addresses.iter().filter_map(|address| address::warning(*address)) {
        output::note(&warning);
    }
    addresses
}

/// The URI that clients reach the default export by.
pub(crate) fn uri(address: SocketAddr) -> String {
    format!("nbd://{address}")
}

pub(crate) fn cannot_listen(address: SocketAddr, reason: &str) -> Failure {
    Failure::Operation(format!("cannot listen on {address}: {reason}"))
}

/// Says, on stdout, where the server listens: a line each, or the document of `--json`.
pub(crate) fn announce(service: &Service, args: &ServeArgs, listening: Vec<String>) -> Result<(), Failure> {
    if args.output.json {
        let export = |export: &nbd_proto::Export| ServedExport {
            name: export.name.clone(),
            description: export.description.clone(),
            size: export.size,
        };
        let exports = service.offer().server.exports().iter().map(export).collect();
        return output::print_json(&Serve { listening, exports });
    }
    if args.output.quiet {
        return Ok(());
    }
    output::print_lines(listening.iter().map(|uri| format!("listening on {uri}")))
}
