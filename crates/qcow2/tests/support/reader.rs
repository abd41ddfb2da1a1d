//! A small qcow2 reader that shares nothing with the writer, and complains where `qemu-img check` would.

use std::ops::Range;

/// What an image says about its disk.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) disk_size: u64,
    pub(crate) cluster_bits: u32,
    /// Disk cluster and file offset of its data, ascending by cluster.
    pub(crate) mapping: Vec<(u64, u64)>,
}

impl Image {
    /// Reads an image of `file_len` bytes whose tables all lie within `bytes`, its beginning.
    ///
    /// # Panics
    ///
    /// When a field, an entry or a refcount is not what the format wants of a file without features.
    pub(crate) fn decode(bytes: &[u8], file_len: u64) -> Self {
        let header = Header::decode(bytes);
        assert_eq!(file_len % header.cluster_size, 0, "file length");

        let mut uses = vec![0_u32; at(file_len / header.cluster_size)];
        let mut claim = |range: Range<u64>| {
            for cluster in range.start / header.cluster_size..range.end.div_ceil(header.cluster_size) {
                uses[at(cluster)] += 1;
            }
        };
        let cluster = |offset| offset..offset + header.cluster_size;
        claim(cluster(0));

        let blocks = header.refcount_table_clusters * header.cluster_size / 8;
        claim(header.refcount_table..header.refcount_table + blocks * 8);
        let blocks: Vec<u64> =
            (0..blocks).map(|block| long(bytes, header.refcount_table + block * 8)).collect();
        for &block in blocks.iter().filter(|&&block| block != 0) {
            claim(cluster(block));
        }

        claim(header.l1_table..header.l1_table + header.l1_size * 8);
        let entries = header.cluster_size / 8;
        let mut mapping = Vec::new();
        for l1_index in 0..header.l1_size {
            let Some(table) = header.offset_of(long(bytes, header.l1_table + l1_index * 8)) else { continue };
            claim(cluster(table));
            for l2_index in 0..entries {
                let Some(data) = header.offset_of(long(bytes, table + l2_index * 8)) else { continue };
                claim(cluster(data));
                mapping.push((l1_index * entries + l2_index, data));
            }
        }
        if let Some((last, _)) = mapping.last() {
            assert!(last * header.cluster_size < header.disk_size, "cluster {last} is past the end");
        }

        assert!(uses.iter().all(|&uses| uses == 1), "every cluster of the file has one use");
        let per_block = header.cluster_size / 2;
        for (block, &offset) in (0_u64..).zip(&blocks) {
            let counted = block * per_block..(block + 1) * per_block;
            assert!(offset != 0 || counted.start >= file_len / header.cluster_size, "refcounts missing");
            for cluster in if offset == 0 { 0..0 } else { counted.clone() } {
                let refcount = short(bytes, offset + (cluster - counted.start) * 2);
                assert_eq!(
                    refcount,
                    u16::from(cluster * header.cluster_size < file_len),
                    "cluster {cluster}"
                );
            }
        }
        Self { disk_size: header.disk_size, cluster_bits: header.cluster_bits, mapping }
    }

    /// The whole disk, from the whole file.
    pub(crate) fn read_disk(&self, file: &[u8]) -> Vec<u8> {
        let cluster_size = 1_u64 << self.cluster_bits;
        let mut disk = vec![0; at(self.disk_size)];
        for &(cluster, offset) in &self.mapping {
            let start = cluster * cluster_size;
            let len = cluster_size.min(self.disk_size - start);
            disk[at(start)..at(start + len)].copy_from_slice(&file[at(offset)..at(offset + len)]);
        }
        disk
    }
}

struct Header {
    cluster_bits: u32,
    cluster_size: u64,
    disk_size: u64,
    l1_size: u64,
    l1_table: u64,
    refcount_table: u64,
    refcount_table_clusters: u64,
}

impl Header {
    fn decode(bytes: &[u8]) -> Self {
        assert_eq!(&bytes[..8], b"QFI\xfb\0\0\0\x03", "magic and version");
        assert_eq!(bytes[8..20], [0; 12], "no backing file");
        assert_eq!(word(bytes, 32), 0, "no encryption");
        assert_eq!(bytes[60..96], [0; 36], "no snapshots, no features");
        assert_eq!(word(bytes, 96), 4, "refcount_order");
        assert_eq!(word(bytes, 100), 104, "header_length");
        let cluster_bits = word(bytes, 20);
        let header = Self {
            cluster_bits,
            cluster_size: 1 << cluster_bits,
            disk_size: long(bytes, 24),
            l1_size: word(bytes, 36).into(),
            l1_table: long(bytes, 40),
            refcount_table: long(bytes, 48),
            refcount_table_clusters: word(bytes, 56).into(),
        };
        assert!(bytes[104..at(header.cluster_size)].iter().all(|&byte| byte == 0), "no extensions");
        assert_eq!(header.disk_size % 512, 0, "size");
        assert_eq!(header.l1_table % header.cluster_size, 0, "l1_table_offset");
        assert_eq!(header.refcount_table % header.cluster_size, 0, "refcount_table_offset");
        assert!(header.l1_size * 8 <= 32 << 20, "L1 table");
        assert!(header.refcount_table_clusters * header.cluster_size <= 8 << 20, "refcount table");
        let per_table = header.cluster_size * (header.cluster_size / 8);
        assert_eq!(header.l1_size, header.disk_size.div_ceil(per_table), "l1_size");
        header
    }

    /// The offset in an L1 or L2 entry; `None` for nothing there.
    fn offset_of(&self, entry: u64) -> Option<u64> {
        if entry == 0 {
            return None;
        }
        assert_eq!(entry >> 56, 0x80, "the copied bit and no other: {entry:#x}");
        let offset = entry & ((1 << 56) - 1);
        assert_eq!(offset % self.cluster_size, 0, "aligned: {entry:#x}");
        Some(offset)
    }
}

fn short(bytes: &[u8], offset: u64) -> u16 {
    u16::from_be_bytes(bytes[at(offset)..][..2].try_into().expect("it is as long"))
}

fn word(bytes: &[u8], offset: u64) -> u32 {
    u32::from_be_bytes(bytes[at(offset)..][..4].try_into().expect("it is as long"))
}

fn long(bytes: &[u8], offset: u64) -> u64 {
    u64::from_be_bytes(bytes[at(offset)..][..8].try_into().expect("it is as long"))
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("it is held in memory")
}
