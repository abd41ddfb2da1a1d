//! Conversations as files: what the client says (`C`), what the server answers (`S`), and what the embedder
//! sees of it (`E`). A file that begins with `server extended` is held with a server that offers extended
//! headers, one with `server small` with a largest payload of 64 KiB.
//!
//! `BLESS=1` writes what was heard into the files, to be read before it is believed.

use std::fs;
use std::path::PathBuf;

use nbd_proto::{Limits, Server};

use crate::arbitrary::Chance;
use crate::embedder::{Session, server};
use crate::{client_words, server_words};

pub(crate) struct Transcript {
    pub(crate) path: PathBuf,
    text: String,
}

impl Transcript {
    pub(crate) fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
        let entries = fs::read_dir(folder).expect("the folder is part of the crate");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
        paths.sort();
        let read = |path: PathBuf| Self { text: fs::read_to_string(&path).expect("readable"), path };
        paths.into_iter().map(read).collect()
    }

    pub(crate) fn server(&self) -> Server {
        let says = |words| self.text.lines().any(|line| line == words);
        let mut limits = Limits::default();
        if says("server small") {
            limits.max_payload = 1 << 16;
        }
        let server = server().with_extended_headers(says("server extended"));
        server.with_limits(limits).expect("the limits are sound")
    }

    /// Holds the conversation; gives it as it went, with the remarks of the file, and all the client's bytes.
    fn hold(&self) -> (String, Vec<u8>) {
        let mut session = Session::new(self.server());
        let mut listener = server_words::Listener::default();
        let (mut held, mut said, mut no_zeroes) = (String::new(), Vec::new(), false);
        let heard = |session: &mut Session, listener: &mut server_words::Listener| {
            let events = session.events.drain(..).map(|event| format!("E {event}\n"));
            let lines = listener.lines(&session.out).into_iter().map(|line| format!("S {line}\n"));
            let all: String = events.chain(lines).collect();
            session.out.clear();
            all
        };
        for line in self.text.lines().filter(|line| !line.starts_with("S ") && !line.starts_with("E ")) {
            let words = line.strip_prefix("C ");
            if said.is_empty() && words.is_some() {
                held += &heard(&mut session, &mut listener);
            }
            held += &format!("{line}\n");
            if let Some(words) = words {
                no_zeroes |= words == "flags 3" || words == "flags 2";
                let bytes = client_words::bytes(words, listener.extended);
                said.extend_from_slice(&bytes);
                listener.note(words, no_zeroes);
                session.hear(&bytes);
                held += &heard(&mut session, &mut listener);
            }
        }
        (held, said)
    }

    /// All the client's bytes.
    pub(crate) fn said(&self) -> Vec<u8> {
        self.hold().1
    }
}

#[test]
fn conversations_go_as_written() {
    let transcripts = Transcript::all();
    assert!(transcripts.len() >= 10, "most of the transcripts are missing");
    for transcript in transcripts {
        let (held, _) = transcript.hold();
        if std::env::var_os("BLESS").is_some() {
            fs::write(&transcript.path, &held).expect("writable");
            continue;
        }
        let pairs = transcript.text.lines().zip(held.lines()).enumerate();
        for (index, (written, held)) in pairs {
            assert_eq!(written, held, "{}:{}", transcript.path.display(), index + 1);
        }
        assert_eq!(transcript.text.lines().count(), held.lines().count(), "{}", transcript.path.display());
    }
}

#[test]
fn how_bytes_arrive_does_not_matter() {
    for transcript in Transcript::all() {
        let said = transcript.said();
        let hear = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut session = Session::new(transcript.server());
            pieces.for_each(|piece| session.hear(piece));
            (session.out, session.events)
        };
        let whole = hear(&mut [said.as_slice()].into_iter());
        let name = transcript.path.display();
        assert!(whole == hear(&mut said.chunks(1)), "{name}: byte by byte");
        for cut in 0..said.len().min(1000) {
            let (start, end) = said.split_at(cut);
            assert!(whole == hear(&mut [start, end].into_iter()), "{name}: cut at {cut}");
        }
        let mut chance = Chance(7);
        for round in 0..50 {
            let mut left = said.as_slice();
            let mut pieces = std::iter::from_fn(|| {
                let largest = 1 << chance.below(17);
                let count = (1 + chance.below(largest) as usize).min(left.len());
                left.split_off(..count).filter(|piece| !piece.is_empty())
            });
            assert!(whole == hear(&mut pieces), "{name}: random pieces, round {round}");
        }
    }
}
