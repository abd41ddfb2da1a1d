//! The control channel of a running server: a folder in which requests and answers are files.
//!
//! ```text
//!  server  server.json      there for as long as it is; natively it is locked, too
//!  ctl     request-N.json   written under another name, then renamed; the server removes it, and then acts
//!  server  answer-N.json    likewise; ctl removes it
//! ```
//!
//! So it works wherever there are files, in WebAssembly too, nobody can reach it through the network, and who may use it
//! is a matter of the folder's permissions.
#![cfg_attr(target_env = "p1", allow(dead_code, reason = "without sockets nobody can control a server"))]

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::service::Service;
use crate::failure::{Failure, host_reason};
use crate::output::shown;

/// How often the server looks for requests.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

/// How long a request may lie there before nobody is thought to serve. A server in WebAssembly looks between two turns of its
/// clients, and one that is as slow as this has a disk that fails.
const UNTAKEN: Duration = Duration::from_secs(3);

/// What says that somebody serves.
const MARK: &str = "server.json";

/// Longest request in bytes: thousands of names.
const MAX_REQUEST: u64 = 1 << 20;

/// Most requests that are answered at a time.
const MAX_AT_ONCE: usize = 16;

/// The server's end.
pub(crate) struct Control {
    folder: PathBuf,
    service: Arc<Service>,
}

/// What says that somebody serves. It goes when this does.
pub(crate) struct Mark {
    path: PathBuf,
    /// Held for its lock.
    _file: File,
}

impl Control {
    /// Takes requests in `folder`, which is made if need be, until the mark is dropped. What was left there by others is
    /// removed.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or read, or another server takes requests there.
    pub(crate) fn open(folder: &Path, service: &Arc<Service>) -> Result<(Self, Mark), Failure> {
        let failed =
            |error: io::Error| Failure::Operation(format!("{}: {}", shown(folder), host_reason(&error)));
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let there = fs::read_dir(folder).map_err(failed)?;
        let mark = Mark::leave(folder)?;
        for entry in there.flatten() {
            if is_ours(&entry.file_name().to_string_lossy()) {
                // Nobody waits for what a server of the past was asked; what cannot be removed is refused later.
                _ = fs::remove_file(entry.path());
            }
        }
        Ok((Self { folder: folder.into(), service: Arc::clone(service) }, mark))
    }

    /// Answers what was asked since; whether the server was asked to end.
    pub(crate) fn poll(&self) -> bool {
        let Ok(entries) = fs::read_dir(&self.folder) else { return false };
        let mut requests: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| number_of(name).is_some())
            .collect();
        requests.sort();
        requests.truncate(MAX_AT_ONCE);
        // All are taken before any is done, so that nobody's waits untaken behind one that takes long.
        let taken: Vec<_> = requests.iter().filter_map(|name| self.take(name)).collect();
        let mut stop = false;
        for (number, request) in taken {
            let answer = match request.and_then(|request| self.answer(&request, &mut stop)) {
                Ok(status) => json!({ "ok": true, "status": status }),
                Err(error) => json!({ "ok": false, "error": error }),
            };
            // Whoever asked may have gone, and the folder with it.
            _ = put(&self.folder, &format!("answer-{number}.json"), &answer);
        }
        stop
    }

    /// Removes a request, so that it is not done twice; gives its number and what it says.
    fn take<'a>(&self, name: &'a str) -> Option<(&'a str, Result<Value, String>)> {
        let number = number_of(name)?;
        let path = self.folder.join(name);
        let request = read(&path);
        fs::remove_file(&path).ok().map(|()| (number, request))
    }

    fn answer(&self, request: &Value, stop: &mut bool) -> Result<Value, String> {
        let files = || -> Result<Vec<String>, String> {
            let files = request["files"].as_array().ok_or("there are no files in the request")?;
            files
                .iter()
                .map(|file| file.as_str().map(String::from).ok_or("a file has no name".into()))
                .collect()
        };
        match request["action"].as_str() {
            Some("status") => {}
            Some("stop") => *stop = true,
            Some("add") => self.service.add(&files()?)?,
            Some("remove") => self.service.remove(&files()?)?,
            _ => return Err("the request has no action that is known".into()),
        }
        serde_json::to_value(self.service.status()).map_err(|error| error.to_string())
    }
}

