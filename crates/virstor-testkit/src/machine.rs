//! A machine whose disks have volatile caches, fail, vanish and take their time, and whose power can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virstor::io::{IoError, ReadAt, WriteAt};

use crate::{SparseDisk, SplitMix64};

/// Disks that keep a journal of everything written to them and of every flush, in one order.
///
/// From the journal every state can be made that a loss of power may have left: at any moment, what was
/// written before a disk's last flush is there, and of what was written since, any part may be.
///
/// ```
/// use virstor::io::WriteAt;
/// use virstor_testkit::{Machine, SparseDisk, SplitMix64};
///
/// let machine = Machine::new([SparseDisk::new(4096)]);
/// let disk = machine.disk(0);
/// disk.write_at(0, &[1; 512]).unwrap();
/// disk.flush().unwrap();
/// disk.write_at(0, &[2; 512]).unwrap();
/// let mut seen = Vec::new();
/// machine.for_each_cut(|cut| {
///     cut.for_each_image(9, &mut SplitMix64::new(0), |disks| seen.push(disks[0].bytes(0, 1)[0]));
/// });
/// assert_eq!(seen, [0, 0, 1, 1, 1, 2]);
/// ```
#[derive(Debug, Clone)]
pub struct Machine {
    state: Arc<Mutex<State>>,
}

/// One of a [`Machine`]'s disks. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct MachineDisk {
    number: usize,
    size: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// As they were when the machine was made.
    initial: Vec<SparseDisk>,
    /// As reads see them.
    live: Vec<SparseDisk>,
    journal: Vec<Event>,
    operations: u64,
    failing: Option<u64>,
    /// The disks that do not answer.
    pulled: BTreeSet<usize>,
    /// How long each disk takes for a read, a write or a flush, in ticks; for those not named, none.
    slow: BTreeMap<usize, u64>,
    ticks: u64,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// In the midst of it.
    HalfWay,
    /// Nothing of it is done.
    Pulled,
}

impl Failure {
    fn reason(self) -> &'static str {
        match self {
            Self::HalfWay => "simulated failure",
            Self::Pulled => "simulated absence",
        }
    }
}

#[derive(Debug, Clone)]
struct Event {
    disk: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Write { offset: u64, bytes: Vec<u8> },
    Zeros { offset: u64, len: u64 },
    Flush,
}

impl Machine {
    /// A machine with these disks.
    #[must_use]
    pub fn new(disks: impl IntoIterator<Item = SparseDisk>) -> Self {
        let initial: Vec<_> = disks.into_iter().collect();
        let live = initial.clone();
        let state = State {
            initial,
            live,
            journal: Vec::new(),
            operations: 0,
            failing: None,
            pulled: BTreeSet::new(),
            slow: BTreeMap::new(),
            ticks: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Its disk `number`.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn disk(&self, number: usize) -> MachineDisk {
        let size = lock(&self.state).live[number].size();
        MachineDisk { number, size, state: Arc::clone(&self.state) }
    }

    /// All its disks, in order.
    #[must_use]
    pub fn disks(&self) -> Vec<MachineDisk> {
        let count = lock(&self.state).live.len();
        (0..count).map(|number| self.disk(number)).collect()
    }

    /// What disk `number` holds, as reads see it.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn contents(&self, number: usize) -> SparseDisk {
        lock(&self.state).live[number].clone()
    }

    /// How many writes and flushes there were: the number of the next cut's moment.
    #[must_use]
    pub fn moment(&self) -> usize {
        lock(&self.state).journal.len()
    }

    /// How many reads, writes and flushes there were, failed ones included.
    #[must_use]
    pub fn operations(&self) -> u64 {
        lock(&self.state).operations
    }

    /// The operation with this number, counted as by [`operations`](Self::operations) from 0, will fail,
    /// once. A write that fails leaves its first half behind, but no half sectors: those are written whole or not
    /// at all, also where the write fails.
    pub fn fail(&self, operation: u64) {
        lock(&self.state).failing = Some(operation);
    }

    /// Disk `number` vanishes: all that is asked of it fails and changes nothing, until
    /// [`plug_in`](Self::plug_in). What was not flushed stays in its cache.
    pub fn pull(&self, number: usize) {
        lock(&self.state).pulled.insert(number);
    }

    /// All disks that were pulled are back.
    pub fn plug_in(&self) {
        lock(&self.state).pulled.clear();
    }

    /// From now on disk `number` takes so many ticks for every read, write and flush, failed ones included.
    pub fn slow_down(&self, number: usize, ticks: u64) {
        lock(&self.state).slow.insert(number, ticks);
    }

    /// How long slow disks were waited for, in all. One thing is done at a time, so their times add up.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        lock(&self.state).ticks
    }

