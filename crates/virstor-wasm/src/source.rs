//! A file of the browser, read synchronously.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use js_sys::Uint8Array;
use virstor::io::{IoError, ReadAt};
use virstor::overlay::OverlayDisk;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::FileReaderSync;

use crate::cache::Fetch;

/// Numbers up to here are exact in JavaScript.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// A `File`, and the reader it is read by.
#[derive(Debug)]
pub struct Source {
    file: web_sys::File,
    reader: FileReaderSync,
    size: u64,
}

impl Source {
    /// The file, which had `size` bytes when it was picked.
    ///
    /// # Errors
    ///
    /// A reason for people: it has another size now, or there is no synchronous reader, that is no worker.
    pub fn new(file: web_sys::File, size: u64) -> Result<Self, String> {
        let reader = FileReaderSync::new().map_err(|_| "files can be read in a worker only".to_string())?;
        let source = Self { file, reader, size };
        source.check_size()?;
        Ok(source)
    }

    /// A renamed file has no bytes in Chromium, and reading them is no error there.
    fn check_size(&self) -> Result<(), String> {
        #[expect(clippy::cast_precision_loss, reason = "sizes above 2^53 are refused by the comparison")]
        let expected = self.size as f64;
        #[expect(clippy::float_cmp, reason = "both are whole numbers")]
        if self.size > MAX_SAFE || self.file.size() != expected {
            let picked = self.size;
            return Err(format!("the file had {picked} bytes when it was picked, and has another size now"));
        }
        Ok(())
    }
}

impl Fetch for Source {
    fn size(&self) -> u64 {
        self.size
    }

    fn fetch(&self, offset: u64, buf: &mut [u8]) -> Result<(), String> {
        let end = offset + buf.len() as u64;
        assert!(end <= self.size, "the cache reads within the file");
        #[expect(clippy::cast_precision_loss, reason = "sizes are below 2^53")]
        let slice = self.file.slice_with_f64_and_f64(offset as f64, end as f64);
        let bytes = slice.and_then(|slice| self.reader.read_as_array_buffer(&slice));
        let bytes = Uint8Array::new(&bytes.map_err(|error| reason(&error))?.into());
        if bytes.length() as usize != buf.len() {
            return Err(format!("{} bytes came: the file has become shorter", bytes.length()));
        }
        bytes.copy_to(buf);
        Ok(())
    }
}

/// A disk of a session: a file, a file as a specimen has it, or as it would be after a repair. Which of them is not part of the type, so that
/// the engine is in the module once.
#[derive(Clone)]
pub struct AnyDisk(Rc<dyn ReadAt>);

impl AnyDisk {
    /// `disk`, whatever it is.
    pub fn new(disk: impl ReadAt + 'static) -> Self {
        Self(Rc::new(disk))
    }
}

impl fmt::Debug for AnyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyDisk({} bytes)", self.0.size())
    }
}

impl From<OverlayDisk<AnyDisk>> for AnyDisk {
    fn from(disk: OverlayDisk<AnyDisk>) -> Self {
        Self::new(disk)
    }
}

impl ReadAt for AnyDisk {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), IoError> {
        self.0.read_at(offset, buf)
    }

    fn unreadable(&self, range: Range<u64>) -> Option<Range<u64>> {
        self.0.unreadable(range)
    }
}

/// What the browser's error means. Its own words differ from browser to browser, and speak of permissions where
/// a file has changed.
fn reason(error: &JsValue) -> String {
    let name = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.name()));
    let name = name.or_else(|| js_sys::Reflect::get(error, &"name".into()).ok()?.as_string());
    let name = name.unwrap_or_default();
    if name.contains("NotFound") || name.contains("NOT_FOUND") {
        "the file is not there any more".into()
    } else {
        format!("the file has changed since it was picked, or cannot be read ({name})")
    }
}
