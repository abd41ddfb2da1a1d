//! A repair as it would be: planned on an overlay, nothing written. The browser cannot write into a large file; what
//! comes of this is a plan for the program, and the sectors for those who have `dd`.

use js_sys::{Function, Uint8Array};
use serde::Serialize;
use virstor::io::ReadAt;
use virstor::repair::Options;
use virstor_index::{AnyDisk, MapIndex};
use virstor_inspect::Heap;
use virstor_inspect::document::check::{FindingInfo, worth_checking};
use virstor_inspect::document::info::Info;
use virstor_inspect::document::repair::{RepairDocument, SavedPlan};
use virstor_inspect::repair::{PlanError, PlanOn, plan_on};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::document;
use crate::error::Refusal;
use crate::session::map::Picture;
use crate::session::{Session, index_of, tell};

/// What a repair would do, and what would come of it.
#[derive(Serialize)]
struct Preview<'a> {
    /// `clean`, `damaged` or `unusable`, before and after.
    verdict: &'a str,
    verdict_after: &'a str,
    plan: &'a SavedPlan,
    /// Why planning ended early, if it did.
    declined: Option<&'a str>,
    /// The findings that are left.
    left: &'a [FindingInfo],
    /// The document of `info` about the set after.
    info_after: Info,
}

/// A repair that was planned.
#[wasm_bindgen]
pub struct Repair {
    /// As [`document::bytes`].
    preview: Vec<u8>,
    sectors: Vec<Sector>,
    /// The volume as it would be.
    after: MapIndex,
}

/// The last sector of a component.
struct Sector {
    file: String,
    offset: u64,
    before: Vec<u8>,
    after: Vec<u8>,
}

#[wasm_bindgen]
impl Session {
    /// Plans the repair of a volume; with `lossy` what can be mended by giving something up is mended, too, and with
    /// `convert_endian` the map of a big-endian machine is made little-endian.
    ///
    /// # Errors
    ///
    /// [`Refusal::Io`] when a file cannot be read, [`Refusal::NotAPlan`] when it changes meanwhile, or when there is no
    /// end to what there is to do.
    pub fn repair(
        &mut self,
        volume: usize,
        lossy: bool,
        convert_endian: bool,
        progress: &Function,
    ) -> Result<Repair, Refusal> {
        let heap = self.heap()?;
        let (plan, document) =
            plan_of(heap, volume, Options { lossy, convert_endian, only: None }, progress)?;
        let mut sectors = Vec::new();
        for (file, located) in plan.after.located() {
            let input = (&heap.files()[*file], &plan.after.files()[*file]);
            let (Ok(before), Ok(after)) = (&input.0.disk, &input.1.disk) else { continue };
            let offset = located.start + located.tasted.offset;
            let len = u64::from(located.tasted.sector_size).min(after.size() - offset);
            let mut sector = Sector {
                file: input.0.label.clone(),
                offset,
                before: vec![0; usize::try_from(len).expect("a sector is small")],
                after: vec![0; usize::try_from(len).expect("a sector is small")],
            };
            let failed = |error| Refusal::io(&input.0.label, 0, &error);
            before.read_at(offset, &mut sector.before).map_err(failed)?;
            after.read_at(offset, &mut sector.after).map_err(failed)?;
            if sector.before != sector.after {
                sectors.push(sector);
            }
        }
        let preview = Preview {
            verdict: document.verdict,
            verdict_after: document.verdict_after,
            plan: &document.plan,
            declined: document.declined.as_deref(),
            left: &document.left,
            info_after: Info::new(&plan.after, &[plan.after_volume]),
        };
        let after = index_of(&plan.after, plan.after_volume);
        Ok(Repair { preview: document::bytes(&preview), sectors, after })
    }

