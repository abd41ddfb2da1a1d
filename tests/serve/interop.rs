//! The programs that people point at NBD servers, writing.

use std::process::{Command, Stdio};
use std::time::Instant;

use libtest_mimic::Failed;
use virstor_testkit::{SetBuilder, SplitMix64, sha256_hex};
use virstor_tests::runtime::{self, PATIENCE, Runtime};

use crate::places::Place;
use crate::process::Process;
use crate::server::Server;
use crate::tools::Tool;
use crate::{Outcome, same};

/// Bytes of [`Place::fresh`].
const SIZE: usize = 24 << 20;

/// An image of 24 MiB: stretches of random bytes, zeros between them.
fn image(place: &Place, name: &str, seed: u64) -> Result<Vec<u8>, Failed> {
    let mut random = SplitMix64::new(seed);
    let mut bytes = vec![0; SIZE];
    for stretch in bytes.chunks_mut(96 << 10).step_by(3) {
        random.fill(stretch);
    }
    std::fs::write(place.path().join(name), &bytes)?;
    Ok(bytes)
}

/// `nbdcopy` into the volume, out of it, and across from one to another, with one connection and with four; holes
/// stay holes.
pub(crate) fn nbdcopy(runtime: Runtime) -> Outcome {
    for connections in ["--connections=1", "--connections=4"] {
        let (from, to) = (Place::fresh()?, Place::fresh()?);
        let bytes = image(&from, "image", 7)?;
        let writable = Server::start(runtime, &from, &["--write"])?;
        Tool::Nbdcopy.run(from.path(), &[connections, "--flush", "image", &writable.uri])?;
        Tool::Nbdcopy.run(from.path(), &[connections, &writable.uri, "out"])?;
        same("out", std::fs::read(from.path().join("out"))? == bytes, true)?;
        let target = Server::start(runtime, &to, &["--write"])?;
        Tool::Nbdcopy.run(from.path(), &[connections, "--flush", &writable.uri, &target.uri])?;
        writable.end()?;
        target.end()?;
        for place in [&from, &to] {
            place.check(&[])?;
            same("contents", place.contents()? == bytes, true)?;
            let data =
                place.map()?.iter().filter(|(_, _, state)| state == "data").map(|it| it.1).sum::<u64>();
            // Every third of 96 KiB is written, in chunks of 128 KiB.
            same("holes are kept", data < 20 << 20, true)?;
        }
    }
    Ok(())
}

/// qemu's patterns: writes, zeros, discards, FUA, many at once; each read back.
pub(crate) fn qemu_io(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let server = Server::start(runtime, &place, &["--write"])?;
    let script = [
        "write -P 0x11 0 64k",
        "write -P 0x22 1000 3",
        "aio_write -P 0x33 8M 1M",
        "aio_write -P 0x44 10485761 70001",
        "aio_flush",
        "read -P 0x33 8M 1M",
        "read -P 0x44 10485761 70001",
        "read -P 0 10485760 1",
        "write -z -u 8M 512k",
        "read -P 0 8M 512k",
        "read -P 0x33 8912896 512k",
        "write -z 12M 2M",
        "read -P 0 12M 2M",
        "write -f -P 0x55 16M 4k",
        "read -P 0x55 16M 4k",
        "discard 8912896 512k",
        "write -P 0x66 25165312 512",
        "flush",
        "read -P 0x11 0 1000",
        "read -P 0x22 1000 3",
        "read -P 0x66 25165312 512",
    ];
    let mut arguments = vec!["-f", "raw"];
    for line in script {
        arguments.extend(["-c", line]);
    }
    arguments.push(&server.uri);
    let said = String::from_utf8_lossy(&Tool::QemuIo.run(place.path(), &arguments)?).into_owned();
    if said.contains("failed") || said.contains("rror") {
        return Err(said.into());
    }
    server.end()?;
    place.check(&[])?;
    let contents = place.contents()?;
    same(
        "the patterns are in the volume",
        (contents[999], contents[1000], contents[SIZE - 1]),
        (0x11, 0x22, 0x66),
    )
}

/// `qemu-img convert` into the volume, `compare` with where it came from, `map` of what came of it.
pub(crate) fn qemu_img(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let bytes = image(&place, "image", 8)?;
    Tool::QemuImg.run(place.path(), &["convert", "-f", "raw", "-O", "qcow2", "image", "image.qcow2"])?;
    let server = Server::start(runtime, &place, &["--write"])?;
    let convert = ["convert", "-n", "-f", "qcow2", "-O", "raw", "image.qcow2", &server.uri];
    Tool::QemuImg.run(place.path(), &convert)?;
    Tool::QemuImg.run(place.path(), &["compare", "-f", "qcow2", "-F", "raw", "image.qcow2", &server.uri])?;
    let map = Tool::QemuImg.json(place.path(), &["map", "--output=json", "-f", "raw", &server.uri])?;
    let end = map.as_array().and_then(|map| map.last()).map(|last| (&last["start"], &last["length"]));
    let end = end.and_then(|(start, length)| Some(start.as_u64()? + length.as_u64()?));
    same("the map reaches to the end", end, Some(SIZE as u64))?;
    server.end()?;
    place.check(&[])?;
    same("contents", place.contents()? == bytes, true)
}

