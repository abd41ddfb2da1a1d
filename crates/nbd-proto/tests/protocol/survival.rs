//! What must hold whatever a client says: tests and fuzzers call these.

use std::sync::Arc;

use nbd_proto::{Connection, Event, LONGEST_MESSAGE, Limits, Output, Received, Server};

use crate::embedder::{carry_out, server};

/// Most bytes that one message may be answered with before the embedder is asked: the listing of four exports.
const MOST_ANSWERED: usize = 1 << 10;

/// Serves a client that says `bytes`, and checks what must hold whatever they are: no panic, no standstill,
/// no answer out of proportion. The first byte chooses the server.
pub(crate) fn survives(bytes: &[u8]) {
    let Some((&choice, mut input)) = bytes.split_first() else { return };
    let small = Limits { max_payload: 1 << 16, max_requests: 2, max_bytes: 1 << 16 };
    let limits = if choice & 2 == 0 { Limits::default() } else { small };
    let server = server().with_extended_headers(choice & 1 == 1).with_limits(limits);
    serve(server.expect("the limits are sound"), limits, &mut input);
}

fn serve(server: Server, limits: Limits, input: &mut &[u8]) {
    let mut out = Output::new();
    let mut connection = Connection::new(Arc::new(server), &mut out);
    let mut waiting = Vec::new();
    loop {
        out.clear();
        let Received { consumed, event } = connection.receive(input, &mut out);
        *input = input.get(consumed..).expect("no more is consumed than there is");
        assert!(out.len() <= MOST_ANSWERED, "{} bytes of answer to one message", out.len());
        assert!(connection.in_flight() <= limits.max_requests);
        match event {
            Event::NeedInput => {
                assert!(input.len() < LONGEST_MESSAGE, "more is wanted than any message needs");
                return;
            }
            Event::Handled | Event::Chosen { .. } => assert!(consumed > 0, "a standstill"),
            Event::Request(request) => waiting.push(request),
            Event::Busy => {
                assert!(!waiting.is_empty(), "busy with nothing");
                let export = connection.export().expect("requests belong to an export");
                waiting.drain(..).for_each(|request| carry_out(export, request, &mut out));
                assert_eq!(connection.in_flight(), 0);
            }
            Event::Close(_) => return,
        }
    }
}

/// As [`survives`], for a client that begins to say `bytes` when its handshake is over: the first byte chooses the
/// server, the second which replies and which export were agreed upon.
pub(crate) fn survives_in_transmission(bytes: &[u8]) {
    const EXTENDED_HEADERS: u32 = 11;
    const STRUCTURED_REPLY: u32 = 8;
    let &[choice, agreed, ref rest @ ..] = bytes else { return };
    let mut said = vec![choice | u8::from(agreed & 3 == 1), 0, 0, 0, 3];
    let mut option = |number: u32, data: &[u8]| {
        said.extend(b"IHAVEOPT");
        said.extend(number.to_be_bytes());
        said.extend(u32::try_from(data.len()).expect("short").to_be_bytes());
        said.extend(data);
    };
    match agreed & 3 {
        0 => {}
        1 => option(EXTENDED_HEADERS, b""),
        _ => option(STRUCTURED_REPLY, b""),
    }
    let name: &[u8] = if agreed & 4 == 0 { b"disk" } else { b"rom" };
    let named = [&u32::try_from(name.len()).expect("short").to_be_bytes(), name].concat();
    let context = b"base:allocation";
    let contexts = [&named[..], &[0, 0, 0, 1, 0, 0, 0, 15], context].concat();
    option(10, &contexts);
    option(7, &[&named[..], &[0, 0]].concat());
    said.extend(rest);
    survives(&said);
}
