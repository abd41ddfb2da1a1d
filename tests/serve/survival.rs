//! Clients that die, are silent, or are too many.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use virstor_tests::runtime::{PATIENCE, Runtime};

use crate::places::Place;
use crate::server::{Server, persistently, read_request};
use crate::tools::Tool;
use crate::{Outcome, same};

/// How much more memory a server may have after many deaths than after some, in KiB: the answers to some more clients.
const GROWTH: u64 = 24 << 10;

/// A hundred clients die in every way there is while others copy the volume; nobody notices, and memory
/// stays what it was.
pub(crate) fn deaths(runtime: Runtime) -> Outcome {
    let place = Place::of("04-full")?;
    let server = Server::start(runtime, &place, &[])?;
    let copies = |rounds: usize| -> Outcome {
        (0..rounds).try_for_each(|_| Tool::Nbdcopy.run(place.path(), &[&server.uri, "null:"]).map(drop))
    };
    let burst = |count: usize| -> Outcome {
        std::thread::scope(|scope| {
            let load = scope.spawn(|| copies(8));
            let dying = (0..count).try_for_each(|number| die(&server, number));
            load.join().map_err(|_| Failed::from("the load panicked"))?.and(dying)
        })
    };
    burst(50)?;
    let before = memory(&server);
    burst(100)?;
    copies(1)?;
    match (before, memory(&server)) {
        (Some(before), Some(after)) if after > before + GROWTH => {
            Err(format!("it had {before} KiB after 50 deaths and {after} KiB after 150").into())
        }
        _ => Ok(()),
    }
}

/// Clients that write die in every way there is, a thousand of them, while another goes on writing: it finds what it
/// wrote, memory stays what it was, and the set is clean.
///
/// There is room for the one that goes on and [`DYING`] others, so what the server needs at most is needed before
/// memory is first looked at, and no later burst may ask for more.
pub(crate) fn deaths_of_writers(runtime: Runtime) -> Outcome {
    let place = Place::fresh()?;
    let most = (DYING + 1).to_string();
    let server = Server::start(runtime, &place, &["--write", "--max-clients", &most])?;
    let survivor = || Tool::Python.run(place.path(), &["-c", WRITE_AND_READ, &server.uri]).map(drop);
    let burst = |numbers: std::ops::Range<usize>| -> Outcome {
        std::thread::scope(|scope| {
            let load = scope.spawn(survivor);
            let dying = { numbers }.try_for_each(|number| {
                persistently(|| match number % 2 {
                    0 => die(&server, number / 2),
                    _ => die_writing(&server, number / 2),
                })
            });
            load.join().map_err(|_| Failed::from("the load panicked"))?.and(dying)
        })
    };
    most_at_once(&server)?;
    burst(0..200)?;
    let before = memory(&server);
    burst(200..1000)?;
    survivor()?;
    if let (Some(before), Some(after)) = (before, memory(&server))
        && after > before + SLACK
    {
        return Err(format!("it had {before} KiB after 200 deaths and {after} KiB after 1000").into());
    }
    server.end()?;
    place.check(&["unclean-stop", "stale-cursor"])
}

/// How many clients may be dying at once: as many as the server keeps large buffers for.
const DYING: usize = 4;

/// How much more memory a server may have when it has been asked for the most before, in KiB: what an allocator
/// leaves here and there, and less than the answer or the payload of one client that died.
const SLACK: u64 = 4 << 10;

/// As many clients as there may be, all of whom are owed the whole volume at the same time.
fn most_at_once(server: &Server) -> Outcome {
    let mut clients = (0..DYING).map(|_| server.choose()).collect::<Result<Vec<_>, _>>()?;
    clients.iter_mut().try_for_each(ask_for_much)?;
    clients.iter_mut().try_for_each(|(stream, _)| Ok(stream.read_exact(&mut [0; 16])?))
}

