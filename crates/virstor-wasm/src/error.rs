//! What a session refuses, as a document that JavaScript can tell apart.

use serde::Serialize;
use virstor::io::IoError;
use wasm_bindgen::JsValue;

use crate::document;

/// Why a call gave nothing. `code` says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Refusal {
    /// No files were looked through yet.
    NothingOpen,
    /// There is no such volume.
    NoSuchVolume {
        /// The number asked for.
        volume: usize,
        /// How many there are.
        volumes: usize,
    },
    /// The volume has no such component.
    NoSuchComponent {
        /// The number asked for.
        component: u16,
    },
    /// There is no such file, or it has no bytes to be had.
    NoSuchFile {
        /// The number asked for.
        file: usize,
    },
    /// A range that does not lie within what it is asked of.
    OutOfRange {
        /// First byte (or chunk).
        start: u64,
        /// First one behind it.
        end: u64,
        /// How many there are.
        size: u64,
    },
    /// A picture that is asked for in a form it does not have.
    BadPicture {
        /// The number that is wrong.
        value: u64,
        /// What it has to be.
        bound: &'static str,
    },
    /// There are more physical chunks than a picture of them is made for.
    TooManyChunks {
        /// How many.
        chunks: u64,
        /// The most.
        limit: u64,
    },
    /// A file failed.
    Io {
        /// Its label.
        file: String,
        /// First byte of the request in the file.
        offset: u64,
        /// Length of the request, in bytes.
        len: u64,
        /// Why, for people.
        reason: String,
    },
    /// Bytes of the volume are lost, and zeros in their place were not asked for.
    Lost {
        /// How many.
        lost: u64,
        /// Of how many.
        size: u64,
    },
    /// The image cannot be made in this format.
    Format {
        /// Why, for people.
        reason: String,
    },
    /// There is nothing to search for.
    EmptyNeedle,
    /// What is asked for takes the data of the volume, and a component comes from a specimen.
    Specimen {
        /// The file that the specimen stands for.
        file: String,
    },
    /// The plan comes from other files.
    NotAPlan {
        /// Why, for people.
        reason: String,
    },
}

impl Refusal {
    /// The refusal that a failed read of `file` is; `start` is where in the file the disk begins.
    #[must_use]
    pub fn io(file: &str, start: u64, error: &IoError) -> Self {
        let IoError { offset, len, reason, .. } = error.clone();
        Self::Io { file: file.into(), offset: start.saturating_add(offset), len, reason }
    }
}

impl From<Refusal> for JsValue {
    fn from(refusal: Refusal) -> Self {
        js_sys::Uint8Array::from(&document::bytes(&refusal)[..]).into()
    }
}
