//! The table.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use virstor_testkit::SetBuilder;

use crate::files::{
    absurd, bad_entries, copy, crowd, cut, file, folder, forbidden, keep, link, no_text, pebibyte, rename,
    shorten, thousand, thousand_hostile, tricky, trio, two_volumes,
};

/// What the program is given and what it has to answer.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Makes the files.
    pub(crate) make: fn(&Path),
    pub(crate) arguments: &'static [&'static str],
    /// Arguments that depend on the files.
    pub(crate) more_arguments: fn(&Path) -> Vec<OsString>,
    pub(crate) status: i32,
    /// The lines on stderr; `*` stands for anything.
    pub(crate) stderr: &'static [&'static str],
    pub(crate) stdout: Stdout,
    /// Files that are there afterwards and were not before.
    pub(crate) creates: &'static [&'static str],
    /// Whether the row can be run here.
    pub(crate) needs: Option<fn() -> bool>,
}

/// What stdout is, or gets.
#[derive(Clone, Copy)]
pub(crate) enum Stdout {
    /// It gets nothing.
    Empty,
    /// It gets this, among other things.
    Has(&'static str),
    /// It gets anything.
    Any,
    /// It is not looked at: there is much of it.
    Nowhere,
    /// It is a full disk.
    Full,
    /// It is a pipe that is closed after one byte.
    Closed,
}

/// A row that prints nothing, changes nothing and can be run everywhere.
pub(crate) fn row(
    name: &'static str,
    make: fn(&Path),
    arguments: &'static [&'static str],
    status: i32,
    stderr: &'static [&'static str],
) -> Row {
    let (more_arguments, stdout) = (nothing as fn(&Path) -> Vec<OsString>, Stdout::Empty);
    Row { name, make, arguments, more_arguments, status, stderr, stdout, creates: &[], needs: None }
}

impl Row {
    pub(crate) fn prints(self, text: &'static str) -> Self {
        Self { stdout: Stdout::Has(text), ..self }
    }

    pub(crate) fn to(self, stdout: Stdout) -> Self {
        Self { stdout, ..self }
    }

    pub(crate) fn creates(self, creates: &'static [&'static str]) -> Self {
        Self { creates, ..self }
    }

    pub(crate) fn needs(self, needs: fn() -> bool) -> Self {
        Self { needs: Some(needs), ..self }
    }

    pub(crate) fn and(self, more_arguments: fn(&Path) -> Vec<OsString>) -> Self {
        Self { more_arguments, ..self }
    }
}