/// fio writes at random, with checksums, and reads them back.
pub(crate) fn fio(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let server = Server::start(runtime, &place, &["--write"])?;
    let uri = format!("--uri={}", server.uri);
    let job = ["--name=j", "--ioengine=nbd", &uri, "--rw=randrw", "--bsrange=512-64k", "--bs_unaligned"];
    let how = ["--iodepth=16", "--size=24m", "--verify=crc32c", "--verify_fatal=1", "--randseed=5"];
    Tool::Fio.run(place.path(), &[&job[..], &how[..]].concat())?;
    server.end()?;
    place.check(&[])
}

/// nbdkit in front of the server, and a client behind it.
pub(crate) fn nbdkit(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let bytes = image(&place, "image", 9)?;
    let server = Server::start(runtime, &place, &["--write"])?;
    let uri = format!("uri={}", server.uri);
    let run = "nbdcopy --flush image \"$uri\" && nbdcopy \"$uri\" out";
    Tool::Nbdkit.run(place.path(), &["--unix=-", "--exit-with-parent", "nbd", &uri, "--run", run])?;
    same("out", std::fs::read(place.path().join("out"))? == bytes, true)?;
    server.end()?;
    place.check(&[])?;
    same("contents", place.contents()? == bytes, true)
}

/// A file system is made on the volume through a mount, and found clean there and in what is exported.
pub(crate) fn file_system(runtime: Runtime) -> Outcome {
    let set = SetBuilder::new("dev").chunk_size(256 << 10).components([24 << 20; 3]).virtual_chunks(256);
    let place = Place::built(&set.build())?;
    let mount = Mount::new(runtime, &place, &["serve", "--stdio", "--write"])?;
    let file = mount.file.to_str().ok_or("a path in UTF-8")?;
    Tool::Mke2fs.run(place.path(), &["-q", "-F", "-t", "ext4", file])?;
    std::fs::write(place.path().join("letter"), "a file in a volume".repeat(5000))?;
    Tool::Debugfs.run(place.path(), &["-w", "-R", "write letter letter", file])?;
    Tool::E2fsck.run(place.path(), &["-f", "-n", file])?;
    let before = sha256_hex(&std::fs::read(file)?);
    mount.end()?;
    place.check(&[])?;
    let contents = place.contents()?;
    same("export", sha256_hex(&contents), before)?;
    let image = place.path().join("exported.raw");
    let image = image.to_str().ok_or("a path in UTF-8")?;
    Tool::E2fsck.run(place.path(), &["-f", "-n", image])?;
    let letter = Tool::Debugfs.run(place.path(), &["-R", "cat letter", image])?;
    same("letter", letter == std::fs::read(place.path().join("letter"))?, true)
}

/// A file system of FreeBSD's is read from a mount that the program serves through its standard streams.
pub(crate) fn mounted(runtime: Runtime) -> Outcome {
    let place = Place::of("ufs2-little")?;
    let mount = Mount::new(runtime, &place, &["serve", "--stdio"])?;
    let file = mount.file.to_str().ok_or("a path in UTF-8")?;
    let listed = Tool::Fls.run(place.path(), &["-r", "-p", file])?;
    place.virstor(&["export", "--force", "-o", "exported.raw"])?;
    let expected = Tool::Fls.run(place.path(), &["-r", "-p", "exported.raw"])?;
    same("there are files", listed.len() > 100, true)?;
    same("files", listed == expected, true)?;
    mount.end()
}

/// An image in the file system, which a server of its own serves through `nbdfuse --command`.
struct Mount {
    process: Process,
    /// The image.
    file: std::path::PathBuf,
    folder: tempfile::TempDir,
}

impl Mount {
    fn new(runtime: Runtime, place: &Place, verb: &[&str]) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let server = runtime.command(place.path(), &place.arguments(verb));
        let file = folder.path().join("volume");
        let mut command = Command::new("nbdfuse");
        command.arg(&file).arg("--command").arg(server.get_program()).args(server.get_args());
        command.current_dir(place.path()).stdin(Stdio::null());
        // A file to mount upon, as nbdfuse wants it for a single image.
        std::fs::write(&file, b"")?;
        let mount = Self { process: Process::start(&mut command)?, file, folder };
        let deadline = Instant::now() + PATIENCE;
        while std::fs::metadata(&mount.file)?.len() == 0 {
            if mount.process.has_ended()? || Instant::now() > deadline {
                return Err("nbdfuse does not mount".into());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(mount)
    }

    /// Unmounts, and waits until the server is gone with its client.
    fn end(mut self) -> Outcome {
        unmount(&self.file);
        self.process.wait()?;
        drop(std::mem::replace(&mut self.folder, tempfile::tempdir()?));
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if matches!(self.process.has_ended(), Ok(false)) {
            unmount(&self.file);
        }
    }
}

fn unmount(file: &std::path::Path) {
    // One that is not mounted needs none.
    _ = runtime::output(Command::new("fusermount3").arg("-u").arg(file));
}
