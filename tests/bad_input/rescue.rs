//! Rows about specimens, backups, mapfiles and assumed records.

use std::path::Path;

use virstor_testkit::{SetBuilder, write_sparsely};

use crate::files::{backed_up, backed_up_and_damaged, file, folder, keep, trio};
use crate::rows::{Row, Stdout, row};

pub(crate) fn all() -> Vec<Row> {
    [specimens(), mapfiles(), assumptions(), changes()].into_iter().flatten().collect()
}

fn specimens() -> Vec<Row> {
    vec![
        row(
            "a specimen that exists",
            |it| {
                trio(it);
                file(it, "s", b"mine");
            },
            &["collect", "-o", "s", "c0", "c1", "c2"],
            8,
            &["virstor: s: exists; --force replaces it"],
        ),
        row(
            "a specimen over an input",
            trio,
            &["collect", "--force", "-o", "c1", "c0", "c1", "c2"],
            8,
            &["virstor: c1: is one of the inputs"],
        ),
        row(
            "a specimen of nothing",
            |it| file(it, "f", &[7; 4096]),
            &["collect", "-o", "s", "f"],
            4,
            &["virstor: f: no virstor record in its last 4096 bytes"],
        ),
        row(
            "a specimen and JSON on stdout",
            trio,
            &["collect", "--json", "-o", "-", "c0", "c1", "c2"],
            16,
            &["virstor: --json and a specimen cannot both go to stdout"],
        ),
        row("a specimen", trio, &["collect", "-o", "s", "c0", "c1", "c2"], 0, &[])
            .prints("for 3 files of 3 MiB in all and 64 map entries")
            .creates(&["s"]),
        row(
            "a specimen that is cut off",
            |it| file(it, "s", b"virstor specimen\x01\0\0\0"),
            &["info", "s"],
            8,
            &["virstor: s: is a specimen that is cut off after 20 bytes"],
        ),
        row(
            "a specimen of the future",
            |it| file(it, "s", b"virstor specimen\x02\0\0\0"),
            &["info", "s"],
            8,
            &["virstor: s: is a specimen of version 2; this program reads version 1"],
        ),
        row(
            "a specimen that is nonsense",
            |it| file(it, "s", &[&b"virstor specimen\x01\0\0\0\0\0\0\0"[..], &[9; 99]].concat()),
            &["info", "s"],
            8,
            &["virstor: s: is a damaged specimen: an unknown part at byte 24"],
        ),
        row(
            "a backup without a map",
            trio,
            &["backup-map", "-o", "b", "c1", "c2"],
            4,
            &["virstor: component 0, which has the map, is missing; there is nothing to back up"],
        ),
        row(
            "a backup of a part of the set",
            trio,
            &["backup-map", "-o", "b", "c0", "c2"],
            0,
            &["virstor: note: not in the backup: component 1 of 3, which is not here"],
        )
        .to(Stdout::Any)
        .creates(&["b"]),
        row(
            "a backup and JSON on stdout",
            trio,
            &["backup-map", "--json", "-o", "-", "c0", "c1", "c2"],
            16,
            &["virstor: --json and a backup cannot both go to stdout"],
        ),
        row(
            "a backup of a part of the set on stdout",
            trio,
            &["backup-map", "-o", "-", "c0", "c2"],
            0,
            &["virstor: note: not in the backup: component 1 of 3, which is not here"],
        )
        .prints("virstor specimen"),
        row("a backup on stdout", trio, &["backup-map", "-o", "-", "c0", "c1", "c2"], 0, &[])
            .prints("virstor specimen"),
        row("a backup", trio, &["backup-map", "-o", "b", "c0", "c1", "c2"], 0, &[])
            .to(Stdout::Any)
            .creates(&["b"]),
    ]
}

