//! The NBD server beside its peers: what clients get out of it, and what it costs the server.
//!
//! Every server serves the same bytes (the peers an image of the volume) and runs from the beginning to the end; for
//! each job they take turns. Peers without a client or a server on this machine are left out, and said so.

use super::Bench;
use super::volume::{COMPONENTS, Volume, must_be_equal};
use crate::process::which;
use crate::progress::say;
use crate::table::markdown;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the image is.
const IMAGE: &str = "image.raw";
/// The same as qcow2.
const QCOW2: &str = "image.qcow2";

/// How long a server may take to listen: wasmtime compiles the program first.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client does, and how its result is counted.
struct Job {
    name: &'static str,
    unit: &'static str,
    /// The client, which is told the URI in place of `URI`.
    words: &'static [&'static str],
    count: Count,
}

/// What the figure of a job is.
#[derive(Clone, Copy)]
enum Count {
    /// GiB of the volume's size in a second of the client's life.
    Volume,
    /// So many operations in the seconds that qemu-img prints.
    QemuBench(u32),
    /// What fio says it did.
    Fio,
}

const JOBS: [Job; 6] = [
    Job { name: "nbdcopy to null", unit: "GiB/s", words: &["nbdcopy", "URI", "null:"], count: Count::Volume },
    Job {
        name: "nbdcopy to null, one connection",
        unit: "GiB/s",
        words: &["nbdcopy", "--connections=1", "--threads=1", "URI", "null:"],
        count: Count::Volume,
    },
    Job {
        name: "4 KiB reads, depth 1",
        unit: "1/s",
        words: &[
            "qemu-img",
            "bench",
            "-f",
            "raw",
            "-s",
            "4096",
            "-S",
            "1327214592",
            "-d",
            "1",
            "-c",
            "20000",
            "URI",
        ],
        count: Count::QemuBench(20_000),
    },
    Job {
        name: "4 KiB reads, depth 32",
        unit: "1/s",
        words: &[
            "qemu-img",
            "bench",
            "-f",
            "raw",
            "-s",
            "4096",
            "-S",
            "1327214592",
            "-d",
            "32",
            "-c",
            "100000",
            "URI",
        ],
        count: Count::QemuBench(100_000),
    },
    Job {
        name: "fio 4 KiB random reads, depth 1",
        unit: "1/s",
        words: &[
            "fio",
            "--name=j",
            "--ioengine=nbd",
            "--uri=URI",
            "--rw=randread",
            "--bs=4k",
            "--iodepth=1",
            "--time_based",
            "--runtime=2",
            "--output-format=json",
        ],
        count: Count::Fio,
    },
    Job {
        name: "fio 4 KiB random reads, depth 32",
        unit: "1/s",
        words: &[
            "fio",
            "--name=j",
            "--ioengine=nbd",
            "--uri=URI",
            "--rw=randread",
            "--bs=4k",
            "--iodepth=32",
            "--time_based",
            "--runtime=2",
            "--output-format=json",
        ],
        count: Count::Fio,
    },
];

/// What one run of a job came to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figure {
    rate: f64,
    /// Microseconds of processor time that the server took for each operation; of a copy, for each MiB.
    cost: f64,
}

/// Serves 2 GiB, half of them holes, and has every client at every server.
pub(super) fn report(bench: &Bench) -> Result<String> {
    bench.clear()?;
    let volume = Volume::half_holes();
    volume.label(&bench.folder)?;
    volume.fill(&bench.folder, Some(&bench.folder.join(IMAGE)))?;
    if which("qemu-img").is_some() {
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-f", "raw", "-O", "qcow2", IMAGE, QCOW2]).current_dir(&bench.folder);
        crate::process::run(&mut convert)?;
    }
    let servers = servers(bench)?;
    for server in &servers {
        server.verify(&bench.folder).with_context(|| server.name.clone())?;
    }
    let mut report = String::from(
        "## Serving over NBD\n\n2 GiB in chunks of 4 MiB, every other one a hole, over TCP on this machine, read-only. \
         The last columns compare with the first row; the cost is the server's processor time.\n\n",
    );
    for job in JOBS {
        if which(job.words[0]).is_none() {
            say(&format!("not installed, so not measured: {}", job.words[0]));
            continue;
        }
        report += &table(bench, &servers, &job)?;
        report.push('\n');
    }
    Ok(report)
}

