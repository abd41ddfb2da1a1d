//! Programs of others: NBD clients.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;
use virstor_tests::runtime;

/// A program that tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Nbdinfo,
    Nbdcopy,
    QemuImg,
    QemuIo,
    Fio,
    Nbdkit,
    Mke2fs,
    E2fsck,
    Debugfs,
    Fls,
    /// It mounts, so it needs FUSE, too.
    Nbdfuse,
    /// A Python that has libnbd's module.
    Python,
}

impl Tool {
    fn path(self) -> PathBuf {
        match self {
            Self::Nbdinfo => "nbdinfo".into(),
            Self::Nbdcopy => "nbdcopy".into(),
            Self::QemuImg => "qemu-img".into(),
            Self::QemuIo => "qemu-io".into(),
            Self::Fio => "fio".into(),
            Self::Nbdkit => "nbdkit".into(),
            Self::Mke2fs => administrative("mke2fs"),
            Self::E2fsck => administrative("e2fsck"),
            Self::Debugfs => administrative("debugfs"),
            Self::Fls => "fls".into(),
            Self::Nbdfuse => "nbdfuse".into(),
            Self::Python => {
                std::env::var_os("VIRSTOR_PYTHON").map_or("/usr/bin/python3".into(), PathBuf::from)
            }
        }
    }

    /// Its name, when it is not here.
    pub(crate) fn missing(self) -> Option<String> {
        let arguments: &[&str] = match self {
            Self::Python => &["-c", "import nbd"],
            Self::Mke2fs | Self::E2fsck | Self::Debugfs | Self::Fls => &["-V"],
            Self::Nbdfuse if std::fs::File::open("/dev/fuse").is_err() => return Some("/dev/fuse".into()),
            _ => &["--version"],
        };
        let output = runtime::try_output(&mut self.command(arguments));
        let works = output.is_ok_and(|output| output.status.success());
        (!works).then(|| format!("{self:?} ({})", self.path().display()))
    }

    fn command(self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// What it prints in `folder`; fails when it does.
    pub(crate) fn run(self, folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failed> {
        let output = runtime::output(self.command(arguments).current_dir(folder));
        if output.status.success() {
            return Ok(output.stdout);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("{self:?} {arguments:?}: {}\n{complaint}", output.status).into())
    }

    /// The JSON document it prints.
    pub(crate) fn json(self, folder: &Path, arguments: &[&str]) -> Result<Value, Failed> {
        Ok(serde_json::from_slice(&self.run(folder, arguments)?)?)
    }
}

/// A program that Debian keeps where only root looks.
fn administrative(name: &str) -> PathBuf {
    let path = Path::new("/sbin").join(name);
    if path.exists() { path } else { name.into() }
}
