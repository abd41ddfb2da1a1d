//! A set that is not whole serves what there is.

use virstor_tests::runtime::Runtime;

use crate::contents::statuses;
use crate::places::Place;
use crate::server::Server;
use crate::tools::Tool;
use crate::{Outcome, same};

/// Length of a chunk in bytes.
const CHUNK: u64 = 128 << 10;

/// Reads every extent of the map, whole and at its edges. `argv`: URI, the map as JSON, an image of the
/// volume with zeros where it is lost.
const READ_ALL: &str = r#"
import errno, json, nbd, sys
uri, extents, image = sys.argv[1], json.loads(sys.argv[2]), open(sys.argv[3], "rb").read()
h = nbd.NBD()
h.connect_uri(uri)
assert h.get_size() == len(image)
def check(start, length, lost):
    try:
        data = h.pread(length, start)
        assert not lost, "lost bytes were read at %d" % start
        assert data == image[start:start + length], "other bytes at %d" % start
    except nbd.Error as error:
        assert lost, "an error at %d: %s" % (start, error)
        assert error.errno == "EIO" or error.errnum == errno.EIO, str(error)
for start, length, state in extents:
    lost = state == "lost"
    check(start, length, lost)
    check(start, 1, lost)
    check(start + length - 1, 1, lost)
lost = [(s, l) for s, l, state in extents if state == "lost"]
assert lost, "nothing is lost"
for start, length in lost:
    if start > 0:
        check(start - 1, 2, True)
    # The connection is none the worse for an error.
    check(0, 512, extents[0][2] == "lost")
h.shutdown()
"#;

/// Reading lost bytes is EIO, on whatever request they are touched; all others are there.
pub(crate) fn errors(runtime: Runtime) -> Outcome {
    let place = Place::degraded()?;
    place.virstor(&["export", "-o", "image", "--missing", "zero"])?;
    let server = Server::start(runtime, &place, &[])?;
    let map = serde_json::to_string(&place.map()?)?;
    Tool::Python.run(place.path(), &["-c", READ_ALL, &server.uri, &map, "image"])?;
    let copied = Tool::Nbdcopy.run(place.path(), &[&server.uri, "null:"]);
    same("nbdcopy notices the loss", copied.is_err(), true)
}

/// With `--missing zero` there are no errors.
pub(crate) fn zeros(runtime: Runtime) -> Outcome {
    let place = Place::degraded()?;
    place.virstor(&["export", "-o", "image", "--missing", "zero"])?;
    let server = Server::start(runtime, &place, &["--missing", "zero"])?;
    let copy = Tool::Nbdcopy.run(place.path(), &[&server.uri, "-"])?;
    same("bytes", copy == std::fs::read(place.path().join("image"))?, true)
}

/// The contexts say which component bytes are on and what became of them; clients are not told that lost
/// bytes are zeros unless they are.
pub(crate) fn contexts(runtime: Runtime) -> Outcome {
    let place = Place::degraded()?;
    let damage = chunks([
        (0, 2, 0),
        (2, 2, 2),
        (4, 4, 1),
        (8, 1, 0),
        (9, 1, 2),
        (10, 10, 1),
        (20, 1, 0),
        (21, 12, 1),
        (33, 1, 0),
        (34, 29, 1),
        (63, 1, 2),
    ]);
    let component = chunks([
        (0, 2, 1),
        (2, 2, 2),
        (4, 4, 0),
        (8, 1, 3),
        (9, 1, 2),
        (10, 10, 0),
        (20, 1, 1),
        (21, 12, 0),
        (33, 1, 3),
        (34, 29, 0),
        (63, 1, 2),
    ]);
    let allocation = chunks([
        (0, 4, 0),
        (4, 4, 3),
        (8, 2, 0),
        (10, 10, 3),
        (20, 1, 0),
        (21, 12, 3),
        (33, 1, 0),
        (34, 29, 3),
        (63, 1, 0),
    ]);
    let zeroed = chunks([
        (0, 2, 0),
        (2, 6, 3),
        (8, 1, 0),
        (9, 11, 3),
        (20, 1, 0),
        (21, 12, 3),
        (33, 1, 0),
        (34, 30, 3),
    ]);
    let server = Server::start(runtime, &place, &[])?;
    same("damage", statuses(&place, &server.uri, "virstor:damage")?, damage)?;
    same("component", statuses(&place, &server.uri, "virstor:component")?, component)?;
    same("allocation", statuses(&place, &server.uri, "base:allocation")?, allocation)?;
    let server = Server::start(runtime, &place, &["--missing", "zero"])?;
    same("zeros", statuses(&place, &server.uri, "base:allocation")?, zeroed)
}

/// Extents given in chunks, in bytes.
fn chunks<const N: usize>(extents: [(u64, u64, u64); N]) -> Vec<(u64, u64, u64)> {
    extents.map(|(start, count, status)| (start * CHUNK, count * CHUNK, status)).to_vec()
}
