//! What the rows find in their folders.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use virstor_inspect::collect::{back_up, collect};
use virstor_inspect::{Heap, InputFile, Options, Stage};
use virstor_testkit::{MapEntry, Record, SetBuilder, SparseDisk, write_sparsely};

/// Three components, one under a name with bytes that are no text.
pub(crate) fn no_text(folder: &Path) {
    trio(folder);
    let name = OsString::from_vec(b"c\xff\x1b[2J".to_vec());
    fs::rename(folder.join("c0"), folder.join(name)).expect("the host takes any name");
}

pub(crate) fn forbidden(folder: &Path) {
    file(folder, "f", b"secret");
    fs::set_permissions(folder.join("f"), fs::Permissions::from_mode(0o000)).expect("it is ours");
}

pub(crate) fn file(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).expect("there is room");
}

pub(crate) fn folder(folder: &Path, name: &str) {
    fs::create_dir(folder.join(name)).expect("there is room");
}

pub(crate) fn link(target: &str, folder: &Path, name: &str) {
    symlink(target, folder.join(name)).expect("the host has links");
}

pub(crate) fn copy(folder: &Path, from: &str, to: &str) {
    fs::copy(folder.join(from), folder.join(to)).expect("there is room");
}

pub(crate) fn rename(folder: &Path, from: &str, to: &str) {
    fs::rename(folder.join(from), folder.join(to)).expect("it was made");
}

pub(crate) fn shorten(folder: &Path, name: &str, len: u64) {
    trio(folder);
    let file = File::options().write(true).open(folder.join(name)).expect("it was made");
    file.set_len(len).expect("it is a file");
}

pub(crate) fn keep(folder: &Path, set: SetBuilder) {
    for (name, disk) in set.build() {
        write(folder, &name, &disk);
    }
}

fn write(folder: &Path, name: &str, disk: &SparseDisk) {
    write_sparsely(disk, &folder.join(name)).expect("there is room");
}

/// A hundred letters.
pub(crate) const LONG_NAME: &str = concat!(
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
);

/// Files of zeros: blank, and where nothing else was made c0 and c1.
pub(crate) fn blank(folder: &Path) {
    for name in ["blank", "c0", "c1"].into_iter().filter(|name| !folder.join(name).exists()) {
        file(folder, name, &vec![0; 1 << 20]);
    }
}

pub(crate) fn read_only(folder: &Path) {
    blank(folder);
    fs::set_permissions(folder.join("c0"), fs::Permissions::from_mode(0o444)).expect("it is ours");
}

/// Three components with a chunk each: c0, c1, c2.
pub(crate) fn trio(folder: &Path) {
    let set =
        SetBuilder::new("dev").components([1 << 20; 3]).map(0, 0, 2).map(1, 1, 0).map(2, 2, 0).filled(1);
    keep(folder, set);
}

/// The three, with that many bytes of c1's end cut off.
pub(crate) fn cut(folder: &Path, bytes: u64) {
    shorten(folder, "c1", (1 << 20) - bytes);
}

pub(crate) fn two_volumes(folder: &Path) {
    keep(folder, SetBuilder::new("one").components([1 << 20]));
    keep(folder, SetBuilder::new("two").component("d0", 1 << 20));
}

/// One component, its record as `edit` leaves it: c0.
pub(crate) fn absurd(folder: &Path, edit: fn(&mut Record)) {
    keep(folder, SetBuilder::new("dev").components([1 << 20]).edit_record(0, edit));
}

pub(crate) fn tricky(folder: &Path) {
    absurd(folder, |record| record.name = Record::name_field("\u{1b}[2J\n\u{202e}x"));
}

pub(crate) fn bad_entries(folder: &Path) {
    let set = SetBuilder::new("dev").components([1 << 20]).map(0, 0, 2);
    keep(folder, set.entry(1, MapEntry::allocated(9, 0)).entry(2, MapEntry::allocated(0, 700)));
}

/// A sparse file with a map of 512 MiB.
pub(crate) fn pebibyte(folder: &Path) {
    let set = SetBuilder::new("wide").chunk_size(16 << 20).components([4 << 30]).reserved(32);
    keep(folder, set.virtual_chunks(1 << 26));
}

/// A specimen of as many components as a volume can have; no process may have as many files open.
pub(crate) fn crowd(folder: &Path) {
    let set = SetBuilder::new("crowd").components([1 << 20; 65_535]).virtual_chunks(1024);
    let files = set.build().into_iter().map(|(name, disk)| InputFile {
        provider: name.clone().into_bytes(),
        label: name,
        disk: Ok(Arc::new(disk)),
        sector_size: None,
        preferred: false,
    });
    let heap = Heap::look(files.collect(), Options::default(), &mut |_, _, _| ControlFlow::Continue(()));
    let mut specimen = Vec::new();
    let mut write = |bytes: &[u8]| {
        specimen.extend_from_slice(bytes);
        Ok::<_, Infallible>(())
    };
    let mut unheard = |_: Stage<'_>, _, _| ControlFlow::Continue(());
    collect(&heap, &mut write, &mut unheard).expect("memory takes it all");
    file(folder, "s", &specimen);
}

/// Three components, and a backup of their records and map: b.
pub(crate) fn backed_up(folder: &Path) {
    trio(folder);
    let names = ["c0", "c1", "c2"];
    let files = names.map(|name| InputFile {
        label: name.into(),
        provider: name.into(),
        disk: Ok(fs::read(folder.join(name)).expect("it was made")),
        sector_size: None,
        preferred: false,
    });
    let mut unheard = |_: Stage<'_>, _, _| ControlFlow::Continue(());
    let heap = Heap::look(files.into(), Options::default(), &mut unheard);
    let mut backup = Vec::new();
    let mut write = |bytes: &[u8]| {
        backup.extend_from_slice(bytes);
        Ok::<_, Infallible>(())
    };
    back_up(&heap, 0, &mut write, &mut unheard).expect("memory takes it all");
    file(folder, "b", &backup);
}

/// The same, but the record of c1 is gone.
pub(crate) fn backed_up_and_damaged(folder: &Path) {
    backed_up(folder);
    let mut bytes = fs::read(folder.join("c1")).expect("it was made");
    bytes[(1 << 20) - 512..].fill(0);
    file(folder, "c1", &bytes);
}

/// 200 volumes of four components each, and 200 strangers.
pub(crate) fn thousand(folder: &Path) {
    for number in 0..1000 {
        let name = format!("f{number:04}");
        match number % 5 {
            4 => file(folder, &name, &[0x5a; 700]),
            component => {
                let set = SetBuilder::new(&format!("v{}", number / 5)).components([1 << 20; 4]);
                let (_, disk) = set.build().swap_remove(component);
                write(folder, &name, &disk);
            }
        }
    }
}

/// 1,000 volumes of which each claims the most components and a map without end, which names 8,000 of them.
pub(crate) fn thousand_hostile(folder: &Path) {
    for number in 0..1000 {
        let entries = (0..8000u16).map(|component| MapEntry::allocated(component, 1));
        let map: Vec<u8> =
            entries.flat_map(|entry| entry.encode(virstor_testkit::ByteOrder::Little)).collect();
        let set = SetBuilder::new(&format!("h{number}")).chunk_size(4096).components([128 << 10]);
        let set = set.edit_record(0, |record| (record.virsize, record.count) = (u64::MAX, u16::MAX));
        let (_, mut disk) = set.build().swap_remove(0);
        disk.write_at(0, &map).expect("it is half of the disk");
        write(folder, &format!("f{number:04}"), &disk);
    }
}
