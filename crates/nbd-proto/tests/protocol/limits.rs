//! How much may be under way, what may be served, and how it ends.

use std::sync::Arc;

use nbd_proto::{
    BlockSizes, Close, ConfigError, Connection, Errno, Event, Export, Limits, Output, Received, Request,
    Server,
};

use crate::client_words;
use crate::embedder::{exports, server};
use crate::server_words::Listener;

/// A connection whose requests are kept until the test answers them.
pub(crate) struct Held {
    pub(crate) connection: Connection,
    pub(crate) requests: Vec<Request>,
    pub(crate) out: Output,
    pending: Vec<u8>,
    busy: bool,
    closed: Option<Close>,
    listener: Listener,
}

impl Held {
    /// A client that has sent its flags and these options.
    pub(crate) fn new(server: Server, options: &[&str]) -> Self {
        let mut out = Output::new();
        let connection = Connection::new(Arc::new(server), &mut out);
        let (requests, pending, listener) = (Vec::new(), Vec::new(), Listener::default());
        let mut held = Self { connection, requests, out, pending, busy: false, closed: None, listener };
        held.say("flags 3");
        options.iter().for_each(|option| held.say(option));
        let out = std::mem::take(&mut held.out);
        held.words(&out);
        held
    }

    pub(crate) fn say(&mut self, words: &str) {
        self.pending.extend(client_words::bytes(words, false));
        self.go_on();
    }

    /// Takes what it can of what was said.
    fn go_on(&mut self) {
        loop {
            let Received { consumed, event } = self.connection.receive(&self.pending, &mut self.out);
            self.pending.drain(..consumed);
            self.busy = matches!(event, Event::Busy);
            match event {
                Event::NeedInput | Event::Busy => return,
                Event::Handled | Event::Chosen { .. } => {}
                Event::Request(request) => self.requests.push(request),
                Event::Close(close) => return self.closed = Some(close),
            }
        }
    }

    /// What the server means by these bytes.
    pub(crate) fn words(&mut self, bytes: &[u8]) -> Vec<String> {
        self.listener.lines(bytes)
    }

    fn heard(&mut self) -> Vec<String> {
        let out = std::mem::take(&mut self.out);
        self.words(&out)
    }
}

fn limited(max_requests: usize, max_bytes: usize) -> Server {
    server().with_limits(Limits { max_requests, max_bytes, ..Limits::default() }).expect("sound limits")
}

#[test]
fn no_more_requests_surface_than_are_allowed() {
    let mut held = Held::new(limited(2, 1 << 20), &["option STRUCTURED_REPLY", "option GO \"disk\""]);
    (1..=3).for_each(|cookie| held.say(&format!("flush {cookie}")));
    assert!(held.busy);
    assert_eq!((held.requests.len(), held.connection.in_flight()), (2, 2));
    let mut out = Output::new();
    held.requests.remove(0).error(&mut out, Errno::EIO, "");
    held.go_on();
    assert!(!held.busy);
    let cookies: Vec<u64> = held.requests.iter().map(Request::cookie).collect();
    assert_eq!(cookies, [2, 3]);
    // A ticket that nobody will answer, because the client is gone, gives its place back too.
    held.requests.clear();
    assert_eq!(held.connection.in_flight(), 0);
}

#[test]
fn no_more_bytes_are_in_flight_than_are_allowed() {
    let mut held = Held::new(limited(9, 0x1000), &["option GO \"disk\""]);
    held.say("read 1 0x0+0x800");
    held.say("write 2 0x0+0x800");
    held.say("flush 3");
    assert!(!held.busy, "4096 bytes are allowed, and a flush is about none");
    held.say("write 4 0x0+0x1");
    assert!(held.busy);
    assert_eq!(held.requests.len(), 3);
    held.requests.remove(0).error(&mut Output::new(), Errno::EIO, "");
    held.go_on();
    assert_eq!(held.requests.len(), 3);
    held.requests.clear();
    held.say("read 5 0x0+0x2000");
    assert_eq!(held.requests.len(), 1, "a request that is alone may be of any size");
}

#[test]
fn a_disconnect_waits_for_what_is_in_flight() {
    let mut held = Held::new(server(), &["option GO \"disk\""]);
    held.say("flush 1");
    held.say("disc");
    assert_eq!((held.closed, held.connection.in_flight()), (Some(Close::Disconnect), 1));
    let mut out = Output::new();
    held.requests.remove(0).error(&mut out, Errno::EIO, "");
    assert_eq!(held.words(&out), ["simple 1 EIO"]);
    assert_eq!(held.connection.in_flight(), 0);
}

