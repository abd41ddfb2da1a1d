//! The other side of the crate: exports whose every answer follows from the request alone, and a driver.

use std::sync::Arc;

use nbd_proto::{
    BlockSizes, Close, Connection, Errno, Event, Export, Features, Output, Received, Request, Server,
    allocation,
};

/// What is data or a hole, in bytes: clusters with an odd number are holes.
pub(crate) const CLUSTER: u64 = 64 << 10;
/// This cluster of `disk` cannot be read or written.
const BAD_CLUSTER: u64 = 14;

pub(crate) fn exports() -> Vec<Export> {
    let allocation = String::from("base:allocation");
    vec![
        Export {
            description: "a disk".into(),
            features: Features {
                read_only: false,
                flush: true,
                fua: true,
                trim: true,
                write_zeroes: true,
                fast_zero: true,
                multi_conn: true,
                cache: true,
                rotational: true,
            },
            contexts: vec![allocation.clone(), "x-test:quarter".into()],
            ..Export::new("disk", 1 << 20)
        },
        Export {
            // What only a writable export can do is not advertised.
            features: Features { trim: true, write_zeroes: true, fast_zero: true, ..Features::default() },
            blocks: BlockSizes { minimum: 512, preferred: 1 << 16 },
            contexts: vec![allocation.clone()],
            ..Export::new("rom", 1 << 20)
        },
        Export { contexts: vec![allocation], ..Export::new("big", 1 << 40) },
        Export {
            features: Features { read_only: false, ..Features::default() },
            ..Export::new("plain", 1 << 20)
        },
    ]
}

pub(crate) fn server() -> Server {
    Server::new(exports()).expect("the exports are well-formed")
}

/// The byte of any export at an offset; zero in holes.
pub(crate) fn content(offset: u64) -> u8 {
    if offset / CLUSTER % 2 == 1 { 0 } else { (offset / 512 % 251) as u8 + 1 }
}

/// A connection and what it has said and wanted so far.
pub(crate) struct Session {
    connection: Connection,
    pending: Vec<u8>,
    pub(crate) out: Output,
    /// One line for each event that the embedder sees.
    pub(crate) events: Vec<String>,
    pub(crate) closed: Option<Close>,
}

impl Session {
    pub(crate) fn new(server: Server) -> Self {
        let mut out = Output::new();
        let connection = Connection::new(Arc::new(server), &mut out);
        Self { connection, pending: Vec::new(), out, events: Vec::new(), closed: None }
    }

    /// Hears `bytes` and answers everything there is to answer.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        while self.closed.is_none() {
            let Received { consumed, event } = self.connection.receive(&self.pending, &mut self.out);
            self.pending.drain(..consumed);
            match event {
                Event::NeedInput => return,
                Event::Busy => panic!("everything has been answered"),
                Event::Handled => assert!(consumed > 0, "the connection is going round in circles"),
                Event::Chosen { export } => {
                    assert_eq!(self.connection.export(), Some(export));
                    self.events.push(format!("chosen {:?}", exports()[export].name));
                }
                Event::Request(request) => {
                    self.events.push(describe(&request));
                    let export = self.connection.export().expect("one was chosen");
                    carry_out(export, request, &mut self.out);
                }
                Event::Close(close) => {
                    self.events.push(format!("close {close:?}"));
                    self.closed = Some(close);
                }
            }
        }
    }
}

fn describe(request: &Request) -> String {
    let flag = |set: bool, name| if set { name } else { "" };
    match request {
        Request::Read { offset, len, .. } => format!("read {offset:#x}+{len:#x}"),
        Request::Write { offset, data, fua, .. } => {
            assert!(data.capacity() <= data.len(), "room beyond the length announced");
            let payload =
                if data.iter().all(|&byte| byte == crate::client_words::PAYLOAD) { "" } else { " GARBLED" };
            format!("write {offset:#x}+{:#x}{payload}{}", data.len(), flag(*fua, " fua"))
        }
        Request::Flush { .. } => "flush".into(),
        Request::Trim { offset, len, fua, .. } => format!("trim {offset:#x}+{len:#x}{}", flag(*fua, " fua")),
        Request::WriteZeroes { offset, len, fua, no_hole, fast_only, .. } => {
            let flags = [flag(*fua, " fua"), flag(*no_hole, " no-hole"), flag(*fast_only, " fast-only")];
            format!("zeroes {offset:#x}+{len:#x}{}", flags.concat())
        }
        Request::Cache { offset, len, .. } => format!("cache {offset:#x}+{len:#x}"),
        Request::BlockStatus { offset, len, .. } => format!("status {offset:#x}+{len:#x}"),
    }
}

pub(crate) fn carry_out(export: usize, request: Request, out: &mut Output) {
    let is_bad = |cluster: u64| export == 0 && cluster == BAD_CLUSTER;
    match request {
        Request::Read { offset, len, ticket } => {
            let mut reply = ticket.reply(out);
            if export == 2 {
                reply.hole(u64::from(len));
                return reply.finish();
            }
            for (cluster, offset, len) in pieces(offset, u64::from(len)) {
                if cluster % 2 == 1 {
                    reply.hole(len);
                    continue;
                }
                let data = reply.data(len as usize);
                data.iter_mut().zip(offset..).for_each(|(byte, at)| *byte = content(at));
                if is_bad(cluster) {
                    return reply.fail(Errno::EIO, "a bad cluster");
                }
            }
            reply.finish();
        }
        Request::Write { offset, ticket, .. } if is_bad(offset / CLUSTER) => {
            ticket.error(out, Errno::EIO, "a bad cluster");
        }
        Request::WriteZeroes { fast_only: true, len, ticket, .. } if len < CLUSTER => {
            ticket.error(out, Errno::ENOTSUP, "only whole clusters can be zeroed fast");
        }
        Request::Write { ticket, .. }
        | Request::Flush { ticket }
        | Request::Trim { ticket, .. }
        | Request::WriteZeroes { ticket, .. }
        | Request::Cache { ticket, .. } => ticket.done(out),
        Request::BlockStatus { offset, len, ticket } => {
            let mut reply = ticket.reply(out);
            while let Some(context) = reply.next_context() {
                if export == 2 {
                    // All of the export is one hole, whatever was asked.
                    reply.extent((1 << 40) - offset, allocation::HOLE | allocation::ZERO);
                    continue;
                }
                for (cluster, _, len) in pieces(offset, len) {
                    let status = match context {
                        0 if cluster % 2 == 1 => allocation::HOLE | allocation::ZERO,
                        0 => 0,
                        _ => (cluster / 4) as u32,
                    };
                    if !reply.extent(len, status) {
                        break;
                    }
                }
            }
            reply.finish();
        }
    }
}

/// Where a range lies: cluster, offset of the piece, its length.
fn pieces(offset: u64, len: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    let end = offset + len;
    (offset / CLUSTER..end.div_ceil(CLUSTER)).map(move |cluster| {
        let (first, last) = (offset.max(cluster * CLUSTER), end.min((cluster + 1) * CLUSTER));
        (cluster, first, last - first)
    })
}
