//! Any sequence of sessions and verbs, on disks that fail, vanish and lose their power, beside a vector of bytes. What
//! is done is read off bytes, so that a fuzzer can look for a sequence that breaks something.

use virstor::patch::perform as perform_patches;
use virstor::write::{VolumeWriter, WriteError};
use virstor_testkit::hostile::Choices;
use virstor_testkit::{Machine, MachineDisk, SparseDisk, SplitMix64};

use crate::changes::{
    Either, Verb, assert_clean, assert_renaming_can_go_on, assert_usable, expected, is_same, members, plan,
    random_verb, repaired,
};
use crate::members::with_spare_disks;
use crate::model::{perform, random_operation};
use crate::on_disk::OnDisk;
use crate::power::{History, assert_sound_after_cut};
use crate::set::{CHUNK, contents, disks_of, small_set, try_open};

/// Does what `bytes` say, and panics where something is lost, foreign or unsound.
pub(crate) fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut life = Life::begin(&mut choices);
    while !choices.are_over() {
        match choices.below(4) {
            0 => life.verb(&mut choices),
            _ => life.session(&mut choices),
        }
    }
}

/// Sizes beyond this make a sequence slow and show nothing new.
const LARGEST: u64 = 1024 * CHUNK as u64;

/// A set between two things that are done to it.
struct Life {
    /// The components, in order, and behind them disks that can become some.
    disks: Vec<SparseDisk>,
    /// How many are components.
    count: usize,
    /// What the volume holds.
    model: Vec<u8>,
    /// Whether the last session that allocated was closed, so that not even a flag may be behind the map.
    closed: bool,
}

impl Life {
    fn begin(choices: &mut Choices<'_>) -> Self {
        let sets: [&[u64]; 5] = [&[40], &[9, 5, 6], &[6, 4, 4, 9], &[9, 30], &[20, 6, 30, 5]];
        let chunks = *choices.pick(&sets);
        let machine = with_spare_disks(&small_set(chunks, 128), &[5, 4]);
        Self { disks: disks_of(&machine), count: chunks.len(), model: vec![0; 128 * CHUNK], closed: true }
    }

    fn machine(&self) -> Machine {
        Machine::new(self.disks.iter().cloned())
    }

    /// Takes up what was left on the disks.
    fn go_on_with(&mut self, disks: &[SparseDisk]) {
        let members = members(disks);
        assert_usable(&members);
        if self.closed {
            assert_clean(&members);
        }
        let spare = disks.iter().filter(|disk| !members.iter().any(|member| is_same(member, disk)));
        self.disks = members.iter().chain(spare).cloned().collect();
        self.count = members.len();
        let now = contents(&mut self.open(&self.machine()));
        assert!(now[..self.model.len()] == self.model, "the bytes are those of the model");
        assert!(now[self.model.len()..].iter().all(|byte| *byte == 0), "what is new is zero");
        self.model = now;
    }

    fn open(&self, machine: &Machine) -> VolumeWriter<MachineDisk> {
        try_open(machine.disks().into_iter().take(self.count).collect()).expect("the set is sound")
    }

    /// A verb: done, or stopped by a cut of the power and brought in order.
    fn verb(&mut self, choices: &mut Choices<'_>) {
        let verb = random_verb(choices, self.count, self.model.len());
        let cut = choices.flag().then(|| choices.below(1 << 16));
        let machine = self.machine();
        let is_bounded = !matches!(verb, Verb::Grow(size) if size > LARGEST);
        let Some(patches) = plan(&machine, self.count, &verb).filter(|_| is_bounded) else { return };
        perform_patches(&patches, &machine.disks()).expect("nothing fails");
        let after = expected(&self.model, &verb);
        if let Some(cut) = cut {
            let found = after_cut(&machine, cut).1;
            let present = members(&found);
            if matches!(verb, Verb::Rename) {
                let renamed = assert_renaming_can_go_on(&present, &self.model);
                let spare =
                    found.into_iter().filter(|disk| !present.iter().any(|member| is_same(member, disk)));
                return self.go_on_with(&renamed.into_iter().chain(spare).collect::<Vec<_>>());
            }
            let either = Either { old: &self.model, new: &after, grain: CHUNK, told: &verb };
            either.assert_mendable(&present);
            either.assert_repaired(&found);
        }
        self.model = after;
        self.go_on_with(&disks_of(&machine));
    }

