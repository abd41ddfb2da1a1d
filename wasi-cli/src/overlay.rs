//! An overlay: a file that takes what is written to a set, so that the files of the set need not.
//!
//! ```text
//!  block 0        head: whose set it is, as it was when the overlay was begun
//!  block 1        index: which blocks of which component lie where here, and where the next index will be
//!  ...            blocks of data, and further indexes, in the order in which they were needed
//! ```
//!
//! A block (4096 bytes) is copied here when it is first written to, and from then on written in place. Nobody finds
//! it before an index names it, and indexes are only ever added: a flush makes the data durable, writes the index
//! where the one before it says, and makes that durable. A cut leaves at its end an index without a valid checksum,
//! or none; it names what no flush had acknowledged. So an overlay keeps the promises of a disk, and the engine
//! writes through it as it writes to disks.

mod format;
mod runs;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virstor::geometry::ComponentIndex;
use virstor::io::{IoError, ReadAt, WriteAt};

pub(crate) use self::format::{BLOCK, Head, MOST_COMPONENTS};
use self::format::{Index, MOST_ENTRIES};
pub(crate) use self::runs::Place;
use self::runs::{Run, Runs};
use crate::disk::HostFile;
use crate::disk::writable::Medium;
use crate::failure::host_reason;
use crate::output::shown;

/// So many runs at most wait for a flush; then there is one unasked. It bounds memory.
const MOST_WAITING: usize = 1 << 16;

/// Writes longer than this are copied in pieces, in blocks.
const PIECE: u64 = 256;

/// An open overlay.
pub(crate) struct Overlay {
    file: HostFile,
    head: Head,
    state: Mutex<State>,
}

struct State {
    runs: Runs,
    /// Runs that no index on the disk names.
    waiting: Vec<Run>,
    /// Where the next index goes, and its number.
    next_index: (u64, u64),
    /// The first block that was never used.
    end: u64,
    /// Whether anything was written since the last flush.
    dirty: bool,
    /// Whether a commit to the set was begun.
    committing: bool,
    /// What the host said when it failed to make bytes durable; see [`WritableDisk`](crate::disk::WritableDisk).
    lost: Option<String>,
}

