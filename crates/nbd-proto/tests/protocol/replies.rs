//! What an embedder may do with tickets.

use nbd_proto::{Errno, MAX_EXTENTS, Output, ReadTicket, Request, StatusTicket, allocation};

use crate::limits::Held;

/// What the clients of these tests have negotiated.
const STRUCTURED: [&str; 3] =
    ["option STRUCTURED_REPLY", "option SET_META_CONTEXT \"big\" \"base:allocation\"", "option GO \"big\""];

/// A client of `big` that has sent one request.
fn asked(request: &str) -> (Held, Request) {
    let mut held = Held::new(crate::embedder::server(), &STRUCTURED);
    held.say(request);
    let request = held.requests.pop().expect("it is in order");
    (held, request)
}

fn read(request: &str) -> (Held, ReadTicket) {
    match asked(request) {
        (held, Request::Read { ticket, .. }) => (held, ticket),
        (_, other) => panic!("{other:?} is no read"),
    }
}

fn status(request: &str) -> (Held, StatusTicket) {
    match asked(request) {
        (held, Request::BlockStatus { ticket, .. }) => (held, ticket),
        (_, other) => panic!("{other:?} is no block status"),
    }
}

#[test]
fn replies_may_be_given_in_any_order() {
    let mut held = Held::new(crate::embedder::server(), &STRUCTURED);
    (1..=3).for_each(|cookie| held.say(&format!("read {cookie} 0x0+0x200")));
    let mut out = Output::new();
    while let Some(request) = held.requests.pop() {
        request.error(&mut out, Errno::EIO, "no");
    }
    assert_eq!(held.words(&out), ["chunk 3 DONE EIO", "chunk 2 DONE EIO", "chunk 1 DONE EIO"]);
}

#[test]
fn neighbouring_pieces_of_one_kind_are_one_chunk() {
    let (mut held, ticket) = read("read 1 0x0+0x400");
    let mut out = Output::new();
    let mut reply = ticket.reply(&mut out);
    reply.hole(0x80);
    reply.hole(0x180);
    reply.hole(0);
    reply.data(0x100).fill(2);
    reply.data(0);
    reply.data(0x100).fill(2);
    assert_eq!(reply.remaining(), 0);
    reply.finish();
    assert_eq!(held.words(&out), ["chunk 1 hole 0x0+0x200", "chunk 1 DONE data 0x200+0x200"]);
}

#[test]
fn a_read_that_is_given_up_answers_with_an_error() {
    for pieces in 0..3 {
        let (mut held, ticket) = read("read 1 0x0+0x600");
        let mut out = Output::new();
        out.extend_from_slice(b"earlier");
        let mut reply = ticket.reply(&mut out);
        (0..pieces).for_each(|_| reply.data(0x200).fill(2));
        drop(reply);
        let words = held.words(out.strip_prefix(b"earlier").expect("what was there stays"));
        let at = [0x0, 0x0, 0x200][pieces];
        assert_eq!(words.last(), Some(&format!("chunk 1 DONE EIO at {at:#x}")));
        assert_eq!(words.len(), [1, 1, 2][pieces], "the piece that was not filled is taken back");
    }
}

#[test]
fn a_failure_behind_a_hole_takes_nothing_back() {
    for flags in ["", " DF"] {
        let (mut held, ticket) = read(&format!("read 1 0x0+0x600{flags}"));
        let mut out = Output::new();
        let mut reply = ticket.reply(&mut out);
        // This is what the listener expects to find at offset 0.
        reply.data(0x200).fill(1);
        reply.hole(0x200);
        reply.fail(Errno::EIO, "a bad cluster");
        let words = held.words(&out);
        assert_eq!(words.last().map(String::as_str), Some("chunk 1 DONE EIO at 0x400"));
        match flags {
            "" => assert_eq!(words[..2], ["chunk 1 data 0x0+0x200", "chunk 1 hole 0x200+0x200"]),
            _ => assert!(words[0].starts_with("chunk 1 data 0x0+0x400"), "{}", words[0]),
        }
    }
}

