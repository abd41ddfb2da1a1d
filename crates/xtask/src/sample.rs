//! The sample volume: a set made by FreeBSD's own code, and what is known of its content.

use crate::workspace::root;
use anyhow::{Context, Result, bail};
use ruzstd::decoding::StreamingDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

const SET: &str = "tests/golden/ufs2-little";

/// Unpacks the components into `folder`, which holds nothing else afterwards; gives their names in order.
pub(crate) fn unpack_into(folder: &Path) -> Result<Vec<String>> {
    let archive = root().join(SET).join("images.tar.zst");
    let file = File::open(&archive).with_context(|| format!("cannot open {}", archive.display()))?;
    // What an earlier run or the user did to the sample must not decide what this one finds.
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(folder)?,
    }
    let decoder = StreamingDecoder::new(BufReader::new(file))?;
    tar::Archive::new(decoder)
        .unpack(folder)
        .with_context(|| format!("cannot unpack {}", archive.display()))?;
    file_names(folder)
}

/// Compares an exported image with the SHA-256 that the volume had on FreeBSD; gives the digest.
pub(crate) fn verify(image: &Path) -> Result<String> {
    let expected = expected_sha256()?;
    let found = open(image).and_then(sha256).with_context(|| format!("cannot read {}", image.display()))?;
    if found != expected {
        bail!("{} has SHA-256 {found}, and the volume had {expected}", image.display());
    }
    Ok(found)
}

fn file_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn expected_sha256() -> Result<String> {
    let path = root().join(SET).join("expect.json");
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let expect: Value = serde_json::from_slice(&text)?;
    let digest = expect["device_sha256"].as_str();
    digest.map(str::to_owned).with_context(|| format!("{} has no device_sha256", path.display()))
}

fn open(path: &Path) -> io::Result<impl BufRead> {
    Ok(BufReader::with_capacity(1 << 20, File::open(path)?))
}

fn sha256(mut content: impl BufRead) -> io::Result<String> {
    let mut hasher = Sha256::new();
    loop {
        let block = content.fill_buf()?;
        if block.is_empty() {
            break;
        }
        hasher.update(block);
        let length = block.len();
        content.consume(length);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-2, appendix B.1, in blocks of two bytes.
    #[test]
    fn the_digest_is_that_of_all_blocks() {
        let digest = sha256(BufReader::with_capacity(2, &b"abc"[..])).unwrap();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
