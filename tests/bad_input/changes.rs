//! Rows about volumes that are made, changed and repaired.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use virstor_testkit::SetBuilder;

use crate::files::{LONG_NAME, bad_entries, blank, file, folder, keep, read_only, trio, two_volumes};
use crate::rows::{Row, permissions_count, row};

pub(crate) fn all() -> Vec<Row> {
    [labels(), changes(), every_verb(), unread_files(), repairs()].into_iter().flatten().collect()
}

/// Volumes that are not made.
fn labels() -> Vec<Row> {
    vec![
        row(
            "a name of 16 bytes",
            blank,
            &["label", "abcdefghijklmnop", "c0"],
            16,
            &["virstor: the name 'abcdefghijklmnop' has 16 bytes; a record holds 15, and no NUL"],
        ),
        row(
            "a name of 100 bytes",
            blank,
            &["label", LONG_NAME, "c0"],
            16,
            &["virstor: the name '*' has 100 bytes; *"],
        ),
        row("no name", blank, &["label", "", "c0"], 16, &["virstor: the volume needs a name"]),
        row("a size that is none", blank, &["label", "v", "c0", "--size", "2X"], 16, &["virstor: *'2X'*"]),
        row(
            "no size at all",
            blank,
            &["label", "v", "c0", "--size", "0"],
            16,
            &["virstor: --size must not be 0"],
        ),
        row(
            "no chunk size at all",
            blank,
            &["label", "v", "c0", "--chunk-size", "0"],
            16,
            &["virstor: --chunk-size must not be 0"],
        ),
        row(
            "no maxphys at all",
            blank,
            &["label", "v", "c0", "--maxphys", "0"],
            16,
            &["virstor: --maxphys must not be 0"],
        ),
        row(
            "an id that is none",
            blank,
            &["label", "v", "c0", "--id", "x"],
            16,
            &["virstor: invalid value 'x' for '--id <N>': 'x' is not a number from 0 to 4294967295; *"],
        ),
        row(
            "less than a chunk",
            blank,
            &["label", "v", "c0", "--size", "1M"],
            16,
            &["virstor: a virtual size of 1048576 bytes is less than a chunk of 4194304"],
        ),
        row(
            "a chunk too large",
            blank,
            &["label", "v", "c0", "--chunk-size", "4G"],
            16,
            &["virstor: a chunk of 4294967296 bytes is too large; 4293918720 is the most"],
        ),
        row(
            "a chunk of broken sectors",
            blank,
            &["label", "v", "c0", "--chunk-size", "1000", "--maxphys", "1000"],
            16,
            &["virstor: a chunk of 1000 bytes is no multiple of the sectors of 512"],
        ),
        row(
            "a component used twice",
            blank,
            &["label", "v", "c0", "./c0"],
            16,
            &["virstor: ./c0 is the same file as c0; give each file once"],
        ),
        row(
            "sectors of two sizes",
            blank,
            &["label", "v", "c0", "c1@4096", "--chunk-size", "128K", "--maxphys", "128K", "--size", "8M"],
            16,
            &["virstor: c1: has sectors of 4096 bytes and c0 of 512; a volume has one size"],
        ),
        row(
            "a component too small",
            blank,
            &["label", "v", "c0", "--size", "1G"],
            8,
            &[
                "virstor: c0: has 1048576 bytes, and needs 16777216 with chunks of 4194304 (--chunk-size) in a volume of 1073741824 (--size)",
            ],
        ),
        row(
            "no file",
            blank,
            &["label", "v", "nowhere"],
            8,
            &["virstor: nowhere: no such file or directory"],
        ),
        row(
            "a component of a volume",
            trio,
            &["label", "v", "c1", "--size", "8M", "--chunk-size", "128K", "--maxphys", "128K"],
            8,
            &["virstor: c1: carries component 1 of volume dev (id *); use --force to overwrite it"],
        ),
        row(
            "a file system",
            |it| {
                let mut bytes = vec![0; 1 << 20];
                bytes[1080..1082].copy_from_slice(&[0x53, 0xef]);
                file(it, "c0", &bytes);
            },
            &["label", "v", "c0", "--size", "8M", "--chunk-size", "128K", "--maxphys", "128K"],
            8,
            &["virstor: c0: carries ext2, ext3 or ext4; use --force to overwrite it"],
        ),
        row(
            "a partition table",
            |it| {
                let mut bytes = vec![0; 1 << 20];
                bytes[446 + 4] = 0xa5;
                bytes[446 + 8..446 + 16].copy_from_slice(&[64, 0, 0, 0, 0, 4, 0, 0]);
                bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
                file(it, "c0", &bytes);
            },
            &["label", "v", "c0", "--size", "8M", "--chunk-size", "128K", "--maxphys", "128K"],
            8,
            &["virstor: c0: carries a *; use --force to overwrite it"],
        ),
        row(
            "a file that is there already",
            blank,
            &["label", "v", "c0", "--create", "1G"],
            8,
            &["virstor: c0: exists; --create makes new files only"],
        ),
        row(
            "a disk that can only be read",
            read_only,
            &["label", "v", "c0", "--size", "8M", "--chunk-size", "128K", "--maxphys", "128K"],
            8,
            &["virstor: c0: permission denied*"],
        )
        .needs(permissions_count),
        row("too many components", blank, &["label", "v"], 16, &["virstor: 65536 FILEs are given, *65535*"])
            .and(|_| (0..65_536).map(|number| number.to_string().into()).collect()),
    ]
}

