//! SHA-256 of what is streamed through.

use sha2::{Digest as _, Sha256};
use wasm_bindgen::prelude::wasm_bindgen;

/// A digest in the making: the browser's own takes all bytes at once or none.
#[wasm_bindgen]
#[derive(Debug, Clone, Default)]
pub struct Digest {
    sha256: Sha256,
}

#[wasm_bindgen]
impl Digest {
    /// Of no bytes yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that come next.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
    }

    /// Takes so many zeros.
    pub fn zeros(&mut self, count: u64) {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut rest = count;
        while rest > 0 {
            let piece = usize::try_from(rest).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
            self.sha256.update(&ZEROS[..piece]);
            rest -= piece as u64;
        }
    }

    /// The digest of all that came, in hexadecimal.
    #[must_use]
    pub fn hex(&self) -> String {
        self.sha256.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-2, appendix B.1.
    #[test]
    fn pieces_and_zeros_are_one_stream() {
        let mut digest = Digest::new();
        digest.update(b"a");
        digest.update(b"bc");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.hex(), abc);
        let (mut zeros, mut written) = (digest.clone(), digest);
        zeros.zeros(200_000);
        written.update(&vec![0; 200_000]);
        assert_eq!(zeros.hex(), written.hex());
    }
}