    /// Calls `look` for the moment before the first write or flush and for the one after each.
    pub fn for_each_cut(&self, mut look: impl FnMut(&Cut)) {
        let state = lock(&self.state);
        let mut cut = Cut { moment: 0, durable: state.initial.clone(), unflushed: Vec::new() };
        look(&cut);
        for event in &state.journal {
            cut.follow(event);
            look(&cut);
        }
    }
}

/// A moment at which the power may fail.
#[derive(Debug)]
pub struct Cut {
    moment: usize,
    durable: Vec<SparseDisk>,
    unflushed: Vec<Piece>,
}

/// What reaches a disk whole or not at all: a sector, or what of it a request covers.
#[derive(Debug, Clone)]
struct Piece {
    disk: usize,
    offset: u64,
    bytes: Vec<u8>,
}

/// The smallest sector there is, in bytes.
const SECTOR: u64 = 512;

impl Cut {
    /// How many writes and flushes were before it; see [`Machine::moment`].
    #[must_use]
    pub fn moment(&self) -> usize {
        self.moment
    }

    /// Calls `look` with disks as they may be found afterwards: with nothing, then with everything of what
    /// was not flushed; with every combination of sectors when there are fewer than `limit`, and otherwise with
    /// `limit` more chosen by `random`. When all is flushed there is only one image.
    pub fn for_each_image(&self, limit: u32, random: &mut SplitMix64, mut look: impl FnMut(&[SparseDisk])) {
        let mut show = |keep: &mut dyn FnMut(usize) -> bool| look(&self.image(keep));
        show(&mut |_| false);
        if self.unflushed.is_empty() {
            return;
        }
        show(&mut |_| true);
        let combinations = u32::try_from(self.unflushed.len()).ok().and_then(|len| 1_u32.checked_shl(len));
        if let Some(combinations) = combinations.filter(|combinations| *combinations <= limit) {
            for chosen in 1..combinations - 1 {
                show(&mut |piece| chosen >> piece & 1 == 1);
            }
            return;
        }
        for _ in 0..limit {
            // Mostly there, mostly missing, or either: with even odds only, nothing would ever be rare.
            let odds = 1 + random.below(7);
            show(&mut |_| random.below(8) < odds);
        }
    }

    fn image(&self, keep: &mut dyn FnMut(usize) -> bool) -> Vec<SparseDisk> {
        let mut disks = self.durable.clone();
        for (number, piece) in self.unflushed.iter().enumerate() {
            if keep(number) {
                disks[piece.disk].write_at(piece.offset, &piece.bytes).expect("it was written before");
            }
        }
        disks
    }

    fn remember(&mut self, disk: usize, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let offset = offset + done as u64;
            let room = usize::try_from(SECTOR - offset % SECTOR).expect("at most a sector");
            let piece = &bytes[done..bytes.len().min(done + room)];
            done += piece.len();
            self.unflushed.push(Piece { disk, offset, bytes: piece.to_vec() });
        }
    }

    fn follow(&mut self, event: &Event) {
        self.moment += 1;
        match &event.what {
            What::Write { offset, bytes } => self.remember(event.disk, *offset, bytes),
            What::Zeros { offset, len } => {
                let bytes =
                    vec![0; usize::try_from(*len).expect("what is looked at sector by sector is short")];
                self.remember(event.disk, *offset, &bytes);
            }
            What::Flush => {
                let (flushed, rest) =
                    self.unflushed.drain(..).partition(|piece: &Piece| piece.disk == event.disk);
                self.unflushed = rest;
                for piece in flushed {
                    self.durable[piece.disk]
                        .write_at(piece.offset, &piece.bytes)
                        .expect("it was written before");
                }
            }
        }
    }
}

impl State {
    /// Counts an operation of `disk`; how it fails, if it does.
    fn fails(&mut self, disk: usize) -> Option<Failure> {
        let number = self.operations;
        self.operations += 1;
        self.ticks += self.slow.get(&disk).copied().unwrap_or_default();
        if self.pulled.contains(&disk) {
            return Some(Failure::Pulled);
        }
        self.failing.take_if(|failing| *failing == number).map(|_| Failure::HalfWay)
    }

    fn write(&mut self, disk: usize, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        self.live[disk].write_at(offset, bytes)?;
        self.journal.push(Event { disk, what: What::Write { offset, bytes: bytes.to_vec() } });
        Ok(())
    }

    fn zero(&mut self, disk: usize, offset: u64, len: u64) -> Result<(), IoError> {
        self.live[disk].write_zeros(offset, len)?;
        self.journal.push(Event { disk, what: What::Zeros { offset, len } });
        Ok(())
    }
}

impl ReadAt for MachineDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        let mut state = lock(&self.state);
        if let Some(failure) = state.fails(self.number) {
            return Err(IoError::new(offset, buf.len(), failure.reason()));
        }
        state.live[self.number].read_at(offset, buf)
    }
}

