//! Rows about servers that do not begin, overlays, and requests to servers that are not there.

use std::path::Path;

use crate::files::{blank, file, folder, trio};
use crate::rows::{Row, row};

pub(crate) fn all() -> Vec<Row> {
    [servers(), overlays(), requests()].into_iter().flatten().collect()
}

/// Servers that do not begin.
fn servers() -> Vec<Row> {
    vec![
        row(
            "a wait without writers",
            trio,
            &["serve", "--when-full", "wait", "c0", "c1", "c2"],
            16,
            &["virstor: --when-full wait needs --write, and --control for 'virstor ctl add' to end the wait"],
        ),
        row(
            "a wait without a way to end it",
            trio,
            &["serve", "--write", "--when-full", "wait", "c0", "c1", "c2"],
            16,
            &["virstor: --when-full wait needs --write, and --control for 'virstor ctl add' to end the wait"],
        ),
        row(
            "a wait over an overlay",
            trio,
            &["serve", "--overlay", "o", "--when-full", "wait", "--control", "k", "c0", "c1", "c2"],
            16,
            &["virstor: --when-full wait needs --write, and --control for 'virstor ctl add' to end the wait"],
        ),
        row(
            "no way to treat a full volume",
            trio,
            &["serve", "--when-full", "maybe", "c0"],
            16,
            &[
                "virstor: invalid value 'maybe' for '--when-full <HOW>' [possible values: error, wait]; see 'virstor help'",
            ],
        ),
        row(
            "written to and not written to",
            trio,
            &["serve", "--write", "--overlay", "o", "c0", "c1", "c2"],
            16,
            &["virstor: the argument '--write' cannot be used with '--overlay <OVERLAY>'; *"],
        ),
        row(
            "writing without a component",
            trio,
            &["serve", "--write", "c0", "c1"],
            8,
            &[
                "virstor: dev/* is not sound enough to be written to: component 2 is missing* [component-missing]; 'virstor check' tells more and 'virstor repair' mends what can be mended",
            ],
        ),
        row(
            "an overlay without a component",
            trio,
            &["serve", "--overlay", "o", "c0", "c1"],
            8,
            &[
                "virstor: dev/* is not sound enough to be written to: component 2 is missing* [component-missing]; 'virstor check' tells more and 'virstor repair' mends what can be mended",
            ],
        ),
        row(
            "writing to nothing",
            blank,
            &["serve", "--write", "c0"],
            4,
            &["virstor: c0: no virstor record in its last *"],
        ),
        row(
            "a control folder that is a file",
            trio_and_text,
            &["serve", "--control", "f", "c0", "c1", "c2"],
            8,
            &["virstor: f: not a directory"],
        ),
        row(
            "a control folder in no folder",
            trio,
            &["serve", "--control", "no/k", "c0", "c1", "c2"],
            8,
            &["virstor: no/k: no such file or directory"],
        ),
        row(
            "a socket in no folder",
            trio,
            &["serve", "--unix", "no/s", "c0", "c1", "c2"],
            8,
            &["virstor: cannot listen on no/s: no such file or directory"],
        ),
        row(
            "a socket in place of a component",
            trio,
            &["serve", "--unix", "c0", "c0", "c1", "c2"],
            8,
            &["virstor: cannot listen on c0: it is there already, and is no socket"],
        ),
        row(
            "a socket with a long path",
            trio,
            &[
                "serve",
                "--unix",
                "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss",
                "c0",
                "c1",
                "c2",
            ],
            8,
            &[
                "virstor: cannot listen on ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss: the path of a socket has at most 107 bytes",
            ],
        ),
        row(
            "an address that is none",
            trio,
            &["serve", "--listen", "nonsense", "c0"],
            16,
            &[
                "virstor: invalid value 'nonsense' for '--listen <ADDRESS:PORT>': 'nonsense' is not ADDRESS:PORT, such as *",
            ],
        ),
        row(
            "no clients",
            trio,
            &["serve", "--max-clients", "0", "c0"],
            16,
            &["virstor: *'0' is not a number of clients from 1 to 10000; *"],
        ),
        row(
            "more clients than any",
            trio,
            &["serve", "--max-clients", "99999999999999999999", "c0"],
            16,
            &["virstor: *'99999999999999999999' is not a number of clients from 1 to 10000; *"],
        ),
        row(
            "no time for a handshake",
            trio,
            &["serve", "--handshake-timeout", "0", "c0"],
            16,
            &["virstor: *'0' is not a number of seconds from 1 to 31536000; *"],
        ),
        row("a time that is none", trio, &["serve", "--idle-timeout", "-1", "c0"], 16, &["virstor: *"]),
        row(
            "stdout for two",
            trio,
            &["serve", "--stdio", "--json", "c0"],
            16,
            &["virstor: the argument '--stdio' cannot be used with '--json'; *"],
        ),
        row(
            "stdin and a port",
            trio,
            &["serve", "--stdio", "--listen", "127.0.0.1:0", "c0"],
            16,
            &["virstor: the argument '--stdio' cannot be used with '--listen <ADDRESS:PORT>'; *"],
        ),
    ]
}

