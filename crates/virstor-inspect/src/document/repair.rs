//! `repair`: the plan, what it comes to, and what was done. The same document is what `--plan-out` saves.

use serde::{Deserialize, Serialize};
use virstor::check::{Repair, Verdict};
use virstor::io::{IoError, ReadAt};
use virstor::overlay::Overlay;
use virstor::patch::Patch as EnginePatch;
use virstor::undo::Guard;

use super::check::{Check, FindingInfo};
use super::info::Info;
use crate::heap::{Heap, Progress};
use crate::repair::{PlanOn, PlannedStep};

/// Derives what a part of a document needs that is also read.
macro_rules! saved {
    ($($item:item)*) => {
        $(
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            $item
        )*
    };
}

/// What a saved plan says it is.
pub const FORMAT: &str = "virstor-plan";

/// The version of saved plans that this program writes and reads.
pub const VERSION: u32 = 1;

saved! {
    /// What is to be done to a set of disks, whatever decided it.
    pub struct SavedPlan {
        /// `virstor-plan`.
        pub format: String,
        /// 1.
        pub version: u32,
        /// What decided it (`repair`).
        pub verb: String,
        /// The volume's name; bytes that are no text are shown as `\xNN`.
        pub volume: String,
        /// Its name as it is on the disk, 16 bytes in hexadecimal.
        pub name: String,
        /// Its id.
        pub id: u32,
        /// The disks that are needed.
        pub disks: Vec<PlanDisk>,
        /// What is done, in this order.
        pub steps: Vec<PlanStep>,
    }

    /// A disk.
    pub struct PlanDisk {
        /// What the file was called.
        pub file: String,
        /// The size of the file in bytes.
        pub file_size: u64,
        /// The disk's first byte in the file.
        pub start: u64,
        /// The disk's length in bytes.
        pub length: u64,
        /// Ranges that must hold the same bytes as when the plan was made: the record, and the map.
        pub guards: Vec<PlanGuard>,
        /// Ranges that are copied, copied over or made zero, and must hold the same bytes, too. Only saved plans have them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub chunks: Vec<PlanGuard>,
    }

    /// A range, and a hash of what it must hold.
    pub struct PlanGuard {
        /// First byte, from the disk's first byte on.
        pub offset: u64,
        /// How many bytes.
        pub length: u64,
        /// Their XXH64, 16 hexadecimal digits.
        pub hash: String,
    }

    /// A step.
    pub struct PlanStep {
        /// Its number, from 1 on.
        pub number: u64,
        /// The codes of the findings it answers.
        pub codes: Vec<String>,
        /// What it does: a sentence.
        pub action: String,
        /// Whether it gives something up for good.
        pub lossy: bool,
        /// Why nothing is lost, or what is given up: a sentence.
        pub why: String,
        /// What FreeBSD does afterwards: a sentence.
        pub freebsd: String,
        /// How many bytes it changes.
        pub bytes: u64,
        /// The changes. Those between two barriers may be done in any order.
        pub patches: Vec<PlanPatch>,
    }

    /// A change.
    pub struct PlanPatch {
        /// `write`, `zero`, `copy`, or `barrier` (all before becomes durable).
        pub kind: String,
        /// The disk that changes, by its place in `disks`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub disk: Option<u16>,
        /// The first byte that changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub offset: Option<u64>,
        /// How many bytes change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub length: Option<u64>,
        /// The disk that is copied from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub from_disk: Option<u16>,
        /// The first byte that is copied.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub from_offset: Option<u64>,
        /// What a write replaces, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub before: Option<String>,
        /// What it puts there, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<String>,
    }
}

super::document! {
    /// The plan, and what came of it.
    pub struct RepairDocument {
        /// `clean`, `damaged` or `unusable`: what the check says before.
        pub verdict: &'static str,
        /// What it says after.
        pub verdict_after: &'static str,
        /// What FreeBSD does with the set after: `starts`, `refuses` or `panics`.
        pub kernel_after: String,
        /// Whether the plan was carried out.
        pub applied: bool,
        /// The undo log.
        pub undo_log: Option<String>,
        /// The plan.
        pub plan: SavedPlan,
        /// Why planning ended early, if it did: which virtual chunk the steps that would come next would lose.
        pub declined: Option<String>,
        /// The findings that are left.
        pub left: Vec<FindingInfo>,
    }
}