    /// The plan of [`repair`](Self::repair) as `virstor repair --plan-out` saves it, bound to all that it touches: for
    /// that it reads the chunks that are copied.
    ///
    /// # Errors
    ///
    /// As there; [`Refusal::Io`], too, when chunks are in a specimen, which does not hold them.
    #[wasm_bindgen(js_name = repairPlan)]
    pub fn repair_plan(
        &mut self,
        volume: usize,
        lossy: bool,
        convert_endian: bool,
        progress: &Function,
    ) -> Result<Uint8Array, Refusal> {
        let heap = self.heap()?;
        let (plan, mut document) =
            plan_of(heap, volume, Options { lossy, convert_endian, only: None }, progress)?;
        let bound = document.plan.bind_chunks(heap, &plan);
        bound.map_err(|(label, error)| Refusal::io(&label, 0, &error))?;
        Ok(Uint8Array::from(&document::bytes(&document.plan)[..]))
    }

    /// The number in `info` of a volume of `check`.
    #[wasm_bindgen(js_name = checkedVolumes)]
    pub fn checked_volumes(&self) -> Result<Vec<usize>, Refusal> {
        Ok(worth_checking(self.heap()?))
    }
}

#[wasm_bindgen]
impl Repair {
    /// The plan, and what comes of it.
    #[must_use]
    pub fn preview(&self) -> Uint8Array {
        Uint8Array::from(&self.preview[..])
    }

    /// A picture of the volume as it would be; otherwise as [`Session::picture`]. The first one waits until its map was
    /// read.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadPicture`].
    pub fn picture(&mut self, first: u64, bits: u32, cells: usize) -> Result<Picture, Refusal> {
        self.after.step(u64::MAX);
        Picture::of(&mut self.after, first, bits, cells)
    }

    /// How many last sectors of components change.
    #[must_use]
    pub fn sectors(&self) -> usize {
        self.sectors.len()
    }

    /// The file that changed sector `number` is in.
    ///
    /// # Panics
    ///
    /// As the others, when there is no such sector.
    #[wasm_bindgen(js_name = sectorFile)]
    #[must_use]
    pub fn sector_file(&self, number: usize) -> String {
        self.sectors[number].file.clone()
    }

    /// Where in the file it begins.
    #[wasm_bindgen(js_name = sectorOffset)]
    #[must_use]
    pub fn sector_offset(&self, number: usize) -> u64 {
        self.sectors[number].offset
    }

    /// What it holds now.
    #[wasm_bindgen(js_name = sectorBefore)]
    #[must_use]
    pub fn sector_before(&self, number: usize) -> Uint8Array {
        Uint8Array::from(&self.sectors[number].before[..])
    }

    /// What it would hold.
    #[wasm_bindgen(js_name = sectorAfter)]
    #[must_use]
    pub fn sector_after(&self, number: usize) -> Uint8Array {
        Uint8Array::from(&self.sectors[number].after[..])
    }
}

/// The plan, and the document about it.
fn plan_of(
    heap: &Heap<AnyDisk>,
    volume: usize,
    options: Options,
    progress: &Function,
) -> Result<(PlanOn<AnyDisk>, RepairDocument), Refusal> {
    if volume >= heap.volumes().len() {
        return Err(Refusal::NoSuchVolume { volume, volumes: heap.volumes().len() });
    }
    let mut hears = |stage: virstor_inspect::Stage<'_>, done, all| {
        tell(progress, stage, done, all);
        std::ops::ControlFlow::Continue(())
    };
    let look = virstor_inspect::Options::default();
    let plan: PlanOn<AnyDisk> = plan_on(heap, volume, look, &options, &mut hears).map_err(refusal)?;
    let document = RepairDocument::new(heap, &plan, &mut hears)
        .map_err(|(label, error)| Refusal::io(&label, 0, &error))?;
    Ok((plan, document))
}

fn refusal(error: PlanError) -> Refusal {
    match error {
        PlanError::File { label, error } => Refusal::io(&label, 0, &error),
        PlanError::Changed => Refusal::NotAPlan { reason: "the map changed while it was looked at".into() },
        PlanError::Endless => Refusal::NotAPlan { reason: "there is no end to what there is to do".into() },
        PlanError::Vanishes => Refusal::NotAPlan { reason: "no volume would be left".into() },
    }
}
