//! Sizes as a command line writes them.

use serde::Deserialize;

/// A size as a vector's JSON has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// A number of bytes.
    Bytes(u64),
    /// What was typed: digits, and perhaps a suffix.
    Text(String),
}

impl Size {
    /// The size in bytes.
    ///
    /// # Panics
    ///
    /// When the text is not one [`parse_size`] takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => *bytes,
            Self::Text(text) => parse_size(text).unwrap_or_else(|| panic!("{text:?} is not a size")),
        }
    }
}

/// The bytes that `text` stands for: decimal digits and perhaps one of K, M, G, T, P, E, in either case, for
/// a power of 1024. `None` for anything else, and for 2^64 bytes or more.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return None,
    };
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    // `parse` alone would take a sign.
    all_digits.then(|| digits.parse::<u64>().ok())??.checked_mul(1 << (10 * power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024() {
        let known = [("0", 0), ("512", 512), ("200K", 200 << 10), ("64m", 64 << 20), ("3G", 3 << 30)];
        for (text, bytes) in known.into_iter().chain([("2T", 2 << 40), ("1P", 1 << 50), ("15E", 15 << 60)]) {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_size() {
        for text in ["", "K", "+1", "-1", "1KB", "1 K", "1.5G", "16E", "18446744073709551616", "1X", "K1"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