fn mapfiles() -> Vec<Row> {
    vec![
        row(
            "a mapfile that is not there",
            trio,
            &["map", "--bad", "c1.map", "c0", "c1", "c2"],
            8,
            &["virstor: c1.map: no such file or directory"],
        ),
        row(
            "a mapfile of no file",
            |it| {
                trio(it);
                file(it, "x", b"0 ?\n");
            },
            &["map", "--bad", "x", "c0", "c1", "c2"],
            16,
            &["virstor: --bad x: no one file is called like it; say which by --bad FILE=x"],
        ),
        row(
            "a mapfile of a file that is not given",
            trio,
            &["map", "--bad", "c9=c1.map", "c0", "c1", "c2"],
            16,
            &["virstor: --bad c9=c1.map: c9 is not one of the files given"],
        ),
        row(
            "two mapfiles of a file",
            |it| {
                trio(it);
                file(it, "c1.map", b"0 ?\n");
            },
            &["map", "--bad", "c1.map", "--bad", "c1=c1.map", "c0", "c1"],
            16,
            &["virstor: --bad c1=c1.map: c1 has a mapfile already"],
        ),
        row(
            "a mapfile that is an image",
            |it| {
                trio(it);
                file(it, "c1.map", &[0xff; 600]);
            },
            &["map", "--bad", "c1.map", "c0", "c1"],
            8,
            &["virstor: c1.map: is no mapfile of ddrescue: it is no text"],
        ),
        row(
            "a mapfile with a wrong line",
            |it| {
                trio(it);
                file(it, "c1.map", b"0 ?\n0 5 x\n");
            },
            &["map", "--bad", "c1.map", "c0", "c1"],
            8,
            &["virstor: c1.map: is no mapfile of ddrescue: line 2: the status is none of ? * / - +"],
        ),
        row(
            "a mapfile of a component that cannot be",
            trio,
            &["map", "--ddrescue", "--component", "3", "c0", "c1", "c2"],
            16,
            &["virstor: there is no component 3; the volume has 3"],
        ),
        row(
            "a mapfile of a component that is no number",
            trio,
            &["map", "--ddrescue", "--component", "x", "c0", "c1", "c2"],
            16,
            &[
                "virstor: invalid value 'x' for '--component <N>': 'x' is not the number of a component, from 0 to 65534; *",
            ],
        ),
        row(
            "a mapfile that is a folder",
            |it| {
                trio(it);
                folder(it, "c1.map");
            },
            &["map", "--bad", "c1.map", "c0", "c1", "c2"],
            8,
            &["virstor: c1.map: is a folder"],
        ),
        row(
            "what matters without a map",
            trio,
            &["map", "--ddrescue", "--component", "1", "c1", "c2"],
            4,
            &["virstor: component 0, which has the map, is missing; it alone tells what matters elsewhere"],
        ),
        row("what is allocated without a map", trio, &["info", "c1", "c2"], 4, &[])
            .prints("64 virtual; how many are allocated or free is unknown without the map"),
        row("a picture without a map", trio, &["map", "--picture", "c1", "c2"], 0, &[])
            .prints("~ unknown without the map"),
        row("a report without a map", trio, &["report", "c1", "c2"], 4, &[])
            .prints("- Allocated: unknown of 64 chunks\n"),
        row("advice without a map", trio, &["check", "c1", "c2"], 4, &[])
            .prints("'virstor map --orphans' lists the chunks that hold data."),
        row(
            "what matters of the disk with the map, without it",
            trio,
            &["map", "--ddrescue", "--component", "0", "c1", "c2"],
            0,
            &["virstor: note: only the map tells where the data on component 0 is: rescue what this mapfile names *"],
        )
        .prints("0x00000000  0x00000200  +"),
        row(
            "a disk that was not rescued at all",
            |it| {
                trio(it);
                file(it, "c0.map", b"0 ?\n");
            },
            &["info", "--bad", "c0.map", "c0"],
            8,
            &[
                "virstor: c0: cannot read 65536 bytes at offset 983040: could not be rescued from the disk, as its mapfile says",
            ],
        ),
    ]
}

