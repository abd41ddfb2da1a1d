//! Programs from Debian's packages that tests hold against ours.

use crate::process::{run, search_path, succeeds, which};
use anyhow::Result;
use std::collections::BTreeSet;
use std::process::Command;

/// Debian's own Python, the only one that sees modules from Debian's packages.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// A program or module, the package that has it, and what the tests do with it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) purpose: &'static str,
    found: fn(&str) -> bool,
}

/// Everything the tests would like to have.
pub(crate) const TOOLS: [Tool; 15] = [
    program("chromium", "chromium", "a browser, for the web inspector"),
    program("firefox-esr", "firefox-esr", "another browser, for the web inspector"),
    program("nbdinfo", "libnbd-bin", "an NBD client that reports what a server offers"),
    program("nbdcopy", "libnbd-bin", "an NBD client that copies with many requests in flight"),
    Tool {
        name: "nbd",
        package: "python3-libnbd",
        purpose: "an NBD client that can be scripted request by request",
        found: |module| succeeds(Command::new(PYTHON).args(["-c", &format!("import {module}")])),
    },
    program("nbdkit", "nbdkit", "an NBD server to compare with"),
    program("qemu-img", "qemu-utils", "reads qcow2 images, and volumes over NBD"),
    program("qemu-io", "qemu-utils", "an NBD client that writes patterns and verifies them"),
    program("qemu-nbd", "qemu-utils", "an NBD server to compare with"),
    program("fio", "fio", "random reads and writes over NBD, verified"),
    program("mmls", "sleuthkit", "reads partition tables from exported volumes"),
    program("fls", "sleuthkit", "reads UFS from exported volumes"),
    program("debugfs", "e2fsprogs", "reads ext4 from exported volumes"),
    program("mke2fs", "e2fsprogs", "makes ext4 on volumes"),
    program("ddrescue", "gddrescue", "makes the map files of disks with bad sectors"),
];

const fn program(name: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool { name, package, purpose, found: |name| which(name).is_some() }
}

/// The tools that are not on this machine.
pub(crate) fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !(tool.found)(tool.name)).collect()
}

/// The packages of some tools, each once.
pub(crate) fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    tools.iter().map(|tool| tool.package).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether packages can be installed without asking the user for anything.
pub(crate) fn can_install() -> bool {
    which("apt-get").is_some() && privilege().is_some()
}

/// Installs packages. Errs when the package manager does; some may be installed all the same.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    // Old lists may still do, so whether the update succeeds is for the installation to find out.
    succeeds(&mut apt_get(&["update", "--quiet"]));
    run(apt_get(&["install", "--quiet", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get(args: &[&str]) -> Command {
    let mut words = privilege().unwrap_or_default().to_vec();
    // Through `env`, because sudo drops the variables it was given.
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    words.extend(args);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("PATH", search_path());
    command
}

/// The words before a command that make it root's; nothing if there is no way to be root.
fn privilege() -> Option<&'static [&'static str]> {
    let sudo = &["sudo", "--non-interactive"];
    let id = Command::new("id").arg("--user").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        Some(&[])
    } else {
        succeeds(Command::new(sudo[0]).args([sudo[1], "true"])).then_some(sudo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_with_several_missing_programs_is_named_once() {
        let all: Vec<_> = TOOLS.iter().collect();
        let packages = packages(&all);
        assert_eq!(packages.iter().filter(|package| **package == "qemu-utils").count(), 1);
        assert!(TOOLS.iter().all(|tool| packages.contains(&tool.package)));
    }
}
