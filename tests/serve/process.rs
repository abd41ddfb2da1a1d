//! Programs that run beside a test: nothing is waited for without an end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use virstor_tests::runtime::PATIENCE;

/// How long such a program lives at most. Its end wakes whoever waits for it: at a socket, at a pipe, at a mount.
const LONGEST: Duration = Duration::from_secs(8 * 60);

/// A program that is running. It is gone when this is, or after eight minutes.
pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    /// What it prints, until it closes its stdout.
    lines: Receiver<String>,
    /// All it complained about, once that is known.
    complaint: Receiver<String>,
    /// Dropped with this: then nobody has to see to its end any more.
    _watched: Sender<()>,
}

impl Process {
    /// Starts `command`; what it says is read by threads, so that no full pipe makes it stop.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Failed> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (say, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout.expect("it is piped")).lines();
            // Nobody may listen any more.
            _ = lines.map_while(Result::ok).try_for_each(|line| say.send(line));
        });
        let (complain, complaint) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What came before an error is what there is.
            _ = stderr.expect("it is piped").read_to_end(&mut bytes);
            _ = complain.send(String::from_utf8_lossy(&bytes).into_owned());
        });
        let child = Arc::new(Mutex::new(child));
        let (watched, over) = mpsc::channel::<()>();
        let ours = Arc::clone(&child);
        thread::spawn(move || {
            if over.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
                _ = lock(&ours).kill();
            }
        });
        Ok(Self { child, lines, complaint, _watched: watched })
    }

    /// The next line it prints.
    pub(crate) fn line(&self) -> Result<String, Failed> {
        Ok(self.lines.recv_timeout(PATIENCE).map_err(|error| format!("it prints no line: {error}"))?)
    }

    /// Its input, if that is piped and has not been taken.
    pub(crate) fn input(&self) -> Option<ChildStdin> {
        lock(&self.child).stdin.take()
    }

    pub(crate) fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Whether it runs no more.
    pub(crate) fn has_ended(&self) -> Result<bool, Failed> {
        Ok(lock(&self.child).try_wait()?.is_some())
    }

    /// Waits until it has ended, but not for ever; gives how, and what it said on stderr.
    pub(crate) fn wait(&self) -> Result<(ExitStatus, String), Failed> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = lock(&self.child).try_wait()? {
                let complaint = self.complaint.recv_timeout(PATIENCE);
                return Ok((status, complaint.map_err(|error| format!("its stderr stays open: {error}"))?));
            }
            if Instant::now() > deadline {
                self.kill();
                return Err("it does not end".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&self) {
        let mut child = lock(&self.child);
        // It may have ended before.
        _ = child.kill();
        _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}