impl Overlay {
    /// Opens the overlay at `path` for the set that `head` describes, or begins it where there is no file.
    ///
    /// # Errors
    ///
    /// A line for people: it is no overlay, is damaged, is that of another set or of another state of this one, or
    /// cannot be read or written.
    pub(crate) fn open_or_begin(path: &Path, head: Head) -> Result<Self, String> {
        match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
            Ok(file) => Self::begin(file, path, head),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let overlay = Self::open(path)?;
                overlay.expect(path, &head)?;
                if overlay.is_committing() {
                    let path = shown(path);
                    return Err(format!(
                        "{path}: a commit of it was begun; 'virstor overlay commit' ends it"
                    ));
                }
                Ok(overlay)
            }
            Err(error) => Err(failed(path, &error)),
        }
    }

    fn begin(file: File, path: &Path, head: Head) -> Result<Self, String> {
        lock(&file, path)?;
        let file = HostFile::for_writing(file, path);
        let write = file.write_all_at(0, &head.encode()).and_then(|()| file.as_std().sync_all());
        write.map_err(|error| failed(path, &error))?;
        let state = State::new(Runs::default(), (1, 0), 2);
        Ok(Self { file, head, state: Mutex::new(state) })
    }

    /// Opens an existing overlay, whosesoever it is.
    ///
    /// # Errors
    ///
    /// As for [`open_or_begin`](Self::open_or_begin).
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|it| failed(path, &it))?;
        lock(&file, path)?;
        let len = (&file).seek(SeekFrom::End(0)).map_err(|error| failed(path, &error))?;
        let file = HostFile::for_writing(file, path);
        let no_overlay = || format!("{}: is no overlay", shown(path));
        let mut block = vec![0; BLOCK];
        if len < BLOCK as u64 {
            return Err(no_overlay());
        }
        file.read_exact_at(0, &mut block).map_err(|error| failed(path, &error))?;
        let head = Head::decode(&block).ok_or_else(no_overlay)?;
        let mut state = State::new(Runs::default(), (1, 0), len.div_ceil(BLOCK as u64).max(2));
        loop {
            let (at, number) = state.next_index;
            if (at + 1) * BLOCK as u64 > len {
                break;
            }
            file.read_exact_at(at * BLOCK as u64, &mut block).map_err(|error| failed(path, &error))?;
            let Some(index) = Index::decode(&block, at, number) else { break };
            for run in index.runs {
                let there = run.at.checked_add(run.len).is_some_and(|end| end <= state.end);
                if !head.holds(&run) || !(run.at == 0 || there) || index.next >= 1 << 50 {
                    return Err(format!("{}: its index {number} names what cannot be", shown(path)));
                }
                state.runs.insert(run);
            }
            state.committing |= index.committing;
            state.next_index = (index.next, number + 1);
            state.end = state.end.max(index.next + 1);
        }
        Ok(Self { file, head, state: Mutex::new(state) })
    }

    /// Whether it is that of the set that `head` describes, as it is.
    ///
    /// # Errors
    ///
    /// A line for people.
    pub(crate) fn expect(&self, path: &Path, head: &Head) -> Result<(), String> {
        let path = shown(path);
        let Head { name, id, .. } = &self.head;
        if !self.head.is_of(head) {
            return Err(format!("{path}: is the overlay of another set ({name}/{id})"));
        }
        if !self.is_committing() && self.head.fingerprint != head.fingerprint {
            return Err(format!("{path}: {name}/{id} was changed since the overlay was begun"));
        }
        Ok(())
    }

    /// Whether a commit to the set was begun.
    pub(crate) fn is_committing(&self) -> bool {
        self.state().committing
    }

    /// Notes, durably, that a commit to the set begins: from then on that is all the overlay is good for.
    ///
    /// # Errors
    ///
    /// Those of the host.
    pub(crate) fn begin_commit(&self) -> Result<(), IoError> {
        let mut state = self.state();
        state.committing = true;
        state.dirty = true;
        self.flush(&mut state)
    }

    /// Everything it holds: component, first byte, length, and where.
    pub(crate) fn contents(&self) -> Vec<(ComponentIndex, u64, u64, Place)> {
        let state = self.state();
        let bytes = |run: Run| {
            let start = run.block * BLOCK as u64;
            let len = (run.len * BLOCK as u64).min(self.head.sizes[run.component.as_usize()] - start);
            (run.component, start, len, run.place())
        };
        state.runs.iter().map(bytes).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The program ends where a thread panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the data durable, then the index that names it.
    fn flush(&self, state: &mut State) -> Result<(), IoError> {
        if let Some(reason) = &state.lost {
            return Err(IoError::flushing(reason));
        }
        if !state.dirty {
            return Ok(());
        }
        self.sync(state)?;
        let (mut next, mut end) = (state.next_index, state.end);
        let mut pieces: Vec<&[Run]> = state.waiting.chunks(MOST_ENTRIES).collect();
        if pieces.is_empty() && state.committing {
            pieces.push(&[]);
        }
        for runs in pieces {
            let index = Index { next: end, committing: state.committing, runs: runs.to_vec() };
            let written = self.file.write_all_at(next.0 * BLOCK as u64, &index.encode(next.0, next.1));
            written.map_err(|error| IoError::flushing(host_reason(&error)))?;
            next = (end, next.1 + 1);
            end += 1;
        }
        if next != state.next_index {
            self.sync(state)?;
        }
        (state.next_index, state.end) = (next, end);
        state.waiting.clear();
        state.dirty = false;
        Ok(())
    }

    fn sync(&self, state: &mut State) -> Result<(), IoError> {
        self.file.as_std().sync_data().map_err(|error| {
            let reason = host_reason(&error);
            IoError::flushing(state.lost.insert(reason).as_str())
        })
    }

    fn read_slot(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let len = buf.len();
        self.file
            .read_exact_at(offset, buf)
            .map_err(|error| IoError::new(offset, len, overlay_reason(&error)))
    }

    fn write_slot(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let failed = |error: io::Error| IoError::writing(offset, bytes.len(), overlay_reason(&error));
        self.file.write_all_at(offset, bytes).map_err(failed)
    }
}

impl State {
    fn new(runs: Runs, next_index: (u64, u64), end: u64) -> Self {
        let (waiting, dirty, committing, lost) = (Vec::new(), false, false, None);
        Self { runs, waiting, next_index, end, dirty, committing, lost }
    }

    fn add(&mut self, run: Run) {
        self.runs.insert(run);
        match self.waiting.last_mut() {
            // An index has 32 bits for a length.
            Some(last) if last.goes_on_in(&run) && last.len + run.len < 1 << 31 => last.len += run.len,
            _ => self.waiting.push(run),
        }
    }
}

/// What an overlay holds, as a disk to copy from.
pub(crate) struct Contents(pub(crate) Arc<Overlay>);

impl ReadAt for Contents {
    fn size(&self) -> u64 {
        self.0.state().end * BLOCK as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.0.read_slot(offset, buf)
    }
}

impl WriteAt for Contents {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        Err(IoError::writing(offset, bytes.len(), "the overlay is only copied from"))
    }

    fn flush(&self) -> Result<(), IoError> {
        Ok(())
    }
}

impl Medium for Contents {}

/// A component as it is seen through an overlay.
pub(crate) struct OverlayDisk<D> {
    overlay: Arc<Overlay>,
    component: ComponentIndex,
    original: D,
}

impl<D: ReadAt> OverlayDisk<D> {
    /// What `overlay` makes of a component.
    pub(crate) fn new(overlay: Arc<Overlay>, component: ComponentIndex, original: D) -> Self {
        Self { overlay, component, original }
    }

    fn read_place(&self, place: Place, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        match place {
            Place::Original => self.original.read_at(offset, buf),
            Place::Zeros => {
                buf.fill(0);
                Ok(())
            }
            Place::Here(at) => self.overlay.read_slot(at, buf),
        }
    }