impl RepairDocument {
    /// The document of `plan`, made for `heap`.
    ///
    /// # Errors
    ///
    /// The label of a file that cannot be read, and why.
    pub fn new<D: ReadAt + Clone, W: ReadAt + Clone>(
        heap: &Heap<D>,
        plan: &PlanOn<W>,
        progress: &mut Progress<'_>,
    ) -> Result<Self, (String, virstor::io::IoError)> {
        let after = Check::new(&plan.after, &[plan.after_volume], false, progress);
        let info = Info::new(&plan.after, &[plan.after_volume]);
        Ok(Self {
            verdict: super::check::verdict(plan.before.verdict()),
            verdict_after: super::check::verdict(plan.after_report.verdict()),
            kernel_after: info.volumes[0].kernel.taste.clone(),
            applied: false,
            undo_log: None,
            plan: SavedPlan::new(heap, plan)?,
            declined: plan.declined.as_ref().map(crate::repair::Declined::sentence),
            left: after.findings,
        })
    }

    /// Whether something is left that could be mended by giving something up.
    #[must_use]
    pub fn lossy_left(&self) -> bool {
        self.left.iter().any(|finding| finding.repair == "lossy")
    }
}

/// Whether damage is left after a plan.
#[must_use]
pub fn leaves_damage<W>(plan: &PlanOn<W>) -> bool {
    plan.after_report.verdict() != Verdict::Clean
}

/// Whether any finding of a plan could be mended by giving something up.
#[must_use]
pub fn wants_lossy<W>(plan: &PlanOn<W>) -> bool {
    plan.after_report.findings.iter().any(|finding| finding.repair == Repair::Lossy)
}