pub(crate) fn all() -> Vec<Row> {
    [
        not_images(),
        broken_files(),
        absurd_numbers(),
        heaps(),
        outputs(),
        stdout(),
        arguments(),
        crate::changes::all(),
        crate::rescue::all(),
        crate::serve::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn not_images() -> Vec<Row> {
    let special = |folder: &Path| {
        let made = Command::new("mkfifo").arg(folder.join("fifo")).status();
        assert!(made.expect("mkfifo is everywhere").success());
    };
    vec![
        row("no name of a file", |_| {}, &["info", ""], 16, &["virstor: '' names no file"]),
        row("only the name of a provider", |_| {}, &["info", "da0="], 16, &["virstor: 'da0=' names no file"]),
        row(
            "a debug level that is none",
            trio,
            &["info", "--kernel-log=foo", "c0"],
            16,
            &[
                "virstor: invalid value 'foo' for '--kernel-log[=<LEVEL>]': 'foo' is not a number from 0 to 4294967295; *",
            ],
        ),
        row(
            "a log of the kernel as a document",
            trio,
            &["info", "--kernel-log", "--json", "c0"],
            16,
            &["virstor: the argument '--kernel-log[=<LEVEL>]' cannot be used with '--json'; *"],
        ),
        row("an empty file", |it| file(it, "f", b""), &["info", "f"], 4, &["virstor: f: the file is empty"]),
        row(
            "an empty file, mapped",
            |it| file(it, "f", b""),
            &["map", "f"],
            4,
            &["virstor: f: the file is empty"],
        ),
        row(
            "one byte",
            |it| file(it, "f", b"G"),
            &["info", "f"],
            4,
            &["virstor: f: its size is 1, and a record takes a sector of at least 512 bytes"],
        ),
        row(
            "one byte, dumped",
            |it| file(it, "f", b"G"),
            &["dump", "f"],
            4,
            &["virstor: f: its size is 1, *"],
        ),
        row("a folder", |it| folder(it, "f"), &["info", "f"], 8, &["virstor: f: is a folder"]),
        row("a folder, dumped", |it| folder(it, "f"), &["dump", "f"], 8, &["virstor: f: is a folder"]),
        row(
            "a folder, exported",
            |it| folder(it, "f"),
            &["export", "-o", "o", "f"],
            8,
            &["virstor: f: is a folder"],
        ),
        row("no file", |_| {}, &["info", "f"], 8, &["virstor: f: no such file or directory"]),
        row("no file, status", |_| {}, &["status", "f"], 8, &["virstor: f: no such file or directory"]),
        row("no file, report", |_| {}, &["report", "f"], 8, &["virstor: f: no such file or directory"])
            .prints("There is no virstor volume in these files."),
        row(
            "a pipe with no writer",
            special,
            &["info", "fifo"],
            8,
            &["virstor: fifo: is neither a file nor a disk"],
        ),
        row(
            "/dev/null",
            |_| {},
            &["info", "/dev/null"],
            8,
            &["virstor: /dev/null: is neither a file nor a disk"],
        )
        .needs(is_linux),
        row(
            "/dev/zero",
            |_| {},
            &["dump", "/dev/zero"],
            8,
            &["virstor: /dev/zero: is neither a file nor a disk"],
        )
        .needs(is_linux),
        row(
            "a link to itself",
            |it| link("f", it, "f"),
            &["info", "f"],
            8,
            &["virstor: f: too many levels of symbolic links*"],
        ),
        row("a file that may not be read", forbidden, &["info", "f"], 8, &["virstor: f: permission denied"])
            .needs(permissions_count),
        row("a name that is no text", no_text, &["info"], 0, &[]).and(everything).prints("c\\xff\\x1b[2J"),
    ]
}

fn broken_files() -> Vec<Row> {
    vec![
        row("a last sector cut behind the record", |it| cut(it, 100), &["info", "c0", "c1", "c2"], 0, &[])
            .prints("c1 has 1048476 bytes, its record says 1048576"),
        row(
            "a last sector cut behind the record, exported",
            |it| cut(it, 100),
            &["export", "-o", "o", "c0", "c1", "c2"],
            0,
            &[],
        )
        .prints("o: 8 MiB written")
        .creates(&["o"]),
        row("a last sector cut within the record", |it| cut(it, 450), &["info", "c0", "c1", "c2"], 4, &[])
            .prints("c1: no virstor record in its last 1048126 bytes"),
        row(
            "a last sector gone",
            |it| cut(it, 512),
            &["export", "-o", "o", "c0", "c1", "c2"],
            8,
            &["virstor: 131072 of 8388608 bytes are lost, because component 1 is missing; --missing zero *"],
        ),
        row(
            "a map cut in two",
            |it| shorten(it, "c0", 100),
            &["info", "c0"],
            4,
            &["virstor: c0: its size is 100, and a record takes a sector of at least 512 bytes"],
        ),
        row("a name with terminal escapes", tricky, &["info", "c0"], 0, &[])
            .prints("volume \\x1b[2J\\x0a\\u{202e}x (id 7)"),
        row("a name with terminal escapes, reported", tricky, &["report", "c0"], 0, &[])
            .prints("## Volume `\\x1b[2J\\x0a\\u{202e}x`, id 7"),
        row("a name with terminal escapes, dumped", tricky, &["dump", "c0"], 0, &[]).prints("\\x1b[2J"),
        row("a name with terminal escapes, status", tricky, &["status", "c0"], 0, &[])
            .prints("&#27;[2J&#10;"),
        row("a name with terminal escapes, logged", tricky, &["info", "--kernel-log", "10", "c0"], 0, &[])
            .prints("Device \\x1b[2J\\x0a\\u{202e}x created"),
        row(
            "a file name with terminal escapes",
            |it| file(it, "f\u{1b}[2J\n", b"x"),
            &["info", "f\u{1b}[2J\n"],
            4,
            &["virstor: f\\x1b[2J\\x0a: its size is 1, *"],
        ),
        row(
            "a map that names what is not there",
            bad_entries,
            &["export", "-o", "o", "c0"],
            8,
            &[
                "virstor: 262144 of 8388608 bytes are lost, because 2 of 64 map entries on c0 name chunks that cannot be; *",
            ],
        ),
        row(
            "a map that names what is not there, compared",
            bad_entries,
            &["compare", "c0", "--with", "c0"],
            4,
            &[],
        )
        .prints("262144 bytes of the volume are lost"),
    ]
}

fn absurd_numbers() -> Vec<Row> {
    vec![
        row(
            "chunk size 0",
            |it| absurd(it, |record| record.chunk_size = 0),
            &["info", "c0"],
            4,
            &["virstor: c0: its record says that a chunk has 0 bytes; it has at least 1"],
        ),
        row(
            "chunk size 0, dumped",
            |it| absurd(it, |record| record.chunk_size = 0),
            &["dump", "c0"],
            0,
            &["virstor: note: c0: its record says that a chunk has 0 bytes; it has at least 1"],
        )
        .prints("Chunk size: 0 bytes"),
        row("chunk size 1", |it| absurd(it, |record| record.chunk_size = 1), &["info", "c0"], 4, &[])
            .prints("the map needs 8388608 entries, and component 0 has room for 131072"),
        row(
            "chunk size 1, exported",
            |it| absurd(it, |record| record.chunk_size = 1),
            &["export", "-o", "o", "c0"],
            8,
            &[
                "virstor: 8257538 of 8388608 bytes are lost, because the map needs 8388608 entries, and c0 has room for 131072; *",
            ],
        ),
        row(
            "chunk size 2^32-1",
            |it| absurd(it, |record| record.chunk_size = u32::MAX),
            &["info", "c0"],
            4,
            &[
                "virstor: c0: its record says that the volume has 8388608 bytes, less than a chunk of 4294967295",
            ],
        ),
        row(
            "virtual size 2^64-1",
            |it| absurd(it, |record| record.virsize = u64::MAX),
            &["info", "c0"],
            4,
            &[],
        )
        .prints("the map needs 140737488355327 entries, and component 0 has room for 131072"),
        row(
            "virtual size 2^64-1, mapped",
            |it| absurd(it, |record| record.virsize = u64::MAX),
            &["map", "--totals", "c0"],
            4,
            &[],
        )
        .prints("18446744073709420544"),
        row(
            "virtual size 2^64-1, exported",
            |it| absurd(it, |record| record.virsize = u64::MAX),
            &["export", "--missing", "zero", "-o", "o", "c0"],
            8,
            &[
                "virstor: o: cannot be written (18446744073709420544 bytes, 262144 of them data): file too large",
            ],
        ),
        row(
            "virtual size 2^64-1, exported as qcow2",
            |it| absurd(it, |record| record.virsize = u64::MAX),
            &["export", "--missing", "zero", "-o", "o.qcow2", "c0"],
            8,
            &["virstor: qcow2: a virtual size of 18446744073709420544 bytes: *"],
        ),
        row(
            "virtual size and chunk size at their largest",
            |it| {
                absurd(it, |record| (record.virsize, record.chunk_size) = (u64::MAX, u32::MAX));
            },
            &["map", "c0"],
            4,
            &[],
        )
        .prints("no map"),
        row(
            "count 0",
            |it| absurd(it, |record| record.count = 0),
            &["info", "c0"],
            4,
            &["virstor: c0: its record says that there are 0 components; there is at least 1"],
        ),
        row("count 65535", |it| absurd(it, |record| record.count = u16::MAX), &["info", "c0"], 4, &[])
            .prints("incomplete: 1 of 65535 components; missing 1-65534"),
        row("number 65535", |it| absurd(it, |record| record.no = u16::MAX), &["info", "c0"], 4, &[])
            .prints("c0 says it is component 65535 of 1"),
        row(
            "chunk_count 2^32-1",
            |it| absurd(it, |record| record.chunk_count = u32::MAX),
            &["info", "c0"],
            0,
            &[],
        )
        .prints("c0 has 4294967295 chunks by its record, and there is room for 7 before its last sector"),
        row(
            "chunk_count 2^32-1, status",
            |it| absurd(it, |record| record.chunk_count = u32::MAX),
            &["status", "c0"],
            0,
            &[],
        )
        .prints("<ChunkCount>4294967295</ChunkCount>"),
        row(
            "everything at its largest",
            |it| {
                absurd(it, |record| {
                    (record.virsize, record.chunk_size, record.count) = (u64::MAX, u32::MAX, u16::MAX);
                    (record.chunk_count, record.chunk_next, record.chunk_reserved) =
                        (u32::MAX, u32::MAX, u16::MAX);
                })
            },
            &["info", "--json", "c0"],
            4,
            &[],
        )
        .prints("\"component_count\":65535"),
        row(
            "a map of 256 MiB in a sparse file",
            |it| {
                let set = SetBuilder::new("wide").chunk_size(1 << 20).components([1 << 30]).reserved(512);
                let set = set.virtual_chunks(1 << 25);
                keep(it, set);
            },
            &["map", "--totals", "c0"],
            0,
            &[],
        )
        .prints("35184372088832"),
        row("1 PiB in chunks of 16 MiB", pebibyte, &["info", "c0"], 0, &[]).prints("wide (id 7): 1 PiB"),
        row("1 PiB, mapped", pebibyte, &["map", "--totals", "c0"], 0, &[]).prints("1125899906842624"),
        row("1 PiB, checked", pebibyte, &["check", "c0"], 0, &[]).prints("clean"),
        row("65,535 components", crowd, &["info", "--quiet", "s"], 0, &[])
            .prints("complete: 65535 of 65535 components"),
        row("65,535 components, checked", crowd, &["check", "--quiet", "s"], 0, &[]).prints("clean"),
        row("65,535 components as JSON", crowd, &["info", "--quiet", "--json", "s"], 0, &[])
            .to(Stdout::Nowhere),
        row("65,535 components, mapped", crowd, &["map", "--quiet", "--totals", "s"], 0, &[])
            .prints("134217728"),
    ]
}

fn heaps() -> Vec<Row> {
    vec![
        row("the same file twice", trio, &["info", "c0", "c1", "c2", "./c1"], 0, &[
            "virstor: note: ./c1 is the same file as c1; it is looked at once",
        ])
        .prints("complete: 3 of 3 components"),
        row("a copy of a file", |it| { trio(it); copy(it, "c1", "c1b"); }, &["info", "c0", "c1", "c1b", "c2"], 0, &[])
            .prints("c1 and c1b both say they are component 1; c1 is used (--prefer chooses)"),
        row("a file that is not there, beside a whole set", trio, &["info", "c0", "c1", "c2", "c9"], 8, &[])
            .prints("c9: no such file or directory"),
        row("a file that is not there, mapped beside a whole set", trio, &["map", "c0", "c1", "c2", "c9"], 0, &[
            "virstor: note: c9: no such file or directory",
        ])
        .to(Stdout::Any),
        row("strangers only", |it| { file(it, "a", &[7; 600]); file(it, "b", b"x"); }, &["info", "a", "b", "c"], 8, &[
            "virstor: no virstor volume here: c: no such file or directory; and 2 more files",
        ]),
        row("sectors of another size than the disk has", trio, &["map", "--sector-size", "4096", "c0"], 4, &[
            "virstor: c0: no virstor record where sectors of 4096 bytes, as asked for, have it; one stands there for sectors of 512",
        ]),
        row("a file with sectors of another size, beside the others", trio, &["info", "c0", "c1@4096", "c2"], 4, &[])
            .prints("c1: no virstor record where sectors of 4096 bytes, as asked for, have it; one stands there for sectors of 512"),
        row("several volumes", two_volumes, &["map", "c0", "d0"], 16, &[
            "virstor: there are several volumes; choose one by --volume: one/7, two/7",
        ]),
        row("a volume that is not there", two_volumes, &["info", "--volume", "three", "c0", "d0"], 16, &[
            "virstor: there is no volume three here; found: one/7, two/7",
        ]),
        row("a preferred file that was not given", trio, &["info", "--prefer", "c9", "c0"], 16, &[
            "virstor: --prefer c9: not one of the files given",
        ]),
        row("1,000 files", thousand, &["info"], 0, &[]).and(everything).prints("volume v199 (id 7)"),
        row("1,000 files, dumped", thousand, &["dump", "--quiet"], 0, &[]).and(everything).prints("Metadata on f0998"),
        row("1,000 files, one volume mapped", thousand, &["map", "--volume", "v7"], 0, &[])
            .and(everything)
            .prints("8388608"),
        row("1,000 files and no choice", thousand, &["map"], 16, &[
            "virstor: there are several volumes; choose one by --volume: v0/7, *, v7/7 and 192 more ('virstor info' lists them)",
        ])
        .and(everything),
        row("1,000 hostile records", thousand_hostile, &["info"], 4, &[]).and(everything).prints("1 of 65535"),
        row("1,000 hostile records as JSON", thousand_hostile, &["info", "--json"], 4, &[])
            .and(everything)
            .to(Stdout::Nowhere),
        row("1,000 hostile records, reported", thousand_hostile, &["report", "--json"], 4, &[])
            .and(everything)
            .to(Stdout::Nowhere),
        row("1,000 hostile records, status", thousand_hostile, &["status"], 4, &["virstor: FreeBSD panics *"])
            .and(everything)
            .to(Stdout::Any),
    ]
}

fn outputs() -> Vec<Row> {
    let links = |it: &Path| {
        trio(it);
        link("c0", it, "soft");
        fs::hard_link(it.join("c0"), it.join("hard")).expect("the host has links");
    };
    vec![
        row("OUT is an input", trio, &["export", "-o", "c1", "--force", "c0", "c1", "c2"], 8, &[
            "virstor: c1: is one of the inputs",
        ]),
        row("OUT is an input behind a link", links, &["export", "-o", "soft", "--force", "c0", "c1", "c2"], 8, &[
            "virstor: soft: is one of the inputs",
        ]),
        row("OUT is an input by another name", links, &["export", "-o", "hard", "--force", "c0", "c1", "c2"], 8, &[
            "virstor: hard: is one of the inputs",
        ]),
        row("OUT is an input that was given a name", trio, &["export", "-o", "c1", "--force", "c0", "da1=c1@512", "c2"], 8, &[
            "virstor: c1: is one of the inputs",
        ]),
        row("OUT.part is an input", |it| { trio(it); rename(it, "c2", "o.part"); }, &["export", "-o", "o", "c0", "c1", "o.part"], 8, &[
            "virstor: o.part: is one of the inputs, and the image is written there first",
        ]),
        row("OUT.part is a link to an input", |it| { trio(it); link("c2", it, "o.part"); }, &["export", "-o", "o", "c0", "c1", "c2"], 8, &[
            "virstor: o.part: is one of the inputs, and the image is written there first",
        ]),
        row("OUT.part is a link", |it| { trio(it); file(it, "mine", b"mine"); link("mine", it, "o.part"); }, &["export", "-o", "o", "c0", "c1", "c2"], 8, &[
            "virstor: o.part: is a link, and the image is written there first",
        ]),
        row("OUT.part is what an export left", |it| { trio(it); file(it, "o.part", b"precious"); }, &["export", "-o", "o", "c0", "c1", "c2"], 8, &[
            "virstor: o.part: exists, perhaps left by an interrupted run, and the image is written there first; --force replaces it",
        ]),
        row("OUT.part is there and a specimen is to be", |it| { trio(it); file(it, "o.part", b"precious"); }, &["collect", "-o", "o", "c0", "c1", "c2"], 8, &[
            "virstor: o.part: exists, *; --force replaces it",
        ]),
        row("OUT.part is there and a backup is to be", |it| { trio(it); file(it, "o.part", b"precious"); }, &["backup-map", "-o", "o", "c0", "c1", "c2"], 8, &[
            "virstor: o.part: exists, *; --force replaces it",
        ]),
        row("OUT exists", |it| { trio(it); file(it, "o", b"mine"); }, &["export", "-o", "o", "c0", "c1", "c2"], 8, &[
            "virstor: o: exists; --force replaces it",
        ]),
        row("OUT is a link that leads nowhere", |it| { trio(it); link("nowhere", it, "o"); }, &["export", "-o", "o", "c0", "c1", "c2"], 8, &[
            "virstor: o: exists; --force replaces it",
        ]),
        row("OUT is in a folder that is not there", trio, &["export", "-o", "no/o", "c0", "c1", "c2"], 8, &[
            "virstor: no/o: cannot be written: no such file or directory",
        ]),
        row("OUT is a folder", |it| { trio(it); folder(it, "o"); }, &["export", "--force", "-o", "o", "c0", "c1", "c2"], 8, &[
            "virstor: o: is a folder",
        ]),
        row("OUT is a full disk", trio, &["export", "--force", "-o", "/dev/full", "c0", "c1", "c2"], 8, &[
            "virstor: /dev/full: cannot be written (8388608 bytes, 393216 of them data): no space left on device",
        ])
        .needs(has_dev_full),
        row("an incomplete set", trio, &["export", "-o", "o", "c0", "c2"], 8, &[
            "virstor: 131072 of 8388608 bytes are lost, because component 1 is missing; --missing zero exports the rest with zeros there",
        ]),
        row("an incomplete set, zeros wanted", trio, &["export", "--missing", "zero", "-o", "o", "c0", "c2"], 4, &[])
            .prints("128 KiB of it are lost and read as zeros")
            .creates(&["o"]),
        row("a set without its map", trio, &["export", "-o", "o", "c1", "c2"], 8, &[
            "virstor: 8388608 of 8388608 bytes are lost, because component 0, which has the map, is missing; 'virstor map --orphans' *",
        ]),
    ]
}

fn stdout() -> Vec<Row> {
    let full = |name, arguments| {
        row(name, trio, arguments, 8, &["virstor: cannot write to stdout: no space left on device"])
            .to(Stdout::Full)
            .needs(has_dev_full)
    };
    let closed = |name, arguments| row(name, trio, arguments, 0, &[]).to(Stdout::Closed);
    vec![
        full("info on a full disk", &["info", "c0", "c1", "c2"]),
        full("map on a full disk", &["map", "c0", "c1", "c2"]),
        full("dump on a full disk", &["dump", "c0"]),
        full("export on a full disk", &["export", "-o", "-", "c0", "c1", "c2"]),
        full("help on a full disk", &["help"]),
        closed("info into a closed pipe", &["info", "c0", "c1", "c2"]),
        closed("export into a closed pipe", &["export", "-o", "-", "c0", "c1", "c2"]),
        closed("qcow2 into a closed pipe", &["export", "--format", "qcow2", "-o", "-", "c0", "c1", "c2"]),
        row(
            "an incomplete set to stdout",
            trio,
            &["export", "-o", "-", "c0", "c2"],
            8,
            &["virstor: 131072 of 8388608 bytes are lost, because component 1 is missing; *"],
        ),
        row(
            "an image and JSON to stdout",
            trio,
            &["export", "--json", "-o", "-", "c0", "c1", "c2"],
            16,
            &["virstor: --json and an image cannot both go to stdout"],
        ),
    ]
}

fn arguments() -> Vec<Row> {
    let usage = |name, arguments, stderr| row(name, trio, arguments, 16, stderr);
    vec![
        usage("no verb", &[], &["virstor: no verb given; 'virstor help' lists them"]),
        usage("a verb that is none", &["frob"], &["virstor: unrecognized subcommand 'frob'*"]),
        usage(
            "no files",
            &["info"],
            &["virstor: the following required arguments were not provided: <FILE>...*"],
        ),
        usage(
            "no OUT",
            &["export", "c0"],
            &["virstor: the following required arguments were not provided: *"],
        ),
        usage(
            "an option that is none",
            &["info", "--frob", "c0"],
            &["virstor: unexpected argument '--frob' found*"],
        ),
        usage(
            "an argument with terminal escapes",
            &["info", "--scan", "\u{1b}[2J", "c0"],
            &["virstor: invalid value ''*"],
        ),
        usage(
            "a sector size that is none",
            &["info", "--sector-size", "513", "c0"],
            &[
                "virstor: invalid value '513' for '--sector-size <N>': a sector size is a power of two from 512 to 65536, not 513*",
            ],
        ),
        usage(
            "a sector size that is none, at a file",
            &["info", "c0@1000"],
            &["virstor: c0@1000: a sector size is a power of two from 512 to 65536, not 1000"],
        ),
        usage(
            "a size without a number",
            &["info", "--scan", "M", "c0"],
            &["virstor: invalid value 'M' for '--scan <SIZE>'*"],
        ),
        usage(
            "a size over 64 bits",
            &["info", "--scan", "16384P", "c0"],
            &["virstor: invalid value '16384P'*does not fit into 64 bits*"],
        ),
        usage(
            "a range behind the volume",
            &["map", "--range", "8M+1", "c0", "c1", "c2"],
            &["virstor: the range ends at 8388609, and the volume has 8388608 bytes"],
        ),
        usage(
            "a range that starts behind the volume",
            &["export", "-o", "o", "--range", "9M-", "c0", "c1", "c2"],
            &["virstor: the range ends at 9437184, and the volume has 8388608 bytes"],
        ),
        usage(
            "a range backwards",
            &["map", "--range", "9-1", "c0"],
            &["virstor: invalid value '9-1'*ends before it starts*"],
        ),
        usage(
            "a range over 64 bits",
            &["map", "--range", "1+18446744073709551615", "c0"],
            &["virstor: invalid value*does not fit into 64 bits*"],
        ),
        row("an empty range", trio, &["export", "-o", "o", "--range", "8M-", "c0", "c1", "c2"], 0, &[])
            .prints("0 B written")
            .creates(&["o"]),
        row(
            "an image to compare with that is not there",
            trio,
            &["compare", "c0", "c1", "c2", "--with", "no"],
            8,
            &["virstor: no: no such file or directory"],
        ),
        row(
            "an image that ends within the range to compare",
            |it| {
                trio(it);
                file(it, "short", &[0; 1 << 20]);
            },
            &["compare", "--range", "4M-6M", "--with", "short", "c0", "c1", "c2"],
            4,
            &[],
        )
        .prints(
            "the image ends at 1048576, the range is 4194304-6291456: 2097152 bytes of it were not compared",
        ),
        row(
            "an empty image to compare a range with",
            |it| {
                trio(it);
                file(it, "empty", b"");
            },
            &["compare", "--json", "--range", "0-1M", "--with", "empty", "c0", "c1", "c2"],
            4,
            &[],
        )
        .prints("\"absent\":1048576"),
        row(
            "an export of the range to compare, taken for an image of the volume",
            |it| {
                trio(it);
                file(it, "short", &[0; 1 << 20]);
            },
            &["compare", "--range", "4M+1M", "--with", "short", "c0", "c1", "c2"],
            4,
            &[],
        )
        .prints("virstor export --range 4194304-5242880 -o - FILE... | cmp - RAW"),
        row(
            "a folder to compare with",
            trio,
            &["compare", "c0", "c1", "c2", "--with", "."],
            8,
            &["virstor: .: is a folder"],
        ),
    ]
}

fn nothing(_: &Path) -> Vec<OsString> {
    Vec::new()
}

/// The names of all files, sorted.
fn everything(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).expect("the folder was just made");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("it can be listed").file_name()).collect();
    names.sort();
    names
}

fn is_linux() -> bool {
    cfg!(target_os = "linux")
}

fn has_dev_full() -> bool {
    Path::new("/dev/full").exists()
}

/// Root may read everything, so it cannot be told what happens to others.
pub(crate) fn permissions_count() -> bool {
    let folder = tempfile::tempdir().expect("there is room");
    forbidden(folder.path());
    File::open(folder.path().join("f")).is_err()
}
