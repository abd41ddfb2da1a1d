//! Serves a disk in memory over NBD, one thread for each client.
//!
//! `cargo run --example memory_disk -- [PORT] [--read-only] [--compact]` listens on the loopback interface,
//! prints `nbd://127.0.0.1:PORT` and serves 8 MiB, half of them holes. It is what the crate is tried out with
//! against real clients.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::{env, thread};

use nbd_proto::{Connection, Event, Export, Features, LONGEST_MESSAGE, Output, Request, Server, allocation};

/// Size of what is allocated or a hole, in bytes.
const CLUSTER: usize = 64 << 10;
const SIZE: usize = 8 << 20;
/// When to stop answering and start sending, in bytes.
const ENOUGH: usize = 1 << 20;

/// Clusters by their index; those that are missing are holes.
type Disk = RwLock<BTreeMap<usize, Box<[u8]>>>;

#[expect(clippy::print_stdout, reason = "the address is the result of this program")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let port = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(0);
    let server = Server::new(vec![export(given("--read-only"))])?.with_extended_headers(!given("--compact"));
    let server = Arc::new(server);
    let disk = Arc::new(Disk::new(
        (0..SIZE / CLUSTER).step_by(2).map(|index| (index, vec![0x5a; CLUSTER].into())).collect(),
    ));
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("nbd://{}", listener.local_addr()?);
    for client in listener.incoming() {
        let (server, disk, client) = (Arc::clone(&server), Arc::clone(&disk), client?);
        // A client that is gone is no concern of the others.
        thread::spawn(move || serve(server, &disk, client));
    }
    Ok(())
}

fn export(read_only: bool) -> Export {
    Export {
        description: "a disk in memory".into(),
        features: Features {
            read_only,
            flush: true,
            fua: true,
            trim: true,
            write_zeroes: true,
            fast_zero: true,
            multi_conn: true,
            cache: true,
            rotational: false,
        },
        contexts: vec!["base:allocation".into(), "x-memory:cluster".into()],
        ..Export::new("disk", SIZE as u64)
    }
}

fn serve(server: Arc<Server>, disk: &Disk, mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut out = Output::new();
    let mut connection = Connection::new(server, &mut out);
    let mut input = vec![0; LONGEST_MESSAGE.max(256 << 10)];
    let mut filled = 0;
    let mut used = 0;
    loop {
        let received = connection.receive(&input[used..filled], &mut out);
        used += received.consumed;
        match received.event {
            Event::Request(request) => carry_out(disk, request, &mut out),
            Event::Handled | Event::Chosen { .. } => {}
            Event::NeedInput => {
                client.write_all(&out)?;
                out.clear();
                input.copy_within(used..filled, 0);
                filled -= used;
                used = 0;
                match client.read(&mut input[filled..])? {
                    0 => return Ok(()),
                    count => filled += count,
                }
            }
            Event::Busy => unreachable!("every request is answered before the next"),
            Event::Close(_) => return client.write_all(&out),
        }
        if out.len() >= ENOUGH {
            client.write_all(&out)?;
            out.clear();
        }
    }
}

fn carry_out(disk: &Disk, request: Request, out: &mut Output) {
    let read = || disk.read().expect("no thread panics while it writes");
    let write = || disk.write().expect("no thread panics while it writes");
    match request {
        Request::Read { offset, len, ticket } => {
            let clusters = read();
            let mut reply = ticket.reply(out);
            for (index, start, len) in pieces(offset, u64::from(len)) {
                match clusters.get(&index) {
                    Some(cluster) => reply.data(len).copy_from_slice(&cluster[start..start + len]),
                    None => reply.hole(len as u64),
                }
            }
            reply.finish();
        }
        Request::Write { offset, data, ticket, .. } => {
            let mut clusters = write();
            let mut data = data.as_slice();
            for (index, start, len) in pieces(offset, data.len() as u64) {
                let cluster = clusters.entry(index).or_insert_with(|| vec![0; CLUSTER].into());
                let (piece, rest) = data.split_at(len);
                cluster[start..start + len].copy_from_slice(piece);
                data = rest;
            }
            ticket.done(out);
        }
        Request::WriteZeroes { offset, len, no_hole, ticket, .. } => {
            zero(&mut write(), offset, len, no_hole);
            ticket.done(out);
        }
        Request::Trim { offset, len, ticket, .. } => {
            zero(&mut write(), offset, len, false);
            ticket.done(out);
        }
        // Memory is as durable as this disk gets, and as close.
        Request::Flush { ticket } | Request::Cache { ticket, .. } => ticket.done(out),
        Request::BlockStatus { offset, len, ticket } => {
            let clusters = read();
            let mut reply = ticket.reply(out);
            while let Some(context) = reply.next_context() {
                for (index, _, len) in pieces(offset, len) {
                    let hole = !clusters.contains_key(&index);
                    let status = match context {
                        0 if hole => allocation::HOLE | allocation::ZERO,
                        0 => 0,
                        _ => u32::try_from(index).expect("there are 128 clusters"),
                    };
                    if !reply.extent(len as u64, status) {
                        break;
                    }
                }
            }
            reply.finish();
        }
    }
}

fn zero(clusters: &mut BTreeMap<usize, Box<[u8]>>, offset: u64, len: u64, allocate: bool) {
    for (index, start, len) in pieces(offset, len) {
        if allocate {
            clusters.entry(index).or_insert_with(|| vec![0; CLUSTER].into());
        } else if len == CLUSTER {
            clusters.remove(&index);
        }
        if let Some(cluster) = clusters.get_mut(&index) {
            cluster[start..start + len].fill(0);
        }
    }
}

/// Where a range lies: cluster, offset in it, length.
fn pieces(offset: u64, len: u64) -> impl Iterator<Item = (usize, usize, usize)> {
    let start = usize::try_from(offset).expect("it is within the disk");
    let end = start + usize::try_from(len).expect("it is within the disk");
    (start / CLUSTER..end.div_ceil(CLUSTER)).map(move |index| {
        let (first, last) = (start.max(index * CLUSTER), end.min((index + 1) * CLUSTER));
        (index, first % CLUSTER, last - first)
    })
}