/// Writes to the upper half of the volume and reads it back; those who die write to the lower half. `argv`: URI.
const WRITE_AND_READ: &str = r#"
import nbd, sys, time
def connect():
    # Those who die may have taken the last place.
    for _ in range(600):
        try:
            h = nbd.NBD()
            h.connect_uri(sys.argv[1])
            return h
        except nbd.Error:
            time.sleep(0.1)
    raise AssertionError("there was no room")
h = connect()
half = h.get_size() // 2
for number in range(40):
    start = half + number * 70000 % (half - 300000)
    h.pwrite(bytes([number]) * 300000, start)
    if number % 8 == 0:
        h.flush()
    assert h.pread(300000, start) == bytes([number]) * 300000
h.shutdown()
"#;

/// Comes, writes to the first MiB, and goes, in a way that depends on `number`.
fn die_writing(server: &Server, number: usize) -> Outcome {
    let (mut stream, _) = server.choose()?;
    let write = |len: u32| {
        let mut request = read_request(9, u64::try_from(number % 64).expect("small") * 4096, len);
        request[7] = 1;
        request
    };
    let payload = vec![0x5a; 64 << 10];
    match number % 6 {
        // Half a request, half a payload, all of it and no answer wanted.
        0 => stream.write_all(&write(4096)[..20])?,
        1 => stream.write_all(&[&write(64 << 10), &payload[..1000]].concat())?,
        2 => stream.write_all(&[&write(4096), &payload[..4096]].concat())?,
        // A length that nobody keeps room for before it comes.
        3 => stream.write_all(&[&write(32 << 20), &payload[..100]].concat())?,
        // Many, and the end in the midst of their answers.
        4 => {
            let one = [&write(512)[..], &payload[..512]].concat();
            stream.write_all(&one.repeat(100))?;
            stream.read_exact(&mut [0; 20])?;
        }
        _ => {
            stream.write_all(&[&write(64 << 10), &payload[..]].concat())?;
            stream.shutdown(Shutdown::Both)?;
        }
    }
    Ok(())
}

/// Comes and goes, in a way that depends on `number`.
fn die(server: &Server, number: usize) -> Outcome {
    match number % 10 {
        // Without a word.
        0 => drop(server.connect()?),
        1 => server.connect()?.write_all(&[0, 0])?,
        2 => server
            .connect()?
            .write_all(b"\0\0\0\x03IHAVEOPT\0\0\0\x07\0\0\x40\0half of what was announced")?,
        3 => server.connect()?.write_all(&[0xff; 4096])?,
        // Having chosen.
        4 => drop(server.choose()?),
        5 => server.choose()?.0.write_all(&read_request(1, 0, 4096)[..20])?,
        6 => server.choose()?.0.write_all(&[0x5a; 300])?,
        // With answers on their way: what was not read turns the end into a reset.
        7 => ask_for_much(&mut server.choose()?)?,
        8 => {
            let mut client = server.choose()?;
            ask_for_much(&mut client)?;
            client.0.read_exact(&mut [0; 100])?;
        }
        _ => {
            let mut client = server.choose()?;
            ask_for_much(&mut client)?;
            client.0.shutdown(Shutdown::Both)?;
        }
    }
    Ok(())
}

fn ask_for_much((stream, size): &mut (TcpStream, u64)) -> Outcome {
    let len = u32::try_from(*size)?;
    let requests: Vec<u8> = (0..16).flat_map(|cookie| read_request(cookie, 0, len)).collect();
    Ok(stream.write_all(&requests)?)
}

