//! Carrying out what clients ask, whatever they are connected by.
#![cfg_attr(target_env = "p1", allow(dead_code, reason = "without sockets nobody can control a server"))]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use nbd_proto::{ConfigError, Output, Request, Ticket};

use virstor::change::remove::RemoveError;
use virstor::counted::{agreeing, counted};
use virstor::geometry::ComponentIndex;
use virstor::io::{ReadAt, Window};
use virstor::write::{MemberError, WriteError};
use virstor_inspect::document::ctl::{Ctl, CtlComponent};

use super::backend::{Backend, Fault, Zeros};
use super::component::{Bytes, Component};
use super::contexts::Context;
use super::exports::{Catalog, Offer};
use super::journal::{Answered, Command, Journal};
use super::volume::Volume;
use super::writing::WritableComponent;
use crate::change;
use crate::disk::WritableDisk;
use crate::disk::writable::Medium;
use crate::failure::Failure;
use crate::output::note;
use crate::target::{NewDisk, WhatItCarries};
use crate::verb::add;

/// What is served, and the record of what was done. All clients share one.
pub(crate) struct Service {
    catalog: Catalog,
    /// What of it is there now. Clients keep what they found when they came.
    offer: RwLock<Arc<Offer>>,
    journal: Journal,
    spare: Mutex<Vec<Output>>,
    /// How many clients are there that have chosen an export.
    users: AtomicUsize,
    rules: Rules,
    /// The clients of which a request waits for room, in the order in which they began to.
    waiting: Mutex<VecDeque<u64>>,
}

/// What the user wants of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rules {
    /// Whether a write for which there is no room waits for some.
    pub(crate) waits: bool,
    /// Whether components may come and go.
    pub(crate) may_change: bool,
    /// Sector size of the volume in bytes.
    pub(crate) sector_size: u32,
}

/// How a file that carries something becomes a component all the same.
const OFFLINE: &str = "'virstor add --force' overwrites it when nobody serves the volume";

/// Most large buffers that are kept for the next client who needs one. They keep memory flat: an allocator that
/// gets 32 MiB back from one thread may not have them for another.
const MAX_SPARE: usize = 4;

impl Service {
    /// # Errors
    ///
    /// When the exports break a rule of the protocol: a volume of more than 2^63 - 1 bytes.
    pub(crate) fn new(catalog: Catalog, rules: Rules, journal: Journal) -> Result<Self, ConfigError> {
        let offer = RwLock::new(Arc::new(catalog.offer(&mut note)?));
        let (spare, waiting) = (Mutex::default(), Mutex::default());
        let users = AtomicUsize::new(0);
        Ok(Self { catalog, offer, journal, spare, users, rules, waiting })
    }

