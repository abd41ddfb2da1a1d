//! Requests that wait for room: the kernel's delayed queue, done right.
//!
//! The kernel puts a write that finds no space on a queue, half of it done and its map entry lost, and runs each
//! once when a component is added. Here a request waits whole: nothing of it was done. Requests are performed in
//! the order in which they came wherever the order can be seen, each answer is given exactly once, and the
//! memory they take is bounded.
//!
//! What waits behind what: a request waits when there is no room for it; when it touches a byte of one that
//! waits; and when it needs room while another waits for it, or a large request could wait for ever while
//! small ones pass it. Reads and flushes do not wait: a write that waits was not answered, and who was not
//! answered may find the old bytes.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use super::{VolumeWriter, WriteError};
use crate::io::WriteAt;

/// Something to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These bytes.
    Data(Vec<u8>),
    /// So many zeros.
    Zeros(u64),
}

/// A request, with what its owner needs to answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<T> {
    /// The owner's.
    pub token: T,
    /// The first byte of the volume to change.
    pub offset: u64,
    /// What comes there.
    pub change: Change,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was performed, or failed for another reason than room.
    Done(T, Result<(), WriteError>),
    /// It waits. [`Held::release`] will give it back.
    Waits,
}

/// The requests that wait, in the order in which they came.
#[derive(Debug)]
pub struct Held<T> {
    queue: VecDeque<Request<T>>,
    /// Bytes of data in the queue.
    bytes: u64,
    limit: u64,
}

impl<T> Request<T> {
    fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.change.len()
    }

    fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.range(), other.range());
        a.start < b.end && b.start < a.end
    }

    fn perform<D: WriteAt>(&self, writer: &mut VolumeWriter<D>) -> Result<(), WriteError> {
        match &self.change {
            Change::Data(data) => writer.write(self.offset, data),
            Change::Zeros(len) => writer.write_zeros(self.offset..self.offset + len),
        }
    }

    /// How many chunks it would take.
    fn needs_room<D: WriteAt>(&self, writer: &mut VolumeWriter<D>) -> Result<bool, WriteError> {
        match &self.change {
            Change::Data(data) => match writer.plan(self.offset, data) {
                Ok(plan) => Ok(!plan.allocations.is_empty()),
                Err(WriteError::OutOfSpace { .. }) => Ok(true),
                Err(error) => Err(error),
            },
            Change::Zeros(_) => Ok(false),
        }
    }
}

impl Change {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Zeros(len) => *len,
        }
    }

    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it takes in memory, in bytes.
    fn weight(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Zeros(_) => 0,
        }
    }
}

impl<T> Held<T> {
    /// An empty queue that takes at most `limit` bytes of data. One request always has room, however long.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, limit }
    }

    /// How many requests wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Performs `request`, or lets it wait.
    ///
    /// Of a queue that is full the request comes back as [`WriteError::OutOfSpace`]: nothing of it was done.
    ///
    /// # Panics
    ///
    /// When its range is not within the volume.
    pub fn submit<D: WriteAt>(&mut self, request: Request<T>, writer: &mut VolumeWriter<D>) -> Outcome<T> {
        if self.queue.is_empty() {
            return match request.perform(writer) {
                Err(error @ WriteError::OutOfSpace { .. }) => self.hold(request, error),
                result => Outcome::Done(request.token, result),
            };
        }
        let waits = match request.needs_room(writer) {
            Ok(needs) => needs || self.queue.iter().any(|other| other.overlaps(&request)),
            Err(error) => return Outcome::Done(request.token, Err(error)),
        };
        if waits {
            let free = writer.space().free_chunks;
            return self.hold(request, WriteError::OutOfSpace { needed: free + 1, free });
        }
        let result = request.perform(writer);
        Outcome::Done(request.token, result)
    }

    fn hold(&mut self, request: Request<T>, otherwise: WriteError) -> Outcome<T> {
        let bytes = self.bytes + request.change.weight();
        if bytes > self.limit && !self.queue.is_empty() {
            return Outcome::Done(request.token, Err(otherwise));
        }
        self.bytes = bytes;
        self.queue.push_back(request);
        Outcome::Waits
    }

    /// Performs those there is room for now, from the front, up to the first for which there is none. Call it
    /// when the volume has gained room.
    pub fn release<D: WriteAt>(&mut self, writer: &mut VolumeWriter<D>) -> Vec<(T, Result<(), WriteError>)> {
        let mut done = Vec::new();
        while let Some(front) = self.queue.front() {
            let result = front.perform(writer);
            if matches!(result, Err(WriteError::OutOfSpace { .. })) {
                break;
            }
            if let Some(request) = self.queue.pop_front() {
                self.bytes -= request.change.weight();
                done.push((request.token, result));
            }
        }
        done
    }

    /// Gives up those whose owner `is_gone` says is, and gives back their tokens. Nothing of them was done.
    pub fn cancel(&mut self, mut is_gone: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut gone = Vec::new();
        for request in core::mem::take(&mut self.queue) {
            if is_gone(&request.token) {
                self.bytes -= request.change.weight();
                gone.push(request.token);
            } else {
                self.queue.push_back(request);
            }
        }
        gone
    }
}
