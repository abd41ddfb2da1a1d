//! The vectors of writes, by a client over standard streams: what FreeBSD's own code left on every disk, to the bit.

use std::fs::{self, File};

use libtest_mimic::Failed;
use virstor_testkit::vectors::WriteCase;
use virstor_testkit::{pattern, sha256_of_file};
use virstor_tests::runtime::Runtime;

use crate::places::Place;
use crate::tools::Tool;
use crate::{Outcome, same};

/// Writes the data of a file, one request for each `OFFSET:LENGTH`. `argv`: file, those, `--`, the
/// server.
const WRITE_ALL: &str = r#"
import nbd, sys
h = nbd.NBD()
end = sys.argv.index("--")
h.connect_command(sys.argv[end + 1:])
with open(sys.argv[1], "rb") as data:
    for extent in sys.argv[2:end]:
        offset, length = map(int, extent.split(":"))
        h.pwrite(data.read(length), offset)
h.shutdown()
"#;

/// A case written by a client whose leaving closes the volume: each component and the volume are what they were after
/// FreeBSD's close.
pub(crate) fn write(runtime: Runtime, case: &WriteCase) -> Outcome {
    let place = labelled(case)?;
    let mut data = Vec::new();
    let mut extents = Vec::new();
    for write in &case.writes {
        let start = data.len();
        data.resize(start + usize::try_from(write.len)?, 0);
        pattern(write.seed, write.offset, &mut data[start..]);
        extents.push(format!("{}:{}", write.offset, write.len));
    }
    fs::write(place.path().join("data"), data)?;

    let server = runtime.command(place.path(), &place.arguments(&["serve", "--stdio", "--write"]));
    let mut words = vec!["-c", WRITE_ALL, "data"];
    words.extend(extents.iter().map(String::as_str));
    words.extend(["--", server.get_program().to_str().ok_or("a path in UTF-8")?]);
    words.extend(server.get_args().filter_map(|word| word.to_str()));
    Tool::Python.run(place.path(), &words)?;

    for (name, expected) in &case.components_after_close {
        same(name, &sha256_of_file(&place.path().join(name))?, expected)?;
    }
    place.virstor(&["export", "-o", "exported.raw"])?;
    same("the volume", &sha256_of_file(&place.path().join("exported.raw"))?, &case.device_sha256)
}

/// The set of a case before its first write.
fn labelled(case: &WriteCase) -> Result<Place, Failed> {
    let files: Vec<String> = case.providers.iter().map(|provider| provider.name.clone()).collect();
    let place = Place::empty(files)?;
    for provider in &case.providers {
        File::create(place.path().join(&provider.name))?.set_len(provider.size)?;
    }
    let text = |number: u64| number.to_string();
    let (size, chunk_size) = (text(case.vir_size_asked), text(case.chunk_size));
    let (maxphys, id) = (text(case.maxphys), text(case.id.into()));
    let sector_size = text(case.sector_size.into());
    let sizes = ["--size", &size, "--chunk-size", &chunk_size, "--maxphys", &maxphys];
    let others = ["--sector-size", &sector_size, "--id", &id, "--quiet"];
    place.virstor(&[&["label"], &sizes[..], &others[..], &[&case.name]].concat())?;
    Ok(place)
}