impl SavedPlan {
    fn new<D: ReadAt + Clone, W>(
        heap: &Heap<D>,
        plan: &PlanOn<W>,
    ) -> Result<Self, (String, virstor::io::IoError)> {
        let disk = |disk: &crate::repair::PlanDisk| {
            let file = &heap.files()[disk.file];
            let bytes = file.disk.as_ref().expect("a disk of a plan can be read");
            let guard = |range: &std::ops::Range<u64>| {
                let (offset, length) = (range.start, range.end - range.start);
                let hash = virstor::undo::hash_of(bytes, disk.start + offset, length);
                let hash = hash.map_err(|error| (file.label.clone(), error))?;
                Ok(PlanGuard { offset, length, hash: format!("{hash:016x}") })
            };
            Ok(PlanDisk {
                file: file.label.clone(),
                file_size: bytes.size(),
                start: disk.start,
                length: disk.len,
                guards: disk.guarded.iter().map(guard).collect::<Result<_, _>>()?,
                chunks: Vec::new(),
            })
        };
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            verb: "repair".into(),
            volume: plan.name.to_string(),
            name: to_hex(&plan.name.0),
            id: plan.id,
            disks: plan.disks.iter().map(disk).collect::<Result<_, _>>()?,
            steps: (1..).zip(&plan.steps).map(|(number, step)| PlanStep::new(number, step)).collect(),
        })
    }

    /// Adds hashes of what is copied, copied over and made zero, as it is in the files of `heap` now: patches of these kinds do
    /// not carry what stands there.
    ///
    /// # Errors
    ///
    /// The label of a file that cannot be read, and why.
    pub fn bind_chunks<D: ReadAt + Clone, W>(
        &mut self,
        heap: &Heap<D>,
        plan: &PlanOn<W>,
    ) -> Result<(), (String, virstor::io::IoError)> {
        let patches = plan.steps.iter().flat_map(|step| &step.step.patches);
        for patch in patches.filter(|patch| !matches!(patch, EnginePatch::Write { .. })) {
            for target in patch.source().into_iter().chain(patch.target()) {
                let (offset, length) = (target.range.start, target.range.end - target.range.start);
                let place = &plan.disks[target.component.as_usize()];
                let file = &heap.files()[place.file];
                let bytes = file.disk.as_ref().expect("a disk of a plan can be read");
                let hash = virstor::undo::hash_of(bytes, place.start + offset, length);
                let hash = hash.map_err(|error| (file.label.clone(), error))?;
                let guard = PlanGuard { offset, length, hash: format!("{hash:016x}") };
                self.disks[target.component.as_usize()].chunks.push(guard);
            }
        }
        Ok(())
    }

    /// The patches, step by step, if they are such as can be done: within the disks, and not depending on an order
    /// that they do not say.
    ///
    /// # Errors
    ///
    /// [`BadPlan`] with what is wrong.
    pub fn patches(&self) -> Result<Vec<EnginePatch>, BadPlan> {
        if self.format != FORMAT {
            return Err(BadPlan::Format);
        }
        if self.version != VERSION {
            return Err(BadPlan::Version(self.version));
        }
        let mut patches = Vec::new();
        for step in &self.steps {
            for (number, patch) in (1..).zip(&step.patches) {
                let bad = BadPlan::Patch { step: step.number, patch: number };
                let patch = patch.engine().filter(|patch| self.is_within(patch)).ok_or(bad)?;
                patches.push(patch);
            }
            patches.push(EnginePatch::Barrier);
        }
        let ambiguous = virstor::patch::groups(&patches).any(virstor::patch::is_ambiguous);
        if ambiguous { Err(BadPlan::Order) } else { Ok(patches) }
    }

    /// Proves that every patch finds what it was planned for: that what a write replaces stands there when its turn comes,
    /// and that the hashes of a disk cover what is copied or made zero there. `files` are those of the disks.
    ///
    /// # Errors
    ///
    /// [`BadPlan`] with the first patch that does not.
    pub fn verify<D: ReadAt + Clone>(&self, files: Vec<D>) -> Result<(), BadPlan> {
        let mut overlay = Overlay::new(files);
        let place =
            |disk: virstor::geometry::ComponentIndex| (disk.as_usize(), self.disks[disk.as_usize()].start);
        for step in &self.steps {
            for (number, patch) in (1..).zip(&step.patches) {
                let bad = BadPlan::Patch { step: step.number, patch: number };
                let engine = patch.engine().filter(|patch| self.is_within(patch)).ok_or(bad.clone())?;
                if let EnginePatch::Write { component, offset, bytes } = &engine {
                    let before = patch.before.as_deref().and_then(from_hex);
                    let before = before.filter(|before| before.len() == bytes.len()).ok_or(bad)?;
                    let ((disk, start), mut now) = (place(*component), vec![0; before.len()]);
                    let offset = start + offset;
                    let read = overlay.disk(disk).read_at(offset, &mut now);
                    read.map_err(|error| BadPlan::Unreadable { disk, error })?;
                    if let Some(first) =
                        (0_u64..).zip(now.iter().zip(&before)).find(|(_, (now, before))| now != before)
                    {
                        let offset = offset + first.0;
                        return Err(BadPlan::Differs { step: step.number, patch: number, disk, offset });
                    }
                } else if !engine.source().into_iter().chain(engine.target()).all(|it| self.is_bound(&it)) {
                    return Err(bad);
                }
                overlay.apply(std::slice::from_ref(&engine), place);
            }
        }
        Ok(())
    }

    /// Whether a hash of exactly this is in the plan.
    fn is_bound(&self, target: &virstor::patch::Target) -> bool {
        let (start, end) = (target.range.start, target.range.end);
        let chunks = &self.disks[target.component.as_usize()].chunks;
        chunks.iter().any(|guard| guard.offset == start && guard.length == end - start)
    }

    fn is_within(&self, patch: &EnginePatch) -> bool {
        let within = |target: virstor::patch::Target| {
            self.disks.get(target.component.as_usize()).is_some_and(|disk| target.range.end <= disk.length)
        };
        patch.target().is_none_or(within) && patch.source().is_none_or(within)
    }

    /// The name of the volume as it is on the disk.
    #[must_use]
    pub fn name(&self) -> Option<[u8; 16]> {
        from_hex(&self.name)?.try_into().ok()
    }
}

