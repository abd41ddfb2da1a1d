//! How many requests have surfaced and wait for their answer, and how many bytes they are about.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The counters of one connection, shared with its tickets.
///
/// They are atomic so that tickets may be answered on other threads; only the connection increases them.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// One request's place. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    in_flight: Arc<InFlight>,
    bytes: usize,
}

impl InFlight {
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// A place for a request about `bytes` bytes, unless there are `max_requests` already or it would lead
    /// beyond `max_bytes`. A request that is alone may be of any size.
    pub(crate) fn admit(
        self: &Arc<Self>,
        bytes: usize,
        max_requests: usize,
        max_bytes: usize,
    ) -> Option<Permit> {
        let (requests, held) = (self.requests.load(Relaxed), self.bytes.load(Relaxed));
        let too_many_bytes = requests > 0 && held.saturating_add(bytes) > max_bytes;
        if requests >= max_requests || too_many_bytes {
            return None;
        }
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        Some(Permit { in_flight: Arc::clone(self), bytes })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.requests.fetch_sub(1, Relaxed);
        self.in_flight.bytes.fetch_sub(self.bytes, Relaxed);
    }
}
