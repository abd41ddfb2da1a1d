//! Positional reads and writes in WASI: std offers none there, so the cursor is moved first. There is one thread, and
//! nothing else uses the cursor.
//!
//! In preview1 this is also the fast way: wasmtime reads from the cursor straight into the program's memory, as much as
//! it is asked for, while its `fd_pread` goes through a buffer of 64 KiB.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

pub(super) fn read_exact_at(mut file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buf)
}

pub(super) fn write_all_at(mut file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}