#[test]
fn a_write_counts_as_in_flight_while_it_is_received() {
    let mut held = Held::new(limited(9, 0x1000), &["option GO \"disk\""]);
    held.say("write 1 0x0+0x800 announced-only");
    assert_eq!((held.requests.len(), held.connection.in_flight()), (0, 1));
    held.pending.extend([client_words::PAYLOAD; 0x800]);
    held.go_on();
    assert_eq!((held.requests.len(), held.connection.in_flight()), (1, 1));
}

#[test]
fn a_server_that_shuts_down_refuses_options_and_requests() {
    let mut held = Held::new(server(), &[]);
    held.connection.shut_down();
    held.say("option LIST");
    held.say("option GO \"disk\"");
    held.say("option 0x7ffe");
    assert_eq!(held.heard(), ["LIST ERR_SHUTDOWN", "GO ERR_SHUTDOWN", "0x7ffe ERR_SHUTDOWN"]);
    held.say("option ABORT");
    assert_eq!((held.heard(), held.closed), (vec!["ABORT ACK".into()], Some(Close::Abort)));

    let mut held = Held::new(server(), &[]);
    held.connection.shut_down();
    held.say("option EXPORT_NAME \"disk\"");
    assert_eq!(held.closed, Some(Close::ShuttingDown));

    let mut held = Held::new(server(), &["option STRUCTURED_REPLY", "option GO \"disk\""]);
    held.say("flush 1");
    held.connection.shut_down();
    held.say("write 2 0x0+0x200");
    held.say("read 3 0x0+0x200");
    assert_eq!(held.heard(), ["chunk 2 DONE ESHUTDOWN", "chunk 3 DONE ESHUTDOWN"]);
    held.say("disc");
    assert_eq!((held.requests.len(), held.closed), (1, Some(Close::Disconnect)));
}

#[test]
fn settings_that_break_the_rules_of_the_document_are_refused() {
    let export = || Export::new("a", 4096);
    let blocks = |minimum, preferred| Export { blocks: BlockSizes { minimum, preferred }, ..export() };
    let contexts = |names: &[&str]| {
        let contexts = names.iter().map(|name| (*name).into()).collect();
        Export { contexts, ..export() }
    };
    let many: Vec<String> = (0..65).map(|index| format!("x:{index}")).collect();
    let cases = [
        (vec![], ConfigError::NoExports),
        (vec![export(), export()], ConfigError::DuplicateExport("a".into())),
        (vec![Export::new("a\0", 0)], ConfigError::BadString("a\0".into())),
        (vec![Export::new("a".repeat(4097), 0)], ConfigError::BadString("a".repeat(4097))),
        (vec![contexts(&["base"])], ConfigError::BadContext("base".into())),
        (vec![contexts(&["base:"])], ConfigError::BadContext("base:".into())),
        (vec![contexts(&[":leaf"])], ConfigError::BadContext(":leaf".into())),
        (vec![contexts(&["a b:c"])], ConfigError::BadContext("a b:c".into())),
        (vec![contexts(&["a:b", "a:b"])], ConfigError::BadContext("a:b".into())),
        (vec![Export { contexts: many, ..export() }], ConfigError::TooManyContexts(65)),
        (vec![Export::new("a", 1 << 63)], ConfigError::SizeTooLarge(1 << 63)),
        (vec![blocks(0, 4096)], ConfigError::BadBlockSizes { minimum: 0, preferred: 4096 }),
        (vec![blocks(3, 4096)], ConfigError::BadBlockSizes { minimum: 3, preferred: 4096 }),
        (vec![blocks(1 << 17, 1 << 17)], ConfigError::BadBlockSizes { minimum: 1 << 17, preferred: 1 << 17 }),
        (vec![blocks(1, 256)], ConfigError::BadBlockSizes { minimum: 1, preferred: 256 }),
        (vec![blocks(4096, 512)], ConfigError::BadBlockSizes { minimum: 4096, preferred: 512 }),
        (vec![blocks(8192, 8192)], ConfigError::SizeNotMultipleOfMinimum { size: 4096, minimum: 8192 }),
        (vec![blocks(1, 1 << 26)], ConfigError::BadMaxPayload(1 << 25)),
    ];
    for (exports, error) in cases {
        assert_eq!(Server::new(exports).err(), Some(error));
    }
    let limited = |limits| server().with_limits(limits).err();
    let limits = Limits::default();
    assert_eq!(limited(Limits { max_requests: 0, ..limits }), Some(ConfigError::NoRequests));
    let too_large = (1 << 30) + 1;
    assert_eq!(
        limited(Limits { max_payload: too_large, ..limits }),
        Some(ConfigError::BadMaxPayload(too_large))
    );
    assert_eq!(server().exports(), exports());
}
