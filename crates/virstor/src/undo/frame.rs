//! Frames: the log's records, each with its kind, its length and a checksum.

use alloc::vec;
use alloc::vec::Vec;

use twox_hash::XxHash64;

use crate::io::{IoError, ReadAt};

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Head = 1,
    Disk = 2,
    Piece = 3,
    Ready = 4,
    Done = 5,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [Self::Head, Self::Disk, Self::Piece, Self::Ready, Self::Done]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// A frame that was read.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) payload: Vec<u8>,
    /// Where the next one starts.
    pub(super) end: u64,
}

/// Kind, three zeros, length of the payload.
const HEAD_LEN: usize = 8;

/// A checksum of all before it.
const SUM_LEN: usize = 8;

/// The most a payload may have, in bytes. A larger length is no frame's.
pub(super) const MAX_PAYLOAD: usize = 256 << 10;

/// No frame is longer, in bytes.
const LONGEST: usize = HEAD_LEN + MAX_PAYLOAD + SUM_LEN;

/// The bytes of a frame that starts at byte `at` of the log.
pub(super) fn encode(kind: Kind, payload: &[u8], at: u64) -> Vec<u8> {
    assert!(payload.len() <= MAX_PAYLOAD, "frames are made small");
    let len = u32::try_from(payload.len()).expect("it was checked against the most");
    let mut bytes = Vec::with_capacity(HEAD_LEN + payload.len() + SUM_LEN);
    bytes.extend_from_slice(&[kind as u8, 0, 0, 0]);
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(payload);
    let sum = XxHash64::oneshot(at, &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The frame at byte `at` of `log`; `None` when there is none, or not a whole one.
pub(super) fn read(log: &(impl ReadAt + ?Sized), at: u64) -> Result<Option<Frame>, IoError> {
    let left = log.size().saturating_sub(at);
    if left < (HEAD_LEN + SUM_LEN) as u64 {
        return Ok(None);
    }
    let mut head = [0; HEAD_LEN];
    log.read_at(at, &mut head)?;
    let Some((kind, len)) = shape(head, left) else { return Ok(None) };
    let mut bytes = vec![0; HEAD_LEN + len + SUM_LEN];
    log.read_at(at, &mut bytes)?;
    let sum = bytes.split_off(HEAD_LEN + len);
    if XxHash64::oneshot(at, &bytes).to_le_bytes()[..] != sum[..] {
        return Ok(None);
    }
    let end = at + (HEAD_LEN + len + SUM_LEN) as u64;
    Ok(Some(Frame { kind, payload: bytes.split_off(HEAD_LEN), end }))
}

/// What a frame that begins so is about, and the length of its payload; `None` when none does where `left` bytes are left.
fn shape(head: [u8; HEAD_LEN], left: u64) -> Option<(Kind, usize)> {
    let [number, 0, 0, 0, len @ ..] = head else { return None };
    let len = u32::from_le_bytes(len) as usize;
    let kind = Kind::of(number)?;
    (len <= MAX_PAYLOAD && (HEAD_LEN + len + SUM_LEN) as u64 <= left).then_some((kind, len))
}

/// So many bytes are read at most to tell frames from what begins as they do.
const MOST_TRIED: usize = 64 << 20;

/// The next frame of `log` behind byte `at`, where there is none; `None` when none begins before the longest would have
/// ended.
pub(super) fn next(log: &(impl ReadAt + ?Sized), at: u64) -> Result<Option<Frame>, IoError> {
    let start = at.saturating_add(1);
    let left = log.size().saturating_sub(start);
    if left < (HEAD_LEN + SUM_LEN) as u64 {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(left).map_or(LONGEST, |left| left.min(LONGEST))];
    log.read_at(start, &mut bytes)?;
    let (mut position, mut tried) = (start, 0);
    for head in bytes.windows(HEAD_LEN) {
        let head = head.try_into().expect("windows have this length");
        if let Some((_, len)) = shape(head, log.size() - position) {
            if let Some(frame) = read(log, position)? {
                return Ok(Some(frame));
            }
            tried += len;
            if tried > MOST_TRIED {
                break;
            }
        }
        position += 1;
    }
    Ok(None)
}

/// Takes numbers and bytes off a payload.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_at_its_own_place_only() {
        let mut log = vec![0; 10];
        log.extend(encode(Kind::Ready, b"abc", 10));
        let frame = read(&log, 10).expect("memory").expect("there");
        assert_eq!((frame.kind, &frame.payload[..], frame.end), (Kind::Ready, &b"abc"[..], log.len() as u64));
        log.insert(0, 0);
        assert!(read(&log, 11).expect("memory").is_none());
    }

    #[test]
    fn a_torn_or_changed_frame_is_none() {
        let log = encode(Kind::Head, b"abc", 0);
        for len in 0..log.len() {
            assert!(read(&log[..len].to_vec(), 0).expect("memory").is_none(), "{len} bytes");
        }
        for position in 0..log.len() {
            let mut log = log.clone();
            log[position] ^= 1;
            assert!(read(&log, 0).expect("memory").is_none(), "byte {position}");
        }
        assert!(read(&vec![0xff; 100], 0).expect("memory").is_none());
    }
}