/// Volumes that are not changed.
fn changes() -> Vec<Row> {
    vec![
        row(
            "a component that belongs to the volume already",
            trio,
            &["add", "c0", "c1", "c2", "--new", "./c2"],
            16,
            &["virstor: ./c2 is the same file as c2; give each file once"],
        ),
        row(
            "another volume's component",
            two_volumes,
            &["add", "c0", "--new", "d0"],
            8,
            &["virstor: d0: carries component 0 of volume two (id *); use --force to overwrite it"],
        ),
        row(
            "a new component too small",
            |it| {
                trio(it);
                file(it, "new", &[0; 65_536]);
            },
            &["add", "c0", "c1", "c2", "--new", "new"],
            8,
            &["virstor: new: has 65536 bytes, and needs 524288"],
        ),
        row(
            "a new component with other sectors",
            |it| {
                trio(it);
                blank(it);
            },
            &["add", "c0", "c1", "c2", "--new", "blank@4096"],
            16,
            &["virstor: blank: has sectors of 4096 bytes, and the volume of 512"],
        ),
        row(
            "a new component that is not there",
            trio,
            &["add", "c0", "c1", "c2", "--new", "nowhere"],
            8,
            &["virstor: nowhere: no such file or directory"],
        ),
        row(
            "too many new components",
            trio,
            &["add", "c0", "c1", "c2", "--new"],
            16,
            &["virstor: 65535 FILEs are given, *65535*"],
        )
        .and(|_| (0..65_535).map(|number| number.to_string().into()).collect()),
        row(
            "a component in use",
            trio,
            &["remove", "c0", "c1", "c2", "--drop", "c2"],
            8,
            &["virstor: c2: 1 chunk is in use; use --evacuate to move it to other components"],
        ),
        row(
            "the component with the map",
            trio,
            &["remove", "c0", "c1", "c2", "--drop", "c0"],
            8,
            &["virstor: c0: is component 0, which holds the map and stays"],
        ),
        row(
            "a stranger to be removed",
            |it| {
                trio(it);
                blank(it);
            },
            &["remove", "c0", "c1", "c2", "--drop", "blank"],
            16,
            &["virstor: blank: holds no component of volume dev"],
        ),
        row(
            "a volume that is incomplete",
            trio,
            &["grow", "c0", "c1", "--size", "1G"],
            4,
            &["virstor: volume dev: component 2 of 3 is missing; all of them are needed to change it"],
        ),
        row(
            "a volume that is to shrink",
            trio,
            &["grow", "c0", "c1", "c2", "--size", "1M"],
            16,
            &[
                "virstor: the volume has 8388608 bytes, and 1048576, in whole chunks and a map of whole sectors 8388608, is not more; a volume only grows",
            ],
        ),
        row(
            "a volume that is to stay",
            trio,
            &["grow", "c0", "c1", "c2", "--size", "8M"],
            16,
            &["virstor: the volume has 8388608 bytes, and 8388608 is not more; a volume only grows"],
        ),
        row(
            "a volume that is to grow by less than a chunk",
            trio,
            &["grow", "c0", "c1", "c2", "--size", "8400000"],
            16,
            &[
                "virstor: the volume has 8388608 bytes, and 8400000, in whole chunks and a map of whole sectors 8388608, is not more; a volume only grows",
            ],
        ),
        row(
            "a volume that is to be too large",
            trio,
            &["grow", "c0", "c1", "c2", "--size", "8192P"],
            16,
            &[
                "virstor: a virtual size of 9223372036854775808 bytes is too large; 562949953421312 is the most with these chunks",
            ],
        ),
        row(
            "a map without room",
            trio,
            &["grow", "c0", "c1", "c2", "--size", "64T"],
            8,
            &["virstor: c0: has 7 chunks, and the map would take 32768"],
        ),
        row(
            "a damaged volume",
            bad_entries,
            &["compact", "c0"],
            8,
            &["virstor: volume dev is damaged: *; 'virstor repair' it first, or use --force"],
        ),
        row(
            "a volume that force does not help",
            bad_entries,
            &["compact", "c0", "--force"],
            8,
            &[
                "virstor: volume dev is not written to: map entry 1 names chunk 0 of component 9, which cannot be; *",
            ],
        ),
        row(
            "a list of ranges with a slip",
            |it| {
                trio(it);
                file(it, "list", b"0-128K\n\n1M-\nall of it\n");
            },
            &["compact", "c0", "c1", "c2", "--discard", "list"],
            16,
            &["virstor: list: line 4: 'all of it' is not a range: START-END, START+LENGTH or START-"],
        ),
        row(
            "a folder for a list of ranges",
            |it| {
                trio(it);
                folder(it, "list");
            },
            &["compact", "c0", "c1", "c2", "--discard", "list"],
            8,
            &["virstor: list: is a folder"],
        ),
        row(
            "an image larger than the volume",
            |it| {
                trio(it);
                file(it, "image", &vec![1; (8 << 20) + 1]);
            },
            &["import", "-i", "image", "c0", "c1", "c2"],
            8,
            &["virstor: image: has 8388609 bytes, and volume dev has 8388608; 'virstor grow' it first"],
        ),
        row(
            "an image for a volume with data",
            |it| {
                trio(it);
                file(it, "image", &[1; 512]);
            },
            &["import", "-i", "image", "c0", "c1", "c2"],
            8,
            &["virstor: volume dev holds data: 3 chunks are in use; use --force to overwrite it"],
        ),
        row(
            "an image that is a component",
            trio,
            &["import", "-i", "c1", "c0", "c1", "c2"],
            16,
            &["virstor: c1 is one of the FILEs; it cannot be the image, too"],
        ),
        row(
            "a new name of 16 bytes",
            trio,
            &["rename", "abcdefghijklmnop", "c0", "c1", "c2"],
            16,
            &["virstor: the name 'abcdefghijklmnop' has 16 bytes; a record holds 15, and no NUL"],
        ),
        row(
            "a new name of 100 bytes",
            trio,
            &["rename", LONG_NAME, "c0", "c1", "c2"],
            16,
            &["virstor: the name '*' has 100 bytes; *"],
        ),
        row(
            "a new name that plays tricks",
            trio,
            &["rename", "n\x1b[7mx\ny", "--dry-run", "c0", "c1", "c2"],
            0,
            &[],
        )
        .prints(r"volume dev would be n\x1b[7mx\x0ay; 3 records would change"),
        row(
            "a provider name of 16 bytes",
            trio,
            &["set", "hardcode", "abcdefghijklmnop=c0", "c1", "c2"],
            16,
            &["virstor: c0: the provider name has 16 bytes; a record holds 15; give another as NAME=FILE"],
        ),
        row(
            "a provider name of 100 bytes",
            trio,
            &[
                "set",
                "hardcode",
                "c0",
                "c1",
                concat!(
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=c2"
                ),
            ],
            16,
            &["virstor: c2: the provider name has 100 bytes; a record holds 15; give another as NAME=FILE"],
        ),
        row(
            "one provider name for two components",
            trio,
            &["set", "hardcode", "x=c0", "x=c1", "c2"],
            16,
            &["virstor: c0 and c1 have one provider name; give them others as NAME=FILE"],
        ),
        row(
            "a new component with the provider name of another",
            |it| {
                blank(it);
                keep(it, SetBuilder::new("dev").components([1 << 20; 2]).hardcoded(1, "y"));
            },
            &["add", "c0", "y=c1", "--hardcode", "--new", "y=blank"],
            16,
            &["virstor: blank: component 1 has its provider name; give another as NAME=FILE"],
        ),
        row(
            "two new components with one provider name",
            |it| {
                trio(it);
                blank(it);
                file(it, "bare", &[0; 1 << 20]);
            },
            &["add", "c0", "c1", "c2", "--hardcode", "--new", "x=bare", "x=blank"],
            16,
            &["virstor: blank: component 3 has its provider name; give another as NAME=FILE"],
        ),
        row(
            "a new component with a provider name of 16 bytes",
            |it| {
                trio(it);
                blank(it);
            },
            &["add", "c0", "c1", "c2", "--hardcode", "--new", "abcdefghijklmnop=blank"],
            16,
            &["virstor: blank: the provider name has 16 bytes; *"],
        ),
        row(
            "a size to grow to that is none",
            trio,
            &["grow", "c0", "c1", "c2", "--size", "2X"],
            16,
            &["virstor: *'2X'*"],
        ),
        row(
            "a component dropped twice",
            trio,
            &["remove", "c0", "c1", "c2", "--drop", "c1", "./c1", "--evacuate"],
            16,
            &["virstor: ./c1 is the same file as c1; give each file once"],
        ),
        row(
            "a component to be removed that is not there",
            trio,
            &["remove", "c0", "c1", "c2", "--drop", "nowhere"],
            8,
            &["virstor: nowhere: no such file or directory"],
        ),
        row(
            "another volume's component to be removed",
            two_volumes,
            &["remove", "c0", "--drop", "d0"],
            16,
            &["virstor: there are several volumes; choose one by --volume: one/7, two/7"],
        ),
        row(
            "a volume that can only be read",
            |it| {
                trio(it);
                fs::set_permissions(it.join("c1"), Permissions::from_mode(0o444)).expect("it is ours");
            },
            &["rename", "new", "c0", "c1", "c2"],
            8,
            &["virstor: c1: permission denied*"],
        )
        .needs(permissions_count),
        row(
            "an undo log that is there already",
            |it| {
                trio(it);
                file(it, "log", b"mine");
            },
            &["rename", "new", "c0", "c1", "c2", "--undo-log", "log"],
            8,
            &["virstor: log: cannot make the undo log: *; nothing was done"],
        ),
        row("a volume that is cleared without its files", trio, &["clear", "nowhere"], 8, &[NOT_THERE]),
    ]
}

