//! Folders with sets in them.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use libtest_mimic::Failed;
use tempfile::TempDir;
use virstor_inspect::Options;
use virstor_testkit::golden::{Expect, GoldenSet};
use virstor_testkit::{SetBuilder, SparseDisk};
use virstor_tests::runtime::Runtime;

/// A set of component files in a folder of its own.
pub(crate) struct Place {
    folder: TempDir,
    /// The files as the command line takes them, and the choice of a volume where there are several.
    pub(crate) files: Vec<String>,
}

impl Place {
    pub(crate) fn golden(set: &GoldenSet) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        set.unpack_to(folder.path())?;
        let mut files = match &set.expect {
            Expect::Kernel(case) => case.taste_order.clone(),
            Expect::FileSystem(_) => set.files.keys().cloned().collect(),
        };
        let heap = virstor_tests::heap(set, &set.providers(), Options::default());
        if let [first, _, ..] = heap.volumes() {
            // The kernel reads the one it met first.
            files.extend(["--volume".into(), format!("{}/{}", first.name, first.id)]);
        }
        Ok(Self { folder, files })
    }

    /// An empty folder in which there will be `files`.
    pub(crate) fn empty(files: Vec<String>) -> Result<Self, Failed> {
        Ok(Self { folder: tempfile::tempdir()?, files })
    }

    /// The golden set of that name.
    pub(crate) fn of(name: &str) -> Result<Self, Failed> {
        Self::golden(&GoldenSet::load(name))
    }

    pub(crate) fn built(disks: &[(String, SparseDisk)]) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        for (name, disk) in disks {
            let mut file = std::fs::File::create(folder.path().join(name))?;
            file.set_len(virstor::io::ReadAt::size(disk))?;
            for (offset, bytes) in disk.used() {
                file.seek(SeekFrom::Start(offset))?;
                file.write_all(bytes)?;
            }
        }
        Ok(Self { folder, files: disks.iter().map(|(name, _)| name.clone()).collect() })
    }

    /// A fresh volume of 24 MiB on three components that have room for all of it.
    pub(crate) fn fresh() -> Result<Self, Failed> {
        Self::built(&SetBuilder::new("dev").components([9 << 20; 3]).virtual_chunks(192).build())
    }

    /// A volume of which an MBR gives 192 KiB to Linux, and where those start.
    pub(crate) fn partitioned() -> Result<(Self, u64), Failed> {
        const START: u64 = 64 << 10;
        const LEN: u64 = 192 << 10;
        let builder = SetBuilder::new("disk").components([1 << 20, 1 << 20]).filled(3);
        let mut disks = builder.map(0, 0, 2).map(1, 1, 0).build();
        // One slice, for Linux (0x83), across both chunks and with them across both components.
        let mut table = [0; 66];
        table[4] = 0x83;
        table[8..12].copy_from_slice(&u32::try_from(START / 512)?.to_le_bytes());
        table[12..16].copy_from_slice(&u32::try_from(LEN / 512)?.to_le_bytes());
        table[64..].copy_from_slice(&[0x55, 0xaa]);
        disks[0].1.write_at(2 * (128 << 10) + 446, &table)?;
        Ok((Self::built(&disks)?, START))
    }

    /// What the volume holds, by `export`.
    pub(crate) fn contents(&self) -> Result<Vec<u8>, Failed> {
        self.virstor(&["export", "--force", "-o", "exported.raw"])?;
        Ok(std::fs::read(self.path().join("exported.raw"))?)
    }

    /// The bytes of its components.
    pub(crate) fn components(&self) -> Result<BTreeMap<String, Vec<u8>>, Failed> {
        let read = |name: &String| Ok((name.clone(), std::fs::read(self.path().join(name))?));
        self.files.iter().map(read).collect()
    }

    /// Fails unless `check` finds nothing but what `codes` allow.
    pub(crate) fn check(&self, codes: &[&str]) -> Result<(), Failed> {
        let report: serde_json::Value = serde_json::from_slice(&self.virstor(&["check", "--json"])?)?;
        let findings = report["findings"].as_array().ok_or("findings are an array")?;
        let allowed = |it: &&serde_json::Value| {
            it["severity"] != "notice" && !codes.iter().any(|code| it["code"] == **code)
        };
        match findings.iter().find(allowed) {
            Some(finding) => Err(format!("check finds {finding}").into()),
            None => Ok(()),
        }
    }

    /// A volume of 8 MiB on three components, the second of which is missing. Of its chunks (128 KiB) three
    /// are on the first, four on the missing one, two on the third, and the rest are holes.
    pub(crate) fn degraded() -> Result<Self, Failed> {
        let mut set = SetBuilder::new("dev").components([1 << 20; 3]).filled(5);
        for (virtual_chunk, component, physical) in [
            (0, 0, 2),
            (1, 0, 3),
            (2, 1, 0),
            (3, 1, 1),
            (8, 2, 0),
            (9, 1, 2),
            (20, 0, 4),
            (33, 2, 1),
            (63, 1, 3),
        ] {
            set = set.map(virtual_chunk, component, physical);
        }
        let mut disks = set.build();
        disks.remove(1);
        Self::built(&disks)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `verb`, then the files.
    pub(crate) fn arguments<'a>(&'a self, verb: &[&'a str]) -> Vec<&'a str> {
        verb.iter().copied().chain(self.files.iter().map(String::as_str)).collect()
    }

    /// What a verb of the program prints here.
    pub(crate) fn virstor(&self, verb: &[&str]) -> Result<Vec<u8>, Failed> {
        let run = Runtime::Native.run(self.path(), &self.arguments(verb));
        match run.status {
            Some(0 | 1 | 4) => Ok(run.stdout),
            _ => Err(format!("{verb:?}: {run:?}").into()),
        }
    }

    /// What `map` says: start, length, state.
    pub(crate) fn map(&self) -> Result<Vec<(u64, u64, String)>, Failed> {
        let extents: serde_json::Value = serde_json::from_slice(&self.virstor(&["map", "--json"])?)?;
        let extents = extents.as_array().ok_or("map prints an array")?;
        let number = |value: &serde_json::Value| value.as_u64().expect("a number of bytes");
        let text = |value: &serde_json::Value| value.as_str().expect("a state").to_string();
        Ok(extents
            .iter()
            .map(|it| (number(&it["start"]), number(&it["length"]), text(&it["state"])))
            .collect())
    }
}
