//! From disks to a report, and reports as lines that fit into a table.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use virstor::assemble::{Assembly, Candidate, assemble};
use virstor::check::{Report, Subject, check, check_strays};
use virstor::geometry::ComponentIndex;
use virstor::io::{ReadAt, Window};
use virstor::locate::{DEFAULT_SCAN_LEN, Search, locate};
use virstor::repair::{Options, Scene, Seat, Step, Who, next};
use virstor_testkit::{SetBuilder, SparseDisk};

/// A disk as it is offered.
pub(crate) struct Offer<D> {
    pub(crate) provider: String,
    pub(crate) disk: D,
    pub(crate) sector_size: Option<u32>,
}

/// Disks that were looked through.
pub(crate) struct Heap<D> {
    pub(crate) assembly: Assembly,
    candidates: Vec<Candidate>,
    parts: Vec<Window<D>>,
    unclaimed: Vec<Window<D>>,
}

impl<D: ReadAt + Clone> Heap<D> {
    pub(crate) fn look(offers: impl IntoIterator<Item = Offer<D>>) -> Self {
        let (mut candidates, mut parts, mut unclaimed) = (Vec::new(), Vec::new(), Vec::new());
        for offer in offers {
            let part = |start, len| Window::new(offer.disk.clone(), start, len).expect("it was found there");
            let search = Search { sector_size: offer.sector_size, scan_len: DEFAULT_SCAN_LEN };
            let found =
                locate(&offer.disk, &[], search, &mut |_, _| ControlFlow::Continue(())).unwrap_or_default();
            if found.is_empty() {
                unclaimed.push(part(0, offer.disk.size()));
            }
            for located in found {
                parts.push(part(located.start, located.len));
                let provider = offer.provider.clone().into_bytes();
                candidates.push(Candidate { located, provider, preferred: false });
            }
        }
        Self { assembly: assemble(&candidates), candidates, parts, unclaimed }
    }

    pub(crate) fn check(&self, volume: usize) -> Report {
        self.with_subject(volume, |subject| check(subject, &mut |_, _| ControlFlow::Continue(())))
    }

    fn with_subject<R>(&self, volume: usize, look: impl FnOnce(&Subject<'_, Window<D>>) -> R) -> R {
        let components = &self.assembly.volumes[volume].components;
        let disks: BTreeMap<ComponentIndex, Window<D>> = components
            .iter()
            .map(|(index, component)| (*index, self.parts[component.candidate].clone()))
            .collect();
        look(&Subject {
            assembly: &self.assembly,
            volume,
            candidates: &self.candidates,
            disks: &disks,
            unclaimed: &self.unclaimed,
            unread: false,
        })
    }

    /// The disks of the components, and those without a record: what a repair may write to.
    pub(crate) fn seats(&self) -> Vec<Seat<Window<D>>> {
        let candidates = (0..).zip(&self.parts).map(|(number, disk)| (Who::Candidate(number), disk));
        let unclaimed = (0..).zip(&self.unclaimed).map(|(number, disk)| (Who::Unclaimed(number), disk));
        candidates.chain(unclaimed).map(|(who, disk)| Seat { who, disk: disk.clone() }).collect()
    }

    /// What a repair of a volume would do next.
    pub(crate) fn next_repairs(&self, volume: usize, lossy: bool) -> Vec<Step> {
        let report = self.check(volume);
        let seats = self.seats();
        let options = Options { lossy, ..Options::default() };
        self.with_subject(volume, |subject| {
            next(&Scene { subject, report: &report, seats: &seats }, &options)
        })
        .expect("memory can be read")
    }

    pub(crate) fn check_strays(&self) -> Report {
        check_strays(&self.assembly, &self.candidates)
    }
}

/// Offers disks under the names of their files.
pub(crate) fn offers<D: Clone>(files: &[(String, D)]) -> impl Iterator<Item = Offer<D>> {
    files.iter().map(|(file, disk)| Offer { provider: file.clone(), disk: disk.clone(), sector_size: None })
}

/// Checks the first volume in what `builder` makes.
pub(crate) fn check_built(builder: SetBuilder) -> Report {
    check_files(&builder.build())
}

/// Checks the first volume in these files.
pub(crate) fn check_files(files: &[(String, SparseDisk)]) -> Report {
    let files: Vec<_> = files.iter().map(|(name, disk)| (name.clone(), disk)).collect();
    Heap::look(offers(&files)).check(0)
}

/// Each finding as a line: severity, code, and where.
pub(crate) fn lines(report: &Report) -> Vec<String> {
    let line = |finding: &virstor::check::Finding| {
        let fault = &finding.fault;
        let mut line = format!("{:?} {}", finding.severity(), finding.code().text()).to_lowercase();
        if let Some(component) = fault.component() {
            line += &format!(" c{component}");
        }
        if let Some(chunk) = fault.physical_chunk() {
            line += &format!(" p{chunk}");
        }
        if let Some(chunk) = fault.virtual_chunk() {
            line += &format!(" v{}", chunk.0);
        }
        line + &format!(" {:?}", finding.repair).to_lowercase()
    };
    report.findings.iter().map(line).collect()
}

/// Fails unless the report has exactly these lines.
#[track_caller]
pub(crate) fn expect(report: &Report, expected: &[&str]) {
    let found = lines(report);
    assert!(found == expected, "expected:\n  {}\nfound:\n  {}", expected.join("\n  "), found.join("\n  "));
}