#[test]
fn a_read_that_fails_after_its_last_byte_names_no_place() {
    let (mut held, ticket) = read("read 1 0x0+0x200");
    let mut out = Output::new();
    let mut reply = ticket.reply(&mut out);
    reply.hole(0x200);
    reply.fail(Errno::EIO, "after all");
    assert_eq!(held.words(&out), ["chunk 1 hole 0x0+0x200", "chunk 1 DONE EIO"]);
}

#[test]
#[should_panic(expected = "bytes given where")]
fn more_than_was_asked_cannot_be_given() {
    let (_held, ticket) = read("read 1 0x0+0x200");
    ticket.reply(&mut Output::new()).data(0x201);
}

#[test]
#[should_panic(expected = "before all of it was given")]
fn less_than_was_asked_cannot_be_finished() {
    let (_held, ticket) = read("read 1 0x0+0x200");
    let mut out = Output::new();
    let mut reply = ticket.reply(&mut out);
    reply.hole(0x1ff);
    reply.finish();
}

#[test]
fn messages_are_cut_at_4096_bytes_and_not_within_a_character() {
    let (mut held, request) = asked("read 1 0x0+0x200");
    let mut out = Output::new();
    request.error(&mut out, Errno::EIO, &"ö".repeat(2100));
    assert_eq!(out.len(), 20 + 6 + 4096);
    assert_eq!(held.words(&out), ["chunk 1 DONE EIO"]);
    let (_held, request) = asked("read 1 0x0+0x200");
    let mut out = Output::new();
    request.error(&mut out, Errno::EIO, &format!("x{}", "ö".repeat(2100)));
    assert_eq!(out.len(), 20 + 6 + 4095);
}

#[test]
fn extents_of_one_status_are_merged_and_end_with_what_32_bits_hold() {
    let (mut held, ticket) = status("status 1 0x0+0xffffffff");
    let mut out = Output::new();
    let mut reply = ticket.reply(&mut out);
    assert_eq!(reply.next_context(), Some(0));
    let mut given = 0_u64;
    while reply.extent(1 << 30, allocation::ZERO) {
        given += 1 << 30;
    }
    assert_eq!(given, 3 << 30, "the fourth GiB does not fit any more");
    assert!(!reply.extent(1, 0), "what is given although it is of no use is ignored");
    assert_eq!(reply.next_context(), None);
    reply.finish();
    assert_eq!(held.words(&out), ["chunk 1 DONE status 0 0xffff0000:2"]);
}

#[test]
fn the_number_of_extents_is_bounded() {
    let (_held, ticket) = status("status 1 0x0+0xffffffff");
    let mut out = Output::new();
    let mut reply = ticket.reply(&mut out);
    reply.next_context();
    let given = (0..).take_while(|&index| reply.extent(512, index % 2)).count();
    assert_eq!(given, MAX_EXTENTS, "the one that is too many is the first that is not wanted");
    reply.finish();
    assert_eq!(out.len(), 20 + 4 + 8 * MAX_EXTENTS);
}

#[test]
fn a_context_of_which_nothing_was_given_has_status_zero() {
    let (mut held, ticket) = status("status 1 0x200+0x400");
    let mut out = Output::new();
    ticket.reply(&mut out).finish();
    assert_eq!(held.words(&out), ["chunk 1 DONE status 0 0x400:0"]);
}

#[test]
fn a_status_that_is_given_up_answers_with_an_error_alone() {
    let (mut held, ticket) = status("status 1 0x0+0x400");
    let mut out = Output::new();
    let mut reply = ticket.reply(&mut out);
    reply.next_context();
    reply.extent(0x200, 0);
    drop(reply);
    assert_eq!(held.words(&out), ["chunk 1 DONE EIO"]);
}