fn table(bench: &Bench, servers: &[Server], job: &Job) -> Result<String> {
    let mut figures = vec![Vec::new(); servers.len()];
    for round in 0..=bench.rounds {
        for (server, figures) in servers.iter().zip(&mut figures) {
            let figure = server.measure(job).with_context(|| format!("{} at {}", job.name, server.name))?;
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    let per = if matches!(job.count, Count::Volume) { "us/MiB" } else { "us each" };
    let medians: Vec<Figure> = figures.iter().map(|figures| median(figures)).collect();
    let rows: Vec<Vec<String>> = servers
        .iter()
        .zip(&medians)
        .map(|(server, figure)| {
            let digits = if figure.rate < 100.0 { 2 } else { 0 };
            vec![
                server.name.clone(),
                format!("{:.digits$}", figure.rate),
                format!("{:.1}", figure.cost),
                format!("{:.2}", figure.rate / medians[0].rate),
                format!("{:.2}", figure.cost / medians[0].cost),
            ]
        })
        .collect();
    Ok(markdown(&[job.name, job.unit, per, "rate", "cost"], &rows))
}

/// A server that is running. It is gone when this is.
struct Server {
    name: String,
    child: Child,
    uri: String,
}

/// Ours in its forms, and its peers.
fn servers(bench: &Bench) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    let arguments = |port: &str| {
        let listen = format!("127.0.0.1:{port}");
        ["serve".into(), "--quiet".into(), "--listen".into(), listen]
            .into_iter()
            .chain(COMPONENTS.map(String::from))
            .collect::<Vec<String>>()
    };
    for peer in [
        &["qemu-nbd", "-t", "-e", "32", "-r", "-f", "raw", "-b", "127.0.0.1", "-p", "PORT", IMAGE][..],
        &["qemu-nbd", "-t", "-e", "32", "-r", "-f", "qcow2", "-b", "127.0.0.1", "-p", "PORT", QCOW2],
        &["nbdkit", "-f", "-r", "-i", "127.0.0.1", "-p", "PORT", "file", IMAGE],
    ] {
        if which(peer[0]).is_none() {
            say(&format!("not installed, so not measured: {}", peer[0]));
            continue;
        }
        let port = free_port()?;
        let words = peer.iter().map(|word| word.replace("PORT", &port).into()).collect();
        let kind = if peer[0] == "nbdkit" { "file" } else { peer[6] };
        servers.push(Server::start(&format!("{} {kind}", peer[0]), words, &port, &bench.folder)?);
    }
    let port = free_port()?;
    for contender in bench.programs(&[]) {
        let port = if contender.name == "virstor" { port.clone() } else { free_port()? };
        // preview1 has no sockets.
        if contender.name.contains("preview1") {
            continue;
        }
        let mut words = contender.words;
        if contender.name.contains("component") {
            words.splice(2..2, ["-S".into(), "inherit-network".into()]);
        }
        words.extend(arguments(&port).into_iter().map(OsString::from));
        servers.push(Server::start(&contender.name, words, &port, &bench.folder)?);
    }
    Ok(servers)
}

impl Server {
    fn start(name: &str, words: Vec<OsString>, port: &str, folder: &Path) -> Result<Self> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot run {name}"))?;
        let mut server = Self { name: name.into(), child, uri: format!("nbd://127.0.0.1:{port}") };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("{name} does not listen on port {port}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Errs unless it serves the image.
    fn verify(&self, folder: &Path) -> Result<()> {
        const COPY: &str = "copy.raw";
        if which("nbdcopy").is_none() {
            return Ok(());
        }
        let copy = folder.join(COPY);
        crate::process::run(Command::new("nbdcopy").arg(&self.uri).arg(&copy))?;
        must_be_equal(&copy, &folder.join(IMAGE))?;
        Ok(std::fs::remove_file(copy)?)
    }

    fn measure(&self, job: &Job) -> Result<Figure> {
        let words: Vec<String> = job.words.iter().map(|word| word.replace("URI", &self.uri)).collect();
        let (before, started) = (cpu_time(self.child.id()), Instant::now());
        let output = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).output()?;
        let elapsed = started.elapsed().as_secs_f64();
        let spent = cpu_time(self.child.id()).zip(before).map_or(f64::NAN, |(after, before)| after - before);
        if !output.status.success() {
            bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let (rate, operations) = match job.count {
            Count::Volume => (2.0 / elapsed, 2048.0),
            Count::QemuBench(count) => {
                let seconds: f64 = between(&said, "Run completed in ", " ").context("no time")?.parse()?;
                (f64::from(count) / seconds, f64::from(count))
            }
            Count::Fio => {
                let count: f64 = between(&said, "\"total_ios\" : ", ",").context("no count")?.parse()?;
                let rate: f64 = between(&said, "\"iops\" : ", ",").context("no rate")?.parse()?;
                (rate, count)
            }
        };
        Ok(Figure { rate, cost: spent * 1e6 / operations })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The seconds of processor time that a process has had, where the system tells.
fn cpu_time(process: u32) -> Option<f64> {
    /// Of the clock that the kernel counts them by, everywhere but on a few machines of the past.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// A port that was free a moment ago.
fn free_port() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(inside, _)| inside)
}

fn median(figures: &[Figure]) -> Figure {
    let middle = |value: fn(&Figure) -> f64| {
        let mut values: Vec<f64> = figures.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Figure { rate: middle(|figure| figure.rate), cost: middle(|figure| figure.cost) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_of_a_client_is_between_its_words() {
        assert_eq!(between("Run completed in 0.414 seconds.", "Run completed in ", " "), Some("0.414"));
        assert_eq!(between("nothing", "Run", " "), None);
    }

    #[test]
    fn each_figure_has_a_median_of_its_own() {
        let figure = |rate, cost| Figure { rate, cost };
        assert_eq!(median(&[figure(1.0, 9.0), figure(3.0, 7.0), figure(2.0, 8.0)]), figure(2.0, 8.0));
    }
}
