//! Disks to make images of: deterministic, and simple enough to be the model.

use std::ops::Range;

use virstor_qcow2::{Layout, Piece, Pieces};

/// A virtual disk whose content follows from its ranges: never zero inside, zero outside.
#[derive(Debug, Clone)]
pub(crate) struct Specimen {
    pub(crate) virtual_size: u64,
    pub(crate) cluster_bits: u32,
    pub(crate) ranges: Vec<Range<u64>>,
}

impl Specimen {
    /// Thirteen seeds in a row cover all cluster sizes. Small enough to be held in memory.
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = SplitMix(seed);
        let cluster_bits = 9 + u32::try_from(seed % 13).expect("it is below 13");
        let clusters = match cluster_bits {
            9..=11 => random.below(2000),
            12..=15 => random.below(100),
            _ => random.below(1 + ((8 << 20) >> cluster_bits)),
        };
        let virtual_size = (clusters << cluster_bits) + random.below(3) * random.below(1 << cluster_bits) / 2;
        let longest = 1 + random.below(1 + (4 << cluster_bits));
        let clusters_apart = random.below(40);
        let farthest = 1 + random.below(1 + (clusters_apart << cluster_bits));
        let mut ranges = Vec::new();
        let mut start = random.below(farthest);
        while start < virtual_size {
            let end = (start + random.below(longest)).min(virtual_size);
            ranges.push(start..end);
            start = end + random.below(farthest) * random.below(2);
            // Neither empty ranges nor steps of nothing may keep it here for ever.
            start += u64::from(ranges.len() > 500) << cluster_bits;
        }
        Self { virtual_size, cluster_bits, ranges }
    }

    /// The disk that a fuzzer's bytes stand for: any bytes are one, of at most 3 MiB.
    #[allow(dead_code, reason = "not every test that has disks decodes them")]
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut numbers =
            bytes.chunks(2).map(|pair| pair.iter().rfold(0, |all, byte| all << 8 | u64::from(*byte)));
        let mut next = || numbers.next();
        let cluster_bits = 9 + u32::try_from(next().unwrap_or(0) % 13).expect("it is below 13");
        // In quarters of a cluster and some bytes more, so that borders are met as often as missed.
        let quarters = ((1 << 20) >> (cluster_bits - 2)).max(6);
        let length = |number: u64| ((number / 4) % (quarters + 1)) * (1 << (cluster_bits - 2)) + number % 4;
        let virtual_size = length(next().unwrap_or(0));
        let (mut ranges, mut start) = (Vec::new(), 0);
        while let (Some(gap), Some(len)) = (next(), next()) {
            start += length(gap);
            if start >= virtual_size {
                break;
            }
            let end = (start + length(len)).min(virtual_size);
            ranges.push(start..end);
            start = end;
        }
        Self { virtual_size, cluster_bits, ranges }
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::new(self.virtual_size, self.cluster_bits, self.ranges.iter().cloned()).expect("it fits")
    }

    pub(crate) fn pieces(
        &self,
        copy_cap: u64,
    ) -> Pieces<impl FnMut() -> std::vec::IntoIter<Range<u64>>, std::vec::IntoIter<Range<u64>>> {
        self.layout().pieces(|| self.ranges.clone().into_iter(), copy_cap)
    }

    pub(crate) fn bytes_of(&self, piece: Piece) -> Vec<u8> {
        match piece {
            Piece::Bytes(bytes) => bytes,
            Piece::Copy { virtual_offset, len } => self.read(virtual_offset..virtual_offset + len),
        }
    }

    /// What the disk holds there; zeros past its end.
    pub(crate) fn read(&self, wanted: Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; at(wanted.end - wanted.start)];
        let first = self.ranges.partition_point(|range| range.end <= wanted.start);
        for range in self.ranges[first..].iter().take_while(|range| range.start < wanted.end) {
            for offset in range.start.max(wanted.start)..range.end.min(wanted.end) {
                let scrambled = (offset + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
                bytes[at(offset - wanted.start)] = scrambled.to_le_bytes()[0] | 1;
            }
        }
        bytes
    }

    /// Every cluster that a range touches, ascending, by asking each range for its own.
    pub(crate) fn data_clusters(&self) -> Vec<u64> {
        let mut clusters = Vec::new();
        for range in self.ranges.iter().filter(|range| !range.is_empty()) {
            clusters.extend(range.start >> self.cluster_bits..=(range.end - 1) >> self.cluster_bits);
        }
        clusters.dedup();
        clusters
    }
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("it is held in memory")
}

/// The generator of Steele, Lea and Flood ("Fast splittable pseudorandom number generators", 2014).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
