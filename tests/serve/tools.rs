//! Programs of others: NBD clients.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

/// A program that tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Nbdinfo,
    Nbdcopy,
    QemuImg,
    /// A Python that has libnbd's module.
    Python,
}

impl Tool {
    fn path(self) -> PathBuf {
        match self {
            Self::Nbdinfo => "nbdinfo".into(),
            Self::Nbdcopy => "nbdcopy".into(),
            Self::QemuImg => "qemu-img".into(),
            Self::Python => {
                std::env::var_os("VIRSTOR_PYTHON").map_or("/usr/bin/python3".into(), PathBuf::from)
            }
        }
    }

    /// Its name, when it is not here.
    pub(crate) fn missing(self) -> Option<String> {
        let arguments: &[&str] = if self == Self::Python { &["-c", "import nbd"] } else { &["--version"] };
        let mut command = Command::new(self.path());
        let status = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let works = status.is_ok_and(|status| status.success());
        (!works).then(|| format!("{self:?} ({})", self.path().display()))
    }

    pub(crate) fn command(self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// What it prints in `folder`; fails when it does.
    pub(crate) fn run(self, folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failed> {
        let output = self.command(arguments).current_dir(folder).output()?;
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