/// The memory of the process in KiB, where the host tells.
fn memory(server: &Server) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Two silent clients are all the server takes, and yet a third is served; the silent are sent away in time.
pub(crate) fn silence(runtime: Runtime) -> Outcome {
    let place = Place::of("01-fresh-single")?;
    let server = Server::start(runtime, &place, &["--max-clients", "2", "--handshake-timeout", "2"])?;
    let started = Instant::now();
    let mut silent = [server.connect()?, server.connect()?];
    for client in &mut silent {
        client.read_exact(&mut [0; 18])?;
    }
    let (mut third, _) = server.choose()?;
    reads(&mut third)?;
    for client in &mut silent {
        same("a silent client is sent away", is_over(client)?, true)?;
    }
    same("in time", started.elapsed() >= Duration::from_secs(1), true)?;
    // The one that spoke may take its time.
    reads(&mut third)
}

/// Who has chosen keeps its place.
pub(crate) fn crowd(runtime: Runtime) -> Outcome {
    let place = Place::of("01-fresh-single")?;
    let server = Server::start(runtime, &place, &["--max-clients", "2"])?;
    let (mut first, _) = server.choose()?;
    let (mut second, _) = server.choose()?;
    same("a third is turned away", is_over(&mut server.connect()?)?, true)?;
    reads(&mut first)?;
    reads(&mut second)?;
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match server.choose() {
            Ok((mut third, _)) => return reads(&mut third),
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error),
        }
    }
}

/// Many come at once, more than there may be; those who are sent away for others are no trouble.
pub(crate) fn flood(runtime: Runtime) -> Outcome {
    let place = Place::of("01-fresh-single")?;
    let server = Server::start(runtime, &place, &["--max-clients", "4"])?;
    for _ in 0..8 {
        let mut came = (0..64).map(|_| server.connect()).collect::<Result<Vec<_>, _>>()?;
        // Some speak when their place is taken.
        for client in &mut came {
            _ = client.write_all(&[0, 0, 0, 3]);
        }
    }
    persistently(|| reads(&mut server.choose()?.0))
}

/// A client that reads nothing of what it is owed is sent away like any other, and nobody waits for it: not the others, and
/// not the end of the server.
pub(crate) fn deaf(runtime: Runtime) -> Outcome {
    let place = Place::of("04-full")?;
    let server = Server::start(runtime, &place, &["--idle-timeout", "1", "--exit-after-last"])?;
    let (mut other, _) = server.choose()?;
    let mut deaf = server.choose()?;
    ask_for_much(&mut deaf)?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(2500) {
        reads(&mut other)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(other);
    let (status, said) = server.wait()?;
    same("the end", status.code(), Some(0)).map_err(|error| format!("{error:?}: {said}"))?;
    drop(deaf);
    Ok(())
}

/// With `--idle-timeout` a client has to do something now and then.
pub(crate) fn idle(runtime: Runtime) -> Outcome {
    const IDLE: Duration = Duration::from_secs(1);
    let place = Place::of("01-fresh-single")?;
    let server = Server::start(runtime, &place, &["--idle-timeout", "1"])?;
    let (mut busy, _) = server.choose()?;
    let mut asked = Instant::now();
    let (mut idle, _) = server.choose()?;
    idle.set_read_timeout(Some(IDLE / 8))?;
    let deadline = Instant::now() + PATIENCE;
    while !is_over(&mut idle)? {
        let before = std::mem::replace(&mut asked, Instant::now());
        match reads(&mut busy) {
            // On a machine so slow that a second went by, the busy client was idle, too.
            Err(_) if before.elapsed() >= IDLE => busy = server.choose()?.0,
            outcome => outcome?,
        }
        same("the idle one is dropped in time", Instant::now() < deadline, true)?;
    }
    Ok(())
}

/// Reads a sector, in simple replies.
pub(crate) fn reads(client: &mut TcpStream) -> Outcome {
    client.write_all(&read_request(7, 0, 512))?;
    let mut reply = [0; 16 + 512];
    client.read_exact(&mut reply)?;
    same("reply", &reply[..16], b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\0\x07".as_slice())
}

/// Whether the server closes the connection, after whatever it still has to say.
fn is_over(client: &mut TcpStream) -> Result<bool, Failed> {
    let mut rest = Vec::new();
    match client.read_to_end(&mut rest) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
