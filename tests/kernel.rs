//! The engine against what the kernel's own code did with every golden set.

use std::ops::Range;

use libtest_mimic::{Arguments, Failed, Trial};
use virstor::kernel::{Kernel, Level, Tunables};
use virstor::plan::SegmentPlace;
use virstor_inspect::document::info::Info;
use virstor_inspect::{Heap, Options};
use virstor_testkit::golden::{GoldenSet, KernelCase, OrderOutcome, Provider};
use virstor_testkit::{SparseDisk, sha256_hex};

fn main() {
    let trials = GoldenSet::names().into_iter().flat_map(|name| {
        let trial = |what: &str, test: fn(&GoldenSet) -> Result<(), Failed>| {
            let set = name.clone();
            Trial::test(format!("{name}::{what}"), move || test(&GoldenSet::load(&set)))
        };
        [
            trial("verdict", verdict),
            trial("log", log),
            trial("state", state),
            trial("configuration", configuration),
            trial("other_orders", other_orders),
            trial("map", map),
            trial("device", device),
        ]
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn look(set: &GoldenSet, debug: u32) -> Heap<&SparseDisk> {
    let options = Options { tunables: Tunables { debug, ..Tunables::default() }, ..Options::default() };
    virstor_tests::heap(set, &set.providers(), options)
}

/// Fails unless both are equal, and shows both.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, kernel: T) -> Result<(), Failed> {
    if ours == kernel {
        return Ok(());
    }
    Err(format!("{what}:\n  ours:   {ours:?}\n  kernel: {kernel:?}").into())
}

/// `kernel.taste` and `kernel.confxml` are what the kernel did.
fn verdict(set: &GoldenSet) -> Result<(), Failed> {
    let heap = look(set, 2);
    let info = Info::new(&heap, &(0..heap.volumes().len()).collect::<Vec<_>>());
    let volume = info.volumes.first().ok_or("no volume was found")?;
    let expected = match set.kernel() {
        None => ("starts", "ok"),
        Some(case) => {
            let taste = match (&case.result.panic, case.result.up) {
                (Some(_), _) => "panics",
                (None, true) => "starts",
                (None, false) => "refuses",
            };
            (taste, if case.dumpconf_panic.is_some() { "panics" } else { "ok" })
        }
    };
    same("verdict", (volume.kernel.taste.as_str(), volume.kernel.confxml.as_str()), expected)?;
    let explained = volume.kernel.taste == "starts" || !volume.kernel.reason.is_empty();
    if explained { Ok(()) } else { Err("a volume that does not start has no reason".into()) }
}

/// At the default debug level the class prints, line for line, what the kernel printed.
fn log(set: &GoldenSet) -> Result<(), Failed> {
    let Some(case) = set.kernel() else { return Ok(()) };
    let heap = look(set, 2);
    let ours: Vec<String> = heap.kernel().log().map(ToString::to_string).collect();
    same("log", &ours, &case.result.log)
}

/// The class holds in memory what the kernel held.
fn state(set: &GoldenSet) -> Result<(), Failed> {
    let Some(case) = set.kernel() else { return Ok(()) };
    let heap = look(set, 2);
    let (Some(softc), Some(components)) = (&case.kernel_state.softc, &case.kernel_state.components) else {
        return same("panicked", heap.kernel().panic().is_some(), case.result.panic.is_some());
    };
    let name = softc.name.clone().unwrap_or_default();
    let geom = heap.kernel().geom(name.as_bytes(), softc.id).ok_or("the class has no such volume")?;
    same("components", geom.component_count, softc.n_components)?;
    same("virtual chunks", geom.chunk_count, softc.chunk_count)?;
    same("chunk size", u64::from(geom.chunk_size), softc.chunk_size)?;
    same("virtual size", geom.virtual_size, softc.virsize)?;
    same("current component", geom.current, softc.curr_component)?;
    same("sector size", geom.sector_size, softc.sectorsize)?;
    same("up", u8::from(geom.up), softc.up)?;
    for expected in components {
        let Some(ours) = geom.components.get(&expected.no) else {
            same("a component that is not there", "-", expected.provider.as_str())?;
            continue;
        };
        let what = |field: &str| format!("{field} of component {}", expected.no);
        let provider = &heap.kernel().providers()[ours.provider].name;
        same(&what("provider"), String::from_utf8_lossy(provider).as_ref(), expected.provider.as_str())?;
        same(&what("chunk_count"), ours.chunk_count, expected.chunk_count)?;
        same(&what("chunk_next"), ours.chunk_next, expected.chunk_next)?;
        same(&what("chunk_reserved"), ours.chunk_reserved, u32::from(expected.chunk_reserved))?;
        same(&what("flags"), ours.flags, expected.flags)?;
    }
    Ok(())
}

/// The XML is the kernel's, letter for letter.
fn configuration(set: &GoldenSet) -> Result<(), Failed> {
    let Some(case) = set.kernel() else { return Ok(()) };
    let heap = look(set, 2);
    let configuration = heap.kernel().configuration();
    same("panic", configuration.panic.is_some(), case.dumpconf_panic.is_some())?;
    match &case.dumpconf {
        Some(expected) => same("XML", &configuration.xml, expected),
        None => Ok(()),
    }
}

/// Offered in other orders, the same components lead to what the kernel made of them.
fn other_orders(set: &GoldenSet) -> Result<(), Failed> {
    let Some(case) = set.kernel() else { return Ok(()) };
    for group in &case.other_orders {
        for order in &group.orders {
            in_order(set, case, order, &group.outcome)
                .map_err(|failed| format!("{order:?}: {}", failed.message().unwrap_or_default()))?;
        }
    }
    Ok(())
}

fn in_order(
    set: &GoldenSet,
    case: &KernelCase,
    order: &[String],
    expected: &OrderOutcome,
) -> Result<(), Failed> {
    let providers: Vec<Provider> =
        order.iter().map(|entry| Provider::parse(entry, case.sector_size)).collect();
    let heap = virstor_tests::heap(set, &providers, Options::default());
    let kernel: &Kernel<_> = heap.kernel();
    same("panic", kernel.panic().is_some(), expected.panic.is_some())?;
    // Only errors were kept of those runs.
    let errors = kernel.log().filter(|line| line.level == Level::Error).map(ToString::to_string);
    same("errors", errors.collect::<Vec<_>>(), expected.log.clone())?;
    for device in &expected.devices {
        let name = device.name.clone().unwrap_or_default();
        let geom = kernel.geom(name.as_bytes(), device.id).ok_or("the class has no such volume")?;
        same("components", geom.component_count, device.components)?;
        same("online", geom.components.len(), usize::from(device.online))?;
        same("up", u8::from(geom.up), device.up)?;
        same("size", geom.up.then_some(geom.virtual_size), device.mediasize)?;
    }
    Ok(())
}

/// The segments are the kernel's map, chunk by chunk, and its allocated space.
fn map(set: &GoldenSet) -> Result<(), Failed> {
    let Some(case) = set.kernel() else { return Ok(()) };
    let Some(expected) = case.map.as_ref().filter(|_| case.result.up) else { return Ok(()) };
    let heap = look(set, 2);
    let mut reader = heap.reader(0, 1 << 20);
    let allocated = expected.entries().filter(|(_, entry)| entry.flags & 1 == 1);
    let mut total = 0;
    for (chunk, entry) in allocated {
        let start = chunk * expected.chunk_size;
        let segment = reader.segments(start..start + expected.chunk_size).next().ok_or("no segment")?;
        let place = SegmentPlace::Data {
            component: virstor::geometry::ComponentIndex(entry.provider_no),
            offset: u64::from(entry.provider_chunk) * expected.chunk_size,
        };
        same(&format!("chunk {chunk}"), (segment.len, segment.place), (expected.chunk_size, place))?;
        total += expected.chunk_size;
    }
    let size = reader.volume().size();
    let data: u64 = data_ranges(&mut reader, 0..size).iter().map(|range| range.end - range.start).sum();
    same("data in all", data, total)
}

fn data_ranges(
    reader: &mut virstor::plan::VolumeReader<impl virstor::io::ReadAt>,
    range: Range<u64>,
) -> Vec<Range<u64>> {
    let data = reader.segments(range).filter(|segment| matches!(segment.place, SegmentPlace::Data { .. }));
    data.map(|segment| segment.start..segment.end()).collect()
}

/// The volume reads, byte for byte, as the kernel's device did.
fn device(set: &GoldenSet) -> Result<(), Failed> {
    let Some(expected) = set.device_sha256() else { return Ok(()) };
    let heap = look(set, 2);
    let mut reader = heap.reader(0, 1 << 20);
    let size = reader.volume().size();
    if size > 1 << 30 {
        return sparse_device(&mut reader, expected);
    }
    let mut bytes = vec![0; usize::try_from(size).expect("checked above")];
    reader.read(0, &mut bytes).map_err(|error| format!("{error:?}"))?;
    same("SHA-256", sha256_hex(&bytes).as_str(), expected)
}

/// As [`device`], for a volume that is not worth holding in memory: data only, the rest is holes.
fn sparse_device(
    reader: &mut virstor::plan::VolumeReader<impl virstor::io::ReadAt>,
    expected: &str,
) -> Result<(), Failed> {
    let size = reader.volume().size();
    let mut disk = SparseDisk::new(size);
    for range in data_ranges(reader, 0..size) {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).expect("chunks are small")];
        reader.read(range.start, &mut bytes).map_err(|error| format!("{error:?}"))?;
        disk.write_at(range.start, &bytes).map_err(|error| error.to_string())?;
    }
    same("SHA-256", disk.sha256().as_str(), expected)
}
