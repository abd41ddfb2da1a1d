//! What a file carries that somebody may want to keep.

use virstor::io::IoError;
use virstor_inspect::signature;

use crate::disk::Disk;

/// What the file carries, in words: a component of a volume, a partition table, a file system. `None` where nothing is
/// recognised; that is no proof that there is nothing.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn recognise(disk: &Disk) -> Result<Option<String>, IoError> {
    if let Some(signature) = signature::recognise(disk)? {
        return Ok(Some(match signature.as_str() {
            "GEOM::VIRSTOR" => volume_of(disk),
            _ => signature,
        }));
    }
    let partitions = virstor_partitions::find(&disk, None)?;
    Ok(partitions.first().map(|partition| format!("a partition table ({})", partition.scheme())))
}

fn volume_of(disk: &Disk) -> String {
    match virstor::taste::taste(disk, None) {
        Ok(Some(tasted)) => {
            let record = tasted.record;
            format!("component {} of volume {} (id {})", record.no, record.name(), record.md_id)
        }
        _ => "a component of a volume".into(),
    }
}
