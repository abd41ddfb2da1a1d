//! `check`: what is wrong with the volumes, what FreeBSD does about it, and whether it can be mended.

use virstor::assemble::Volume;
use virstor::check::{Finding, Party, Repair, Report, Severity, Verdict, check_strays};
use virstor::geometry::VirtualChunk;
use virstor::io::ReadAt;

use super::document;
use crate::heap::{Heap, Progress};

document! {
    /// The findings about a heap of files.
    pub struct Check {
        /// `clean` (nothing above a notice), `damaged`, or `unusable` (FreeBSD does not start it, or there is no
        /// volume): the worst of all volumes.
        pub verdict: &'static str,
        /// What was found, volume by volume, at most 100 of each kind.
        pub findings: Vec<FindingInfo>,
        /// How many more there are of each kind.
        pub unlisted: Vec<Unlisted>,
        /// The volumes that were checked.
        pub volumes: Vec<VolumeVerdict>,
    }

    /// A volume, in short.
    pub struct VolumeVerdict {
        /// Its name.
        pub name: String,
        /// Its id.
        pub id: u32,
        /// As for all.
        pub verdict: &'static str,
    }

    /// Something wrong, or a trap.
    pub struct FindingInfo {
        /// What it is called; a code never changes its meaning.
        pub code: &'static str,
        /// `notice`, `warning` (nothing is lost yet, but FreeBSD would lose something), `error`, or `fatal` (FreeBSD
        /// does not start the volume).
        pub severity: &'static str,
        /// The hazard it is a trace of ("H-1").
        pub hazard: Option<String>,
        /// The invariant that is broken ("I3").
        pub invariant: Option<String>,
        /// A sentence.
        pub message: String,
        /// What FreeBSD does about it: a sentence.
        pub freebsd: &'static str,
        /// The volume, by its place in `volumes`; absent for a record that belongs to none.
        pub volume: Option<usize>,
        /// The file it is about.
        pub file: Option<String>,
        /// The number of the component it is about.
        pub component: Option<u16>,
        /// The chunk of that component.
        pub physical_chunk: Option<u64>,
        /// The chunk of the volume.
        pub virtual_chunk: Option<u64>,
        /// `safe`, `lossy` (something is given up for good) or `none`.
        pub repair: &'static str,
    }

    /// Findings that are not listed.
    pub struct Unlisted {
        /// Their code.
        pub code: &'static str,
        /// How many.
        pub count: u64,
        /// The volume, by its place in `volumes`.
        pub volume: Option<usize>,
    }
}

impl Check {
    /// Checks the `chosen` volumes of `heap`, and with `strays` the records that belong to none of its volumes.
    /// `progress` hears how the maps are read.
    pub fn new<D: ReadAt + Clone>(
        heap: &Heap<D>,
        chosen: &[usize],
        strays: bool,
        progress: &mut Progress<'_>,
    ) -> Self {
        Self::with_data(heap, chosen, strays, false, progress)
    }

    /// As [`new`](Self::new), and when it is `deep` the data of the volumes is read, too.
    pub fn with_data<D: ReadAt + Clone>(
        heap: &Heap<D>,
        chosen: &[usize],
        strays: bool,
        deep: bool,
        progress: &mut Progress<'_>,
    ) -> Self {
        let mut check =
            Self { verdict: "clean", findings: Vec::new(), unlisted: Vec::new(), volumes: Vec::new() };
        let mut worst = Verdict::Clean;
        for number in chosen {
            let volume = &heap.volumes()[*number];
            let mut report = heap.check(*number, progress);
            if deep {
                report.findings.extend(heap.check_deep(*number, &mut |_| {}, progress));
            }
            worst = worst.max(report.verdict());
            check.add(heap, Some(*number), &report);
            let (name, verdict) = (volume.name.to_string(), verdict(report.verdict()));
            check.volumes.push(VolumeVerdict { name, id: volume.id, verdict });
        }
        if strays {
            let report = check_strays(heap.assembly(), heap.candidates());
            worst = worst.max(report.verdict());
            check.add(heap, None, &report);
        }
        if heap.volumes().is_empty() {
            worst = Verdict::Unusable;
        }
        check.verdict = verdict(worst);
        check
    }

    /// Adds what was found about the volume with this number in `heap`, which comes next in `volumes`.
    fn add<D: ReadAt + Clone>(&mut self, heap: &Heap<D>, number: Option<usize>, report: &Report) {
        let volume = number.map(|_| self.volumes.len());
        let info = |finding| FindingInfo::new(heap, number, volume, finding);
        self.findings.extend(report.findings.iter().map(info));
        let unlisted = |(code, count): (&virstor::check::Code, &u64)| Unlisted {
            code: code.text(),
            count: *count,
            volume,
        };
        self.unlisted.extend(report.unlisted.iter().map(unlisted));
    }
}

impl FindingInfo {
    fn new<D: ReadAt + Clone>(
        heap: &Heap<D>,
        number: Option<usize>,
        volume: Option<usize>,
        finding: &Finding,
    ) -> Self {
        let fault = &finding.fault;
        let component = |index| {
            let components = number.map(|number| &heap.volumes()[number].components);
            components.and_then(|components| components.get(&index)).map(|component| component.candidate)
        };
        let file = |party: Party| match party {
            Party::Component(index) => component(index).map(|candidate| heap.label_of(candidate).to_string()),
            Party::Candidate(candidate) => Some(heap.label_of(candidate).to_string()),
            Party::Disk(disk) => heap.unclaimed_label(disk),
        };
        let name = |party: Party| match (party, file(party)) {
            (Party::Component(index), Some(file)) => format!("component {index} ({file})"),
            (Party::Component(index), None) => format!("component {index}"),
            (_, file) => file.unwrap_or_else(|| "a file".into()),
        };
        let about = (fault.candidate().map(Party::Candidate))
            .or(fault.unclaimed_disk().map(Party::Disk))
            .or(fault.component().map(Party::Component));
        let code = finding.code();
        Self {
            code: code.text(),
            severity: severity(finding.severity()),
            hazard: code.hazard().map(|hazard| format!("H-{hazard}")),
            invariant: code.invariant().map(|invariant| format!("I{invariant}")),
            message: fault.message(&name),
            freebsd: fault.freebsd(),
            volume,
            file: about.and_then(file),
            component: fault.component().map(|index| index.0),
            physical_chunk: fault.physical_chunk(),
            virtual_chunk: fault.virtual_chunk().map(|VirtualChunk(chunk)| chunk),
            repair: repair(finding.repair),
        }
    }
}

/// The volumes worth checking when none is chosen: all but leftovers of another volume, that is incomplete ones
/// that share their name with a complete one. The latter has a finding about them.
pub fn worth_checking<D: ReadAt + Clone>(heap: &Heap<D>) -> Vec<usize> {
    let volumes = heap.volumes();
    let leftover = |volume: &Volume| {
        let rival = |other: &Volume| other.is_complete() && other.name.bytes() == volume.name.bytes();
        !volume.is_complete() && volumes.iter().any(rival)
    };
    (0..volumes.len()).filter(|number| !leftover(&volumes[*number])).collect()
}

/// The word for a verdict.
#[must_use]
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "clean",
        Verdict::Damaged => "damaged",
        Verdict::Unusable => "unusable",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    }
}

fn repair(repair: Repair) -> &'static str {
    match repair {
        Repair::Safe => "safe",
        Repair::Lossy => "lossy",
        Repair::None => "none",
    }
}
