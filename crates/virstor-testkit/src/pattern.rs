//! The bytes that the golden sets and vectors were written with.

/// Fills `buf` with the test pattern of `seed` for the bytes from `offset` on.
///
/// Every byte depends on the seed and its own offset only, so any part of a long write can be checked alone.
/// Eight bytes at a time come from one mixing of seed and offset, lowest byte first.
pub fn pattern(seed: u64, offset: u64, buf: &mut [u8]) {
    let mut position = offset;
    let mut rest = buf;
    while !rest.is_empty() {
        let word = word(seed, position / 8).to_le_bytes();
        let within = usize::try_from(position % 8).expect("a remainder of 8 fits");
        let (piece, tail) = rest.split_at_mut(rest.len().min(8 - within));
        piece.copy_from_slice(&word[within..within + piece.len()]);
        position = position.wrapping_add(piece.len() as u64);
        rest = tail;
    }
}

fn word(seed: u64, number: u64) -> u64 {
    let x = seed
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(number.wrapping_mul(0xD134_2543_DE82_EF95))
        .wrapping_add(0x2545_F491_4F6C_DD1D);
    let z = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::unhex, sha256_hex};

    #[test]
    fn begins_as_the_fixtures_say() {
        let mut bytes = [0; 16];
        pattern(1, 0, &mut bytes);
        assert_eq!(bytes[..], unhex("dca4853a166be1c0efc7dd626c5a92a5").unwrap());
    }

    #[test]
    fn has_the_digest_the_fixtures_say() {
        let mut bytes = [0; 4096];
        pattern(1, 0, &mut bytes);
        assert_eq!(sha256_hex(&bytes), "b216906781ee5404b8d6ca6e1729dba997b479756ea85a777c29db973de37925");
    }

    #[test]
    fn a_part_is_a_part_of_the_whole() {
        let mut whole = [0; 64];
        pattern(99, 1000, &mut whole);
        for start in 0..64 {
            for end in start..64 {
                let mut part = vec![0; end - start];
                pattern(99, 1000 + start as u64, &mut part);
                assert_eq!(part, whole[start..end]);
            }
        }
    }
}