/// Overlays that are none, or of something else.
fn overlays() -> Vec<Row> {
    vec![
        row(
            "an overlay that is text",
            trio_and_text,
            &["serve", "--overlay", "f", "c0", "c1", "c2"],
            8,
            &["virstor: f: is no overlay"],
        ),
        row(
            "an overlay that is a component",
            trio,
            &["serve", "--overlay", "c0", "c0", "c1", "c2"],
            16,
            &["virstor: c0 is one of the FILEs; it cannot be the overlay, too"],
        ),
        row(
            "an overlay that is a folder",
            trio_and_folder,
            &["serve", "--overlay", "f", "c0", "c1", "c2"],
            8,
            &["virstor: f: is a folder"],
        ),
        row(
            "an overlay in no folder",
            trio,
            &["serve", "--overlay", "no/o", "c0", "c1", "c2"],
            8,
            &["virstor: no/o: no such file or directory"],
        ),
        row(
            "the contents of a text",
            trio_and_text,
            &["overlay", "diff", "f", "c0", "c1", "c2"],
            8,
            &["virstor: f: is no overlay"],
        ),
        row(
            "the contents of nothing",
            trio,
            &["overlay", "diff", "o", "c0", "c1", "c2"],
            8,
            &["virstor: o: no such file or directory"],
        ),
        row(
            "the contents of an overlay of no set",
            trio,
            &["overlay", "diff", "o"],
            16,
            &["virstor: the following required arguments were not provided: <FILE>...; *"],
        ),
        row(
            "a commit of zeros",
            trio,
            &["overlay", "commit", "c0", "c0", "c1", "c2"],
            8,
            &["virstor: c0: is no overlay"],
        ),
        row(
            "a commit to a part of the set",
            trio_and_text,
            &["overlay", "commit", "f", "c0", "c1"],
            8,
            &["virstor: *"],
        ),
        row("a component dropped", trio, &["overlay", "drop", "c0"], 8, &["virstor: c0: is no overlay"]),
        row(
            "nothing dropped",
            trio,
            &["overlay", "drop", "o"],
            8,
            &["virstor: o: no such file or directory"],
        ),
        row("a folder dropped", trio_and_folder, &["overlay", "drop", "f"], 8, &["virstor: f: is a folder"]),
        row(
            "nothing to do with an overlay",
            trio,
            &["overlay"],
            16,
            &["virstor: overlay: not said what to do; 'virstor help overlay' lists what there is"],
        ),
    ]
}

/// Requests that no server gets.
fn requests() -> Vec<Row> {
    vec![
        row(
            "a request to nobody in particular",
            blank,
            &["ctl", "status"],
            16,
            &["virstor: the following required arguments were not provided: --control <FOLDER>; *"],
        ),
        row(
            "a request in no folder",
            blank,
            &["ctl", "status", "--control", "no"],
            8,
            &["virstor: no: no such file or directory"],
        ),
        row(
            "a request in a file",
            text,
            &["ctl", "stop", "--control", "f"],
            8,
            &["virstor: f: not a directory"],
        ),
        row(
            "nothing added",
            blank,
            &["ctl", "add", "--control", "k"],
            16,
            &["virstor: the following required arguments were not provided: <FILE>...; *"],
        ),
        row(
            "nothing removed",
            blank,
            &["ctl", "remove", "--control", "k"],
            16,
            &["virstor: the following required arguments were not provided: <FILE>...; *"],
        ),
        row(
            "a request that is none",
            blank,
            &["ctl", "grow", "--control", "k"],
            16,
            &["virstor: unrecognized subcommand 'grow'; *"],
        ),
    ]
}

fn trio_and_text(at: &Path) {
    trio(at);
    text(at);
}

fn trio_and_folder(at: &Path) {
    trio(at);
    folder(at, "f");
}

fn text(at: &Path) {
    file(at, "f", b"a letter, and nothing that this program has written");
}
