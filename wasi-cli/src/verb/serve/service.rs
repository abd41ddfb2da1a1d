//! Carrying out what clients ask, whatever they are connected by.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nbd_proto::{ConfigError, Errno, Request, Server};

use super::backend::{Backend, Fault};
use super::contexts::Context;
use super::exports::Served;
use super::journal::{Answered, Command, Journal};

/// Exports, what is behind them, and the record of what was done. All clients share one.
pub(crate) struct Service {
    server: Arc<Server>,
    backends: Vec<Arc<dyn Backend>>,
    journal: Journal,
    spare: Mutex<Vec<Vec<u8>>>,
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
        Ok(Self { server, backends, journal, spare: Mutex::default() })
    }

    /// What the protocol knows.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// What was done.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
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
            Request::Flush { ticket } => {
                ticket.done(out);
                (Command::Flush, 0, 0, Ok(()))
            }
            Request::Cache { offset, len, ticket } => {
                ticket.done(out);
                (Command::Cache, offset, len, Ok(()))
            }
            // The exports say that they are read-only, so none of the others comes this far.
            other => return other.error(out, Errno::EPERM, "the export is read-only"),
        };
        let fault: Option<&Fault> = outcome.as_ref().err();
        let export = &self.server.exports()[export].name;
        self.journal.answered(&Answered { client, export, command, offset, len, fault, started });
    }
}
