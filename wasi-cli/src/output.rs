//! Everything the program prints goes through here.

use std::ffi::OsStr;
use std::io::{self, Write};

use serde::Serialize;

use crate::failure::{Failure, host_reason};

/// Prints `text` to stdout.
///
/// # Errors
///
/// [`Failure::ReaderGone`] when stdout is a closed pipe, [`Failure::Operation`] for other trouble.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    with_stdout(|out| out.write_all(text.as_bytes()))
}

/// Prints `document` as JSON, on one line.
pub(crate) fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    with_stdout(|out| {
        serde_json::to_writer(&mut *out, document).map_err(io::Error::from)?;
        out.write_all(b"\n")
    })
}

/// Prints `documents` as a JSON array, one element a line: there may be more of them than memory.
pub(crate) fn print_json_array<T: Serialize>(documents: impl Iterator<Item = T>) -> Result<(), Failure> {
    with_stdout(|out| {
        let mut separator: &[u8] = b"[";
        for document in documents {
            out.write_all(separator)?;
            serde_json::to_writer(&mut *out, &document).map_err(io::Error::from)?;
            separator = b",\n";
        }
        out.write_all(if separator == b"[" { b"[]\n" } else { b"]\n" })
    })
}

/// Prints `lines`, each with a line feed: there may be more of them than memory.
pub(crate) fn print_lines(lines: impl Iterator<Item = String>) -> Result<(), Failure> {
    with_stdout(|out| {
        for line in lines {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })
}

/// Hands `write` a buffered stdout.
pub(crate) fn with_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Operation(format!("cannot write to stdout: {}", host_reason(&error))),
    })
}

/// Says what went wrong, in one line on stderr.
pub(crate) fn complain(line: &str) {
    if !line.is_empty() {
        warn_line(&format!("virstor: {line}"));
    }
}

/// Says something worth knowing on stderr.
pub(crate) fn note(line: &str) {
    warn_line(&format!("virstor: note: {line}"));
}

/// Text from outside (the name of a file, an argument) as it may be shown: what would move the cursor, break
/// the line or turn the text becomes an escape.
pub(crate) fn shown(text: impl AsRef<OsStr>) -> String {
    virstor::format::Printable(text.as_ref().as_encoded_bytes()).to_string()
}

/// Says `document` as JSON, in one line on stderr.
pub(crate) fn report_json(document: &impl Serialize) {
    warn_line(&serde_json::to_string(document).expect("it is plain data"));
}

fn warn_line(line: &str) {
    // Nobody is left to tell when stderr is gone too.
    // One write, so that lines of several threads do not mix.
    _ = io::stderr().write_all(format!("{}\n", shown(line)).as_bytes());
}

/// Columns of text, aligned: the first row is the heading. Columns whose heading starts with `>` are numbers.
pub(crate) fn table(rows: &[Vec<String>], indent: &str) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let right: Vec<bool> =
        (0..columns).map(|column| rows[0].get(column).is_some_and(|head| head.starts_with('>'))).collect();
    let cell = |row: &[String], column: usize| -> String {
        row.get(column).map_or("", |cell| cell.trim_start_matches('>')).to_string()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = (0..columns)
            .map(|column| {
                let (text, width) = (cell(row, column), widths[column]);
                if right[column] { format!("{text:>width$}") } else { format!("{text:<width$}") }
            })
            .collect();
        format!("{indent}{}", cells.join("  ")).trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}
