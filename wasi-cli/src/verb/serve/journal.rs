//! What was done: a line for each request while it happens, sums at the end.
#![cfg_attr(target_env = "p1", allow(dead_code, reason = "without sockets nobody can control a server"))]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use serde::Serialize;

use super::backend::Fault;
use crate::output;
use virstor::counted::counted;

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    Read,
    BlockStatus,
    Write,
    WriteZeroes,
    Trim,
    Flush,
    Cache,
}

/// A request that was answered.
pub(crate) struct Answered<'a> {
    pub(crate) client: u64,
    pub(crate) export: &'a str,
    pub(crate) command: Command,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) fault: Option<&'a Fault>,
    pub(crate) started: Option<Instant>,
}

/// The record of a server. Counting is all it does unless told otherwise.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    log: bool,
    sums: bool,
    quiet: bool,
    clients: AtomicU64,
    commands: [AtomicU64; 7],
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    faults: AtomicU64,
    microseconds: AtomicU64,
    /// Files whose failing has been reported.
    reported: Mutex<BTreeSet<String>>,
}

impl Journal {
    /// A journal that prints a line for each request (`log`), sums at the end (`sums`), and says when a file
    /// fails for the first time (unless `quiet`).
    pub(crate) fn new(log: bool, sums: bool, quiet: bool) -> Self {
        Self { log, sums, quiet, ..Self::default() }
    }

    /// Whether requests are to be timed.
    pub(crate) fn wants_time(&self) -> bool {
        self.log || self.sums
    }

    /// A client came; gives its number, from 1.
    pub(crate) fn arrived(&self) -> u64 {
        let client = self.clients.fetch_add(1, Relaxed) + 1;
        if self.log {
            output::report_json(&Line::Arrived { client });
        }
        client
    }

    /// A client is gone.
    pub(crate) fn left(&self, client: u64, why: &str) {
        if self.log {
            output::report_json(&Line::Left { client, why });
        }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, answered: &Answered<'_>) {
        self.commands[answered.command as usize].fetch_add(1, Relaxed);
        match answered.fault {
            // A client that asks for zeros if they are fast wants to know, and that is all.
            Some(Fault::Slow) | None if answered.command == Command::WriteZeroes => {}
            Some(fault) => self.failed(fault),
            None if answered.command == Command::Read => {
                self.bytes_read.fetch_add(answered.len, Relaxed);
            }
            None if answered.command == Command::Write => {
                self.bytes_written.fetch_add(answered.len, Relaxed);
            }
            None => {}
        }
        let Some(started) = answered.started else { return };
        let microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Relaxed);
        if self.log {
            output::report_json(&Line::Request {
                client: answered.client,
                export: answered.export,
                command: answered.command,
                offset: answered.offset,
                length: answered.len,
                microseconds,
                error: answered.fault.map(|fault| fault.errno().to_string()),
                message: answered.fault.map(ToString::to_string),
            });
        }
    }

    /// Something failed, for a client or after the last one.
    pub(crate) fn failed(&self, fault: &Fault) {
        self.faults.fetch_add(1, Relaxed);
        self.report(fault);
    }

    /// A write waits because there is no room for the chunks it takes.
    pub(crate) fn full(&self, needed: u64) {
        if !self.quiet {
            output::note(&format!(
                "the volume is full: a request waits for {} until a component is added by 'virstor ctl add'",
                counted(needed, "chunk")
            ));
        }
    }

    /// Prints the sums, if they are wanted.
    pub(crate) fn end(&self) {
        if !self.sums {
            return;
        }
        let count = |command: Command| self.commands[command as usize].load(Relaxed);
        output::report_json(&Sums {
            clients: self.clients.load(Relaxed),
            reads: count(Command::Read),
            block_statuses: count(Command::BlockStatus),
            writes: count(Command::Write),
            write_zeroes: count(Command::WriteZeroes),
            trims: count(Command::Trim),
            flushes: count(Command::Flush),
            caches: count(Command::Cache),
            bytes_read: self.bytes_read.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
            faults: self.faults.load(Relaxed),
            microseconds: self.microseconds.load(Relaxed),
        });
    }

    /// A failing disk must not go unnoticed, nor fill the terminal.
    fn report(&self, fault: &Fault) {
        let Fault::Component { file, .. } = fault else { return };
        let new = self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert(file.clone());
        if new && !self.quiet {
            output::note(&format!("{fault}; its ranges give errors, and the rest goes on"));
        }
    }
}

/// A line of `--log jsonl`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Arrived {
        client: u64,
    },
    Request {
        client: u64,
        export: &'a str,
        command: Command,
        offset: u64,
        length: u64,
        microseconds: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    Left {
        client: u64,
        why: &'a str,
    },
}

/// What `--stats json` prints.
#[derive(Serialize)]
struct Sums {
    clients: u64,
    reads: u64,
    block_statuses: u64,
    writes: u64,
    write_zeroes: u64,
    trims: u64,
    flushes: u64,
    caches: u64,
    bytes_read: u64,
    bytes_written: u64,
    faults: u64,
    /// Spent on requests, waiting for the network not included.
    microseconds: u64,
}
