//! Sizes as people write and read them.

pub(crate) use virstor_inspect::size::human;

/// Parses a size in bytes: a number, and perhaps one of K M G T P (powers of 1024, either case, perhaps with
/// a B or iB behind it).
///
/// # Errors
///
/// One line saying what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("'{text}' is not a size: a number below 2^64, perhaps with K, M, G, T or P"))?;
    let unit = suffix.trim_end_matches("iB").trim_end_matches(['b', 'B']);
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        "p" | "P" => 50,
        _ => return Err(format!("'{suffix}' in '{text}' is not one of K, M, G, T, P")),
    };
    number.checked_mul(1 << shift).ok_or_else(|| format!("'{text}' does not fit into 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("4k", 4096),
            ("4M", 4 << 20),
            ("2T", 2 << 40),
            ("1GiB", 1 << 30),
            ("1PB", 1 << 50),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1.5G", "4X", "99999999999999999999", "16384P"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (2 << 40, "2 TiB"),
            (u64::MAX, "15.9 EiB"),
            (500_107_862_016, "465 GiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
