//! What clients read is the volume.

use std::collections::BTreeMap;

use serde_json::Value;
use virstor_testkit::{GoldenSet, sha256_hex};
use virstor_tests::runtime::Runtime;

use crate::places::Place;
use crate::server::Server;
use crate::tools::Tool;
use crate::{Outcome, same};

/// `nbdcopy`, with its usual connections and with one, gives what the kernel's device held.
pub(crate) fn copy(runtime: Runtime, name: &str) -> Outcome {
    let set = GoldenSet::load(name);
    let expected = set.device_sha256().ok_or("nothing to compare with")?;
    let place = Place::golden(&set)?;
    let server = Server::start(runtime, &place, &[])?;
    for connections in ["--connections=4", "--connections=1"] {
        Tool::Nbdcopy.run(place.path(), &[connections, &server.uri, "copy"])?;
        let copy = place.path().join("copy");
        same(connections, sha256_hex(&std::fs::read(&copy)?).as_str(), expected)?;
        std::fs::remove_file(copy)?;
    }
    Ok(())
}

/// qemu sees the map, converts and compares.
pub(crate) fn qemu(runtime: Runtime, name: &str) -> Outcome {
    let set = GoldenSet::load(name);
    let place = Place::golden(&set)?;
    let server = Server::start(runtime, &place, &[])?;

    let theirs = Tool::QemuImg.json(place.path(), &["map", "--output=json", "-f", "raw", &server.uri])?;
    let ours: Value = serde_json::from_slice(&place.virstor(&["map", "--qemu"])?)?;
    same("map", qemu_extents(&ours)?, qemu_extents(&theirs)?)?;

    Tool::QemuImg.run(place.path(), &["convert", "-f", "raw", "-O", "raw", &server.uri, "copy"])?;
    let expected = set.device_sha256().ok_or("nothing to compare with")?;
    same("convert", sha256_hex(&std::fs::read(place.path().join("copy"))?).as_str(), expected)?;

    place.virstor(&["export", "-o", "exported.raw"])?;
    Tool::QemuImg.run(place.path(), &["compare", "-f", "raw", "-F", "raw", &server.uri, "exported.raw"])?;
    Ok(())
}

/// Start, length and whether there is data, neighbours that are alike merged.
fn qemu_extents(map: &Value) -> Result<Vec<(u64, u64, bool)>, String> {
    let mut extents: Vec<(u64, u64, bool)> = Vec::new();
    for it in map.as_array().ok_or("an array")? {
        let number = |field: &str| it[field].as_u64().ok_or_else(|| format!("{field} in {it}"));
        let (start, len) = (number("start")?, number("length")?);
        let data = it["data"].as_bool().ok_or("data")?;
        match extents.last_mut() {
            Some((_, before, like)) if *like == data => *before += len,
            _ => extents.push((start, len, data)),
        }
    }
    Ok(extents)
}

/// `nbdinfo --list` finds the volume and its components, described.
pub(crate) fn list(runtime: Runtime) -> Outcome {
    let place = Place::of("38-shuffled")?;
    let server = Server::start(runtime, &place, &[])?;
    let exports = listed(&place, &server)?;
    let names: Vec<&str> = exports.keys().map(String::as_str).collect();
    same("names", names, vec!["component/0", "component/1", "component/2", "dev"])?;
    let volume = &exports["dev"];
    same("size", volume["export-size"].as_u64(), Some(8 << 20))?;
    same("read-only", volume["is_read_only"].as_bool(), Some(true))?;
    same("multi-conn", volume["can_multi_conn"].as_bool(), Some(true))?;
    let description = volume["description"].as_str().unwrap_or_default();
    same("description", description, "virstor volume dev/7, 8 MiB on 3 components")?;
    let contexts = serde_json::json!(["base:allocation", "virstor:component", "virstor:damage"]);
    same("contexts", &volume["contexts"], &contexts)?;
    same("component", exports["component/1"]["export-size"].as_u64(), Some(1 << 20))?;

    // No name is the volume's.
    let default = Tool::Nbdinfo.run(place.path(), &["--size", &server.uri])?;
    same("default export", default.trim_ascii(), b"8388608".as_slice())?;
    // A component is what is in its file.
    Tool::Nbdcopy.run(place.path(), &[&server.export("component/1"), "copy"])?;
    let ours = std::fs::read(place.path().join("copy"))?;
    same("component/1", ours == std::fs::read(place.path().join("a"))?, true)
}

fn listed(place: &Place, server: &Server) -> Result<BTreeMap<String, Value>, libtest_mimic::Failed> {
    let list = Tool::Nbdinfo.json(place.path(), &["--list", "--json", &server.uri])?;
    let exports = list["exports"].as_array().ok_or("no exports")?;
    let name = |it: &Value| it["export-name"].as_str().unwrap_or_default().to_string();
    Ok(exports.iter().map(|it| (name(it), it.clone())).collect())
}

/// The slices of an MBR in the volume are exports, with their own bytes.
pub(crate) fn partitions(runtime: Runtime) -> Outcome {
    let (place, start) = Place::partitioned()?;
    let server = Server::start(runtime, &place, &[])?;

    let exports = listed(&place, &server)?;
    let slice = exports.get("s1").ok_or("no slice is exported")?;
    same("size", slice["export-size"].as_u64(), Some(192 << 10))?;
    let description = slice["description"].as_str().unwrap_or_default();
    same("description names the table", description.starts_with("MBR partition"), true)?;
    let volume = Tool::Nbdcopy.run(place.path(), &[&server.uri, "-"])?;
    let copy = Tool::Nbdcopy.run(place.path(), &[&server.export("s1"), "-"])?;
    let range = usize::try_from(start)?..usize::try_from(start + (192 << 10))?;
    same("bytes", copy == volume[range], true)
}

/// What `nbdinfo --map` prints of the volume is what `map` prints; a component is all data.
pub(crate) fn extents(runtime: Runtime) -> Outcome {
    let place = Place::of("38-shuffled")?;
    let server = Server::start(runtime, &place, &[])?;
    let theirs = statuses(&place, &server.uri, "base:allocation")?;
    let mut ours: Vec<(u64, u64, u64)> = Vec::new();
    for (start, len, state) in place.map()? {
        let status = if state == "hole" { 3 } else { 0 };
        match ours.last_mut() {
            Some((_, before, like)) if *like == status => *before += len,
            _ => ours.push((start, len, status)),
        }
    }
    same("volume", ours, theirs)?;
    let component = server.export("component/2");
    same("component", statuses(&place, &component, "base:allocation")?, vec![(0, 1 << 20, 0)])?;
    same("its number", statuses(&place, &component, "virstor:component")?, vec![(0, 1 << 20, 3)])
}

/// Offset, length and number of the extents of a context.
pub(crate) fn statuses(
    place: &Place,
    uri: &str,
    context: &str,
) -> Result<Vec<(u64, u64, u64)>, libtest_mimic::Failed> {
    let map = Tool::Nbdinfo.json(place.path(), &["--json", &format!("--map={context}"), uri])?;
    let number = |it: &Value, field: &str| it[field].as_u64().ok_or_else(|| format!("{field} in {it}"));
    let extents = map.as_array().ok_or("a map is an array")?.iter();
    let extents = extents.map(|it| Ok((number(it, "offset")?, number(it, "length")?, number(it, "type")?)));
    Ok(extents.collect::<Result<_, String>>()?)
}
