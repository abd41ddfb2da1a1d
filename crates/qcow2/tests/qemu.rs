//! What qemu says about our images. Ignored, and reported so, where there is no `qemu-img`; in CI (`CI=true`)
//! there must be one.
#![allow(clippy::single_range_in_vec_init, reason = "a list of ranges may have one")]

#[path = "support/specimen.rs"]
mod specimen;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use specimen::Specimen;

fn main() -> ExitCode {
    let present =
        Command::new("qemu-img").arg("--version").output().is_ok_and(|output| output.status.success());
    let required = std::env::var_os("CI").is_some_and(|value| value == "true");
    let trials = trials().into_iter().map(|trial| trial.with_ignored_flag(!present && !required)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = (0..52).map(|seed| held("random", seed, Specimen::random(seed))).collect();
    for size in [0, 1, 511, 512, 513, 65_535, 65_536, 65_537, (32 << 20) + 1] {
        let whole = Specimen { virtual_size: size, cluster_bits: 16, ranges: vec![0..size] };
        trials.push(held("full_disk_of_bytes", size, whole.clone()));
        trials.push(held("empty_disk_of_bytes", size, Specimen { ranges: vec![], ..whole }));
    }
    let end = 16 << 40;
    let ranges = vec![9 << 40..(9 << 40) + (3 << 20), end - 70_000..end];
    trials.push(sparse("sixteen_terabytes", Specimen { virtual_size: end, cluster_bits: 16, ranges }));
    let petabyte = 1 << 50;
    let ranges = vec![0..1, 5 << 40..(5 << 40) + (3 << 20), petabyte - 70_000..petabyte];
    trials.push(sparse("a_petabyte", Specimen { virtual_size: petabyte, cluster_bits: 16, ranges }));
    let largest = 1 << 61;
    let ranges = vec![7..8, largest - 1..largest];
    trials.push(sparse("the_largest_disk", Specimen { virtual_size: largest, cluster_bits: 21, ranges }));
    let many = (0..2_000).map(|index| index << 16..(index << 16) + 1).collect();
    trials
        .push(sparse("many_ranges", Specimen { virtual_size: 2_000 << 16, cluster_bits: 12, ranges: many }));
    trials
}

/// A disk small enough to be compared whole.
fn held(name: &str, number: u64, specimen: Specimen) -> Trial {
    let name = format!("{name}_{number}");
    Trial::test(name.clone(), move || {
        let image = saved(&name, &specimen)?;
        checks_clean(&image)?;
        maps_the_data(&image, &specimen)?;
        let raw = image.with_extension("raw");
        fs::write(&raw, specimen.read(0..specimen.virtual_size))?;
        holds(&format!("{}", image.display()), "qcow2", &raw)?;
        fs::remove_file(raw)?;
        Ok(fs::remove_file(image)?)
    })
}

/// A disk of which only the data can be compared: seen through windows on it, 512 bytes wider where it can be.
fn sparse(name: &'static str, specimen: Specimen) -> Trial {
    Trial::test(name, move || {
        let image = saved(name, &specimen)?;
        checks_clean(&image)?;
        // Its map asks for 2 GiB at a time, which takes half a minute for a petabyte.
        if specimen.virtual_size <= 16 << 40 {
            maps_the_data(&image, &specimen)?;
        }
        let last_three = specimen.ranges.len().saturating_sub(3);
        for range in &specimen.ranges[last_three..] {
            let start = range.start.saturating_sub(512) / 512 * 512;
            let end = (range.end.next_multiple_of(512) + 512).min(specimen.virtual_size);
            let raw = image.with_extension("raw");
            fs::write(&raw, specimen.read(start..end))?;
            let window = serde_json::json!({
                "driver": "raw", "offset": start, "size": end - start,
                "file": { "driver": "qcow2", "file": { "driver": "file", "filename": image } },
            });
            holds(&format!("json:{window}"), "", &raw)?;
            fs::remove_file(raw)?;
        }
        Ok(fs::remove_file(image)?)
    })
}

/// Writes the image at positions. Pieces of zeros are left out: they are holes in the file then.
fn saved(name: &str, specimen: &Specimen) -> Result<PathBuf, Failed> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("qemu-{name}.qcow2"));
    let mut file = File::create(&path)?;
    file.set_len(specimen.layout().total_len())?;
    let mut position = 0;
    for piece in specimen.pieces(1 << 20) {
        let bytes = specimen.bytes_of(piece?);
        if bytes.iter().any(|&byte| byte != 0) {
            file.seek(SeekFrom::Start(position))?;
            file.write_all(&bytes)?;
        }
        position += bytes.len() as u64;
    }
    Ok(path)
}

/// No errors, no leaks, as many clusters as there are.
fn checks_clean(image: &Path) -> Result<(), Failed> {
    let output = qemu_img(&["check", "-f", "qcow2", "--output=json", &image.display().to_string()])?;
    let report: Value = serde_json::from_slice(&output)?;
    for fault in ["check-errors", "corruptions", "leaks"] {
        if report.get(fault).is_some_and(|count| count != 0) {
            return Err(format!("{report}").into());
        }
    }
    let end = fs::metadata(image)?.len();
    if report["image-end-offset"] != end { Err(format!("{end}: {report}").into()) } else { Ok(()) }
}

/// What qemu takes for data is exactly the clusters that hold some.
fn maps_the_data(image: &Path, specimen: &Specimen) -> Result<(), Failed> {
    let output = qemu_img(&["map", "-f", "qcow2", "--output=json", &image.display().to_string()])?;
    let extents: Vec<Value> = serde_json::from_slice(&output)?;
    let number = |extent: &Value, field: &str| extent[field].as_u64().ok_or(format!("{extent}"));
    let mut found: Vec<Range<u64>> = Vec::new();
    for extent in extents.iter().filter(|extent| extent["data"] == true) {
        let start = number(extent, "start")?;
        add(&mut found, start..start + number(extent, "length")?);
    }
    let mut expected = Vec::new();
    for cluster in specimen.data_clusters() {
        let start = cluster << specimen.cluster_bits;
        let end = (cluster + 1) << specimen.cluster_bits;
        add(&mut expected, start..end.min(specimen.layout().disk_size()));
    }
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}").into()) }
}

fn add(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

fn holds(image: &str, format: &str, raw: &Path) -> Result<(), Failed> {
    let raw = raw.display().to_string();
    let mut arguments = vec!["compare", "-f", "raw"];
    if !format.is_empty() {
        arguments.extend(["-F", format]);
    }
    arguments.extend([&raw, image]);
    qemu_img(&arguments).map(drop)
}

/// What it printed, if it found nothing wrong.
fn qemu_img(arguments: &[&str]) -> Result<Vec<u8>, Failed> {
    let output = Command::new("qemu-img").args(arguments).output();
    let output = output.map_err(|error| format!("cannot run qemu-img: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("qemu-img {arguments:?}: {}: {}", output.status, String::from_utf8_lossy(&said)).into())
}
