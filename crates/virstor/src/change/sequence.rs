//! Patches in the making.

use alloc::vec::Vec;

use super::index;
use crate::assemble::Volume;
use crate::format::Record;
use crate::geometry::ComponentIndex;
use crate::label::record_sector;
use crate::patch::Patch;

/// Where a component's record stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home {
    pub(super) component: ComponentIndex,
    /// Length of the component in bytes.
    pub(super) len: u64,
    pub(super) sector_size: u32,
}

/// Where the records of a volume stand, by number.
pub(super) fn homes(volume: &Volume) -> Vec<Home> {
    let home = |(index, component): (&ComponentIndex, &crate::assemble::Component)| Home {
        component: *index,
        len: component.len,
        sector_size: component.sector_size,
    };
    volume.components.iter().map(home).collect()
}

#[derive(Debug, Default)]
pub(super) struct Sequence {
    pub(super) patches: Vec<Patch>,
}

impl Sequence {
    pub(super) fn barrier(&mut self) {
        if !matches!(self.patches.last(), None | Some(Patch::Barrier)) {
            self.patches.push(Patch::Barrier);
        }
    }

    pub(super) fn record(&mut self, home: Home, record: &Record) {
        let offset = home.len - u64::from(home.sector_size);
        let bytes = record_sector(record, home.sector_size);
        self.patches.push(Patch::Write { component: home.component, offset, bytes });
    }

    pub(super) fn no_record(&mut self, home: Home) {
        let len = u64::from(home.sector_size);
        self.patches.push(Patch::Zero { component: home.component, offset: home.len - len, len });
    }

    /// Brings records from `old` to `new`, upward, each durable before the next.
    pub(super) fn records_upward(&mut self, homes: &[Home], old: &[Record], new: &[Record]) {
        for (number, record) in new.iter().enumerate() {
            if old.get(number) != Some(record) {
                self.barrier();
                self.record(homes[number], record);
            }
        }
        self.barrier();
    }

    /// Brings records from `old` to `new` in any order.
    pub(super) fn records(&mut self, homes: &[Home], old: &[Record], new: &[Record]) {
        self.barrier();
        for (number, record) in new.iter().enumerate() {
            if old.get(number) != Some(record) {
                self.record(homes[index(number).as_usize()], record);
            }
        }
        self.barrier();
    }
}
