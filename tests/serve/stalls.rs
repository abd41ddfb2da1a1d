//! Clients that say a few things and then nothing for a while, as those do whose kernel acknowledges late. In WebAssembly
//! answers to them are held back for a moment, in case more requests come: that must cost nobody an answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use virstor_tests::runtime::Runtime;

use crate::places::Place;
use crate::server::{Server, read_request};
use crate::survival::reads;
use crate::{Outcome, same};

/// Longer than a kernel waits before it acknowledges, and not so long that the client might be thinking.
const SILENCE: Duration = Duration::from_millis(60);

/// How many requests lead to a stall when one more follows; answers to so many are held back the longest.
const MANY: u64 = 15;

/// A simple reply to a request for a sector.
const REPLY: usize = 16 + 512;

/// How a client ends that is owed answers.
#[derive(Clone, Copy)]
enum End {
    Takes,
    SaysNoMore,
    Leaves,
    /// In the middle of a request.
    BreaksOff,
}

/// Whoever stalls is answered, however much or little it asks for next, and so is everybody else meanwhile; what is held
/// back for one that goes is of no consequence.
pub(crate) fn stalls(runtime: Runtime) -> Outcome {
    let place = Place::of("01-fresh-single")?;
    let server = Server::start(runtime, &place, &[])?;
    let (mut other, _) = server.choose()?;
    for end in [End::Takes, End::SaysNoMore, End::Leaves, End::BreaksOff] {
        let (mut client, _) = server.choose()?;
        client.set_nodelay(true)?;
        // On a busy machine the two batches may not be close enough to each other.
        (0..3).try_for_each(|_| stall(&mut client))?;
        for count in [1, MANY, 3, MANY, 64, MANY] {
            ask(&mut client, count)?;
            reads(&mut other)?;
            take(&mut client, count)?;
        }
        in_two_pieces(&mut client, &mut other)?;
        ask(&mut client, MANY)?;
        match end {
            End::Takes => take(&mut client, MANY)?,
            End::SaysNoMore => {
                client.shutdown(Shutdown::Write)?;
                take(&mut client, MANY)?;
                same("bytes behind the last answer", client.read(&mut [0])?, 0)?;
            }
            End::Leaves => {}
            End::BreaksOff => client.write_all(&read_request(MANY, 0, 512)[..20])?,
        }
        drop(client);
        reads(&mut other)?;
    }
    server.end()
}

/// Two batches one right after the other, and then silence.
fn stall(client: &mut TcpStream) -> Outcome {
    for count in [MANY, 1] {
        ask(client, count)?;
        take(client, count)?;
    }
    sleep(SILENCE);
    Ok(())
}

/// A request of which the second half comes when the server has had to wait for it.
fn in_two_pieces(client: &mut TcpStream, other: &mut TcpStream) -> Outcome {
    let request = [read_request(0, 0, 512), read_request(1, 0, 512)].concat();
    let (first, second) = request.split_at(40);
    client.write_all(first)?;
    reads(other)?;
    client.write_all(second)?;
    take(client, 2)
}

/// Asks for the first sector so many times, at once.
fn ask(client: &mut TcpStream, count: u64) -> Outcome {
    let requests: Vec<u8> = (0..count).flat_map(|cookie| read_request(cookie, 0, 512)).collect();
    Ok(client.write_all(&requests)?)
}

/// Takes the answers to that; they come in the order of the requests.
fn take(client: &mut TcpStream, count: u64) -> Outcome {
    for cookie in 0..count {
        let mut reply = [0; REPLY];
        client.read_exact(&mut reply)?;
        let expected = [&b"\x67\x44\x66\x98\0\0\0\0"[..], &cookie.to_be_bytes()].concat();
        same("reply", &reply[..16], &expected[..])?;
    }
    Ok(())
}
