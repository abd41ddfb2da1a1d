//! The documents of a session, as the program prints them.

use std::convert::Infallible;
use std::ops::ControlFlow;

use js_sys::{Function, Uint8Array};
use virstor_inspect::collect::collect;
use virstor_inspect::document::check::{Check, worth_checking};
use virstor_inspect::document::collect::Collect;
use virstor_inspect::document::dump::Dump;
use virstor_inspect::document::info::Info;
use virstor_inspect::document::record::RecordInfo;
use virstor_inspect::document::report::Report;
use virstor_inspect::document::status::Status;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{MAP_MEMORY, Session, tell};
use crate::document;
use crate::error::Refusal;

#[wasm_bindgen]
impl Session {
    /// The document of `info`.
    ///
    /// # Errors
    ///
    /// [`Refusal::NothingOpen`], as every method that follows.
    pub fn info(&self) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&self.info_document()?))
    }

    /// The document of `dump`.
    pub fn dump(&self) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&Dump::all(self.heap()?)))
    }

    /// The document of `status`.
    pub fn status(&self) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&Status::new(self.heap()?)))
    }

    /// The records, field by field, held against their siblings.
    pub fn records(&self) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&RecordInfo::all(self.heap()?)))
    }

    /// The document of `check`. `progress` as for [`look`](Self::look).
    pub fn check(&self, progress: &Function) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&self.check_document(progress)?))
    }

    /// The document of `report`. `progress` as for [`look`](Self::look).
    pub fn report(&self, progress: &Function) -> Result<Vec<u8>, Refusal> {
        Ok(document::bytes(&self.report_document(progress)?))
    }

    /// What `report` prints for people.
    #[wasm_bindgen(js_name = reportText)]
    pub fn report_text(&self, progress: &Function) -> Result<String, Refusal> {
        Ok(self.report_document(progress)?.markdown())
    }

    /// Hands the specimen that `collect` makes to `sink`, in pieces; gives the document of `collect`.
    pub fn collect(&self, sink: &Function, progress: &Function) -> Result<Vec<u8>, Refusal> {
        const PIECE: usize = 1 << 20;
        let mut pending = Vec::new();
        let hand_over = |bytes: &mut Vec<u8>| {
            // It keeps the bytes and does nothing that could fail.
            _ = sink.call1(&JsValue::NULL, &Uint8Array::from(&bytes[..]));
            bytes.clear();
        };
        let Ok(made) = collect(
            self.heap()?,
            &mut |bytes| {
                pending.extend_from_slice(bytes);
                if pending.len() >= PIECE {
                    hand_over(&mut pending);
                }
                Ok::<(), Infallible>(())
            },
            &mut |stage, done, all| {
                tell(progress, stage, done, all);
                ControlFlow::Continue(())
            },
        );
        hand_over(&mut pending);
        Ok(document::bytes(&Collect::new("-".into(), &made)))
    }
}

impl Session {
    /// As the program does when no volume is chosen: all of them, and none when there is none.
    fn info_document(&self) -> Result<Info, Refusal> {
        let heap = self.heap()?;
        let all: Vec<usize> = (0..heap.volumes().len()).collect();
        Ok(Info::new(heap, &all))
    }

    fn check_document(&self, progress: &Function) -> Result<Check, Refusal> {
        let heap = self.heap()?;
        Ok(Check::new(heap, &worth_checking(heap), true, &mut |stage, done, all| {
            tell(progress, stage, done, all);
            ControlFlow::Continue(())
        }))
    }

    fn report_document(&self, progress: &Function) -> Result<Report, Refusal> {
        Ok(Report::new(self.heap()?, None, MAP_MEMORY, &mut |stage, done, all| {
            tell(progress, stage, done, all);
            ControlFlow::Continue(())
        }))
    }
}
