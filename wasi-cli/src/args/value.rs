//! Words of the command line that are numbers and names.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::size;

/// A file that is made: it has to be one, so `-` does not stand for stdout, and is not what it is called either.
pub(crate) fn new_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.as_os_str() == "-" {
        true => Err("it has to be a file; './-' is one of that name"),
        false => Ok(path),
    })
}

pub(crate) fn sector_size(text: &str) -> Result<u32, String> {
    let bytes = size::parse(text)?;
    let known = virstor::format::SECTOR_SIZES.into_iter().find(|known| u64::from(*known) == bytes);
    known.ok_or_else(|| format!("a sector size is a power of two from 512 to 65536, not {bytes}"))
}

pub(crate) fn maxphys(text: &str) -> Result<u32, String> {
    let bytes = size::parse(text)?;
    u32::try_from(bytes).map_err(|_| format!("maxphys is below 4G, not {bytes}"))
}

/// Any number that 32 bits hold.
pub(crate) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number from 0 to {}", u32::MAX))
}

pub(crate) fn component(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| *number < u16::MAX);
    number.ok_or_else(|| format!("'{text}' is not the number of a component, from 0 to {}", u16::MAX - 1))
}

pub(crate) fn code(text: &str) -> Result<virstor::check::Code, String> {
    let known = virstor::check::Code::ALL.iter().copied().find(|code| code.text() == text);
    known.ok_or_else(|| format!("'{text}' is no code; 'virstor check' shows them in brackets"))
}

pub(crate) fn scan(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        "none" => Ok(0),
        _ => size::parse(text),
    }
}

pub(crate) fn clients(text: &str) -> Result<usize, String> {
    let clients = text.parse().ok().filter(|clients| (1..=10_000).contains(clients));
    clients.ok_or_else(|| format!("'{text}' is not a number of clients from 1 to 10000"))
}

/// Seconds, at least one and at most a year.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=31_536_000).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("'{text}' is not a number of seconds from 1 to 31536000"))
}