/// Why a saved plan cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadPlan {
    /// It is no plan.
    Format,
    /// A version this program does not know.
    Version(u32),
    /// A patch that cannot be.
    Patch {
        /// The number of its step.
        step: u64,
        /// Its number in the step, from 1 on.
        patch: u64,
    },
    /// Patches between two barriers change the same bytes.
    Order,
    /// A write would replace something else than it says.
    Differs {
        /// The number of its step.
        step: u64,
        /// Its number in the step, from 1 on.
        patch: u64,
        /// On which of the disks.
        disk: usize,
        /// The first byte of the file that is another.
        offset: u64,
    },
    /// A disk cannot be read.
    Unreadable {
        /// Which of them.
        disk: usize,
        /// What the driver said, of the file.
        error: IoError,
    },
}

impl PlanGuard {
    /// As the engine has it.
    #[must_use]
    pub fn guard(&self) -> Option<Guard> {
        let hash = u64::from_str_radix(&self.hash, 16).ok()?;
        Some(Guard { offset: self.offset, len: self.length, hash })
    }
}

impl PlanStep {
    fn new(number: u64, planned: &PlannedStep) -> Self {
        let step = &planned.step;
        let len = |target: virstor::patch::Target| target.range.end - target.range.start;
        let patches = step.patches.iter().zip(&planned.replaced);
        Self {
            number,
            codes: step.codes.iter().map(|code| code.text().into()).collect(),
            action: planned.does.clone(),
            lossy: step.loss.is_some(),
            why: step.why(),
            freebsd: step.freebsd().into(),
            bytes: step.patches.iter().filter_map(EnginePatch::target).map(len).sum(),
            patches: patches.map(|(patch, before)| PlanPatch::new(patch, before.as_deref())).collect(),
        }
    }
}

impl PlanPatch {
    fn new(patch: &EnginePatch, replaced: Option<&[u8]>) -> Self {
        let target = patch.target();
        let source = patch.source();
        let (kind, after) = match patch {
            EnginePatch::Write { bytes, .. } => ("write", Some(to_hex(bytes))),
            EnginePatch::Zero { .. } => ("zero", None),
            EnginePatch::Copy { .. } => ("copy", None),
            EnginePatch::Barrier => ("barrier", None),
        };
        Self {
            kind: kind.into(),
            disk: target.as_ref().map(|target| target.component.0),
            offset: target.as_ref().map(|target| target.range.start),
            length: target.map(|target| target.range.end - target.range.start),
            from_disk: source.as_ref().map(|source| source.component.0),
            from_offset: source.map(|source| source.range.start),
            before: replaced.map(to_hex),
            after,
        }
    }

    /// As the engine has it; `None` when something is missing or cannot be.
    fn engine(&self) -> Option<EnginePatch> {
        use virstor::geometry::ComponentIndex;
        if self.kind == "barrier" {
            return Some(EnginePatch::Barrier);
        }
        let (component, offset, len) = (ComponentIndex(self.disk?), self.offset?, self.length?);
        offset.checked_add(len)?;
        match self.kind.as_str() {
            "write" => {
                let bytes = from_hex(self.after.as_ref()?)?;
                (bytes.len() as u64 == len).then_some(EnginePatch::Write { component, offset, bytes })
            }
            "zero" => Some(EnginePatch::Zero { component, offset, len }),
            "copy" => {
                let from = (ComponentIndex(self.from_disk?), self.from_offset?);
                from.1.checked_add(len)?;
                Some(EnginePatch::Copy { from, to: (component, offset), len })
            }
            _ => None,
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    bytes.iter().flat_map(digits).map(char::from).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_back_from_their_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        for bad in ["0", "0g", "é"] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
