//! `serve`: the volume over NBD.
//!
//! ```text
//!   stdio, tcp_native, tcp_wasi     bytes, connections, time
//!            client                 batches of replies; the protocol itself is nbd-proto's
//!            service                requests -> answers, and the journal
//!            exports                names -> volume, component, part of the volume (backend)
//! ```

mod address;
mod backend;
mod blocking;
#[cfg(not(target_env = "p1"))]
mod busy_poll;
mod client;
mod component;
mod contexts;
pub(crate) mod control;
mod exports;
mod journal;
mod listen;
#[cfg(not(target_env = "p1"))]
mod network;
#[cfg(any(test, all(target_os = "wasi", target_env = "p2")))]
mod pace;
mod service;
#[cfg(not(target_family = "wasm"))]
mod socket;
mod stdio;
#[cfg(not(target_family = "wasm"))]
mod tcp_native;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod tcp_wasi;
mod volume;
pub(crate) mod writing;

use std::sync::Arc;

use virstor::kernel::Tunables;
use virstor_inspect::Heap;

pub(crate) use self::address::parse as parse_address;
use self::exports::Catalog;
use self::journal::Journal;
use self::service::{Rules, Service};
use crate::args::{Missing, ServeArgs, WhenFull};
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::{heap, output};

pub(crate) fn run(args: &ServeArgs) -> Result<Status, Failure> {
    let waits = args.when_full == WhenFull::Wait;
    if waits && (args.control.is_none() || !args.write) {
        let line = "--when-full wait needs --write, and --control for 'virstor ctl add' to end the wait";
        return Err(Failure::Usage(line.into()));
    }
    if let Some(overlay) = &args.overlay
        && heap::is_input(&args.input, overlay)?
    {
        let overlay = output::shown(overlay);
        return Err(Failure::Usage(format!("{overlay} is one of the FILEs; it cannot be the overlay, too")));
    }
    let heap = match args.write {
        true => heap::open_to_change(&args.input, args.output, true)?,
        false => heap::open(&args.input, args.output, Tunables::default())?,
    };
    let volume = heap::choose_one(&heap, &args.input, args.output)?;
    heap::refuse_specimen(&heap, volume, "serve")?;
    let writable = match &args.overlay {
        Some(overlay) => Some(writing::open_overlay(&heap, volume, overlay)?),
        None if args.write => Some(writing::open(&heap, volume)?),
        None => {
            note_writer(writing::keep_writers_out(&heap, volume));
            None
        }
    };
    let chosen = &heap.volumes()[volume];
    let rules = Rules { waits, may_change: args.write, sector_size: chosen.sector_size };
    let catalog = Catalog::new(&heap, volume, writable, args.missing == Missing::Zero);
    let journal = Journal::new(args.log.is_some(), args.stats.is_some(), args.output.quiet);
    let service = Service::new(catalog, rules, journal)
        .map_err(|error| Failure::Operation(format!("cannot serve this volume: {error}")))?;
    if !args.output.quiet {
        heap::note_strangers(&heap, args.output);
        note_missing(&heap, volume, args.missing);
    }
    let service = Arc::new(service);
    listen::serve(&service, args)?;
    let settled = service.settle();
    service.journal().end();
    settled.map_err(|fault| Failure::Operation(fault.to_string()))?;
    Ok(Status::Fine)
}

/// Says that what is served read-only changes: a server remembers what it read of the map.
fn note_writer(file: Option<&str>) {
    if let Some(file) = file {
        output::note(&format!(
            "{file} is locked by another program, which writes to it: what is served may be partly what was there before"
        ));
    }
}

/// Says what clients will miss.
fn note_missing(heap: &Heap<Disk>, volume: usize, missing: Missing) {
    let absent: Vec<String> = heap.volumes()[volume].missing().map(|index| index.to_string()).collect();
    if absent.is_empty() {
        return;
    }
    let count = absent.len();
    let names = absent.into_iter().take(8).collect::<Vec<_>>().join(", ");
    let more = if count > 8 { format!(" and {} more", count - 8) } else { String::new() };
    let what = match missing {
        Missing::Error => "reading what lies there gives errors",
        Missing::Zero => "zeros are served in place of what lies there",
    };
    output::note(&format!("not here: component {names}{more}; {what}"));
}