fn assumptions() -> Vec<Row> {
    /// The three without their records.
    fn bare(folder: &Path) {
        let set = SetBuilder::new("dev").components([1 << 20; 3]).map(0, 0, 2).map(1, 1, 0).filled(1);
        for (name, mut disk) in set.build() {
            disk.write_at((1 << 20) - 512, &[0; 512]).expect("it is within the disk");
            write_sparsely(&disk, &folder.join(name)).expect("it can be written");
        }
    }
    vec![
        row(
            "records that are gone",
            bare,
            &["info", "c0", "c1", "c2"],
            4,
            &[
                "virstor: note: c0 starts with what may be a map: 2 entries, 2 components; chunks of 128 KiB to * fit; try --assume chunk-size=SIZE,order=c0:FILE",
                "virstor: no virstor volume here: c0: no virstor record in its last 1048576 bytes; and 2 more files",
            ],
        ),
        row(
            "records that are assumed",
            bare,
            &["map", "--assume", "chunk-size=128K,order=c0:c1:c2,virtual-size=8M", "c0", "c1", "c2"],
            0,
            &[],
        )
        .prints("131072           131072  data          1                0"),
        row(
            "an assumption without an order",
            bare,
            &["map", "--assume", "chunk-size=128K", "c0"],
            16,
            &[
                "virstor: invalid value 'chunk-size=128K' for '--assume <WHAT>': order=FILE:FILE.. is missing*",
            ],
        ),
        row(
            "an assumption about no file",
            bare,
            &["map", "--assume", "chunk-size=128K,order=x", "c0"],
            16,
            &["virstor: --assume: x is not one of the files given"],
        ),
        row(
            "an assumption about missing components only",
            bare,
            &["map", "--assume", "chunk-size=128K,order=-:-:-", "c0"],
            16,
            &[
                "virstor: --assume: order starts with '-'; the first component holds the map and must be there",
            ],
        ),
        row(
            "a file that is two components",
            bare,
            &["map", "--assume", "chunk-size=128K,order=c0:c0", "c0"],
            16,
            &["virstor: --assume: c0 is in the order twice"],
        ),
        row(
            "a chunk size that cannot be",
            bare,
            &["map", "--assume", "chunk-size=1000,order=c0", "c0"],
            16,
            &["virstor: --assume: chunk-size 1000 is no multiple of the sector size"],
        ),
        row(
            "a virtual size that cannot be",
            bare,
            &["map", "--assume", "chunk-size=128K,order=c0:c1,virtual-size=1P", "c0", "c1"],
            16,
            &[
                "virstor: --assume: virtual-size 1125899906842624 is not from one chunk to *, all that the map has room for",
            ],
        ),
        row(
            "an order that starts with another component",
            bare,
            &["map", "--assume", "chunk-size=128K,order=c1:c0", "c0", "c1"],
            16,
            &["virstor: --assume: the first component does not start with a map of these components"],
        ),
        row(
            "what was assumed is not written to",
            bare,
            &["check", "--assume", "chunk-size=128K,order=c0:c1:c2", "c0", "c1", "c2"],
            0,
            &[],
        )
        .to(Stdout::Any),
    ]
}

fn changes() -> Vec<Row> {
    vec![
        row(
            "a backup that is a folder",
            |it| {
                trio(it);
                folder(it, "b");
            },
            &["restore-map", "b", "c0", "c1", "c2"],
            8,
            &["virstor: b: is a folder"],
        ),
        row(
            "a backup that is only said to be restored",
            backed_up_and_damaged,
            &["restore-map", "--apply", "--dry-run", "b", "c0", "c1", "c2"],
            4,
            &[],
        )
        .prints("component 1 (c1): the record would be put back\nnothing was written"),
        row(
            "a backup that is an image",
            trio,
            &["restore-map", "c1", "c0", "c2"],
            8,
            &["virstor: c1: is not a specimen"],
        ),
        row(
            "a backup for a file that is not there",
            backed_up,
            &["restore-map", "--apply", "b", "c0", "nowhere", "c2"],
            8,
            &["virstor: nowhere: no such file or directory; nothing was changed; *"],
        ),
        row(
            "a backup of more than there is",
            backed_up,
            &["restore-map", "--apply", "b", "c0", "c2"],
            0,
            &[],
        )
        .prints("component 1 of the backup is not among the files"),
        row(
            "a file given twice",
            trio,
            &["restore-map", "b", "c0", "./c0"],
            16,
            &["virstor: ./c0 is the same file as c0; give each file once"],
        ),
        row(
            "a picture in JSON",
            trio,
            &["check", "--json", "--picture", "c0"],
            16,
            &["virstor: *cannot be used with*"],
        ),
        row("a picture of a huge volume", huge, &["map", "--picture", "c0"], 0, &[]).to(Stdout::Any),
        row("orphans of a set without its map", trio, &["map", "--orphans", "c1", "c2"], 0, &[])
            .prints("component"),
    ]
}

/// A component that claims 2^32 chunks and 65,535 siblings.
fn huge(folder: &Path) {
    let set = SetBuilder::new("dev").components([1 << 20]).map(0, 0, 2).edit_record(0, |record| {
        record.chunk_count = u32::MAX;
        record.count = u16::MAX;
        record.virsize = u64::MAX;
    });
    keep(folder, set);
}
