//! The web inspector on localhost: a server of the files of the build, and of nothing else.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Where the inspector is served unless something else is there: an address that bookmarks can name.
const PORT: u16 = 8733;

/// A request line and its headers have no more bytes than this.
const LONGEST_REQUEST: u64 = 16 << 10;

/// How long a client may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the files in `folder` until the program ends; gives the address.
pub(crate) fn serve(folder: &Path) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("cannot listen on localhost")?;
    let address = listener.local_addr()?;
    let folder = folder.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let folder = folder.clone();
            // A client that goes away is its own business.
            thread::spawn(move || _ = answer(client, &folder));
        }
    });
    Ok(address)
}

/// Whether the page at `address` and everything it names is served.
pub(crate) fn verify(address: SocketAddr) -> Result<()> {
    let page = fetch(address, "/")?;
    let named = page.split('"').filter_map(|text| text.strip_prefix("./"));
    let named: Vec<&str> = named.filter(|name| !name.is_empty()).collect();
    if !named.iter().any(|name| name.ends_with(".js")) {
        bail!("the page names no script");
    }
    for name in named {
        fetch(address, &format!("/{name}"))?;
    }
    Ok(())
}

/// The text at `path`; anything but a success is an error.
fn fetch(address: SocketAddr, path: &str) -> Result<String> {
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    write!(server, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        _ => bail!("{path}: {}", answer.lines().next().unwrap_or("no answer")),
    }
}

fn answer(mut client: TcpStream, folder: &Path) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(client.try_clone()?.take(LONGEST_REQUEST)).lines();
    let Some(request) = lines.next().transpose()? else { return Ok(()) };
    // All of it is read: to close a connection with something unread in it breaks it off.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let file = file_for(path).map(|file| folder.join(file));
    let (status, kind, body) = match (method, file.map(|file| (kind(&file), fs::read(file)))) {
        ("GET" | "HEAD", Some((kind, Ok(body)))) => ("200 OK", kind, body),
        ("GET" | "HEAD", _) => ("404 Not Found", "text/plain", b"not found\n".to_vec()),
        _ => ("405 Method Not Allowed", "text/plain", b"GET and HEAD only\n".to_vec()),
    };
    let len = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nX-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-cache\r\nConnection: close\r\n\r\n"
    )?;
    if method == "HEAD" { Ok(()) } else { client.write_all(&body) }
}

/// The file that a request names, as a path within the folder; `None` for what would lead out of it.
fn file_for(path: &str) -> Option<PathBuf> {
    let path = path.split(['?', '#']).next()?.strip_prefix('/')?;
    let plain = |part: &str| {
        let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(letter)
    };
    match path {
        "" => Some("index.html".into()),
        path => path.split('/').all(plain).then(|| path.into()),
    }
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_named() {
        assert_eq!(file_for("/"), Some("index.html".into()));
        assert_eq!(file_for("/?view=map"), Some("index.html".into()));
        assert_eq!(file_for("/assets/engine-1.wasm"), Some("assets/engine-1.wasm".into()));
        for path in ["/../secret", "/a/../../b", "//etc/passwd", "/.git", "/a\\b", "/%2e%2e/x", "etc", ""] {
            assert_eq!(file_for(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_served_is_what_is_there() {
        let folder = std::env::temp_dir().join(format!("xtask-site-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("index.html"), "<script src=\"./page.js\"></script>").unwrap();
        let address = serve(&folder).unwrap();
        assert!(verify(address).is_err(), "the script is not there yet");
        fs::write(folder.join("page.js"), "1").unwrap();
        verify(address).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
