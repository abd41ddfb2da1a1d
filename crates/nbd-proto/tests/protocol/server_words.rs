//! What a server says, from bytes to words. Written from the document, not from the crate.

use std::collections::VecDeque;

use crate::client_words::option_name;
use crate::embedder::content;

/// Understands a server as a client does: by what was said before.
#[derive(Default)]
pub(crate) struct Listener {
    greeted: bool,
    /// The client ended the handshake the old way, with or without this many zeroes to follow.
    expects_export: Option<usize>,
    transmits: bool,
    /// Offset and length of reads that a simple reply will answer, by cookie.
    reads: Vec<(u64, u64, usize)>,
    pub(crate) extended: bool,
    structured: bool,
}

impl Listener {
    /// Takes note of what the client said.
    pub(crate) fn note(&mut self, line: &str, no_zeroes: bool) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["option", "EXPORT_NAME", ..] => self.expects_export = Some(if no_zeroes { 0 } else { 124 }),
            ["read", cookie, range, ..] if !self.structured && !self.extended => {
                let (offset, len) = range.split_once('+').expect("a range");
                let number =
                    |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).expect("hex");
                let cookie = cookie.parse().expect("a cookie");
                self.reads.push((cookie, number(offset), number(len) as usize));
            }
            _ => {}
        }
    }

    /// One line for each message.
    pub(crate) fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut stream = Stream(bytes.iter().copied().collect());
        let mut lines = Vec::new();
        while !stream.0.is_empty() {
            lines.push(self.message(&mut stream));
        }
        lines
    }

    fn message(&mut self, stream: &mut Stream) -> String {
        if !self.greeted {
            self.greeted = true;
            assert_eq!(stream.text(8), "NBDMAGIC");
            assert_eq!(stream.text(8), "IHAVEOPT");
            return format!("greeting {}", stream.u16());
        }
        if let Some(zeroes) = self.expects_export.take() {
            self.transmits = true;
            let line = export(stream);
            assert!(stream.take(zeroes).iter().all(|&byte| byte == 0));
            return format!("{line} and {zeroes} zeroes");
        }
        if self.transmits { self.reply(stream) } else { self.option_reply(stream) }
    }

    fn option_reply(&mut self, stream: &mut Stream) -> String {
        assert_eq!(stream.u64(), 0x3_e889_0455_65a9);
        let (option, kind, len) = (stream.u32(), stream.u32(), stream.u32());
        let mut data = Stream(stream.take(len as usize).into());
        let words = match (kind, option) {
            (1, _) => "ACK".into(),
            (2, 3) => {
                let len = data.u32();
                format!("SERVER {:?} {:?}", data.text(len as usize), data.rest())
            }
            (3, _) => match data.u16() {
                0 => format!("INFO {}", export(&mut data)),
                1 => format!("INFO name {:?}", data.rest()),
                2 => format!("INFO description {:?}", data.rest()),
                3 => format!("INFO blocks {} {} {}", data.u32(), data.u32(), data.u32()),
                other => panic!("unknown information {other}"),
            },
            (4, _) => format!("META_CONTEXT {} {:?}", data.u32(), data.rest()),
            (0x8000_0001.., _) => {
                assert!(!data.rest().is_empty(), "an error without a reason");
                let names = "UNSUP POLICY INVALID PLATFORM TLS_REQD UNKNOWN SHUTDOWN BLOCK_SIZE_REQD TOO_BIG EXT_HEADER_REQD";
                format!("ERR_{}", names.split(' ').nth((kind & 0xff) as usize - 1).expect("a known error"))
            }
            other => panic!("unexpected reply {other:?}"),
        };
        assert!(data.0.is_empty(), "{words}: more data than expected");
        self.transmits = option == 7 && kind == 1;
        self.structured |= option == 8 && kind == 1;
        self.extended |= option == 11 && kind == 1;
        format!("{} {words}", option_name(option))
    }

    fn reply(&mut self, stream: &mut Stream) -> String {
        match stream.u32() {
            0x6744_6698 => self.simple(stream),
            0x668e_33ef => {
                assert!(self.structured && !self.extended);
                let (flags, kind, cookie, len) = (stream.u16(), stream.u16(), stream.u64(), stream.u32());
                let mut payload = Stream(stream.take(len as usize).into());
                format!("chunk {cookie}{}{}", done(flags), chunk(kind, &mut payload))
            }
            0x6e8a_278c => {
                assert!(self.extended);
                let (flags, kind, cookie) = (stream.u16(), stream.u16(), stream.u64());
                let (offset, len) = (stream.u64(), stream.u64());
                let mut payload = Stream(stream.take(len as usize).into());
                format!("extended {cookie} {offset:#x}{}{}", done(flags), chunk(kind, &mut payload))
            }
            other => panic!("a reply begins with {other:#x}"),
        }
    }

    fn simple(&mut self, stream: &mut Stream) -> String {
        assert!(!self.extended);
        let (error, cookie) = (stream.u32(), stream.u64());
        let read = self.reads.iter().position(|(other, ..)| *other == cookie);
        match read.map(|index| self.reads.remove(index)) {
            Some((_, offset, len)) if error == 0 => {
                format!("simple {cookie} data {}", data(offset, &stream.take(len)))
            }
            _ => format!("simple {cookie} {}", errno(error)),
        }
    }
}