impl WriteAt for MachineDisk {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let mut state = lock(&self.state);
        if let Some(failure) = state.fails(self.number) {
            if failure == Failure::HalfWay {
                let half =
                    usize::try_from(first_half(offset, bytes.len() as u64)).expect("less than there are");
                state.write(self.number, offset, &bytes[..half])?;
            }
            return Err(IoError::writing(offset, bytes.len(), failure.reason()));
        }
        state.write(self.number, offset, bytes)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), IoError> {
        let mut state = lock(&self.state);
        if let Some(failure) = state.fails(self.number) {
            if failure == Failure::HalfWay {
                state.zero(self.number, offset, first_half(offset, len))?;
            }
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            return Err(IoError::writing(offset, len, failure.reason()));
        }
        state.zero(self.number, offset, len)
    }

    fn flush(&self) -> Result<(), IoError> {
        let mut state = lock(&self.state);
        if let Some(failure) = state.fails(self.number) {
            return Err(IoError::flushing(failure.reason()));
        }
        state.journal.push(Event { disk: self.number, what: What::Flush });
        Ok(())
    }
}

/// How many of the `len` bytes at `offset` a request leaves that fails half-way: whole sectors, as a disk has it.
fn first_half(offset: u64, len: u64) -> u64 {
    let end = offset + len / 2;
    (end - end % SECTOR).saturating_sub(offset)
}

/// A test that failed while it held the lock has told why already.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(machine: &Machine, limit: u32) -> Vec<Vec<Vec<u8>>> {
        let mut images = Vec::new();
        machine.for_each_cut(|cut| {
            let mut of_cut = Vec::new();
            cut.for_each_image(limit, &mut SplitMix64::new(3), |disks| {
                of_cut.push(disks.iter().map(|disk| disk.bytes(511, 2)).collect::<Vec<_>>().concat());
            });
            images.push(of_cut);
        });
        images
    }

    #[test]
    fn a_request_may_be_torn_between_its_sectors() {
        let machine = Machine::new([SparseDisk::new(1024)]);
        machine.disk(0).write_at(511, &[1, 2]).unwrap();
        assert_eq!(images(&machine, 4)[1], [[0, 0], [1, 2], [1, 0], [0, 2]]);
    }

    #[test]
    fn a_flush_is_of_one_disk_only() {
        let machine = Machine::new([SparseDisk::new(1024), SparseDisk::new(1024)]);
        for disk in machine.disks() {
            disk.write_at(511, &[1]).unwrap();
        }
        machine.disk(1).flush().unwrap();
        assert_eq!(images(&machine, 4)[3], [[0, 0, 1, 0], [1, 0, 1, 0]]);
        assert_eq!(machine.moment(), 3);
    }

    #[test]
    fn more_combinations_than_the_limit_are_sampled() {
        let machine = Machine::new([SparseDisk::new(64 << 10)]);
        machine.disk(0).write_at(0, &[1; 64 << 10]).unwrap();
        assert_eq!(images(&machine, 20)[1].len(), 22);
    }

    #[test]
    fn an_operation_fails_once_and_leaves_half_of_a_write() {
        let machine = Machine::new([SparseDisk::new(1024)]);
        let disk = machine.disk(0);
        machine.fail(1);
        disk.read_at(0, &mut [0]).unwrap();
        assert_eq!(disk.write_at(100, &[1; 924]), Err(IoError::writing(100, 924, "simulated failure")));
        assert_eq!(machine.contents(0).bytes(0, 1024), [vec![0; 100], vec![1; 412], vec![0; 512]].concat());
        disk.write_at(0, &[1; 4]).unwrap();
        machine.fail(3);
        assert_eq!(disk.flush(), Err(IoError::flushing("simulated failure")));
        assert_eq!(machine.operations(), 4);
        disk.flush().unwrap();
    }

    #[test]
    fn a_pulled_disk_does_nothing_until_it_is_back() {
        let machine = Machine::new([SparseDisk::new(1024), SparseDisk::new(1024)]);
        let disk = machine.disk(1);
        disk.write_at(0, &[1]).unwrap();
        machine.pull(1);
        assert_eq!(disk.write_at(0, &[2; 1024]), Err(IoError::writing(0, 1024, "simulated absence")));
        assert_eq!(disk.flush(), Err(IoError::flushing("simulated absence")));
        machine.disk(0).flush().unwrap();
        machine.plug_in();
        let mut byte = [0];
        disk.read_at(0, &mut byte).unwrap();
        assert_eq!((byte, machine.moment()), ([1], 2));
    }

    #[test]
    fn a_slow_disk_takes_its_time_for_everything() {
        let machine = Machine::new([SparseDisk::new(1024), SparseDisk::new(1024)]);
        machine.slow_down(1, 7);
        for disk in machine.disks() {
            disk.write_at(0, &[1]).unwrap();
            disk.read_at(0, &mut [0]).unwrap();
            disk.flush().unwrap();
        }
        assert_eq!(machine.ticks(), 21);
    }
}
