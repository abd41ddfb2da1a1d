//! What a file carries that somebody may want to keep.

use virstor::io::IoError;
use virstor_partitions::signature::signature;

use crate::disk::Disk;

/// What the file carries, in words: a component of a volume, a partition table, a file system. `None` where nothing is
/// recognised; that is no proof that there is nothing.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn recognise(disk: &Disk) -> Result<Option<String>, IoError> {
    if let Ok(Some(tasted)) = virstor::taste::taste(disk, None) {
        let record = tasted.record;
        return Ok(Some(format!(
            "component {} of volume {} (id {})",
            record.no,
            record.name(),
            record.md_id
        )));
    }
    if let Some(name) = signature(disk)? {
        return Ok(Some(name.into()));
    }
    let partitions = virstor_partitions::find(&disk, None)?;
    Ok(partitions.first().map(|partition| format!("a partition table ({})", partition.scheme())))
}