fn export(stream: &mut Stream) -> String {
    const FLAGS: [&str; 13] = [
        "HAS_FLAGS",
        "READ_ONLY",
        "SEND_FLUSH",
        "SEND_FUA",
        "ROTATIONAL",
        "SEND_TRIM",
        "SEND_WRITE_ZEROES",
        "SEND_DF",
        "CAN_MULTI_CONN",
        "SEND_RESIZE",
        "SEND_CACHE",
        "SEND_FAST_ZERO",
        "BLOCK_STATUS_PAYLOAD",
    ];
    let (size, flags) = (stream.u64(), stream.u16());
    let names = FLAGS.iter().enumerate().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| *name);
    format!("export {size:#x} {}", names.collect::<Vec<_>>().join("|"))
}

fn done(flags: u16) -> &'static str {
    match flags {
        0 => "",
        1 => " DONE",
        other => panic!("unknown reply flags {other:#x}"),
    }
}

fn chunk(kind: u16, payload: &mut Stream) -> String {
    match kind {
        0 => String::new(),
        1 => {
            let offset = payload.u64();
            format!(" data {}", data(offset, &payload.take(payload.0.len())))
        }
        2 => format!(" hole {:#x}+{:#x}", payload.u64(), payload.u32()),
        5 | 6 => {
            let context = payload.u32();
            let count = if kind == 6 { payload.u32() as usize } else { payload.0.len() / 8 };
            let mut extents = Vec::new();
            for _ in 0..count {
                let (len, status) = match kind {
                    5 => (u64::from(payload.u32()), u64::from(payload.u32())),
                    _ => (payload.u64(), payload.u64()),
                };
                assert!(len > 0);
                extents.push(format!("{len:#x}:{status}"));
            }
            assert!(payload.0.is_empty() && count > 0);
            format!(" status {context} {}", extents.join(" "))
        }
        0x8001 | 0x8002 => {
            let (error, len) = (payload.u32(), payload.u16());
            payload.text(usize::from(len));
            let place = if kind == 0x8002 { format!(" at {:#x}", payload.u64()) } else { String::new() };
            assert!(payload.0.is_empty() && error != 0);
            format!(" {}{place}", errno(error))
        }
        other => panic!("unknown chunk {other}"),
    }
}

/// The range of some data, and whether it is what the export contains there.
fn data(offset: u64, bytes: &[u8]) -> String {
    let garbled = bytes.iter().zip(offset..).find(|(byte, at)| **byte != content(*at));
    let verdict = garbled.map_or_else(String::new, |(_, at)| format!(" GARBLED at {at:#x}"));
    format!("{offset:#x}+{:#x}{verdict}", bytes.len())
}

fn errno(number: u32) -> &'static str {
    match number {
        0 => "ok",
        1 => "EPERM",
        5 => "EIO",
        12 => "ENOMEM",
        22 => "EINVAL",
        28 => "ENOSPC",
        75 => "EOVERFLOW",
        95 => "ENOTSUP",
        108 => "ESHUTDOWN",
        _ => panic!("error {number} is not of the protocol"),
    }
}

struct Stream(VecDeque<u8>);

impl Stream {
    fn take(&mut self, count: usize) -> Vec<u8> {
        assert!(self.0.len() >= count, "the server stopped in the middle of a message");
        self.0.drain(..count).collect()
    }
    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().expect("as many as asked for")
    }
    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }
    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }
    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }
    fn text(&mut self, len: usize) -> String {
        String::from_utf8(self.take(len)).expect("strings are UTF-8")
    }
    fn rest(&mut self) -> String {
        self.text(self.0.len())
    }
}