impl Mark {
    /// Leaves a mark in `folder`: locked where there are locks, since then nobody has to guess whether one that was left
    /// behind by a server that was killed is a server's.
    fn leave(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(MARK);
        let failed = |reason: &str| Failure::Operation(format!("{}: {reason}", shown(&path)));
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let mut file = file.map_err(|error| failed(&host_reason(&error)))?;
        let is_locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Err(failed("another server takes requests there")),
            Err(TryLockError::Error(_)) => false,
        };
        let text = json!({ "locked": is_locked }).to_string();
        let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(&host_reason(&error)))?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // Somebody may have removed the folder.
        _ = fs::remove_file(&self.path);
    }
}

/// Asks the server that takes requests in `folder`; gives what it has afterwards.
///
/// # Errors
///
/// When nobody serves there, or the server does not answer for `patience`, or refuses.
pub(crate) fn ask(folder: &Path, request: &Value, patience: Duration) -> Result<Value, Failure> {
    let failed = |error: io::Error| Failure::Operation(format!("{}: {}", shown(folder), host_reason(&error)));
    if !may_be_served(folder).map_err(failed)? {
        let folder = shown(folder);
        return Err(Failure::Operation(format!(
            "{folder}: no server takes requests there; 'virstor serve --control {folder}' starts one"
        )));
    }
    let number = random();
    let name = format!("request-{number}.json");
    put(folder, &name, request).map_err(failed)?;
    let request = folder.join(&name);
    let answer = folder.join(format!("answer-{number}.json"));
    let started = Instant::now();
    loop {
        if answer.exists() {
            let said = read(&answer).map_err(Failure::Operation)?;
            // It is of no use to anybody else.
            _ = fs::remove_file(&answer);
            return match said["error"].as_str() {
                Some(error) => Err(Failure::Operation(error.into())),
                None => Ok(said["status"].clone()),
            };
        }
        // Who gets to remove it decides: the server does before it acts, and one that comes later must not act.
        if started.elapsed() > UNTAKEN && fs::remove_file(&request).is_ok() {
            let (folder, seconds) = (shown(folder), UNTAKEN.as_secs());
            return Err(Failure::Operation(format!(
                "{folder}: nobody took the request in {seconds} s; the server that was there has been killed, or its disks fail"
            )));
        }
        if started.elapsed() > patience {
            return Err(Failure::Operation(format!(
                "{}: the server took the request and has not answered for {} s; 'status' will show what came of it",
                shown(folder),
                patience.as_secs()
            )));
        }
        std::thread::sleep(INTERVAL / 5);
    }
}

/// Whether a server left its mark in `folder` and may still be there.
fn may_be_served(folder: &Path) -> io::Result<bool> {
    let path = folder.join(MARK);
    let file = match File::open(&path) {
        Ok(file) => file,
        // Whether the folder is there is another matter.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return fs::metadata(folder).map(|_| false),
        Err(error) => return Err(error),
    };
    let was_locked = read(&path).is_ok_and(|mark| mark["locked"] == true);
    // The server's lock ends with its process, however that ends.
    Ok(!(was_locked && file.try_lock_shared().is_ok()))
}

/// Writes a file so that it is seen whole or not at all.
fn put(folder: &Path, name: &str, document: &Value) -> io::Result<()> {
    let hidden = folder.join(format!("{name}.part"));
    fs::write(&hidden, document.to_string())?;
    fs::rename(&hidden, folder.join(name))
}

fn read(path: &Path) -> Result<Value, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| host_reason(&error))?;
    file.take(MAX_REQUEST + 1).read_to_string(&mut text).map_err(|error| host_reason(&error))?;
    if text.len() as u64 > MAX_REQUEST {
        return Err(format!("a request has at most {MAX_REQUEST} bytes"));
    }
    serde_json::from_str(&text).map_err(|error| format!("the request is no JSON: {error}"))
}

/// The number of a request's file.
fn number_of(name: &str) -> Option<&str> {
    let number = name.strip_prefix("request-")?.strip_suffix(".json")?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(number)
}

fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(".part").unwrap_or(name);
    let answer = name.strip_prefix("answer-").map(|rest| format!("request-{rest}"));
    number_of(answer.as_deref().unwrap_or(name)).is_some()
}

/// A number that nobody else has taken.
fn random() -> String {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's maps are seeded at random, everywhere.
    format!("{:016x}", std::collections::hash_map::RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_requests_are_taken() {
        assert_eq!(number_of("request-0a9f.json"), Some("0a9f"));
        for name in ["request-.json", "request-0a9f.json.part", "request-../x.json", "answer-0a9f.json"] {
            assert_eq!(number_of(name), None, "{name}");
        }
        assert!(is_ours("answer-0a9f.json") && is_ours("request-0a9f.json.part") && !is_ours("letter.json"));
    }
}
