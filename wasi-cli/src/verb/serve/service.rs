//! Carrying out what clients ask, whatever they are connected by.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nbd_proto::{ConfigError, Request, Server, Ticket};

use super::backend::{Backend, Fault, Zeros};
use super::contexts::Context;
use super::exports::Served;
use super::journal::{Answered, Command, Journal};

/// Exports, what is behind them, and the record of what was done. All clients share one.
pub(crate) struct Service {
    server: Arc<Server>,
    backends: Vec<Arc<dyn Backend>>,
    journal: Journal,
    spare: Mutex<Vec<Vec<u8>>>,
    /// How many clients are there that have chosen an export.
    users: AtomicUsize,
}

/// Most large buffers that are kept for the next client who needs one. They keep memory flat: an allocator that
/// gets 32 MiB back from one thread may not have them for another.
const MAX_SPARE: usize = 4;

impl Service {
    /// # Errors
    ///
    /// When the exports break a rule of the protocol: a volume of more than 2^63 - 1 bytes.
    pub(crate) fn new(exports: Vec<Served>, journal: Journal) -> Result<Self, ConfigError> {
        let (exports, backends) = exports.into_iter().map(|served| (served.export, served.backend)).unzip();
        let server = Arc::new(Server::new(exports)?.with_extended_headers(true));
        Ok(Self { server, backends, journal, spare: Mutex::default(), users: AtomicUsize::new(0) })
    }

    /// What the protocol knows.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// What was done.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// A client has chosen an export.
    pub(crate) fn begin_use(&self) {
        self.users.fetch_add(1, SeqCst);
    }

    /// A client that had chosen an export is gone. With the last one everything is left in order, as FreeBSD does
    /// on last close: a server in WebAssembly may be killed at any time after that.
    pub(crate) fn end_use(&self) {
        if self.users.fetch_sub(1, SeqCst) == 1
            && let Err(fault) = self.settle()
        {
            self.journal.failed(&fault);
        }
    }

    /// Leaves everything as it should be found when nobody goes on writing.
    ///
    /// # Errors
    ///
    /// [`Fault::Component`].
    pub(crate) fn settle(&self) -> Result<(), Fault> {
        self.backends.iter().try_for_each(|backend| backend.settle())
    }

    /// An empty buffer, a large one if there is one to spare.
    pub(crate) fn large_buffer(&self) -> Vec<u8> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes back a large buffer that is not needed any more.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MAX_SPARE {
            spare.push(buffer);
        }
    }

    /// Does what a client asked of an export and appends the answer to `out`.
    pub(crate) fn carry_out(&self, client: u64, export: usize, request: Request, out: &mut Vec<u8>) {
        let started = self.journal.wants_time().then(Instant::now);
        let backend = &*self.backends[export];
        let (command, offset, len, outcome) = match request {
            Request::Read { offset, len, ticket } => {
                let mut reply = ticket.reply(out);
                let outcome = backend.read(offset, &mut reply);
                match &outcome {
                    Ok(()) => reply.finish(),
                    Err(fault) => reply.fail(fault.errno(), &fault.to_string()),
                }
                (Command::Read, offset, u64::from(len), outcome)
            }
            Request::BlockStatus { offset, len, ticket } => {
                let mut reply = ticket.reply(out);
                while let Some(context) = reply.next_context() {
                    let context = Context::ALL[context];
                    backend.extents(offset..offset + len, &mut |extent| {
                        reply.extent(extent.len, context.status(extent.state))
                    });
                }
                reply.finish();
                (Command::BlockStatus, offset, len, Ok(()))
            }
            Request::Write { offset, data, fua, ticket } => {
                let outcome = backend.write(offset, &data).and_then(|()| durable(backend, fua));
                answer(ticket, out, &outcome);
                (Command::Write, offset, data.len() as u64, outcome)
            }
            Request::WriteZeroes { offset, len, fua, no_hole, fast_only, ticket } => {
                let how = Zeros { provided: no_hole, fast: fast_only };
                let outcome = backend.write_zeros(offset..offset + len, how);
                let outcome = outcome.and_then(|()| durable(backend, fua));
                answer(ticket, out, &outcome);
                (Command::WriteZeroes, offset, len, outcome)
            }
            Request::Trim { offset, len, fua, ticket } => {
                let outcome = backend.trim(offset..offset + len).and_then(|()| durable(backend, fua));
                answer(ticket, out, &outcome);
                (Command::Trim, offset, len, outcome)
            }
            Request::Flush { ticket } => {
                let outcome = backend.flush();
                answer(ticket, out, &outcome);
                (Command::Flush, 0, 0, outcome)
            }
            Request::Cache { offset, len, ticket } => {
                ticket.done(out);
                (Command::Cache, offset, len, Ok(()))
            }
        };
        let fault: Option<&Fault> = outcome.as_ref().err();
        let export = &self.server.exports()[export].name;
        self.journal.answered(&Answered { client, export, command, offset, len, fault, started });
    }
}

/// What FUA asks for.
fn durable(backend: &dyn Backend, fua: bool) -> Result<(), Fault> {
    if fua { backend.flush() } else { Ok(()) }
}

fn answer(ticket: Ticket, out: &mut Vec<u8>, outcome: &Result<(), Fault>) {
    match outcome {
        Ok(()) => ticket.done(out),
        Err(fault) => ticket.error(out, fault.errno(), &fault.to_string()),
    }
}