    /// Copies the blocks that `bytes` at `offset` lie in, with `bytes` in them, into blocks of their own.
    fn copy_up(&self, state: &mut State, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let block = BLOCK as u64;
        let (first, end) = (offset / block, (offset + bytes.len() as u64).div_ceil(block));
        let within = usize::try_from(offset - first * block).expect("less than a block");
        let mut copy = vec![0; usize::try_from((end - first) * block).expect("a piece")];
        // Only the blocks at both ends hold something else, too.
        for number in [first, end - 1] {
            let start = number * block;
            let place = usize::try_from(start - first * block).expect("in the piece");
            let len = usize::try_from(block.min(self.size() - start)).expect("a block");
            let (place_of, _) = state.runs.look(self.component, number);
            self.read_place(place_of.at_byte(0), start, &mut copy[place..place + len])?;
        }
        copy[within..within + bytes.len()].copy_from_slice(bytes);
        let at = state.end;
        self.overlay.write_slot(at * block, &copy)?;
        state.end += end - first;
        state.dirty = true;
        state.add(Run { component: self.component, block: first, len: end - first, at });
        if state.waiting.len() >= MOST_WAITING { self.overlay.flush(state) } else { Ok(()) }
    }

    /// Does `here` to each stretch of the range that lies in the overlay, without others waiting for it, and `missing`
    /// to each that does not, while they wait.
    fn change(
        &self,
        offset: u64,
        len: u64,
        here: impl Fn(u64, u64, u64) -> Result<(), IoError>,
        missing: impl Fn(&mut State, u64, u64) -> Result<(), IoError>,
    ) -> Result<(), IoError> {
        if offset.checked_add(len).is_none_or(|end| end > self.size()) {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            return Err(IoError::writing(offset, len, "past the end"));
        }
        let block = BLOCK as u64;
        let (mut start, end) = (offset, offset + len);
        while start < end {
            let mut state = self.overlay.state();
            state.dirty = true;
            let (place, blocks) = state.runs.look(self.component, start / block);
            let stop = end.min((start / block).saturating_add(blocks.min(PIECE)) * block);
            match place.at_byte(start % block) {
                Place::Here(at) => {
                    drop(state);
                    here(at, start - offset, stop - start)?;
                    // A flush in between has not covered it.
                    self.overlay.state().dirty = true;
                }
                Place::Original | Place::Zeros => missing(&mut state, start, stop)?,
            }
            start = stop;
        }
        Ok(())
    }
}

impl<D: ReadAt> ReadAt for OverlayDisk<D> {
    fn size(&self) -> u64 {
        self.original.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let block = BLOCK as u64;
        let mut done = 0;
        while done < buf.len() {
            let start = offset + done as u64;
            let (place, blocks) = self.overlay.state().runs.look(self.component, start / block);
            let stop = (start / block).saturating_add(blocks).saturating_mul(block);
            let len = usize::try_from(stop - start).map_or(buf.len() - done, |len| len.min(buf.len() - done));
            self.read_place(place.at_byte(start % block), start, &mut buf[done..done + len])?;
            done += len;
        }
        Ok(())
    }
}

impl<D: ReadAt> WriteAt for OverlayDisk<D> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let part = |from: u64, to: u64| {
            let index = |at: u64| usize::try_from(at).expect("it is within the bytes");
            &bytes[index(from)..index(to)]
        };
        self.change(
            offset,
            bytes.len() as u64,
            |at, from, len| self.overlay.write_slot(at, part(from, from + len)),
            |state, start, stop| self.copy_up(state, start, part(start - offset, stop - offset)),
        )
    }

    fn flush(&self) -> Result<(), IoError> {
        self.overlay.flush(&mut self.overlay.state())
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), IoError> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let zeros = |len: u64| &ZEROS[..usize::try_from(len).map_or(ZEROS.len(), |len| len.min(ZEROS.len()))];
        self.change(
            offset,
            len,
            |at, _, len| {
                let mut done = 0;
                while done < len {
                    let piece = zeros(len - done);
                    self.overlay.write_slot(at + done, piece)?;
                    done += piece.len() as u64;
                }
                Ok(())
            },
            |state, start, stop| {
                let block = BLOCK as u64;
                // Whole blocks of zeros take no room; the last of a component may be cut.
                let from = start.next_multiple_of(block).min(stop);
                let to = if stop == self.size() { stop } else { (stop / block * block).max(from) };
                if start < from {
                    self.copy_up(state, start, zeros(from - start))?;
                }
                if from < to {
                    let (first, end) = (from / block, to.div_ceil(block));
                    state.add(Run { component: self.component, block: first, len: end - first, at: 0 });
                }
                if to < stop { self.copy_up(state, to, zeros(stop - to)) } else { Ok(()) }
            },
        )
    }
}

impl<D: ReadAt + Send + Sync> Medium for OverlayDisk<D> {}

/// Keeps two programs from using one overlay.
fn lock(file: &File, path: &Path) -> Result<(), String> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(format!("{}: is in use by another program", shown(path))),
        // Where there are no locks the user has to see to it.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", shown(path), host_reason(error))
}

fn overlay_reason(error: &io::Error) -> String {
    format!("the overlay: {}", host_reason(error))
}
