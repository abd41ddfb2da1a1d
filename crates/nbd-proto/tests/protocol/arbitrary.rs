//! Clients that say anything at all.

use std::fs;
use std::path::Path;

use crate::embedder::server;
use crate::survival::{survives, survives_in_transmission};
use crate::transcripts::Transcript;

/// A small generator (xorshift): the same seed gives the same client.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[test]
fn random_bytes_are_survived_in_the_handshake() {
    let mut chance = Chance(1);
    for round in 0..2000_u64 {
        let mut bytes = vec![round as u8, 0, 0, 0, 3];
        for _ in 0..chance.below(6) {
            // Half of them are options in form, so that not every client fails at its first word.
            if chance.below(2) == 0 {
                bytes.extend(b"IHAVEOPT");
                bytes.extend((chance.below(13) as u32).to_be_bytes());
                bytes.extend((chance.below(40) as u32).to_be_bytes());
            }
            bytes.extend((0..chance.below(60)).map(|_| chance.below(5) as u8));
        }
        survives(&bytes);
        survives_in_transmission(&bytes);
    }
}

#[test]
fn random_bytes_are_survived_in_the_transmission() {
    for transcript in Transcript::all() {
        let said = transcript.said();
        let extended = transcript.server() == server().with_extended_headers(true);
        let mut chance = Chance(2);
        for round in 0..100_u8 {
            let mut bytes = vec![u8::from(extended) | (round & 1) << 1];
            bytes.extend(&said[..said.len().min(20_000)]);
            for _ in 0..=chance.below(4) {
                let at = 5 + chance.below(bytes.len() as u64 - 5) as usize;
                match chance.below(3) {
                    0 => bytes[at] ^= 1 << chance.below(8),
                    1 => bytes.truncate(at),
                    _ => drop(bytes.splice(at..at, (0..chance.below(40)).map(|_| chance.next() as u8))),
                }
                if bytes.len() <= 5 {
                    break;
                }
            }
            survives(&bytes);
        }
    }
}

#[test]
fn random_requests_are_survived() {
    const EDGES: [u64; 9] = [0, 1, 511, 512, 1 << 16, 1 << 20, 0xffff_ffff, 1 << 40, u64::MAX];
    let mut chance = Chance(3);
    for round in 0..3000_u64 {
        let extended = round % 2 == 1;
        let mut bytes = vec![round as u8, 0, 0, 0, 3];
        let first = if extended { "option EXTENDED_HEADERS" } else { "option STRUCTURED_REPLY" };
        let exports = ["disk", "rom", "big", "plain"];
        let export = exports[chance.below(4) as usize];
        let set = format!("option SET_META_CONTEXT \"{export}\" \"base:allocation\" \"x-test:quarter\"");
        for line in [first, &set, &format!("option GO \"{export}\"")] {
            bytes.extend(crate::client_words::bytes(line, extended));
        }
        for cookie in 0..chance.below(12) {
            let edge = |chance: &mut Chance| {
                let edge = EDGES[chance.below(9) as usize];
                edge.wrapping_add(chance.below(3)).wrapping_sub(1)
            };
            let (flags, kind) = (chance.next() as u16 & chance.next() as u16 & 0x3f, chance.below(9) as u16);
            let (offset, len) = (edge(&mut chance), edge(&mut chance));
            bytes.extend(if extended { 0x21e4_1c71_u32 } else { 0x2560_9513 }.to_be_bytes());
            bytes.extend(flags.to_be_bytes());
            bytes.extend(kind.to_be_bytes());
            bytes.extend(cookie.to_be_bytes());
            bytes.extend(offset.to_be_bytes());
            if extended {
                bytes.extend(len.to_be_bytes())
            } else {
                bytes.extend((len as u32).to_be_bytes())
            }
            if chance.below(2) == 0 && len < 1 << 17 {
                bytes.extend(vec![0; len as usize]);
            }
        }
        survives(&bytes);
    }
}

#[test]
fn what_the_fuzzers_kept_is_survived() {
    type Survives = fn(&[u8]);
    let targets: [(&str, Survives); 2] =
        [("nbd_handshake", survives), ("nbd_transmission", survives_in_transmission)];
    for (target, survives) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
        let entries = fs::read_dir(&folder).expect("the corpus is in the repository");
        let count = entries
            .map(|entry| survives(&fs::read(entry.expect("listed").path()).expect("readable")))
            .count();
        assert!(count > 10, "{count} files in {}", folder.display());
    }
}
