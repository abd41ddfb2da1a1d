//! Component files out of a sparse tar inside zstd.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ruzstd::decoding::StreamingDecoder;
use tar::Archive;

use crate::SparseDisk;

/// The regular files of the archive at `path`, by name. Memory is that of their bytes other than zero,
/// whatever their size.
pub(super) fn unpack(path: &Path) -> io::Result<BTreeMap<String, SparseDisk>> {
    let decoder = StreamingDecoder::new(File::open(path)?).map_err(io::Error::other)?;
    let mut archive = Archive::new(decoder);
    let mut files = BTreeMap::new();
    let mut buf = vec![0; 1 << 20];
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let size = entry.size();
        files.insert(name, read_disk(&mut entry, size, &mut buf)?);
    }
    Ok(files)
}

/// Reads `size` bytes; `buf` is where they pass through.
fn read_disk(reader: &mut impl Read, size: u64, buf: &mut [u8]) -> io::Result<SparseDisk> {
    let mut disk = SparseDisk::new(size);
    let mut offset = 0;
    while offset < size {
        let len = reader.read(buf)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        disk.write_at(offset, &buf[..len]).map_err(io::Error::other)?;
        offset += len as u64;
    }
    Ok(disk)
}