    /// What a client that comes now may choose.
    pub(crate) fn offer(&self) -> Arc<Offer> {
        Arc::clone(&self.offer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has those who come from now on find the components that there are.
    fn renew_offer(&self) {
        // It was in order before, and a component more or less breaks no rule. What is not offered was told of.
        if let Ok(offer) = self.catalog.offer(&mut |_| {}) {
            *self.offer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(offer);
        }
    }

    fn volume(&self) -> &Volume {
        self.catalog.volume()
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
        self.volume().settle()
    }

    /// An empty buffer, a large one if there is one to spare.
    pub(crate) fn large_buffer(&self) -> Output {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes back a large buffer that is not needed any more.
    pub(crate) fn give_back(&self, mut buffer: Output) {
        buffer.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MAX_SPARE {
            spare.push(buffer);
        }
    }

    /// What there is, for who asks.
    pub(crate) fn status(&self) -> Ctl {
        let component =
            |it: &Arc<Component>| CtlComponent { index: it.index.0, file: it.file.clone(), size: it.size() };
        let (name, id) = self.catalog.name();
        Ctl {
            volume: name.into(),
            id,
            virtual_size: Backend::size(self.volume()),
            writable: self.volume().is_writable(),
            free_chunks: self.volume().free_chunks(),
            clients: self.users.load(SeqCst) as u64,
            waiting: self.waiting().len() as u64,
            components: self.volume().components().iter().map(component).collect(),
        }
    }

    /// Adds files to the volume as new components: all of them, or none.
    ///
    /// # Errors
    ///
    /// A line for people, about the first that cannot be added.
    pub(crate) fn add(&self, files: &[String]) -> Result<(), String> {
        self.may_change()?;
        let files: Vec<OsString> = files.iter().map(OsString::from).collect();
        let told = |failure: Failure| failure.to_string();
        change::refuse_same(&files).map_err(told)?;
        let open = |file| NewDisk::open(file, self.rules.sector_size, WhatItCarries::Stays(OFFLINE));
        let new = files.iter().map(open).collect::<Result<Vec<_>, _>>().map_err(told)?;
        let members = new.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        let added = self.volume().add(new.iter().map(NewDisk::provider).zip(members).collect());
        added.map_err(|error| match error {
            MemberError::Add(error) => add::refusal(&error, &new).to_string(),
            other => self.disk_failure(&other, &new),
        })?;
        self.renew_offer();
        Ok(())
    }

    /// What happened to a disk of the volume, or to one that was to become one.
    fn disk_failure(&self, error: &MemberError, new: &[NewDisk]) -> String {
        let MemberError::Write(WriteError::Io { component, error }) = error else {
            return format!("not possible: {error:?}");
        };
        let components = self.volume().components();
        let mut labels = components.iter().map(|it| &it.file).chain(new.iter().map(|disk| &disk.label));
        format!("{}: {error}", labels.nth(component.as_usize()).map_or("", String::as_str))
    }

    /// Removes components of which no chunk is in use.
    ///
    /// # Errors
    ///
    /// A line for people: one of the files is no component, or has to stay.
    pub(crate) fn remove(&self, files: &[String]) -> Result<(), String> {
        self.may_change()?;
        let components = self.volume().components();
        let label =
            |index: ComponentIndex| components.get(index.as_usize()).map_or("", |it| it.file.as_str());
        let number = |file: &String| {
            let found = components.iter().find(|it| it.file == *file);
            found.map(|it| it.index).ok_or_else(|| format!("{file}: is no component of the volume"))
        };
        let drop = files.iter().map(number).collect::<Result<Vec<_>, String>>()?;
        self.volume().remove(&drop).map_err(|error| match error {
            MemberError::Remove(RemoveError::HoldsMap) => {
                format!("{}: holds the map and stays", label(ComponentIndex(0)))
            }
            MemberError::Remove(RemoveError::InUse { component, chunks }) => {
                let are = agreeing(chunks, "is", "are");
                format!("{}: {chunks} of its chunks {are} in use", label(component))
            }
            MemberError::Remove(RemoveError::UsedBehind { component, behind, chunks }) => {
                let (component, behind) = (label(component), label(behind));
                let (chunks, are) = (counted(chunks, "chunk"), agreeing(chunks, "is", "are"));
                format!("{component}: {chunks} of {behind}, which is behind it, {are} in use")
            }
            other => self.disk_failure(&other, &[]),
        })?;
        self.renew_offer();
        Ok(())
    }

    fn may_change(&self) -> Result<(), String> {
        if self.rules.may_change {
            return Ok(());
        }
        Err("components come and go only where the server writes to the set itself (--write)".into())
    }

    /// A client that may have waited for room does not any more.
    pub(crate) fn give_up_waiting(&self, client: u64) {
        self.waiting().retain(|other| *other != client);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a client may take room: nobody waits that came before it.
    fn may_grow(&self, client: u64) -> bool {
        self.waiting().front().is_none_or(|first| *first == client)
    }

    /// Whether a request that failed so is to wait; then its client is in the queue.
    fn waits(&self, client: u64, outcome: &Result<(), Fault>) -> bool {
        let Err(Fault::Full { needed, .. }) = outcome else { return false };
        if !self.rules.waits {
            return false;
        }
        let mut waiting = self.waiting();
        if !waiting.contains(&client) {
            if waiting.is_empty() {
                self.journal.full(*needed);
            }
            waiting.push_back(client);
        }
        true
    }

    /// Does what a client asked of an export and appends the answer to `out`; gives the request back where it has to
    /// wait for room, to be tried again.
    pub(crate) fn carry_out(
        &self,
        client: u64,
        (offer, export): (&Offer, usize),
        request: Request,
        out: &mut Output,
    ) -> Option<Request> {
        let started = self.journal.wants_time().then(Instant::now);
        let backend = offer.backend(export);
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
                let outcome = backend.write(offset, &data, self.may_grow(client));
                if self.waits(client, &outcome) {
                    return Some(Request::Write { offset, data, fua, ticket });
                }
                let outcome = outcome.and_then(|()| durable(backend, fua));
                answer(ticket, out, &outcome);
                (Command::Write, offset, data.len() as u64, outcome)
            }
            Request::WriteZeroes { offset, len, fua, no_hole, fast_only, ticket } => {
                let may_grow = self.may_grow(client);
                let how = Zeros { provided: no_hole, fast: fast_only, may_grow };
                let outcome = backend.write_zeros(offset..offset + len, how);
                if self.waits(client, &outcome) {
                    return Some(Request::WriteZeroes { offset, len, fua, no_hole, fast_only, ticket });
                }
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
        let export = offer.name(export);
        self.journal.answered(&Answered { client, export, command, offset, len, fault, started });
        None
    }
}

/// A new component, which is written to from now on.
fn member(new: &NewDisk) -> Result<(WritableComponent, Component), String> {
    let failed = |reason: String| format!("{}: {reason}", new.label);
    let medium: Arc<dyn Medium> = Arc::new(WritableDisk::open(new.disk.path()).map_err(failed)?);
    let disk = Window::new(medium, 0, new.disk.size()).ok_or_else(|| failed("it shrank".into()))?;
    let component = Component {
        index: ComponentIndex(0),
        disk: Bytes::Writable(disk.clone()),
        file: new.label.clone(),
        suspect: false,
    };
    Ok((disk, component))
}

/// What FUA asks for.
fn durable(backend: &dyn Backend, fua: bool) -> Result<(), Fault> {
    if fua { backend.flush() } else { Ok(()) }
}

fn answer(ticket: Ticket, out: &mut Output, outcome: &Result<(), Fault>) {
    match outcome {
        Ok(()) => ticket.done(out),
        Err(fault) => ticket.error(out, fault.errno(), &fault.to_string()),
    }
}