    /// A session: up to 31 operations, on disks that may fail, vanish or be slow, ended by a close or by a cut of the
    /// power.
    fn session(&mut self, choices: &mut Choices<'_>) {
        let machine = self.machine();
        let mut writer = self.open(&machine);
        let mut history = History::new(std::mem::take(&mut self.model));
        for _ in 0..choices.below(32) {
            self.operate(choices, &machine, &mut writer, &mut history);
        }
        machine.fail(u64::MAX);
        machine.plug_in();
        assert!(contents(&mut writer) == history.now(), "what is read is what was written");
        if choices.flag() {
            let (moment, found) = after_cut(&machine, choices.below(1 << 16));
            let present = &found[..self.count];
            assert_sound_after_cut(present, history.possible(moment), &mut SplitMix64::new(moment as u64));
            let mended = repaired(false, present, &"a session");
            self.model = contents(&mut self.open(&Machine::new(mended.iter().cloned())));
            self.closed = false;
            let spare = found[self.count..].iter().cloned();
            return self.go_on_with(&mended.into_iter().chain(spare).collect::<Vec<_>>());
        }
        writer.close().expect("nothing fails");
        // As in the kernel, which component is the current one is noted where chunks are handed out.
        self.closed |= allocated(&disks_of(&machine)[..self.count]) > allocated(&self.disks[..self.count]);
        self.model = history.now().to_vec();
        self.go_on_with(&disks_of(&machine));
    }

    /// One operation; where a disk stops it, it is tried again.
    fn operate(
        &self,
        choices: &mut Choices<'_>,
        machine: &Machine,
        writer: &mut VolumeWriter<MachineDisk>,
        history: &mut History,
    ) {
        let operation = random_operation(choices, history.now().len());
        match choices.below(8) {
            0 => machine.fail(machine.operations() + choices.below(12)),
            1 => machine.pull(usize::try_from(choices.below(self.count as u64)).expect("small")),
            _ => {}
        }
        history.begin(machine, &operation);
        let mut result = perform(writer, &operation);
        if let Err(WriteError::Io { component, .. }) = result {
            assert!(component.as_usize() < self.count, "it is one of the components that failed");
            machine.fail(u64::MAX);
            machine.plug_in();
            result = perform(writer, &operation);
        }
        match result {
            Ok(()) => history.acknowledge(machine, &operation),
            Err(WriteError::OutOfSpace { .. }) => history.refuse(),
            Err(error) => panic!("again: {error:?}"),
        }
    }
}

fn allocated(disks: &[SparseDisk]) -> usize {
    OnDisk::read(disks, 512).allocated()
}

/// What is found on the disks when the power was cut at one of the moments, and which: both by `choice`.
fn after_cut(machine: &Machine, choice: u64) -> (usize, Vec<SparseDisk>) {
    let mut random = SplitMix64::new(choice);
    let moment = usize::try_from(random.below(machine.moment() as u64 + 1)).expect("a number of events");
    let mut found = Vec::new();
    machine.for_each_cut(|cut| {
        if cut.moment() == moment {
            cut.for_each_image(1, &mut random, |disks| found.push(disks.to_vec()));
        }
    });
    let image = usize::try_from(random.below(found.len() as u64)).expect("an index is small");
    (moment, found.swap_remove(image))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use virstor_testkit::for_each_seed;

    #[test]
    fn no_sequence_loses_anything() {
        for_each_seed(0..150, |random| {
            let mut bytes = vec![0; usize::try_from(random.within(50..1200)).unwrap()];
            random.fill(&mut bytes);
            super::check(&bytes);
        });
    }

    #[test]
    fn what_the_fuzzer_of_sequences_found_stays_found() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/sequence");
        let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "there is a corpus");
        for file in files {
            super::check(&fs::read(file).unwrap());
        }
    }
}
