//! A file of the browser, read synchronously.

use js_sys::Uint8Array;
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
