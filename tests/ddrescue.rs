//! GNU ddrescue and ddrescuelog, on mapfiles they give and are given: a disk that fails while it is copied, and the
//! second pass over what matters. The disks fail by ddrescue's own test mode.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;
use virstor_testkit::GoldenSet;
use virstor_tests::runtime::{Run, Runtime, have, output};

/// Four components, of which the last is in part free.
const SET: &str = "26-add-then-use";
const FILES: [&str; 4] = ["c0", "c1", "c2", "c3"];

/// Bytes of a sector.
const SECTOR: usize = 512;

/// What of c1 cannot be read: in chunk 1, and in chunk 2.
const BAD: [Range<u64>; 2] = [0x20200..0x20600, 0x49400..0x49600];

fn main() {
    let works = |name: &str| {
        let output = Command::new(name).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    let there = works("ddrescue") && works("ddrescuelog");
    let there = have(there, "ddrescue and ddrescuelog (Debian's gddrescue)");
    let mut trials = Vec::new();
    for runtime in Runtime::ALL {
        let mut add = |name: &str, test: fn(Runtime) -> Result<(), Failed>| {
            let trial = Trial::test(format!("{name}::{}", runtime.name()), move || test(runtime));
            trials.push(trial.with_ignored_flag(!there || !runtime.is_there()));
        };
        add("a_failing_disk", a_failing_disk);
        add("only_what_matters_of_a_component", only_what_matters_of_a_component);
        add("a_disk_that_was_not_copied_yet", a_disk_that_was_not_copied_yet);
        add("a_disk_with_the_map_that_was_not_copied_yet", a_disk_with_the_map_that_was_not_copied_yet);
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

struct Place {
    folder: TempDir,
    runtime: Runtime,
}

impl Place {
    fn new(runtime: Runtime) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        GoldenSet::load(SET).unpack_to(folder.path()).expect("a set can be unpacked");
        Self { folder, runtime }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn virstor(&self, status: i32, arguments: &[&str]) -> Result<Run, Failed> {
        let run = self.runtime.run(self.path(), arguments);
        match run.status {
            Some(ended) if ended == status => Ok(run),
            ended => Err(format!("{arguments:?} ended with {ended:?}, not {status}: {}", run.stderr).into()),
        }
    }

    /// What `map --ddrescue` prints, in `file`.
    fn mapfile(&self, file: &str, status: i32, arguments: &[&str]) -> Result<(), Failed> {
        let words: Vec<&str> = ["map", "--ddrescue"].iter().chain(arguments).copied().collect();
        let run = self.virstor(status, &words)?;
        Ok(fs::write(self.path().join(file), run.stdout)?)
    }

    /// What a program of others prints; it has to succeed.
    fn tool(&self, name: &str, arguments: &[&str]) -> Result<String, Failed> {
        let output = output(Command::new(name).args(arguments).current_dir(self.path()));
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name} {arguments:?}: {}\n{complaint}", output.status).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Does what ddrescuelog says with a mapfile, and keeps it in `file`.
    fn log(&self, file: &str, arguments: &[&str]) -> Result<(), Failed> {
        Ok(fs::write(self.path().join(file), self.tool("ddrescuelog", arguments)?)?)
    }

    /// The sectors that a mapfile gives this status.
    fn sectors(&self, status: &str, mapfile: &str) -> Result<Vec<usize>, Failed> {
        let list = self.tool("ddrescuelog", &[&format!("--list-blocks={status}"), mapfile])?;
        list.lines().map(|line| Ok(line.parse()?)).collect()
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    fn same(&self, one: &str, other: &str) -> Result<(), Failed> {
        match self.bytes(one) == self.bytes(other) {
            true => Ok(()),
            false => Err(format!("{one} is not {other}").into()),
        }
    }

    /// Copies c1, which fails in [`BAD`], to c1.img and c1.img.map.
    fn copy_the_failing_disk(&self) -> Result<(), Failed> {
        let mut text = String::from("0x0 + 1\n");
        let mut position = 0;
        for Range { start, end } in BAD {
            text += &format!("{position:#x} {:#x} +\n{start:#x} {:#x} -\n", start - position, end - start);
            position = end;
        }
        text += &format!("{position:#x} {:#x} +\n", (1 << 20) - position);
        fs::write(self.path().join("fails.map"), text)?;
        self.tool("ddrescue", &["--quiet", "--test-mode=fails.map", "c1", "c1.img", "c1.img.map"])?;
        Ok(())
    }
}

/// `--bad` takes what ddrescue writes, and what `map --ddrescue` says of the volume serves both its programs.
fn a_failing_disk(runtime: Runtime) -> Result<(), Failed> {
    let place = Place::new(runtime);
    let copied = ["--bad", "c1.img.map", "c0", "c1.img", "c2", "c3"];
    place.copy_the_failing_disk()?;
    place.virstor(4, &[&["check"], &copied[..]].concat())?;
    place.mapfile("volume.map", 4, &copied)?;
    place.virstor(0, &[&["export", "--output", "good.img"], &FILES[..]].concat())?;
    place
        .virstor(4, &[&["export", "--missing", "pattern", "--output", "volume.img"], &copied[..]].concat())?;

    place.tool("ddrescuelog", &["--show-status", "volume.map"])?;
    let lost = place.sectors("-", "volume.map")?;
    let (good, rescued) = (place.bytes("good.img"), place.bytes("volume.img"));
    let differ: Vec<usize> = good
        .chunks(SECTOR)
        .zip(rescued.chunks(SECTOR))
        .enumerate()
        .filter(|(_, (good, rescued))| good != rescued)
        .map(|(sector, _)| sector)
        .collect();
    if lost.len() != 3 || lost != differ {
        return Err(format!("{lost:?} are lost, {differ:?} differ").into());
    }
    // Its logic on it: the rest and the lost are all there is, and have nothing in common.
    place.log("lost.map", &["--invert-mapfile", "volume.map"])?;
    place.log("both.map", &["--and-mapfile=lost.map", "volume.map"])?;
    place.log("all.map", &["--xor-mapfile=lost.map", "volume.map"])?;
    if !place.sectors("+", "both.map")?.is_empty() {
        return Err("something is both lost and not".into());
    }
    place.tool("ddrescuelog", &["--done-status", "all.map"])?;

    // The second pass, from another copy: over the domain of what is lost, and as another try.
    fs::copy(place.path().join("volume.img"), place.path().join("again.img"))?;
    let domain = ["--quiet", "--domain-mapfile=lost.map", "good.img", "volume.img", "second.map"];
    place.tool("ddrescue", &domain)?;
    place.same("volume.img", "good.img")?;
    place.tool("ddrescue", &["--quiet", "--retry-passes=1", "good.img", "again.img", "volume.map"])?;
    place.same("again.img", "good.img")?;
    place.tool("ddrescuelog", &["--done-status", "volume.map"])?;

    // Or from the disk itself, which has recovered, over what matters there.
    place.mapfile("wanted.map", 0, &[&["--component", "1"], &copied[..]].concat())?;
    let retry = ["--quiet", "--retry-passes=1", "--domain-mapfile=wanted.map", "c1", "c1.img", "c1.img.map"];
    place.tool("ddrescue", &retry)?;
    place.virstor(0, &[&["export", "--output", "healed.img"], &copied[..]].concat())?;
    place.same("healed.img", "good.img")
}

/// Of each component only what the volume uses is copied, and the copies are as good as the disks.
fn only_what_matters_of_a_component(runtime: Runtime) -> Result<(), Failed> {
    let place = Place::new(runtime);
    let mut words = vec!["export".to_string(), "--output".into(), "copied.img".into()];
    let mut spared = 0;
    for (number, file) in FILES.into_iter().enumerate() {
        let wanted = format!("wanted{number}.map");
        place.mapfile(&wanted, 0, &[&["--component", &number.to_string()], &FILES[..]].concat())?;
        place.tool("ddrescuelog", &["--show-status", &wanted])?;
        let (domain, image) = (format!("--domain-mapfile={wanted}"), format!("{file}.img"));
        let map = format!("{image}.map");
        place.tool("ddrescue", &["--quiet", &domain, file, &image, &map])?;
        spared += place.bytes(file).len() / SECTOR - place.sectors("+", &map)?.len();
        words.extend(["--bad".into(), format!("{image}={map}"), image]);
    }
    if spared < 5 * (128 << 10) / SECTOR {
        return Err(format!("only {spared} sectors were spared, and five chunks are free").into());
    }
    place.virstor(0, &[&["export", "--output", "good.img"], &FILES[..]].concat())?;
    place.virstor(0, &words.iter().map(String::as_str).collect::<Vec<_>>())?;
    place.same("copied.img", "good.img")
}

/// What matters of a disk is known before there is any image of it, but for where it ends: there its record is.
fn a_disk_that_was_not_copied_yet(runtime: Runtime) -> Result<(), Failed> {
    let place = Place::new(runtime);
    place.mapfile("wanted.map", 0, &["--component", "3", "c0", "c1", "c2"])?;
    let text = String::from_utf8(place.bytes("wanted.map"))?;
    let size = fs::metadata(place.path().join("c3"))?.len();
    let advice = "ddrescue --input-position=$((SIZE - 512)) DISK IMAGE IMAGE.map";
    if !text.contains(advice) {
        return Err(format!("it does not say how to copy the record: {text}").into());
    }
    let domain = ["--quiet", "--domain-mapfile=wanted.map", "c3", "c3.img", "c3.img.map"];
    place.tool("ddrescue", &domain)?;
    let record = format!("--input-position={}", size - SECTOR as u64);
    place.tool("ddrescue", &["--quiet", &record, "c3", "c3.img", "c3.img.map"])?;
    place.virstor(0, &[&["export", "--output", "good.img"], &FILES[..]].concat())?;
    let copied = ["export", "--output", "copied.img", "--bad", "c3.img.map", "c0", "c1", "c2", "c3.img"];
    place.virstor(0, &copied)?;
    place.same("copied.img", "good.img")
}

/// Of the disk that has the map only the map and the record are known to matter; with those, the rest is.
fn a_disk_with_the_map_that_was_not_copied_yet(runtime: Runtime) -> Result<(), Failed> {
    let place = Place::new(runtime);
    place.mapfile("map.map", 0, &["--component", "0", "c1", "c2", "c3"])?;
    let size = fs::metadata(place.path().join("c0"))?.len();
    let copy = |part: &str| place.tool("ddrescue", &["--quiet", part, "c0", "c0.img", "c0.img.map"]);
    copy("--domain-mapfile=map.map")?;
    copy(&format!("--input-position={}", size - SECTOR as u64))?;
    let first = place.sectors("+", "c0.img.map")?.len();

    let files = ["c0.img", "c1", "c2", "c3"];
    place.mapfile("wanted.map", 0, &[&["--component", "0"], &files[..]].concat())?;
    copy("--domain-mapfile=wanted.map")?;
    let both = place.sectors("+", "c0.img.map")?.len();
    let all = usize::try_from(size)? / SECTOR;
    if !(1 < first && first < both && both < all) {
        return Err(format!("{first}, then {both} of {all} sectors were copied").into());
    }
    place.virstor(0, &[&["export", "--output", "good.img"], &FILES[..]].concat())?;
    let copied = ["export", "--output", "copied.img", "--bad", "c0.img.map"];
    place.virstor(0, &[&copied[..], &files].concat())?;
    place.same("copied.img", "good.img")
}
