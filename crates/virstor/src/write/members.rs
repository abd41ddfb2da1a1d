//! Components that come to and leave a volume while it is written.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::allocator::Cursor;
use super::{VolumeWriter, WriteError};
use crate::assemble::Component;
use crate::change::add::{self, AddError};
use crate::change::remove::{self, RemoveError};
use crate::change::{Plan, SoundSet};
use crate::geometry::ComponentIndex;
use crate::io::WriteAt;
use crate::label::Provider;
use crate::patch::{PatchError, perform};

/// Why the components of a running volume stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberError {
    /// A disk cannot become a component.
    Add(AddError),
    /// A component has to stay.
    Remove(RemoveError),
    /// A disk failed. The volume goes on as before, and closing it makes its records say so; trying again is safe.
    Write(WriteError),
}

impl From<WriteError> for MemberError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<PatchError> for MemberError {
    fn from(PatchError { component, error }: PatchError) -> Self {
        Self::Write(WriteError::Io { component, error })
    }
}

impl<D: WriteAt> VolumeWriter<D> {
    /// Adds disks behind the components, with their names in their records if `hardcode` is set. Flushes first;
    /// afterwards there is room on them.
    ///
    /// # Errors
    ///
    /// [`MemberError`]; the numbers of new components in it go on behind those of the volume. The disks are lost to
    /// the caller, who hands in clones or handles.
    pub fn add_components(&mut self, new: Vec<(Provider<'_>, D)>, hardcode: bool) -> Result<(), MemberError> {
        self.flush()?;
        let set = self.as_set();
        let (providers, new_disks): (Vec<_>, Vec<_>) = new.into_iter().unzip();
        let plan = add::plan(&set, &providers, hardcode).map_err(MemberError::Add)?;
        self.changed = true;
        let disks: Vec<&D> = self.indexes().map(|index| self.disk(index)).chain(&new_disks).collect();
        perform(&plan.patches, &disks)?;
        let mut disks = self.reader.take_disks();
        disks.extend((self.volume().component_count..=u16::MAX).map(ComponentIndex).zip(new_disks));
        self.replace(plan, |_| true, disks);
        Ok(())
    }

    /// Removes the components `drop`, in which no chunk may be in use, and makes their disks nobody's. Flushes
    /// first.
    ///
    /// # Errors
    ///
    /// [`MemberError`].
    pub fn remove_components(&mut self, drop: &[ComponentIndex]) -> Result<(), MemberError> {
        self.flush()?;
        let set = self.as_set();
        let plan = remove::plan_idle(&set, drop).map_err(MemberError::Remove)?;
        self.changed = true;
        let disks: Vec<&D> = self.indexes().map(|index| self.disk(index)).collect();
        perform(&plan.patches, &disks)?;
        let stay = self.reader.take_disks().into_iter().filter(|(index, _)| !drop.contains(index));
        let disks = (0..=u16::MAX).map(ComponentIndex).zip(stay.map(|(_, disk)| disk)).collect();
        self.replace(plan, |index| !drop.contains(&index), disks);
        Ok(())
    }

    /// The volume as the functions of [`crate::change`] see it. Nothing waits.
    fn as_set(&self) -> SoundSet {
        let mut volume = self.volume().clone();
        for (component, record) in volume.components.values_mut().zip(&self.records) {
            component.record = *record;
        }
        SoundSet::new(volume, self.reader.map_order(), self.allocator.cursors().to_vec())
    }

    /// Goes on with the components for which `stays` holds and those that are new, whose records are those of `plan`
    /// and whose disks are `disks`.
    fn replace(
        &mut self,
        plan: Plan,
        stays: impl Fn(ComponentIndex) -> bool,
        disks: BTreeMap<ComponentIndex, D>,
    ) {
        let mut volume = self.volume().clone();
        let old = core::mem::take(&mut volume.components);
        let mut candidates = old.values().map(|component| component.candidate).max().unwrap_or(0) + 1..;
        let (mut kept, mut cursors): (Vec<Component>, Vec<Cursor>) = old
            .into_iter()
            .zip(self.allocator.cursors())
            .filter(|((index, _), _)| stays(*index))
            .map(|((_, component), cursor)| (component, *cursor))
            .unzip();
        for record in &plan.records[kept.len()..] {
            let candidate = candidates.next().expect("there are fewer components than numbers");
            let (len, sector_size) = (record.provsize.get(), volume.sector_size);
            kept.push(Component { candidate, record: *record, len, sector_size });
            let chunk_count = record.chunk_count.get();
            cursors.push(Cursor { reserved: 0, next: 0, chunk_count, overlaps: false });
        }
        for (component, record) in kept.iter_mut().zip(&plan.records) {
            component.record = *record;
        }
        volume.component_count = index(kept.len()).0;
        volume.components = (0..=u16::MAX).map(ComponentIndex).zip(kept).collect();
        self.unflushed = alloc::vec![false; plan.records.len()];
        self.records = plan.records;
        self.allocator.replace(cursors);
        self.secured = None;
        self.reader.replace(volume, disks);
    }
}

fn index(number: usize) -> ComponentIndex {
    ComponentIndex(u16::try_from(number).expect("components were counted"))
}
