//! Copying from file to file inside the kernel, with copy_file_range(2): the bytes are moved once and not twice, which
//! on tmpfs takes 60 % of the time, and not at all where two files can share blocks (XFS, Btrfs).
//!
//! Nobody looks at the bytes on that way, so zeros that are stored are copied. Holes are not: the file system knows
//! them. A file without any is taken for one that was written without regard to zeros (by dd, say) and left to reading
//! and writing, which leaves them out.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;

use rustix::fs::{SeekFrom, copy_file_range, seek};
use rustix::io::Errno;
use virstor::geometry::ComponentIndex;

/// What is known of the files that components lie in.
#[derive(Debug, Default)]
pub(super) struct KernelCopy {
    sources: BTreeMap<ComponentIndex, Source>,
}

/// Where bytes come from or go to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    /// The file.
    pub(super) file: &'a File,
    /// The first byte in it.
    pub(super) offset: u64,
}

impl KernelCopy {
    /// Copies `len` bytes of a component to where zeros are. False when that did not work: then some of them may be
    /// copied, and reading and writing must do it again. That also finds out whose fault it is.
    pub(super) fn copy(&mut self, component: ComponentIndex, from: Spot<'_>, to: Spot<'_>, len: u64) -> bool {
        let source = self.sources.entry(component).or_insert_with(|| Source::new(from.file));
        if source.usable {
            source.usable = source.copy(from, to, len).is_some();
        }
        source.usable
    }
}

/// A file that is copied from.
#[derive(Debug)]
struct Source {
    /// Whether it is worth trying.
    usable: bool,
    /// The stretch that was found last. It is remembered because finding it can take the file system as long as
    /// walking through it.
    stretch: Stretch,
}

/// Bytes of a file which are alike in being stored or not.
#[derive(Debug, Clone)]
struct Stretch {
    range: Range<u64>,
    is_data: bool,
}

impl Source {
    fn new(file: &File) -> Self {
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let first_hole = seek(file, SeekFrom::Hole(0)).unwrap_or(size);
        Self { usable: first_hole < size, stretch: Stretch { range: 0..first_hole, is_data: true } }
    }

    fn copy(&mut self, mut from: Spot<'_>, mut to: Spot<'_>, mut len: u64) -> Option<()> {
        while len > 0 {
            let stretch = self.stretch_at(from)?;
            let mut part = len.min(stretch.range.end - from.offset);
            if stretch.is_data {
                part = copy_some(from, to, part)?;
            }
            from.offset += part;
            to.offset += part;
            len -= part;
        }
        Some(())
    }

    fn stretch_at(&mut self, from: Spot<'_>) -> Option<&Stretch> {
        if !self.stretch.range.contains(&from.offset) {
            self.stretch = Stretch::find(from)?;
        }
        Some(&self.stretch)
    }
}

impl Stretch {
    /// The stretch that the byte is in, from there on; `None` when the file ends before.
    fn find(from: Spot<'_>) -> Option<Self> {
        let data = match seek(from.file, SeekFrom::Data(from.offset)) {
            // There is no more data.
            Err(Errno::NXIO) => from.file.metadata().ok()?.len(),
            data => data.ok()?,
        };
        let is_data = data == from.offset;
        let end = if is_data { seek(from.file, SeekFrom::Hole(from.offset)).ok()? } else { data };
        (end > from.offset).then_some(Self { range: from.offset..end, is_data })
    }
}

/// Copies at least one byte, at most `len`; says how many.
fn copy_some(from: Spot<'_>, to: Spot<'_>, len: u64) -> Option<u64> {
    let (mut here, mut there) = (from.offset, to.offset);
    let wanted = usize::try_from(len).unwrap_or(usize::MAX);
    let copied = copy_file_range(from.file, Some(&mut here), to.file, Some(&mut there), wanted).ok()?;
    (copied > 0).then_some(copied as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    const LEN: u64 = 4 << 20;

    /// Data, a hole and data again, of 1 MiB, 2 MiB and 1 MiB.
    fn with_a_hole() -> File {
        let file = tempfile::tempfile().expect("a temporary file");
        file.set_len(LEN).expect("room for holes");
        for megabyte in [0, 3] {
            let bytes = vec![7 + u8::try_from(megabyte).expect("it is small"); 1 << 20];
            file.write_all_at(&bytes, megabyte << 20).expect("room");
        }
        file
    }

    fn copy(from: &File, offset: u64, len: u64) -> Option<Vec<u8>> {
        let to = tempfile::tempfile().expect("a temporary file");
        to.set_len(LEN).expect("room for holes");
        let (from, to) = (Spot { file: from, offset }, Spot { file: &to, offset: 4096 });
        let mut kernel = KernelCopy::default();
        kernel.copy(ComponentIndex(0), from, to, len).then(|| {
            assert!(to.file.metadata().expect("it is open").blocks() * 512 < LEN, "holes stay holes");
            let mut bytes = vec![0; usize::try_from(len).expect("it is small")];
            to.file.read_exact_at(&mut bytes, 4096).expect("it is long enough");
            bytes
        })
    }

    #[test]
    fn what_is_copied_is_the_same_across_holes_and_has_them_still() {
        let file = with_a_hole();
        for (offset, len) in
            [(0, 1000), (4000, 3 << 20), (1 << 20, 1 << 20), ((3 << 20) - 1, 2), (2 << 20, 2 << 20)]
        {
            let mut expected = vec![0; usize::try_from(len).expect("it is small")];
            file.read_exact_at(&mut expected, offset).expect("it is long enough");
            assert!(
                copy(&file, offset, len).expect("it has a hole") == expected,
                "{len} bytes from {offset} on"
            );
        }
    }

    #[test]
    fn a_file_without_holes_is_left_to_those_who_look_for_zeros() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&vec![0; 1 << 20]).expect("room");
        assert_eq!(copy(&file, 0, 1 << 20), None);
    }

    #[test]
    fn a_file_that_ends_too_early_is_left_to_those_who_can_say_so() {
        let file = with_a_hole();
        assert_eq!(copy(&file, LEN - 10, 11), None);
        assert_eq!(copy(&file, LEN, 1), None);
    }
}