/// What is wrong with a volume's files is wrong for every verb that writes to them.
fn every_verb() -> Vec<Row> {
    const VERBS: [(&str, &[&str], &[&str]); 9] = [
        ("add", &["add"], &["--new", "blank"]),
        ("remove", &["remove"], &["--drop", "c1", "--evacuate"]),
        ("clear", &["clear"], &[]),
        ("grow", &["grow"], &["--size", "16M"]),
        ("compact", &["compact"], &[]),
        ("import", &["import", "--force", "-i", "blank"], &[]),
        ("rename", &["rename", "new"], &[]),
        ("set hardcode", &["set", "hardcode"], &[]),
        ("set no-hardcode", &["set", "no-hardcode"], &[]),
    ];
    type Wrong =
        (&'static str, fn(&Path), &'static [&'static str], i32, &'static [&'static str], fn() -> bool);
    let wrongs: [Wrong; 5] = [
        ("a file that is not there", trio_and_blank, &["c0", "c1", "nowhere", "c2"], 8, &[NOT_THERE], || {
            true
        }),
        (
            "a component used twice",
            trio_and_blank,
            &["c0", "c1", "c2", "./c0"],
            16,
            &["virstor: ./c0 is the same file as c0; give each file once"],
            || true,
        ),
        (
            "another volume's component",
            |it| {
                trio_and_blank(it);
                keep(it, SetBuilder::new("two").component("d0", 1 << 20));
            },
            &["c0", "c1", "c2", "d0"],
            16,
            &["virstor: there are several volumes; choose one by --volume: dev/*, two/*"],
            || true,
        ),
        (
            "sectors of two sizes",
            |it| {
                trio_and_blank(it);
                // The record of the one with large sectors stands at the start of its last.
                let mut bytes = fs::read(it.join("c1")).expect("it was made");
                let record = bytes[(1 << 20) - 512..].to_vec();
                bytes[(1 << 20) - 4096..].fill(0);
                bytes[(1 << 20) - 4096..(1 << 20) - 3584].copy_from_slice(&record);
                file(it, "c1", &bytes);
            },
            &["c0", "c1", "c2"],
            8,
            &["virstor: volume dev is *; 'virstor repair' it first*"],
            || true,
        ),
        (
            "a file that can only be read",
            |it| {
                trio_and_blank(it);
                fs::set_permissions(it.join("c1"), Permissions::from_mode(0o444)).expect("it is ours");
            },
            &["c0", "c1", "c2"],
            8,
            &["virstor: c1: permission denied*"],
            permissions_count,
        ),
    ];
    let mut rows = Vec::new();
    for (verb, before, behind) in VERBS {
        for (wrong, make, files, status, stderr, needs) in wrongs {
            // A volume is given up whatever is wrong with it.
            if verb == "clear" && wrong == "sectors of two sizes" {
                continue;
            }
            let name = format!("{verb}: {wrong}").leak();
            let arguments = [before, files, behind].concat().leak();
            rows.push(row(name, make, arguments, status, stderr).needs(needs));
        }
    }
    rows
}

fn trio_and_blank(folder: &Path) {
    trio(folder);
    file(folder, "blank", &vec![0; 1 << 20]);
}

/// What a verb that writes says of a FILE that is not there.
const NOT_THERE: &str = "virstor: nowhere: no such file or directory; nothing was changed; leave it out of the FILEs if it is lost";

/// Three components, of which the second holds nothing.
fn one_empty(folder: &Path) {
    keep(folder, SetBuilder::new("dev").components([1 << 20; 3]).map(0, 0, 2).map(2, 2, 0).filled(1));
}

/// What is not known to be lost is not given up.
fn unread_files() -> Vec<Row> {
    vec![
        row(
            "a component that is lost",
            one_empty,
            &["repair", "--lossy", "c0", "c2"],
            4,
            &["virstor: note: nothing was written; --apply carries the plan out"],
        )
        .prints("then: clean"),
        row(
            "a name that is mistyped, repaired",
            one_empty,
            &["repair", "--lossy", "--apply", "c0", "nowhere", "c2"],
            8,
            &[NOT_THERE],
        ),
        row(
            "a name that is mistyped, planned",
            one_empty,
            &["repair", "--lossy", "c0", "nowhere", "c2"],
            4,
            &["virstor: note: nowhere: no such file or directory"],
        )
        .prints("then: unusable"),
        row(
            "a folder among the files, repaired",
            |it| {
                one_empty(it);
                folder(it, "f");
            },
            &["repair", "--lossy", "--apply", "c0", "f", "c2"],
            8,
            &["virstor: f: is a folder; nothing was changed; *"],
        ),
        row(
            "a component that may not be read, repaired",
            |it| {
                one_empty(it);
                fs::set_permissions(it.join("c1"), Permissions::from_mode(0o000)).expect("it is ours");
            },
            &["repair", "--lossy", "--apply", "c0", "c1", "c2"],
            8,
            &["virstor: c1: permission denied; nothing was changed; *"],
        )
        .needs(permissions_count),
        row(
            "a component whose record is in a bad area, repaired",
            |it| {
                one_empty(it);
                file(it, "c1.map", b"0 ?\n0 0x100000 -\n");
            },
            &["repair", "--lossy", "--apply", "--bad", "c1.map", "c0", "c1", "c2"],
            8,
            &["virstor: c1: *, as its mapfile says; nothing was changed; *"],
        ),
        row(
            "a component whose record is in a bad area, planned",
            |it| {
                one_empty(it);
                file(it, "c1.map", b"0 ?\n0 0x100000 -\n");
            },
            &["repair", "--lossy", "--bad", "c1.map", "c0", "c1", "c2"],
            4,
            &["virstor: note: c1: *, as its mapfile says"],
        )
        .prints("then: unusable"),
        row(
            "a saved plan and a file that is not there",
            trio,
            &["repair", "--apply-plan", "p", "c0", "c1", "nowhere"],
            8,
            &[NOT_THERE],
        ),
        row(
            "an overlay committed, and a file that is not there",
            trio,
            &["overlay", "commit", "o", "c0", "c1", "nowhere", "c2"],
            8,
            &[NOT_THERE],
        ),
        row(
            "a volume that is served to be written to, and a file that is not there",
            trio,
            &["serve", "--write", "c0", "c1", "nowhere", "c2"],
            8,
            &[NOT_THERE],
        ),
        row(
            "a volume that would be cleared, and a file that is not there",
            trio,
            &["clear", "--dry-run", "c0", "c1", "nowhere", "c2"],
            0,
            &["virstor: note: nowhere: no such file or directory"],
        )
        .prints("would be cleared"),
    ]
}

/// Verbs that write, given what they must not touch.
fn repairs() -> Vec<Row> {
    vec![
        row(
            "a log that is none",
            |it| file(it, "l", b"x"),
            &["undo", "l", "f"],
            8,
            &["virstor: l: is no undo log, *"],
        ),
        row("no log", |_| {}, &["undo", "l", "f"], 8, &["virstor: l: no such file or directory"]),
        row("a folder as a log", |it| folder(it, "l"), &["undo", "l", "f"], 8, &["virstor: l: is a folder"]),
        row(
            "a log on stdout",
            trio,
            &["rename", "new", "--undo-log", "-", "c0", "c1", "c2"],
            16,
            &[
                "virstor: invalid value '-' for '--undo-log <FILE>': it has to be a file; './-' is one of that name; see 'virstor help'",
            ],
        ),
        row("a log without files", |it| file(it, "l", b"x"), &["undo", "l"], 16, &["virstor: *"]),
        row(
            "nothing to repair",
            |it| file(it, "f", b""),
            &["repair", "f"],
            4,
            &["virstor: f: the file is empty"],
        ),
        row(
            "one file twice, repaired",
            |it| file(it, "f", b"x"),
            &["repair", "--apply", "f", "./f"],
            16,
            &["virstor: ./f is the same file as f; give each file once"],
        ),
        row(
            "no such code",
            |it| file(it, "f", b"x"),
            &["repair", "--only", "bad-luck", "f"],
            16,
            &["virstor: *'bad-luck' is no code; *"],
        ),
        row(
            "a plan that is none",
            |it| {
                file(it, "f", b"x");
                file(it, "p", b"{}");
            },
            &["repair", "--apply-plan", "p", "f"],
            8,
            &["virstor: p: is no plan: *"],
        ),
    ]
}
